"""Compiled loops over dense vectors: the scan of codes, exact scores.

A vector x is kept a second time as bytes: x is about scale * c with whole numbers c from -127 to
127.  For a query q, coded as q' in the same way, Cauchy and Schwarz give

    |q.x - q'.x'| = |q.(x - x') + (q - q').x'| <= |q| |x - x'| + |q - q'| |x'|

where the lengths on the right are known.  So the product of the codes, a whole number, bounds the
score of a row from above and below.  A row is kept when its upper bound reaches the bar, which is
the k-th best lower bound so far; the true best k are always among those that are kept.
"""

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.dense_coding import STEP
from indexes.dense_native import (
    LANES,
    TILE,
    dot8,
    dot16,
    dot32,
    multiply_one,
    multiply_tile,
    reaching,
    square8,
    square16,
    square32,
)
from indexes.native import lowest_bit, prefetch

U64, I64, F32 = np.uint64, np.int64, np.float32

GAIN, PER_ERROR, PER_LENGTH, SHIFT, BAR, SLACK = range(6)
"""What a query's terms are: see `reaching`; and half of what is between two equal bounds."""

_LINE, _AHEAD, _BEGINNING = 64, 2, 1024
"""Bytes of a cache line; how many vectors ahead one is called for, and how many bytes of it."""


@compiled
def scan(  # noqa: PLR0913
    codes: NDArray[np.uint8],
    factors: NDArray[np.float32],
    usable: NDArray[np.uint64],
    first: int,
    queries: NDArray[np.int8],
    terms: NDArray[np.float32],
    depth: int,
    counts: NDArray[np.int64],
    limits: NDArray[np.int64],
    slots: NDArray[np.int64],
    bounds: NDArray[np.float32],
) -> None:
    """Keep, for each query, the slots of one chunk that may be among the best.

    Parameters
    ----------
    codes, factors
        As `indexes.dense_coding.encode` makes them.
    usable : ndarray of uint64
        A bit for each slot of the chunk.
    first : int
        The first slot of the chunk.
    queries : ndarray of int8, shape (tiles, 1 + groups, queries of a tile, 4)
        Four bytes of each query in turn, after an int32 at which its sums start.
    terms : ndarray of float32, shape (queries, 8)
        Changed: the bars rise.
    depth : int
    counts : ndarray of int64, shape (queries,)
        How many are kept; -1 for a query that keeps too many.
    limits : ndarray of int64, shape (queries,)
        At how many the bar is raised.
    slots : ndarray of int64, shape (queries, room)
    bounds : ndarray of float32, shape (queries, 2, room)
        Upper and lower bounds of what is kept; equal once the score is known.
    """
    sums = np.empty(TILE * LANES, np.int32)
    out = sums.ctypes.data
    groups, width = codes.shape[1], queries.shape[2]
    for block in range(len(usable)):
        if not usable[block]:
            continue
        here = codes.ctypes.data + block * groups * LANES * 4
        about = factors.ctypes.data + block * 4 * LANES * 4
        for tile in range(queries.shape[0]):
            asked = queries.ctypes.data + tile * (groups + 1) * width * 4
            if width == 1:
                multiply_one(here, asked, groups, out)
            else:
                multiply_tile(here, asked, groups, out)
            for number in range(tile * width, min((tile + 1) * width, len(counts))):
                place = number - tile * width
                line = terms.ctypes.data + number * terms.shape[1] * 4
                bits = reaching(out + place * LANES * 4, about, line) & usable[block]
                if not bits:
                    continue
                part = sums[place * LANES : (place + 1) * LANES]
                count = _keep(
                    bits, part, factors[block], first + block * LANES, terms[number],
                    counts[number], slots[number], bounds[number],
                )  # fmt: skip
                if count + LANES > limits[number]:
                    count = raise_bar(depth, terms[number], count, slots[number], bounds[number])
                    limits[number] = min(slots.shape[1], max(limits[number], 2 * count + LANES))
                    if count + LANES > slots.shape[1]:  # the bounds cannot tell rows apart
                        count = -1
                        terms[number, BAR] = np.inf
                counts[number] = count


@compiled
def _keep(  # noqa: PLR0913
    bits: np.uint64,
    sums: NDArray[np.int32],
    factors: NDArray[np.float32],
    first: int,
    terms: NDArray[np.float32],
    count: int,
    slots: NDArray[np.int64],
    bounds: NDArray[np.float32],
) -> int:
    """Keep the rows of one block whose bits are set; return how many are kept in all."""
    while bits:
        lane = I64(lowest_bit(bits))
        bits &= bits - U64(1)
        near = F32(sums[lane]) * factors[0, lane] * terms[GAIN] + factors[1, lane] + terms[SHIFT]
        radius = factors[2, lane] * terms[PER_ERROR] + factors[3, lane] * terms[PER_LENGTH]
        slots[count] = first + lane
        bounds[0, count] = near + radius
        bounds[1, count] = near - radius - F32(2) * terms[SLACK]
        count += 1
    return count


