"""From a fused score to the probability that the hit is relevant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

BINS = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising line through points of score and probability, level before and behind them.

    Attributes
    ----------
    scores, probabilities : tuple of float
        The points, both rising.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.scores or len(self.scores) != len(self.probabilities):
            raise ValueError("expected a probability for each score, and at least one")

    @classmethod
    def fit(cls, scores: ArrayLike, relevant: ArrayLike) -> Self:
        """Return the isotonic regression of relevance on scores [1]_.

        Parameters
        ----------
        scores : array_like of float, shape (n,)
            Of hits of many questions, n >= 1.
        relevant : array_like of bool, shape (n,)

        References
        ----------
        .. [1] Zadrozny, Elkan, "Transforming Classifier Scores into Accurate Multiclass
           Probability Estimates", KDD 2002.
        """
        from scipy.optimize import isotonic_regression

        values = np.asarray(scores, np.float64)
        distinct, place = np.unique(values, return_inverse=True)
        counts = np.bincount(place)
        shares = np.bincount(place, np.asarray(relevant, np.float64)) / counts
        fitted = isotonic_regression(shares, weights=counts)
        starts, ends = fitted.blocks[:-1], fitted.blocks[1:]
        middles = [  # a step becomes a point in its middle, so that the line rises smoothly
            float(np.average(distinct[start:end], weights=counts[start:end]))
            for start, end in zip(starts, ends, strict=True)
        ]
        return cls(tuple(middles), tuple(fitted.x[starts].tolist()))

    def of(self, scores: ArrayLike) -> Values:
        """Return the probability of each score."""
        return np.interp(np.asarray(scores, np.float64), self.scores, self.probabilities)

    def score_for(self, probability: float) -> float:
        """Return the lowest score that has a probability, for `min_score` of a search.

        Raises
        ------
        ValueError
            If no score is that probable; says what the most probable is.
        """
        if not 0 <= probability <= self.probabilities[-1]:
            raise ValueError(
                f"expected a probability from 0 to {self.probabilities[-1]:.3f}, which is that of "
                f"the best scores, not {probability}"
            )
        if probability <= self.probabilities[0]:
            return float("-inf")
        place = int(np.searchsorted(self.probabilities, probability))
        low, high = self.probabilities[place - 1], self.probabilities[place]
        share = (probability - low) / (high - low)
        return self.scores[place - 1] + share * (self.scores[place] - self.scores[place - 1])

    def settings(self) -> dict[str, Any]:
        """Return the line as JSON values."""
        return {"scores": list(self.scores), "probabilities": list(self.probabilities)}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Sequence[float]]) -> Self:
        """Return the line that `settings` described."""
        return cls(tuple(settings["scores"]), tuple(settings["probabilities"]))


def held_out_probabilities(
    scores: Values, relevant: NDArray[np.bool_], folds: NDArray[np.int64]
) -> Values:
    """Return the probability of each hit by what the hits of the other folds say."""
    found = np.zeros(len(scores))
    for fold in np.unique(folds):
        left = folds == fold
        if left.all():
            raise ValueError("expected at least two folds, not one")
        found[left] = Calibration.fit(scores[~left], relevant[~left]).of(scores[left])
    return found


def expected_error(probabilities: Values, relevant: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the expected calibration error [1]_.

    Hits are put into bins of equally wide ranges of probability; it is the mean, over hits, of how
    far the mean probability of a bin is from the share of its hits that are relevant.

    References
    ----------
    .. [1] Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
       Binning", AAAI 2015.
    """
    if not len(probabilities):
        return 0.0
    bin_of = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    off = np.bincount(bin_of, probabilities - relevant, minlength=bins)
    return float(np.abs(off).sum() / len(probabilities))
