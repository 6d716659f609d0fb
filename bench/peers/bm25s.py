"""bm25s with its numba backend: every score computed at index time, then a sum over all rows.

Two ways to ask one question are public: `retrieve` with one query in a list, serial numba; and
`get_scores` with NumPy's partition over the sums.  The quicker one is taken.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from bm25s.selection import topk
from bm25s.tokenization import Tokenized

from bench.peers import quickest
from indexes import Candidates
from indexes.terms import TermBatch

Terms = list[str]


class Bm25s:
    """Lucene's formula with our k1 and b."""

    name = "bm25s"
    least_overlap = 1.0

    def __init__(self, k1: float = 1.2, b: float = 0.75) -> None:
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG
        self._index = bm25s.BM25(method="lucene", k1=k1, b=b, backend="numba")
        self._ways: dict[str, Callable[[Terms, int], Any]] = {
            "retrieve": self._retrieve,
            "get_scores + topk": self._scores,
        }
        self._way = self._ways["retrieve"]

    def build(self, content: TermBatch, folder: Path) -> None:
        """Index from ids, which spares bm25s the strings."""
        vocabulary = {term: number for number, term in enumerate(content.terms)}
        self._index.index(Tokenized(_Lists(content), vocabulary), show_progress=False)

    def tune(self, queries: Sequence[Terms], k: int, exact: Sequence[Candidates]) -> str:
        """Choose between `retrieve` and `get_scores` for this k."""
        way = quickest(self._ways, queries, k)
        self._way = self._ways[way]
        return way

    def search(self, query: Terms, k: int) -> Any:
        """Return (rows, scores)."""
        return self._way(query, k)

    def read(self, answer: Any) -> Candidates:
        """Return the answer without the rows of score 0 that fill it up."""
        rows, scores = answer
        return Candidates(rows[scores > 0].astype(np.int64), scores[scores > 0])

    def size_bytes(self) -> int:
        """Return the bytes of the score matrix."""
        arrays = (self._index.scores[name] for name in ("data", "indices", "indptr"))
        return int(sum(array.nbytes for array in arrays))

    def _retrieve(self, query: Terms, k: int) -> Any:
        k = min(k, self._index.scores["num_docs"])
        found = self._index.retrieve(
            [query], k=k, n_threads=1, backend_selection="numba", show_progress=False
        )
        return found.documents[0], found.scores[0]

    def _scores(self, query: Terms, k: int) -> Any:
        k = min(k, self._index.scores["num_docs"])
        scores, rows = topk(self._index.get_scores(query), k, backend="numpy", sorted=True)
        return rows, scores


class _Lists(Sequence[list[int]]):
    """A batch as the lists of ids that bm25s reads, each made when it is read."""

    def __init__(self, batch: TermBatch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch)

    def __getitem__(self, row: Any) -> Any:
        low, high = self._batch.offsets[row : row + 2]
        return self._batch.ids[low:high].tolist()

    def __iter__(self) -> Iterator[list[int]]:
        return (self[row] for row in range(len(self)))


def create() -> Bm25s:
    """Return an engine that holds nothing yet."""
    return Bm25s()
