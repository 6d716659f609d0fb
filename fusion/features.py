"""What is known of a question before its lists are fused, and what that says of the weights."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fusion.adaptive import Adaptive
from fusion.methods import AnyMethod, Method, Weighted
from fusion.sources import Arm

FIRST = 10
"""Rows of each list that features are about."""

Values = NDArray[np.float64]


def resolved(method: AnyMethod, arms: Mapping[str, Arm]) -> Method:
    """Return how one question is fused."""
    if not isinstance(method, Adaptive):
        return method
    (place,) = method.chosen(features_of(arms)[None]).tolist()
    return Weighted(method.choices[place], method.norm)


def features_of(arms: Mapping[str, Arm]) -> Values:
    """Return the features of a question.

    Of each index: how far the best row and the tenth stand above the corpus, in standard
    deviations, the gap from the first to the second, and logarithms of mean and spread of the
    query's score (of BM25 they grow with the number of its terms that rows hold, and with their
    idf).  Of each pair: how many of the first ten rows they share, and how far the first of one
    stands above the corpus in the other.

    Parameters
    ----------
    arms : mapping of str to Arm
        The indexes with the question; the same ones for all questions.
    """
    names = sorted(arms)
    lists = {name: arms[name].index.search(arms[name].query, FIRST) for name in names}
    found: list[float] = []
    for name in names:
        spread = arms[name].index.statistics(arms[name].query)
        std = spread.std or 1.0
        scores = (lists[name].scores.astype(np.float64) - spread.mean) / std
        best = scores[0] if len(scores) else 0.0
        second, last = (scores[1], scores[-1]) if len(scores) > 1 else (0.0, 0.0)
        found += [best, best - second, best - last]
        found += [np.log1p(abs(spread.mean)), np.log(std), float(len(scores) == FIRST)]
    for one in names:
        for other in names:
            if one < other:
                found.append(float(len(np.intersect1d(lists[one].rows, lists[other].rows))))
            if one != other:
                found.append(_seen_by(arms[other], lists[one].rows[:1]))
    return np.array(found, np.float64)


def _seen_by(arm: Arm, rows: NDArray[np.int64]) -> float:
    """Return how far a row stands above the corpus in an index."""
    if not len(rows):
        return 0.0
    spread = arm.index.statistics(arm.query)
    return float((arm.index.score(arm.query, rows)[0] - spread.mean) / (spread.std or 1.0))
