"""Long lists are not read while they cannot lift a row over the bar: MaxScore.

What such a list adds is looked up, by its bitmap, for the candidates of the lists before it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.lists import (
    BITMAP,
    FIRST,
    GAIN,
    HOLES,
    LIVE,
    NONE,
    PAYLOAD,
    PEAKS,
    RANKS,
    START,
    STOP,
    WORDS,
    Lists,
)
from indexes.lookups import find_bit, value_at, word_of
from indexes.native import array_at, prefetch
from indexes.selection import TINY, Wanted, key_of

MANY = 16_384
"""Postings of a query in one segment, from which on all its sums are swept."""

U16, U32, U64, I64, F32 = np.uint16, np.uint32, np.uint64, np.int64, np.float32
_ENOUGH = 256  # postings of rare terms for each row that is wanted: then they set a high bar
_AHEAD = 8  # candidates whose memory is asked for in advance
_LOOKUP = 12.0  # postings that are read in the time of one lookup; few rows need a second
_OFTEN, _RARELY, _HARDLY = 0.8, 0.2, 0.02  # shares of rows that are looked up
_ROUNDING = 2.0**-22  # more than a few float32 roundings can add


@compiled
def count_rare(lists: Lists, depth: int) -> int:
    """Return how many lists come first that are short, if the others are worth an effort."""
    sizes = np.zeros(lists.slots.size, I64)
    for number in range(sizes.size):
        for segment in range(lists.table.shape[0]):
            place = lists.places[lists.slots[number], segment]
            sizes[number] += I64(place[STOP]) - I64(place[START])
    total, rare, before = sizes.sum(), 0, 0
    if total < MANY * lists.table.shape[0]:
        return 0
    while before + sizes[rare] <= total // 4:
        before += sizes[rare]
        rare += 1
    long = False
    for number in range(rare, sizes.size):
        for segment in range(lists.table.shape[0]):
            long = long or lists.places[lists.slots[number], segment, BITMAP] != NONE
        if lists.weights[number] < 0:
            return 0
    return rare if long and before >= _ENOUGH * depth else 0


@compiled
def best_split(lists: Lists, segment: int, theta: np.float32) -> tuple[int, float]:
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
            cost += (U64(place[STOP]) - U64(place[START])) * (1 + asked * _LOOKUP)
        if least < 0 or cost < least:
            best, most_of_best, least = split, most, cost
    return best, most_of_best


@compiled
def least_sum(theta: np.float32, most: float, base: np.float32) -> np.float32:
    """Return what a sum must reach for its row to reach `theta` with all that is added later."""
    if theta == TINY or (most == 0 and base == 0):
        return theta
    least = theta - most - base
    return max(TINY, F32(least - (theta + most + abs(base)) * _ROUNDING))


@compiled
def complete(  # noqa: PLR0913
    lists: Lists,
    segment: int,
    split: int,
    most: float,
    theta: np.float32,
    wanted: Wanted,
    keys: NDArray[np.uint64],
    count: int,
    new: int,
) -> int:
    """Finish the candidates from `count` to `new`: masks, lists not read yet, base, bar."""
    facts = lists.table[segment]
    if wanted.filtered or facts[HOLES]:
        new = _filter(facts, wanted, keys, count, new)
    positions = np.empty(new - count if split < lists.slots.size else 0, U32)
    left = most
    for number in range(split, lists.slots.size):
        place, weight = lists.places[lists.slots[number], segment], lists.weights[number]
        if place[START] < place[STOP]:
            peaks = array_at(facts[PEAKS], F32(0))
            left -= weight * np.float64(peaks[U64(place[BITMAP])])
            enter = least_sum(theta, left, lists.base)
            new = _look_up(facts, lists.zero, place, weight, enter, positions, keys, count, new)
    for at in range(count, new):
        score = U32(keys[at] >> U64(32)).view(F32) + lists.base
        if score >= theta:
            keys[count] = key_of(score, U64(NONE) - (keys[at] & U64(NONE)))
            count += 1
    return count


@compiled
def _filter(
    facts: NDArray[np.int64], wanted: Wanted, keys: NDArray[np.uint64], count: int, new: int
) -> int:
    """Drop the candidates that are not allowed or not live."""
    live, allowed = array_at(facts[LIVE], np.uint8(0)), wanted.allowed
    for at in range(count, new):
        row = U64(NONE) - (keys[at] & U64(NONE))
        passed = live[row - U64(facts[FIRST])] != 0
        if wanted.filtered:
            passed = passed and row < U64(allowed.size) and allowed[row]
        keys[count] = keys[at]
        count += 1 if passed else 0
    return count


@compiled
def _look_up(  # noqa: PLR0913
    facts: NDArray[np.int64],
    zero: Any,
    place: NDArray[np.uint32],
    weight: np.float32,
    enter: np.float32,
    positions: NDArray[np.uint32],
    keys: NDArray[np.uint64],
    count: int,
    new: int,
) -> int:
    """Add what a list with a bitmap gives the candidates; drop those that stay below `enter`.

    All bits are read before the first value, so that the memory is waited for once.
    """
    first = U64(facts[FIRST])
    bits, ranks = array_at(facts[WORDS], U64(0)), array_at(facts[RANKS], U16(0))
    payload, gain = array_at(facts[PAYLOAD], zero), array_at(facts[GAIN], F32(0))
    for at in range(count, new):
        ahead = min(at + _AHEAD, new - 1)
        word = word_of(place, U64(NONE) - (keys[ahead] & U64(NONE)) - first)
        prefetch(facts[WORDS] + 8 * I64(word))
        prefetch(facts[RANKS] + 2 * I64(word))
        row = U64(NONE) - (keys[at] & U64(NONE)) - first
        position = find_bit(place, bits, ranks, row)
        positions[at - count] = position
        if position != U64(NONE):
            prefetch(facts[PAYLOAD] + payload.itemsize * I64(position))
    kept = count
    for at in range(count, new):
        key, position = keys[at], U64(positions[at - count])
        score = U32(key >> U64(32)).view(F32)
        if position != U64(NONE):
            score += weight * value_at(payload, gain, position)
        keys[kept] = key_of(score, U64(NONE) - (key & U64(NONE)))
        kept += 1 if score >= enter else 0
    return kept
