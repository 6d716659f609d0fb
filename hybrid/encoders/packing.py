"""Embeddings text by text, as bytes: what a cache keeps, and puts together again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.errors import EncoderError

if TYPE_CHECKING:
    from indexes.multivector import TokenVectors


class Packed(NamedTuple):
    """What an encoder made of one text; None for what it does not make.

    Attributes
    ----------
    dense : bytes or None
        The dense vector as little-endian float32.
    ids, weights : bytes or None
        The lexical weights: term ids as int32, ascending, and float32.
    terms : int or None
        How many terms there are.
    tokens : bytes or None
        The token vectors one after the other, as float32 or float16.
    width : int or None
        Length of a token vector.
    """

    dense: bytes | None
    ids: bytes | None
    weights: bytes | None
    terms: int | None
    tokens: bytes | None
    width: int | None


def pack(embeddings: Embeddings, token_type: str = "<f4") -> list[Packed]:
    """Return embeddings as one value for each text.

    Parameters
    ----------
    embeddings : Embeddings
        Of n texts, with at least one part.
    token_type : {"<f4", "<f2"}
        How token vectors are written.

    Raises
    ------
    EncoderError
        If a token vector is too long for half precision.
    """
    dense = None if embeddings.dense is None else np.asarray(embeddings.dense, "<f4")
    matrix = embeddings.lexical
    lexical = None if matrix is None else sp.csr_matrix(matrix, dtype=np.float32)
    if lexical is not None and not lexical.has_canonical_format:
        lexical = lexical.copy()  # the encoder's own stays as it is
        lexical.sum_duplicates()
    tokens = embeddings.tokens
    sizes = [len(part) for part in (dense, tokens) if part is not None]
    count = sizes[0] if sizes else 0 if lexical is None else lexical.shape[0]
    packed = []
    for place in range(count):
        ids = weights = own = None
        if lexical is not None:
            span = slice(lexical.indptr[place], lexical.indptr[place + 1])
            ids = lexical.indices[span].astype("<i4").tobytes()
            weights = lexical.data[span].astype("<f4").tobytes()
        if tokens is not None:
            first, end = tokens.offsets[place : place + 2]
            own = _rounded(tokens.vectors[first:end], token_type).tobytes()
        packed.append(
            Packed(
                None if dense is None else dense[place].tobytes(),
                ids,
                weights,
                None if lexical is None else int(lexical.shape[1]),
                own,
                None if tokens is None else int(tokens.vectors.shape[1]),
            )
        )
    return packed


def unpack(packed: Sequence[Packed], token_type: str = "<f4") -> Embeddings:
    """Return what `pack` took apart: one text or more.

    Raises
    ------
    EncoderError
        If some have other parts than others, or token vectors of another length.
    """
    first = packed[0]
    for one in packed:
        if _kinds(one) != _kinds(first):
            raise EncoderError(
                f"expected the same of every text from an encoder, but it made {_kinds(first)} of "
                f"one and {_kinds(one)} of another"
            )
    dense = None
    if first.dense is not None:
        dense = np.stack([_numbers(one.dense, "<f4") for one in packed]).astype(np.float32)
    lexical = None if first.ids is None else _lexical(packed)
    tokens = None if first.tokens is None else _tokens(packed, token_type)
    return Embeddings(dense, lexical, tokens)


def _kinds(one: Packed) -> str:
    """Return what there is of a text, in words."""
    parts = {
        "dense vectors": one.dense,
        "lexical weights": one.ids,
        f"token vectors of {one.width} dimensions": one.tokens,
    }
    return ", ".join(name for name, written in parts.items() if written is not None)


def _rounded(vectors: Vectors, kind: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        found = vectors.astype(kind)
    if not np.isfinite(found).all():
        raise EncoderError(
            f"expected token vectors of length 1, not with numbers like {np.abs(vectors).max():g}"
        )
    return found


def _lexical(packed: Sequence[Packed]) -> sp.csr_matrix:
    ids = [_numbers(one.ids, "<i4") for one in packed]
    weights = [_numbers(one.weights, "<f4") for one in packed]
    offsets = _offsets([len(own) for own in ids])
    values = np.concatenate(weights).astype(np.float32)
    shape = len(packed), max(one.terms or 0 for one in packed)
    return sp.csr_matrix((values, np.concatenate(ids), offsets), shape)


def _tokens(packed: Sequence[Packed], token_type: str) -> "TokenVectors":
    from indexes.multivector import TokenVectors

    width = packed[0].width or 1
    vectors: list[Vectors] = [
        _numbers(one.tokens, token_type).astype(np.float32).reshape(-1, width) for one in packed
    ]
    return TokenVectors(np.concatenate(vectors), _offsets([len(own) for own in vectors]))


def _numbers(written: bytes | None, kind: str) -> NDArray[Any]:
    return np.frombuffer(written or b"", kind)


def _offsets(sizes: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
