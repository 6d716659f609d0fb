"""Hybrid search from the question to the texts of its hits, beside its indexes and beside peers.

    python -m bench.endtoend build /tmp/made --rows 100000 --kind hnsw
    python -m bench.endtoend latency /tmp/made --k 10
    python -m bench.endtoend peers --rows 100000 --index /tmp/made

One thread, on made-up passages.  The vectors of the questions are there before: no model is timed.

`latency` times `Retriever.search` beside the index's own BM25 search and its own dense search for
the same k; the ratio is that to the slower of the two.  Where the time goes is what
`Retriever.explain` says, one index after the other.

`peers` asks all engines the same questions over the same passages and vectors, see
`bench.endtoend_peers`; the ratio is that to ours under RRF.  Recall is the part of an engine's hits
that are in the exact answer, over complete lists of all rows, of the method by which it fuses.
Give the process one core (``taskset -c 1``): LanceDB has threads of its own that no setting here
reaches.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import hybrid
from bench import endtoend_peers
from bench.endtoend_data import MadeUp, Questions
from bench.recall import print_row
from bench.timing import Latency, alternate, facts, one_thread
from fusion import AnyMethod

Records = Iterator[dict[str, Any]]

STAGES = {
    "query": "query",
    "bm25": "search: bm25",
    "dense": "search: dense",
    "texts": "texts",
}
"""Parts of a search, by the names that `Retriever.explain` has for them."""


def build(arguments: argparse.Namespace) -> None:
    """Build and save an index of made-up passages, and questions beside it."""
    start = time.perf_counter()
    made = MadeUp.of(arguments.rows, arguments.dimension, arguments.seed)
    arguments.folder.mkdir(parents=True)
    made.questions(arguments.queries).save(arguments.folder)
    print(f"made {len(made.passages)} passages: {time.perf_counter() - start:.1f} s", flush=True)
    retriever = hybrid.Retriever.create(
        arguments.folder / "index",
        encoder=made.encoder(),
        analyzer="english",
        chunker=hybrid.Chunker(size=None),
        dense=hybrid.Dense(kind=arguments.kind),
    )
    retriever.add(made.documents())
    print(f"added: {time.perf_counter() - start:.1f} s", flush=True)
    retriever.commit()
    print(f"saved: {time.perf_counter() - start:.1f} s", flush=True)
    retriever.close()


def latency(arguments: argparse.Namespace) -> Records:
    """Time whole searches beside the indexes' own, and say where the time goes."""
    questions = Questions.load(arguments.folder).first(arguments.queries)
    path, encoder = arguments.folder / "index", questions.encoder()
    with hybrid.Retriever.load(path, encoder=encoder) as retriever:
        ways = _ways(retriever)
        engines, k = _own_searches(retriever, questions.texts, arguments.k), arguments.k
        engines |= {name: _search(retriever, way, k) for name, way in ways.items()}
        taken = alternate(engines, questions.texts, arguments.rounds)
        base = {
            "rows": len(retriever),
            "kind": retriever._search().indexes.choices[1].kind,
            "k": k,
            "queries": len(questions.texts),
        }
        slower = max(taken["bm25 alone"].p50_us, taken["dense alone"].p50_us)
        for name, spent in taken.items():
            record = {**base, "engine": name, **_summary(spent)}
            if name in ways:
                retriever.fusion = ways[name]
                record["ratio"] = round(spent.p50_us / slower, 2)
                record |= _explained(retriever, questions, k)
            yield record


def _ways(retriever: hybrid.Retriever) -> dict[str, AnyMethod]:
    """Return the ways to fuse that are timed."""
    return {
        "default": retriever.fusion,
        "RRF": hybrid.RRF(),
        "RRF of 100": hybrid.RRF(missing="zero", depth=100),
    }


def _search(retriever: hybrid.Retriever, way: AnyMethod, k: int) -> Callable[[str], object]:
    def ask(text: str) -> object:
        retriever.fusion = way
        return retriever.search(text, k)

    return ask


def _own_searches(
    retriever: hybrid.Retriever, texts: Sequence[str], k: int
) -> dict[str, Callable[[str], object]]:
    """Return the search of each index alone, for questions that were made queries before."""
    arms = dict(zip(texts, retriever._search().indexes.arms(texts), strict=True))

    def of(name: str) -> Callable[[str], object]:
        def ask(text: str) -> object:
            arm = arms[text][name]
            return arm.index.search(arm.query, k)

        return ask

    return {f"{name} alone": of(name) for name in ("bm25", "dense")}


def _explained(retriever: hybrid.Retriever, questions: Questions, k: int) -> dict[str, Any]:
    """Return where the time goes, how deep was read, what is proved and what is found."""
    stages, depths = defaultdict(list), defaultdict(list)
    exact, proved, found = [], [], []
    for text, row in zip(questions.texts, questions.rows, strict=True):
        told = retriever.explain(text, k)
        spent, certificate = told.timings_ms, told.certificate
        if certificate is None:
            raise ValueError("expected an index that is not empty")
        parts = {stage: spent.get(name, 0.0) for stage, name in STAGES.items()}
        parts["fusion"] = spent["search"] - parts["bm25"] - parts["dense"]
        for stage, ms in parts.items():
            stages[stage].append(1000 * ms)
        for name, depth in certificate.depths.items():
            depths[name].append(depth)
        exact.append(certificate.exact)
        proved.append(certificate.proved == len(told.hits))
        found.append(str(row) in {explained.hit.doc_id for explained in told.hits})
    read = {name: (int(np.median(all_)), max(all_)) for name, all_ in depths.items()}
    return {
        **{f"{stage}_us": round(float(np.median(all_)), 1) for stage, all_ in stages.items()},
        "depths": {name: f"{median} (at most {most})" for name, (median, most) in read.items()},
        "exact": _share(exact),
        "proved": _share(proved),
        f"hit@{k}": _share(found),
    }


