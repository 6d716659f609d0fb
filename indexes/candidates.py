"""Rows, scores, and the one rule by which everything here is ordered.

A *row* is the number of a chunk in the store.  A *score* is a float32 and higher is better.
The order is: score descending, then row ascending.  It does not depend on how many rows are
asked for, so the best k are always a prefix of the best k + 1.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]

_FEW = 64  # rows that two sorts are quicker for
_LOW = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Candidates:
    """The ranked rows of one index for one query.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Distinct rows, best first.
    scores : ndarray of float32, shape (n,)
        Their scores, descending; equal scores stand in the order of their rows.
    """

    rows: Rows
    scores: Scores

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, depth: int) -> "Candidates":
        """Return the best `depth` of these rows."""
        return Candidates(self.rows[:depth], self.scores[:depth])

    @classmethod
    def none(cls) -> Self:
        """Return the empty ranking."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float32))


def order(rows: Rows, scores: Scores) -> NDArray[np.intp]:
    """Return the positions that sort by score descending, then row ascending."""
    if len(rows) < _FEW or rows.max() > _LOW:
        return np.lexsort((rows, -scores))
    # One sort of whole numbers: floats are ordered like their bits, negative ones the other way
    # round.  Adding 0 makes -0 equal to 0.
    bits = (scores + np.float32(0)).view(np.uint32)
    falling = np.where(bits >> 31, bits, bits ^ np.uint32(0x7FFFFFFF)).astype(np.uint64)
    return np.argsort(falling << np.uint64(32) | rows.astype(np.uint64))


def top(rows: Rows, scores: Scores, depth: int) -> Candidates:
    """Return the best `depth` of these rows.

    Parameters
    ----------
    rows : ndarray of int64, shape (n,)
        Distinct rows in any order.
    scores : ndarray of float32, shape (n,)
        Their scores.
    depth : int
        Most rows to return, >= 1.

    Returns
    -------
    Candidates
        ``min(n, depth)`` rows, best first.
    """
    if len(rows) > depth:
        # Keep all that tie with the last place, so that the row decides and not the partition.
        last = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        near = np.flatnonzero(scores >= last)
        rows, scores = rows[near], scores[near]
    best = order(rows, scores)[:depth]
    return Candidates(rows[best], scores[best])


def places(found: Candidates, rows: Rows) -> Rows:
    """Return the place of each of `rows` on a list, from 1, and 0 for those not on it.

    Parameters
    ----------
    found : Candidates
        The list.
    rows : ndarray of int64, shape (n,)
        In any order; a row may stand twice.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    asked, back = np.unique(rows, return_inverse=True)
    ranks = np.zeros(len(asked) + 1, np.int64)  # one more, for the rows that nobody asked for
    asked = np.append(asked, -1)
    at = np.searchsorted(asked[:-1], found.rows)
    wanted = np.flatnonzero(asked[at] == found.rows)
    ranks[at[wanted]] = wanted + 1
    return ranks[back]


def as_rows(rows: ArrayLike) -> Rows:
    """Return `rows` as int64, or raise ValueError when they are not row numbers."""
    array = np.asarray(rows)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"expected rows as a flat list of integers, not shape {array.shape} of {array.dtype}"
        )
    if array.min() < 0:
        raise ValueError(f"expected rows >= 0, not {array.min()}")
    return array.astype(np.int64)


def as_new_rows(rows: ArrayLike, count: int) -> Rows:
    """Return the rows of `count` new items, or raise ValueError unless they are as many."""
    array = as_rows(rows)
    if len(array) != count:
        raise ValueError(f"expected a row for each item, not {len(array)} rows for {count} items")
    if len(np.unique(array)) < count:
        raise ValueError("expected distinct rows, but one stands twice")
    return array


def check_depth(depth: int) -> None:
    """Raise ValueError unless `depth` is at least 1."""
    if depth < 1:
        raise ValueError(f"expected a depth of at least 1, not {depth}")


def is_allowed(rows: Rows, allowed: Mask) -> Mask:
    """Return which `rows` a mask lets through; rows beyond its end are not."""
    inside = rows < len(allowed)
    inside[inside] = allowed[rows[inside]]
    return inside
