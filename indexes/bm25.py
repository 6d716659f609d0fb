"""BM25 over an inverted file.

score(q, c) = sum over t in q of idf(t) * tf / (tf + k1 * (1 - b + b * length / average))
idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))

This is Lucene's BM25 with the true length of a row, as in [1]_, table 1.  N, df and the average
length are those of the live rows, at every moment.

References
----------
.. [1] Kamphuis, de Vries, Boytsov, Lin, "Which BM25 Do You Mean? A Large-Scale Reproducibility
   Study of Scoring Variants", ECIR 2020.
"""

import json
from collections import Counter
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

METHODS = ("lucene",)


class BM25Index:
    """Rows ranked by BM25.

    Parameters
    ----------
    method : {"lucene"}
        The variant of the formula.
    k1 : float
        How late a repeated term stops to count, >= 0.
    b : float
        How much a long row is marked down, 0 to 1.

    Examples
    --------
    >>> index = BM25Index()
    >>> index.add([0, 1], [["cat", "purr"], ["dog", "bark"]])
    >>> index.search(["purr"], depth=10).rows
    array([0])
    """

    exact = True
    unranked = 0.0

    def __init__(self, method: str = "lucene", *, k1: float = 1.2, b: float = 0.75) -> None:
        if method not in METHODS:
            raise ValueError(f"expected a BM25 method of {', '.join(METHODS)}, not {method!r}")
        if not (np.isfinite(k1) and k1 >= 0):
            raise ValueError(f"expected k1 >= 0, not {k1}")
        if not 0 <= b <= 1:
            raise ValueError(f"expected b from 0 to 1, not {b}")
        self.method, self.k1, self.b = method, k1, b
        self._postings = Postings()
        self._vocabulary: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._postings)

    def add(self, rows: ArrayLike, token_lists: Sequence[Sequence[str]]) -> None:
        """Add rows with their terms.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            New rows.
        token_lists : sequence of n sequences of str
            The terms of each row; repeats count.

        Raises
        ------
        ValueError
            If a row is there already or stands twice, or the lengths differ.
        TypeError
            If a string stands where a list of terms should.
        """
        offsets, terms, counts = [0], [], []
        for tokens in token_lists:
            if isinstance(tokens, str):
                raise TypeError(f"expected a list of terms for each row, not the text {tokens!r}")
            for token, count in Counter(tokens).items():
                terms.append(self._vocabulary.setdefault(token, len(self._vocabulary)))
                counts.append(count)
            offsets.append(len(terms))
        shape = (len(token_lists), len(self._vocabulary))
        arrays = np.array(counts, np.float32), np.array(terms, np.int64), np.array(offsets)
        self._postings.add(rows, sp.csr_matrix(arrays, shape))

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        self._postings.delete(rows)

    def search(self, query: Sequence[str], depth: int, allowed: Mask | None = None) -> Candidates:
        """Return the best rows for a query.

        Parameters
        ----------
        query : sequence of str
            Analysed terms; repeats count.  Unknown terms add nothing.
        depth : int
            Most rows to return, >= 1.  Fewer come back when fewer hold a term of the query.
        allowed : ndarray of bool, optional
            Which rows may be found, by row number.

        Returns
        -------
        Candidates
            Scores are above 0.
        """
        check_depth(depth)
        return best([lists for _, lists in self.impacts(query)], depth, allowed)

    def search_many(
        self, queries: Sequence[Sequence[str]], depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        """Return `search` of every query."""
        return [self.search(query, depth, allowed) for query in queries]

    def score(self, query: Sequence[str], rows: Rows) -> Scores:
        """Return the score of each of `rows`, 0 where a row is not held or holds no term."""
        return at([lists for _, lists in self.impacts(query)], as_rows(rows))

    def statistics(self, query: Sequence[str]) -> Statistics:
        """Return the spread of the query's score over the live rows."""
        lists = [lists for _, lists in self.impacts(query)]
        mean, std = moments(lists, max(len(self), 1))
        return Statistics(mean, std, floor=0.0)

    def impacts(self, query: Sequence[str]) -> list[tuple[str, Impacts]]:
        """Return what each distinct term of a query adds to the rows that hold it.

        Terms that no live row holds are left out.  The order is that of the query.
        """
        if isinstance(query, str):
            raise TypeError(f"expected a list of terms, not the text {query!r}")
        found = []
        saturation = self._saturation()
        for term, repeats in Counter(query).items():
            rows, counts = self._postings.of(self._vocabulary.get(term, len(self._vocabulary)))
            if len(rows):
                df = len(rows)
                idf = np.log1p((len(self) - df + 0.5) / (df + 0.5))
                values = repeats * idf * counts / (counts + saturation[rows])
                found.append((term, Impacts(rows, values)))
        return found

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists."""
        settings = {"method": self.method, "k1": self.k1, "b": self.b}
        (folder / "settings.json").write_text(json.dumps(settings), "utf-8")
        terms = json.dumps(list(self._vocabulary), ensure_ascii=False)
        (folder / "terms.json").write_text(terms, "utf-8")
        self._postings.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open an index that `save` wrote."""
        index = cls(**json.loads((folder / "settings.json").read_text("utf-8")))
        terms = json.loads((folder / "terms.json").read_text("utf-8"))
        index._vocabulary = {term: number for number, term in enumerate(terms)}
        index._postings = Postings.load(folder)
        return index

    def _saturation(self) -> NDArray[np.float64]:
        """Return the tf at which half of a term's weight is reached, by row."""
        lengths = self._postings.lengths
        average = lengths.sum() / max(len(self), 1) or 1.0
        return self.k1 * (1 - self.b + self.b * lengths / average)
