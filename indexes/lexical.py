"""Learned lexical weights (BGE-M3, SPLADE) over the same inverted file as BM25.

score(q, c) = sum over t of weight(q, t) * weight(c, t), a dot product of two sparse vectors with
weights >= 0, in float32.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from indexes.base import Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores, as_rows, check_depth
from indexes.lookups import UNKNOWN, named
from indexes.matrices import as_weights, columns_of
from indexes.parallel import search_many
from indexes.postings import MOST_ROWS, Postings
from indexes.view import Asked, View

SparseVector = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Distinct term ids and their weights."""

_SLOTS = "slots"


class LexicalIndex:
    """Rows ranked by the dot product of sparse weight vectors.

    Examples
    --------
    >>> index = LexicalIndex()
    >>> index.add([0, 1], sp.csr_matrix([[0.0, 0.5], [0.25, 0.0]]))
    >>> index.search(([1], [2.0]), depth=10)
    Candidates(rows=array([0]), scores=array([1.], dtype=float32))
    """

    exact, scans = True, False

    def __init__(self) -> None:
        self._postings = Postings(weighted=True)
        self._state: tuple[int, View] | None = None

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
        matrix = sp.csr_matrix(matrix)
        self._postings.add(rows, *columns_of(matrix), as_weights(matrix.data))

    def stored(self, rows: ArrayLike) -> sp.csr_matrix:
        """Return the weights of `rows`, which reads every posting of their ranges.

        Returns
        -------
        csr_matrix of float32, shape (n, terms)
            Term ids ascending; a row that is not held has none.
        """
        asked = as_rows(rows)
        found = [segment.entries(asked) for segment in self._postings.segments]
        none = np.empty(0, np.int64), np.empty(0, np.uint32), np.empty(0, np.float32)
        places, terms, weights = (np.concatenate(part) for part in zip(none, *found, strict=True))
        order = np.lexsort((terms, places))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(asked)))])
        shape = len(asked), len(self._postings.dfs)
        return sp.csr_matrix((weights[order], terms[order].astype(np.int64), offsets), shape)

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
        view = self._view()
        return view.search(self._asked(view, query), min(depth, len(self) or 1), allowed)

    def search_many(
        self,
        queries: "Sequence[SparseVector | sp.csr_matrix]",
        depth: int,
        allowed: Mask | None = None,
        *,
        threads: int | None = None,
    ) -> list[Candidates]:
        """Return `search` of every query, several at a time: one for each core, or `threads`."""
        check_depth(depth)
        view, most = self._view(), min(depth, len(self) or 1)

        def search(some: Sequence[Any]) -> list[Candidates]:
            asked = [self._asked(view, query) for query in some]
            return view.search_many(asked, most, allowed)

        return search_many(search, queries, threads)

    def score(self, query: "SparseVector | sp.csr_matrix", rows: ArrayLike) -> Scores:
        """Return the score of each of `rows`, 0 where a row shares no term with the query."""
        view = self._view()
        return view.score(self._asked(view, query), as_rows(rows))

    def ranks(
        self, query: "SparseVector | sp.csr_matrix", rows: ArrayLike, allowed: Mask | None = None
    ) -> Rows:
        """Return the place of each of `rows` on the complete list of a query; see `Index.ranks`."""
        view = self._view()
        return view.ranks(self._asked(view, query), as_rows(rows), allowed)

    def unranked(self, query: "SparseVector | sp.csr_matrix") -> float:
        """Return the score of a row that shares no term with the query."""
        return 0.0

    def statistics(self, query: "SparseVector | sp.csr_matrix") -> Statistics:
        """Return the spread of the query's score over the live rows."""
        view = self._view()
        return view.statistics(self._asked(view, query), max(len(self), 1))

    def parts(self, query: "SparseVector | sp.csr_matrix", rows: ArrayLike) -> dict[int, Scores]:
        """Return what each term of a query adds to the score of each of `rows`, by its id."""
        view, rows = self._view(), as_rows(rows)
        ids, weights = _vector_of(query)
        return {
            int(ids[at]): view.score(
                self._asked(view, (ids[at : at + 1], weights[at : at + 1])), rows
            )
            for at in range(len(ids))
        }

    def compact(self) -> None:
        """Merge the lists of rows, and drop what deleted rows left in them; no answer changes."""
        self._postings.compact()

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists; files that are written already are linked."""
        self._postings.save(folder)

    @classmethod
    def load(cls, folder: Path, below: int = MOST_ROWS) -> Self:
        """Open an index that `save` wrote; most of it stays on disk until it is read.

        Raises
        ------
        ValueError
            If files are damaged so that a search could fail, or live rows are not `below`.
        """
        index = cls()
        index._postings = Postings.load(folder, below)
        return index

    def _view(self) -> View:
        """Return the present state, made anew when it has changed or its memory is full."""
        postings = self._postings
        postings.settle()
        state = self._state
        if state is not None and state[0] == postings.version and not state[1].full:
            return state[1]
        none = np.empty(0, np.float32)  # the payload is the value
        version, segments = postings.version, postings.segments
        view = View(segments, [none] * len(segments))
        view.known[_SLOTS] = np.full(len(postings.dfs), UNKNOWN, np.int32)
        self._state = (version, view)
        return view

    def _asked(self, view: View, query: "SparseVector | sp.csr_matrix") -> Asked:
        """Return a query in numbers, by ascending id; what is known of its terms is remembered."""
        ids, weights = _vector_of(query)
        slots, amounts = np.empty(len(ids), np.int64), np.empty(len(ids), np.float64)
        known = view.known[_SLOTS]
        unknown = named(ids, weights, known, slots, amounts)
        if unknown < 0:
            as_weights(weights)
            raise ValueError("expected distinct term ids >= 0 with one weight each")
        if unknown:
            for term in ids[ids < len(known)].tolist():
                df = int(self._postings.dfs[term])
                known[term] = view.slot(term, df, 1.0) if df else -1
            named(ids, weights, known, slots, amounts)
        return Asked(slots, amounts, 0.0)


def _vector_of(query: "SparseVector | sp.csr_matrix") -> SparseVector:
    """Return the ids and weights of a query in either form."""
    if isinstance(query, tuple):
        ids, weights = np.asarray(query[0], np.int64), np.asarray(query[1], np.float32)
    else:
        matrix = query.tocsr()  # itself, if it is one
        if matrix.shape[0] != 1:
            raise ValueError(f"expected a query of one row, not shape {matrix.shape}")
        ids, weights = matrix.indices.astype(np.int64), np.asarray(matrix.data, np.float32)
    if len(ids) != len(weights):
        raise ValueError("expected distinct term ids >= 0 with one weight each")
    return ids, weights
