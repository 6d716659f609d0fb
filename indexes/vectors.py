"""What vectors and queries must be, and the moments of the vectors; numpy only."""

from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.opened import opened

Vectors = NDArray[np.float32]
Metric = Literal["cosine", "ip", "l2"]

LONGEST = 1e18
"""Longest vector that is taken: beyond it squares overflow float32."""

_COARSE, _FINE = 2.0**18, 2.0**38


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


def lengths_of(vectors: Vectors) -> NDArray[np.float64]:
    """Return the length of each vector, summed in float64 along each row by itself."""
    return np.asarray(np.sqrt(np.square(vectors.astype(np.float64)).sum(axis=1)))


class Moments:
    """Mean and covariance of the vectors of an index, for the spread of any query's scores.

    A score is linear in the vector x: q.x for cosine and dot product, and 2 q.x - |x|^2 - |q|^2
    for l2, where |x|^2 stands as one more coordinate.  So its mean is q.m and its variance qCq.

    The sums are of whole numbers: a vector is divided by a power of two above the longest one, and
    rounded to steps of 2**-18, for the mean to steps of 2**-38.  A block's products add up below
    2**53, so a matrix product in float64 is exact, in any order and on any number of threads, and
    what is taken away again leaves nothing behind: the bits are those of a fresh index.

    Parameters
    ----------
    dimension : int
    metric : {"cosine", "ip", "l2"}
    exponent : int
        Vectors are shorter than ``2.0**exponent``.

    Attributes
    ----------
    sums : ndarray of int64, shape (3, width)
        The count, and the sums in fine and in coarse steps.
    products : ndarray of int64, shape (width, width)
        Sums of products, in coarse steps.
    """

    def __init__(self, dimension: int, metric: Metric, exponent: int) -> None:
        self.metric, self.exponent = metric, exponent
        width = dimension + (metric == "l2")
        self.sums = np.zeros((3, width), np.int64)
        self.products = np.zeros((width, width), np.int64)
        self._known: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    @staticmethod
    def exponent_of(longest: float, metric: Metric) -> int:
        """Return the least exponent for vectors up to a length."""
        return 1 if metric == "cosine" else int(np.frexp(longest)[1]) + 1

    def add(self, vectors: Vectors, sign: int = 1) -> None:
        """Count vectors, or with -1 count them no more.

        Parameters
        ----------
        vectors : ndarray of float32, shape (n, dimension)
            Of at most 8,192 vectors.
        sign : int
        """
        block = np.ldexp(vectors.astype(np.float64), -self.exponent)
        if self.metric == "l2":
            block = np.column_stack([block, np.square(block).sum(axis=1)])
        coarse = np.rint(block * _COARSE)
        self.sums[0] += sign * len(block)
        self.sums[1] += sign * np.rint(block * _FINE).sum(axis=0).astype(np.int64)
        self.sums[2] += sign * coarse.sum(axis=0).astype(np.int64)
        self.products += sign * (coarse.T @ coarse).astype(np.int64)
        self._known = None

    def of_scores(self, query: Vectors) -> tuple[float, float]:
        """Return mean and standard deviation of a query's scores over all vectors."""
        mean, covariance = self._known or self._solve()
        direction = query.astype(np.float64)
        shift = 0.0
        if self.metric == "l2":
            shift = -float(np.square(direction).sum())
            direction = np.append(2 * direction, -1.0)
        middle = float((direction * mean).sum()) + shift
        # not a product by BLAS, whose sums depend on the number of threads
        variance = float((direction * np.einsum("ij,j->i", covariance, direction)).sum())
        return middle, max(variance, 0.0) ** 0.5

    def save(self, folder: Path) -> None:
        """Write the sums into a folder that exists."""
        np.save(folder / "sums.npy", self.sums, allow_pickle=False)
        np.save(folder / "products.npy", self.products, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, dimension: int, metric: Metric, exponent: int) -> Self:
        """Read what `save` wrote."""
        moments = cls(dimension, metric, exponent)
        width = moments.sums.shape[1]
        moments.sums = opened(folder / "sums.npy", "<i8", (3, width), mode=None)
        moments.products = opened(folder / "products.npy", "<i8", (width, width), mode=None)
        return moments

    def _solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and covariance of the vectors as they were."""
        count = max(int(self.sums[0, 0]), 1)
        size = np.full(self.sums.shape[1], np.ldexp(1.0, self.exponent))
        if self.metric == "l2":
            size[-1] **= 2
        middle = self.sums[2] / count
        covariance = self.products / count - middle[:, None] * middle
        mean = self.sums[1] / count / _FINE * size
        self._known = mean, covariance / _COARSE**2 * size * size[:, None]
        return self._known
