"""BM25 over an inverted file; the formulas are in `indexes.formulas`."""

import json
import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from indexes.base import Statistics
from indexes.candidates import Candidates, Mask, Rows, Scores, as_rows, check_depth
from indexes.formulas import METHODS, Formula, mean_okapi_idf
from indexes.imported import corpus_of, formula_of
from indexes.inverting import ONES
from indexes.matrices import are_numbers, as_counts, as_numbers, columns_of
from indexes.opened import check, facts_in
from indexes.parallel import search_many
from indexes.postings import MOST_ROWS, Postings
from indexes.terms import TermBatch
from indexes.view import Asked, View
from indexes.vocabulary import Vocabulary

__all__ = ["METHODS", "BM25Index"]

Term = str | int
TokenLists = TermBatch | sp.csr_matrix | Sequence[Sequence[Term]]

_MEAN = object()  # what the mean idf is known as: no term is equal to it


class BM25Index:
    """Rows ranked by BM25.

    Parameters
    ----------
    method : str
        The variant of the formula: "lucene", "robertson", "atire", "bm25l", "bm25+", "okapi" or
        "okapi-l"; see `indexes.formulas`.
    k1, b, delta, epsilon : float
        The constants of the formula; see `Formula`.

    Examples
    --------
    >>> index = BM25Index()
    >>> index.add([0, 1], [["cat", "purr"], ["dog", "bark"]])
    >>> index.search(["purr"], depth=10).rows
    array([0])
    """

    exact, scans = True, False

    def __init__(
        self,
        method: str = "lucene",
        *,
        k1: float = 1.2,
        b: float = 0.75,
        delta: float = 0.5,
        epsilon: float = 0.25,
    ) -> None:
        self.formula = Formula(method, k1, b, delta, epsilon)
        self._absent = float(self.formula.absent())
        self._postings = Postings()
        self._vocabulary = Vocabulary()
        self._numbered: bool | None = None  # terms are integers; None: none came yet
        self._state: tuple[int, View] | None = None

    def __len__(self) -> int:
        return len(self._postings)

    @property
    def rows_ever(self) -> int:
        """A number that every row that is held is below; the other indexes hold no others."""
        return len(self._postings.live)

    def add(self, rows: ArrayLike, terms: TokenLists) -> None:
        """Add rows with their terms.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            New rows.
        terms : sequence of n sequences of str or int, TermBatch, or csr_matrix of shape (n, terms)
            The terms of each row; repeats count.  Terms are strings or they are integers >= 0, the
            columns of a matrix of counts for example; one index cannot have both.

        Raises
        ------
        ValueError
            If a row is there already or stands twice, the lengths differ, or counts are not whole
            numbers >= 0.
        TypeError
            If a string stands where a list of terms should, or strings and integers meet.
        """
        if sp.issparse(terms):
            matrix = sp.csr_matrix(terms)
            offsets, ids = columns_of(matrix)
            self._add_numbers(rows, offsets, ids, as_counts(matrix.data, offsets))
            return
        if not isinstance(terms, TermBatch):
            numbered = are_numbers(terms)
            if numbered or (numbered is None and self._numbered):
                self._add_numbers(rows, *as_numbers(terms), ONES)
                return
            terms = TermBatch.of(cast("Sequence[Sequence[str]]", terms))
        self._add_strings(rows, terms)

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        self._postings.delete(rows)

    def search(self, query: Sequence[Term], depth: int, allowed: Mask | None = None) -> Candidates:
        """Return the best rows for a query.

        Parameters
        ----------
        query : sequence of str or int
            Analysed terms; repeats count.  Unknown terms add nothing.
        depth : int
            Most rows to return, >= 1.  Fewer come back when fewer hold a term of the query.
        allowed : ndarray of bool, optional
            Which rows may be found, by row number.

        Returns
        -------
        Candidates
            Rows whose score is above that of a row without any term of the query, which is 0 but
            for bm25l and bm25+.
        """
        check_depth(depth)
        view = self._view()
        return view.search(self._asked(view, query), min(depth, len(self) or 1), allowed)

    def search_many(
        self,
        queries: Sequence[Sequence[Term]],
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

    def score(self, query: Sequence[Term], rows: ArrayLike) -> Scores:
        """Return the score of each of `rows`, bit for bit that of `search`; 0 if it is not held."""
        view = self._view()
        return view.score(self._asked(view, query), as_rows(rows))

    def ranks(self, query: Sequence[Term], rows: ArrayLike, allowed: Mask | None = None) -> Rows:
        """Return the place of each of `rows` on the complete list of a query; see `Index.ranks`."""
        view = self._view()
        return view.ranks(self._asked(view, query), as_rows(rows), allowed)

    def unranked(self, query: Sequence[Term]) -> float:
        """Return the score of a row without any term of the query."""
        view = self._view()
        return view.unranked(self._asked(view, query))

    def statistics(self, query: Sequence[Term]) -> Statistics:
        """Return the spread of the query's score over the live rows."""
        view = self._view()
        return view.statistics(self._asked(view, query), max(len(self), 1))

    def parts(self, query: Sequence[Term], rows: ArrayLike) -> dict[Term, Scores]:
        """Return what each distinct term of a query adds to the score of each of `rows`."""
        view, rows = self._view(), as_rows(rows)
        repeats = {term: list(query).count(term) for term in query}
        return {
            term: view.score(self._asked(view, [term] * count), rows)
            for term, count in repeats.items()
        }

    def with_formula(self, **constants: Any) -> Self:
        """Return an index over the same postings that scores by another formula.

        Parameters
        ----------
        **constants
            `method`, `k1`, `b`, `delta`, `epsilon`; those that are not given stay as they are.

        Returns
        -------
        BM25Index
            Rows that are added to or deleted from one of the two are so in both; whether terms are
            strings or integers must be known by then.
        """
        other = type(self)(**{**asdict(self.formula), **constants})
        other._postings, other._vocabulary = self._postings, self._vocabulary
        other._numbered = self._numbered
        return other

    def compact(self) -> None:
        """Merge the lists of rows, and drop what deleted rows left in them; no answer changes."""
        self._postings.compact()

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists; files that are written already are linked."""
        facts = {**asdict(self.formula), "numbered": self._numbered}
        (folder / "settings.json").write_text(json.dumps(facts), "utf-8")
        self._vocabulary.save(folder)
        self._postings.save(folder)

    @classmethod
    def load(cls, folder: Path, below: int = MOST_ROWS) -> Self:
        """Open an index that `save` wrote; most of it stays on disk until it is read.

        Raises
        ------
        ValueError
            If files are damaged so that a search could fail, or live rows are not `below`.
        """
        facts = facts_in(folder / "settings.json")
        numbered = facts.pop("numbered", False)
        check(numbered in (None, True, False), "terms that are numbers or strings")
        index = cls(**facts)
        index._numbered = numbered
        index._vocabulary = Vocabulary.load(folder)
        check(not (numbered and len(index._vocabulary)), "terms that are numbers or strings")
        index._postings = Postings.load(folder, below)
        return index

    @classmethod
    def from_rank_bm25(cls, other: Any) -> Self:
        """Return the index of the corpus and the formula of a rank_bm25 object.

        Parameters
        ----------
        other : BM25Okapi, BM25L or BM25Plus
            Its scores are kept, up to rounding; its rows are numbered in the order of its corpus.

        Raises
        ------
        TypeError
            If it is something else.
        """
        index = cls(**formula_of(other))
        lists = corpus_of(other)
        index.add(range(len(lists)), lists)
        return index

    def _view(self) -> View:
        """Return the present state, made anew when it has changed or its memory is full."""
        postings = self._postings
        postings.settle()
        state = self._state
        if state is not None and state[0] == postings.version and not state[1].full:
            return state[1]
        version, average = postings.version, postings.average_length
        gains = [
            self.formula.gain(
                segment.tfs.astype(np.float64), segment.lengths.astype(np.float64), average
            ).astype(np.float32)
            for segment in postings.segments
        ]
        view = View(postings.segments, gains)
        self._state = (version, view)
        return view

    def _asked(self, view: View, query: Sequence[Term]) -> Asked:
        """Return a query in numbers; what is known of its terms is remembered."""
        if isinstance(query, str):
            raise TypeError(f"expected a list of terms, not the text {query!r}")
        known, counts = view.known, Counter(query) if len(set(query)) < len(query) else None
        slots = [
            self._look_up(view, term) if (slot := known.get(term)) is None else slot
            for term in (query if counts is None else counts)
        ]
        amounts = [1.0] * len(slots) if counts is None else list(counts.values())
        return Asked(np.array(slots, np.int64), np.array(amounts, np.float64), self._absent)

    def _look_up(self, view: View, term: Term) -> int:
        """Return the slot of a term, -1 when no live row holds it, and remember it."""
        dfs, rows = self._postings.dfs, len(self._postings)
        number = self._number_of(term)
        df = int(dfs[number]) if number is not None and number < len(dfs) else 0
        slot = -1
        if number is not None and df:
            idf = self.formula.idf(df, rows, lambda: self._mean_idf(view))
            slot = view.slot(number, df, idf)
        view.known[term] = slot
        return slot

    def _mean_idf(self, view: View) -> float:
        if _MEAN not in view.known:
            view.known[_MEAN] = mean_okapi_idf(self._postings.dfs, len(self))
        return float(view.known[_MEAN])

    def _number_of(self, term: Term) -> int | None:
        if not self._numbered:
            return self._vocabulary.number(term) if isinstance(term, str) else None
        number = operator.index(cast("int", term))
        return number if number >= 0 else None

    def _add_strings(self, rows: ArrayLike, batch: TermBatch) -> None:
        self._check_kind(numbered=False)
        new = self._postings.as_new(rows, len(batch))  # before new terms get numbers
        numbers = self._vocabulary.numbers(batch.terms)
        self._postings.add(new, batch.offsets, numbers[batch.ids])
        if len(batch.ids):
            self._numbered = False

    def _add_numbers(
        self,
        rows: ArrayLike,
        offsets: NDArray[np.int64],
        ids: NDArray[np.uint32],
        amounts: NDArray[np.uint32],
    ) -> None:
        self._check_kind(numbered=True)
        self._postings.add(rows, offsets, ids, amounts)
        self._numbered = True

    def _check_kind(self, *, numbered: bool) -> None:
        if len(self) and self._numbered not in (None, numbered):
            kind = "integers" if self._numbered else "strings"
            raise TypeError(f"expected terms as {kind}, like those before")
