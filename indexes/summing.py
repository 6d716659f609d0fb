"""Lists of a range are added up, and its rows are taken with their final scores.

The sums are all zero before and afterwards.  Short lists are scanned: the last one is added and
taken in one pass, and the others name the rows that are left.  Where there are many postings, all
sums are swept instead.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.lists import FIRST, GAIN, PAYLOAD, RANGE, ROWS, START, STOP, Lists
from indexes.lookups import until, value_at
from indexes.native import array_at, prefetch
from indexes.selection import TINY, key_of, raise_bar, room

U16, U32, U64, I64, F32 = np.uint16, np.uint32, np.uint64, np.int64, np.float32
_PREFETCHED = 256  # postings of each list of the next segment


@compiled
def sweep(
    sums: NDArray[np.float32],
    enter: np.float32,
    first: np.uint64,
    keys: NDArray[np.uint64],
    count: int,
) -> int:
    """Take all rows of a range whose sums are mostly not zero, looking at 64 at a time."""
    bits = sums.view(np.int32)  # comparing positive floats as integers is vectorised
    bar = np.int32(F32(enter).view(U32))
    for start in range(0, sums.size, 64):
        block = bits[start : start + 64]
        reached = np.int32(0)
        for at in range(U64(64)):
            reached |= np.int32(block[at] >= bar)
        if reached:
            for at in range(start, start + 64):
                if sums[at] >= enter:
                    keys[count] = key_of(sums[at], first + U64(at))
                    count += 1
        for at in range(U64(64)):
            block[at] = np.int32(0)
    return count


@compiled
def scan(  # noqa: PLR0913
    lists: Lists,
    segment: int,
    split: int,
    enter: np.float32,
    sums: NDArray[np.float32],
    at: NDArray[np.uint64],
    keys: NDArray[np.uint64],
    count: int,
) -> int:
    """Collect the rows of the first `split` lists, which are short, by adding and taking them."""
    facts = lists.table[segment]
    rows, payload = array_at(facts[ROWS], U16(0)), array_at(facts[PAYLOAD], lists.zero)
    gain, first = array_at(facts[GAIN], F32(0)), U64(facts[FIRST])
    last = split - 1
    add_all(lists, segment, last, U64(0), sums, at)
    _prefetch(lists, segment + 1, last)
    start, stop = at[last]
    weight = lists.weights[last]
    count = _add_and_take(sums, rows, payload, gain, start, stop, weight, enter, first, keys, count)
    for number in range(last):
        start, stop = at[number]
        count = _take(sums, rows, start, stop, enter, first, keys, count)
    return count


@compiled
def scan_first(  # noqa: PLR0913
    lists: Lists,
    segment: int,
    depth: int,
    sums: NDArray[np.float32],
    at: NDArray[np.uint64],
    keys: NDArray[np.uint64],
    count: int,
) -> tuple[int, np.float32]:
    """Do as `scan` does while there is no bar: take the rows of rare terms first, to get one."""
    facts = lists.table[segment]
    rows, first = array_at(facts[ROWS], U16(0)), U64(facts[FIRST])
    add_all(lists, segment, lists.slots.size, U64(0), sums, at)
    theta = TINY
    for number in range(lists.slots.size):
        start, stop = at[number]
        count = _take(sums, rows, start, stop, theta, first, keys, count)
        if count >= depth and (theta == TINY or count >= room(depth)):
            count, theta = raise_bar(keys, count, depth)
    return count, theta


@compiled
def add_all(
    lists: Lists,
    segment: int,
    split: int,
    low: np.uint64,
    sums: NDArray[np.float32],
    at: NDArray[np.uint64],
) -> None:
    """Add the first `split` lists over the rows from `low` on, as many as there are sums."""
    facts = lists.table[segment]
    rows, payload = array_at(facts[ROWS], U16(0)), array_at(facts[PAYLOAD], lists.zero)
    gain = array_at(facts[GAIN], F32(0))
    for number in range(split):
        start, stop = at[number]
        _prefetch(lists, segment + 1, number)
        if sums.size < RANGE:
            stop = until(rows, start, stop, low + U64(sums.size))
            at[number, 0] = stop
        _add(sums, rows, payload, gain, start, stop, lists.weights[number])


@compiled
def _prefetch(lists: Lists, segment: int, number: int) -> None:
    """Have a list of a segment loaded while others are worked on."""
    if segment < lists.table.shape[0]:
        facts, place = lists.table[segment], lists.places[lists.slots[number], segment]
        payload, start = array_at(facts[PAYLOAD], lists.zero), I64(place[START])
        stop = min(I64(place[STOP]), start + _PREFETCHED)
        for at in range(start, stop, 32):
            prefetch(facts[ROWS] + 2 * at)
            prefetch(facts[PAYLOAD] + payload.itemsize * at)


@compiled
def _add(  # noqa: PLR0913
    sums: NDArray[np.float32],
    rows: NDArray[np.uint16],
    payload: NDArray[Any],
    gain: NDArray[np.float32],
    start: np.uint64,
    stop: np.uint64,
    weight: np.float32,
) -> None:
    """Add a part of a list to the sums."""
    mask = U64(sums.size - 1)
    for at in range(start, stop):
        sums[U64(rows[at]) & mask] += weight * value_at(payload, gain, at)


@compiled
def _add_and_take(  # noqa: PLR0913
    sums: NDArray[np.float32],
    rows: NDArray[np.uint16],
    payload: NDArray[Any],
    gain: NDArray[np.float32],
    start: np.uint64,
    stop: np.uint64,
    weight: np.float32,
    enter: np.float32,
    first: np.uint64,
    keys: NDArray[np.uint64],
    count: int,
) -> int:
    """Add the last list, and take the rows that it holds: their sums are final."""
    for at in range(start, stop):
        row = U64(rows[at])
        score = sums[row] + weight * value_at(payload, gain, at)
        sums[row] = F32(0)
        if score >= enter:
            keys[count] = key_of(score, first + row)
            count += 1
    return count


@compiled
def _take(  # noqa: PLR0913
    sums: NDArray[np.float32],
    rows: NDArray[np.uint16],
    start: np.uint64,
    stop: np.uint64,
    enter: np.float32,
    first: np.uint64,
    keys: NDArray[np.uint64],
    count: int,
) -> int:
    """Take the rows of a list that have not been taken yet."""
    for at in range(start, stop):
        row = U64(rows[at])
        score = sums[row]
        sums[row] = F32(0)
        if score >= enter:
            keys[count] = key_of(score, first + row)
            count += 1
    return count
