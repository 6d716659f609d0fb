"""Single postings, without a pass over lists: where a list is, what a row scores."""

from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.lists import (
    BITMAP,
    GAIN,
    LIVE,
    LONG,
    LONGS,
    NONE,
    PAYLOAD,
    RANGE,
    RANKS,
    ROWS,
    SIZE,
    START,
    STARTS,
    STOP,
    TERMS,
    WORDS,
)
from indexes.native import array_at

UNKNOWN = -2
"""Instead of the slot of a term that was not looked up yet."""

U16, U32, U64, I64, F32 = np.uint16, np.uint32, np.uint64, np.int64, np.float32


def value_at(payload: NDArray[Any], gain: NDArray[np.float32], at: SupportsIndex) -> np.float32:
    """Return the value of a posting: its code's gain, or the payload itself.  Compiled only."""
    raise NotImplementedError


@overload(value_at, strict=False)  # it would compare the annotations as well
def _value_at(payload: Any, gain: Any, at: Any) -> Callable[..., Any]:
    """Return the function for payload of one type."""
    if payload.dtype.name == "float32":
        return lambda payload, gain, at: payload[at]
    return lambda payload, gain, at: gain[U64(payload[at])]


@compiled
def word_of(place: NDArray[np.uint32], row: np.uint64) -> np.uint64:
    """Return which word of the bitmaps has the bit of a row."""
    return U64(place[BITMAP]) * U64(RANGE // 64) + (row >> U64(6))


@compiled
def find_bit(
    place: NDArray[np.uint32],
    words: NDArray[np.uint64],
    ranks: NDArray[np.uint16],
    row: np.uint64,
) -> np.uint64:
    """Return where in a list with a bitmap a row stands, or NONE."""
    at = word_of(place, row)
    bit = U64(1) << (row & U64(63))
    if not words[at] & bit:
        return U64(NONE)
    before: np.uint64 = words[at] & (bit - U64(1))  # counted by what becomes popcnt
    before -= (before >> U64(1)) & U64(0x5555555555555555)
    before = (before & U64(0x3333333333333333)) + ((before >> U64(2)) & U64(0x3333333333333333))
    before = (before + (before >> U64(4))) & U64(0x0F0F0F0F0F0F0F0F)
    before = (before * U64(0x0101010101010101)) >> U64(56)
    found = U64(place[START]) + U64(ranks[at]) + before
    return min(found, U64(place[STOP]) - U64(1))  # in a damaged file, too


@compiled
def until(
    rows: NDArray[np.uint16], start: np.uint64, stop: np.uint64, limit: np.uint64
) -> np.uint64:
    """Return where the rows of a list reach a limit."""
    while start < stop:
        middle = (start + stop) >> U64(1)
        if U64(rows[middle]) < limit:
            start = middle + U64(1)
        else:
            stop = middle
    return start


@compiled
def find(
    rows: NDArray[np.uint16],
    place: NDArray[np.uint32],
    words: NDArray[np.uint64],
    ranks: NDArray[np.uint16],
    row: np.uint64,
) -> np.uint64:
    """Return where in a list a row stands, or NONE."""
    if place[BITMAP] != NONE:
        return find_bit(place, words, ranks, row)
    stop = U64(place[STOP])
    found = until(rows, U64(place[START]), stop, row)
    return found if found < stop and U64(rows[found]) == row else U64(NONE)


@compiled
def score(  # noqa: PLR0913
    table: NDArray[np.int64],
    places: NDArray[np.uint32],
    facts: NDArray[np.float64],
    zero: Any,
    slots: NDArray[np.int64],
    amounts: NDArray[np.float64],
    absent: float,
    blocks: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Write the score of each of `rows`: 0 where it is not held.

    Parameters
    ----------
    table, places, zero
        As in `indexes.lists.Lists`.
    facts, slots, amounts, absent
        As in `weighed`.
    blocks : ndarray of int64, shape (ranges of rows + 1,)
        At which segment each range of RANGE rows starts.
    rows : ndarray of int64, shape (n,)
    out : ndarray of float32, shape (n,)
    """
    used, weights, base = weighed(slots, amounts, absent, facts)
    for number in range(rows.size):
        block, row = rows[number] // RANGE, U64(rows[number] % RANGE)
        out[number] = F32(0)
        if block >= blocks.size - 1:
            continue
        for segment in range(blocks[block], blocks[block + 1]):
            its = table[segment]
            if not array_at(its[LIVE], np.uint8(0))[row]:
                continue
            held, payload = array_at(its[ROWS], U16(0)), array_at(its[PAYLOAD], zero)
            gain = array_at(its[GAIN], F32(0))
            words, ranks = array_at(its[WORDS], U64(0)), array_at(its[RANKS], U16(0))
            total = F32(0)
            for term in range(used.size):
                found = find(held, places[used[term], segment], words, ranks, row)
                if found != U64(NONE):
                    total += weights[term] * value_at(payload, gain, found)
            out[number] = total + base


@compiled
def locate(table: NDArray[np.int64], term: np.uint32, places: NDArray[np.uint32]) -> None:
    """Write into `places`, shape (segments, 3), where the lists of a term are."""
    for segment in range(table.shape[0]):
        facts = table[segment]
        terms, starts = array_at(facts[TERMS], U32(0)), array_at(facts[STARTS], U32(0))
        low = _lower_bound(terms, facts[SIZE], term)
        places[segment] = U32(0)
        places[segment, BITMAP] = U32(NONE)
        if low < facts[SIZE] and terms[U64(low)] == term:
            places[segment, START], places[segment, STOP] = (
                starts[U64(low)],
                starts[U64(low + I64(1))],
            )
            long = array_at(facts[LONG], U32(0))
            bitmap = _lower_bound(long, facts[LONGS], U32(low))
            if bitmap < facts[LONGS] and long[U64(bitmap)] == low:
                places[segment, BITMAP] = U32(bitmap)


@compiled
def _lower_bound(values: NDArray[np.uint32], size: np.int64, wanted: np.uint32) -> np.int64:
    """Return the first place, of `size` ascending values, that is not below the wanted one."""
    low, high = I64(0), size
    while low < high:
        middle = (low + high) >> I64(1)
        if values[U64(middle)] < wanted:
            low = middle + I64(1)
        else:
            high = middle
    return low


@compiled
def moments(
    table: NDArray[np.int64], places: NDArray[np.uint32], zero: Any
) -> tuple[float, float, float]:
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
    return total / unit, squares / unit * (2.0**30 / unit), float(peak)


@compiled
def _live_values(
    facts: NDArray[np.int64], place: NDArray[np.uint32], zero: Any
) -> NDArray[np.float32]:
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


@compiled
def named(
    ids: NDArray[np.int64],
    weights: NDArray[np.float32],
    known: NDArray[np.int32],
    slots: NDArray[np.int64],
    amounts: NDArray[np.float64],
) -> int:
    """Write the terms of a query by ascending id into `slots` and `amounts`.

    Parameters
    ----------
    ids, weights
        In any order.
    known : ndarray of int32, shape (terms,)
        The slot of each term; -1 if no row holds it, and UNKNOWN.
    slots, amounts : ndarray, shape of `ids`

    Returns
    -------
    int
        How many terms have an unknown slot; -1 if an id is negative or comes twice, or a weight is
        negative, NaN or infinite.
    """
    order, unknown = np.argsort(ids), 0
    for number in range(ids.size):
        at = order[number]
        if ids[at] < 0 or (number > 0 and ids[at] == ids[order[number - 1]]):
            return -1
        if not 0 <= weights[at] < np.inf:
            return -1
        slots[number], amounts[number] = -1, weights[at]
        if weights[at] > 0 and ids[at] < known.size:
            slots[number] = known[ids[at]]
            unknown += 1 if slots[number] == UNKNOWN else 0
    return unknown


@compiled
def weighed(
    slots: NDArray[np.int64],
    amounts: NDArray[np.float64],
    absent: float,
    facts: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float32], np.float32]:
    """Return the slots and weights of a query, rare terms first, and what each row gets.

    Parameters
    ----------
    slots, amounts, absent
        As in `indexes.view.Asked`.
    facts : ndarray of float64, shape (slots, 2)
        How many rows hold each term, and its idf.
    """
    used, weights = np.empty(slots.size, I64), np.empty(slots.size, F32)
    count, total = 0, 0.0
    for at in range(slots.size):  # equal ones stay as in the query
        slot = slots[at]
        if slot < 0 or facts[slot, 1] == 0:
            continue
        place = count
        while place > 0 and facts[used[place - 1], 0] > facts[slot, 0]:
            used[place], weights[place] = used[place - 1], weights[place - 1]
            place -= 1
        used[place], weights[place] = slot, F32(amounts[at] * facts[slot, 1])
        count += 1
    for at in range(slots.size):
        if slots[at] >= 0:
            total += amounts[at] * facts[slots[at], 1]
    return used[:count], weights[:count], F32(total * absent)
