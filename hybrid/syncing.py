"""An index made equal to a folder: what is new comes in, what changed again, what is gone goes.

A file that is not known to be as it was when it was read (see `hybrid.synced_files`) is read, and
its documents are compared by the hash of their content.

Each document keeps in its metadata, under `SYNCED_FROM`, the name of the folder that it came from:
so only documents of that folder are ever deleted or replaced, and the name can be filtered by.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from hybrid.documents import Skipped
from hybrid.hooks import timed
from hybrid.source_folder import SYNCED_FROM, Reading, Source, check_apart
from hybrid.synced_files import KnownFiles

if TYPE_CHECKING:
    from hybrid.opening import State
    from hybrid.retriever import Retriever

__all__ = ["SYNCED_FROM", "Source", "SyncOptions", "Synced", "sync", "watch"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Synced:
    """What `sync` did, in documents.

    Attributes
    ----------
    added, replaced, unchanged, deleted : int
        New in the index; there with other content; there with the same; gone from the folder.
    skipped : tuple of Skipped
        What was left as it is in the index, and why: files that cannot be read, and ids that are
        taken by documents from elsewhere.
    empty : tuple of str
        Documents that hold no text, and so cannot be found.
    """

    added: int
    replaced: int
    unchanged: int
    deleted: int
    skipped: tuple[Skipped, ...]
    empty: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether the index is another now."""
        return bool(self.added or self.replaced or self.deleted)


class SyncOptions(TypedDict, total=False):
    """How a folder is synced.

    Attributes
    ----------
    delete : bool
        Delete documents that are gone from the folder; True by default.
    adopt : bool
        Replace documents with the same id that did not come from this folder; else they stay, and
        are reported, unless they are the same but for the mark.
    allow_empty : bool
        Delete all documents of the folder when there is none in it any more.
    reread : bool
        Read every file, also those that seem to be what they were.
    """

    delete: bool
    adopt: bool
    allow_empty: bool
    reread: bool


@timed("sync", lambda synced: {"documents": synced.added + synced.replaced + synced.unchanged})
def sync(
    retriever: "Retriever", folder: str | Path | Source, **options: Unpack[SyncOptions]
) -> Synced:
    """Make the documents of a folder in an index equal to the folder; commit nothing.

    What fails midway has deleted nothing.

    Parameters
    ----------
    retriever : Retriever
        The index.
    folder : str, Path or Source
        As `Retriever.from_folder` reads it.
    **options
        delete, adopt, allow_empty, reread: see `SyncOptions`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If no document is left in the folder, and the index holds some of it; or if the index is
        itself in the folder.
    """
    with retriever._changing() as state:  # the newest, of which this is the only writer
        reading = _reading(state, Source.of(folder), options)
        added = retriever.add(reading.documents())
        gone = reading.gone() if options.get("delete", True) else []
        if gone and not reading.seen and not options.get("allow_empty", False):
            raise ValueError(
                f"expected documents in {reading.source.path}, but there are none, and the index "
                f"holds {len(gone)} of it: is it the right folder, and mounted? To delete "
                f"them, allow it to be empty"
            )
        deleted = retriever.delete(gone)
        reading.files.save()
    unchanged = added.unchanged + reading.unread
    skipped = (*reading.report.skipped, *reading.refused)
    counts = {"new": added.added, "replaced": added.replaced, "deleted": deleted}
    log.info("synced %s: %s", reading.source.path.name, counts, extra=counts)
    return Synced(added.added, added.replaced, unchanged, deleted, skipped, added.empty)


def _reading(state: "State", source: Source, options: SyncOptions) -> Reading:
    """Return how the documents of a folder are read for an index."""
    if state.folder is not None:
        check_apart(source.path, state.folder)
    called = json.dumps([source.name, source.prefix])
    files = KnownFiles.load(state.folder, called, reread=options.get("reread", False))
    return Reading(state.store, source, options.get("adopt", False), files)


def watch(
    retriever: "Retriever",
    folder: str | Path | Source,
    seconds: float,
    wait: Callable[[float], object] = time.sleep,
    **options: Unpack[SyncOptions],
) -> Iterator[Synced]:
    """Sync and commit now, and again whenever the folder has changed; yield what was done.

    Parameters
    ----------
    retriever : Retriever
        An index in a folder.
    folder : str, Path or Source
        As in `sync`.
    seconds : float
        Between two looks at the names, sizes and times of the files; these only tell when to sync.
    wait : callable
        Waits for so many seconds.
    **options
        As in `sync`.
    """
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise ValueError(f"expected seconds above 0, not {seconds}")
    source = Source.of(folder)
    last = None
    while True:
        found = _listing(source.path)  # before it is read: what changes meanwhile is seen next time
        if found != last:
            synced = sync(retriever, source, **options)
            if synced.changed or last is None:
                retriever.commit()
            last = found
            yield synced
        wait(seconds)


def _listing(folder: Path) -> bytes:
    """Return a digest of what files there are below a folder, and when they changed."""
    digest = hashlib.sha256()
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            path = os.path.join(place, name)
            try:
                facts = os.stat(path)
            except OSError:
                continue  # gone by now, or a link to nowhere
            told = facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
            digest.update(f"{path}\0{told}\n".encode("utf-8", "surrogateescape"))
    return digest.digest()