@compiled
def best_of(values: NDArray[np.float32], rank: int) -> np.float32:
    """Return the value of a rank, 1 for the greatest.

    Floats read as whole numbers keep their order, so the range of these is halved until one is
    left.  Counting does not jump about in the way that partitions of arrays do.
    """
    keys = np.empty(len(values), np.int32)
    for at in range(len(values)):
        keys[at] = _mirrored(values.view(np.int32)[at])
    low, high = I64(keys.min()), I64(keys.max())
    while low < high:
        middle = np.int32((low + high + 1) >> 1)
        count = np.int32(0)
        for key in keys:
            count += np.int32(key >= middle)
        low, high = (I64(middle), high) if count >= rank else (low, I64(middle) - 1)
    keys[0] = _mirrored(np.int32(low))
    return F32(keys.view(np.float32)[0])


@compiled
def _mirrored(bits: np.int32) -> np.int32:
    """Return the bits of a float32 as a number that orders like it, or the bits of such a one."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(2**31 - 1)))


@compiled
def raise_bar(
    depth: int,
    terms: NDArray[np.float32],
    kept: int,
    slots: NDArray[np.int64],
    bounds: NDArray[np.float32],
) -> int:
    """Raise the bar to the best lower bound of rank `depth`, and drop what cannot reach it.

    Returns
    -------
    int
        How many are left.
    """
    if kept <= depth:
        return kept
    lower = bounds[1, :kept]
    bar = max(terms[BAR], best_of(lower, depth))
    terms[BAR] = bar
    left = 0
    for at in range(kept):
        upper = bounds[0, at]  # always written, and written over: guesses at a jump would cost more
        slots[left], bounds[0, left], bounds[1, left] = slots[at], upper, bounds[1, at]
        left += upper >= bar
    return left


@compiled
def tighten(  # noqa: PLR0913
    depth: int,
    table: NDArray[np.int64],
    padded: NDArray[np.float64],
    terms: NDArray[np.float32],
    counts: NDArray[np.int64],
    slots: NDArray[np.int64],
    bounds: NDArray[np.float32],
) -> None:
    """Score, for each query, `depth` rows with the best bounds; raise the bar to the worst."""
    for number in range(len(counts)):
        kept, query = counts[number], padded[number]
        if kept <= depth:
            continue
        kept = raise_bar(depth, terms[number], kept, slots[number], bounds[number])
        upper = bounds[number, 0, :kept]
        best = best_of(upper, depth)
        score_from(best, table, query, kept, slots[number], bounds[number])
        counts[number] = raise_bar(depth, terms[number], kept, slots[number], bounds[number])


@compiled
def score_from(
    bar: np.float32,
    table: NDArray[np.int64],
    query: NDArray[np.float64],
    kept: int,
    slots: NDArray[np.int64],
    bounds: NDArray[np.float32],
) -> None:
    """Score the rows whose upper bound reaches a bar, and put the score for both bounds."""
    wanted, count = np.empty(kept, np.int64), 0
    for at in range(kept):
        wanted[count] = at
        count += bounds[0, at] >= bar and bounds[0, at] != bounds[1, at]
    for number in range(-_AHEAD, count):
        if number + _AHEAD < count:
            _call_for(slots[wanted[number + _AHEAD]], table, len(query))
        if number >= 0:
            at = wanted[number]
            bounds[0, at] = bounds[1, at] = exact(slots[at], table, query)


@compiled
def _call_for(slot: int, table: NDArray[np.int64], width: int) -> None:
    """Have the processor load the beginning of a vector; it sees by itself how that goes on."""
    chunk, place = divmod(slot, table[2])
    address = table[3 + 2 * chunk] + place * width * table[0]
    for line in range(0, min(width * table[0], _BEGINNING), _LINE):
        prefetch(address + line)


@compiled
def exact(slot: int, table: NDArray[np.int64], query: NDArray[np.float64]) -> np.float32:
    """Return the score of the vector in a slot: a sum of float64, rounded once.

    Parameters
    ----------
    slot : int
    table : ndarray of int64
        Bytes of a number of the stored vectors, whether the metric is l2, the slots of a chunk;
        then the addresses of the vectors and of the scales of each chunk.
    query : ndarray of float64, shape (width,)
        Padded with zeros.
    """
    width = len(query)
    chunk, place = divmod(slot, table[2])
    address = table[3 + 2 * chunk] + place * width * table[0]
    q, count = query.ctypes.data, width // STEP
    if table[0] == 4:
        total = -square32(address, q, count) if table[1] else dot32(address, q, count)
    elif table[0] == 2:
        total = -square16(address, q, count) if table[1] else dot16(address, q, count)
    else:
        scale = table[4 + 2 * chunk] + place * 4
        total = -square8(address, q, count, scale) if table[1] else dot8(address, q, count, scale)
    return F32(total)


@compiled
def exact_many(
    slots: NDArray[np.int64],
    table: NDArray[np.int64],
    query: NDArray[np.float64],
    scores: NDArray[np.float32],
) -> None:
    """Score the vectors in some slots."""
    for number in range(len(slots)):
        if number + _AHEAD < len(slots):
            _call_for(slots[number + _AHEAD], table, len(query))
        scores[number] = exact(slots[number], table, query)


@compiled
def mark(
    rows: NDArray[np.int64],
    live: NDArray[np.bool_],
    allowed: NDArray[np.bool_],
    usable: NDArray[np.bool_],
) -> int:
    """Mark the slots that are live and allowed, and return how many there are."""
    count = 0
    for slot in range(len(rows)):
        row = rows[slot]
        usable[slot] = live[slot] and row < len(allowed) and allowed[row]
        count += usable[slot]
    return count
