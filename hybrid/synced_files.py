"""Which files a sync has read before, so that it need not read all of them again.

A file is not read again when its size, its inode and both its times are what they were, and the
index holds the very documents that came of it.  The time of change is among these: programs can set
the time of modification, as those do that copy and restore, but not that one.  What had changed
less than two seconds before it was read is read again, because a second change can fall on the same
tick of a coarse clock.  On Windows, which tells no time of change, every file is read.

What is remembered lies in the index folder as `FILE`.  It is no part of a generation, and may be
deleted at any time: then every file is read once more.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hybrid.store import ChunkStore

log = logging.getLogger(__name__)

FILE = "synced.json"
_FORMAT = 1  # also to be raised when a reader makes other documents of the same file
_SETTLED = 2.0  # seconds: the coarsest clock of a file system in use, that of FAT

Facts = tuple[int, int, int, int]
Known = dict[str, tuple[Facts, dict[str, str]]]
"""For each file its facts, and the content hash of each of its documents."""


def facts_of(path: Path) -> Facts | None:
    """Return size, inode and times of a file; None where these do not tell whether it changed."""
    if os.name == "nt":
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    if time.time() - max(found.st_mtime, found.st_ctime) < _SETTLED:
        return None
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


@dataclass(slots=True)
class KnownFiles:
    """The files of one folder that were read before, and those that are there now.

    Attributes
    ----------
    index : Path or None
        The index folder; None: in memory, where nothing is remembered.
    source : str
        The folder's name and prefix, under which they are remembered.
    before, now : dict
        {file: (facts, {doc_id: content hash})}
    """

    index: Path | None
    source: str
    before: Known = field(default_factory=dict)
    now: Known = field(default_factory=dict)

    @classmethod
    def load(cls, index: Path | None, source: str, *, reread: bool) -> "KnownFiles":
        """Return what is remembered of a folder; nothing when every file is to be read again."""
        before = {} if index is None or reread else _sources(index / FILE).get(source, {})
        return cls(index, source, before)

    def documents(self, name: str, facts: Facts | None, store: ChunkStore) -> list[str] | None:
        """Return the ids of the documents of a file that need not be read, else None."""
        known = self.before.get(name)
        if known is None or facts is None or known[0] != facts:
            return None
        if any(store.hash_of(doc_id) != expected for doc_id, expected in known[1].items()):
            return None  # changed or deleted by others, or never committed
        self.now[name] = known
        return list(known[1])

    def note(self, name: str, facts: Facts | None, hashes: dict[str, str]) -> None:
        """Remember a file that was read."""
        if facts is not None:
            self.now[name] = facts, hashes

    def save(self) -> None:
        """Write what is known now, in place of what was before."""
        if self.index is None or self.now == self.before:
            return
        sources = {**_sources(self.index / FILE), self.source: self.now}
        try:
            _write(self.index / FILE, {"format": _FORMAT, "sources": sources})
        except OSError as error:
            log.warning("cannot remember which files were read: %s", error.strerror)


def _sources(path: Path) -> dict[str, Known]:
    """Return what is remembered of every folder; nothing when it cannot be read."""
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != _FORMAT:
            return {}
        return {name: _known(files) for name, files in found["sources"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        log.warning("%s cannot be read (%s): every file is read", FILE, type(error).__name__)
        return {}


def _known(files: Mapping[str, Any]) -> Known:
    known: Known = {}
    for name, (facts, hashes) in files.items():
        size, inode, modified, changed = facts
        known[name] = (size, inode, modified, changed), dict(hashes)
    return known


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file as a whole; the caller holds the lock of the index."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(value, separators=(",", ":")), "utf-8")
    os.replace(fresh, path)
