"""Rows of terms turned into lists of rows: the compiled passes over postings when they change."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled

U32, U64, I64 = np.uint32, np.uint64, np.int64
ONES = np.ones(1, np.uint32)
"""The amounts of plain tokens: each counts once."""

MOST_CODES = 1 << 16
_TABLE = 1 << 20  # lengths up to this are told apart by a table, which is faster than to sort
"""Of two bytes; with more, codes have four."""

Lists = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint16], NDArray[Any]]
"""Terms, where the list of each starts, and the rows and values of all lists."""


class _Given(NamedTuple):
    """Rows of terms, as `invert` has them, with the place of each term among its terms."""

    rows: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    ids: NDArray[np.uint32]
    amounts: NDArray[Any]
    places: NDArray[np.uint32]


def invert(
    rows: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    ids: NDArray[np.uint32],
    amounts: NDArray[Any],
) -> Lists:
    """Return the posting lists of some rows, by ascending term.

    Parameters
    ----------
    rows : ndarray of uint16, shape (n,)
        Ascending.
    offsets : ndarray of int64, shape (n + 1,)
        Where the terms of each row start in `ids`.
    ids : ndarray of uint32
        Terms; the amounts of a term that comes several times in a row are added up.
    amounts : ndarray of uint32 or float32
        How much each of `ids` counts, or `ONES`.  Zeros are left out.
    """
    terms = _distinct(ids)
    places = np.empty(int(terms[-1]) + 1 if len(terms) else 0, np.uint32)
    places[terms] = np.arange(len(terms), dtype=np.uint32)
    starts, held, values = _invert(rows, offsets, ids, amounts, places, len(terms))
    if (starts[1:] == starts[:-1]).any():  # terms that come with zeros only
        found = np.diff(starts) > 0
        terms, starts = terms[found], starts[np.append(found, True)]
    return terms, starts, held, values


def _distinct(ids: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the terms, ascending."""
    most = int(ids.max()) + 1 if len(ids) else 0
    if most > len(ids):  # sorting few is quicker than looking at all that there may be
        return np.unique(ids)
    marks = np.zeros(most, np.bool_)
    _mark(ids, marks)
    return np.flatnonzero(marks).astype(np.uint32)


@compiled
def _mark(ids: NDArray[np.uint32], marks: NDArray[np.bool_]) -> None:
    """Set the mark of each term."""
    for at in range(ids.size):
        marks[ids[at]] = True


@compiled
def _invert(
    rows: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    ids: NDArray[np.uint32],
    amounts: NDArray[Any],
    places: NDArray[np.uint32],
    size: int,
) -> tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[Any]]:
    """Return starts, rows and values of the lists of `size` terms."""
    given = _Given(rows, offsets, ids, amounts, places)
    seen = np.zeros(size, U32)
    starts = np.zeros(size + 1, U32)
    _count(given, seen, starts[1:])
    for place in range(size):
        starts[place + 1] += starts[place]
    held = np.empty(I64(starts[size]), np.uint16)
    values = np.empty(I64(starts[size]), amounts.dtype)
    seen[:] = U32(0)
    _fill(given, seen, starts[:-1].copy(), held, values)
    return starts, held, values


@compiled
def _count(given: _Given, seen: NDArray[np.uint32], counts: NDArray[np.uint32]) -> None:
    """Count the rows of each term."""
    offsets, ids, amounts, places = given.offsets, given.ids, given.amounts, given.places
    step = U64(0 if amounts.size == 1 else 1)
    for row in range(offsets.size - 1):
        mark = U32(row + 1)
        for at in range(U64(offsets[row]), U64(offsets[row + 1])):
            term = places[ids[at]]
            if seen[term] != mark and amounts[at * step] != 0:
                seen[term] = mark
                counts[term] += U32(1)


@compiled
def _fill(
    given: _Given,
    seen: NDArray[np.uint32],
    ends: NDArray[np.uint32],
    held: NDArray[np.uint16],
    values: NDArray[Any],
) -> None:
    """Write the lists; `ends` says where the next posting of each term goes."""
    offsets, ids, amounts, places = given.offsets, given.ids, given.amounts, given.places
    step = U64(0 if amounts.size == 1 else 1)
    for row in range(given.rows.size):
        mark = U32(row + 1)
        for at in range(U64(offsets[row]), U64(offsets[row + 1])):
            term = places[ids[at]]
            amount = amounts[at * step]
            if seen[term] == mark:
                values[U64(ends[term]) - U64(1)] += amount
            elif amount != 0:
                seen[term] = mark
                end = U64(ends[term])
                held[end], values[end] = given.rows[row], amount
                ends[term] = U32(end + U64(1))


