"""What other engines are given of ours: chunks as terms and vectors, and the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

import hybrid
from hybrid.benchmark.passing import Owners
from hybrid.encoders.base import Encoder, dense_of
from hybrid.encoders.cache import CachedEncoder
from hybrid.text_analyzer import TextAnalyzer
from indexes import DenseIndex
from indexes.candidates import Mask, Rows
from indexes.terms import TermBatch

Vectors = NDArray[np.float32]


class Question(NamedTuple):
    """What an engine is asked.

    Attributes
    ----------
    terms : list of str
        Of our analyzer.
    vector : ndarray of float32, shape (dimension,), or None
        None where there is none, or it has no direction.
    """

    terms: list[str]
    vector: Vectors | None


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of a retriever, numbered from 0 without gaps.

    Attributes
    ----------
    owners : Owners
        Which document each is of.
    terms : TermBatch
        Of our analyzer.
    vectors : ndarray of float32, shape (chunks, dimension)
        As our index stores them: of length 1 where it compares by cosine.  Zeros where there is
        none.
    embedded : ndarray of bool, shape (chunks,)
        Which have a vector.
    metric : {"ip", "l2"}
        How vectors are compared.
    """

    owners: Owners
    terms: TermBatch
    vectors: Vectors
    embedded: Mask
    metric: Literal["ip", "l2"] = "ip"

    def __len__(self) -> int:
        return len(self.terms)


@dataclass(frozen=True, slots=True)
class Asking:
    """How a text becomes a question: as with us, and as if no text was encoded before."""

    analyzer: TextAnalyzer
    encoder: Encoder | None

    def questions(self, texts: Sequence[str], *, vectors: bool) -> list[Question]:
        """Return what these texts ask, with vectors or without."""
        terms = [self.analyzer.query_terms(text) for text in texts]
        if self.encoder is None or not vectors:
            return [Question(each, None) for each in terms]
        encoded = dense_of(self.encoder.encode_queries(texts), texts, self.encoder)
        return [
            Question(each, vector if vector.any() else None)
            for each, vector in zip(terms, encoded, strict=True)
        ]


def of_retriever(retriever: hybrid.Retriever) -> tuple[Chunks, Asking]:
    """Return the chunks that a retriever holds, and how its questions are read.

    Chunks are analysed anew; vectors are those that its dense index stores.
    """
    search = retriever._search()
    store, indexes = search.store, search.indexes
    rows, owners = store.rows(), Owners.of(store)
    terms = indexes.analyzer.batch(store.texts(rows.tolist()))
    encoder = indexes.encoder
    if isinstance(encoder, CachedEncoder):
        encoder = encoder.encoder
    vectors, embedded = _stored(indexes.dense, rows)
    chunks = Chunks(
        owners=Owners(owners.names, owners.numbers[rows]),
        terms=terms,
        vectors=vectors,
        embedded=embedded,
        metric="l2" if indexes.dense is not None and indexes.dense.metric == "l2" else "ip",
    )
    return chunks, Asking(indexes.analyzer, encoder if embedded.any() else None)


def _stored(index: DenseIndex | None, rows: Rows) -> tuple[Vectors, Mask]:
    """Return the vectors of rows as an index stores them, and which rows have one."""
    if index is None or not index.bytes:  # which has it take in what was added last
        return np.zeros((len(rows), 0), np.float32), np.zeros(len(rows), np.bool_)
    slots = index._stored.slots.of(rows)
    vectors = np.zeros((len(rows), index.dimension), np.float32)
    vectors[slots >= 0] = index._stored.chunks.vectors_of(slots[slots >= 0])
    return vectors, slots >= 0
