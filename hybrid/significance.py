"""Whether a difference between two ways to search is more than chance.

References
----------
.. [1] M. D. Smucker, J. Allan, B. Carterette (2007).  A comparison of statistical significance
   tests for information retrieval evaluation.  CIKM.
.. [2] T. Sakai (2018).  Laboratory Experiments in Information Retrieval: Sample Sizes, Effect
   Sizes, and Statistical Power.  Springer.
.. [3] S. Holm (1979).  A simple sequentially rejective multiple test procedure.  Scandinavian
   Journal of Statistics 6(2).
.. [4] B. Phipson, G. K. Smyth (2010).  Permutation p-values should never be zero.  Statistical
   Applications in Genetics and Molecular Biology 9(1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

_BLOCK = 2_000_000  # numbers at work at once: 16 MB
_EQUAL = 1e-9  # values that differ by less are the same value, summed in another order

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one way to search compares with another over the same questions.

    Attributes
    ----------
    name : str
        Which way was compared with the base.
    difference : float
        Mean of its values less the mean of the base's; positive: it is better.
    low, high : float
        Bootstrap interval of the difference.
    p : float
        Two-sided p-value of the paired randomisation test.
    p_holm : float
        The same, corrected for all comparisons made at once.
    better, worse, equal : int
        How many questions it answers better, worse, and as well.
    """

    name: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    better: int
    worse: int
    equal: int


def compare(
    values: Mapping[str, ArrayLike],
    base: str,
    *,
    resamples: int = 9_999,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Return how every way compares with one of them.

    Parameters
    ----------
    values : mapping of str to array_like of float, shape (queries,)
        By way, the value of a measure for every question, all in the same order.
    base : str
        The way that the others are compared with.
    resamples : int
        Random sign flips, and bootstrap samples, for each way.
    level : float
        Confidence of the intervals.
    seed : int
        The same seed gives the same answer; a way's does not depend on which others are there,
        but for `Comparison.p_holm`.

    Returns
    -------
    tuple of Comparison
        In the order of `values`, without the base.

    Raises
    ------
    ValueError
        If the base is not among the ways, or the values are not of the same questions, not
        finite, or none.
    """
    if base not in values:
        raise ValueError(f"expected the base to be one of {', '.join(values)}, not {base!r}")
    differences = {
        name: paired_differences(value, values[base])
        for name, value in values.items()
        if name != base
    }
    ps = {name: randomisation_test(d, resamples, seed) for name, d in differences.items()}
    corrected = dict(zip(ps, holm(list(ps.values())), strict=True))
    return tuple(
        _comparison(name, d, bootstrap_interval(d, resamples, level, seed), ps[name], corrected)
        for name, d in differences.items()
    )


def paired_differences(values: ArrayLike, base: ArrayLike) -> Floats:
    """Return what each question gains over the base; float64 of shape (queries,).

    Differences below 1e-9 are rounding and become 0.

    Raises
    ------
    ValueError
        If the values are not of the same questions, not finite, or none.
    """
    ours, theirs = np.asarray(values, np.float64), np.asarray(base, np.float64)
    if ours.ndim != 1 or ours.shape != theirs.shape or not len(ours):
        raise ValueError(
            f"expected one value a question of the same questions, not arrays of shape "
            f"{ours.shape} and {theirs.shape}"
        )
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError("expected finite values, but some are NaN or infinite")
    difference = ours - theirs
    difference[np.abs(difference) < _EQUAL] = 0
    return difference


def randomisation_test(differences: ArrayLike, resamples: int = 9_999, seed: int = 0) -> float:
    """Return the two-sided p-value of the paired randomisation test.

    If both ways were the same, each difference could as well have the other sign [1]_: p is the
    part of all sign flips whose mean is as far from 0 as the one that was seen.

    Parameters
    ----------
    differences : array_like of float, shape (queries,)
    resamples : int
        Random flips; where there are no more than that in all, each is tried once and p is exact.
    seed : int

    Returns
    -------
    float
        Above 0, at most 1.  Of random flips the one that was seen counts as one more [4]_.

    Notes
    -----
    The test of `scipy.stats.permutation_test`, which takes 35 times as long for 10,000 questions;
    the tests compare the two.
    """
    if resamples < 1:
        raise ValueError(f"expected resamples >= 1, not {resamples}")
    found = np.asarray(differences, np.float64)
    found = found[found != 0]  # a zero is the same with either sign
    if not len(found):
        return 1.0
    total = found.sum()
    # a flip that gives the same sum in another order of addition is as far from 0
    bar = abs(total) - 1e-12 * np.abs(found).sum()
    exact = 2 ** len(found) <= resamples
    flips = _all_flips(len(found)) if exact else _random_flips(len(found), resamples, seed)
    as_far = sum(int((np.abs(total - 2 * (block @ found)) >= bar).sum()) for block in flips)
    return as_far / 2 ** len(found) if exact else (as_far + 1) / (resamples + 1)


def bootstrap_interval(
    differences: ArrayLike, resamples: int = 9_999, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean difference [2]_.

    Parameters
    ----------
    differences : array_like of float, shape (queries,)
    resamples : int
    level : float
        Confidence of the interval.
    seed : int

    Returns
    -------
    (low, high) : tuple of float
        Of a single question both are its difference: nothing is known of others.
    """
    found = np.asarray(differences, np.float64)
    if len(found) == 1:
        return float(found[0]), float(found[0])
    interval = stats.bootstrap(
        (found,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, _BLOCK // len(found)),
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def holm(ps: ArrayLike) -> Floats:
    """Return p-values corrected for their number, after Holm [3]_.

    Whichever of the hypotheses are true, the chance that any of these is rejected stays below the
    level that the corrected values are held against.

    Parameters
    ----------
    ps : array_like of float, shape (comparisons,)

    Returns
    -------
    ndarray of float64, shape (comparisons,)
        In the order given, at most 1.
    """
    given = np.asarray(ps, np.float64)
    order = np.argsort(given, kind="stable")
    stepped = given[order] * np.arange(len(given), 0, -1)
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def _comparison(
    name: str,
    differences: Floats,
    interval: tuple[float, float],
    p: float,
    corrected: Mapping[str, Any],
) -> Comparison:
    return Comparison(
        name=name,
        difference=float(differences.mean()),
        low=interval[0],
        high=interval[1],
        p=p,
        p_holm=float(corrected[name]),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        equal=int((differences == 0).sum()),
    )


def _all_flips(length: int) -> Iterator[NDArray[np.float64]]:
    """Yield every choice of which signs are flipped, as rows of 0 and 1."""
    yield ((np.arange(2**length)[:, None] >> np.arange(length)) & 1).astype(np.float64)


def _random_flips(length: int, number: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield random choices of which signs are flipped, as rows of 0 and 1, a block at a time."""
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK // length)
    for start in range(0, number, size):
        rows = min(size, number - start)
        packed = rng.integers(0, 256, (rows, -(-length // 8)), np.uint8)
        yield np.unpackbits(packed, axis=1, count=length).astype(np.float64)
