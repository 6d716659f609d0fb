"""Choosing a setting from judged questions, and saying honestly what it is worth on others.

The choice: of all settings whose mean is within one standard error of the best, the one nearest to
the default (the one-standard-error rule of [1]_).  What it is worth: folds of questions are left
out in turn, the whole choice is made on the others, and its value on those left out is kept.  If
that mean is not above that of the default, the default is taken; if the best index alone is better
by more than a standard error, that is.

References
----------
.. [1] Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees", 1984.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusion.grading import Graded, Setting, grade
from fusion.grids import Grid
from fusion.judged import Question
from fusion.measures import Measure

Verdict = Literal["tuned", "default", "single"]
Values = NDArray[np.float64]
Places = NDArray[np.int64]

FOLDS = 5
FEWEST = 10
"""Judged questions below which nothing is tuned."""


class Sheet:
    """What every setting is worth for every question; grows as settings are tried.

    Parameters
    ----------
    questions : sequence of Question
    grid : Grid
    measure : Measure
    tell : callable, optional
        Is told how many questions of the coarse grid are done.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        grid: Grid,
        measure: Measure,
        tell: Callable[[int], object] = lambda done: None,
    ) -> None:
        self.questions, self.grid, self.measure = questions, grid, measure
        self.settings = grid.settings()
        self.values: Graded = grade(questions, grid.names, self.settings, measure, tell)
        self.coarse = len(self.settings)
        self._places = {_key(setting): place for place, setting in enumerate(self.settings)}

    def of(self, setting: Setting) -> Values:
        """Return the value of a setting for every question."""
        return np.asarray(self.of_all([setting])[0])

    def of_all(self, settings: Sequence[Setting]) -> Graded:
        """Return the value of each of some settings for every question."""
        lines = self.places(settings)
        return np.asarray(self.values[lines])

    def places(self, settings: Sequence[Setting]) -> list[int]:
        """Return the lines of settings; those that were not tried yet are."""
        new = {_key(one): one for one in settings if _key(one) not in self._places}
        if new:
            tried = list(new.values())
            graded = grade(self.questions, self.grid.names, tried, self.measure)
            for place, key in enumerate(new, len(self.settings)):
                self._places[key] = place
            self.settings += tried
            self.values = np.concatenate([self.values, graded])
        return [self._places[_key(setting)] for setting in settings]

    def choose(self, some: Places) -> Setting:
        """Return the setting that some of the questions speak for."""
        coarse = np.arange(self.coarse)
        best = self.settings[self._best(coarse, some)]
        finer = self.places(self.grid.around(best))
        return self.settings[self._best(np.append(coarse, finer).astype(np.int64), some)]

    def single(self, some: Places) -> Setting:
        """Return the index that is best alone for some of the questions, as it is."""
        alone = [
            place
            for place, setting in enumerate(self.settings[: self.coarse])
            if setting.variant == 0 and _is_alone(setting)
        ]
        means = self.values[alone][:, some].mean(axis=1)
        return self.settings[alone[int(np.argmax(means))]]

    def _best(self, lines: Places, some: Places) -> int:
        """Return which of some lines the one-standard-error rule takes."""
        values = self.values[lines][:, some]
        means = values.mean(axis=1)
        behind = values[np.argmax(means)] - values
        error: Values | float = np.inf  # of one question nothing is known of others
        if len(some) > 1:
            error = behind.std(axis=1, ddof=1) / np.sqrt(len(some))
        near = np.flatnonzero(behind.mean(axis=1) <= error + 1e-12)
        far = np.array([self.settings[lines[place]].far for place in near])
        return int(lines[near[np.lexsort((near, -means[near], far))[0]]])


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was chosen, and what it is worth.

    Attributes
    ----------
    setting : Setting
        What to use.
    verdict : {"tuned", "default", "single"}
        Whether it is what was tuned, the default, or the best index alone.
    tuned : Setting
        What all questions speak for.
    fitted : float
        Its mean over the questions that chose it: too high for others.
    held_out : dict of str to ndarray of float64, shape (questions,)
        By "tuned", "default" and "single", the value of every question by what the questions of the
        other folds chose.
    """

    setting: Setting
    verdict: Verdict
    tuned: Setting
    fitted: float
    held_out: dict[Verdict, Values]


def tune(
    sheet: Sheet,
    some: Places | None = None,
    *,
    groups: Sequence[object] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> Tuning:
    """Choose a setting.

    Parameters
    ----------
    sheet : Sheet
    some : ndarray of int64, optional
        The questions that may be looked at; None: all.
    groups : sequence, optional
        For each question of the sheet what it belongs to: a group is held out as a whole.
    folds : int
        How many parts the questions are dealt to, >= 2.
    seed : int
        Of the dealing.
    """
    some = np.arange(len(sheet.questions)) if some is None else some
    default = sheet.settings[0]
    own = sheet.of(default)[some]
    if len(some) < FEWEST:
        return Tuning(default, "default", default, _mean(own), {"default": own})
    held: dict[Verdict, Values] = {name: np.zeros(len(some)) for name in ("tuned", "single")}
    held["default"] = own
    parts = dealt(
        None if groups is None else [groups[place] for place in some], len(some), folds, seed
    )
    for fold in range(folds):
        inside, left = some[parts != fold], parts == fold
        if len(inside) and left.any():
            held["tuned"][left] = sheet.of(sheet.choose(inside))[some[left]]
            held["single"][left] = sheet.of(sheet.single(inside))[some[left]]
    chosen = sheet.choose(some)
    setting: dict[Verdict, Setting] = {
        "default": default,
        "single": sheet.single(some),
        "tuned": chosen,
    }
    verdict = _verdict(held)
    fitted = _mean(sheet.of(chosen)[some])
    return Tuning(setting[verdict], verdict, chosen, fitted, held)


def dealt(groups: Sequence[object] | None, count: int, folds: int, seed: int) -> Places:
    """Return the fold of each of `count` questions; those of one group are in the same."""
    if folds < 2:
        raise ValueError(f"expected at least 2 folds, not {folds}")
    rng = np.random.default_rng(seed)
    if groups is None:
        return rng.permutation(np.arange(count) % folds)
    numbers: dict[object, int] = {}
    of = np.array([numbers.setdefault(group, len(numbers)) for group in groups])
    if len(numbers) < 2:
        raise ValueError("expected at least 2 groups to hold one out, not 1")
    return np.asarray(rng.permutation(np.arange(len(numbers)) % folds)[of])


def _verdict(held: dict[Verdict, Values]) -> Verdict:
    """Return what is used, from the values of held-out questions.

    One index alone must be better by more than a standard error: a fusion that is as good finds
    what that index misses.
    """
    best: Verdict = "tuned" if _mean(held["tuned"]) > _mean(held["default"]) else "default"
    over = held["single"] - held[best]
    error = over.std(ddof=1) / np.sqrt(len(over))
    return "single" if over.mean() > error else best


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else 0.0


def _is_alone(setting: Setting) -> bool:
    return sum(weight > 0 for weight in (setting.method.weights or {}).values()) == 1


def _key(setting: Setting) -> tuple[object, ...]:
    method = setting.method
    weights = tuple(sorted((method.weights or {}).items()))
    constant = getattr(method, "k", None) or getattr(method, "norm", None)
    return type(method).__name__, constant, weights, setting.variant
