"""A question through all stages: queries, candidates, fusion, hits."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from fusion import Arm, Fused, Method, top_k
from fusion.exact import Parallel
from hybrid.filters import compile_filter
from hybrid.indexing import Indexes
from hybrid.results import ExplainedHit, Explanation, Hit, hits_of
from hybrid.store import ChunkStore
from indexes.candidates import Mask, Scores

Filter = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Search:
    """One state of the store and the indexes, and a way to fuse.

    Attributes
    ----------
    store, indexes, fusion
        What is searched, and how.
    pool : Executor
        Searches several indexes, or several questions, at the same time.
    """

    store: ChunkStore
    indexes: Indexes
    fusion: Method
    pool: Executor

    def hits(self, query: str, k: int, condition: Filter | None) -> list[Hit]:
        """Return the hits of one question; its indexes are searched at the same time."""
        check_question(query, k)
        if not len(self.indexes.bm25):
            return []
        (arms,) = self.indexes.arms([query])
        allowed = self.allowed(condition)
        return self._look_up(self._fuse(arms, k, allowed, self.pool.map))

    def hits_of_many(
        self, queries: Sequence[str], k: int, condition: Filter | None
    ) -> list[list[Hit]]:
        """Return the hits of every question; the questions are searched at the same time."""
        return [self._look_up(fused) for fused in self._fuse_many(queries, k, condition)]

    def documents_of_many(self, queries: Sequence[str], k: int) -> list[dict[str, float]]:
        """Return the best `k` documents of every question, each by its best chunk."""
        answers: dict[int, dict[str, float]] = {}
        open_questions = list(range(len(queries)))
        chunks = k
        while open_questions:
            asked = [queries[number] for number in open_questions]
            for number, fused in zip(
                list(open_questions), self._fuse_many(asked, chunks, None), strict=True
            ):
                answers[number] = self._by_document(fused, k)
                if len(answers[number]) == k or len(fused) < chunks:
                    open_questions.remove(number)
            chunks *= 2
        return [answers[number] for number in range(len(queries))]

    def explain(self, query: str, k: int, condition: Filter | None) -> Explanation:
        """Return the hits of a question with all that led to them."""
        check_question(query, k)
        clock = _Clock()
        terms = tuple(self.indexes.analyzer.query_terms(query))
        if not len(self.indexes.bm25):
            return Explanation(query, terms, (), None, clock.laps)
        arms = clock.lap("query", lambda: self.indexes.arms([query])[0])
        allowed = clock.lap("filter", lambda: self.allowed(condition))
        fused = clock.lap("search", lambda: self._fuse(arms, k, allowed, self.pool.map))
        hits = clock.lap("texts", lambda: self._look_up(fused))
        ranked = _with_all_ranks(hits, _searched(arms, fused), allowed)
        parts = self.indexes.bm25.parts(terms, [hit.row for hit in ranked])
        explained = tuple(
            ExplainedHit(hit, _matched(parts, place)) for place, hit in enumerate(ranked)
        )
        return Explanation(query, terms, explained, fused.certificate, clock.laps)

    def allowed(self, condition: Filter | None) -> Mask | None:
        """Return which rows a condition on the metadata lets through; None: all."""
        if condition is None:
            return None
        rows = self.store.select(*compile_filter(condition))
        mask = np.zeros(int(rows.max(initial=-1)) + 1, np.bool_)
        mask[rows] = True
        return mask

    def _fuse(
        self, arms: Mapping[str, Arm], k: int, allowed: Mask | None, parallel: Parallel
    ) -> Fused:
        if not arms:
            return Fused.none()
        return top_k(arms, self.fusion, k, allowed, parallel)

    def _fuse_many(
        self, queries: Sequence[str], k: int, condition: Filter | None
    ) -> Iterable[Fused]:
        for query in queries:
            check_question(query, k)
        if not len(self.indexes.bm25) or not queries:
            return [Fused.none()] * len(queries)
        allowed = self.allowed(condition)

        def one(arms: Mapping[str, Arm]) -> Fused:
            return self._fuse(arms, k, allowed, map)

        return self.pool.map(one, self.indexes.arms(queries))

    def _look_up(self, fused: Fused) -> list[Hit]:
        return hits_of(fused, self.store.chunks(fused.rows.tolist()))

    def _by_document(self, fused: Fused, k: int) -> dict[str, float]:
        best: dict[str, float] = {}
        names = self.store.doc_ids(fused.rows.tolist())
        for name, score in zip(names, fused.scores.tolist(), strict=True):
            best.setdefault(name, score)
        return dict(list(best.items())[:k])


def check_question(query: object, k: int) -> None:
    """Raise unless the question is text and k at least 1."""
    if not isinstance(query, str):
        raise TypeError(f"expected a question as text, not {type(query).__name__}")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"expected k as a whole number of at least 1, not {k!r}")


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}

    def lap(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        self.laps[stage] = 1000 * (time.perf_counter() - start)
        return result


def _with_all_ranks(hits: list[Hit], arms: Mapping[str, Arm], allowed: Mask | None) -> list[Hit]:
    """Return the hits with the ranks that a search leaves out because they are deep."""
    places = {}
    for name, arm in arms.items():
        rows = arm.index.search(arm.query, max(len(arm.index), 1), allowed).rows.tolist()
        places[name] = {row: place for place, row in enumerate(rows, 1)}
    return [
        replace(
            hit,
            parts={
                name: replace(part, rank=places[name].get(hit.row)) if name in places else part
                for name, part in hit.parts.items()
            },
        )
        for hit in hits
    ]


def _searched(arms: Mapping[str, Arm], fused: Fused) -> dict[str, Arm]:
    """Return the arms of an answer that have a list; one that rescored has ranked its pool."""
    rescored = fused.certificate.rescored
    return {name: arms[name] for name in fused.parts if name not in rescored}


def _matched(parts: Mapping[Any, Scores], place: int) -> dict[str, float]:
    """Return what each term adds to the score of one of some rows, largest first."""
    found = {term: float(scores[place]) for term, scores in parts.items() if scores[place]}
    return dict(sorted(found.items(), key=lambda item: -item[1]))
