"""Measures of a ranking for many settings at once, as trec_eval defines them.

Those by name need only the places of the relevant documents.  They equal those of ir-measures; a
test compares them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fusion.judged import Question
from fusion.places import best_rows, places_of, sums

Places = NDArray[np.int64]
Values = NDArray[np.float64]
OfRanking = Callable[[Values, Values], float]
"""A measure from the relevance of each document in the order found, and of all relevant ones."""

_NAME = re.compile(r"([A-Za-z]+)(?:@(\d+))?")


class Measure(Protocol):
    """What is to be made as high as possible."""

    @property
    def name(self) -> str: ...  # noqa: D102

    def of(
        self, question: Question, listed: NDArray[np.uint8], values: Values, weights: Values
    ) -> Values:
        """Return the measure by each of many weights.

        Parameters
        ----------
        question : Question
        listed : ndarray of uint8, shape (rows,)
        values : ndarray of float64, shape (indexes, rows)
        weights : ndarray of float64, shape (settings, indexes)

        Returns
        -------
        ndarray of float64, shape (settings,)
        """


@dataclass(frozen=True, slots=True)
class Named:
    """A measure of `MEASURES` with a cutoff, None for the whole ranking."""

    kind: str
    cutoff: int | None

    @property
    def name(self) -> str:
        """The measure in the notation of ir-measures."""
        return self.kind if self.cutoff is None else f"{self.kind}@{self.cutoff}"

    def of(
        self, question: Question, listed: NDArray[np.uint8], values: Values, weights: Values
    ) -> Values:
        """Return the measure by each of many weights; see `Measure`."""
        places = np.zeros((len(weights), len(question.wanted)), np.int64)
        if not len(question.wanted):
            return np.zeros(len(weights))
        places_of(values, listed, weights, question.starts, question.rows, question.wanted, places)
        seen = places > 0
        if self.cutoff is not None:
            seen &= places <= self.cutoff
        return MEASURES[self.kind](places, seen, question, self.cutoff)


@dataclass(frozen=True, slots=True)
class Custom:
    """A measure that is a function of the ranking.

    Attributes
    ----------
    name : str
    function : callable
        Is given the relevance of the documents found, best first, and of all relevant documents.
    depth : int
        How many documents it is shown at most.
    """

    name: str
    function: OfRanking
    depth: int = 1000

    def of(
        self, question: Question, listed: NDArray[np.uint8], values: Values, weights: Values
    ) -> Values:
        """Return the measure by each of many weights; see `Measure`."""
        documents = len(question.starts) - 1
        relevance = np.zeros(documents)
        relevance[question.wanted] = question.gains
        scores = np.empty(len(question.rows), np.float32)
        best, first = np.empty(documents, np.float32), np.empty(documents, np.int64)
        found = np.zeros(len(weights))
        for number, some in enumerate(weights):
            sums(values, listed, some, scores)
            best_rows(scores, question.starts, question.rows, best, first)
            order = np.lexsort((first, -best))[: int(np.isfinite(best).sum())]
            found[number] = self.function(relevance[order[: self.depth]], question.ideal)
        if not np.isfinite(found).all():
            raise ValueError(f"expected a finite number from the measure {self.name!r}")
        return found


def measure_named(name: str) -> Named:
    """Return a measure in the notation of ir-measures, such as "nDCG@10".

    Raises
    ------
    ValueError
        If there is no such measure; says which there are.
    """
    parsed = _NAME.fullmatch(name)
    if parsed is None or parsed[1] not in MEASURES:
        raise ValueError(f"expected a measure of {', '.join(MEASURES)}, as nDCG@10, not {name!r}")
    cutoff = None if parsed[2] is None else int(parsed[2])
    if cutoff == 0 or (cutoff is None and parsed[1] in ("R", "P", "Success")):
        raise ValueError(f"expected a cutoff of at least 1, as in {parsed[1]}@10, not {name!r}")
    return Named(parsed[1], cutoff)


def _ndcg(
    places: Places, seen: NDArray[np.bool_], question: Question, cutoff: int | None
) -> Values:
    """Discounted gain over that of the best ranking (Järvelin, Kekäläinen, TOIS 2002)."""
    best = question.ideal[:cutoff]
    ideal = (best / np.log2(np.arange(len(best)) + 2)).sum()
    gained = np.where(seen, question.gains / np.log2(np.maximum(places, 1) + 1), 0.0)
    return np.asarray(gained.sum(axis=1) / ideal)


def _recall(
    places: Places, seen: NDArray[np.bool_], question: Question, cutoff: int | None
) -> Values:
    """Part of all relevant documents that is found."""
    return np.asarray(seen.sum(axis=1) / len(question.ideal))


def _precision(
    places: Places, seen: NDArray[np.bool_], question: Question, cutoff: int | None
) -> Values:
    """Part of the first documents that is relevant, also where fewer are found."""
    return np.asarray(seen.sum(axis=1) / (cutoff or 1))


def _success(
    places: Places, seen: NDArray[np.bool_], question: Question, cutoff: int | None
) -> Values:
    """1 if any relevant document is found."""
    return np.asarray(seen.any(axis=1), np.float64)


def _reciprocal_rank(
    places: Places, seen: NDArray[np.bool_], question: Question, cutoff: int | None
) -> Values:
    """1 / place of the first relevant document."""
    return np.asarray(np.where(seen, 1 / np.maximum(places, 1), 0.0).max(axis=1))


def _average_precision(
    places: Places, seen: NDArray[np.bool_], question: Question, cutoff: int | None
) -> Values:
    """Precision at each relevant document that is found, summed over the number of all."""
    behind = np.where(seen, places, np.iinfo(np.int64).max)
    behind.sort(axis=1)
    reached = behind < np.iinfo(np.int64).max
    precision = np.where(reached, np.arange(1, behind.shape[1] + 1) / behind, 0.0)
    return np.asarray(precision.sum(axis=1) / len(question.ideal))


MEASURES: dict[str, Callable[[Places, NDArray[np.bool_], Question, int | None], Values]] = {
    "nDCG": _ndcg,
    "R": _recall,
    "P": _precision,
    "Success": _success,
    "RR": _reciprocal_rank,
    "AP": _average_precision,
}
"""Measures from the places of the relevant documents, by their names in ir-measures."""
