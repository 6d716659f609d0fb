"""Learned lexical weights (BGE-M3, SPLADE) over the same inverted file as BM25.

score(q, c) = sum over t of weight(q, t) * weight(c, t), an exact dot product of two sparse
vectors with weights >= 0.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from indexes.base import Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores, as_rows, check_depth
from indexes.kernels import Impacts, at, best, moments
from indexes.postings import Postings

SparseVector = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Distinct term ids and their weights."""


class LexicalIndex:
    """Rows ranked by the dot product of sparse weight vectors.

    Examples
    --------
    >>> index = LexicalIndex()
    >>> index.add([0, 1], sp.csr_matrix([[0.0, 0.5], [0.25, 0.0]]))
    >>> index.search(([1], [2.0]), depth=10)
    Candidates(rows=array([0]), scores=array([1.], dtype=float32))
    """

    exact = True
    unranked = 0.0

    def __init__(self) -> None:
        self._postings = Postings()

    def __len__(self) -> int:
        return len(self._postings)

    def add(self, rows: ArrayLike, matrix: sp.csr_matrix) -> None:
        """Add rows with their weights.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            New rows.
        matrix : csr_matrix, shape (n, terms)
            Weights >= 0, finite.  Column numbers are the term ids of the encoder.

        Raises
        ------
        ValueError
            If a weight is negative or not finite, or a row is there already.
        """
        _check_weights(matrix.data)
        self._postings.add(rows, matrix)

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        self._postings.delete(rows)

    def search(
        self, query: "SparseVector | sp.csr_matrix", depth: int, allowed: Mask | None = None
    ) -> Candidates:
        """Return the best rows for a query, all with scores above 0.

        Parameters
        ----------
        query : csr_matrix of shape (1, terms), or (ids, weights)
            Weights >= 0.
        depth : int
            Most rows to return, >= 1.
        allowed : ndarray of bool, optional
            Which rows may be found, by row number.
        """
        check_depth(depth)
        return best([lists for _, lists in self.impacts(query)], depth, allowed)

    def search_many(
        self,
        queries: "Sequence[SparseVector | sp.csr_matrix]",
        depth: int,
        allowed: Mask | None = None,
    ) -> list[Candidates]:
        """Return `search` of every query."""
        return [self.search(query, depth, allowed) for query in queries]

    def score(self, query: "SparseVector | sp.csr_matrix", rows: Rows) -> Scores:
        """Return the score of each of `rows`, 0 where a row shares no term with the query."""
        return at([lists for _, lists in self.impacts(query)], as_rows(rows))

    def statistics(self, query: "SparseVector | sp.csr_matrix") -> Statistics:
        """Return the spread of the query's score over the live rows."""
        lists = [lists for _, lists in self.impacts(query)]
        mean, std = moments(lists, max(len(self), 1))
        return Statistics(mean, std, floor=0.0)

    def impacts(self, query: "SparseVector | sp.csr_matrix") -> list[tuple[int, Impacts]]:
        """Return what each term id of a query adds to the rows that hold it, by ascending id."""
        found = []
        for term, weight in sorted(_weights_of(query).items()):
            rows, values = self._postings.of(term)
            if len(rows) and weight > 0:
                found.append((term, Impacts(rows, weight * values.astype(np.float64))))
        return found

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists."""
        self._postings.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open an index that `save` wrote."""
        index = cls()
        index._postings = Postings.load(folder)
        return index


def _weights_of(query: "SparseVector | sp.csr_matrix") -> dict[int, float]:
    """Return {term id: weight} of a query in either form."""
    if isinstance(query, tuple):
        ids, weights = np.asarray(query[0], np.int64), np.asarray(query[1], np.float32)
    else:
        ids, weights = query.indices.astype(np.int64), query.data
    _check_weights(weights)
    if len(ids) != len(weights) or len(np.unique(ids)) < len(ids):
        raise ValueError("expected distinct term ids with one weight each")
    return dict(zip(ids.tolist(), weights.astype(float).tolist(), strict=True))


def _check_weights(weights: NDArray[np.float32]) -> None:
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("expected weights >= 0, but some are negative, NaN or infinite")
