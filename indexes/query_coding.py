"""Queries as bytes, as the scan of stored codes takes them: compiled."""

import numpy as np
from numpy.typing import NDArray

from indexes.compiled import compiled
from indexes.dense_kernels import BAR, GAIN, PER_ERROR, PER_LENGTH, SHIFT, SLACK

I8, I32, F32, F64 = np.int8, np.int32, np.float32, np.float64

Coded = tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float32]]


@compiled
def encode_queries(
    queries: NDArray[np.float32], largest: int, longest: float, squared: bool, coded: Coded
) -> None:
    """Write the codes of queries and what their bounds are made of.

    Parameters
    ----------
    queries : ndarray of float32, shape (n, dimension)
    largest : int
        The greatest code.
    longest : float
        Length of the longest stored vector.
    squared : bool
        Whether scores are squared distances.
    coded : tuple
        Codes, int8 of shape (tiles, 1 + groups, width, 4); the same memory as int32, of shape
        (tiles, 1 + groups, width); terms, float32 of shape (tiles * width, 8).
    """
    codes, words, terms = coded
    width = codes.shape[2]
    twice = 2.0 if squared else 1.0
    for number in range(len(queries)):
        query, tile, lane = queries[number], number // width, number % width
        greatest = square = 0.0
        for value in query:
            greatest = max(greatest, abs(F64(value)))
            square += F64(value) * F64(value)
        scale = greatest / largest
        rest, total = 0.0, I32(0)
        for place in range(len(query)):
            value = F64(query[place])
            code = np.rint(value / scale) if scale > 0 else 0.0
            rest += (value - scale * code) ** 2
            total += I32(code)
            codes[tile, 1 + place // 4, lane, place % 4] = I8(code)
        # the codes of rows are stored with 128 added: each sum starts with what that adds, negated
        words[tile, 0, lane] = -128 * total
        length = np.sqrt(square)
        size = 4 * (longest + length) ** 2 if squared else 4 * longest * length
        slack = size * 2.0**-20 + 1e-36
        terms[number, GAIN] = F32(twice * scale)
        terms[number, PER_ERROR] = F32(twice * length * 1.000001 + 1e-37)
        terms[number, PER_LENGTH] = F32(twice * np.sqrt(rest) * 1.000001 + 1e-37)
        terms[number, SHIFT] = F32(slack - (square if squared else 0.0))
        terms[number, BAR] = -F32(np.inf)
        terms[number, SLACK] = F32(slack)
