"""Lists of a range are added up, and its rows are taken with their final scores.

The sums are all zero before and afterwards.  Short lists are scanned: the last one is added and
taken in one pass, and the others name the rows that are left.  Where there are many postings, all
sums are swept instead.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.lists import FIRST, GAIN, PAYLOAD, RANGE, ROWS, START, STOP, Lists
from indexes.lookups import until, value_at
from indexes.native import array_at, at_least, lowest_bit, prefetch
from indexes.selection import TINY, key_of, raise_bar, room

U16, U32, U64, I64, F32 = np.uint16, np.uint32, np.uint64, np.int64, np.float32
_LINE = 32  # postings whose rows fill a cache line
_EARLY = 256  # postings of the next list that are loaded in advance, beyond as many as this one has


class Ahead(NamedTuple):
    """A part of a list that will be read next, as addresses; memory is asked for it meanwhile."""

    rows: np.int64
    payload: np.int64
    itemsize: int
    stop: np.int64


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
    bar, address = np.int32(F32(enter).view(U32)), I64(sums.ctypes.data)
    for start in range(0, sums.size - 63, 64):
        block, some = bits[start : start + 64], np.int32(0)
        for at in range(U64(64)):
            some |= np.int32(block[at] >= bar)
        reached = at_least(address + 4 * start, bar) if some else U64(0)
        while reached:
            at = U64(start) + lowest_bit(reached)
            keys[count] = key_of(sums[at], first + at)
            count += 1
            reached &= reached - U64(1)
        for at in range(U64(64)):
            block[at] = np.int32(0)
    for at in range(sums.size & ~63, sums.size):
        if sums[at] >= enter:
            keys[count] = key_of(sums[at], first + U64(at))
            count += 1
        sums[at] = F32(0)
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
    start, stop = at[last]
    ahead, weight = _ahead(lists, segment, last, at), lists.weights[last]
    count = _add_and_take(
        sums, rows, payload, gain, start, stop, weight, ahead, enter, first, keys, count
    )
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
        if sums.size < RANGE:
            stop = until(rows, start, stop, low + U64(sums.size))
            at[number, 0] = stop
        ahead = _ahead(lists, segment, number, at)
        _add(sums, rows, payload, gain, start, stop, lists.weights[number], ahead)


@compiled
def _ahead(lists: Lists, segment: int, number: int, at: NDArray[np.uint64]) -> Ahead:
    """Return what is read after a list: the next one, or the first one of the next segment."""
    number += 1
    if number < at.shape[0]:
        start, stop = I64(at[number, 0]), I64(at[number, 1])
    else:
        segment = min(segment + 1, lists.table.shape[0] - 1)
        place = lists.places[lists.slots[0], segment]
        start, stop = I64(place[START]), I64(place[STOP])
    facts, itemsize = lists.table[segment], array_at(I64(0), lists.zero).itemsize
    return Ahead(facts[ROWS] + 2 * start, facts[PAYLOAD] + itemsize * start, itemsize, stop - start)


@compiled
def _load(ahead: Ahead, at: np.int64) -> None:
    """Have a line of rows and what belongs to it loaded, if it is a part of the list."""
    if at < ahead.stop:
        prefetch(ahead.rows + 2 * at)
        prefetch(ahead.payload + ahead.itemsize * at)
        if ahead.itemsize > 2:
            prefetch(ahead.payload + ahead.itemsize * (at + _LINE // 2))


@compiled
def _add(  # noqa: PLR0913
    sums: NDArray[np.float32],
    rows: NDArray[np.uint16],
    payload: NDArray[Any],
    gain: NDArray[np.float32],
    start: np.uint64,
    stop: np.uint64,
    weight: np.float32,
    ahead: Ahead,
) -> None:
    """Add a part of a list to the sums."""
    mask = U64(sums.size - 1)
    for line in range(start, stop, U64(_LINE)):
        _load(ahead, I64(line - start))
        for at in range(line, min(line + U64(_LINE), stop)):
            sums[U64(rows[at]) & mask] += weight * value_at(payload, gain, at)
    for more in range(0, _EARLY, _LINE):
        _load(ahead, I64(stop - start) + I64(more))


@compiled
def _add_and_take(  # noqa: PLR0913
    sums: NDArray[np.float32],
    rows: NDArray[np.uint16],
    payload: NDArray[Any],
    gain: NDArray[np.float32],
    start: np.uint64,
    stop: np.uint64,
    weight: np.float32,
    ahead: Ahead,
    enter: np.float32,
    first: np.uint64,
    keys: NDArray[np.uint64],
    count: int,
) -> int:
    """Add the last list, and take the rows that it holds: their sums are final."""
    for line in range(start, stop, U64(_LINE)):
        _load(ahead, I64(line - start))
        for at in range(line, min(line + U64(_LINE), stop)):
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
