"""A folder as an index sees it: which documents it holds, which of an index are gone from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hybrid.documents import Document, ReadReport, Skipped
from hybrid.readers import files_of, open_source, read_named
from hybrid.store import ChunkStore
from hybrid.stored_documents import document_of, label_of, labels_of
from hybrid.synced_files import KnownFiles, facts_of

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


@dataclass(slots=True)
class Reading:
    """The documents of a folder as they are read, and what is noted meanwhile."""

    store: ChunkStore
    source: Source
    adopt: bool
    files: KnownFiles
    report: ReadReport = field(default_factory=ReadReport)
    refused: list[Skipped] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    unread: int = 0

    def documents(self) -> Iterator[Document]:
        """Yield the documents that are to be in the index, but for those of files known to be."""
        if not self._names_files():
            yield from self._marked(open_source(self.source.path, report=self.report))
            return
        for name, path in files_of(self.source.path, report=self.report):
            facts = facts_of(path)
            known = self.files.documents(name, facts, self.store)
            if known is None:
                yield from self._of_file(name, path)
            else:
                self.seen.update(known)
                self.unread += len(known)

    def _of_file(self, name: str, path: Path) -> Iterator[Document]:
        """Yield the documents of a file, and note that it was read, when all of them were taken."""
        facts, left = facts_of(path), self._left()
        hashes: dict[str, str] = {}
        for document in self._marked(read_named(path, name, report=self.report)):
            hashes[document.doc_id] = document.content_hash
            yield document
        if self._left() == left and facts_of(path) == facts:
            self.files.note(name, facts, hashes)

    def _left(self) -> int:
        """Return how much was not taken so far."""
        return len(self.report.skipped) + len(self.refused)

    def _marked(self, documents: Iterator[Document]) -> Iterator[Document]:
        """Yield documents marked with their folder; leave those out that may not come in."""
        for document in documents:
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


def check_apart(source: Path, out: Path) -> None:
    """Raise if the index would be read as one of the documents."""
    outer, inner = source.resolve(), out.resolve()
    if not inner.is_relative_to(outer):
        return
    if not any(part.startswith(".") for part in inner.relative_to(outer).parts):
        raise ValueError(
            f"expected the index outside of {source}, or hidden in it, but {out} would be read as "
            f"one of the documents: try {out.with_name(f'.{out.name}')}"
        )