def code_book(
    rows: NDArray[np.uint16], tfs: NDArray[np.uint32], row_lengths: NDArray[np.uint32]
) -> tuple[NDArray[Any], NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the code of every posting, and the tf and the length that each code stands for."""
    lengths, numbers = distinct_lengths(row_lengths)
    most = np.zeros(len(lengths), np.uint32)
    _most(rows, tfs, numbers, most)
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(most, out=starts[1:])
    if starts[-1] <= MOST_CODES:
        codes = np.empty(len(rows), np.uint16)
        _code(rows, tfs, numbers, starts[:-1].astype(np.uint32), codes)
        of_length = np.repeat(np.arange(len(lengths)), most)
        of_tf = np.arange(starts[-1]) - starts[of_length] + 1
        return codes, of_tf.astype(np.uint32), lengths[of_length].astype(np.uint32)
    pairs = tfs.astype(np.uint64) << np.uint64(32) | row_lengths[rows]
    book, codes = np.unique(pairs, return_inverse=True)
    small = np.uint16 if len(book) <= MOST_CODES else np.uint32
    return (
        codes.astype(small),
        (book >> np.uint64(32)).astype(np.uint32),
        (book & np.uint64(0xFFFFFFFF)).astype(np.uint32),
    )


def distinct_lengths(
    lengths: NDArray[np.uint32],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the distinct lengths, ascending, and the place of each length among them."""
    most = int(lengths.max(initial=0))
    if most > _TABLE:
        distinct, places = np.unique(lengths, return_inverse=True)
        return distinct, places.astype(np.uint32)
    there = np.zeros(most + 1, np.bool_)
    there[lengths] = True
    numbers = there.cumsum(dtype=np.uint32) - np.uint32(1)
    return np.flatnonzero(there).astype(np.uint32), numbers[lengths]


@compiled
def _most(
    rows: NDArray[np.uint16],
    tfs: NDArray[np.uint32],
    numbers: NDArray[np.uint32],
    most: NDArray[np.uint32],
) -> None:
    """Raise `most` to the largest tf in the rows of each length."""
    for at in range(U64(rows.size)):
        number = numbers[rows[at]]
        most[number] = max(most[number], tfs[at])


@compiled
def _code(
    rows: NDArray[np.uint16],
    tfs: NDArray[np.uint32],
    numbers: NDArray[np.uint32],
    starts: NDArray[np.uint32],
    codes: NDArray[np.uint16],
) -> None:
    """Write the codes where every length has those of the tfs from 1 on in a row."""
    for at in range(U64(rows.size)):
        codes[at] = starts[numbers[rows[at]]] + tfs[at] - U32(1)


@compiled
def merge(  # noqa: PLR0913
    a_terms: NDArray[np.uint32],
    a_starts: NDArray[np.uint32],
    a_rows: NDArray[np.uint16],
    a_values: NDArray[Any],
    a_live: NDArray[np.uint8],
    b_terms: NDArray[np.uint32],
    b_starts: NDArray[np.uint32],
    b_rows: NDArray[np.uint16],
    b_values: NDArray[Any],
    b_live: NDArray[np.uint8],
) -> Lists:
    """Return the posting lists of two segments' live rows, which they do not share."""
    most = a_terms.size + b_terms.size
    terms, starts = np.empty(most, U32), np.zeros(most + 1, U32)
    rows = np.empty(a_rows.size + b_rows.size, np.uint16)
    values = np.empty(a_rows.size + b_rows.size, a_values.dtype)
    a, b, count, end = 0, 0, 0, 0
    while a < a_terms.size or b < b_terms.size:
        in_a = b == b_terms.size or (a < a_terms.size and a_terms[a] <= b_terms[b])
        in_b = a == a_terms.size or (b < b_terms.size and b_terms[b] <= a_terms[a])
        terms[count] = a_terms[a] if in_a else b_terms[b]
        i, i_end = (np.int64(a_starts[a]), np.int64(a_starts[a + 1])) if in_a else (0, 0)
        j, j_end = (np.int64(b_starts[b]), np.int64(b_starts[b + 1])) if in_b else (0, 0)
        start = end
        while i < i_end or j < j_end:
            if j == j_end or (i < i_end and a_rows[i] < b_rows[j]):
                rows[end], values[end], held = a_rows[i], a_values[i], a_live[a_rows[i]]
                i += 1
            else:
                rows[end], values[end], held = b_rows[j], b_values[j], b_live[b_rows[j]]
                j += 1
            end += 1 if held else 0
        a, b = a + (1 if in_a else 0), b + (1 if in_b else 0)
        if end > start:
            count += 1
            starts[count] = U32(end)
    return terms[:count].copy(), starts[: count + 1].copy(), rows[:end].copy(), values[:end].copy()


@compiled
def bitmaps(
    starts: NDArray[np.uint32],
    rows: NDArray[np.uint16],
    long: NDArray[np.uint32],
    words: NDArray[np.uint64],
    ranks: NDArray[np.uint16],
) -> None:
    """Set a bit for each row of each long list, and count the bits before each word."""
    for number in range(long.size):
        begin, end = np.int64(starts[long[number]]), np.int64(starts[long[number] + 1])
        for at in range(end - 1, begin - 1, -1):
            row = U64(rows[at])
            words[number, row >> U64(6)] |= U64(1) << (row & U64(63))
        before = 0
        for word in range(words.shape[1]):
            ranks[number, word] = np.uint16(before)
            while begin + before < end and U64(rows[begin + before]) >> U64(6) == U64(word):
                before += 1


@compiled
def count_terms(
    terms: NDArray[np.uint32],
    starts: NDArray[np.uint32],
    rows: NDArray[np.uint16],
    gone: NDArray[np.uint8],
    counts: NDArray[np.uint32],
) -> None:
    """Take 1 from the count of each term for each of its rows that is `gone`."""
    for number in range(terms.size):
        for at in range(U64(starts[number]), U64(starts[number + 1])):
            if gone[rows[at]]:
                counts[terms[number]] -= U32(1)
