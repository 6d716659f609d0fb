"""An index made equal to a folder: what is new comes in, what changed again, what is gone goes.

Every file is read and compared by the hash of its content.  Size and time of a file are not
trusted for that: copies, restored backups and coarse clocks keep both.

Each document keeps in its metadata, under `SYNCED_FROM`, the name of the folder that it came from:
so only documents of that folder are ever deleted or replaced, and the name can be filtered by.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from hybrid.documents import Document, ReadReport, Skipped
from hybrid.hooks import timed
from hybrid.readers import open_source
from hybrid.stored_documents import document_of, label_of, labels_of

if TYPE_CHECKING:
    from hybrid.retriever import Retriever
    from hybrid.store import ChunkStore

log = logging.getLogger(__name__)

SYNCED_FROM = "synced_from"
"""The key in the metadata of a document that names its folder."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder, and how an index calls it.

    Parameters
    ----------
    path : str or Path
        The folder.
    name : str
        What its documents are marked with; the absolute path by default.  A folder that moves, or
        is mounted elsewhere on another machine, needs a name.
    prefix : str
        Stands before the ids of its documents, so that two folders can have files of one name.
    """

    path: Path
    name: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, folder: "str | Path | Source") -> "Source":
        """Return a source with its name.

        Raises
        ------
        FileNotFoundError, NotADirectoryError
            If there is no such folder.
        """
        given = folder if isinstance(folder, Source) else cls(Path(folder))
        path = Path(given.path)
        if not path.exists():
            raise FileNotFoundError(f"expected a folder at {path}, but nothing is there")
        if not path.is_dir():
            raise NotADirectoryError(f"expected a folder, but {path} is a file: add it")
        return replace(given, path=path, name=given.name or path.resolve().as_posix())


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
    """

    delete: bool
    adopt: bool
    allow_empty: bool


@dataclass(slots=True)
class _Reading:
    """The documents of a folder as they are read, and what is noted meanwhile."""

    store: "ChunkStore"
    source: Source
    adopt: bool
    report: ReadReport = field(default_factory=ReadReport)
    refused: list[Skipped] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def documents(self) -> Iterator[Document]:
        """Yield the documents that are to be in the index, marked with their folder."""
        for document in open_source(self.source.path, report=self.report):
            doc_id = self.source.prefix + document.doc_id
            metadata = {**document.metadata, SYNCED_FROM: self.source.name}
            marked = replace(document, doc_id=doc_id, metadata=metadata)
            reason = self._reason_against(marked)
            if reason:
                self.refused.append(Skipped(doc_id, reason))
                continue
            self.seen.add(doc_id)
            yield marked

    def gone(self) -> list[str]:
        """Return the documents of this folder in the index that are not in the folder any more."""
        unread = {skipped.path for skipped in self.report.skipped}
        if "." in unread or (unread and not self._names_files()):
            return []
        return [doc_id for doc_id in self.owned() if not self._is_kept(doc_id, unread)]

    def owned(self) -> Iterator[str]:
        """Yield the documents in the index that came from this folder."""
        for doc_id, metadata in labels_of(self.store):
            if metadata.get(SYNCED_FROM) == self.source.name:
                yield doc_id

    def _reason_against(self, document: Document) -> str:
        """Return why a document may not be put into the index; "" when it may."""
        if document.doc_id in self.seen:
            return f"a second document with the id {document.doc_id!r}"
        label = label_of(self.store, document.doc_id)
        if label is None or label.get(SYNCED_FROM) == self.source.name:
            return ""
        owner = label.get(SYNCED_FROM)
        if self.adopt or (owner is None and self._is_same(document)):
            return ""
        whose = "did not come from this folder" if owner is None else f"came from {owner}"
        return f"the id is that of a document that {whose}: adopt it, or give the source a prefix"

    def _is_same(self, document: Document) -> bool:
        """Return whether the index holds a document already, but for the mark."""
        unmarked = {key: value for key, value in document.metadata.items() if key != SYNCED_FROM}
        stored = document_of(self.store, document.doc_id)
        hashed = replace(document, metadata=unmarked).content_hash
        return stored is not None and stored.content_hash == hashed

    def _names_files(self) -> bool:
        """Return whether ids begin with names of files: those of a BEIR collection do not."""
        return not (self.source.path / "corpus.jsonl").is_file()

    def _is_kept(self, doc_id: str, unread: set[str]) -> bool:
        """Return whether a document is in the folder, or may be in what could not be read."""
        if doc_id in self.seen:
            return True
        name = doc_id.removeprefix(self.source.prefix)
        files = (name[:place] for place, character in enumerate(name) if character in ":/")
        return name in unread or any(file in unread for file in files)


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
        delete, adopt, allow_empty: see `SyncOptions`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If no document is left in the folder, and the index holds some of it.
    """
    with retriever._changing() as state:  # the newest, of which this is the only writer
        reading = _Reading(state.store, Source.of(folder), options.get("adopt", False))
        added = retriever.add(reading.documents())
        gone = reading.gone() if options.get("delete", True) else []
        if gone and not reading.seen and not options.get("allow_empty", False):
            raise ValueError(
                f"expected documents in {reading.source.path}, but there are none, and the index "
                f"holds {len(gone)} of it: is it the right folder? To delete them, allow it to be "
                f"empty"
            )
        deleted = retriever.delete(gone)
    skipped = (*reading.report.skipped, *reading.refused)
    counts = {"new": added.added, "replaced": added.replaced, "deleted": deleted}
    log.info("synced %s: %s", reading.source.path, counts, extra=counts)
    return Synced(added.added, added.replaced, added.unchanged, deleted, skipped, added.empty)


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
    if not seconds > 0:
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
