"""What is wrong with the documents of a store: each is compared with its hash and its chunks.

SQLite has no sums of what it stores: a bit that flipped in a text is found only by this.  BM25
would be blamed for it otherwise, and built again from the wrong text.
"""

from collections.abc import Iterator

from hybrid.store import ChunkStore
from hybrid.stored_chunks import byte_places
from hybrid.stored_documents import StoredDocument, documents_of


def wrong_documents(store: ChunkStore) -> Iterator[str]:
    """Yield what is wrong with the documents that are seen, one line for each kind of damage."""
    altered, misplaced = list[str](), list[str]()
    for stored in documents_of(store):
        document = stored.document
        if store.hash_of(document.doc_id) != document.content_hash:
            altered.append(document.doc_id)
        elif _places(store, stored.rows) != _expected(stored):
            misplaced.append(document.doc_id)
    for names, what in (
        (altered, "differs from what was stored: it has another hash"),
        (misplaced, "is cut into chunks that do not fit its text"),
    ):
        if names:
            yield f"document {names[0]!r} {what}, and so with {len(names)} documents in all"


def _places(store: ChunkStore, rows: list[int]) -> list[tuple[int, int, int]]:
    """Return ordinal, first byte and bytes of each chunk as the store has them."""
    if not rows:
        return []
    sql = """SELECT c.ordinal, c.first_byte, c.bytes FROM chunks c
        WHERE c.document = (SELECT document FROM chunks WHERE row = :row) ORDER BY c.ordinal"""
    return [(ordinal, first, size) for ordinal, first, size in store.read(sql, row=rows[0])]


def _expected(stored: StoredDocument) -> list[tuple[int, int, int]]:
    """Return ordinal, first byte and bytes of each chunk as its text has them; none if it cannot.

    Chunks begin one behind the other, and none is empty.
    """
    chunks, length = stored.chunks, len(stored.document.text)
    starts = [chunk.start for chunk in chunks]
    if starts != sorted(starts) or any(not 0 <= c.start < c.end <= length for c in chunks):
        return [(-1, -1, -1)]
    places = byte_places(stored.document.text, chunks)
    return [(ordinal, first, size) for ordinal, (first, size) in enumerate(places)]
