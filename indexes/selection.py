"""Candidates of a search: which are kept, and what the next one must reach.

Scores are above 0, and positive floats are ordered like their bits: a candidate is one integer, the
bits of its score above and its inverted row below.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.lists import NONE

LEAST_ROOM = 64
"""For candidates beyond the depth that is asked for."""

TINY = np.float32(1e-45)
"""The bar while there is none: the least score above 0."""

U32, U64, I64, F32 = np.uint32, np.uint64, np.int64, np.float32
_BINS = 512
_FEW = 32  # candidates that are sorted by insertion


class Wanted(NamedTuple):
    """Which candidates a search is for.

    Attributes
    ----------
    depth : int
        How many rows are wanted, >= 1.
    allowed : ndarray of bool
        Which rows may be found, by row number, if `filtered`.
    filtered : bool
    """

    depth: int
    allowed: NDArray[np.bool_]
    filtered: bool


@compiled
def room(depth: int) -> int:
    """Return how many candidates are kept before all but the best `depth` are dropped."""
    return depth + max(depth // 2, LEAST_ROOM)


@compiled
def key_of(score: np.float32, row: np.uint64) -> np.uint64:
    """Return the candidate of a row with its score, above 0."""
    return (U64(F32(score).view(U32)) << U64(32)) | (U64(NONE) - row)


@compiled
def edge_of(keys: NDArray[np.uint64], count: int, depth: int) -> np.uint64:
    """Return score bits that at least `depth` of the candidates reach, and few more."""
    low, high = U64(NONE), U64(0)
    for at in range(count):
        bits = keys[at] >> U64(32)
        low, high = min(low, bits), max(high, bits)
    shift = U64(0)
    while (high - low) >> shift >= U64(_BINS):
        shift += U64(1)
    bins = np.zeros(_BINS, U32)
    for at in range(count):
        bins[((keys[at] >> U64(32)) - low) >> shift] += U32(1)
    above, bin_ = I64(0), _BINS
    while above < depth:
        bin_ -= 1
        above += I64(bins[bin_])
    return low + (U64(bin_) << shift)


@compiled
def drop(keys: NDArray[np.uint64], count: int, edge: np.uint64) -> int:
    """Drop the candidates below an edge; return how many are left."""
    kept = 0
    for at in range(count):
        key = keys[at]
        keys[kept] = key
        kept += 1 if key >> U64(32) >= edge else 0
    return kept


@compiled
def raise_bar(keys: NDArray[np.uint64], count: int, depth: int) -> tuple[int, np.float32]:
    """Drop all but the best candidates; return how many are left, and the bar that they set.

    Fewer than `room` are left, however many rows have equal scores.
    """
    edge = edge_of(keys, count, depth)
    count = drop(keys, count, edge)
    if count >= room(depth):
        count = _drop_ties(keys, count, depth)
    return count, U32(edge).view(F32)


@compiled
def _drop_ties(keys: NDArray[np.uint64], count: int, depth: int) -> int:
    """Drop all but the best `depth` candidates; of equal scores the lower rows are better."""
    _sort(keys[:count])  # to compile np.partition takes longer than all searches that come here
    for at in range(depth):
        keys[at] = keys[count - depth + at]
    return depth


@compiled
def unpack(
    keys: NDArray[np.uint64],
    count: int,
    depth: int,
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> int:
    """Write rows and scores of the best `depth` candidates, best first; return how many."""
    _sort(keys[:count])
    most = min(count, depth)
    for at in range(most):
        key = keys[count - 1 - at]
        rows[at] = I64(U64(NONE) - (key & U64(NONE)))
        scores[at] = U32(key >> U64(32)).view(F32)
    return most


@compiled
def _sort(keys: NDArray[np.uint64]) -> None:
    """Sort candidates ascending: first into as many bins of scores, which leaves little to do."""
    if keys.size > _FEW:
        low, high = keys.min(), keys.max()
        shift = U64(0)
        while (high - low) >> shift >= U64(keys.size):
            shift += U64(1)
        ends = np.zeros(keys.size + 1, U32)
        for key in keys:
            ends[((key - low) >> shift) + U64(1)] += U32(1)
        crowd = ends.max()
        for at in range(1, ends.size):
            ends[at] += ends[at - 1]
        for key in keys.copy():
            bin_ = (key - low) >> shift
            keys[ends[bin_]] = key
            ends[bin_] += U32(1)
        if crowd > _FEW:
            keys.sort()
            return
    for at in range(1, keys.size):
        key, place = keys[at], at
        while place > 0 and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key