def peers(arguments: argparse.Namespace) -> Records:
    """Time hybrid search beside LanceDB and beside bm25s and FAISS with fusion in Python."""
    with tempfile.TemporaryDirectory() as place:
        folder = arguments.index or Path(place) / "made"
        if not folder.exists():
            arguments.folder, arguments.kind = folder, "hnsw"
            build(arguments)
        made = MadeUp.of(arguments.rows, arguments.dimension, arguments.seed)
        questions = Questions.load(folder)
        path, encoder = folder / "index", questions.encoder()
        with hybrid.Retriever.load(path, encoder=encoder) as retriever:
            contest = endtoend_peers.Contest(made, folder, arguments.k, retriever)
            yield from _contest(contest, questions.first(arguments.queries), arguments)


def _contest(
    contest: endtoend_peers.Contest,
    questions: Questions,
    arguments: argparse.Namespace,
) -> Records:
    """Yield a record for each engine: ours first."""
    k, asked = arguments.k, questions.asked()
    engines = contest.ours()
    for name in arguments.peers:
        missing = endtoend_peers.missing(name)
        if missing:
            print(f"{name}: {', '.join(missing)} not installed", file=sys.stderr)
        else:
            engines |= contest.peer(name, questions)
    answers = {
        name: [engine.ask(question) for question in asked] for name, engine in engines.items()
    }
    exact = {way: contest.exact(way, asked) for way in contest.methods}
    taken = alternate(
        {name: engine.ask for name, engine in engines.items()}, asked, arguments.rounds
    )
    wanted = [{contest.texts[row]} for row in questions.rows]
    base = {"rows": len(contest.texts), "k": k, "queries": len(asked)}
    for name, spent in taken.items():
        ratio = spent.p50_us / taken["ours, RRF"].p50_us
        yield {
            **base,
            "engine": name,
            "fused by": engines[name].way,
            **_summary(spent),
            "ratio": round(ratio, 2),
            f"recall@{k}": endtoend_peers.recall(answers[name], exact[engines[name].way], k),
            f"hit@{k}": endtoend_peers.recall(answers[name], wanted, 1),
        }


def _summary(spent: Latency) -> dict[str, Any]:
    return {
        "p50_us": spent.p50_us,
        "p95_us": spent.p95_us,
        "steady_us": spent.steady_us,
        "rounds_us": spent.rounds_us,
    }


def _share(all_: Sequence[bool]) -> float:
    return round(float(np.mean(all_)), 4)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (("build", build), ("latency", latency), ("peers", peers)):
        command = commands.add_parser(name, help=(run.__doc__ or "").partition("\n")[0])
        if name != "peers":
            command.add_argument("folder", type=Path)
        command.add_argument("--queries", type=int, default=200 if name == "peers" else 300)
        if name != "latency":
            command.add_argument("--rows", type=int, default=100_000)
            command.add_argument("--dimension", type=int, default=384)
            command.add_argument("--seed", type=int, default=1)
        if name != "build":
            command.add_argument("--k", type=int, default=10)
            command.add_argument("--rounds", type=int, default=3 if name == "peers" else 5)
            command.add_argument("--json", type=Path, help="append all figures to this file")
    commands.choices["build"].add_argument("--kind", default="hnsw")
    more = commands.choices["peers"]
    more.add_argument(
        "--index", type=Path, help="a folder of `build`; what peers build is kept in it"
    )
    names = tuple(endtoend_peers.NEEDED)
    more.add_argument("--peers", nargs="*", choices=names, default=names, help="only these")
    return parser


def main() -> None:
    """Do what the command line asks for; print a table as it grows."""
    arguments = _parser().parse_args()
    if arguments.command == "build":
        build(arguments)
        return
    one_thread("bench.endtoend")
    run, columns = {
        "latency": (latency, [*_COMMON, *_LATENCY, f"hit@{arguments.k}", "depths"]),
        "peers": (peers, [*_COMMON, f"recall@{arguments.k}", f"hit@{arguments.k}", "fused by"]),
    }[arguments.command]
    print_row(columns)
    print_row(["---"] * len(columns))
    shared = {"benchmark": f"endtoend {arguments.command}", **facts(), **_more_facts()}
    for record in run(arguments):
        print_row([str("" if record.get(c) is None else record[c]) for c in columns])
        if arguments.json:
            with arguments.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**shared, **record}) + "\n")


def _more_facts() -> dict[str, Any]:
    """Return the cores that this process may use, and versions of peers that are only here."""
    pinned = getattr(os, "sched_getaffinity", None)
    usable = os.cpu_count() if pinned is None else len(pinned(0))
    return {"usable_cores": usable, "peer_versions": endtoend_peers.versions()}


_COMMON = ["rows", "k", "engine", "p50_us", "p95_us", "ratio"]
_LATENCY = ["query_us", "bm25_us", "dense_us", "fusion_us", "texts_us", "exact", "proved"]


if __name__ == "__main__":
    main()
