"""What every index can do, whatever it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from indexes.candidates import Candidates, Mask, Rows, Scores

Query = TypeVar("Query", contravariant=True)


@dataclass(frozen=True, slots=True)
class Statistics:
    """How one query's score is spread over all live rows of an index.

    They depend on the query and on the corpus, never on a depth or a filter, so a score that is
    normalised by them means the same wherever it turns up.

    Attributes
    ----------
    mean, std : float
        Mean and standard deviation of the score over the live rows.
    floor, ceiling : float
        What no score can be below or above.
    """

    mean: float
    std: float
    floor: float
    ceiling: float


class Index(Protocol[Query]):
    """One ranking of rows for a query.

    Attributes
    ----------
    exact : bool
        Whether `search` finds the true best rows.  An approximate index may miss some; its list
        then ends somewhere, and only rows on it count as found.
    scans : bool
        Whether a search reads every row, so that a deeper one costs as much as the first.
    """

    @property
    def exact(self) -> bool: ...  # noqa: D102

    @property
    def scans(self) -> bool: ...  # noqa: D102

    def __len__(self) -> int:
        """Return the number of live rows."""

    def search(self, query: Query, depth: int, allowed: Mask | None = None) -> Candidates:
        """Return the best `depth` rows for a query, of those that `allowed` lets through.

        Fewer come back when fewer match; nothing is padded.
        """

    def search_many(
        self, queries: Sequence[Query], depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        """Return `search` of every query."""

    def score(self, query: Query, rows: Rows) -> Scores:
        """Return the exact score of each of `rows`, bit for bit that of `search`."""

    def ranks(self, query: Query, rows: Rows, allowed: Mask | None = None) -> Rows:
        """Return the place of each of `rows` on the complete list of a query.

        That is the list that `search` returns for a depth of all rows; the first place is 1.  A row
        that is not on it gets 0: it was not found, is dead, is not allowed, or was never added.
        For some rows it takes less time and memory than the list does.

        Parameters
        ----------
        query : Query
        rows : ndarray of int64, shape (n,)
            Some rows in any order.
        allowed : ndarray of bool, optional
            Which rows may be on the list, by row number.

        Returns
        -------
        ndarray of int64, shape (n,)
        """

    def unranked(self, query: Query) -> float:
        """Return the most that `score` gives a row that the complete list of a query lacks.

        For BM25 and learned weights it is what a row without a term of the query gets; -inf where
        every row is on the list.
        """

    def statistics(self, query: Query) -> Statistics:
        """Return the spread of the query's score over the live rows."""
