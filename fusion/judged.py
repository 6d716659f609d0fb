"""Judged questions with what every index says of their candidates: what tuning looks at.

The candidates of a question are the first `depth` rows of each index; the scores of all of them are
computed in all indexes.  So any weights, norms and ranks are arithmetic on stored numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.methods import Weighted
from fusion.normalize import LIST_NORMS, NORMS
from fusion.rescored import POOL
from fusion.sources import Arm
from indexes.base import Index
from indexes.candidates import Candidates, Rows, Scores, places

DEPTH = 1000

_MOST_INDEXES = 8  # bits of a byte


class Said(NamedTuple):
    """What the indexes say of the candidates of a question; all by index in alphabetical order.

    Attributes
    ----------
    scores : ndarray of float32 or float64, shape (indexes, rows)
    lines : mapping of str to ndarray of float64, shape (indexes, 2)
        Origin and slope of each norm.
    ranks : ndarray of int64, shape (indexes, rows), or None
        Places on the complete lists, 0 for rows that are not on them; None: not asked for.
    listed : ndarray of uint8, shape (rows,)
        A bit for each index that has the row on its list.
    ends : ndarray of float64, shape (indexes,)
        The most that an index can give a row that is not among these; -inf: there is none.
    whole : ndarray of bool, shape (indexes,)
        Whether all rows that an index lists are among these.
    depth : int
        How many rows of each list are among these.
    """

    scores: NDArray[np.float32] | NDArray[np.float64]
    lines: Mapping[str, NDArray[np.float64]]
    ranks: NDArray[np.int64] | None
    listed: NDArray[np.uint8]
    ends: NDArray[np.float64]
    whole: NDArray[np.bool_]
    depth: int


@dataclass(frozen=True, slots=True)
class Question:
    """A judged question.

    Attributes
    ----------
    rows : ndarray of int64, shape (rows,)
        Its candidates, by document, then by row.
    starts : ndarray of int64, shape (documents + 1,)
        Where the rows of each document begin.
    wanted : ndarray of int64, shape (found,)
        Which of these documents are relevant.
    gains : ndarray of float64, shape (found,)
        Their relevance.
    ideal : ndarray of float64, shape (relevant,)
        Relevance of all relevant documents, found or not, highest first.
    said : tuple of Said
        By variant of the indexes.
    """

    rows: Rows
    starts: NDArray[np.int64]
    wanted: NDArray[np.int64]
    gains: NDArray[np.float64]
    ideal: NDArray[np.float64]
    said: tuple[Said, ...]


Variant = Mapping[str, Index[Any]]
"""Indexes that stand in for those of the same name, for the same queries."""


@dataclass(frozen=True, slots=True)
class Judging:
    """How questions are judged.

    Attributes
    ----------
    documents : ndarray of int64
        By row, the number of the document that the row is a part of.
    variants : sequence of mapping of str to Index
        The first is usually empty: the indexes as they are.
    norms : sequence of str
        Names of `fusion.normalize.NORMS`.
    ranks : bool
        Whether ranks are wanted, for methods by rank.
    depth : int
        How many rows of each list are candidates.
    """

    documents: NDArray[np.int64]
    variants: Sequence[Variant] = ({},)
    norms: Sequence[str] = ("zscore",)
    ranks: bool = False
    depth: int = DEPTH

    def judge(self, arms: Mapping[str, Arm], relevance: Mapping[int, float]) -> Question:
        """Ask all indexes a question whose relevant documents are known.

        Parameters
        ----------
        arms : mapping of str to Arm
            The indexes with the question, by name; at most eight.
        relevance : mapping of int to float
            Relevance by number of document; those of 0 and less do not count.
        """
        if len(arms) > _MOST_INDEXES:
            raise ValueError(f"expected at most {_MOST_INDEXES} indexes, not {len(arms)}")
        own = {name: _Asked(arms[name], self.depth) for name in sorted(arms)}
        asked = [
            {
                name: _Asked(replace(arms[name], index=variant[name]), self.depth)
                if name in variant
                else one
                for name, one in own.items()
            }
            for variant in self.variants
        ]
        found = [one.found.rows for variant in asked for one in variant.values()]
        rows = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
        rows = rows[np.argsort(self.documents[rows], kind="stable")]
        numbers, starts = np.unique(self.documents[rows], return_index=True)
        relevant = {int(number): float(gain) for number, gain in relevance.items() if gain > 0}
        wanted = np.flatnonzero(np.isin(numbers, list(relevant)))
        return Question(
            rows,
            np.append(starts, len(rows)).astype(np.int64),
            wanted,
            np.array([relevant[int(numbers[place])] for place in wanted]),
            np.sort(np.array(list(relevant.values()), np.float64))[::-1],
            tuple(
                self._said(list(variant.values()), rows, ranks=self.ranks and not number)
                for number, variant in enumerate(asked)
            ),
        )

    def _said(self, asked: Sequence["_Asked"], rows: Rows, *, ranks: bool) -> Said:
        """Return what some indexes say of rows."""
        scores = np.array([one.scores(rows) for one in asked]).reshape(len(asked), len(rows))
        listed = np.zeros(len(rows), np.uint8)
        for number, one in enumerate(asked):
            listed |= one.listed(rows).astype(np.uint8) << np.uint8(number)
        lines = {
            norm: np.array([one.line(norm) for one in asked]).reshape(-1, 2) for norm in self.norms
        }
        counted = np.array([one.ranks(rows) for one in asked], np.int64) if ranks else None
        ends = np.array([one.end for one in asked], np.float64)
        whole = np.array([one.whole for one in asked], np.bool_)
        return Said(scores, lines, counted, listed, ends, whole, self.depth)


class _Asked:
    """An index with a query, whose answers are remembered: several variants have it."""

    def __init__(self, arm: Arm, depth: int) -> None:
        self._index, self._query = arm.index, arm.query
        self._pooled = arm.rescores and len(arm.index) > POOL  # as `fusion.rescored.top_k` has it
        self.found = Candidates.none() if self._pooled else self._index.search(self._query, depth)
        self._floor = self._index.unranked(self._query)
        self.whole = not self._pooled and (not self._index.exact or len(self.found) < depth)
        self.end = self._floor if self._index.exact else self._last()
        if not self.whole and not self._pooled:
            self.end = max(self.end, self._last())
        self._scores: Scores | None = None
        self._lines: dict[str, tuple[float, float]] = {}

    def scores(self, rows: Rows) -> Scores:
        """Return the score of the candidates: always the same rows.

        What an approximate index lacks counts at most as its last, as in `fusion.sources`.
        """
        if self._scores is None:
            scores = self._index.score(self._query, rows)
            if not self._index.exact:
                missing = places(self.found, rows) == 0
                scores[missing] = np.minimum(scores[missing], np.float32(self.end))
            self._scores = scores
        return self._scores

    def listed(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which of the candidates are on the complete list."""
        above = self.scores(rows) > self._floor
        if self._index.exact and (self._pooled or not self._index.scans):
            return above
        on = places(self.found, rows) > 0
        if not self.whole:  # vectors that point away score below a row that has none
            unread = ~on & ~above
            on |= above
            on[unread] = self.ranks(rows[unread]) > 0
        return on

    def ranks(self, rows: Rows) -> Rows:
        return self._index.ranks(self._query, rows)

    def line(self, norm: str) -> tuple[float, float]:
        if norm not in self._lines:
            scale = NORMS[norm](self._index, self._query)
            self._lines[norm] = scale.origin, scale.slope
        return self._lines[norm]

    def _last(self) -> float:
        """Return the score of the last row that was read."""
        if len(self.found):
            return float(self.found.scores[-1])
        return self._index.statistics(self._query).ceiling


