"""Why a question has these hits: ranks, terms, times."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from fusion import Arm, Fused
from hybrid.hooks import TimedIndex
from hybrid.results import ExplainedHit, Explanation, Hit
from hybrid.searching import Search, Wanted, check_question
from indexes.candidates import Mask, Scores

T = TypeVar("T")


def explain(search: Search, query: str, wanted: Wanted) -> Explanation:
    """Return the hits of a question with all that led to them."""
    check_question(query)
    clock = _Clock()
    indexes = search.indexes
    terms = tuple(indexes.analyzer.query_terms(query))
    if not len(indexes.bm25):
        return Explanation(query, terms, (), None, clock.laps)
    arms = clock.lap("query", lambda: indexes.arms([query])[0])
    allowed = clock.lap("filter", lambda: search.allowed(wanted.condition))
    timed = {
        name: replace(arm, index=TimedIndex(arm.index, partial(clock.add, f"search: {name}")))
        for name, arm in arms.items()
    }
    fused = clock.lap("search", lambda: search.fuse(timed, wanted, allowed, map))
    hits = clock.lap("texts", lambda: search.look_up(fused))
    ranked = _with_all_ranks(hits, _searched(arms, fused), allowed)
    rows = [hit.row for hit in ranked]
    parts, weights = indexes.bm25.parts(terms, rows), indexes.lexical_parts(arms, rows)
    explained = tuple(
        ExplainedHit(hit, _matched(parts, place), _matched(weights, place), _missed(hit, wanted.k))
        for place, hit in enumerate(ranked)
    )
    return Explanation(query, terms, explained, fused.certificate, clock.laps)


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}

    def lap(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.add(stage, time.perf_counter() - start)
        return result

    def add(self, stage: str, seconds: float) -> None:
        self.laps[stage] = self.laps.get(stage, 0.0) + 1000 * seconds


def _with_all_ranks(hits: list[Hit], arms: Mapping[str, Arm], allowed: Mask | None) -> list[Hit]:
    """Return the hits with the ranks that a search leaves out because they are deep."""
    rows = np.array([hit.row for hit in hits], np.int64)
    ranks = {name: arm.index.ranks(arm.query, rows, allowed).tolist() for name, arm in arms.items()}
    return [
        replace(
            hit,
            parts={
                name: replace(part, rank=ranks[name][place] or None) if name in ranks else part
                for name, part in hit.parts.items()
            },
        )
        for place, hit in enumerate(hits)
    ]


def _missed(hit: Hit, k: int) -> tuple[str, ...]:
    """Return the indexes whose own first `k` rows do not have a hit."""
    return tuple(n for n, part in hit.parts.items() if part.rank is None or part.rank > k)


def _searched(arms: Mapping[str, Arm], fused: Fused) -> dict[str, Arm]:
    """Return the arms of an answer that have a list; one that rescored has ranked its pool."""
    rescored = fused.certificate.rescored
    return {name: arms[name] for name in fused.parts if name not in rescored}


def _matched(parts: Mapping[Any, Scores], place: int) -> dict[str, float]:
    """Return what each term adds to the score of one of some rows, largest first."""
    found = {term: float(scores[place]) for term, scores in parts.items() if scores[place]}
    return dict(sorted(found.items(), key=lambda item: -item[1]))
