"""Documents out of a store that is damaged, as far as they can be read."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid import snapshot
from hybrid.documents import Document
from hybrid.errors import IndexFormatError, StoreError
from hybrid.store_reading import connected_to_read

_LAST_KEY = (
    "SELECT seq FROM sqlite_sequence WHERE name = 'documents'",
    "SELECT max(key) FROM documents",
    "SELECT max(key) FROM documents INDEXED BY names",
    "SELECT max(document) FROM chunks",
)


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What `salvage` could read.

    Attributes
    ----------
    file : str
    documents : int
        How many were written.
    lost : tuple of str
        The ids of those that could not be read; "?" and a number where not even the id is known.
        A number may be that of a document that was deleted before.
    altered : tuple of str
        The ids of those that were written, but are not what was stored: their hash is another.
    """

    file: str
    documents: int
    lost: tuple[str, ...]
    altered: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        told = f"{self.file} holds {self.documents} documents"
        if self.altered:
            told += f"; {len(self.altered)} are not what was stored: {_listed(self.altered)}"
        if not self.lost:
            return f"{told}; all could be read"
        return f"{told}; {len(self.lost)} could not be read: {_listed(self.lost)}"


def salvage(path: str | Path, into: str | Path) -> Salvaged:
    """Write the documents of a damaged index that can be read into a new JSONL file.

    Each line has ``_id``, ``text``, ``title`` and ``metadata``, as `hybrid index` and
    `hybrid.readers` take them; that a text was Markdown or code is lost.  Nothing in the index
    folder is changed.

    Parameters
    ----------
    path : str or Path
        The index folder.
    into : str or Path
        A file that is not there yet.

    Raises
    ------
    FileExistsError
        If there is such a file.
    StoreError
        If there is no store, or nothing in it can be read.
    """
    folder, file = Path(path), Path(into)
    store = snapshot.store_file(folder)
    if not store.exists():
        raise StoreError(f"expected {store.name} in {folder}, but there is none to read")
    try:
        with closing(connected_to_read(store)) as db, file.open("x", encoding="utf-8") as out:
            (ids, whole), count, lost, altered = _known_ids(db), 0, [], []
            last = max(ids) if whole and ids else _last_key(db, store.stat().st_size)
            for key, document, digest in _read(db, last, _generation(folder)):
                if document is None:
                    if not whole or key in ids:
                        lost.append(ids.get(key, f"?{key}"))
                    continue
                if document.content_hash != digest:
                    altered.append(document.doc_id)
                record = {
                    "_id": document.doc_id,
                    "text": document.text,
                    "title": document.title,
                    "metadata": dict(document.metadata),
                }
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
                count += 1
    except sqlite3.Error as error:
        raise StoreError(f"cannot read the chunk store {store}: {error}") from error
    return Salvaged(str(file), count, tuple(lost), tuple(altered))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")


def _generation(folder: Path) -> int | None:
    try:
        return snapshot.newest(folder)
    except IndexFormatError:
        return None


def _known_ids(db: sqlite3.Connection) -> tuple[dict[int, str], bool]:
    """Return the ids by key as their index has them, and whether all of it could be read."""
    known: dict[int, str] = {}
    try:
        for key, doc_id in db.execute("SELECT key, doc_id FROM documents INDEXED BY names"):
            known[key] = str(doc_id)
    except sqlite3.Error:
        return known, False
    return known, True


def _last_key(db: sqlite3.Connection, most: int) -> int:
    """Return the largest key that a part of the file knows, or `most`, if that is less."""
    found = [0]
    for sql in _LAST_KEY:
        with suppress(sqlite3.Error, TypeError, ValueError, IndexError):
            found.append(int(db.execute(sql).fetchone()[0]))
    if not max(found):
        raise StoreError("expected documents in the store, but none can be found: it is damaged")
    return min(max(found), most)


def _read(
    db: sqlite3.Connection, last: int, generation: int | None
) -> Iterator[tuple[int, Document | None, str]]:
    """Yield the key of every document that counts, the document if it can be read, and its hash."""
    columns = "doc_id, text, title, metadata, format, hash, born, died"
    sql = f"SELECT {columns} FROM documents WHERE key = ?"
    for key in _keys(db, last):
        try:
            record = db.execute(sql, (key,)).fetchone()
            if record is None:  # what is broken has no document of this number
                continue
            doc_id, text, title, metadata, form, digest, born, died = record
            now = max(born, died or 0) if generation is None else generation
            if born <= now and (died is None or (generation is not None and died > now)):
                parsed = json.loads(metadata)
                yield key, Document(doc_id, bytes(text).decode(), title, parsed, form), digest
        except (sqlite3.Error, ValueError, TypeError, RecursionError):
            yield key, None, ""


def _keys(db: sqlite3.Connection, last: int) -> Iterator[int]:
    """Yield the keys of documents, and all numbers that lie where the table is broken."""
    key = 0
    while key < last:
        try:
            (following,) = db.execute(
                "SELECT min(key) FROM documents WHERE key > ?", (key,)
            ).fetchone()
        except sqlite3.Error:
            following = key + 1
        if following is None:
            return
        key = following
        yield key
