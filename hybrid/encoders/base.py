"""What an encoder is, and how an index remembers which one it was built with.

An encoder turns texts into numbers for one or more indexes: dense vectors, learned lexical
weights.  One call gives all of them, so a model that computes several runs once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import EncoderError, EncoderMismatch
from hybrid.settings import differences

if TYPE_CHECKING:
    import scipy.sparse as sp

    from hybrid.text_analyzer import TextAnalyzer
    from indexes.multivector import TokenVectors

Vectors = NDArray[np.float32]

_LEXICAL, _TOKENS = "lexical weights", "token vectors"


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What an encoder makes of n texts; None for what it does not make.

    Attributes
    ----------
    dense : ndarray of float32, shape (n, dimension), or None
        A row of zeros says that the encoder knows nothing about a text.
    lexical : csr_matrix of float32, shape (n, terms), or None
        Weights >= 0 by term id.
    tokens : TokenVectors or None
        A vector for each token, for late interaction.
    """

    dense: Vectors | None = None
    lexical: "sp.csr_matrix | None" = None
    tokens: "TokenVectors | None" = None


@runtime_checkable
class Encoder(Protocol):
    """Texts to embeddings, the same way for an index and for its questions."""

    @property
    def dimension(self) -> int | None:
        """Length of the dense vectors; None when there are none."""

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions."""

    def fingerprint(self) -> dict[str, Any]:
        """Return, as JSON values, all that decides about the numbers: kind, name, revision ..."""


@runtime_checkable
class CorpusEncoder(Encoder, Protocol):
    """An encoder that is fitted to the corpus and lives in the index folder."""

    @property
    def learns_from(self) -> int:
        """How many texts it is fitted to at most; of more, every n-th is taken."""

    @property
    def fitted_on(self) -> int:
        """How many texts it was fitted on; 0 before the first fit."""

    def reading_with(self, analyzer: "TextAnalyzer") -> Self:
        """Return an unfitted copy that takes its terms from another analyzer."""

    def fit(self, texts: Iterable[str]) -> Self:
        """Return a fitted copy."""

    def save(self, folder: Path) -> None:
        """Write what was learned into a folder that exists."""


def dense_of(
    embeddings: Embeddings, texts: Sequence[str], encoder: Encoder, *, allow_zero: bool = False
) -> Vectors:
    """Return the dense vectors, or raise EncoderError when they cannot be indexed.

    Rows of zeros are refused, unless they are allowed or the encoder is fitted to the corpus: such
    an encoder says with them that it knows none of a text's words.
    """
    name = encoder.fingerprint().get("name")
    if embeddings.dense is None:
        raise EncoderError(
            f"expected {len(texts)} vectors of {encoder.dimension} dimensions from encoder "
            f"{name!r}, but no dense vectors came"
        )
    vectors = np.asarray(embeddings.dense, np.float32)
    if vectors.shape != (len(texts), encoder.dimension):
        raise EncoderError(
            f"expected {len(texts)} vectors of {encoder.dimension} dimensions from encoder "
            f"{name!r}, not an array of shape {vectors.shape}"
        )
    bad = ~np.isfinite(vectors).all(axis=1)
    zero = ~vectors.any(axis=1)
    if not allow_zero and zero.any() and not isinstance(encoder, CorpusEncoder):
        bad |= zero
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        came = "zeros" if np.isfinite(vectors[place]).all() else "NaN or infinity"
        raise EncoderError(
            f"expected a finite vector other than zero from encoder {name!r} "
            f"for the text {texts[place][:60]!r}, not {came}"
        )
    return vectors


def checked(
    embeddings: Embeddings, texts: Sequence[str], encoder: Encoder, *, allow_zero: bool = False
) -> Embeddings:
    """Return embeddings whose parts are as many as the texts and finite, or raise EncoderError.

    Dense vectors are checked as `dense_of` does.
    """
    dense = None
    name = encoder.fingerprint().get("name")
    _check_parts(embeddings, encoder.dimension, name)
    if encoder.dimension is not None:
        dense = dense_of(embeddings, texts, encoder, allow_zero=allow_zero)
    found = Embeddings(dense, _as_csr(embeddings.lexical), embeddings.tokens)
    for part, weights, count in _others(found):
        if count != len(texts):
            raise EncoderError(
                f"expected {part} for {len(texts)} texts from encoder {name!r}, not for {count}"
            )
        if not np.isfinite(weights).all():
            raise EncoderError(f"expected finite {part} from encoder {name!r}, not NaN or infinity")
        if part == _LEXICAL and (weights < 0).any():
            raise EncoderError(
                f"expected {part} of 0 or more from encoder {name!r}, not {weights.min()}"
            )
    return found


def parts_in(embeddings: Embeddings) -> tuple[str, ...]:
    """Return in words what there is: dense vectors, lexical weights, token vectors."""
    parts = (
        ("dense vectors", embeddings.dense),
        (_LEXICAL, embeddings.lexical),
        (_TOKENS, embeddings.tokens),
    )
    return tuple(part for part, numbers in parts if numbers is not None)


def _check_parts(embeddings: object, dimension: int | None, name: object) -> None:
    """Raise EncoderError unless these are embeddings, of the kinds that an encoder announces."""
    if not isinstance(embeddings, Embeddings):
        raise EncoderError(
            f"expected hybrid.encoders.base.Embeddings from encoder {name!r}, not "
            f"{type(embeddings).__name__}: return Embeddings(dense=...)"
        )
    if dimension is None and embeddings.dense is not None:
        raise EncoderError(
            f"expected no dense vectors from encoder {name!r}, whose dimension is None, not an "
            f"array of shape {np.shape(embeddings.dense)}: give it a dimension"
        )
    if not parts_in(embeddings) and dimension is None:
        raise EncoderError(
            f"expected dense vectors, {_LEXICAL} or {_TOKENS} from encoder {name!r}, but none came"
        )
    if embeddings.lexical is not None and not hasattr(embeddings.lexical, "tocsr"):
        raise EncoderError(
            f"expected {_LEXICAL} from encoder {name!r} as a csr_matrix, "
            f"not {type(embeddings.lexical).__name__}"
        )
    if embeddings.tokens is not None:
        _check_directions(embeddings.tokens, name)


def _check_directions(tokens: "TokenVectors", name: object) -> None:
    """Raise EncoderError unless token vectors are finite, not zero, and have offsets that fit."""
    from indexes.multivector import check_tokens

    try:
        check_tokens(tokens, tokens.vectors.shape[-1])
    except (AttributeError, ValueError) as error:
        raise EncoderError(f"expected {_TOKENS} from encoder {name!r}, but: {error}") from error


def _as_csr(lexical: "sp.csr_matrix | None") -> "sp.csr_matrix | None":
    return None if lexical is None else lexical.tocsr()


def _others(embeddings: Embeddings) -> Iterator[tuple[str, Vectors, int]]:
    """Yield what there is beside dense vectors: its name, its numbers, of how many texts."""
    if embeddings.lexical is not None:
        yield _LEXICAL, embeddings.lexical.data, embeddings.lexical.shape[0]
    if embeddings.tokens is not None:
        yield _TOKENS, embeddings.tokens.vectors, len(embeddings.tokens)


def check_same(stored: Mapping[str, Any], encoder: Encoder) -> None:
    """Raise EncoderMismatch unless the encoder is the one whose fingerprint was stored.

    Library versions may differ: whether they matter, the canaries tell.
    """
    differing = differences(without_versions(stored), without_versions(encoder.fingerprint()))
    if differing:
        raise EncoderMismatch(
            f"expected the encoder that the index was built with, but they differ in {differing}. "
            f"Open it with that encoder, or build the index again"
        )


def without_versions(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fingerprint without the versions of libraries."""
    return {name: value for name, value in fingerprint.items() if name != "versions"}


def differing_versions(stored: Mapping[str, Any], encoder: Encoder) -> str:
    """Return in which library versions two encoders differ, in words; "" when in none."""
    return differences(stored.get("versions") or {}, encoder.fingerprint().get("versions") or {})
