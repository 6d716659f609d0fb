"""Two things that compiled code needs and Python has no word for."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

_numba: Any = numba  # its types do not say what there is

_UNKNOWN = 1 << 40  # of how many values an array at an address consists; its user knows


def _intrinsic(function: Callable[..., Any]) -> Any:
    """Return a function that compiled code calls without its first argument."""
    return intrinsic(function)


@_intrinsic
def _pointer(_: Any, address: Any, zero: Any) -> Any:
    """Return an address as a pointer to values of the type of `zero`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return _numba.types.CPointer(zero)(address, zero), generate


@numba.njit(nogil=True)
def array_at(address: np.int64, zero: Any) -> Any:
    """Return the array that lies at an address, of the type of `zero`; its end is not known."""
    return _numba.carray(_pointer(address, zero), (_UNKNOWN,))


@_intrinsic
def prefetch(_: Any, address: Any) -> Any:
    """Have the processor load a cache line that will be read soon.  Any address is allowed."""

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
        read, keep, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(function, [builder.inttoptr(arguments[0], byte), read, keep, data])
        return context.get_dummy_value()

    return _numba.types.void(address), generate


@_intrinsic
def at_least(_: Any, address: Any, bar: Any) -> Any:
    """Return which of the 64 values of int32 at an address reach a bar, as bits of an uint64."""

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        number = ir.IntType(32)
        vector = ir.VectorType(number, 64)
        none = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(none, arguments[1], ir.Constant(number, 0))
        bars = builder.shuffle_vector(first, none, ir.Constant(vector, [0] * 64))
        values = builder.load(builder.inttoptr(arguments[0], vector.as_pointer()), align=4)
        return builder.bitcast(builder.icmp_signed(">=", values, bars), ir.IntType(64))

    return _numba.types.uint64(_numba.types.int64, _numba.types.int32), generate


@_intrinsic
def lowest_bit(_: Any, word: Any) -> Any:
    """Return which bit of a word, not 0, is the lowest that is set."""

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return _numba.types.uint64(_numba.types.uint64), generate
