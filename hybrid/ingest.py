"""Documents into the store and the indexes, a batch at a time."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hybrid.analysis import Analyzer
from hybrid.analyzers import as_analyzer, detected
from hybrid.chunking import Chunker
from hybrid.documents import Document
from hybrid.encoders import as_encoder
from hybrid.encoders.base import CorpusEncoder
from hybrid.hooks import timed
from hybrid.indexing import Indexes
from hybrid.results import Added
from hybrid.settings import BM25, Choices, Dense
from hybrid.store import ChunkStore
from hybrid.stored_chunks import indexed_text
from hybrid.text_analyzer import TextAnalyzer
from hybrid.turns import Turns

log = logging.getLogger(__name__)

_BATCH = 500  # documents that are analysed, encoded and stored together
_CHARACTERS = 250_000  # after which a batch is full: a model's token vectors take 1 KB a character
_told: set[str] = set()  # what the user was told already in this process


def new_indexes(choices: Choices) -> Indexes:
    """Return empty indexes as they were chosen; the embedded encoder is announced, once."""
    named = choices.get("analyzer", "auto")
    detect = named == "auto"
    analyzer = Analyzer() if detect else as_analyzer(named)
    wanted = choices.get("encoder", "auto")
    if wanted == "auto":
        wanted = "lsa"
        _tell_once(
            "dense index: LSA, fitted on your texts, nothing downloaded; "
            'a trained model finds more: encoder="BAAI/bge-m3" (pip install hybrid-retrieval[bge])'
        )
    encoder = None if wanted is None else as_encoder(wanted, analyzer)
    bm25, dense = choices.get("bm25", BM25()), choices.get("dense", Dense())
    return Indexes(analyzer, encoder, bm25, dense, detect=detect)


@dataclass(slots=True)
class Ingest:
    """One writer's way into a store and its indexes.

    Attributes
    ----------
    store, indexes, chunker
        Where documents go.  `indexes` is another object after the analyzer was detected.
    turns : Turns
        Those who search are kept out while a batch goes in.
    """

    store: ChunkStore
    indexes: Indexes
    chunker: Chunker
    turns: Turns = field(default_factory=Turns)
    _seen: set[str] = field(default_factory=set)

    @timed("add", lambda added: {"new": added.added, "replaced": added.replaced})
    def add(self, documents: Iterable[Document]) -> Added:
        """Add documents, replace those that have changed, and leave the others alone."""
        added = replaced = unchanged = 0
        empty: list[str] = []
        for batch in self._batches(documents):
            known = {document.doc_id: self.store.hash_of(document.doc_id) for document in batch}
            fresh = [doc for doc in batch if known[doc.doc_id] != doc.content_hash]
            unchanged += len(batch) - len(fresh)
            replaced += sum(known[doc.doc_id] is not None for doc in fresh)
            added += sum(known[doc.doc_id] is None for doc in fresh)
            empty += self._take(fresh) if fresh else []
        return Added(added, replaced, unchanged, tuple(empty))

    @timed("delete", lambda count: {"documents": count})
    def delete(self, doc_ids: Iterable[str]) -> int:
        """Delete documents and return how many there were."""
        distinct = dict.fromkeys(doc_ids)
        other = [name for name in distinct if not isinstance(name, str)]
        if other:
            raise TypeError(f"expected ids of documents as text, not {other[0]!r}")
        there = [name for name in distinct if self.store.hash_of(name) is not None]
        if there:
            with self.turns.changing():
                with self.store.changing():
                    removed = [row for name in there for row in self.store.remove(name).removed]
                self.indexes.delete(removed)
        return len(there)

    def _batches(self, documents: Iterable[Document]) -> Iterator[list[Document]]:
        batch: list[Document] = []
        size = 0
        for document in documents:
            self._check(document)
            batch.append(document)
            size += len(document.text)
            full = size >= _CHARACTERS and not self.indexes.detect  # that wants to see many
            if full or len(batch) == _BATCH:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _check(self, document: Document) -> None:
        """Raise unless it is a document that did not come yet."""
        if not isinstance(document, Document):
            raise TypeError(
                f"expected hybrid.Document, not {type(document).__name__}: "
                f"for plain texts there is Retriever.from_texts"
            )
        if document.doc_id in self._seen:
            raise ValueError(
                f"expected each document once, but the id {document.doc_id!r} came twice"
            )
        self._seen.add(document.doc_id)

    def _take(self, documents: list[Document]) -> list[str]:
        """Store and index documents; return the ids of those without text."""
        chunks = [self.chunker.split(document) for document in documents]
        texts = [
            indexed_text(document.title, chunk.text)
            for document, split in zip(documents, chunks, strict=True)
            for chunk in split
        ]
        if self.indexes.detect and texts:
            self.indexes = _with_analyzer(self.indexes, detected(texts))
        prepared = self.indexes.prepare(texts)  # all that can fail, before anything is changed
        pairs = zip(documents, chunks, strict=True)
        with self.turns.changing():
            with self.store.changing():
                changes = [self.store.put(document, split) for document, split in pairs]
            self.indexes.delete([row for change in changes for row in change.removed])
            self.indexes.add([row for change in changes for row in change.added], prepared)
        return [doc.doc_id for doc, split in zip(documents, chunks, strict=True) if not split]


def _with_analyzer(indexes: Indexes, analyzer: TextAnalyzer) -> Indexes:
    """Return the same empty indexes for another analyzer."""
    encoder = indexes.encoder
    if isinstance(encoder, CorpusEncoder):
        encoder = encoder.reading_with(analyzer)
    return Indexes(analyzer, encoder, *indexes.choices)


def _tell_once(message: str) -> None:
    if message not in _told:
        _told.add(message)
        log.warning(message)
