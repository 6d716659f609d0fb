"""Index folders whose first build was stopped: nothing is committed, embeddings may be kept."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from hybrid import snapshot
from hybrid.encoders.cache import FILE_NAME
from hybrid.errors import StoreError

_CACHE = f"{FILE_NAME}*"
_PARTS = ("store.db*", "gen-*", "manifest.json.new", _CACHE)


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder holds what a build leaves that never committed, and nothing else."""
    if not folder.is_dir() or (folder / "manifest.json").exists():
        return False
    entries = list(folder.iterdir())
    known = all(any(entry.match(part) for part in _PARTS) for entry in entries)
    return bool(entries) and known and _is_ours(snapshot.store_file(folder))


def clear(folder: Path, *, keep_cache: bool = True) -> None:
    """Remove what such a build left, but for the embeddings; without them the folder, too.

    Raises
    ------
    StoreError
        If the build is still going on, in this process or in another.
    """
    store = snapshot.store_file(folder)
    if store.exists() and _is_locked(store):
        raise StoreError(
            f"expected a folder that nobody writes to, but an index is being built in {folder}"
        )
    for entry in list(folder.iterdir()):
        if entry.match(_CACHE) and keep_cache:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _is_ours(store: Path) -> bool:
    """Return whether a chunk store could have been left by a build: it has our tables, or none."""
    if not store.exists():
        return True
    try:
        with closing(sqlite3.connect(store)) as db:
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError:
        return False
    return not names or names >= {"documents", "chunks"}


def _is_locked(store: Path) -> bool:
    """Return whether somebody has written to a store, and did not commit yet."""
    with closing(sqlite3.connect(store, timeout=0)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        db.rollback()
    return False
