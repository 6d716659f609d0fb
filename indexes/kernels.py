"""The best rows of a query: the compiled inner loops over posting lists.

A query is a few weighted lists.  Rows come in ranges of 65,536, each with lists of its own
(`indexes.segment`).  Within a range the lists are added up, one after the other, in an array of
float32 that stays in the processor's cache; the last list is added and taken away in one pass.  So
every row is seen once with its final score, and leaves a zero behind.  Rows whose score reaches the
bar are kept; when many are kept, all but the best `depth` are dropped and the bar rises.

Lists that are long (stop words) have a bitmap.  While the long lists together cannot lift a row
over the bar they are not read: what they add is looked up for the few rows that need it, as in
MaxScore [1]_.

All sums run in float32 in the order of the lists, so a score has the same bits wherever it is
computed.  Scores are above 0, and positive floats are ordered like their bits: a candidate is one
integer, the bits of its score above and its inverted row below.

The course of a search is here.  `indexes.summing` adds lists and takes rows, `indexes.pruning` is
about the lists that are not read, and `indexes.selection` keeps the candidates.

References
----------
.. [1] Turtle, Flood, "Query Evaluation: Strategies and Optimizations", IPM 31(6), 1995.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled, inlined
from indexes.lists import FIRST, HOLES, RANGE, SPAN, START, STOP, Lists
from indexes.lookups import weighed
from indexes.pruning import best_split, complete, count_rare, least_sum
from indexes.selection import TINY, Wanted, drop, edge_of, raise_bar, room, unpack
from indexes.summing import add_all, scan, scan_first, sweep

U32, U64, I64, F32 = np.uint32, np.uint64, np.int64, np.float32
_L1_ROWS = 8_192  # sums of so many rows fill a first-level cache
_SWEPT = 512  # sums before the first look at the bar; then as many as before
_BINS_EACH = 8
_MANY_EACH = 4_096  # postings of a mean list, from which on it pays to cut lists for that


@compiled
def search(  # noqa: PLR0913
    table: NDArray[np.int64],
    places: NDArray[np.uint32],
    facts: NDArray[np.float64],
    zero: Any,
    slots: NDArray[np.int64],
    amounts: NDArray[np.float64],
    absent: float,
    depth: int,
    allowed: NDArray[np.bool_],
    filtered: bool,
    sums: NDArray[np.float32],
    keys: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the best rows of a query and their scores, best first.

    Parameters
    ----------
    table, places, zero
        As in `Lists`.
    facts, slots, amounts, absent
        As in `indexes.lookups.weighed`.
    depth, allowed, filtered
        As in `Wanted`.
    sums : ndarray of float32, shape (RANGE,)
        Zeros; they are zeros again afterwards.
    keys : ndarray of uint64, at least ``2 * depth + LEAST_ROOM + RANGE``
        Where the candidates are put.
    """
    lists = Lists(table, places, *weighed(slots, amounts, absent, facts), zero)
    count = _search(lists, Wanted(depth, allowed, filtered), sums, keys)
    rows, scores = np.empty(min(count, depth), I64), np.empty(min(count, depth), F32)
    unpack(keys, count, depth, rows, scores)
    return rows, scores


