"""Fusion with an index that only scores: late interaction over what the others found.

Such an index has no list to read: its search scores every row.  So the others are fused first, with
that index at its floor for every row.  The first `POOL` rows of that fusion are then given their
scores, and everything is fused again: now the index has a list, these rows, and its floor for all
others.  Both are fusions like any other, and as exact.

The pool does not depend on k, so the answer for k begins that for k + 1.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fusion.exact import NO_LIMIT, Limit, Parallel, exact_top_k
from fusion.fused import Fused
from fusion.methods import Method, weights_for
from fusion.remembered import Remembered
from fusion.sources import Arm
from indexes.base import Index, Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores, places, top

POOL = 256
"""Rows that an index which only scores is asked for, whatever k."""


def top_k(
    arms: Mapping[str, Arm],
    method: Method,
    k: int,
    allowed: Mask | None = None,
    parallel: Parallel = map,
    limit: Limit = NO_LIMIT,
) -> Fused:
    """Return the best `k` rows of all indexes together, some of which may only score.

    Parameters and errors are those of `exact_top_k`, which fuses alone when no arm rescores, when
    no other arm has a weight, and when the collection has at most `POOL` rows: there a search is
    cheap, and every row gets its score.
    """
    weights = weights_for(method, arms)
    late = [name for name in weights if arms[name].rescores and len(arms[name].index) > POOL]
    if k < 1 or not late or len(late) == len(weights):
        return exact_top_k(arms, method, k, allowed, parallel, limit)
    pooled = {name: _Pooled(arms[name]) for name in late}
    seen: dict[str, Index[Any]] = {
        name: pooled[name] if name in pooled else Remembered(arm.index, arm.query, allowed)
        for name, arm in arms.items()
    }
    both = {name: replace(arm, index=seen[name]) for name, arm in arms.items()}
    first = exact_top_k(both, method, POOL, allowed, parallel, limit)
    for index in pooled.values():
        index.take(first.rows)
    fused = exact_top_k(both, method, k, allowed, parallel, limit)
    read = {n: depth for n, depth in fused.certificate.depths.items() if n not in pooled}
    certificate = replace(
        fused.certificate, exact=False, depths=read, rescored=tuple(late), pool=len(first)
    )
    if first.certificate.stopped:  # rows that belong to the pool may be missing from it
        certificate = replace(certificate, bound=np.inf, proved=0, stopped=True)
    parts = {
        name: replace(part, ranks=places(pooled[name].found, fused.rows))
        if name in pooled
        else part
        for name, part in fused.parts.items()
    }
    return replace(fused, parts=parts, certificate=certificate)


class _Pooled:
    """An index that has scored the rows of a pool only; every other row has its floor.

    Attributes
    ----------
    found : Candidates
        The rows of the pool that are above the floor; none before there is a pool.
    """

    exact, scans = True, False

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._floor = arm.index.unranked(arm.query)
        self.found = Candidates.none()

    def __len__(self) -> int:
        return len(self.found)

    def statistics(self, query: Any) -> Statistics:
        return self._arm.index.statistics(query)

    def unranked(self, query: Any) -> float:
        return self._floor

    def search(self, query: Any, depth: int, allowed: Mask | None = None) -> Candidates:
        return self.found.first(depth)

    def search_many(
        self, queries: Any, depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        return [self.found.first(depth) for _ in queries]

    def score(self, query: Any, rows: Rows) -> Scores:
        known = np.append(np.float32(self._floor), self.found.scores)
        return np.asarray(known[places(self.found, rows)])

    def ranks(self, query: Any, rows: Rows, allowed: Mask | None = None) -> Rows:
        return places(self.found, rows)

    def take(self, pool: Rows) -> None:
        """Score the rows of the pool."""
        scores = self._arm.index.score(self._arm.query, pool)
        above = scores > self._floor
        self.found = top(pool[above], scores[above], max(len(pool), 1))
