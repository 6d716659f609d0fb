"""The place of some rows on the complete list of a flat search, without that list.

A row's place is one more than the number of rows before it.  For most rows the bounds that their
codes give (`indexes.dense_kernels`) say before which of the rows that were asked for they are: no
score that was asked for is between the two bounds.  The others are scored from the stored vectors.
"""

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Rows, Scores, order
from indexes.compiled import compiled
from indexes.dense_chunks import CHUNK
from indexes.dense_kernels import (
    BAR,
    GAIN,
    PER_ERROR,
    PER_LENGTH,
    SHIFT,
    SLACK,
    exact_many,
)
from indexes.dense_native import LANES, multiply_one, reaching
from indexes.flat import Pool, _coded, _words
from indexes.native import lowest_bit
from indexes.slots import Positions
from indexes.vectors import Vectors

U64, I64, F32 = np.uint64, np.int64, np.float32


def ranks(pool: Pool, query: Vectors, slots: Positions) -> Rows:
    """Return the places of the rows in some slots on the complete list of a query.

    Parameters
    ----------
    pool : Pool
        What is on the list: all slots that are usable.
    query : ndarray of float32, shape (dimension,)
    slots : ndarray of int64, shape (n,)
        -1 for a row that has none.

    Returns
    -------
    ndarray of int64, shape (n,)
        From 1; 0 where a slot is not on the list.
    """
    listed = (slots >= 0) & (slots < len(pool.usable))
    listed[listed] = pool.usable[slots[listed]]
    places = np.zeros(len(slots), np.int64)
    if not listed.any():
        return places
    asked, back = np.unique(slots[listed], return_inverse=True)
    scores = np.empty(len(asked), np.float32)
    padded = pool.chunks.padded(query)
    exact_many(asked, pool.chunks.table.numbers, padded, scores)
    ranked = order(pool.rows[asked], scores)
    passed = _passed(pool, query, scores[ranked], pool.rows[asked[ranked]])
    found = np.empty(len(asked), np.int64)
    found[ranked] = np.cumsum(passed[:-1]) + 1
    places[listed] = found[back]
    return places


def _passed(pool: Pool, query: Vectors, scores: Scores, rows: Rows) -> NDArray[np.int64]:
    """Return how many usable slots come between one of the rows and the next, shape (n + 1,).

    The rows are in their order on the list, and `scores` are theirs.
    """
    chunks, padded = pool.chunks, pool.chunks.padded(query)
    passed = np.zeros(len(rows) + 1, np.int64)
    bounded = chunks.coded and not pool.few
    if bounded:
        coded, terms = _coded([query], chunks.metric, pool.longest)
        terms[0, BAR] = scores[-1]  # what cannot reach the last of the rows comes before none
        words, waiting = _words(pool.usable), np.empty(CHUNK, np.int64)
    for first in range(0, len(pool.usable), CHUNK):
        if bounded:
            chunk, stop = chunks.chunks[first // CHUNK], min(first + CHUNK, len(pool.usable))
            usable = words[first // LANES : -(-stop // LANES)]
            count = _pass(
                chunk.codes, chunk.factors, usable, first, coded, terms[0], scores, passed, waiting
            )  # fmt: skip
            left = waiting[:count]
        else:
            left = np.flatnonzero(pool.usable[first : first + CHUNK]) + first
        _score_and_pass(left, chunks.table.numbers, padded, pool.rows, scores, rows, passed)
    return passed


@compiled
def _pass(  # noqa: PLR0913
    codes: NDArray[np.uint8],
    factors: NDArray[np.float32],
    usable: NDArray[np.uint64],
    first: int,
    query: NDArray[np.int8],
    terms: NDArray[np.float32],
    scores: NDArray[np.float32],
    passed: NDArray[np.int64],
    waiting: NDArray[np.int64],
) -> int:
    """Count the slots of a chunk whose bounds say where they are; return how many of them do not.

    Parameters
    ----------
    codes, factors, usable, first, query, terms
        As in `indexes.dense_kernels.scan`, of one query; its bar is the last of `scores`.
    scores : ndarray of float32, shape (n,)
        Of the rows that were asked for, descending.
    passed : ndarray of int64, shape (n + 1,)
        Raised by the slots that come before one of these rows and after the one before it.
    waiting : ndarray of int64, shape (slots of a chunk,)
        Where the slots are put that must be scored.
    """
    sums, left, groups = np.empty(LANES, np.int32), 0, codes.shape[1]
    for block in range(len(usable)):
        if not usable[block]:
            continue
        about = factors[block]
        here = codes.ctypes.data + block * groups * LANES * 4
        multiply_one(here, query.ctypes.data, groups, sums.ctypes.data)
        bits = usable[block] & reaching(sums.ctypes.data, about.ctypes.data, terms.ctypes.data)
        while bits:
            lane = I64(lowest_bit(bits))
            bits &= bits - U64(1)
            near = F32(sums[lane]) * about[0, lane] * terms[GAIN] + about[1, lane] + terms[SHIFT]
            radius = about[2, lane] * terms[PER_ERROR] + about[3, lane] * terms[PER_LENGTH]
            upper, lower = near + radius, near - radius - F32(2) * terms[SLACK]
            place = _first_below(scores, lower)
            if lower <= upper and (place == 0 or scores[place - 1] > upper):
                passed[place] += 1
            else:
                waiting[left] = first + block * LANES + lane
                left += 1
    return left


@compiled
def _first_below(scores: NDArray[np.float32], bound: np.float32) -> int:
    """Return the place of the first of some descending scores that is below a bound."""
    low, high = 0, len(scores)
    while low < high:
        middle = (low + high) >> 1
        if scores[middle] >= bound:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _score_and_pass(  # noqa: PLR0913
    slots: NDArray[np.int64],
    table: NDArray[np.int64],
    query: NDArray[np.float64],
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    asked: NDArray[np.int64],
    passed: NDArray[np.int64],
) -> None:
    """Count some slots by their scores, and by their rows where these are equal.

    Parameters
    ----------
    slots, table, query
        As in `indexes.dense_kernels.exact_many`.
    rows : ndarray of int64
        The row in each slot.
    scores, passed
        As in `_pass`.
    asked : ndarray of int64, shape (n,)
        The rows that were asked for.
    """
    found = np.empty(len(slots), F32)
    exact_many(slots, table, query, found)
    for number in range(len(slots)):
        score, row = found[number], rows[slots[number]]
        low, high = 0, len(scores)
        while low < high:
            middle = (low + high) >> 1
            if scores[middle] > score or (scores[middle] == score and asked[middle] <= row):
                low = middle + 1
            else:
                high = middle
        passed[low] += 1
