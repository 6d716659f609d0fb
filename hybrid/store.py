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
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from hybrid.chunking import Chunk
from hybrid.documents import Document
from hybrid.errors import StoreError
from hybrid.seen_store import SeenStore
from hybrid.store_schema import DEAD, FOR_WRITERS
from hybrid.stored_chunks import Change, byte_places


class ChunkStore(SeenStore):
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
        super().__init__(path, generation, read_only=read_only)
        self.dirty = self.lost = False

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
