"""The parallel indexes over one store: what a text becomes in each, and what a question becomes."""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusion import Arm, Method, Weighted
from hybrid.damaged import found_damaged, told_as_damage
from hybrid.decoding import well_formed
from hybrid.encoders.base import (
    CorpusEncoder,
    Embeddings,
    Encoder,
    Vectors,
    dense_of,
)
from hybrid.encoders.cache import CachedEncoder
from hybrid.encoders.canaries import save_canaries
from hybrid.encoders.function import Precomputed
from hybrid.errors import DimensionMismatch, EncoderError
from hybrid.hooks import timed
from hybrid.settings import BM25, Dense
from hybrid.store import ChunkStore
from hybrid.text_analyzer import TextAnalyzer
from indexes import BM25Index, DenseIndex, LexicalIndex, MultiVectorIndex
from indexes.candidates import Rows, Scores
from indexes.multivector import TokenVectors, check_tokens
from indexes.opened import DamagedFile, check
from indexes.terms import TermBatch

ALWAYS_REFIT = 10_000
"""Up to this many chunks an encoder that is fitted to the corpus is fitted anew at every change, so
that an index with a history equals a fresh one.  Above, when a tenth has changed since."""

_VECTORS_WEIGHT = {"lsa": 0.3}
_OTHER_VECTORS_WEIGHT = 0.7
PARTS = ("bm25", "dense", "lexical", "multivector")
_BY_WORDS, _BY_VECTORS = ("bm25", "lexical"), ("dense", "multivector")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Texts in the form that each index takes; making it changes nothing."""

    terms: TermBatch
    embeddings: Embeddings | None


class Indexes:
    """BM25 and what the encoder feeds, over the rows of one store.

    Parameters
    ----------
    analyzer : TextAnalyzer
        For BM25.
    encoder : Encoder or None
        For the other indexes; None: BM25 alone.
    bm25, dense : BM25, Dense
        The choices for the two.
    detect : bool
        Whether the analyzer is provisional, until the first documents show what they are.
    """

    def __init__(
        self,
        analyzer: TextAnalyzer,
        encoder: Encoder | None,
        bm25: BM25,
        dense: Dense,
        *,
        detect: bool = False,
    ) -> None:
        self.analyzer, self.encoder = analyzer, encoder
        self.choices = bm25, dense
        self.detect = detect
        self._lock = threading.Lock()
        self.bm25 = BM25Index(**bm25.settings())
        self.dense: DenseIndex | None = None
        self.lexical: LexicalIndex | None = None
        self.multivector: MultiVectorIndex | None = None
        self._changed = 0  # chunks that came or went since a corpus encoder was fitted
        self._unencoded: set[int] = set()

    def names(self) -> list[str]:
        """Return the names of the indexes that a question is put to."""
        there = {
            "dense": self.encoder is not None and self.encoder.dimension is not None,
            "lexical": self.lexical is not None,
            "multivector": self.multivector is not None,
        }
        return ["bm25", *(name for name, is_there in there.items() if is_there)]

    def settings(self) -> dict[str, Any]:
        """Return what an index folder must know to open the indexes again, as JSON values."""
        return {
            "encoder": None if self.encoder is None else self.encoder.fingerprint(),
            "analyzer": self.analyzer.settings(),
            "bm25": self.choices[0].settings(),
            "dense": self.choices[1].settings(),
            "changed_since_fit": self._changed,
        }

    def prepare(self, texts: Sequence[str]) -> Prepared:
        """Analyse and encode texts.  What fails here has left no trace."""
        terms = self.analyzer.batch(texts)
        if self.encoder is None or isinstance(self.encoder, CorpusEncoder) or not texts:
            return Prepared(terms, None)
        embeddings = self.encoder.encode_documents(texts)
        if self.encoder.dimension is not None:
            dense_of(embeddings, texts, self.encoder)
        if embeddings.tokens is not None:
            width = None if self.multivector is None else self.multivector.dimension
            _check_tokens(embeddings.tokens, texts, self.encoder, width)
        return Prepared(terms, embeddings)

    def add(self, rows: Sequence[int], prepared: Prepared) -> None:
        """Add rows to every index."""
        try:
            self.bm25.add(rows, prepared.terms)
        except DamagedFile as error:
            raise found_damaged(error) from error
        if isinstance(self.encoder, CorpusEncoder):
            self._unencoded.update(rows)
            self._changed += len(rows)
        elif prepared.embeddings is not None:
            self._add_embeddings(rows, prepared.embeddings)

    def add_to(self, parts: Collection[str], rows: Sequence[int], texts: Sequence[str]) -> None:
        """Add rows to BM25 alone, or to what the encoder feeds alone, or to all."""
        both = "bm25" in parts and len(parts) > 1
        if "bm25" in parts and not both:
            self.bm25.add(rows, self.analyzer.batch(texts))
        elif both:
            self.add(rows, self.prepare(texts))
        elif isinstance(self.encoder, CorpusEncoder):
            self._unencoded.update(rows)
            self._changed += len(rows)
        elif parts and self.encoder is not None:
            embeddings = self.prepare(texts).embeddings
            if embeddings is not None:
                self._add_embeddings(rows, embeddings)

    def delete(self, rows: Sequence[int]) -> None:
        """Delete rows from every index."""
        for index in (self.bm25, self.dense, self.lexical, self.multivector):
            if index is not None:
                index.delete(rows)
        self._unencoded.difference_update(rows)
        self._changed += len(rows)

    def compact(self) -> None:
        """Merge the parts of every index, and move together what is live; no answer changes."""
        for index in (self.bm25, self.dense, self.lexical, self.multivector):
            if index is not None:
                index.compact()

    def score_bm25_by(self, choice: BM25) -> None:
        """Change how BM25 scores."""
        self.bm25 = self.bm25.with_formula(**choice.settings())
        self.choices = choice, self.choices[1]

    def settle(self, store: ChunkStore) -> None:
        """Fit an encoder that lives on the corpus, when the corpus has changed enough."""
        with self._lock:
            if self._changed and isinstance(self.encoder, CorpusEncoder):
                self._settle(self.encoder, store)

    def _settle(self, encoder: CorpusEncoder, store: ChunkStore) -> None:
        if len(self.bm25) <= ALWAYS_REFIT or self._changed > len(self.bm25) / 10:
            rows = store.rows()
            step = -(-len(rows) // encoder.learns_from) or 1
            self.encoder = encoder = encoder.fit(_texts_of(store, rows[::step]))
            self.dense = self.lexical = self.multivector = None
            self._unencoded = set(rows.tolist())
            self._changed = 0
        waiting = np.array(sorted(self._unencoded), np.int64)
        for rows in _batches(waiting):
            texts = store.texts(rows)
            self._add_embeddings(rows, encoder.encode_documents(texts))
        self._unencoded = set()

    @timed("query", lambda asked: {"questions": len(asked)})
    def arms(self, questions: Sequence[str]) -> list[dict[str, Arm]]:
        """Return, for each question, every index with the query it understands.

        A blank question is put to no index.
        """
        asked: list[dict[str, Arm]] = [{} for _ in questions]
        places = [place for place, text in enumerate(questions) if text.strip()]
        texts = [well_formed(questions[place]) for place in places]  # models refuse half characters
        for place, text in zip(places, texts, strict=True):
            asked[place]["bm25"] = Arm(self.bm25, self.analyzer.query_terms(text))
        if self.encoder is None or not texts:
            return asked
        embeddings = _encoded(self.encoder, texts)
        if self.dense is not None:
            vectors = dense_of(embeddings, texts, self.encoder)
            for place, vector in zip(places, vectors, strict=True):
                asked[place]["dense"] = Arm(self.dense, vector)
        if self.lexical is not None and embeddings.lexical is not None:
            for number, place in enumerate(places):
                asked[place]["lexical"] = Arm(self.lexical, embeddings.lexical[[number]])
        if self.multivector is not None and embeddings.tokens is not None:
            _check_tokens(embeddings.tokens, texts, self.encoder, self.multivector.dimension)
            for number, place in enumerate(places):
                tokens = embeddings.tokens.of(number)
                asked[place]["multivector"] = Arm(self.multivector, tokens, rescores=True)
        return asked

    def lexical_parts(self, arms: Mapping[str, Arm], rows: Sequence[int]) -> dict[str, Scores]:
        """Return what each token of a question adds to the learned weights' score of some rows."""
        if self.lexical is None or "lexical" not in arms:
            return {}
        parts = self.lexical.parts(arms["lexical"].query, rows)
        encoder = self.encoder.encoder if isinstance(self.encoder, CachedEncoder) else self.encoder
        spell = getattr(encoder, "spelled", None)
        names = [str(term) for term in parts] if spell is None else spell(list(parts))
        return dict(zip(names, parts.values(), strict=True))

    def default_fusion(self) -> Method:
        """Return the fusion that measurement favours for this encoder (docs/adr/0004, 0011).

        The indexes of words share one part of the weight, those of vectors the other.
        """
        names = self.names()
        sides = [[name for name in side if name in names] for side in (_BY_WORDS, _BY_VECTORS)]
        if self.encoder is None or not sides[1]:
            return Weighted(dict.fromkeys(sides[0], 1 / len(sides[0])))
        kind = str(self.encoder.fingerprint()["kind"])
        share = _VECTORS_WEIGHT.get(kind, _OTHER_VECTORS_WEIGHT)
        parts = (1 - share, share)
        return Weighted(
            {
                name: part / len(side)
                for side, part in zip(sides, parts, strict=True)
                for name in side
            }
        )

    def save(self, folder: Path) -> None:
        """Write every index, the canaries and a fitted encoder into a folder that exists."""
        for name in PARTS:
            index = getattr(self, name)
            if index is not None:
                (folder / name).mkdir()
                index.save(folder / name)
        self.save_encoder(folder / "encoder")

    def save_encoder(self, folder: Path) -> None:
        """Write the canaries and a fitted encoder into a folder, made where there are any."""
        if isinstance(self.encoder, CorpusEncoder):
            self.encoder.save(_made(folder))
        if self.encoder is not None and not isinstance(self.encoder, Precomputed):
            save_canaries(self.encoder, _made(folder))

    def load(
        self, folder: Path, changed_since_fit: int, below: int, *, parts: Sequence[str] = PARTS
    ) -> None:
        """Open the indexes that `save` wrote, or some of them.

        Raises
        ------
        IndexFormatError
            If a file is damaged so that a search could fail, or rows are not `below`.
        """
        self._changed = changed_since_fit
        there = [name for name in parts if name == "bm25" or (folder / name).exists()]
        with told_as_damage(folder):
            if "bm25" in there:
                self.bm25 = BM25Index.load(folder / "bm25", below)
                below = min(below, self.bm25.rows_ever)
            if "dense" in there:
                self.dense = DenseIndex.load(folder / "dense", below)
            if "lexical" in there:
                self.lexical = LexicalIndex.load(folder / "lexical", below)
            if "multivector" in there:
                self.multivector = MultiVectorIndex.load(folder / "multivector", below)
            if "dense" in there and "bm25" in there:
                self._check_vectors()

    def _check_vectors(self) -> None:
        """Raise DamagedFile where a row has no vector but needs one to be scored."""
        if self.dense is None or self.dense.metric == "cosine":  # there it scores as unranked
            return
        held, rows = len(self.dense), len(self.bm25)
        check(held == rows, f"vectors of {rows} rows, not of {held}")

    def _add_embeddings(self, rows: Iterable[int], embeddings: Embeddings) -> None:
        numbers = np.fromiter(rows, np.int64)
        if embeddings.dense is not None:
            self._add_dense(numbers, embeddings.dense)
        if embeddings.lexical is not None:
            self.lexical = LexicalIndex() if self.lexical is None else self.lexical
            self.lexical.add(numbers, embeddings.lexical)
        if embeddings.tokens is not None:
            width = embeddings.tokens.vectors.shape[1]
            if self.multivector is None:
                self.multivector = MultiVectorIndex(width)
            self.multivector.add(numbers, embeddings.tokens)

    def _add_dense(self, rows: Rows, vectors: Vectors) -> None:
        width = vectors.shape[1]
        if self.dense is None:
            choice = self.choices[1]
            self.dense = DenseIndex(
                width, choice.metric, choice.kind, choice.storage, choice.memory
            )
        if width != self.dense.dimension:
            raise DimensionMismatch(
                f"expected vectors of {self.dense.dimension} dimensions, not {width}: was the "
                f"index built with another encoder?"
            )
        if self.dense.metric == "cosine":  # LSA knows none of the words of some chunks
            known = vectors.any(axis=1)
            rows, vectors = rows[known], vectors[known]
        self.dense.add(rows, vectors)


def _check_tokens(
    tokens: TokenVectors, texts: Sequence[str], encoder: Encoder, dimension: int | None
) -> None:
    """Raise EncoderError unless there are token vectors for each text that can be indexed."""
    try:
        if len(tokens) != len(texts):
            raise ValueError(f"expected token vectors of {len(texts)} texts, not of {len(tokens)}")
        check_tokens(tokens, dimension or tokens.vectors.shape[-1])
    except ValueError as error:
        raise EncoderError(f"encoder {encoder.fingerprint().get('name')!r}: {error}") from error


@timed("encode")
def _encoded(encoder: Encoder, questions: Sequence[str]) -> Embeddings:
    return encoder.encode_queries(questions)


def _batches(rows: Rows, size: int = 1000) -> Iterator[Rows]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _texts_of(store: ChunkStore, rows: Rows) -> Iterator[str]:
    for batch in _batches(rows):
        yield from store.texts(batch)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
