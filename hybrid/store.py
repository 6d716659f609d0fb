"""The chunk store: documents, chunks and metadata in one SQLite file.

A document is a row of `documents` with the generation in which it was born and, once it is
replaced or deleted, the one in which it died.  A store is read *at* a generation: so a reader keeps
its snapshot while a writer goes on, and what a killed writer left behind belongs to a generation
that was never committed and is not seen.

Chunks do not repeat the text: they point into their document's, in characters for users and in
bytes of UTF-8 for SQLite.
"""

import json
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hybrid.chunking import Chunk
from hybrid.documents import Document
from hybrid.errors import StoreError
from hybrid.filters import Condition, Value
from hybrid.metadata_keys import MetadataKeys, State
from hybrid.store_reading import connected_to_read, told_as_unreadable
from hybrid.store_schema import DEAD, FOR_WRITERS, SCHEMA, SEEN
from hybrid.stored_chunks import (
    COLUMNS,
    Change,
    IndexedText,
    StoredChunk,
    byte_places,
    indexed_text,
    stored,
)
from indexes.candidates import Mask, Rows

_CACHE_KB = 1 << 16
"""What SQLite keeps of the file in memory.  It is not mapped: then a file that another process cuts
short would end this one."""


class ChunkStore:
    """Documents and their chunks at one generation.

    Parameters
    ----------
    path : Path or None
        The SQLite file, made when it is not there; None keeps all in memory.
    generation : int
        The generation to read, and to write when this is the writer.
    read_only : bool
        Whether nothing may be written, not even what SQLite writes to read.

    Attributes
    ----------
    dirty : bool
        Whether something was written that is in no committed generation.
    lost : bool
        Whether an error of the disk has taken back what was written since the last commit.
    """

    def __init__(
        self, path: Path | None = None, generation: int = 1, *, read_only: bool = False
    ) -> None:
        self.path, self.generation = path, generation
        self.dirty = self.lost = False
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
        found = self._all(sql, doc_id=doc_id)
        return str(found[0][0]) if found else None

    def put(self, document: Document, chunks: Sequence[Chunk]) -> Change:
        """Add a document, in place of one with the same id."""
        with self._lock:
            removed = self.remove(document.doc_id).removed
            key = self._db.execute(
                "INSERT INTO documents (doc_id, title, text, metadata, format, hash, born) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    document.doc_id,
                    document.title,
                    document.text.encode(),
                    json.dumps(dict(document.metadata), ensure_ascii=False),
                    document.format,
                    document.content_hash,
                    self.generation,
                ),
            ).lastrowid
            added = range(self._next_row, self._next_row + len(chunks))
            places = zip(added, byte_places(document.text, chunks), chunks, strict=True)
            self._db.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((row, key, c.ordinal, c.start, c.end, *place) for row, place, c in places),
            )
            self._next_row = added.stop
        return Change(tuple(added), removed)

    def remove(self, doc_id: str) -> Change:
        """Delete a document; nothing happens when it is not there."""
        with self._lock:
            removed = self.rows_of(doc_id)
            self._db.execute(
                "UPDATE documents SET died = ? WHERE doc_id = ? AND died IS NULL",
                (self.generation, doc_id),
            )
        return Change(removed=removed)

    def rows_of(self, doc_id: str) -> tuple[int, ...]:
        """Return the rows of a document's chunks, in their order."""
        sql = f"""SELECT c.row FROM chunks c JOIN documents d ON d.key = c.document
            WHERE d.doc_id = :doc_id AND {SEEN} ORDER BY c.ordinal"""
        return tuple(row for (row,) in self._all(sql, doc_id=doc_id))

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
        """Write the columns that conditions need into an empty folder; see `MetadataKeys`."""
        with self._lock:
            self._keys.save(self._each, self._state, folder)

    def differing_columns(self) -> list[str]:
        """Return in which columns something else stands than in the documents, one line each."""
        with self._lock:
            return self._keys.differing(self._each, self._state)

    def thin_columns(self) -> None:
        """Drop what dead documents held from the columns, before these are saved."""
        with self._lock:
            self._keys.thin(self._each, self._state)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make changes that come in as a whole or, when an error is raised, not at all.

        Raises
        ------
        StoreError
            If the file cannot be written.  When that has lost changes that came before, too, the
            store takes no more.
        """
        with self._lock:
            try:
                if self.dirty and not self._db.in_transaction:
                    self._check_kept()
                if not self._db.in_transaction:
                    self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("SAVEPOINT change")
            except sqlite3.Error as error:
                raise self._refused(error) from error
            next_row, self.dirty = self._next_row, True
            try:
                yield
                self._db.execute("RELEASE change")
            except BaseException as error:
                self._next_row = next_row
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK TO change")
                    self._db.execute("RELEASE change")
                else:  # so says SQLite after some errors of the disk
                    self.lost = True
                if isinstance(error, sqlite3.Error):
                    raise self._refused(error) from error
                raise

    def commit(self) -> None:
        """Make what was written durable, still in its generation.

        Raises
        ------
        StoreError
            If the file cannot be written.  It can be tried again, unless that has lost the changes.
        """
        with self._lock:
            self._check_kept()
            changes = self._db.in_transaction
            try:
                self._db.commit()
            except sqlite3.Error as error:
                self.lost = changes and not self._db.in_transaction
                raise self._refused(error) from error

    def discard(self, generation: int) -> None:
        """Forget what was written after a generation, by a writer that did not come to commit.

        Whoever writes to a file calls this first.
        """
        with self._lock:
            try:
                self._db.rollback()
                self._db.executescript(FOR_WRITERS)
                late = "(SELECT key FROM documents WHERE born > ?)"
                self._db.execute(f"DELETE FROM chunks WHERE document IN {late}", (generation,))
                self._db.execute("DELETE FROM documents WHERE born > ?", (generation,))
                self._db.execute("UPDATE documents SET died = NULL WHERE died > ?", (generation,))
                self._db.commit()
            except sqlite3.Error as error:
                raise self._refused(error) from error
            last = "SELECT max(coalesce(max(row), -1), (SELECT coalesce(max(row), -1) FROM given))"
            self._next_row = 1 + self._one(f"{last} FROM chunks")
            self.dirty = self.lost = False
            self._keys.back_to(generation)

    def purge(self, kept: Sequence[int]) -> int:
        """Remove documents that none of some generations sees, and give their room back.

        Rows are not given again.

        Returns
        -------
        int
            How many documents were removed.
        """
        values = {"kept": json.dumps(list(kept))}
        with self._lock:
            try:
                self._db.execute("DELETE FROM given")
                self._db.execute("INSERT INTO given VALUES (?)", (self._next_row - 1,))
                self._db.execute(f"DELETE FROM chunks WHERE document IN {DEAD}", values)
                sql = f"DELETE FROM documents WHERE key IN {DEAD}"
                purged = self._db.execute(sql, values).rowcount
                self._db.commit()
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                self._db.rollback()
                raise self._refused(error) from error
        return int(purged)

    def copy_to(self, path: Path) -> None:
        """Write the whole store to another SQLite file."""
        with self._lock:
            self._db.commit()
            with closing(sqlite3.connect(path)) as target:
                self._db.backup(target)

    def close(self) -> None:
        """Close the file; what was not committed is dropped."""
        with self._lock:
            self._db.close()

    def _check_kept(self) -> None:
        if self.lost:
            raise StoreError(
                f"expected the changes that are not committed in {self.path}, but an error of the "
                f"disk has lost them: open the index again"
            )

    def _refused(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"cannot write to the chunk store {self.path}: {error}")

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
