"""A question through all stages: queries, candidates, fusion, hits."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from fusion import AnyMethod, Arm, Fused, Limit, top_k
from fusion.exact import NO_LIMIT, Parallel
from fusion.features import resolved
from hybrid.damaged import found_damaged
from hybrid.filters import parse_filter
from hybrid.hooks import Counts, index_by_index, timed
from hybrid.indexing import Indexes
from hybrid.results import Hit, hits_of
from hybrid.store import ChunkStore
from indexes.candidates import Mask
from indexes.opened import DamagedFile

_MANY_ROWS = 500_000
"""From so many on it pays to wake a thread for each index; below, that takes longer than a list."""

Filter = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many hits, and which.

    Attributes
    ----------
    k : int
        Most hits, >= 1.
    condition : mapping or None
        On the metadata; see `hybrid.filters`.
    min_score : float or None
        Fused score that a hit must have.
    limit : Limit
        When to stop though the answer is not proved.
    """

    k: int
    condition: Filter | None = None
    min_score: float | None = None
    limit: Limit = NO_LIMIT

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1:
            raise ValueError(f"expected k as a whole number of at least 1, not {self.k!r}")
        if self.min_score is not None and not isinstance(self.min_score, int | float):
            raise TypeError(f"expected min_score as a number, not {self.min_score!r}")


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
    fusion: AnyMethod
    pool: Executor

    @timed("search", lambda hits: {"hits": len(hits)})
    def hits(self, query: str, wanted: Wanted) -> list[Hit]:
        """Return the hits of one question; large indexes are searched at the same time."""
        check_question(query)
        if not len(self.indexes.bm25):
            return []
        (arms,) = self.indexes.arms([query])
        allowed = self.allowed(wanted.condition)
        parallel = self.pool.map if len(self.indexes.bm25) >= _MANY_ROWS else map
        return self.look_up(self.fuse(arms, wanted, allowed, parallel))

    @timed("search", lambda answers: {"questions": len(answers), "hits": sum(map(len, answers))})
    def hits_of_many(self, queries: Sequence[str], wanted: Wanted) -> list[list[Hit]]:
        """Return the hits of every question; the questions are searched at the same time."""
        return [self.look_up(fused) for fused in self._fuse_many(queries, wanted)]

    def documents_of_many(self, queries: Sequence[str], k: int) -> list[dict[str, float]]:
        """Return the best `k` documents of every question, each by its best chunk."""
        answers: dict[int, dict[str, float]] = {}
        open_questions = list(range(len(queries)))
        chunks = k
        while open_questions:
            asked = [queries[number] for number in open_questions]
            for number, fused in zip(
                list(open_questions), self._fuse_many(asked, Wanted(chunks)), strict=True
            ):
                answers[number] = self._by_document(fused, k)
                if len(answers[number]) == k or len(fused) < chunks:
                    open_questions.remove(number)
            chunks *= 2
        return [answers[number] for number in range(len(queries))]

    @timed("filter")
    def allowed(self, condition: Filter | None) -> Mask | None:
        """Return which rows a condition on the metadata lets through; None: all."""
        return None if condition is None else self.store.allowed(parse_filter(condition))

    @timed("fuse", lambda fused: _counts(fused))
    def fuse(
        self, arms: Mapping[str, Arm], wanted: Wanted, allowed: Mask | None, parallel: Parallel
    ) -> Fused:
        """Return the best rows for the queries of some indexes."""
        if not arms:
            return Fused.none()

        def best(arms: Mapping[str, Arm]) -> Fused:
            method = resolved(self.fusion, arms)
            return top_k(arms, method, wanted.k, allowed, parallel, wanted.limit)

        try:
            fused = index_by_index(arms, best)
        except DamagedFile as error:
            raise found_damaged(error) from error
        if wanted.min_score is None:
            return fused
        return fused.first(int(np.count_nonzero(fused.scores >= np.float64(wanted.min_score))))

    def _fuse_many(self, queries: Sequence[str], wanted: Wanted) -> Iterable[Fused]:
        for query in queries:
            check_question(query)
        if not len(self.indexes.bm25) or not queries:
            return [Fused.none()] * len(queries)
        allowed = self.allowed(wanted.condition)

        def one(arms: Mapping[str, Arm]) -> Fused:
            return self.fuse(arms, wanted, allowed, map)

        return self.pool.map(one, self.indexes.arms(queries))

    @timed("texts", lambda hits: {"hits": len(hits)})
    def look_up(self, fused: Fused) -> list[Hit]:
        """Return the hits that fused rows are."""
        return hits_of(fused, self.store.chunks(fused.rows.tolist()))

    def _by_document(self, fused: Fused, k: int) -> dict[str, float]:
        best: dict[str, float] = {}
        names = self.store.doc_ids(fused.rows.tolist())
        for name, score in zip(names, fused.scores.tolist(), strict=True):
            best.setdefault(name, score)
        return dict(list(best.items())[:k])


def _counts(fused: Fused) -> Counts:
    """Return how many rows are left, were read of all lists together, and were rescored."""
    proof = fused.certificate
    return {"rows": len(fused), "read": int(sum(proof.depths.values())), "rescored": proof.pool}


def check_question(query: object) -> None:
    """Raise unless the question is text."""
    if not isinstance(query, str):
        raise TypeError(f"expected a question as text, not {type(query).__name__}")
