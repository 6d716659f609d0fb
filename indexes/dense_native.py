"""What the scan of dense vectors needs of the processor: products of bytes, sums in a fixed order.

Written in LLVM's language, where vectors have a length.  The products of bytes are whole numbers,
and the sums of float64 are added in an order that is written down here, so every processor gives
the same bits; only how fast it does so differs.
"""

import functools
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

_ir_tools: Any = cgutils
_numba: Any = numba  # its types do not say what there is

LANES = 64
"""Rows whose codes lie side by side, four bytes of each in turn."""

TILE = 4
"""Queries that are multiplied with codes at the same time."""

_I1, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
_F16, _F32, _F64 = ir.HalfType(), ir.FloatType(), ir.DoubleType()
_BYTES = {_I8: 1, _F16: 2, _F32: 4}
_PART = 16  # int32 in a register of 512 bits


def _intrinsic(function: Callable[..., Any]) -> Any:
    """Return a function that compiled code calls without its first argument."""
    return intrinsic(function)


@functools.cache
def largest_code() -> int:
    """Return up to which number queries are coded.

    AVX2 adds two products of bytes in an int16, and 255 * 127 + 255 * 127 does not fit into it.
    """
    features = cpu_target.target_context.codegen().magic_tuple()[2]
    return 63 if "+avx2" in features and "+avx512vnni" not in features else 127


def _vector(kind: Any, length: int) -> Any:
    return ir.VectorType(kind, length)


def _splat(builder: Any, value: Any, length: int) -> Any:
    """Return a vector of one value."""
    kind = _vector(value.type, length)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_I32, 0))
    places = ir.Constant(_vector(_I32, length), [0] * length)
    return builder.shuffle_vector(first, first, places)


def _load(builder: Any, address: Any, kind: Any) -> Any:
    """Return what lies at an address, which need not be aligned."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _offset(builder: Any, address: Any, count: int) -> Any:
    return builder.add(address, ir.Constant(_I64, count))


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Call an instruction of the processor by its name in LLVM."""
    shape = ir.FunctionType(result, [argument.type for argument in arguments])
    function = _ir_tools.get_or_insert_function(builder.module, shape, name)
    return builder.call(function, arguments)


def _add_products(builder: Any, features: str, sums: Any, codes: Any, query: Any) -> Any:
    """Add to 16 sums the products of 4 unsigned bytes each with the 4 signed bytes of a query."""
    if "+avx512vnni" in features:
        query = _splat(builder, query, _PART)
        return _call(builder, "llvm.x86.avx512.vpdpbusd.512", sums.type, [sums, codes, query])
    if "+avx2" in features:
        return _add_pairs(builder, sums, codes, query)
    for place in range(4):
        shift = ir.Constant(_I32, 8 * place)
        byte = builder.ashr(
            builder.shl(query, ir.Constant(_I32, 24 - 8 * place)), ir.Constant(_I32, 24)
        )
        mask = _splat(builder, ir.Constant(_I32, 255), _PART)
        code = builder.and_(builder.lshr(codes, _splat(builder, shift, _PART)), mask)
        sums = builder.add(sums, builder.mul(code, _splat(builder, byte, _PART)))
    return sums


def _add_pairs(builder: Any, sums: Any, codes: Any, query: Any) -> Any:
    """Do the same with sums of two products in an int16: see `largest_code`."""
    halves = []
    bytes_, words = _vector(_I8, 32), _vector(_I16, 16)
    factor = builder.bitcast(_splat(builder, query, 8), bytes_)
    ones = ir.Constant(words, [1] * 16)
    for start in (0, 8):
        places = ir.Constant(_vector(_I32, 8), list(range(start, start + 8)))
        part = builder.bitcast(builder.shuffle_vector(codes, codes, places), bytes_)
        pairs = _call(builder, "llvm.x86.avx2.pmadd.ub.sw", words, [part, factor])
        fours = _call(builder, "llvm.x86.avx2.pmadd.wd", _vector(_I32, 8), [pairs, ones])
        halves.append(builder.add(builder.shuffle_vector(sums, sums, places), fours))
    both = ir.Constant(_vector(_I32, 16), list(range(16)))
    return builder.shuffle_vector(*halves, both)


