"""Learning weights that depend on the question, and whether they are worth it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusion.adaptive import Adaptive
from fusion.grading import Setting
from fusion.methods import Weighted
from fusion.tuning import FEWEST, FOLDS, Places, Sheet, Values, dealt

RIDGES = (3000.0, 1000.0, 300.0, 100.0, 30.0)
"""The first is taken of those that are equally good: the nearest to one weight for all."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What was learned, and what it is worth.

    Attributes
    ----------
    method : Adaptive
    variant : int
        Which of the variants of the indexes it is for.
    held_out : ndarray of float64, shape (questions,)
        The value of every question by what was learned from those of the other folds.
    """

    method: Adaptive
    variant: int
    held_out: Values


def adapt(
    sheet: Sheet,
    features: Values,
    *,
    groups: Sequence[object] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> Adapted | None:
    """Learn from all questions of a sheet; the folds are those of `fusion.tuning.tune`.

    Parameters
    ----------
    sheet : Sheet
    features : ndarray of float64, shape (questions, features)
        Of `fusion.features.features_of`.
    groups, folds, seed
        As in `fusion.tuning.tune`.

    Returns
    -------
    Adapted or None
        None where the questions speak for a method by rank, as ranks have no common scale, or are
        too few.  Where only those outside a fold do or are, it is answered by what they choose.
    """
    every = np.arange(len(sheet.questions))
    parts = dealt(groups, len(every), folds, seed)
    held = np.zeros(len(every))
    for fold in range(folds):
        inside, left = every[parts != fold], every[parts == fold]
        learned = _learn(sheet, features, inside, seed)
        if learned is None:  # ranks have no common scale: one setting for all
            held[left] = sheet.of(sheet.choose(inside))[left]
        else:
            held[left] = _worth(sheet, learned, features, left)
    whole = _learn(sheet, features, every, seed)
    return None if whole is None else Adapted(whole[0], whole[1].variant, held)


def _learn(
    sheet: Sheet, features: Values, some: Places, seed: int
) -> tuple[Adaptive, Setting] | None:
    """Return what some questions teach: weights about the setting that they choose."""
    base = sheet.choose(some)
    if len(some) < FEWEST // 2 or not isinstance(base.method, Weighted):
        return None
    lines = _lines(sheet, base)
    worth = sheet.values[lines].T
    weights = [sheet.settings[line].method.weights or {} for line in lines]
    parts = dealt(None, len(some), FOLDS, seed + 1)
    totals = []
    for ridge in RIDGES:
        total = 0.0
        for fold in range(FOLDS):
            inside, left = some[parts != fold], some[parts == fold]
            found = Adaptive.fit(base.method.norm, weights, features[inside], worth[inside], ridge)
            total += worth[left, found.chosen(features[left])].sum()
        totals.append(total)
    ridge = RIDGES[int(np.argmax(totals))]
    return Adaptive.fit(base.method.norm, weights, features[some], worth[some], ridge), base


def _worth(
    sheet: Sheet, learned: tuple[Adaptive, Setting], features: Values, some: Places
) -> Values:
    method, base = learned
    worth = sheet.values[_lines(sheet, base)].T
    return np.asarray(worth[some, method.chosen(features[some])])


def _lines(sheet: Sheet, base: Setting) -> NDArray[np.int64]:
    """Return the lines of the coarse grid that differ from a setting in the weights only."""

    def kind(setting: Setting) -> tuple[object, int]:
        return replace(setting.method, weights=None), setting.variant

    same = [place for place in range(1, sheet.coarse) if kind(sheet.settings[place]) == kind(base)]
    return np.array(same, np.int64)
