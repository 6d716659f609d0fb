"""Index folders whose first build was stopped: nothing is committed, embeddings may be kept."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from hybrid import snapshot
from hybrid.encoders.cache import FILE_NAME
from hybrid.errors import StoreError
from hybrid.locking import LOCK_FILE, WriterLock

_CACHE = f"{FILE_NAME}*"
_PARTS = ("store.db*", "gen-*", "manifest.json.new", "synced.json*", LOCK_FILE, _CACHE)


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder holds what a build leaves that never committed, and nothing else.

    A second generation is written when there has been a first: its manifest is lost, see `repair`.
    """
    if not folder.is_dir() or (folder / "manifest.json").exists():
        return False
    entries = list(folder.iterdir())
    if any(int(path.name[4:]) > 1 for path in entries if re.fullmatch(r"gen-\d+", path.name)):
        return False
    known = all(any(entry.match(part) for part in _PARTS) for entry in entries)
    return bool(entries) and known and _is_ours(snapshot.store_file(folder))


def clear(folder: Path, *, keep_cache: bool = True) -> None:
    """Remove what such a build left, but for the embeddings; without them the folder, too.

    Raises
    ------
    StoreError
        If the build is still going on, in this process or in another, or has committed.
    """
    lock = WriterLock(folder)
    if not lock.try_take():
        raise StoreError(
            f"expected a folder that nobody writes to, but an index is being built in {folder}"
        )
    try:
        if (folder / "manifest.json").exists():  # since the caller looked
            raise StoreError(f"expected no index, but one was committed in {folder}")
        for entry in list(folder.iterdir()):
            if entry.match(_CACHE) and keep_cache:
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    finally:
        lock.release()
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
