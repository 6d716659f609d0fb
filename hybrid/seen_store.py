"""What is seen of a chunk store at a generation: documents, chunks, texts and metadata."""

import json
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hybrid.decoding import well_formed
from hybrid.errors import StoreError
from hybrid.filters import Condition, Value
from hybrid.metadata_keys import MetadataKeys, State
from hybrid.store_reading import connected_to_read, told_as_unreadable
from hybrid.store_schema import SCHEMA, SEEN
from hybrid.stored_chunks import COLUMNS, IndexedText, StoredChunk, indexed_text, stored
from indexes.candidates import Mask, Rows

_CACHE_KB = 1 << 16
"""What SQLite keeps of the file in memory.  It is not mapped: then a file that another process cuts
short would end this one."""


class SeenStore:
    """A chunk store as it is read at one generation; see `hybrid.store.ChunkStore`.

    Parameters
    ----------
    path : Path or None
        The SQLite file, made when it is not there; None keeps all in memory.
    generation : int
        The generation to read.
    read_only : bool
        Whether nothing may be written, not even what SQLite writes to read.
    """

    def __init__(
        self, path: Path | None = None, generation: int = 1, *, read_only: bool = False
    ) -> None:
        self.path, self.generation = path, generation
        self._lock = threading.RLock()
        self._keys = MetadataKeys()
        try:
            if read_only and path is not None:
                self._db = connected_to_read(path)
            else:
                self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
            weakref.finalize(self, self._db.close)
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
            if not read_only:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"cannot open the chunk store {path}: {error}") from error
        self._next_row = 1 + self._one("SELECT coalesce(max(row), -1) FROM chunks")

    def __len__(self) -> int:
        """Return the number of chunks that are seen."""
        return self._one(
            f"SELECT count(*) FROM chunks c JOIN documents d ON d.key = c.document WHERE {SEEN}"
        )

    def count_documents(self) -> int:
        """Return the number of documents that are seen."""
        return self._one(f"SELECT count(*) FROM documents d WHERE {SEEN}")

    def hash_of(self, doc_id: str) -> str | None:
        """Return the content hash of a document, or None when it is not there."""
        sql = f"SELECT hash FROM documents d WHERE d.doc_id = :doc_id AND {SEEN}"
        found = self._all(sql, doc_id=doc_id) if well_formed(doc_id) == doc_id else []
        return str(found[0][0]) if found else None

    def rows_of(self, doc_id: str) -> tuple[int, ...]:
        """Return the rows of a document's chunks, in their order."""
        sql = f"""SELECT c.row FROM chunks c JOIN documents d ON d.key = c.document
            WHERE d.doc_id = :doc_id AND {SEEN} ORDER BY c.ordinal"""
        found = self._all(sql, doc_id=doc_id) if well_formed(doc_id) == doc_id else []
        return tuple(row for (row,) in found)

    def rows(self) -> Rows:
        """Return all rows that are seen, ascending."""
        sql = f"""SELECT c.row FROM chunks c JOIN documents d ON d.key = c.document
            WHERE {SEEN} ORDER BY c.row"""
        return np.array([row for (row,) in self._all(sql)], np.int64)

    def rows_ever(self) -> int:
        """Return a number that all rows of this and of older generations are below."""
        known = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'given'"
        given = "SELECT coalesce(max(row), -1) FROM given"  # where rows were purged
        return max(self._next_row, 1 + self._one(given)) if self._one(known) else self._next_row

    def chunks(self, rows: Iterable[int]) -> list[StoredChunk]:
        """Return the chunks of these rows, in the order of the rows.

        Raises
        ------
        StoreError
            If a row is not seen: an index and the store have drifted apart.
        """
        wanted = [int(row) for row in rows]
        sql = f"""SELECT {COLUMNS} FROM json_each(:rows) j JOIN chunks c ON c.row = j.value
            JOIN documents d ON d.key = c.document WHERE {SEEN} ORDER BY j.key"""
        parsed: dict[str, dict[str, Any]] = {}  # the metadata of a document, once for its chunks
        records = self._all(sql, rows=json.dumps(wanted))
        with told_as_unreadable(self.path):
            found = [stored(record, parsed) for record in records]
        if len(found) < len(wanted):
            missing = sorted(set(wanted) - {chunk.row for chunk in found})
            raise StoreError(f"expected row {missing[0]} in the store, but it is not there")
        return found

    def doc_ids(self, rows: Iterable[int]) -> list[str]:
        """Return the document of each of these rows, which must be seen."""
        sql = """SELECT d.doc_id FROM json_each(:rows) j JOIN chunks c ON c.row = j.value
            JOIN documents d ON d.key = c.document ORDER BY j.key"""
        return [name for (name,) in self._all(sql, rows=json.dumps(list(rows)))]

    def texts(self, rows: Iterable[int]) -> list[IndexedText]:
        """Return what the indexes see of these rows, which must be seen, in their order."""
        sql = """SELECT d.title, substr(d.text, c.first_byte + 1, c.bytes)
            FROM json_each(:rows) j JOIN chunks c ON c.row = j.value
            JOIN documents d ON d.key = c.document ORDER BY j.key"""
        found = self._all(sql, rows=json.dumps([int(row) for row in rows]))
        with told_as_unreadable(self.path):
            return [indexed_text(title, bytes(text).decode()) for title, text in found]

    def allowed(self, condition: Condition) -> Mask:
        """Return which rows that are seen a condition on the metadata lets through; do not write.

        The mask has the length of the rows that were given so far.
        """
        with self._lock:
            return self._keys.rows(self._each, self._state, condition)

    def value_counts(self, names: tuple[str, ...], condition: Condition) -> Counter[Value]:
        """Return how many of the documents that are seen and let through have each value."""
        with self._lock:
            return self._keys.counts(self._each, self._state, names, condition)

    def open_columns(self, folder: Path) -> None:
        """Have conditions use the columns that `save_columns` wrote at this generation."""
        with self._lock:
            self._keys = MetadataKeys(folder, self.generation, self.rows_ever())

    def save_columns(self, folder: Path) -> None:
        """Write the columns that conditions need into a folder, made for it; see `MetadataKeys`."""
        folder.mkdir(exist_ok=True)
        with self._lock:
            self._keys.save(self._each, self._state, folder)

    def differing_columns(self, most: int | None = None) -> list[str]:
        """Return in which columns something else stands than in some documents, or in all."""
        with self._lock:
            return self._keys.differing(self._each, self._state, most)

    def thin_columns(self) -> None:
        """Drop what dead documents held from the columns, before these are saved."""
        with self._lock:
            self._keys.thin(self._each, self._state)

    def read(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Return the records of a query in SQL that compares ``:generation`` itself."""
        return self._all(sql, **values)

    @property
    def _state(self) -> State:
        return self.generation, self._db.total_changes

    def _each(self, sql: str, **values: Any) -> Iterator[tuple[Any, ...]]:
        with told_as_unreadable(self.path):
            yield from self._db.execute(sql, {"generation": self.generation, **values})

    def _all(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self._lock, told_as_unreadable(self.path):
            return self._db.execute(sql, {"generation": self.generation, **values}).fetchall()

    def _one(self, sql: str) -> int:
        return int(self._all(sql)[0][0])
