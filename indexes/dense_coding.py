"""Dense vectors and queries as bytes: compiled.  What the codes are for is in `dense_kernels`."""

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.dense_native import LANES

STEP = 32
"""Stored vectors are padded with zeros to a multiple of so many numbers."""

U8, I64, F32, F64 = np.uint8, np.int64, np.float32, np.float64


@compiled
def encode(
    vectors: NDArray[np.float32],
    first: int,
    codes: NDArray[np.uint8],
    factors: NDArray[np.float32],
    squared: bool,
) -> None:
    """Code vectors for the slots from `first` on.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, width)
    first : int
    codes : ndarray of uint8, shape (slots / LANES, groups, LANES, 4)
        A code is c + 128.
    factors : ndarray of float32, shape (slots / LANES, 4, LANES)
        Scale, base, |x - x'| and |x'| of each slot, the last two rounded up.
    squared : bool
        Whether the base is -|x|^2, for Euclidean distances, and not 0.
    """
    for number in range(len(vectors)):
        block, lane = divmod(first + number, LANES)
        x = vectors[number]
        scale = scale_of(x)
        error = length = square = 0.0
        for place in range(codes.shape[1] * 4):
            value = F64(x[place]) if place < len(x) else 0.0
            code = np.rint(value / F64(scale)) if scale > 0 else 0.0
            codes[block, place // 4, lane, place % 4] = U8(I64(code) + 128)
            error += (value - F64(scale) * code) ** 2
            length += (F64(scale) * code) ** 2
            square += value * value
        factors[block, 0, lane] = scale
        factors[block, 1, lane] = F32(-square) if squared else F32(0)
        factors[block, 2, lane] = raised(error)
        factors[block, 3, lane] = raised(length)


@compiled
def scale_of(x: NDArray[np.float32]) -> np.float32:
    """Return what a code of 1 stands for; 0 for a vector too short to be coded."""
    greatest = F32(0)
    for value in x:
        greatest = max(greatest, abs(value))
    return F32(greatest / F32(127)) if greatest > F32(1e-30) else F32(0)


@compiled
def raised(square: float) -> np.float32:
    """Return the root of a number as a float32 that is not below it."""
    return F32(np.sqrt(square) * 1.000001 + 1e-37)


@compiled
def to_bytes(
    vectors: NDArray[np.float32], codes: NDArray[np.int8], scales: NDArray[np.float32]
) -> None:
    """Round vectors to whole multiples of a scale of their own."""
    for number in range(len(vectors)):
        x = vectors[number]
        scale = scale_of(x)
        scales[number] = scale
        for place in range(len(x)):
            codes[number, place] = I64(np.rint(F64(x[place]) / F64(scale))) if scale > 0 else 0
