"""Compiled: the places of some documents in the fused ranking, for many weights."""

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled

F32 = np.float32


@compiled
def sums(
    values: NDArray[np.float64],
    listed: NDArray[np.uint8],
    weights: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Write the fused score of each row; -inf for a row that no index with a weight lists.

    Parameters
    ----------
    values : ndarray of float64, shape (indexes, rows)
    listed : ndarray of uint8, shape (rows,)
        A bit for each index.
    weights : ndarray of float64, shape (indexes,)
    out : ndarray of float32, shape (rows,)
    """
    rows = values.shape[1]
    total, asked = np.zeros(rows), np.uint8(0)
    for index in range(weights.size):
        weight = weights[index]
        if weight > 0:
            asked |= np.uint8(1 << index)
            for row in range(rows):
                total[row] += weight * values[index, row]
    for row in range(rows):
        out[row] = F32(total[row]) + F32(0) if listed[row] & asked else F32(-np.inf)


@compiled
def best_rows(
    scores: NDArray[np.float32],
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    best: NDArray[np.float32],
    first: NDArray[np.int64],
) -> None:
    """Write the score of the best row of each document, and that row: the first of equals."""
    for document in range(starts.size - 1):
        at = starts[document]
        for place in range(at + 1, starts[document + 1]):
            if scores[place] > scores[at]:
                at = place
        best[document], first[document] = scores[at], rows[at]


@compiled
def places_of(  # noqa: PLR0913
    values: NDArray[np.float64],
    listed: NDArray[np.uint8],
    weights: NDArray[np.float64],
    starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    wanted: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Write the place of each wanted document by each of many weights; 0 if it is not found.

    A document scores as its best row; of equal ones the one comes first whose best row does.

    Parameters
    ----------
    values, listed
        As in `sums`.
    weights : ndarray of float64, shape (settings, indexes)
    starts, rows
        As in `fusion.judged.Question`.
    wanted : ndarray of int64, shape (found,)
    out : ndarray of int64, shape (settings, found)
    """
    documents = starts.size - 1
    scores = np.empty(rows.size, np.float32)
    best, first = np.empty(documents, np.float32), np.empty(documents, np.int64)
    for setting in range(weights.shape[0]):
        sums(values, listed, weights[setting], scores)
        if documents < rows.size:
            best_rows(scores, starts, rows, best, first)
        else:
            best[:], first[:] = scores, rows
        for place in range(wanted.size):
            own, row = best[wanted[place]], first[wanted[place]]
            before = 0
            for document in range(documents):
                other = best[document]
                before += (other > own) | ((other == own) & (first[document] < row))
            out[setting, place] = before + 1 if own > F32(-np.inf) else 0
