"""An index as one file: texts, offsets, vectors and weights, in the order of the rows."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid.errors import StoreError
from hybrid.hooks import timed
from hybrid.indexing import Indexes
from hybrid.jsonl_file import write_jsonl
from hybrid.parquet_file import write_parquet
from hybrid.portable import ChunkRecord, Header, Record, document_record
from hybrid.stored_documents import StoredDocument, documents_of

if TYPE_CHECKING:
    from hybrid.retriever import Retriever
    from hybrid.searching import Search

log = logging.getLogger(__name__)

_CHUNKS = 1000  # whose vectors are read together
_PART = 1 << 20  # bytes of a file of the encoder in one record

Write = Callable[[Path, Iterable[Record]], None]
WRITERS: dict[str, Write] = {".jsonl": write_jsonl, ".parquet": write_parquet}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    file : str
    documents, chunks, bytes : int
    """

    file: str
    documents: int
    chunks: int
    bytes: int


@timed("export", lambda done: {"documents": done.documents, "chunks": done.chunks})
def export(retriever: "Retriever", path: str | Path) -> Exported:
    """Write an index, changes that were not committed included, into one file.

    Parameters
    ----------
    retriever : Retriever
        The index, which nobody changes meanwhile.
    path : str or Path
        A new file: ``.jsonl`` for JSON lines, ``.parquet`` for Parquet.

    Raises
    ------
    ValueError
        If the file's name ends differently.
    FileExistsError
        If there is such a file already.
    FileNotFoundError
        If there is no folder for it.
    MissingDependency
        If it is Parquet, and pyarrow is not installed.
    """
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"expected a file name with {' or '.join(WRITERS)}, not {path.name}")
    if path.exists():
        raise FileExistsError(f"expected a new file, but {path} is there: remove it first")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"expected a folder for {path.name}, but {path.parent} is none")
    search = retriever._search()
    header = _header(search, retriever._state.settings())
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    try:
        write(Path(beside), _records(search, header))
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    size = path.stat().st_size
    counts = {"documents": header.documents, "chunks": header.chunks, "bytes": size}
    log.info("exported to %s: %s", path.name, counts, extra=counts)
    return Exported(str(path), **counts)


def _header(search: "Search", settings: dict[str, Any]) -> Header:
    store, indexes = search.store, search.indexes
    tokens = indexes.multivector
    return Header(
        settings,
        store.count_documents(),
        len(store),
        None if indexes.dense is None else indexes.dense.dimension,
        None if tokens is None else tokens.dimension,
        "float16" if tokens is None else tokens.storage,
        indexes.lexical is not None,
    )


def _records(search: "Search", header: Header) -> Iterator[Record]:
    yield header.record()
    with tempfile.TemporaryDirectory() as folder:
        search.indexes.save_encoder(Path(folder) / "encoder")
        for file in sorted(Path(folder).glob("encoder/*")):
            yield from _parts(file)
    documents = chunks = 0
    for lot in _lots(documents_of(search.store)):
        rows = [row for found in lot for row in found.rows]
        vectors = iter(_held(search.indexes, rows))
        for found in lot:
            yield document_record(found.document, len(found.chunks))
            for chunk in found.chunks:
                yield ChunkRecord(chunk, **next(vectors)).record()
        documents, chunks = documents + len(lot), chunks + len(rows)
    if (documents, chunks) != (header.documents, header.chunks):
        raise StoreError("expected nobody to change the index while it is exported: try again")


def _parts(file: Path) -> Iterator[Record]:
    with file.open("rb") as content:
        while data := content.read(_PART):
            yield {"kind": "file", "name": file.name, "data": data}


def _lots(documents: Iterator[StoredDocument]) -> Iterator[list[StoredDocument]]:
    """Yield documents with about so many chunks at a time."""
    lot: list[StoredDocument] = []
    chunks = 0
    for found in documents:
        lot.append(found)
        chunks += len(found.rows)
        if chunks >= _CHUNKS or len(lot) == _CHUNKS:
            yield lot
            lot, chunks = [], 0
    if lot:
        yield lot


def _held(indexes: Indexes, rows: list[int]) -> list[dict[str, Any]]:
    """Return for each row what the indexes hold of it, as `ChunkRecord` names it."""
    found: list[dict[str, Any]] = [{} for _ in rows]
    if indexes.dense is not None:
        held, vectors = indexes.dense.stored(rows)
        for place, vector in zip(np.flatnonzero(held).tolist(), vectors, strict=True):
            found[place]["dense"] = vector
    if indexes.lexical is not None:
        matrix = indexes.lexical.stored(rows)
        for place, one in enumerate(found):
            span = slice(*matrix.indptr[place : place + 2])
            one["terms"] = matrix.indices[span].astype(np.int64)
            one["weights"] = matrix.data[span]
    if indexes.multivector is not None:
        block = indexes.multivector.stored(rows)
        for place, one in enumerate(found):
            span = slice(*block.offsets[place : place + 2])
            one["codes"] = block.codes[span].tobytes()
            one["scales"] = block.scales[span].tobytes()
    return found
