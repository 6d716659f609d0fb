"""The file of a cache: embeddings by encoder and text, in SQLite.

No text is in it, only the sha256 of each.  It may be deleted at any time; whatever is wrong with
it, the texts are encoded again.
"""

import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hybrid.encoders.packing import Packed

log = logging.getLogger(__name__)

VERSION = 1
"""Of the tables.  A file of another version is set aside."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS encoders (number INTEGER PRIMARY KEY, fingerprint TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS embeddings (
    encoder INTEGER NOT NULL REFERENCES encoders (number),
    text BLOB NOT NULL,
    dense BLOB, ids BLOB, weights BLOB, terms INTEGER, tokens BLOB, width INTEGER,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (encoder, text)
);
CREATE TABLE IF NOT EXISTS days (day INTEGER PRIMARY KEY, last INTEGER NOT NULL);
"""
# `days` says up to which rowid there were embeddings at the end of a day.  Where something is
# deleted, rowids may be given anew: then all days go with it, and what is left counts as of today.
_LAST = "SELECT coalesce(max(last), 0) FROM days WHERE day < ?"
# by the index of the key, which has no embeddings in it
_COUNT = """SELECT count(*) FROM embeddings INDEXED BY sqlite_autoindex_embeddings_1
    WHERE rowid <= ?"""
_PRUNE = f"""DELETE FROM embeddings WHERE rowid <= ({_LAST})
    AND NOT (encoder = ? AND text IN (SELECT text FROM needed))"""
_PATIENCE_S = 30.0  # for another process that is writing
_AT_ONCE = 500  # texts that are looked up by one statement: SQLite binds 32,766 values at most

KEPT_DAYS = 7
"""So long embeddings are kept that no chunk has: a build that was stopped may go on with them."""

_FEW = 1000  # so many that no chunk has are no burden

T = TypeVar("T")


