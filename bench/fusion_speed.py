"""Fusing made-up lists by reciprocal ranks: ours, a dictionary, and ranx."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from bench.timing import alternate
from fusion import RRF, fuse_many
from indexes import Candidates

Lists = Sequence[Mapping[str, Candidates]]
Scored = dict[int, float]

ROWS = 1_000_000
"""Rows that the lists are of."""

_TIE = 1e-6


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to fuse all lists.

    Attributes
    ----------
    fuse : callable
        Returns what it has fused in its own form.  This is timed.
    read : callable
        Turns that into the scores of each query by row, best first.
    """

    fuse: Callable[[], Any]
    read: Callable[[Any], list[Scored]]


def made(queries: int, length: int, seed: int) -> list[dict[str, Candidates]]:
    """Return two lists for each query, which share 40 % of their rows in another order."""
    random = np.random.default_rng(seed)
    shared = length * 2 // 5
    found = []
    for _ in range(queries):
        rows = random.choice(ROWS, 2 * length - shared, replace=False)
        lists = {}
        for name, half in (("bm25", rows[:length]), ("dense", rows[length - shared :])):
            scores = np.sort(random.permutation(10 * length)[:length])[::-1].astype(np.float32)
            lists[name] = Candidates(random.permutation(half), scores)
        found.append(lists)
    return found


def ours(lists: Lists, k: float) -> Engine:
    """Return our fusion of all queries, to the last row."""
    method, deepest = RRF(k), max(sum(map(len, one.values())) for one in lists)

    def read(answers: list[Candidates]) -> list[Scored]:
        return [dict(zip(a.rows.tolist(), a.scores.tolist(), strict=True)) for a in answers]

    return Engine(lambda: fuse_many(lists, method, deepest), read)


def dictionary(lists: Lists, k: float) -> Engine:
    """Return the recipe that everybody has, over lists of plain numbers."""
    plain = [[found.rows.tolist() for found in one.values()] for one in lists]

    def one(query: list[list[int]]) -> list[tuple[int, float]]:
        scores: Scored = {}
        for rows in query:
            for rank, row in enumerate(rows, 1):
                scores[row] = scores.get(row, 0.0) + 1 / (k + rank)
        return sorted(scores.items(), key=lambda pair: pair[1], reverse=True)

    return Engine(
        lambda: [one(query) for query in plain], lambda answers: [dict(one) for one in answers]
    )


def ranx(lists: Lists, k: int) -> Engine | None:
    """Return ranx over runs that are built already; None when it is not installed."""
    try:
        version("ranx")
    except PackageNotFoundError:
        return None
    import ranx as library

    names = [f"q{number:08}" for number in range(len(lists))]
    runs = []
    for index in lists[0]:
        run = {}
        for name, one in zip(names, lists, strict=True):
            rows, scores = map(str, one[index].rows.tolist()), one[index].scores.tolist()
            run[name] = dict(zip(rows, scores, strict=True))
        runs.append(library.Run(run))

    def read(run: Any) -> list[Scored]:
        return [{int(row): score for row, score in run[name].items()} for name in names]

    return Engine(lambda: library.fuse(runs, norm=None, method="rrf", params={"k": k}), read)


def same(mine: Scored, other: Scored) -> bool:
    """Return whether two answers have the same scores in the same order, equal ones apart."""
    if mine.keys() != other.keys():
        return False
    theirs = np.fromiter(other.values(), np.float64, len(other))
    of_mine = np.fromiter((other[row] for row in mine), np.float64, len(mine))
    scores = np.fromiter(mine.values(), np.float64, len(mine))
    return bool(np.allclose(scores, of_mine, _TIE, 0) and np.allclose(theirs, of_mine, _TIE, 0))


def contest(lists: Lists, k: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a record for each engine; a ratio only where all answers are ours."""
    found = {"ours": ours(lists, k), "dictionary": dictionary(lists, k), "ranx": ranx(lists, k)}
    engines = {name: engine for name, engine in found.items() if engine is not None}
    answers = {name: engine.read(engine.fuse()) for name, engine in engines.items()}
    calls = {name: lambda _, engine=engine: engine.fuse() for name, engine in engines.items()}
    latencies = alternate(calls, [None], rounds)
    for name, latency in latencies.items():
        agrees = all(map(same, answers["ours"], answers[name]))
        ratio = latency.mean_us / latencies["ours"].mean_us
        yield {
            "queries": len(lists),
            "engine": name,
            "ms": round(latency.mean_us / 1000, 2),
            "us_a_query": round(latency.mean_us / len(lists), 1),
            "rounds_ms": [round(us / 1000, 2) for us in latency.rounds_us],
            "same": agrees,
            "ratio": round(ratio, 2) if agrees else None,
        }
