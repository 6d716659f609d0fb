"""Rows of terms turned into lists of rows: the compiled passes over postings when they change."""

# Compiled functions have no types to check: numba infers them from the arrays.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled

U32, U64 = np.uint32, np.uint64
ONES = np.ones(1, np.uint32)
"""The amounts of plain tokens: each counts once."""

MOST_CODES = 1 << 16
"""Of two bytes; with more, codes have four."""


def invert(
    rows: NDArray[np.uint16], offsets: NDArray[np.int64], ids: NDArray[np.uint32], amounts: Any
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint16], Any]:
    """Return terms, starts, rows and values of the posting lists of some rows.

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
    terms = np.unique(ids)
    places = np.empty(int(terms[-1]) + 1 if len(terms) else 0, np.uint32)
    places[terms] = np.arange(len(terms), dtype=np.uint32)
    counts = np.zeros(len(terms), np.uint32)
    seen = np.zeros(len(terms), np.uint32)
    postings = _count(offsets, ids, amounts, places, seen, counts)
    starts = np.zeros(len(terms) + 1, np.uint32)
    np.cumsum(counts, out=starts[1:])
    held, values = np.empty(postings, np.uint16), np.empty(postings, amounts.dtype)
    seen[:] = 0
    _fill(rows, offsets, ids, amounts, places, seen, starts[:-1].copy(), held, values)
    if not counts.all():  # terms that come with zeros only
        terms, starts = terms[counts > 0], starts[np.append(counts > 0, True)]
    return terms, starts, held, values


@compiled
def _count(offsets, ids, amounts, places, seen, counts):
    """Count the rows of each term; return their sum."""
    step = U64(0 if amounts.size == 1 else 1)
    total = 0
    for row in range(offsets.size - 1):
        mark = U32(row + 1)
        for at in range(U64(offsets[row]), U64(offsets[row + 1])):
            term = places[ids[at]]
            if seen[term] != mark and amounts[at * step] != 0:
                seen[term] = mark
                counts[term] += U32(1)
                total += 1
    return total


@compiled
def _fill(rows, offsets, ids, amounts, places, seen, ends, held, values):
    """Write the lists; `ends` says where the next posting of each term goes."""
    step = U64(0 if amounts.size == 1 else 1)
    for row in range(rows.size):
        mark = U32(row + 1)
        for at in range(U64(offsets[row]), U64(offsets[row + 1])):
            term = places[ids[at]]
            amount = amounts[at * step]
            if seen[term] == mark:
                values[U64(ends[term]) - U64(1)] += amount
            elif amount != 0:
                seen[term] = mark
                end = U64(ends[term])
                held[end], values[end] = rows[row], amount
                ends[term] = U32(end + U64(1))


def code_book(
    rows: NDArray[np.uint16], tfs: NDArray[np.uint32], row_lengths: NDArray[np.uint32]
) -> tuple[NDArray[Any], NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the code of every posting, and the tf and the length that each code stands for."""
    lengths, numbers = np.unique(row_lengths, return_inverse=True)
    most = np.zeros(len(lengths), np.uint32)
    numbers = numbers.astype(np.uint32)
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


@compiled
def _most(rows, tfs, numbers, most):
    for at in range(U64(rows.size)):
        number = numbers[rows[at]]
        most[number] = max(most[number], tfs[at])


@compiled
def _code(rows, tfs, numbers, starts, codes):
    for at in range(U64(rows.size)):
        codes[at] = starts[numbers[rows[at]]] + tfs[at] - U32(1)


@compiled
def merge(a_terms, a_starts, a_rows, a_values, a_live, b_terms, b_starts, b_rows, b_values, b_live):  # noqa: PLR0913
    """Return terms, starts, rows and values of two segments' live rows, which they do not share."""
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
def bitmaps(starts, rows, long, words, ranks):
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
def count_terms(terms, starts, rows, gone, counts):
    """Take 1 from the count of each term for each of its rows that is `gone`."""
    for number in range(terms.size):
        for at in range(U64(starts[number]), U64(starts[number + 1])):
            if gone[rows[at]]:
                counts[terms[number]] -= U32(1)
