"""Where relevant documents stand on the lists of a run: what curves and failures are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybrid.benchmark.results import Result, Way

DEPTH = 100
"""How much of a list is looked at."""

LEVELS = np.linspace(0, 1, 11)
"""The recalls of an 11-point precision-recall curve."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """What stands on the lists of one way, for all questions of a result.

    Attributes
    ----------
    relevant : ndarray of bool, shape (queries, DEPTH)
        Whether the document at each place is relevant; False beyond the end of a list.
    totals : ndarray of int64, shape (queries,)
        How many documents are relevant to each question.
    """

    relevant: NDArray[np.bool_]
    totals: NDArray[np.int64]

    def recall(self) -> NDArray[np.float64]:
        """Return the mean recall at every cutoff from 1 to `DEPTH`.

        A question without relevant documents counts as 0, as in trec_eval.
        """
        found = self.relevant.cumsum(axis=1) / np.maximum(self.totals, 1)[:, None]
        means: NDArray[np.float64] = found.mean(axis=0)
        return means

    def precision(self) -> NDArray[np.float64]:
        """Return the mean interpolated precision at `LEVELS`.

        The interpolated precision at a recall is the best at any cutoff with at least that recall;
        0 where the list never has it.
        """
        found = self.relevant.cumsum(axis=1)
        precision = found / np.arange(1, self.relevant.shape[1] + 1)
        # best at this cutoff or any later one
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        needed = np.maximum(np.ceil(LEVELS * self.totals[:, None] - 1e-9), 1)
        # the first cutoff by which that many relevant documents were found
        places = (found[:, None, :] < needed[:, :, None]).sum(axis=2)
        padded = np.hstack([best, np.zeros((len(best), 1))])
        means: NDArray[np.float64] = np.take_along_axis(padded, places, axis=1).mean(axis=0)
        return means

    def first(self) -> NDArray[np.int64]:
        """Return the rank of the first relevant document of each question; 0: none in `DEPTH`."""
        any_ = self.relevant.any(axis=1)
        ranks: NDArray[np.int64] = np.where(any_, self.relevant.argmax(axis=1) + 1, 0)
        return ranks


def ranking(way: Way, query_id: str) -> list[str]:
    """Return the documents of a way for a question, best first; equals stay as they came."""
    found = way.run.get(query_id, {})
    return sorted(found, key=lambda doc_id: -found[doc_id])


def relevant_to(result: Result, query_id: str) -> dict[str, int]:
    """Return the relevant documents of a question with their relevance, which is above 0."""
    return {doc: grade for doc, grade in result.qrels.get(query_id, {}).items() if grade > 0}


def ranked(result: Result, way: Way) -> Ranked:
    """Return where the relevant documents stand on the lists of a way."""
    relevant = np.zeros((len(result.queries), DEPTH), np.bool_)
    totals = np.zeros(len(result.queries), np.int64)
    for number, query_id in enumerate(result.queries):
        wanted = relevant_to(result, query_id)
        totals[number] = len(wanted)
        for place, doc_id in enumerate(ranking(way, query_id)[:DEPTH]):
            relevant[number, place] = doc_id in wanted
    return Ranked(relevant, totals)
