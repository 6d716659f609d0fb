"""The compiled inner loops over posting lists.

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

References
----------
.. [1] Turtle, Flood, "Query Evaluation: Strategies and Optimizations", IPM 31(6), 1995.
"""

# Compiled functions have no types to check: numba infers them from the arrays.
# mypy: disable-error-code="no-untyped-def"

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.lookups import (
    BITMAP,
    FIRST,
    GAIN,
    HOLES,
    LIVE,
    NONE,
    PAYLOAD,
    PEAKS,
    RANGE,
    RANKS,
    ROWS,
    START,
    STOP,
    WORDS,
    find,
    value_at,
)
from indexes.native import array_at, prefetch

U16, U32, U64, I64, F32 = np.uint16, np.uint32, np.uint64, np.int64, np.float32
_TINY = np.float32(1e-45)
_BINS = 512
_L1_ROWS = 8_192  # sums of so many rows fill a first-level cache
_MANY = 16_384  # postings of a query in one segment, from which on that pays
_PREFETCHED = 256  # postings of each list of the next segment
_LOOKUP = 10.0  # postings that are read in the time of one lookup
_OFTEN, _RARELY, _HARDLY = 0.8, 0.2, 0.02  # shares of rows that are looked up
_ROUNDING = 2.0**-22  # more than a few float32 roundings can add


class Lists(NamedTuple):
    """The posting lists of a query.

    Attributes
    ----------
    table : ndarray of int64, shape (segments, COLUMNS)
        Where the arrays of the segments are.
    places : ndarray of uint32, shape (slots, segments, 3)
        Where lists start and stop, and which bitmap they have.
    slots : ndarray of int64, shape (m,)
        Which of `places` are asked for, in the order of the sum.
    weights : ndarray of float32, shape (m,)
        What their values are multiplied with, above 0.
    base : float32
        What every score is raised by.
    zero : uint16, uint32 or float32
        Of the type of the payload: codes into the gains of the segment, or the values themselves.
    """

    table: NDArray[np.int64]
    places: NDArray[np.uint32]
    slots: NDArray[np.int64]
    weights: NDArray[np.float32]
    base: np.float32
    zero: Any


