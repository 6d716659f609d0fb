"""Several ranked lists as one table: which rows there are, and where each stands on each list."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Rows
from indexes.compiled import compiled

HASH = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio: a product with it spreads rows that lie close."""


def merge(lists: Sequence[Rows]) -> tuple[Rows, NDArray[np.int64]]:
    """Return the distinct rows of all lists, and their places.

    Parameters
    ----------
    lists : sequence of ndarray of int64
        Each of distinct rows, best first.

    Returns
    -------
    rows : ndarray of int64, shape (n,)
        In the order in which they are first seen, one list after the other.
    ranks : ndarray of int64, shape (lists, n)
        Place on each list, from 1; 0 where the row is not on it.
    """
    bounds = np.cumsum([0, *map(len, lists)])
    joined = np.concatenate(lists) if lists else np.empty(0, np.int64)
    rows, ranks = np.empty(len(joined), np.int64), np.zeros((len(lists), len(joined)), np.int64)
    count = _merge(joined, bounds, rows, ranks)
    return rows[:count], ranks[:, :count]


def spread(
    columns: Sequence[NDArray[Any]], others: Sequence[float], ranks: NDArray[np.int64]
) -> NDArray[Any]:
    """Return what each list has for each row.

    Parameters
    ----------
    columns : sequence of ndarray, shape (length of the list,)
        What a list has for its places, all of one type.
    others : sequence of float
        What a list has for a row that is not on it.
    ranks : ndarray of int64, shape (lists, n)
        As `merge` returns them.

    Returns
    -------
    ndarray, shape (lists, n)
    """
    table = np.empty(ranks.shape, columns[0].dtype if columns else np.float64)
    for line, column in enumerate(columns):
        _spread(column, others[line], ranks[line], table[line])
    return table


@compiled
def _spread(
    column: NDArray[Any], other: float, ranks: NDArray[np.int64], line: NDArray[Any]
) -> None:
    """Write what a list has for each row."""
    for at in range(ranks.size):
        line[at] = column[ranks[at] - 1] if ranks[at] > 0 else other


@compiled
def _merge(
    joined: NDArray[np.int64],
    bounds: NDArray[np.int64],
    rows: NDArray[np.int64],
    ranks: NDArray[np.int64],
) -> int:
    """Write rows and ranks; return how many rows there are."""
    bits = np.uint64(1)
    while (np.int64(1) << np.int64(bits)) < 2 * joined.size:
        bits += np.uint64(1)
    places = np.full(np.int64(1) << np.int64(bits), -1, np.int64)
    mask = np.uint64(places.size - 1)
    count = 0
    for number in range(bounds.size - 1):
        for at in range(bounds[number], bounds[number + 1]):
            row = joined[at]
            slot = (np.uint64(row) * HASH) >> (np.uint64(64) - bits)
            while places[slot] >= 0 and rows[places[slot]] != row:
                slot = (slot + np.uint64(1)) & mask
            if places[slot] < 0:
                places[slot] = count
                rows[count] = row
                count += 1
            ranks[number, places[slot]] = at - bounds[number] + 1
    return count
