"""Compaction: what nobody can see any more is removed, and small parts are merged."""

from dataclasses import dataclass
from pathlib import Path

from hybrid import snapshot
from hybrid.committing import commit
from hybrid.hooks import timed
from hybrid.locking import LOCK_FILE
from hybrid.opening import State


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did.

    Attributes
    ----------
    documents : int
        Documents that were removed from the store; they were deleted or replaced before.
    bytes_before, bytes_after : int
        Size of the folder; 0 in memory.
    """

    documents: int
    bytes_before: int
    bytes_after: int


@timed("compact", lambda done: {"documents": done.documents, "bytes": done.bytes_after})
def compact(state: State) -> Compacted:
    """Merge and purge; the caller has begun a generation in which nothing has changed.

    Rows keep their numbers, and every answer its bits.
    """
    folder, store = state.folder, state.store
    before = 0 if folder is None else folder_size(folder)
    state.indexes.settle(store)
    state.indexes.compact()
    store.thin_columns()
    if folder is None:
        return Compacted(store.purge([store.generation]), 0, 0)
    commit(state)
    purged = store.purge(snapshot.kept(folder))
    return Compacted(purged, before, folder_size(folder))


def folder_size(folder: Path) -> int:
    """Return the bytes of all files of an index; those with two names count once."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK_FILE)
    found = (path.lstat() for path in paths)
    return sum({(one.st_dev, one.st_ino): one.st_size for one in found}.values())
