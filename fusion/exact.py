"""The exact fused top-k of several indexes.

A row that one index found and another did not is scored by the other (`Index.score`), so no score
is ever guessed.  Scores are fused by the threshold algorithm [1]_: read the lists down to a depth,
bound what an unread row could still reach, stop when the k-th fused score is above that bound, and
read deeper otherwise.  Ranks are fused over complete lists.

References
----------
.. [1] Fagin, Lotem, Naor, "Optimal Aggregation Algorithms for Middleware", PODS 2001.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusion.fused import Certificate, Fused, Parts, cut
from fusion.methods import RRF, Method, Weighted, reciprocal, weights_for
from fusion.normalize import NORMS, Scale
from indexes.base import Index
from indexes.candidates import Candidates, Mask, Rows, Scores

FIRST_DEPTH = 100
"""Rows read of each list at first; places beyond it are not shown in the parts of a hit."""

Parallel = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Arm:
    """An index with the query in the form that it understands.

    Attributes
    ----------
    index, query
        The two.
    rescores : bool
        Whether a search of the index is too slow for large collections, as it scores every row.
        `fusion.rescored.top_k` then asks for the scores of what the others found; `exact_top_k`
        searches it all the same.
    """

    index: Index[Any]
    query: Any
    rescores: bool = False


def exact_top_k(
    arms: Mapping[str, Arm],
    method: Method,
    k: int,
    allowed: Mask | None = None,
    parallel: Parallel = map,
) -> Fused:
    """Return the best `k` rows of all indexes together.

    Parameters
    ----------
    arms : mapping of str to Arm
        The indexes by name, each with the query.
    method : RRF or Weighted
        How to fuse.
    k : int
        Most rows to return, >= 1.  The answer for k is a prefix of the answer for k + 1.
    allowed : ndarray of bool, optional
        Which rows may be found, by row number.
    parallel : callable
        Works like `map`; an executor's `map` searches the indexes at the same time.

    Raises
    ------
    ValueError
        If k is below 1 or the weights do not fit the indexes.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, not {k}")
    weights = weights_for(method, arms)
    used = {name: arms[name] for name in weights}
    reader = _Reader(used, allowed, parallel)
    if isinstance(method, Weighted):
        return _fuse_scores(used, method, weights, k, reader)
    lists = reader.read({name: max(len(arm.index), 1) for name, arm in used.items()})
    rows, parts = _fuse_ranks(
        lists, method, weights, lambda name, rows: used[name].index.score(used[name].query, rows)
    )
    return cut(k, rows, parts, _certificate(lists, _approximate(used)))


def fuse(lists: Mapping[str, Candidates], method: RRF, k: int) -> Fused:
    """Return the best `k` rows of ranked lists by their ranks alone.

    For lists that come from elsewhere.  The score of a row in an index whose list does not have
    it is unknown here and comes back as NaN.

    Raises
    ------
    TypeError
        If the method needs scores: a list does not know those of rows that it lacks, and they
        are never guessed.  `exact_top_k` computes them.
    """
    if not isinstance(method, RRF):
        raise TypeError("expected RRF: fusing scores needs the indexes, see exact_top_k")
    weights = weights_for(method, lists)

    def listed(name: str, rows: Rows) -> Scores:
        scores = np.full(len(rows), np.nan, np.float32)
        scores[np.searchsorted(rows, lists[name].rows)] = lists[name].scores
        return scores

    used = {name: lists[name] for name in weights}
    rows, parts = _fuse_ranks(used, method, weights, listed)
    return cut(k, rows, parts, _certificate(used, ()))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the lists of all arms to a depth."""

    arms: Mapping[str, Arm]
    allowed: Mask | None
    parallel: Parallel

    def read(self, depths: Mapping[str, int]) -> dict[str, Candidates]:
        def one(name: str) -> Candidates:
            arm = self.arms[name]
            return arm.index.search(arm.query, depths[name], self.allowed)

        return dict(zip(self.arms, self.parallel(one, self.arms), strict=True))


def _fuse_scores(
    arms: Mapping[str, Arm], method: Weighted, weights: Mapping[str, float], k: int, reader: _Reader
) -> Fused:
    """Fuse scores by the threshold algorithm."""
    scales = {name: NORMS[method.norm](arm.index, arm.query) for name, arm in arms.items()}
    depth = max(FIRST_DEPTH, k)
    while True:
        lists = reader.read(dict.fromkeys(arms, depth))
        rows = _union(lists)
        parts = {}
        for name, arm in arms.items():
            scores = arm.index.score(arm.query, rows)
            shown = _places(lists[name].first(FIRST_DEPTH), rows)
            parts[name] = Parts(shown, scores, scales[name].of(scores), weights[name])
        ended = all(len(found) < depth for found in lists.values())
        bound = -np.inf if ended else _bound(arms, lists, depth, scales, weights)
        fused = cut(k, rows, parts, _certificate(lists, _approximate(arms), bound))
        if ended or (len(fused) == k and fused.scores[-1] > np.float32(bound)):
            return fused
        depth *= 4


def _bound(
    arms: Mapping[str, Arm],
    lists: Mapping[str, Candidates],
    depth: int,
    scales: Mapping[str, Scale],
    weights: Mapping[str, float],
) -> float:
    """Return the most that a row which is on no list can score.

    It is summed in the order of the real scores.  Rounding keeps the order of numbers, so no
    unread row can come out above it by rounding either.
    """
    total = 0.0
    for name, arm in arms.items():
        found = lists[name]
        cut = len(found) == depth or (not arm.index.exact and len(found))
        highest = float(found.scores[-1]) if cut else arm.index.unranked(arm.query)
        if highest == -np.inf:
            return -np.inf
        total += weights[name] * ((highest - scales[name].origin) * scales[name].slope)
    return total


def _fuse_ranks(
    lists: Mapping[str, Candidates],
    method: RRF,
    weights: Mapping[str, float],
    score: Callable[[str, Rows], Scores],
) -> tuple[Rows, dict[str, Parts]]:
    """Return all rows of the lists, ascending, and their parts by reciprocal rank."""
    rows = _union(lists)
    parts = {}
    for name, found in lists.items():
        ranks = _places(found, rows)
        parts[name] = Parts(ranks, score(name, rows), reciprocal(ranks, method.k), weights[name])
    return rows, parts


def _union(lists: Mapping[str, Candidates]) -> Rows:
    """Return the distinct rows of all lists, ascending."""
    return np.unique(np.concatenate([found.rows for found in lists.values()]))


def _places(found: Candidates, rows: Rows) -> Rows:
    """Return the place of each of `rows` (ascending) on a list, 0 for those not on it."""
    places = np.zeros(len(rows), np.int64)
    places[np.searchsorted(rows, found.rows)] = np.arange(1, len(found) + 1)
    return places


def _approximate(arms: Mapping[str, Arm]) -> tuple[str, ...]:
    return tuple(name for name, arm in arms.items() if not arm.index.exact)


def _certificate(
    lists: Mapping[str, Candidates], approximate: tuple[str, ...], bound: float = -np.inf
) -> Certificate:
    depths = {name: len(found) for name, found in lists.items()}
    return Certificate(not approximate, approximate, depths, bound)