def _products(count: int) -> Any:
    """Return the intrinsic that multiplies the codes of `LANES` rows with `count` queries.

    It takes the addresses of the codes, of the queries, how many groups of four dimensions there
    are, and the address of `count` times `LANES` int32 for the sums.  The queries begin with an
    int32 each, at which their sums start; their bytes follow, group by group.
    """

    @_intrinsic
    def products(_: Any, codes: Any, queries: Any, groups: Any, sums: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            features = context.codegen().magic_tuple()[2]
            parts = range(LANES // _PART)
            # without AVX-512 the sums of one part for several queries fill the registers
            whole = count == 1 or "+avx512" in features
            for some in [list(parts)] if whole else [[part] for part in parts]:
                _multiply(builder, features, arguments, some, count)
            return context.get_dummy_value()

        return _numba.types.void(codes, queries, groups, sums), generate

    return products


def _multiply(builder: Any, features: str, arguments: Any, parts: list[int], count: int) -> None:
    """Generate the loop over groups of four dimensions for some parts of the rows."""
    codes, queries, groups, out = arguments
    kind = _vector(_I32, _PART)
    starts = [
        _splat(builder, _load(builder, _offset(builder, queries, 4 * number), _I32), _PART)
        for number in range(count)
    ]
    queries = _offset(builder, queries, 4 * count)
    before, loop, after = builder.block, *(builder.append_basic_block() for _ in range(2))
    builder.branch(loop)
    builder.position_at_end(loop)
    group, code, query = (builder.phi(_I64) for _ in range(3))
    sums = [[builder.phi(kind) for _ in range(count)] for _ in parts]
    step = LANES * 4
    for name, first in ((group, ir.Constant(_I64, 0)), (code, codes), (query, queries)):
        name.add_incoming(first, before)
    words = [_load(builder, _offset(builder, query, 4 * number), _I32) for number in range(count)]
    for row, part in zip(sums, parts, strict=True):
        here = _load(builder, _offset(builder, code, 64 * part), kind)
        for number, total in enumerate(row):
            total.add_incoming(starts[number], before)
            added = _add_products(builder, features, total, here, words[number])
            total.add_incoming(added, loop)
            row[number] = added
    following = _offset(builder, group, 1)
    group.add_incoming(following, loop)
    code.add_incoming(_offset(builder, code, step), loop)
    query.add_incoming(_offset(builder, query, 4 * count), loop)
    builder.cbranch(builder.icmp_signed("<", following, groups), loop, after)
    builder.position_at_end(after)
    for row, part in zip(sums, parts, strict=True):
        for number, total in enumerate(row):
            place = _offset(builder, out, 4 * LANES * number + 64 * part)
            builder.store(total, builder.inttoptr(place, kind.as_pointer()), align=4)


multiply_one, multiply_tile = _products(1), _products(TILE)


@_intrinsic
def reaching(_: Any, sums: Any, factors: Any, terms: Any) -> Any:
    """Return which of `LANES` rows can reach a bar, as bits of an uint64.

    Parameters
    ----------
    sums : address of LANES int32
    factors : address of 4 * LANES float32
        Scale, base, error and length of each row.
    terms : address of 5 float32
        What the product of sum and scale, the error and the length are multiplied with, what is
        added, and the bar.
    """

    def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
        whole, real = _vector(_I32, LANES), _vector(_F32, LANES)
        total = builder.sitofp(_load(builder, arguments[0], whole), real)
        scale, base, error, length = (
            _load(builder, _offset(builder, arguments[1], 4 * LANES * place), real)
            for place in range(4)
        )
        gain, per_error, per_length, shift, bar = (
            _splat(builder, _load(builder, _offset(builder, arguments[2], 4 * place), _F32), LANES)
            for place in range(5)
        )
        upper = builder.fmul(builder.fmul(total, scale), gain)
        for other in (
            base,
            builder.fmul(error, per_error),
            builder.fmul(length, per_length),
            shift,
        ):
            upper = builder.fadd(upper, other)
        return builder.bitcast(builder.fcmp_ordered(">=", upper, bar), _I64)

    return _numba.types.uint64(sums, factors, terms), generate


def _exact(kind: Any, *, squares: bool) -> Any:
    """Return the intrinsic that adds products, or squares of differences, 32 at a time.

    Bytes come with the address of what 1 stands for.
    """

    @_intrinsic
    def exact(_: Any, vector: Any, query: Any, count: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            features = context.codegen().magic_tuple()[2]
            return _sum(builder, features, kind, arguments, squares=squares)

        return _numba.types.float64(vector, query, count), generate

    @_intrinsic
    def scaled(_: Any, vector: Any, query: Any, count: Any, scale: Any) -> Any:
        def generate(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            features = context.codegen().magic_tuple()[2]
            return _sum(builder, features, kind, arguments, squares=squares)

        return _numba.types.float64(vector, query, count, scale), generate

    return scaled if kind is _I8 else exact


def _sum(builder: Any, features: str, kind: Any, arguments: Any, *, squares: bool) -> Any:
    """Generate four sums of 8 numbers each, side by side, and their sum."""
    wide = _vector(_F64, 8)
    vector, query, count = arguments[:3]
    sums = [_ir_tools.alloca_once(builder, wide) for _ in range(4)]
    for total in sums:
        builder.store(ir.Constant(wide, [0.0] * 8), total)
    if kind is _I8:
        scale = builder.fpext(_load(builder, arguments[3], _F32), _F64)
        scale = _splat(builder, scale, 8)
    with _ir_tools.for_range(builder, count) as loop:
        for part, total in enumerate(sums):
            at = _offset(builder, builder.mul(loop.index, ir.Constant(_I64, 32)), 8 * part)
            here = builder.mul(at, ir.Constant(_I64, _BYTES[kind]))
            x = builder.add(vector, here)
            if kind is _F16 and "+f16c" not in features:
                x = _half(builder, x)
            else:
                x = _load(builder, x, _vector(kind, 8))
            here = builder.mul(at, ir.Constant(_I64, 8))
            q = _load(builder, builder.add(query, here), wide)
            if kind is _I8:
                x = builder.fmul(builder.sitofp(x, wide), scale)
            else:
                x = builder.fpext(x, wide)
            if squares:
                x = q = builder.fsub(x, q)
            builder.store(builder.fadd(builder.load(total), builder.fmul(x, q)), total)
    a, b, c, d = (builder.load(total) for total in sums)
    return _tree(builder, builder.fadd(builder.fadd(a, b), builder.fadd(c, d)))


def _half(builder: Any, address: Any) -> Any:
    """Return 8 float16 as float32: without an instruction, LLVM calls a function that is not there.

    The bits are moved to where a float32 has them; that leaves an exponent which is 112 too low.
    """
    whole = _vector(_I32, 8)
    bits = builder.zext(_load(builder, address, _vector(_I16, 8)), whole)
    sign, rest, left, up = (ir.Constant(whole, [value] * 8) for value in (0x8000, 0x7FFF, 16, 13))
    moved = builder.or_(
        builder.shl(builder.and_(bits, sign), left), builder.shl(builder.and_(bits, rest), up)
    )
    real = _vector(_F32, 8)
    return builder.fmul(builder.bitcast(moved, real), ir.Constant(real, [2.0**112] * 8))


def _tree(builder: Any, values: Any) -> Any:
    """Return the sum of 8 values: halves are added until one is left."""
    for half in (4, 2, 1):
        low, high = (
            ir.Constant(_vector(_I32, half), list(range(start, start + half)))
            for start in (0, half)
        )
        values = builder.fadd(
            builder.shuffle_vector(values, values, low),
            builder.shuffle_vector(values, values, high),
        )
    return builder.extract_element(values, ir.Constant(_I32, 0))


dot32, square32 = _exact(_F32, squares=False), _exact(_F32, squares=True)
dot8, square8 = _exact(_I8, squares=False), _exact(_I8, squares=True)
dot16, square16 = _exact(_F16, squares=False), _exact(_F16, squares=True)
