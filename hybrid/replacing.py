"""A whole index put in the place of another, so that a kill at any instant loses neither.

The new one is filled in a hidden folder beside its place: ``.name-1a2b3c4d.saving/new``.  Then the
old one moves into ``.../old``, and the new one into its place.  Who opens, makes or saves an index
there brings back an old one whose saver was killed between the two, and removes what is left over.
"""

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid.locking import LOCK_FILE, WriterLock

log = logging.getLogger(__name__)

_MANIFEST = "manifest.json"


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, and put it in the place of `folder` when all went well.

    Raises
    ------
    FileExistsError
        If something other than an index is there.
    """
    if folder.exists() and not (folder / _MANIFEST).exists():
        if not folder.is_dir() or any(folder.iterdir()):
            raise FileExistsError(f"expected a new folder or an index, but {folder} is neither")
        folder.rmdir()
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(".saving", f".{folder.name}-", folder.parent))
    lock = WriterLock(beside)
    try:
        lock.take()  # who sees it held knows that somebody is still saving
        fresh = beside / "new"
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(beside / "old")
        fresh.rename(folder)
    finally:
        _end(folder, beside, lock)


def bring_back(folder: Path) -> None:
    """Put back an index whose replacement was stopped half-way, and remove what that left.

    Both are told in the log.  Nothing happens while somebody is saving there.
    """
    try:
        for beside in _stopped(folder):
            lock = WriterLock(beside)
            if lock.try_take():
                _end(folder, beside, lock)
                log.warning("removed %s: who saved to %s was stopped", beside.name, folder)
    except OSError as error:  # gone meanwhile, or nothing can be written here
        log.debug("nothing was brought back to %s: %s", folder, error)


def _end(folder: Path, beside: Path, lock: WriterLock) -> None:
    """Put the old index back if none is in its place, and remove the folder beside."""
    old = beside / "old"
    try:
        if not folder.exists() and (old / _MANIFEST).exists():
            old.rename(folder)
            log.warning("put the index at %s back: it was not replaced", folder)
        shutil.rmtree(beside, ignore_errors=True)
    finally:
        lock.release()
    if not (old / _MANIFEST).exists():
        shutil.rmtree(beside, ignore_errors=True)  # Windows: the lock was an open file


def _stopped(folder: Path) -> list[Path]:
    """Return the folders of savers, sorted; nothing that only looks like one."""
    if not folder.parent.is_dir():
        return []
    named = re.compile(rf"\.{re.escape(folder.name)}-[a-z0-9_]{{8}}\.saving")
    found = [path for path in folder.parent.iterdir() if named.fullmatch(path.name)]
    ours = {LOCK_FILE, "new", "old"}
    return sorted(one for one in found if {path.name for path in one.iterdir()} <= ours)
