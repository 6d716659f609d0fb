"""Fusion with an index that only scores: late interaction over what the others found.

Such an index has no list to read: its search scores every row.  So the others are fused first, with
that index at its floor for every row, which is a fusion of scores like any other and as exact.  The
first `POOL` rows of it are then given their scores; all rows behind them keep the floor.

The order is score descending, row ascending over the whole answer, and that for k begins that for
k + 1: the pool does not depend on k, a row that is given its score only rises, and rows behind the
pool stand in the order of the first fusion, whose scores they keep.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fusion.exact import Arm, Parallel, exact_top_k
from fusion.fused import Fused, Parts, cut
from fusion.methods import RRF, Method, reciprocal, weights_for
from fusion.normalize import NORMS
from indexes.base import Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores, order, top

POOL = 256
"""Rows that an index which only scores is asked for, whatever k."""


def top_k(
    arms: Mapping[str, Arm],
    method: Method,
    k: int,
    allowed: Mask | None = None,
    parallel: Parallel = map,
) -> Fused:
    """Return the best `k` rows of all indexes together, some of which may only score.

    Parameters and errors are those of `exact_top_k`, which fuses alone when no arm rescores, when
    no other arm has a weight, and when the collection has at most `POOL` rows: there a search is
    cheap, and every row gets its score.
    """
    weights = weights_for(method, arms)
    scorers = [name for name in weights if arms[name].rescores and len(arms[name].index) > POOL]
    if k < 1 or not scorers or len(scorers) == len(weights):
        return exact_top_k(arms, method, k, allowed, parallel)
    pooled = {name: _Pooled(arms[name]) for name in scorers}
    late = {name: replace(arms[name], index=index) for name, index in pooled.items()}
    first = exact_top_k({**arms, **late}, method, max(k, POOL), allowed, parallel)
    parts = {
        name: _rescored(pooled[name], part, first.rows, method) if name in pooled else part
        for name, part in first.parts.items()
    }
    certificate = replace(
        first.certificate,
        exact=False,
        depths={name: n for name, n in first.certificate.depths.items() if name not in pooled},
        rescored=tuple(scorers),
        pool=min(len(first), POOL),
    )
    ascending = np.argsort(first.rows)
    parts = {name: part.at(ascending) for name, part in parts.items()}
    return cut(k, first.rows[ascending], parts, certificate)


class _Pooled:
    """An index that has scored the rows of a pool only; every other row has its floor.

    Attributes
    ----------
    found : Candidates
        The rows of the pool that are above the floor; none before there is a pool.
    """

    exact = True

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._floor = arm.index.unranked(arm.query)
        self.found = Candidates.none()

    def __len__(self) -> int:
        return len(self.found)

    @functools.cached_property
    def _spread(self) -> Statistics:
        return self._arm.index.statistics(self._arm.query)

    def statistics(self, query: Any) -> Statistics:
        return self._spread

    def unranked(self, query: Any) -> float:
        return self._floor

    def search(self, query: Any, depth: int, allowed: Mask | None = None) -> Candidates:
        return self.found.first(depth)

    def search_many(
        self, queries: Any, depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        return [self.found.first(depth) for _ in queries]

    def score(self, query: Any, rows: Rows) -> Scores:
        return np.full(len(rows), self._floor, np.float32)

    def take(self, pool: Rows) -> Scores:
        """Score the rows of the pool."""
        scores = self._arm.index.score(self._arm.query, pool)
        above = scores > self._floor
        self.found = top(pool[above], scores[above], max(len(pool), 1))
        return scores


def _rescored(index: _Pooled, part: Parts, rows: Rows, method: Method) -> Parts:
    """Return the part of an index once it has scored the pool, the first of `rows`."""
    pool = rows[:POOL]
    scores = part.scores.copy()
    scores[: len(pool)] = index.take(pool)
    ranks = np.zeros(len(rows), np.int64)
    ranks[order(pool, scores[: len(pool)])[: len(index)]] = np.arange(1, len(index) + 1)
    if isinstance(method, RRF):
        normalised = reciprocal(ranks, method.k)
    else:
        normalised = NORMS[method.norm](index, None).of(scores)
    return Parts(ranks, scores, normalised, part.weight)
