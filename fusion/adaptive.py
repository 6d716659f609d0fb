"""Weights that depend on the question: a value that holds what was learned.

For each of some weights, the value of a measure is predicted from features of a question by ridge
regression; the weights with the highest prediction are taken.  The stronger the ridge, the nearer
to one weight for all.  On our collections that is best (docs/adr/0013): so it is an option.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_CLIP = 3.0  # standard deviations: a question unlike all others must not go beyond them


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Weighted fusion with weights chosen for each question.

    Attributes
    ----------
    norm : str
        As in `Weighted`; missing scores are computed.
    weights : mapping of str to float
        Those that are best for all questions together.
    choices : tuple of mapping of str to float
        Weights that are chosen from.
    centre, spread : tuple of float, shape (features,)
        Mean and standard deviation of the features over the questions that it learned from.
    gains : tuple of float, shape (choices,)
        What each choice is worth for a question in the middle.
    slopes : tuple of tuple of float, shape (features, choices)
        How that changes with each feature.
    """

    norm: str
    weights: Mapping[str, float]
    choices: tuple[Mapping[str, float], ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    gains: tuple[float, ...]
    slopes: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        for name in ("centre", "spread", "gains"):
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
        object.__setattr__(self, "slopes", tuple(tuple(map(float, line)) for line in self.slopes))
        object.__setattr__(self, "choices", tuple(map(dict, self.choices)))
        shape = len(self.centre), len(self.choices)
        shapes = (len(self.spread), len(self.gains)), np.shape(self.slopes)
        if shapes != (shape, shape) or not self.choices:
            raise ValueError(f"expected numbers of {shape} features and choices, not {shapes}")
        if not all(np.isfinite(part).all() for part in (self.centre, self.gains, self.slopes)):
            raise ValueError("expected finite numbers")
        if not all(value > 0 for value in self.spread):
            raise ValueError("expected standard deviations above 0")

    @classmethod
    def fit(
        cls,
        norm: str,
        choices: Sequence[Mapping[str, float]],
        features: Values,
        worth: Values,
        ridge: float,
    ) -> Self:
        """Learn from judged questions.

        Parameters
        ----------
        norm : str
        choices : sequence of mapping of str to float
        features : ndarray of float64, shape (questions, features)
        worth : ndarray of float64, shape (questions, choices)
            The measure of each question by each of the choices.
        ridge : float
            How strongly slopes are held near 0, > 0.
        """
        centre, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
        gains = worth.mean(axis=0)
        off = worth - gains
        off -= off.mean(axis=1, keepdims=True)  # easy questions are easy by every weight
        scaled = _scaled(features, centre, spread)
        gram = scaled.T @ scaled + ridge * np.eye(scaled.shape[1])
        slopes = np.linalg.solve(gram, scaled.T @ off)
        best = choices[int(gains.argmax())]
        return cls(
            norm,
            best,
            tuple(choices),
            tuple(centre.tolist()),
            tuple(spread.tolist()),
            tuple(gains.tolist()),
            tuple(map(tuple, slopes.tolist())),
        )

    def chosen(self, features: Values) -> NDArray[np.int64]:
        """Return which choice each question gets.

        Parameters
        ----------
        features : ndarray of float64, shape (questions, features)

        Returns
        -------
        ndarray of int64, shape (questions,)
        """
        scaled = _scaled(features, np.array(self.centre), np.array(self.spread))
        predicted = np.array(self.gains) + scaled @ np.array(self.slopes)
        return np.asarray(predicted.argmax(axis=1), np.int64)


def _scaled(features: Values, centre: Values, spread: Values) -> Values:
    return np.clip((features - centre) / spread, -_CLIP, _CLIP)
