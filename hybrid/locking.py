"""Locks on an index folder: one writer, and readers whose generation stays while they read it.

They are locks of the operating system on open files (flock), so they end with the process that
holds them, however it ends: no lock is ever stale.  They hold between processes of one machine, and
between two retrievers of one process.

On Windows there is the writer's lock alone; a folder that is read there stays because open files
cannot be removed.  On network file systems (NFS, SMB) no promise is made: some lock for one machine
only, some not at all, and a writer's lock that cannot be taken is an error.
"""

import contextlib
import json
import os
import socket
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from hybrid.errors import StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_FILE = "lock"
"""Of the writer, in the index folder; who holds it is written inside."""

_FAR = 1 << 30  # the byte that is locked where files cannot be: what is written stays readable


class WriterLock:
    """The right to change an index folder.

    Parameters
    ----------
    folder : Path
        The index folder, which exists when the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._descriptor: int | None = None
        self._closing: weakref.finalize[Any, Any] | None = None

    @property
    def held(self) -> bool:
        """Whether this very object holds the lock."""
        return self._descriptor is not None

    def take(self) -> None:
        """Take the lock; nothing happens when it is held already.

        Raises
        ------
        StoreError
            If another writer holds it, in this process or in another; says who, and since when.
        """
        if not self.try_take():
            raise StoreError(
                f"expected to be the only writer of {self.path.parent}, but {self._owner()} holds "
                f"its lock: commit or close there, or try again later"
            )

    def try_take(self) -> bool:
        """Take the lock if nobody holds it, and return whether it is held now."""
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _lock(descriptor):
                os.close(descriptor)
                return False
            if not _is_at(descriptor, self.path):  # removed by who held it before
                os.close(descriptor)
                continue
            facts = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "command": Path(*sys.argv[:1]).name,  # without arguments: they may be secret
                "since": time.time(),
            }
            with contextlib.suppress(OSError):  # a full disk: only the message suffers
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps(facts).encode())
            self._descriptor = descriptor
            self._closing = weakref.finalize(self, os.close, descriptor)
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None and self._closing is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            self._descriptor = None
            self._closing()

    def _owner(self) -> str:
        try:
            facts = json.loads(self.path.read_text("utf-8"))
            age = max(0.0, time.time() - facts["since"])
            started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts["since"]))
            return (
                f"process {facts['pid']} ({facts.get('command', '?')}) on {facts['host']}, "
                f"a writer since {started}, {age:.0f} s ago,"
            )
        except (OSError, ValueError, TypeError, KeyError, OverflowError, AttributeError):
            return "another writer"


class Lease:
    """A reader's hold on the folder of a generation: no writer removes it meanwhile."""

    def __init__(self, descriptor: int | None) -> None:
        end = (lambda: None) if descriptor is None else (lambda: os.close(descriptor))
        self._closing = weakref.finalize(self, end)

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """Return a hold on a folder; None when it is gone, or a writer is removing it.

        Where folders cannot be locked the hold is a promise that nobody keeps: a file that is open
        stays readable, or cannot be removed.
        """
        if sys.platform == "win32":
            return cls(None) if folder.is_dir() else None
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a file system without locks
            os.close(descriptor)
            return cls(None)
        if not _is_at(descriptor, folder):
            os.close(descriptor)
            return None
        return cls(descriptor)

    def release(self) -> None:
        """Let go of the folder."""
        self._closing()


@contextlib.contextmanager
def removing(folder: Path) -> Iterator[bool]:
    """Give whether a folder is free to be removed: then no reader can take hold of it meanwhile."""
    if sys.platform == "win32":
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a file system without locks
            pass
        yield True
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file for this process alone, and return whether that went well."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file or folder is still the one at a path."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
