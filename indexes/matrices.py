"""Rows of terms that are given as numbers, checked."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

MOST_TERMS = 1 << 31
"""Term numbers stay below; arrays by term number are made."""

MOST_TOKENS = 1 << 32
"""Lengths of rows stay below."""


def columns_of(matrix: sp.csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return where each row of a matrix starts, and the term of every entry."""
    if matrix.shape[1] > MOST_TERMS:
        raise ValueError(f"expected at most {MOST_TERMS} columns, not {matrix.shape[1]}")
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.uint32)


def as_counts(values: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return how often each term comes in rows that start at `offsets`.

    Raises
    ------
    ValueError
        If these are not counts, or those of a row add up to 2**32 or more.
    """
    with np.errstate(invalid="ignore"):  # NaN
        counts = values.astype(np.uint32)
    if not np.array_equal(counts, values):
        raise ValueError("expected a matrix of counts: whole numbers >= 0")
    sums = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    if len(offsets) > 1 and np.diff(sums[offsets]).max() >= MOST_TOKENS:
        raise ValueError(f"expected counts that add up to less than {MOST_TOKENS} in each row")
    return counts


def as_weights(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return a copy as float32, or raise ValueError unless these are >= 0 and finite."""
    weights = np.array(values, np.float32)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("expected weights >= 0, but some are negative, NaN or infinite")
    return weights


def are_numbers(lists: Iterable[Any]) -> bool | None:
    """Return whether the first terms that there are are integers; None where there are none."""
    for one in lists:
        if isinstance(one, np.ndarray):
            return True
        if len(one):
            return isinstance(one[0], int | np.integer)
    return None


def as_numbers(lists: Iterable[Any]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return lists of term numbers as one array, and where each starts in it."""
    arrays = [np.asarray(one) for one in lists]
    for array in arrays:
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise TypeError(
                f"expected a flat array of integers for each row, not shape {array.shape} of "
                f"{array.dtype}"
            )
        if array.size and not 0 <= array.min() <= array.max() < MOST_TERMS:
            raise ValueError(f"expected terms from 0 to {MOST_TERMS - 1} in each row")
    offsets = np.cumsum([0, *(len(array) for array in arrays)]).astype(np.int64)
    none = np.empty(0, np.uint32)
    return offsets, np.concatenate([none, *(array.astype(np.uint32) for array in arrays)])
