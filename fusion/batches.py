"""Many fusions of ranked lists at once, for benchmarks and tuning: rows and scores, no parts."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from fusion.gains import Lists, linear, reciprocal
from fusion.keys import LOW, unpacked
from fusion.lists import check_lists, fuse, scale_of
from fusion.merging import HASH
from fusion.methods import RRF, ByRank, Comb, Method, Weighted, weights_for
from indexes.candidates import Candidates
from indexes.compiled import compiled

TOGETHER = 64
"""Queries of one call of compiled code."""

U32, U64 = np.uint32, np.uint64


def fuse_many(
    queries: Sequence[Mapping[str, Candidates]], method: Method, k: int
) -> list[Candidates]:
    """Return the best `k` rows of the lists of every query, with the scores that `fuse` gives.

    Where the value of a row in a list is simply added (RRF, sums of scores by a norm of lists with
    missing ones as zero) all queries are fused by one call of compiled code.

    Parameters
    ----------
    queries : sequence of mapping of str to Candidates
        The lists of each query by name of index; the same names for all.
    method : Method
        As in `fuse`.
    k : int
        Most rows to return for a query, >= 1.
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, not {k}")
    parts = (queries[at : at + TOGETHER] for at in range(0, len(queries), TOGETHER))
    return [found for part in parts for found in _fused(part, method, k)]


def _fused(queries: Sequence[Mapping[str, Candidates]], method: Method, k: int) -> list[Candidates]:
    """Return the best rows of as many queries as fit into the processor's cache."""
    weights = weights_for(method, queries[0])
    lists = [query[name] for query in queries for name in weights]
    joined = np.concatenate([found.rows for found in lists])
    if not _adds(method) or (len(joined) and joined.max() > LOW):
        found = (fuse(query, method, k) for query in queries)
        return [Candidates(fused.rows, fused.scores) for fused in found]
    check_lists(method)
    values = _values(lists, method, list(weights.values()))
    bounds = np.cumsum([0, *map(len, lists)])[:: len(weights)]
    keys, counts = np.zeros(len(joined), U64), np.empty(len(queries), np.int64)
    _add_up(joined, np.concatenate(values), bounds, keys, counts)
    starts, kept = bounds[:-1].tolist(), np.minimum(counts, k).tolist()
    for start, count, most in zip(starts, counts.tolist(), kept, strict=True):
        some = keys[start : start + count]
        if most < count:
            some.partition(most - 1)
        some[:most].sort()
    rows, scores = unpacked(keys)
    return [
        Candidates(rows[start : start + most], scores[start : start + most])
        for start, most in zip(starts, kept, strict=True)
    ]


def _adds(method: Method) -> bool:
    """Return whether what a list gives a row depends on that list alone, and is added."""
    if isinstance(method, RRF):
        return method.missing != "floor"
    if isinstance(method, ByRank):
        return method.gain == "linear"
    if isinstance(method, (Weighted, Comb)):
        return method.missing == "zero" and getattr(method, "of", "sum") == "sum"
    return False


def _values(
    lists: Sequence[Candidates], method: Method, weights: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Return what the rows of each list get from it; the weights come round and round."""
    shares = cycle(weights)
    if isinstance(method, RRF):  # a rank is worth the same in every list
        deepest = max(map(len, lists))
        gains = reciprocal(np.arange(1, deepest + 1), method.k)
        weighted = {share: share * gains for share in set(weights)}
        return [weighted[next(shares)][: len(found)] for found in lists]
    if isinstance(method, ByRank):
        ranks = [np.arange(1, len(found) + 1) for found in lists]
        return [next(shares) * linear(one, Lists(len(one), 0)) for one in ranks]
    return [next(shares) * scale_of(method, found).of(found.scores) for found in lists]


@compiled
def _add_up(
    joined: NDArray[np.int64],
    values: NDArray[np.float64],
    bounds: NDArray[np.int64],
    keys: NDArray[np.uint64],
    counts: NDArray[np.int64],
) -> None:
    """Write for each query a key of every row, as `fusion.keys.packed` makes it.

    The keys of a query start where its lists do, in `bounds`; `counts` says how many they are.
    """
    most = 0
    for query in range(counts.size):
        most = max(most, bounds[query + 1] - bounds[query])
    bits = U64(1)
    while (np.int64(1) << np.int64(bits)) < 2 * most:
        bits += U64(1)
    mask = U64((np.int64(1) << np.int64(bits)) - 1)
    places = np.full(np.int64(mask) + 1, -1, np.int64)
    slots, sums = np.empty(most, U64), np.empty(most)
    rows = np.empty(most, np.int64)
    for query in range(counts.size):
        count = 0
        for at in range(bounds[query], bounds[query + 1]):
            slot = (U64(joined[at]) * HASH) >> (U64(64) - bits)
            while places[slot] >= 0 and rows[places[slot]] != joined[at]:
                slot = (slot + U64(1)) & mask
            if places[slot] < 0:
                places[slot], slots[count] = count, slot
                rows[count], sums[count] = joined[at], 0.0
                count += 1
            sums[places[slot]] += values[at]
        for at in range(count):
            places[slots[at]] = -1
            rounded = np.float32(sums[at]) + np.float32(0)  # and -0 is 0
            score = U64(np.float32(rounded).view(U32))
            # floats are ordered like their bits, negative ones the other way round
            high = score if score >> U64(31) else (U64(0x7FFFFFFF) - score)
            keys[bounds[query] + at] = (high << U64(32)) | U64(rows[at])
        counts[query] = count
