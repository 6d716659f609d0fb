"""The compiled loop of late interaction: for each token of a query the best token of a text.

A stored token vector is widened to float32 once, and multiplied with every token of the query while
it is in the first-level cache.  Products are added in `LANES` sums, which are then added in pairs:
an order that is written down here, in LLVM's language.  So the score of a text has the same bits
whichever texts are scored with it, and on every processor; a product of matrices, whose blocks
depend on their sizes, promises neither.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic
from numpy.typing import NDArray

from indexes.compiled import compiled

_numba: Any = numba  # its types do not say what there is

LANES = 64
"""Sums that are carried side by side; query and vectors are padded with zeros to a multiple."""

FLOOR, CEILING = np.float32(-1), np.float32(1)
"""What no score can be below or above; a text without token vectors has the floor."""

_U32, _F32 = np.uint32, np.float32
_HALF_BIAS = np.float32(2.0**112)  # between the exponents of float16 and of float32


def _intrinsic(function: Callable[..., Any]) -> Any:
    """Return a function that compiled code calls without its first argument."""
    return intrinsic(function)


@_intrinsic
def _dot(_: Any, one: Any, other: Any, length: Any) -> Any:
    """Return the dot product of two vectors of float32 at addresses, of a multiple of `LANES`."""

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        index, lanes = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
        before = builder.block
        loop, after = (builder.append_basic_block() for _ in range(2))
        builder.branch(loop)
        builder.position_at_end(loop)
        place, total = builder.phi(index), builder.phi(lanes)
        place.add_incoming(ir.Constant(index, 0), before)
        total.add_incoming(ir.Constant(lanes, [0.0] * LANES), before)
        offset = builder.mul(place, ir.Constant(index, 4))
        values = [
            builder.load(builder.inttoptr(builder.add(base, offset), lanes.as_pointer()), align=4)
            for base in arguments[:2]
        ]
        added = builder.fadd(total, builder.fmul(*values))
        following = builder.add(place, ir.Constant(index, LANES))
        place.add_incoming(following, loop)
        total.add_incoming(added, loop)
        builder.cbranch(builder.icmp_signed("<", following, arguments[2]), loop, after)
        builder.position_at_end(after)
        return _sum(builder, added)

    return _numba.types.float32(_numba.types.int64, _numba.types.int64, length), generate


def _sum(builder: Any, values: Any) -> Any:
    """Return the sum of the lanes: one half is added to the other until one lane is left."""
    number, width = ir.IntType(32), LANES // 2
    while width:
        halves = (
            ir.Constant(ir.VectorType(number, width), list(range(start, start + width)))
            for start in (0, width)
        )
        values = builder.fadd(*(builder.shuffle_vector(values, values, half) for half in halves))
        width //= 2
    return builder.extract_element(values, ir.Constant(number, 0))


@compiled
def maxsim(
    codes: NDArray[Any],
    scales: NDArray[np.float32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    query: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Score texts: the mean over the query's tokens of the largest product with a text's token.

    Parameters
    ----------
    codes : ndarray of uint16 or int8, shape (tokens, dimension)
        The bits of float16, or whole numbers.
    scales : ndarray of float32, shape (tokens,)
        What the codes of a vector are multiplied with.
    starts, stops : ndarray of int64, shape (n,)
        Where the tokens of each text are.
    query : ndarray of float32, shape (query tokens, width)
        Padded with zeros to a multiple of `LANES`; at least one token.
    scores : ndarray of float32, shape (n,)
        Where the scores are put.
    """
    width = query.shape[1]
    vector = np.zeros(width, np.float32)
    bits = vector.view(np.uint32)
    best = np.empty(len(query), np.float32)
    for text in range(len(starts)):
        best[:] = FLOOR
        for token in range(starts[text], stops[text]):
            _widen(codes[token], vector, bits)
            for number in range(len(query)):
                at = query.ctypes.data + 4 * width * number
                product = _dot(vector.ctypes.data, at, width) * scales[token]
                best[number] = max(best[number], product)
        total = 0.0
        for product in best:
            total += np.float64(min(product, CEILING))
        scores[text] = total / len(query)


@compiled
def _widen(codes: NDArray[Any], vector: NDArray[np.float32], bits: NDArray[np.uint32]) -> None:
    """Write codes as float32 into a vector, whose bits are `bits`."""
    if codes.itemsize == 1:
        for place in range(len(codes)):
            vector[place] = codes[place]
        return
    for place in range(len(codes)):
        code = _U32(codes[place])
        bits[place] = ((code & _U32(0x7FFF)) << _U32(13)) | ((code & _U32(0x8000)) << _U32(16))
    for place in range(len(codes)):
        vector[place] *= _HALF_BIAS
