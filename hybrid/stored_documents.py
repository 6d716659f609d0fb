"""Whole documents of a store: what export and sync ask for, a page at a time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hybrid.chunking import Chunk
from hybrid.documents import Document
from hybrid.store import ChunkStore

_SEEN = "d.born <= :generation AND (d.died IS NULL OR d.died > :generation)"
_PAGE = 500
_PAGE_BYTES = 8 << 20  # of text; one document may have more


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document with its chunks, and the row of each.

    Attributes
    ----------
    document : Document
    chunks : list of Chunk
    rows : list of int
    """

    document: Document
    chunks: list[Chunk]
    rows: list[int]


def documents_of(store: ChunkStore) -> Iterator[StoredDocument]:
    """Yield every document that is seen, in the order in which they came."""
    sql = f"""SELECT d.key, length(d.text) FROM documents d
        WHERE d.key > :after AND {_SEEN} ORDER BY d.key LIMIT {_PAGE}"""
    after = -1
    while page := _fitting(store.read(sql, after=after)):
        yield from _loaded(store, page)
        after = page[-1]


def labels_of(store: ChunkStore) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the id and the metadata of every document that is seen, also of those without text."""
    sql = f"""SELECT d.key, d.doc_id, d.metadata FROM documents d
        WHERE d.key > :after AND {_SEEN} ORDER BY d.key LIMIT {_PAGE}"""
    after = -1
    while page := store.read(sql, after=after):
        for _, doc_id, metadata in page:
            yield doc_id, json.loads(metadata)
        after = page[-1][0]


def label_of(store: ChunkStore, doc_id: str) -> dict[str, Any] | None:
    """Return the metadata of a document, or None when it is not there."""
    sql = f"SELECT d.metadata FROM documents d WHERE d.doc_id = :doc_id AND {_SEEN}"
    found = store.read(sql, doc_id=doc_id)
    return json.loads(found[0][0]) if found else None


def document_of(store: ChunkStore, doc_id: str) -> Document | None:
    """Return a document, or None when it is not there."""
    sql = f"SELECT d.key FROM documents d WHERE d.doc_id = :doc_id AND {_SEEN}"
    keys = [key for (key,) in store.read(sql, doc_id=doc_id)]
    return next((found.document for found in _loaded(store, keys)), None)


def _fitting(page: list[tuple[Any, ...]]) -> list[int]:
    """Return the keys of the first documents of a page whose texts fit; at least one."""
    keys: list[int] = []
    size = 0
    for key, length in page:
        size += length
        if keys and size > _PAGE_BYTES:
            break
        keys.append(key)
    return keys


def _loaded(store: ChunkStore, keys: list[int]) -> Iterator[StoredDocument]:
    """Yield documents by their keys, ascending."""
    chosen = json.dumps(keys)
    places: dict[int, list[tuple[Any, ...]]] = {key: [] for key in keys}
    sql = """SELECT c.document, c.row, c.ordinal, c.start, c.end FROM json_each(:keys) j
        JOIN chunks c ON c.document = j.value ORDER BY c.document, c.ordinal"""
    for key, *place in store.read(sql, keys=chosen):
        places[key].append(tuple(place))
    sql = """SELECT d.key, d.doc_id, d.text, d.title, d.metadata, d.format FROM json_each(:keys) j
        JOIN documents d ON d.key = j.value ORDER BY d.key"""
    for key, doc_id, text, title, metadata, format in store.read(sql, keys=chosen):
        document = Document(doc_id, bytes(text).decode(), title, json.loads(metadata), format)
        chunks = [
            Chunk(doc_id, ordinal, document.text[start:end], start, end)
            for _, ordinal, start, end in places[key]
        ]
        yield StoredDocument(document, chunks, [row for row, *_ in places[key]])
