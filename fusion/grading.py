"""How good each of many settings is for each of many judged questions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from fusion.gains import reciprocal
from fusion.judged import Question, Said
from fusion.measures import Measure
from fusion.methods import RRF, Weighted, weights_for
from fusion.places import best_rows, sums

Tunable = Weighted | RRF
"""Methods whose score is a weighted sum of values that do not depend on the weights.

What a row gets that is missing from a list is said by the question, not by the method."""

Graded = NDArray[np.float64]
"""The value of a measure by setting and question."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What can be tuned.

    Attributes
    ----------
    method : Weighted or RRF
        With missing scores computed.
    variant : int
        Which of the variants of the indexes, by its place in `Judging.variants`.
    far : float
        How far it is from the default: which of settings that are equally good is taken.
    """

    method: Tunable
    variant: int = 0
    far: float = 0.0


def grade(
    questions: Sequence[Question],
    names: Sequence[str],
    settings: Sequence[Setting],
    measure: Measure,
    tell: Callable[[int], object] = lambda done: None,
) -> Graded:
    """Return the value of a measure of every setting for every question.

    Parameters
    ----------
    questions : sequence of Question
    names : sequence of str
        The indexes, in alphabetical order.
    settings : sequence of Setting
    measure : Measure
    tell : callable, optional
        Is told after each question how many are done.

    Returns
    -------
    ndarray of float64, shape (settings, questions)
    """
    groups = _together(settings, names)
    graded = np.zeros((len(settings), len(questions)))
    for place, question in enumerate(questions):
        for group in groups:
            said = question.said[group.variant]
            values = values_of(said, group.method)
            graded[group.places, place] = measure.of(question, said.listed, values, group.weights)
        tell(place + 1)
    return graded


def values_of(said: Said, method: Tunable) -> NDArray[np.float64]:
    """Return what each index gives each candidate before it is weighted."""
    if isinstance(method, RRF):
        if said.ranks is None:
            raise ValueError("expected questions that were judged with their ranks")
        return reciprocal(said.ranks, method.k)
    lines = said.lines[method.norm]
    return (said.scores.astype(np.float64) - lines[:, :1]) * lines[:, 1:]


@dataclass(frozen=True, slots=True)
class _Group:
    """Settings that differ in their weights only."""

    method: Tunable
    variant: int
    places: list[int]
    weights: NDArray[np.float64]


def _together(settings: Sequence[Setting], names: Sequence[str]) -> list[_Group]:
    def kind(place: int) -> tuple[int, str, float]:
        setting = settings[place]
        method = setting.method
        if isinstance(method, RRF):
            return setting.variant, "", method.k
        return setting.variant, method.norm, 0.0

    groups = []
    for _, members in groupby(sorted(range(len(settings)), key=kind), kind):
        places = list(members)
        first = settings[places[0]]
        weights = [_weights(settings[place].method, names) for place in places]
        groups.append(_Group(first.method, first.variant, places, np.array(weights)))
    return groups


def _weights(method: Tunable, names: Sequence[str]) -> list[float]:
    there = weights_for(method, names)
    return [there.get(name, 0.0) for name in names]


@dataclass(frozen=True, slots=True)
class Best:
    """The first documents of a question by one setting.

    Attributes
    ----------
    scores : ndarray of float32, shape (n,)
        Fused scores, highest first.
    gains : ndarray of float64, shape (n,)
        Relevance; 0 where it is not judged.
    certain : bool
        Whether no row that is not a candidate can be among them.
    """

    scores: NDArray[np.float32]
    gains: NDArray[np.float64]
    certain: bool


def best_documents(question: Question, names: Sequence[str], setting: Setting, count: int) -> Best:
    """Return the first documents of a question by a setting."""
    said, weights = question.said[setting.variant], np.array(_weights(setting.method, names))
    documents = len(question.starts) - 1
    scores = np.empty(len(question.rows), np.float32)
    best, first = np.empty(documents, np.float32), np.empty(documents, np.int64)
    sums(values_of(said, setting.method), said.listed, weights, scores)
    best_rows(scores, question.starts, question.rows, best, first)
    gains = np.zeros(documents)
    gains[question.wanted] = question.gains
    order = np.lexsort((first, -best))[: min(count, int(np.isfinite(best).sum()))]
    last = float(best[order[-1]]) if len(order) == count else -np.inf
    ceiling = np.float32(_ceiling(said, setting.method, weights))  # a row that ties may come first
    return Best(best[order], gains[order], bool(ceiling == -np.inf or ceiling < last))


def _ceiling(said: Said, method: Tunable, weights: NDArray[np.float64]) -> float:
    """Return the most that a row can score which is not a candidate; -inf: there is none."""
    asked = weights > 0
    if said.whole[asked].all() or not np.isfinite(said.ends[asked]).all():
        return float("-inf")
    if isinstance(method, RRF):
        return float((weights / (method.k + said.depth + 1))[~said.whole].sum())
    lines = said.lines[method.norm]
    return float((weights * ((said.ends - lines[:, 0]) * lines[:, 1]))[asked].sum())