@compiled
def room(depth: int) -> int:
    """Return how many candidates are kept before all but the best `depth` are dropped."""
    return depth + max(depth // 2, 64)


@compiled
def _key(score, row):
    return (U64(F32(score).view(U32)) << U64(32)) | (U64(NONE) - row)


@compiled
def _add(sums, rows, payload, gain, start, stop, weight):
    """Add a part of a list to the sums."""
    mask = U64(sums.size - 1)
    for at in range(start, stop):
        sums[U64(rows[at]) & mask] += weight * value_at(payload, gain, at)


@compiled
def _until(rows, start, stop, limit):
    """Return where the rows of a list reach a limit."""
    while start < stop:
        middle = (start + stop) >> U64(1)
        if U64(rows[middle]) < limit:
            start = middle + U64(1)
        else:
            stop = middle
    return start


@compiled
def _add_and_take(  # noqa: PLR0913
    sums, rows, payload, gain, start, stop, weight, enter, first, keys, count
):
    """Add the last list, and take the rows that it holds: their sums are final."""
    for at in range(start, stop):
        row = U64(rows[at])
        score = sums[row] + weight * value_at(payload, gain, at)
        sums[row] = F32(0)
        if score >= enter:
            keys[count] = _key(score, first + row)
            count += 1
    return count


@compiled
def _take(sums, rows, start, stop, enter, first, keys, count):
    """Take the rows of a list that have not been taken yet."""
    for at in range(start, stop):
        row = U64(rows[at])
        score = sums[row]
        sums[row] = F32(0)
        if score >= enter:
            keys[count] = _key(score, first + row)
            count += 1
    return count


@compiled
def _sweep(sums, enter, first, keys, count):
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
                    keys[count] = _key(sums[at], first + U64(at))
                    count += 1
        for at in range(U64(64)):
            block[at] = np.int32(0)
    return count


@compiled
def _edge(keys, count, depth):
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
def _drop(keys, count, edge):
    """Drop the candidates below an edge; return how many are left."""
    kept = 0
    for at in range(count):
        key = keys[at]
        keys[kept] = key
        kept += 1 if key >> U64(32) >= edge else 0
    return kept


@compiled
def _complete(lists, segment, split, most, theta, allowed, filtered, keys, count, new):  # noqa: PLR0913
    """Finish the candidates from `count` to `new`: masks, lists not read yet, base, bar."""
    facts = lists.table[segment]
    first = U64(facts[FIRST])
    live = array_at(facts[LIVE], np.uint8(0))
    rows, payload = array_at(facts[ROWS], U16(0)), array_at(facts[PAYLOAD], lists.zero)
    gain = array_at(facts[GAIN], F32(0))
    words, ranks = array_at(facts[WORDS], U64(0)), array_at(facts[RANKS], U16(0))
    peaks = array_at(facts[PEAKS], F32(0))
    for at in range(count, new):
        row = U64(NONE) - (keys[at] & U64(NONE))
        if filtered and (row >= U64(allowed.size) or not allowed[row]):
            continue
        if facts[HOLES] and not live[row - first]:
            continue
        score, left = U32(keys[at] >> U64(32)).view(F32), most
        for number in range(split, lists.slots.size):
            if score < _enter(theta, left, lists.base):
                break
            place = lists.places[lists.slots[number], segment]
            if place[START] < place[STOP]:
                found = find(rows, place, words, ranks, row - first)
                if found != U64(NONE):
                    score += lists.weights[number] * value_at(payload, gain, found)
                left -= lists.weights[number] * np.float64(peaks[U64(place[BITMAP])])
        else:
            score += lists.base
            if score >= theta:
                keys[count] = _key(score, row)
                count += 1
    return count


@compiled
def _split(lists, segment, theta):
    """Return from which list on lists are looked up, and the most that these add.

    Of the splits that are allowed, it is the one that should take the least time: a lookup costs
    as much as reading some postings, and is made for all rows whose sum comes near enough.
    """
    peaks = array_at(lists.table[segment, PEAKS], F32(0))
    everything = lists.slots.size
    most, best, most_of_best, least = 0.0, everything, 0.0, -1.0
    for split in range(everything, -1, -1):
        if split < everything:
            place = lists.places[lists.slots[split], segment]
            if place[START] < place[STOP]:
                if place[BITMAP] == U32(NONE) or lists.weights[split] < 0:
                    break
                most += lists.weights[split] * np.float64(peaks[U64(place[BITMAP])])
        if theta - lists.base - most <= (theta + most) * _ROUNDING:
            break
        cost = 0.0
        for number in range(split):
            place = lists.places[lists.slots[number], segment]
            asked = 0.0
            if split < everything:
                share = lists.weights[number] / (theta - most)
                asked = _OFTEN if share > 2 else _RARELY if share > 1 else _HARDLY
            cost += (U64(place[STOP]) - U64(place[START])) * (
                1 + asked * _LOOKUP * (everything - split)
            )
        if least < 0 or cost < least:
            best, most_of_best, least = split, most, cost
    return best, most_of_best


@compiled
def _enter(theta, most, base):
    """Return what a sum must reach for its row to reach `theta` with all that is added later."""
    if theta == _TINY or (most == 0 and base == 0):
        return theta
    least = theta - most - base
    return max(_TINY, F32(least - (theta + most + abs(base)) * _ROUNDING))


@compiled
def _prefetch(lists, segment):
    """Have the lists of a segment loaded while another is worked on."""
    facts = lists.table[segment]
    for number in range(lists.slots.size):
        place = lists.places[lists.slots[number], segment]
        start = I64(place[START])
        stop = min(I64(place[STOP]), start + _PREFETCHED)
        for at in range(start, stop, 32):
            prefetch(facts[ROWS] + 2 * at)
            prefetch(facts[PAYLOAD] + 2 * at)


@compiled
def _scan(lists, segment, split, enter, low, sums, at, keys, count):  # noqa: PLR0913
    """Sum the first `split` lists over the rows from `low` on, as many as there are sums."""
    facts = lists.table[segment]
    rows, payload = array_at(facts[ROWS], U16(0)), array_at(facts[PAYLOAD], lists.zero)
    gain, first = array_at(facts[GAIN], F32(0)), U64(facts[FIRST])
    last = split - 1
    if sums.size < RANGE:
        for number in range(split):
            start, stop = at[number]
            middle = _until(rows, start, stop, low + U64(sums.size))
            _add(sums, rows, payload, gain, start, middle, lists.weights[number])
            at[number, 0] = middle
        return _sweep(sums, enter, first + low, keys, count)
    for number in range(last):
        start, stop = at[number]
        _add(sums, rows, payload, gain, start, stop, lists.weights[number])
    start, stop = at[last]
    weight = lists.weights[last]
    count = _add_and_take(
        sums, rows, payload, gain, start, stop, weight, enter, first, keys, count
    )
    for number in range(last):
        start, stop = at[number]
        count = _take(sums, rows, start, stop, enter, first, keys, count)
    return count


@compiled
def _open(lists, segment, split):
    """Return where the first `split` lists start and stop, and how many postings they have."""
    at = np.empty((split, 2), U64)
    postings = 0
    for number in range(split):
        place = lists.places[lists.slots[number], segment]
        at[number, 0], at[number, 1] = U64(place[START]), U64(place[STOP])
        postings += I64(place[STOP]) - I64(place[START])
    return at, postings


@compiled
def _search_segment(  # noqa: PLR0913
    lists, segment, theta, depth, allowed, filtered, sums, keys, count
):
    """Collect the candidates of a segment; return how many there are now, and the bar."""
    split, most = lists.slots.size, 0.0
    if theta != _TINY:
        split, most = _split(lists, segment, theta)
    at, postings = _open(lists, segment, split)
    if postings == 0:
        return count, theta
    rough = filtered or lists.base != 0 or split < lists.slots.size
    rough = rough or lists.table[segment, HOLES] != 0
    step = RANGE if postings < _MANY else _L1_ROWS
    for low in range(0, RANGE, step):
        enter = _enter(theta, most, lists.base)
        new = _scan(lists, segment, split, enter, U64(low), sums[:step], at, keys, count)
        if rough:
            new = _complete(lists, segment, split, most, theta, allowed, filtered, keys, count, new)
        count = new
        if count >= room(depth):
            edge = _edge(keys, count, depth)
            count = _drop(keys, count, edge)
            theta = U32(edge).view(F32)
    return count, theta


@compiled
def search(  # noqa: PLR0913
    table, places, slots, weights, base, zero, depth, allowed, filtered, sums, keys
):
    """Collect the best rows of a query.

    Parameters
    ----------
    table, places, slots, weights, base, zero
        As in `Lists`.
    depth : int
        How many rows are wanted, >= 1.
    allowed : ndarray of bool
        Which rows may be found, by row number, if `filtered`.
    filtered : bool
    sums : ndarray of float32, shape (RANGE,)
        Zeros; they are zeros again afterwards.
    keys : ndarray of uint64, at least ``room(depth) + RANGE``
        Where the candidates are put.

    Returns
    -------
    int
        How many candidates there are: all rows that are found, or at least the best `depth`.
    """
    lists = Lists(table, places, slots, weights, base, zero)
    theta, rare = _TINY, _rare(lists)
    if rare:  # sums over the rare terms alone are lower bounds: they set the first bar
        few = Lists(table, places, slots[:rare], weights[:rare], base, zero)
        count = _collect(few, theta, depth, allowed, filtered, sums, keys)
        if count >= depth:
            theta = U32(_edge(keys, count, depth)).view(F32)
    count = _collect(lists, theta, depth, allowed, filtered, sums, keys)
    if count > depth:
        count = _drop(keys, count, _edge(keys, count, depth))
    return count


@compiled
def _rare(lists):
    """Return how many lists come first that are short, if the others are worth an effort."""
    sizes = np.zeros(lists.slots.size, I64)
    for number in range(sizes.size):
        for segment in range(lists.table.shape[0]):
            place = lists.places[lists.slots[number], segment]
            sizes[number] += I64(place[STOP]) - I64(place[START])
    total, rare, before = sizes.sum(), 0, 0
    if total < _MANY * lists.table.shape[0] // 4:
        return 0
    while before + sizes[rare] <= total // 4:
        before += sizes[rare]
        rare += 1
    for number in range(rare, sizes.size):
        if lists.weights[number] < 0:
            return 0
    return rare


@compiled
def _collect(lists, theta, depth, allowed, filtered, sums, keys):
    """Collect the rows of all segments that reach a bar, or enough of them."""
    count = 0
    for segment in range(lists.table.shape[0]):
        if segment + 1 < lists.table.shape[0]:
            _prefetch(lists, segment + 1)
        count, theta = _search_segment(
            lists, segment, theta, depth, allowed, filtered, sums, keys, count
        )
    return count


@compiled
def unpack(keys, depth):
    """Return rows and scores of the best `depth` of the candidates, which are sorted ascending."""
    count = min(keys.size, depth)
    rows, scores = np.empty(count, I64), np.empty(count, F32)
    for at in range(count):
        key = keys[keys.size - 1 - at]
        rows[at] = I64(U64(NONE) - (key & U64(NONE)))
        scores[at] = U32(key >> U64(32)).view(F32)
    return rows, scores
