"""Exact arithmetic on dense vectors; numpy only."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.candidates import Scores

Vectors = NDArray[np.float32]
Metric = Literal["cosine", "ip", "l2"]

LONGEST = 1e18
"""Longest vector that is taken: beyond it squares overflow float32."""

_BLOCK = 8192


def as_vectors(vectors: ArrayLike, dimension: int, metric: Metric) -> Vectors:
    """Return vectors as an index holds them: float32, C order, of length 1 for cosine.

    Parameters
    ----------
    vectors : array_like, shape (n, dimension)
        Finite numbers.
    dimension : int
        The dimension that is expected.
    metric : {"cosine", "ip", "l2"}
        Cosine refuses zero vectors: they have no direction.

    Raises
    ------
    ValueError
        If the shape is another, or a vector is not finite, too long, or zero under cosine.
    """
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != dimension:
        raise ValueError(
            f"expected vectors of {dimension} dimensions in shape (n, {dimension}), not shape "
            f"{array.shape}: was the index built with another encoder?"
        )
    lengths = np.linalg.norm(array.astype(np.float64), axis=1)
    if not np.isfinite(lengths).all():
        bad = int(np.flatnonzero(~np.isfinite(lengths))[0])
        raise ValueError(f"expected finite vectors, but number {bad} has NaN or infinity")
    if (lengths > LONGEST).any():
        raise ValueError(f"expected vectors of a length up to {LONGEST:g}, not {lengths.max():g}")
    if metric != "cosine":
        return np.ascontiguousarray(array)
    if (lengths == 0).any():
        bad = int(np.flatnonzero(lengths == 0)[0])
        raise ValueError(f"expected vectors with a direction, but number {bad} is zero")
    return np.ascontiguousarray(array / lengths[:, None], dtype=np.float32)


def as_query(query: ArrayLike, dimension: int, metric: Metric) -> Vectors | None:
    """Return a query as an index compares it, or None when cosine finds no direction in it."""
    array = np.asarray(query, np.float32)
    if array.ndim != 1:
        raise ValueError(f"expected one query vector, not an array of shape {array.shape}")
    if metric == "cosine" and len(array) == dimension and not array.any():
        return None
    return np.asarray(as_vectors(array[None], dimension, metric)[0])


def exact_scores(vectors: Vectors, query: Vectors, metric: Metric) -> Scores:
    """Return the score of each vector, computed in float64 and rounded once.

    The sum runs along each row by itself, so a score does not depend on its neighbours, as it
    would in a matrix product.
    """
    target = query.astype(np.float64)
    scores = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        wide = vectors[start : start + _BLOCK].astype(np.float64)
        terms = -np.square(wide - target) if metric == "l2" else wide * target
        scores[start : start + _BLOCK] = terms.sum(axis=1)
    return scores


def rounding_error(dimension: int, longest: float, query: Vectors, metric: Metric) -> float:
    """Return a bound on how far a float32 score can be from the exact one.

    A sum of d rounded products is off by at most d * u * sum |x_i q_i| with u = 2**-24 [1]_, and
    that sum is at most |x| |q|.  The bound doubles it, and for l2 counts all four terms of the
    expanded square, which is what FAISS computes for batches.

    References
    ----------
    .. [1] Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1.
    """
    length = float(np.linalg.norm(query.astype(np.float64)))
    size = (longest + length) ** 2 * 2 if metric == "l2" else longest * length
    return (dimension + 8) * 2.0**-23 * size


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and covariance of the vectors of an index, for the spread of any query's scores.

    A score is linear in the vector x: q.x for cosine and dot product, and 2 q.x - |x|^2 - |q|^2
    for l2, where |x|^2 stands as one more coordinate.  So its mean is q.m and its variance qCq.

    Attributes
    ----------
    mean : ndarray of float64, shape (d,), or (d + 1,) for l2
    covariance : ndarray of float64, shape (d, d), or (d + 1, d + 1) for l2
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Vectors, metric: Metric) -> "Moments":
        """Return the moments of vectors, shape (n, d)."""
        width = vectors.shape[1] + (metric == "l2")
        count = max(len(vectors), 1)
        mean = np.zeros(width)
        for block in _blocks(vectors, metric):
            mean += block.sum(axis=0)
        mean /= count
        covariance = np.zeros((width, width))
        for block in _blocks(vectors, metric):
            centred = block - mean
            covariance += centred.T @ centred
        return cls(mean, covariance / count)

    def save(self, folder: Path) -> None:
        """Write both arrays into a folder that exists."""
        np.save(folder / "mean.npy", self.mean, allow_pickle=False)
        np.save(folder / "covariance.npy", self.covariance, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "Moments":
        """Read what `save` wrote."""
        mean = np.load(folder / "mean.npy", allow_pickle=False)
        return cls(mean, np.load(folder / "covariance.npy", allow_pickle=False))

    def of_scores(self, query: Vectors, metric: Metric) -> tuple[float, float]:
        """Return mean and standard deviation of a query's scores over all vectors."""
        direction = query.astype(np.float64)
        shift = 0.0
        if metric == "l2":
            shift = -float(np.square(direction).sum())
            direction = np.append(2 * direction, -1.0)
        mean = float((direction * self.mean).sum()) + shift
        variance = float((direction * (self.covariance * direction).sum(axis=1)).sum())
        return mean, max(variance, 0.0) ** 0.5


def _blocks(vectors: Vectors, metric: Metric) -> Iterator[NDArray[np.float64]]:
    """Yield the vectors in float64, a bounded number at a time, with |x|^2 appended for l2."""
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK].astype(np.float64)
        yield np.column_stack([block, np.square(block).sum(axis=1)]) if metric == "l2" else block