@compiled
def search_each(  # noqa: PLR0913
    table: NDArray[np.int64],
    places: NDArray[np.uint32],
    facts: NDArray[np.float64],
    zero: Any,
    slots: NDArray[np.int64],
    amounts: NDArray[np.float64],
    absent: float,
    bounds: NDArray[np.int64],
    depth: int,
    allowed: NDArray[np.bool_],
    filtered: bool,
    sums: NDArray[np.float32],
    keys: NDArray[np.uint64],
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Write what `search` returns of several queries into `rows` and `scores`, shape (n, depth).

    The parameters are those of `search`; the terms of query i are those from ``bounds[i]`` to
    ``bounds[i + 1]``, and ``counts[i]`` says how many rows it found.
    """
    wanted = Wanted(depth, allowed, filtered)
    for number in range(counts.size):
        start, stop = bounds[number], bounds[number + 1]
        asked = weighed(slots[start:stop], amounts[start:stop], absent, facts)
        count = _search(Lists(table, places, *asked, zero), wanted, sums, keys)
        counts[number] = unpack(keys, count, depth, rows[number], scores[number])


@compiled
def count_above(  # noqa: PLR0913
    table: NDArray[np.int64],
    places: NDArray[np.uint32],
    facts: NDArray[np.float64],
    zero: Any,
    slots: NDArray[np.int64],
    amounts: NDArray[np.float64],
    absent: float,
    marks: NDArray[np.uint64],
    allowed: NDArray[np.bool_],
    filtered: bool,
    sums: NDArray[np.float32],
    keys: NDArray[np.uint64],
    above: NDArray[np.int64],
) -> None:
    """Write how many of all candidates are above each of some candidates into `above`.

    The parameters are those of `search`, for a depth of 1, but for the following.  No segment can
    fill the room for the candidates, so the bar stays where it is, at the lowest mark.

    Parameters
    ----------
    marks : ndarray of uint64, shape (n,)
        Candidates, ascending; n >= 1.
    above : ndarray of int64, shape (n,)
    """
    lists = Lists(table, places, *weighed(slots, amounts, absent, facts), zero)
    wanted = Wanted(2 * RANGE, allowed, filtered)
    shift, starts = _bins_of(marks)
    passed, none = np.zeros(marks.size + 1, I64), int(I64(0))
    theta = U32(marks[0] >> U64(32)).view(F32)
    for segment in range(table.shape[0]):
        count, _ = _search_segment(lists, segment, theta, wanted, sums, keys, none)
        _pass(marks, shift, starts, keys[:count], passed)
    total = 0
    for mark in range(marks.size - 1, -1, -1):
        total += passed[mark + 1]
        above[mark] = total


@compiled
def _pass(
    marks: NDArray[np.uint64],
    shift: np.uint64,
    starts: NDArray[np.uint64],
    keys: NDArray[np.uint64],
    passed: NDArray[np.int64],
) -> None:
    """Count, for each number of marks but 0, the candidates that are above so many."""
    low, high = marks[0], marks[-1]
    for key in keys:
        if key > high:
            passed[marks.size] += 1
        elif key > low:
            bin_ = (key - low) >> shift
            at, stop = starts[bin_], starts[bin_ + U64(1)]
            while at < stop:
                middle = (at + stop) >> U64(1)
                if marks[middle] < key:
                    at = middle + U64(1)
                else:
                    stop = middle
            passed[at] += 1


@compiled
def _bins_of(marks: NDArray[np.uint64]) -> tuple[np.uint64, NDArray[np.uint64]]:
    """Return by how many bits ascending numbers are shifted into bins, and where each bin starts.

    There are several bins for each number, so that most bins have one number or none.
    """
    shift, most = U64(0), U64(_BINS_EACH * marks.size)
    while (marks[-1] - marks[0]) >> shift >= most:
        shift += U64(1)
    starts = np.zeros(most + U64(1), U64)
    for mark in marks:
        starts[((mark - marks[0]) >> shift) + U64(1)] += U64(1)
    for bin_ in range(1, starts.size):
        starts[bin_] += starts[bin_ - 1]
    return shift, starts


@inlined
def _search(
    lists: Lists, wanted: Wanted, sums: NDArray[np.float32], keys: NDArray[np.uint64]
) -> int:
    """Collect the best rows, and drop those beyond the depth."""
    table, places, slots, weights, base, zero = lists
    if not slots.size:
        return 0
    theta, rare = TINY, count_rare(lists, wanted.depth)
    taken = rare if rare else slots.size
    while True:  # one call of what is large, for it is compiled where it is called
        some = Lists(table, places, slots[:taken], weights[:taken], base, zero)
        count = _collect(some, theta, wanted, sums, keys)
        if taken == slots.size:
            break
        taken = slots.size  # sums over the rare terms alone are lower bounds: they set the bar
        if count >= wanted.depth:
            theta = U32(edge_of(keys, count, wanted.depth)).view(F32)
    if count > wanted.depth:
        count = drop(keys, count, edge_of(keys, count, wanted.depth))
    return count


@inlined
def _collect(
    lists: Lists,
    theta: np.float32,
    wanted: Wanted,
    sums: NDArray[np.float32],
    keys: NDArray[np.uint64],
) -> int:
    """Collect the rows of all segments that reach a bar, or enough of them."""
    count = int(I64(0))  # for a literal, numba would compile once more all that it is given to
    for segment in range(lists.table.shape[0]):
        count, theta = _search_segment(lists, segment, theta, wanted, sums, keys, count)
    return count


@inlined
def _search_segment(  # noqa: PLR0913
    lists: Lists,
    segment: int,
    theta: np.float32,
    wanted: Wanted,
    sums: NDArray[np.float32],
    keys: NDArray[np.uint64],
    count: int,
) -> tuple[int, np.float32]:
    """Collect the candidates of a segment; return how many there are now, and the bar."""
    split, most = lists.slots.size, 0.0
    if theta != TINY:
        split, most = best_split(lists, segment, theta)
    at, postings = _open(lists, segment, split)
    if postings == 0:
        return count, theta
    rough = wanted.filtered or lists.base != 0 or split < lists.slots.size
    rough = rough or lists.table[segment, HOLES] != 0
    span = lists.table[segment, SPAN]
    many = 4 * postings >= span
    if theta == TINY and not (rough or many):
        return scan_first(lists, segment, wanted.depth, sums, at, keys, count)
    first, barred = U64(lists.table[segment, FIRST]), theta != TINY
    window = _L1_ROWS if postings >= _MANY_EACH * split else RANGE
    low = 0
    while low < span:
        enter, start, step = least_sum(theta, most, lists.base), low % window, span
        if many:
            if start == 0:
                add_all(lists, segment, split, U64(low), sums[:window], at)
            step = min(window - start, I64(span) if barred else max(_SWEPT, low))
            new = sweep(sums[start : start + step], enter, first + U64(low), keys, count)
        else:
            new = scan(lists, segment, split, enter, sums, at, keys, count)
        if rough:
            new = complete(lists, segment, split, most, theta, wanted, keys, count, new)
        count = new
        if count >= room(wanted.depth):
            count, theta = raise_bar(keys, count, wanted.depth)
        low += step
    return count, theta


@compiled
def _open(lists: Lists, segment: int, split: int) -> tuple[NDArray[np.uint64], np.int64]:
    """Return where the first `split` lists start and stop, and how many postings they have."""
    at = np.empty((split, 2), U64)
    postings = I64(0)
    for number in range(split):
        place = lists.places[lists.slots[number], segment]
        at[number, 0], at[number, 1] = U64(place[START]), U64(place[STOP])
        postings += I64(place[STOP]) - I64(place[START])
    return at, postings
