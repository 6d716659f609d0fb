"""The retriever: the one place where store, encoder, indexes and fusion are wired together."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, Unpack

from fusion import AnyMethod, method_named
from fusion.methods import weights_for
from hybrid.asking import Asking
from hybrid.documents import Document, ReadReport, documents_from_texts
from hybrid.encoders.base import Encoder
from hybrid.encoders.cache import CachedEncoder, Embedded
from hybrid.ingest import Ingest
from hybrid.keeping import Keeping
from hybrid.opening import Opening, State, new_state, opened_state
from hybrid.readers import open_source
from hybrid.results import Added
from hybrid.searching import Search
from hybrid.settings import BM25, Choices
from hybrid.text_analyzer import TextAnalyzer
from hybrid.upserting import upsert

log = logging.getLogger(__name__)


class Retriever(Keeping, Asking):
    """Hybrid search over one chunk store.

    Made by `from_texts`, `from_folder`, `create` or `load`.  Changes are searched at once; in a
    folder they last from `commit` on.

    Examples
    --------
    >>> r = Retriever.from_texts(["Cats purr when content.", "Dogs bark."], encoder=None)
    >>> r.search("why do cats purr?", k=1)[0].doc_id
    '0'
    """

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._pool = ThreadPoolExecutor(max(2, os.cpu_count() or 2), "hybrid")

    @classmethod
    def create(cls, path: str | Path | None = None, **choices: Unpack[Choices]) -> Self:
        """Return an empty retriever.

        Parameters
        ----------
        path : str or Path, optional
            A new folder for the index; without it all stays in memory.
        **choices
            encoder, chunker, analyzer, bm25, dense, keep, cache: see `hybrid.settings.Choices`.

        Raises
        ------
        FileExistsError, StoreError
            If the folder has something else in it than what a stopped build left (its embeddings
            are taken over), or an index is being built there.
        """
        return cls(new_state(path, choices))

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        *,
        ids: Sequence[str] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        titles: Sequence[str] | None = None,
        **choices: Unpack[Choices],
    ) -> Self:
        """Return a retriever over texts, in memory.

        Parameters
        ----------
        texts : iterable of str
            The documents.
        ids, metadata, titles : sequence, optional
            One of each for every text; ids are "0", "1", ... by default.
        **choices
            As in `create`.
        """
        retriever = cls.create(**choices)
        retriever.add(documents_from_texts(texts, ids, metadata, titles))
        return retriever

    @classmethod
    def from_folder(cls, path: str | Path, **choices: Unpack[Choices]) -> Self:
        """Return a retriever over the files below a folder, in memory.

        Files that cannot be read are named in the log and skipped.  A folder in BEIR layout, or
        one file, is taken as well.
        """
        retriever = cls.create(**choices)
        report = ReadReport()
        retriever.add(open_source(path, report=report))
        for skipped in report.skipped:
            log.warning("skipped %s: %s", skipped.path, skipped.reason)
        return retriever

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        encoder: str | Path | Encoder | None = None,
        analyzer: TextAnalyzer | None = None,
        allow_mismatch: bool = False,
        generation: int | None = None,
    ) -> Self:
        """Open a saved index.

        Parameters
        ----------
        path : str or Path
            The index folder.
        encoder : str, Path or Encoder, optional
            Needed when the index was built with a function or with precomputed vectors.
        analyzer : TextAnalyzer, optional
            Only to make sure that it is the one that the index was built with.
        allow_mismatch : bool
            Open the index with another encoder than it was built with, or one that gives other
            vectors now; what differs is logged as a warning.  The dimension must be the same.
        generation : int, optional
            An older generation, of those that are kept: it is searched as it was, and cannot be
            changed.  The newest by default.

        Raises
        ------
        FileNotFoundError, IndexFormatError
            If there is no such folder, or it is not an index, or damaged, or of another format.
        EncoderMismatch, AnalyzerMismatch
            If the index was built with another one; says what differs.
        ValueError
            If the generation is not kept.
        """
        how = Opening(encoder, analyzer, allow_mismatch, generation)
        return cls(opened_state(Path(path), how))

    def __len__(self) -> int:
        """Return the number of chunks."""
        return len(self._state.store)

    @property
    def analyzer(self) -> TextAnalyzer:
        """What makes terms of texts and questions here."""
        return self._state.indexes.analyzer

    @property
    def embedded(self) -> Embedded:
        """How many texts were encoded so far, and how many embeddings came from the cache."""
        encoder = self._state.indexes.encoder
        return encoder.embedded if isinstance(encoder, CachedEncoder) else Embedded()

    @property
    def fusion(self) -> AnyMethod:
        """How the indexes are fused; set `hybrid.RRF(...)`, another method, or its name.

        The names are those of `fusion.METHODS`: "rrf", "tm2c2", "borda", ...
        """
        return self._state.fusion or self._state.indexes.default_fusion()

    @fusion.setter
    def fusion(self, method: AnyMethod | str) -> None:
        chosen = method_named(method) if isinstance(method, str) else method
        if not isinstance(chosen, AnyMethod):
            raise TypeError(f"expected a fusion method or its name, not {type(method).__name__}")
        weights_for(chosen, self._state.indexes.names())
        self._state.fusion = chosen

    @property
    def bm25(self) -> BM25:
        """How BM25 scores; set `hybrid.BM25(...)`, and no document is read again."""
        return self._state.indexes.choices[0]

    @bm25.setter
    def bm25(self, choice: BM25) -> None:
        if not isinstance(choice, BM25):
            raise TypeError(f"expected hybrid.BM25(...), not {type(choice).__name__}")
        self._state.indexes.score_bm25_by(choice)

    def add(self, documents: Iterable[Document]) -> Added:
        """Add documents; one whose id is there replaces it, the same content changes nothing.

        They go in by the batch: when one fails, those before it are in, and nothing of its own.
        In a folder they last only from the next `commit` on.

        Raises
        ------
        ValueError, EncoderError
            If an id comes twice, or the encoder gives vectors that cannot be indexed.
        """
        with self._changing() as state:
            ingest = Ingest(state.store, state.indexes, state.chunker, self._turns)
            try:
                return ingest.add(documents)
            finally:
                state.indexes = ingest.indexes

    def upsert(self, documents: Iterable[Document], *, commit_every: int | None = None) -> Added:
        """Add or replace documents from an iterator, with bounded memory; of one id the last wins.

        Parameters
        ----------
        documents : iterable of Document
            No more than a thousand are held at a time.
        commit_every : int, optional
            Commit after every so many documents, and at the end; without it nothing is committed.

        Returns
        -------
        Added
            Its counts add up to the number of documents given; one that was replaced by a later
            one at once counts as replaced.
        """
        return upsert(self, documents, commit_every)

    def update(self, documents: Iterable[Document]) -> Added:
        """Replace documents that are there.

        Raises
        ------
        ValueError
            If one is not there; then nothing is changed.
        """
        listed = list(documents)
        with self._changing() as state:
            for document in listed:
                if state.store.hash_of(document.doc_id) is None:
                    raise ValueError(f"expected a document {document.doc_id!r} to update: add it")
            return self.add(listed)

    def delete(self, doc_ids: Iterable[str]) -> int:
        """Delete documents and return how many there were; ids of none are no error.

        Raises
        ------
        TypeError
            If an id is no text.
        """
        if isinstance(doc_ids, str):
            raise TypeError(f"expected a list of document ids, not the text {doc_ids!r}")
        with self._changing() as state:
            return Ingest(state.store, state.indexes, state.chunker, self._turns).delete(doc_ids)

    def close(self) -> None:
        """Close files and threads; changes that were not committed are dropped."""
        self._pool.shutdown()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _search(self) -> Search:
        state = self._state
        state.indexes.settle(state.store)
        return Search(state.store, state.indexes, self.fusion, self._pool)

    @contextmanager
    def _searching(self) -> Iterator[Search]:
        with self._turns.reading():
            yield self._search()
