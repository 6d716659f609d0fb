"""The inverted file: for every term, the live rows that hold it, with a value each.

Rows are added in batches and deleted one by one; the lists are brought up to date at the next
read.  They hold live rows only, in ascending order, so everything that is computed from them is
bit-equal to what a fresh build over the same rows gives.
"""

import threading
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from indexes.candidates import Mask, Rows, as_new_rows, as_rows

_FILES = ("offsets", "rows", "values", "lengths", "live")


class Postings:
    """Posting lists over integer terms.

    Attributes
    ----------
    lengths : ndarray of float64, shape (rows ever seen,)
        Sum of the values of each row; 0 for rows that are not live.
    live : ndarray of bool, shape (rows ever seen,)
        Which rows are held.
    """

    def __init__(self) -> None:
        self.lengths: NDArray[np.float64] = np.empty(0)
        self.live: Mask = np.empty(0, np.bool_)
        self._offsets: NDArray[np.int64] = np.zeros(1, np.int64)
        self._rows: NDArray[np.int32] = np.empty(0, np.int32)
        self._values: NDArray[np.float32] = np.empty(0, np.float32)
        self._dead: Mask = np.empty(0, np.bool_)  # deleted, with postings that are still there
        self._pending: list[tuple[Rows, sp.csr_matrix]] = []
        self._stale = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(np.count_nonzero(self.live))

    def add(self, rows: ArrayLike, matrix: sp.csr_matrix) -> None:
        """Add rows.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            New rows, in any order.
        matrix : csr_matrix, shape (n, terms)
            Value of each term in each row; zeros are not stored.

        Raises
        ------
        ValueError
            If a row is there already, or stands twice in `rows`, or the lengths differ.
        """
        rows = as_new_rows(rows, matrix.shape[0])
        if not len(rows):
            return
        self._make_room(int(rows.max()) + 1)
        if self.live[rows].any():
            raise ValueError(f"row {rows[self.live[rows]][0]} is there already: delete it first")
        if self._dead[rows].any():
            self._settle()  # the dead postings of a row that comes back must not come back with it
        with self._lock:
            self._pending.append((rows, matrix))
            self.live[rows] = True
            self.lengths[rows] = np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()
            self._stale = True

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        rows = as_rows(rows)
        rows = rows[rows < len(self.live)]
        rows = rows[self.live[rows]]
        if not len(rows):
            return
        with self._lock:
            self._dead[rows] = True
            self.live = self.live.copy()
            self.lengths = self.lengths.copy()
            self.live[rows] = False
            self.lengths[rows] = 0.0
            self._stale = True

    def of(self, term: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the live rows that hold a term, ascending, and their values."""
        self._settle()
        if term >= len(self._offsets) - 1:
            return self._rows[:0], self._values[:0]
        start, stop = self._offsets[term], self._offsets[term + 1]
        return self._rows[start:stop], self._values[start:stop]

    def save(self, folder: Path) -> None:
        """Write the lists as npy files into a folder that exists."""
        self._settle()
        arrays: tuple[NDArray[Any], ...] = (
            self._offsets,
            self._rows,
            self._values,
            self.lengths,
            self.live,
        )
        for name, array in zip(_FILES, arrays, strict=True):
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote; the lists stay on disk until they are read."""
        postings = cls()
        arrays = (np.load(folder / f"{name}.npy", "r", allow_pickle=False) for name in _FILES)
        offsets, rows, values, lengths, live = arrays
        postings._offsets, postings._rows, postings._values = offsets, rows, values
        postings.lengths, postings.live = np.array(lengths), np.array(live)
        postings._dead = np.zeros(len(live), np.bool_)
        return postings

    def _make_room(self, size: int) -> None:
        """Grow the arrays by row to at least `size`."""
        missing = size - len(self.live)
        if missing > 0:
            self.live = np.pad(self.live, (0, missing))
            self._dead = np.pad(self._dead, (0, missing))
            self.lengths = np.pad(self.lengths, (0, missing))

    def _settle(self) -> None:
        """Merge what was added and drop what was deleted."""
        if not self._stale:
            return
        with self._lock:
            rows, terms, values = self._triplets()
            keep = self.live[rows]
            shape = (len(self.live), int(terms.max(initial=-1)) + 1)
            lists = sp.coo_matrix((values[keep], (rows[keep], terms[keep])), shape).tocsc()
            lists.sort_indices()
            self._offsets = lists.indptr.astype(np.int64)
            self._rows = lists.indices.astype(np.int32)
            self._values = lists.data
            self._pending = []
            self._dead[:] = False
            self._stale = False

    def _triplets(self) -> tuple[Rows, NDArray[np.int64], NDArray[np.float32]]:
        """Return row, term and value of every posting, merged or pending, live or dead."""
        terms = np.repeat(np.arange(len(self._offsets) - 1), np.diff(self._offsets))
        parts = [(self._rows.astype(np.int64), terms, self._values)]
        for rows, matrix in self._pending:
            batch = matrix.tocoo()
            stored = batch.data != 0
            parts.append(
                (rows[batch.row[stored]], batch.col[stored], batch.data[stored].astype(np.float32))
            )
        row, term, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        return row, term, value
