"""Chunks as the store holds them, and as the indexes see them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hybrid.chunking import Chunk

COLUMNS = """
    c.row, d.doc_id, c.ordinal, substr(d.text, c.first_byte + 1, c.bytes), c.start, c.end,
    d.title, d.metadata
"""
"""What `stored` makes a chunk of: columns of a chunk `c` and of its document `d`."""


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as the store holds it, with what it shares with its document.

    Attributes
    ----------
    row : int
        Its number in every index; never reused.
    doc_id, ordinal, text, start, end
        As in `Chunk`: ``text == document.text[start:end]``.
    title : str
        The document's title.
    metadata : dict
        The document's metadata.
    """

    row: int
    doc_id: str
    ordinal: int
    text: str
    start: int
    end: int
    title: str
    metadata: dict[str, Any]

    @property
    def chunk_id(self) -> str:
        """The stable name of the chunk: ``doc_id#ordinal``."""
        return f"{self.doc_id}#{self.ordinal}"


class IndexedText(str):
    """What the indexes see of a chunk: the title on a line of its own, then the text.

    Attributes
    ----------
    title_end : int
        How much of it is the title.
    """

    __slots__ = ("title_end",)
    title_end: int


def indexed_text(title: str, text: str) -> IndexedText:
    """Return a title, which may be empty, and a text as the indexes see them."""
    both = IndexedText(f"{title}\n{text}" if title else text)
    both.title_end = len(title)
    return both


@dataclass(frozen=True, slots=True)
class Change:
    """What one document did to the rows."""

    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()


def byte_places(text: str, chunks: Sequence[Chunk]) -> Iterator[tuple[int, int]]:
    """Yield the first byte and the number of bytes of each chunk, for chunks in order."""
    character = byte = 0
    for chunk in chunks:
        byte += len(text[character : chunk.start].encode())
        character = chunk.start
        yield byte, len(chunk.text.encode())


def stored(record: tuple[Any, ...], parsed: dict[str, dict[str, Any]]) -> StoredChunk:
    """Return the chunk of a record of `COLUMNS`; `parsed` remembers the metadata of documents."""
    row, doc_id, ordinal, text, start, end, title, metadata = record
    if metadata not in parsed:
        parsed[metadata] = json.loads(metadata)
    return StoredChunk(
        row, doc_id, ordinal, bytes(text).decode(), start, end, title, parsed[metadata]
    )
