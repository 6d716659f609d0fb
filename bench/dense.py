"""Dense search beside FAISS, and the kinds of our index beside each other.

    python -m bench.dense flat --rows 100000 --dimension 384 1024
    python -m bench.dense kinds --rows 100000 --kinds flat ivf ivf-pq hnsw
    python -m bench.dense filters --rows 100000 --vectors vectors.npz

One thread.  Vectors are made up in clusters from a fixed seed, or read from a file with arrays D
and Q.  `flat` prints a ratio only where FAISS finds the same rows.
"""

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.recall import print_row
from bench.timing import alternate, facts, one_thread
from indexes import Candidates, DenseIndex

Records = Iterator[dict[str, Any]]
Vectors = NDArray[np.float32]

SHARES = 1.0, 0.5, 0.05, 0.005, 0.0005
"""Shares of the rows that filters let through."""


def made(rows: int, dimension: int, seed: int, asked: int) -> tuple[Vectors, Vectors]:
    """Return vectors in clusters of about 100, and queries from the same clusters."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((rows // 100 + 1, dimension), dtype=np.float32)
    found = []
    for count in (rows, asked):
        points = centres[generator.integers(0, len(centres), count)]
        points += generator.standard_normal((count, dimension), dtype=np.float32)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        found.append(points)
    return found[0], found[1]


def flat(arguments: argparse.Namespace) -> Records:
    """Time exact search beside IndexFlatIP, for single queries and for batches."""
    import faiss

    for rows in arguments.rows:
        for dimension in arguments.dimension:
            vectors, queries = made(rows, dimension, arguments.seed, arguments.queries)
            ours, theirs = _index(vectors, "flat", "ip")[0], faiss.IndexFlatIP(dimension)
            theirs.add(vectors)
            for k in arguments.k:
                for batch in (1, len(queries)):
                    asked = [queries[at : at + batch] for at in range(0, len(queries), batch)][:32]
                    for record in _contest(ours, theirs, asked, k, arguments.rounds):
                        yield {"rows": rows, "dimension": dimension, **record}


def _contest(ours: DenseIndex, theirs: Any, asked: list[Vectors], k: int, rounds: int) -> Records:
    """Yield a record for each engine."""
    answers: dict[str, Any] = {
        "ours": lambda part: ours.search_many(list(part), k),
        "faiss": lambda part: theirs.search(part, k),
    }
    same = all(
        set(found.rows.tolist()) == set(row.tolist())
        for part in asked
        for found, row in zip(
            ours.search_many(list(part), k), theirs.search(part, k)[1], strict=True
        )
    )
    latencies = alternate(answers, asked, rounds)
    for engine, latency in latencies.items():
        ratio = latencies["faiss"].steady_us / latencies["ours"].steady_us
        yield {
            "k": k,
            "batch": len(asked[0]),
            "engine": engine,
            "query_us": round(latency.steady_us / len(asked[0]), 1),
            "ratio": round(ratio, 2) if same and engine == "faiss" else None,
            "same": same,
        }


def kinds(arguments: argparse.Namespace) -> Records:
    """Compare the kinds: what they find, how long they take, what they hold."""
    yield from _compare(arguments, (1.0,))


def filters(arguments: argparse.Namespace) -> Records:
    """Compare the kinds where few rows are allowed."""
    yield from _compare(arguments, SHARES)


def _compare(arguments: argparse.Namespace, shares: tuple[float, ...]) -> Records:
    for vectors, queries in _collections(arguments):
        exact, _ = _index(vectors, "flat", "cosine")
        for kind in arguments.kinds:
            index, seconds = _index(vectors, kind, "cosine")
            for share in shares:
                allowed = np.random.default_rng(arguments.seed).random(len(vectors)) < share
                mask = None if share == 1 else allowed
                best = exact.search_many(list(queries), 100, mask)
                search = partial(index.search, depth=100, allowed=mask)
                latency = alternate({kind: search}, list(queries), arguments.rounds)[kind]
                found = [search(query) for query in queries]
                yield {
                    "rows": len(vectors),
                    "dimension": vectors.shape[1],
                    "kind": kind,
                    "share": share,
                    "ann_recall@10": _recall(found, best, 10),
                    "ann_recall@100": _recall(found, best, 100),
                    "query_us": latency.steady_us,
                    "build_s": round(seconds, 1),
                    "mb": round(index.bytes / 1e6),
                    "resident_mb": round(index.resident / 1e6, 1),
                }


def _collections(arguments: argparse.Namespace) -> Iterator[tuple[Vectors, Vectors]]:
    if arguments.vectors:
        stored = np.load(arguments.vectors, allow_pickle=False)
        queries = stored["Q"].astype(np.float32)[: arguments.queries]
        yield stored["D"].astype(np.float32), queries
        return
    for rows in arguments.rows:
        for dimension in arguments.dimension:
            yield made(rows, dimension, arguments.seed, arguments.queries)


def _index(vectors: Vectors, kind: Any, metric: Any) -> tuple[DenseIndex, float]:
    """Return an index and the seconds of building it; what compiles has been compiled."""
    for count in (100, len(vectors)):
        index = DenseIndex(vectors.shape[1], metric, kind)
        start = time.perf_counter()
        index.add(np.arange(count), vectors[:count])
        index.search(vectors[0], 10)
    return index, time.perf_counter() - start


def _recall(found: list[Candidates], best: list[Candidates], k: int) -> float:
    """Return the part of the true best k that was found."""
    pairs = zip(found, best, strict=True)
    hits = [len(np.intersect1d(a.rows[:k], b.rows[:k])) / max(1, len(b.rows[:k])) for a, b in pairs]
    return round(float(np.mean(hits)), 4)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (run, _) in COMMANDS.items():
        command = commands.add_parser(name, help=(run.__doc__ or "").partition("\n")[0])
        command.add_argument("--rows", nargs="+", type=int, default=[100_000])
        command.add_argument("--dimension", nargs="+", type=int, default=[384])
        command.add_argument("--rounds", type=int, default=5)
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--json", type=Path, help="append all figures to this JSON Lines file")
        command.add_argument("--queries", type=int, default=256 if name == "flat" else 100)
        if name == "flat":
            command.add_argument("--k", nargs="+", type=int, default=[10, 100])
        else:
            command.add_argument("--vectors", type=Path, help="an npz file with arrays D and Q")
            command.add_argument("--kinds", nargs="+", default=["flat", "ivf", "ivf-pq"])
    return parser


def main() -> None:
    """Measure what the command line asks for, print a table as it grows."""
    arguments = _parser().parse_args()
    one_thread("bench.dense")
    run, columns = COMMANDS[arguments.command]
    print_row(list(columns))
    print_row(["---"] * len(columns))
    shared = {"benchmark": f"dense {arguments.command}", "seed": arguments.seed, **facts()}
    for record in run(arguments):
        print_row([str("" if record.get(c) is None else record[c]) for c in columns])
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**shared, **record}) + "\n")


_KINDS = "rows dimension kind share ann_recall@10 ann_recall@100 query_us build_s mb resident_mb"
COMMANDS = {
    "flat": (flat, ["rows", "dimension", "k", "batch", "engine", "query_us", "ratio", "same"]),
    "kinds": (kinds, _KINDS.split()),
    "filters": (filters, _KINDS.split()),
}


if __name__ == "__main__":
    main()