class CacheFile:
    """Embeddings of one encoder in a file, which several encoders and processes may share.

    Parameters
    ----------
    path : Path
        The SQLite file, made when it is not there.  A damaged one is renamed to ``*.damaged``, with
        a warning; one that cannot be read or written is left alone, with a warning, and nothing is
        remembered.
    fingerprint : mapping
        What decides about the numbers.
    """

    def __init__(self, path: Path, fingerprint: Mapping[str, Any]) -> None:
        self.path = path
        self._fingerprint = json.dumps(fingerprint, sort_keys=True, ensure_ascii=False)
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._encoder = 0
        self._off = False

    def get(self, texts: list[str]) -> dict[str, Packed]:
        """Return what is known of these texts."""
        keys = {_digest(text): text for text in texts}
        return self._guarded(lambda db: self._get(db, keys), {})

    def prune(self, count: int, texts: Callable[[], Iterable[str]]) -> int:
        """Drop what is not of this encoder, or of no chunk, once that is more than half.

        What was kept in the last `KEPT_DAYS` days stays.

        Parameters
        ----------
        count : int
            How many texts are needed.
        texts : callable
            Returns them; called only when there is something to drop.

        Returns
        -------
        int
            How many embeddings were dropped.
        """
        dropped = self._guarded(lambda db: self._prune(db, count, texts), 0)
        if dropped:
            log.info("dropped %d embeddings from %s that no chunk has", dropped, self.path)
            self._shrink()
        return dropped

    def put(self, embeddings: Mapping[str, Packed]) -> bool:
        """Keep embeddings by their text; when this returns True, a kill does not lose them."""
        rows = [(_digest(text), *one, _checksum(one)) for text, one in embeddings.items()]
        return self._guarded(lambda db: self._put(db, rows), False)

    def forget(self) -> None:
        """Drop all that is known of this encoder."""

        def delete(db: sqlite3.Connection) -> None:
            with db:
                sql = "DELETE FROM embeddings WHERE encoder = ?"
                if db.execute(sql, (self._encoder,)).rowcount:
                    db.execute("DELETE FROM days")

        self._guarded(delete, None)

    def __len__(self) -> int:
        """Return of how many texts there are embeddings of this encoder."""
        sql = "SELECT count(*) FROM embeddings WHERE encoder = ?"
        return self._guarded(lambda db: int(db.execute(sql, (self._encoder,)).fetchone()[0]), 0)

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _get(self, db: sqlite3.Connection, keys: Mapping[bytes, str]) -> dict[str, Packed]:
        found = {}
        for some in _slices(list(keys)):
            sql = f"""SELECT text, dense, ids, weights, terms, tokens, width, checksum
                FROM embeddings WHERE encoder = ? AND text IN ({", ".join("?" * len(some))})"""
            for text, *parts, checksum in db.execute(sql, (self._encoder, *some)):
                packed = Packed(*parts)
                if _checksum(packed) == checksum:  # else it is encoded again, and replaced
                    found[keys[text]] = packed
        return found

    def _put(self, db: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> bool:
        sql = f"INSERT OR REPLACE INTO embeddings VALUES ({self._encoder}{', ?' * 8})"
        with db:
            db.executemany(sql, rows)
            db.execute(
                "INSERT OR REPLACE INTO days SELECT ?, coalesce(max(rowid), 0) FROM embeddings",
                (_today(),),
            )
        return True

    def _prune(self, db: sqlite3.Connection, count: int, texts: Callable[[], Iterable[str]]) -> int:
        before = _today() - KEPT_DAYS
        many = 2 * count + _FEW
        (last,) = db.execute(_LAST, (before,)).fetchone()
        if last <= many or db.execute(_COUNT, (last,)).fetchone()[0] <= many:
            return 0
        db.execute("CREATE TEMP TABLE IF NOT EXISTS needed (text BLOB PRIMARY KEY) WITHOUT ROWID")
        with db:
            keys = ((_digest(text),) for text in texts())
            db.executemany("INSERT OR IGNORE INTO needed VALUES (?)", keys)
            dropped = db.execute(_PRUNE, (before, self._encoder)).rowcount
            db.execute("DELETE FROM needed")
            # The encoders stay: another process may be writing under the number of one.
            db.execute("DELETE FROM days")
        return int(dropped)

    def _shrink(self) -> None:
        """Give free space back, unless others are at work: then it is filled again with time."""
        with self._lock:
            if self._db is None:
                return
            try:
                self._db.execute("VACUUM")
            except sqlite3.Error as error:
                log.info("%s keeps its size for now: %s", self.path, error)

    def _guarded(self, act: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Return what `act` finds in the file, or `otherwise` when the file is of no use."""
        with self._lock:
            if self._off:
                return otherwise
            try:
                return act(self._opened())
            except sqlite3.OperationalError as error:  # locked, full, or not to be written
                self._off = True
                log.warning("embeddings are not kept in %s from here on: %s", self.path, error)
            except sqlite3.DatabaseError as error:
                self._set_aside(error)
            return otherwise

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            db = sqlite3.connect(self.path, timeout=_PATIENCE_S, check_same_thread=False)
            weakref.finalize(self, db.close)
            try:
                self._encoder = _prepared(db, self._fingerprint)
            except sqlite3.Error:
                db.close()
                raise
            self._db = db
        return self._db

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        self.close()
        damaged = self.path.with_name(f"{self.path.name}.damaged")
        log.warning(
            "the cache of embeddings %s is damaged (%s): it is now %s, and texts are encoded again",
            self.path,
            error,
            damaged.name,
        )
        with suppress(FileNotFoundError):  # somebody has deleted it meanwhile
            os.replace(self.path, damaged)
        self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)


def _prepared(db: sqlite3.Connection, fingerprint: str) -> int:
    """Make the tables unless they are there, and return the number of an encoder."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError(f"expected version {VERSION}, not {version}")
    with db:
        db.executescript(f"{_SCHEMA} PRAGMA user_version = {VERSION};")
        db.execute("INSERT OR IGNORE INTO encoders (fingerprint) VALUES (?)", (fingerprint,))
        sql = "SELECT number FROM encoders WHERE fingerprint = ?"
        (number,) = db.execute(sql, (fingerprint,)).fetchone()
    return int(number)


def _today() -> int:
    return int(time.time() // 86_400)


def _slices(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _checksum(packed: Packed) -> int:
    checksum = 0
    for part in packed:
        checksum = zlib.crc32(part if isinstance(part, bytes) else repr(part).encode(), checksum)
    return checksum
