"""An index folder from an exported file: no text is encoded, and every vector keeps its bits."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
import scipy.sparse as sp

from fusion.catalogue import from_settings
from hybrid.analyzers import reopen
from hybrid.chunking import Chunker
from hybrid.documents import Document
from hybrid.errors import HybridError, IndexFormatError
from hybrid.hooks import timed
from hybrid.indexing import Indexes
from hybrid.jsonl_file import read_jsonl
from hybrid.opening import State
from hybrid.parquet_file import read_parquet
from hybrid.portable import (
    MOST_TERMS,
    ChunkRecord,
    Header,
    Record,
    chunk_of,
    document_of,
    file_of,
    header_of,
    whole,
)
from hybrid.retriever import Retriever
from hybrid.settings import BM25, Dense
from hybrid.store import ChunkStore
from hybrid.stored_chunks import indexed_text
from hybrid.text_analyzer import TextAnalyzer
from indexes import DenseIndex, LexicalIndex, MultiVectorIndex
from indexes.token_blocks import Block, Storage

log = logging.getLogger(__name__)

_DOCUMENTS, _CHUNKS = 500, 1000  # that are indexed together, at most, or one document

# What values of the wrong kind lead to, in whatever part of the package they get to.
_WRONG = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

Records = Iterator[tuple[str, Record]]
READERS: dict[str, Callable[[Path], Records]] = {".jsonl": read_jsonl, ".parquet": read_parquet}


@dataclass(frozen=True, slots=True)
class Imported:
    """What was built.

    Attributes
    ----------
    folder : str
        The index folder.
    documents, chunks : int
    """

    folder: str
    documents: int
    chunks: int


@timed("import", lambda done: {"documents": done.documents, "chunks": done.chunks})
def import_index(
    path: str | Path, folder: str | Path, *, analyzer: TextAnalyzer | None = None
) -> Imported:
    """Build an index folder from a file that `hybrid.exporting.export` wrote.

    The index answers as the exported one, bit for bit where its dense index is exact.  Centroids,
    short codes and graphs are made anew from the vectors, in their order: two imports of a file are
    equal, but an index with a history may have learnt these from other vectors.  `Retriever.save`
    copies them.  When the file is refused, nothing is left behind.

    Parameters
    ----------
    path : str or Path
        The file, ``.jsonl`` or ``.parquet``.
    folder : str or Path
        A new or empty folder.
    analyzer : TextAnalyzer, optional
        Needed when the index was built with one that is not of this package.

    Raises
    ------
    IndexFormatError
        If the file is of another format, or something in it is wrong; says in which line or row.
    AnalyzerMismatch
        If this version's analyzer makes other terms.
    FileExistsError
        If there is something in the folder.
    """
    path, folder = Path(path), Path(folder)
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise ValueError(f"expected a file name with {' or '.join(READERS)}, not {path.name}")
    _check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        done = _Import(read(path), path.name, Path(beside)).into(folder, analyzer)
    counts = {"documents": done.documents, "chunks": done.chunks}
    log.info("imported %s into %s: %s", path.name, folder.name, counts, extra=counts)
    return done


class _Indexes(Indexes):
    """Indexes of an encoder that is not at hand: its fingerprint and files are handed on."""

    def __init__(self, header: Header, analyzer: TextAnalyzer, files: Path) -> None:
        settings = header.settings
        dense = Dense(**settings["dense"])
        super().__init__(analyzer, None, BM25(**settings["bm25"]), dense)
        self._kept = {
            "encoder": settings["encoder"],
            "changed_since_fit": whole(settings, "changed_since_fit"),
        }
        self._files = files
        if header.dense is not None:
            self.dense = DenseIndex(
                header.dense, dense.metric, dense.kind, dense.storage, dense.memory
            )
        if header.lexical:
            self.lexical = LexicalIndex()
        if header.tokens is not None:
            storage: Storage = "int8" if header.token_storage == "int8" else "float16"
            self.multivector = MultiVectorIndex(header.tokens, storage)

    def settings(self) -> dict[str, Any]:
        """Return the settings with those of the encoder."""
        return {**super().settings(), **self._kept}

    def save_encoder(self, folder: Path) -> None:
        """Write the files of the encoder."""
        for number, file in enumerate(sorted(self._files.iterdir())):
            if not number:
                folder.mkdir()
            (folder / file.name).write_bytes(file.read_bytes())

    def check(self, one: ChunkRecord) -> None:
        """Raise ValueError unless the indexes can take a chunk."""
        if self.dense is not None and one.dense is not None:
            self.dense.as_stored(one.dense[None])
        elif self.dense is not None and self.dense.metric != "cosine":
            raise ValueError("expected a vector, which every chunk has under this metric")
        if self.multivector is not None:
            self.multivector.check_stored(_block(self.multivector, [one]))

    def restore(self, rows: list[int], lot: list[ChunkRecord], texts: list[Any]) -> None:
        """Take in chunks with what was exported of them."""
        self.bm25.add(rows, self.analyzer.batch(texts))
        if self.dense is not None:
            self._restore_dense(self.dense, rows, lot)
        if self.lexical is not None:
            none = np.empty(0, np.int64), np.empty(0, np.float32)
            sizes = [0 if one.terms is None else len(one.terms) for one in lot]
            terms = np.concatenate([none[0], *(one.terms for one in lot if one.terms is not None)])
            weights = [one.weights for one in lot if one.weights is not None]
            offsets = np.concatenate([[0], np.cumsum(sizes)])
            values = np.concatenate([none[1], *weights])
            shape = len(lot), MOST_TERMS
            self.lexical.add(rows, sp.csr_matrix((values, terms, offsets), shape))
        if self.multivector is not None:
            self.multivector.restore(rows, _block(self.multivector, lot))

    def _restore_dense(self, dense: DenseIndex, rows: list[int], lot: list[ChunkRecord]) -> None:
        held = [place for place, one in enumerate(lot) if one.dense is not None]
        if held:
            vectors = np.stack([one.dense for one in lot if one.dense is not None])
            dense.restore([rows[place] for place in held], vectors)


@dataclass(slots=True)
class _State(State):
    """The state of such an index."""

    indexes: _Indexes


@dataclass(slots=True)
class _Import:
    """One run through a file."""

    records: Records
    name: str
    beside: Path
    place: str = "header"
    documents: int = 0
    chunks: int = 0
    waiting: list[tuple[Document, list[ChunkRecord]]] = field(default_factory=list)

    def into(self, folder: Path, analyzer: TextAnalyzer | None) -> Imported:
        """Build the folder."""
        try:
            header, state = self._begin(analyzer)
            with Retriever(state) as retriever:
                retriever._begin()
                self._fill(state, header)
                if (self.documents, self.chunks) != (header.documents, header.chunks):
                    raise ValueError(
                        f"expected {header.documents} documents with {header.chunks} chunks, but "
                        f"there are {self.documents} with {self.chunks}: was the file cut short?"
                    )
                _check_free(folder)  # somebody else may have imported meanwhile
                retriever.save(folder)
        except (OSError, HybridError):
            raise
        except _WRONG as error:
            told = f"expected {error} in it" if isinstance(error, KeyError) else error
            raise IndexFormatError(f"{self.name}, {self.place}: {told}") from error
        return Imported(str(folder), self.documents, self.chunks)

    def _next(self) -> Record | None:
        self.place, record = next(self.records, ("the end", None))
        return record

    def _begin(self, analyzer: TextAnalyzer | None) -> tuple[Header, _State]:
        """Return the header, and the empty state that it describes."""
        header = header_of(self._next() or {})
        settings = header.settings
        if header.token_storage not in get_args(Storage):
            raise ValueError(f"expected 'token_storage' of {get_args(Storage)}")
        files = self.beside / "encoder"
        files.mkdir()
        indexes = _Indexes(header, reopen(settings["analyzer"], analyzer), files)
        fusion = None if settings["fusion"] is None else from_settings(settings["fusion"])
        chunker = Chunker.from_settings(settings["chunker"])
        store = ChunkStore(self.beside / "store.db", generation=0)
        return header, _State(store, indexes, chunker, fusion=fusion)

    def _fill(self, state: _State, header: Header) -> None:
        record = self._next()
        while record is not None and record.get("kind") == "file":
            name, data = file_of(record)
            with (self.beside / "encoder" / name).open("ab") as file:
                file.write(data)
            record = self._next()
        size = 0
        while record is not None:
            if record.get("kind") != "document":
                raise ValueError(f"expected a document here, not {str(record.get('kind'))[:40]!r}")
            size += self._take(record, state, header)
            if size >= _CHUNKS or len(self.waiting) == _DOCUMENTS:
                self._index(state)
                size = 0
            record = self._next()
        self._index(state)

    def _take(self, record: Record, state: _State, header: Header) -> int:
        """Read a document and its chunks, and return how many these are."""
        document, count = document_of(record)
        twice = any(document.doc_id == other.doc_id for other, _ in self.waiting)
        if twice or state.store.hash_of(document.doc_id) is not None:
            raise ValueError(f"expected each document once, but {document.doc_id!r} came twice")
        chunks = []
        for ordinal in range(count):
            found = self._next()
            if found is None or found.get("kind") != "chunk":
                raise ValueError(f"expected chunk {ordinal} of document {document.doc_id!r} here")
            chunks.append(chunk_of(found, document, ordinal, header))
            state.indexes.check(chunks[-1])
        self.waiting.append((document, chunks))
        self.documents, self.chunks = self.documents + 1, self.chunks + count
        return count

    def _index(self, state: _State) -> None:
        """Put the documents that wait into the store and the indexes."""
        waiting, self.waiting = self.waiting, []
        with state.store.changing():
            changes = [state.store.put(doc, [one.chunk for one in own]) for doc, own in waiting]
        rows = list(chain.from_iterable(change.added for change in changes))
        lot = [one for _, own in waiting for one in own]
        texts = [indexed_text(doc.title, one.chunk.text) for doc, own in waiting for one in own]
        if rows:
            state.indexes.restore(rows, lot, texts)


def _check_free(folder: Path) -> None:
    """Raise FileExistsError unless a folder is new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"expected a new or empty folder, but {folder} has something in it")


def _block(index: MultiVectorIndex, lot: list[ChunkRecord]) -> Block:
    """Return the token vectors of chunks."""
    kind = np.dtype(index.storage).newbyteorder("<")
    codes = np.frombuffer(b"".join(one.codes or b"" for one in lot), kind)
    scales = np.frombuffer(b"".join(one.scales or b"" for one in lot), "<f4").astype(np.float32)
    sizes = [len(one.scales or b"") // 4 for one in lot]
    for one, size in zip(lot, sizes, strict=True):
        if len(one.codes or b"") != size * index.dimension * kind.itemsize:
            raise ValueError(f"expected {index.dimension} codes for each scale of {one.chunk}")
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Block(codes.reshape(-1, index.dimension).astype(index.storage), scales, offsets)
