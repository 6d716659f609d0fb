"""What is known of the rows on some lists: a line for each index, a column for each row."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.combining import COMBINE
from fusion.keys import LOW, packed
from fusion.merging import merge, spread
from indexes.candidates import Candidates, Rows, Scores, order


@dataclass(slots=True)
class Table:
    """Rows with what each index says of them; filled in as it becomes known.

    Attributes
    ----------
    names : list of str
        The indexes, in alphabetical order.
    weights : ndarray of float64, shape (m, 1)
    rows : ndarray of int64, shape (n,)
        Distinct, in any order.
    ranks : ndarray of int64, shape (m, n)
        Place on the list that was read, from 1; 0 where the row is not on it.
    scores : ndarray of float32, shape (m, n)
        NaN where not known.
    values : ndarray of float64, shape (m, n)
        On the common scale; where not `known` the most that it can be.
    listed, known : ndarray of bool, shape (m, n)
        Whether the index has the row on its list; whether score and value are final.
    """

    names: list[str]
    weights: NDArray[np.float64]
    rows: Rows
    ranks: NDArray[np.int64]
    scores: NDArray[np.float32]
    values: NDArray[np.float64]
    listed: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, lists: Mapping[str, Candidates], weights: Mapping[str, float]) -> "Table":
        """Return the table of all rows of some lists, with ranks and scores; values are zeros."""
        names = sorted(weights)
        found = [lists[name] for name in names]
        rows, ranks = merge([one.rows for one in found])
        scores = spread([one.scores for one in found], [np.nan] * len(found), ranks)
        listed = ranks > 0
        shares = np.array([weights[name] for name in names])[:, None]
        return cls(names, shares, rows, ranks, scores, np.zeros(ranks.shape), listed, listed.copy())

    def contributions(self, combine: str) -> NDArray[np.float64]:
        """Return what each index adds to the score of each row."""
        return COMBINE[combine](self.weights * self.values, self.listed)

    def scores_at(self, places: NDArray[np.intp], combine: str) -> NDArray[np.float32]:
        """Return the scores of the rows at some places."""
        values, listed = self.values[:, places], self.listed[:, places]
        return total(COMBINE[combine](self.weights * values, listed))

    def at(self, places: NDArray[np.intp]) -> "Table":
        """Return a copy with the rows at some places."""
        return Table(
            self.names,
            self.weights,
            self.rows[places],
            self.ranks[:, places],
            self.scores[:, places],
            self.values[:, places],
            self.listed[:, places],
            self.known[:, places],
        )


def best_places(rows: Rows, scores: Scores, k: int) -> NDArray[np.intp]:
    """Return where the best `k` rows are, by score descending, then row ascending."""
    if len(rows) and rows.max() > LOW:
        return np.asarray(order(rows, scores)[:k])
    keys = packed(rows, scores)
    if len(rows) <= k:
        return np.asarray(np.argsort(keys))
    near = np.flatnonzero(keys <= np.partition(keys, k - 1)[k - 1])  # keys are distinct
    return np.asarray(near[np.argsort(keys[near])])


def total(contributions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the scores: sums of the contributions in the order of the indexes, rounded once."""
    sums = np.zeros(contributions.shape[1])
    for line in contributions:
        sums += line
    return sums.astype(np.float32)
