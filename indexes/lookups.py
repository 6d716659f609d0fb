"""Single postings, without a pass over lists: where a list is, what a row scores.

The segments of an index are known to compiled code by one table of addresses and counts.
"""

# Compiled functions have no types to check: numba infers them from the arrays.
# mypy: disable-error-code="no-untyped-def"

import numpy as np
from numba.extending import overload

from indexes.compiled import compiled
from indexes.native import array_at

RANGE = 65_536
"""Rows of a segment."""

COLUMNS = 14
ROWS, PAYLOAD, GAIN, LIVE, WORDS, RANKS, PEAKS, FIRST, HOLES, TERMS, STARTS, SIZE, LONG, LONGS = (
    range(COLUMNS)
)
"""What the table of segments holds of each: addresses of arrays, its first row, counts."""

START, STOP, BITMAP = range(3)
"""What the table of places holds of a list in a segment."""
NONE = 0xFFFFFFFF
"""Instead of the number of a bitmap."""

U16, U32, U64, I64, F32 = np.uint16, np.uint32, np.uint64, np.int64, np.float32


def value_at(payload, gain, at):
    """Return the value of a posting: its code's gain, or the payload itself.  Compiled only."""


@overload(value_at)
def _value_at(payload, gain, at):  # noqa: ANN001, ANN202
    if payload.dtype.name == "float32":
        return lambda payload, gain, at: payload[at]
    return lambda payload, gain, at: gain[U64(payload[at])]


@compiled
def find(rows, place, words, ranks, row):
    """Return where in a list a row stands, or NONE."""
    start, stop, bitmap = U64(place[START]), U64(place[STOP]), U64(place[BITMAP])
    if bitmap != U64(NONE):
        word_at = bitmap * U64(RANGE // 64) + (row >> U64(6))
        word, bit = words[word_at], U64(1) << (row & U64(63))
        if not word & bit:
            return U64(NONE)
        before = word & (bit - U64(1))  # counted by the sideways addition that becomes popcnt
        before -= (before >> U64(1)) & U64(0x5555555555555555)
        before = (before & U64(0x3333333333333333)) + (
            (before >> U64(2)) & U64(0x3333333333333333)
        )
        before = (before + (before >> U64(4))) & U64(0x0F0F0F0F0F0F0F0F)
        before = (before * U64(0x0101010101010101)) >> U64(56)
        return start + U64(ranks[word_at]) + before
    end = stop
    while start < stop:
        middle = (start + stop) >> U64(1)
        if U64(rows[middle]) < row:
            start = middle + U64(1)
        else:
            stop = middle
    return start if start < end and U64(rows[start]) == row else U64(NONE)


@compiled
def score(table, places, slots, weights, base, zero, blocks, rows, out):  # noqa: PLR0913
    """Write the score of each of `rows`: 0 where it is not held.

    Parameters
    ----------
    table, places, slots, weights, base, zero
        As in `Lists`.
    blocks : ndarray of int64, shape (ranges of rows + 1,)
        At which segment each range of RANGE rows starts.
    rows : ndarray of int64, shape (n,)
    out : ndarray of float32, shape (n,)
    """
    for number in range(rows.size):
        block, row = rows[number] // RANGE, U64(rows[number] % RANGE)
        out[number] = F32(0)
        if block >= blocks.size - 1:
            continue
        for segment in range(blocks[block], blocks[block + 1]):
            facts = table[segment]
            if not array_at(facts[LIVE], np.uint8(0))[row]:
                continue
            held, payload = array_at(facts[ROWS], U16(0)), array_at(facts[PAYLOAD], zero)
            gain = array_at(facts[GAIN], F32(0))
            words, ranks = array_at(facts[WORDS], U64(0)), array_at(facts[RANKS], U16(0))
            total = F32(0)
            for term in range(slots.size):
                found = find(held, places[slots[term], segment], words, ranks, row)
                if found != U64(NONE):
                    total += weights[term] * value_at(payload, gain, found)
            out[number] = total + base


@compiled
def locate(table, term, places):
    """Write into `places`, shape (segments, 3), where the lists of a term are."""
    for segment in range(table.shape[0]):
        facts = table[segment]
        terms, starts = array_at(facts[TERMS], U32(0)), array_at(facts[STARTS], U32(0))
        low = _lower_bound(terms, facts[SIZE], term)
        places[segment] = U32(0)
        places[segment, BITMAP] = U32(NONE)
        if low < facts[SIZE] and terms[U64(low)] == term:
            places[segment, START], places[segment, STOP] = starts[U64(low)], starts[U64(low + 1)]
            long = array_at(facts[LONG], U32(0))
            bitmap = _lower_bound(long, facts[LONGS], U32(low))
            if bitmap < facts[LONGS] and long[U64(bitmap)] == low:
                places[segment, BITMAP] = U32(bitmap)


@compiled
def _lower_bound(values, size, wanted):
    """Return the first place, of `size` ascending values, that is not below the wanted one."""
    low, high = 0, size
    while low < high:
        middle = (low + high) >> 1
        if values[U64(middle)] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def moments(table, places, zero):
    """Return sum, sum of squares and maximum of the values of one term over its live rows.

    The sums are made of integers, in steps of 2**-30 of a power of two at or above the maximum, so
    they do not depend on the order in which the rows came.
    """
    peak = F32(0)
    for segment in range(table.shape[0]):
        for value in _live_values(table[segment], places[segment], zero):
            peak = max(peak, value)
    unit = 2.0 ** (30 - np.ceil(np.log2(peak))) if peak > 0 else 1.0
    total, squares = I64(0), I64(0)
    for segment in range(table.shape[0]):
        for value in _live_values(table[segment], places[segment], zero):
            share = value * unit
            total += I64(share)
            squares += I64(share * share / 2.0**30)
    return total / unit, squares / unit * (2.0**30 / unit), peak


@compiled
def _live_values(facts, place, zero):
    """Return the values of a list of live rows."""
    rows, payload = array_at(facts[ROWS], U16(0)), array_at(facts[PAYLOAD], zero)
    gain, live = array_at(facts[GAIN], F32(0)), array_at(facts[LIVE], np.uint8(0))
    start, stop = U64(place[START]), U64(place[STOP])
    values, count = np.empty(I64(stop) - I64(start), F32), 0
    while start < stop:
        if live[rows[start]]:
            values[count] = value_at(payload, gain, start)
            count += 1
        start += U64(1)
    return values[:count]
