"""What an encoder is, and how an index remembers which one it was built with.

An encoder turns texts into numbers for one or more indexes: dense vectors, learned lexical
weights.  One call gives all of them, so a model that computes several runs once.
"""

from collections.abc import Iterable, Mapping, Sequence
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

CANARIES = (
    "The quick brown fox jumps over the lazy dog.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "def fibonacci(n): return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)",
    "In 1969 drei Menschen flogen zum Mond; две вернулись; عاد الثالث أيضا.",
)
"""Sentences that are encoded when an index is built, and again when it is opened."""

_LEAST_CANARY_COSINE = 0.999  # other hardware and half precision stay above it


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


def dense_of(embeddings: Embeddings, texts: Sequence[str], encoder: Encoder) -> Vectors:
    """Return the dense vectors, or raise EncoderError when they cannot be indexed.

    Rows of zeros are refused, unless the encoder is fitted to the corpus: such an encoder says
    with them that it knows none of a text's words.
    """
    name = encoder.fingerprint().get("name")
    vectors = np.asarray(embeddings.dense, np.float32)
    if vectors.shape != (len(texts), encoder.dimension):
        raise EncoderError(
            f"expected {len(texts)} vectors of {encoder.dimension} dimensions from encoder "
            f"{name!r}, not an array of shape {vectors.shape}"
        )
    bad = ~np.isfinite(vectors).all(axis=1)
    if not isinstance(encoder, CorpusEncoder):
        bad |= ~vectors.any(axis=1)
    if bad.any():
        text = texts[int(np.flatnonzero(bad)[0])]
        raise EncoderError(
            f"expected a finite vector other than zero from encoder {name!r} "
            f"for the text {text[:60]!r}"
        )
    return vectors


def check_same(stored: Mapping[str, Any], encoder: Encoder) -> None:
    """Raise EncoderMismatch unless the encoder is the one whose fingerprint was stored."""
    differing = differences(stored, encoder.fingerprint())
    if differing:
        raise EncoderMismatch(
            f"expected the encoder that the index was built with, but they differ in {differing}. "
            f"Open it with that encoder, or build the index again"
        )


def canaries_of(encoder: Encoder) -> Vectors | None:
    """Return the vectors of the canary sentences; None when there are no dense vectors."""
    return encoder.encode_queries(CANARIES).dense


def check_canaries(stored: Vectors, encoder: Encoder) -> None:
    """Raise EncoderMismatch when the canary sentences come out differently than they did."""
    found = canaries_of(encoder)
    if found is None or found.shape != stored.shape:
        shape = None if found is None else found.shape
        raise EncoderMismatch(f"expected canary vectors of shape {stored.shape}, not {shape}")
    dots = (found.astype(np.float64) * stored).sum(axis=1)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(stored, axis=1)
    same = (dots >= _LEAST_CANARY_COSINE * lengths) & (found.any(axis=1) == stored.any(axis=1))
    if not same.all():
        raise EncoderMismatch(
            f"encoder {encoder.fingerprint().get('name')!r} has the right name, but gives other "
            f"vectors than when the index was built (canary {CANARIES[int(np.argmin(same))]!r}): "
            f"were its weights replaced? Build the index again"
        )