def of_lists(
    lists: Mapping[str, Candidates], relevance: Mapping[int, float], method: Weighted
) -> Question:
    """Return a judged question of lists from elsewhere, where nothing can be computed.

    Parameters
    ----------
    lists : mapping of str to Candidates
        By index; every row is a document of its own.
    relevance : mapping of int to float
        Relevance by row.
    method : Weighted
        With a norm of lists and missing scores as zero; its weights do not matter.

    Returns
    -------
    Question
        For settings of the same norm.
    """
    if method.norm not in LIST_NORMS or method.missing != "zero":
        raise ValueError(f"expected a norm of lists and missing 'zero', not {method}")
    names = sorted(lists)
    rows = np.unique(np.concatenate([lists[name].rows for name in names]))
    values = np.zeros((len(names), len(rows)))
    listed = np.zeros(len(rows), np.uint8)
    for number, name in enumerate(names):
        at = np.searchsorted(rows, lists[name].rows)
        if len(at):
            scale = LIST_NORMS[method.norm](lists[name].scores)
            values[number, at] = scale.of(lists[name].scores)
            listed[at] |= np.uint8(1 << number)
    relevant = {row: gain for row, gain in relevance.items() if gain > 0}
    wanted = np.flatnonzero(np.isin(rows, list(relevant)))
    unit = np.tile([0.0, 1.0], (len(names), 1))
    nothing, whole = np.full(len(names), -np.inf), np.ones(len(names), np.bool_)
    depth = max(map(len, lists.values()))
    return Question(
        rows,
        np.arange(len(rows) + 1, dtype=np.int64),
        wanted,
        np.array([relevant[int(rows[place])] for place in wanted]),
        np.sort(np.array(list(relevant.values()), np.float64))[::-1],
        (Said(values, {method.norm: unit}, None, listed, nothing, whole, depth),),
    )
