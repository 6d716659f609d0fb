"""Is an index sound?  Files, store and every index, compared row by row."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from hybrid import snapshot
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.damaged import told_as_damage
from hybrid.encoders import reopen
from hybrid.encoders.base import Encoder
from hybrid.encoders.canaries import check_canaries
from hybrid.errors import HybridError, StoreError
from hybrid.index_checks import (
    other_embeddings,
    wrong_rows,
    wrong_terms,
    wrong_tokens,
    wrong_vectors,
    wrong_weights,
)
from hybrid.indexing import PARTS, Indexes
from hybrid.manifest_file import Manifest
from hybrid.settings import BM25, Dense
from hybrid.store import ChunkStore
from hybrid.store_checks import wrong_documents
from hybrid.store_reading import connected_to_read
from hybrid.verified import Finding, Severity, Verified
from indexes.candidates import Rows
from indexes.slots import MOST_ROWS

_REPAIR = "run `hybrid repair`"
_SAMPLE = 200  # texts that are analysed when not all are
_SOUND = {"dense": wrong_vectors, "lexical": wrong_weights, "multivector": wrong_tokens}
T = TypeVar("T")


def verify(
    path: str | Path, *, encoder: str | Path | Encoder | None = None, deep: bool = True
) -> Verified:
    """Return what is wrong with a saved index; nothing in the folder is changed.

    Parameters
    ----------
    path : str or Path
        The index folder.
    encoder : str, Path or Encoder, optional
        As in `Retriever.load`.  Without it the vectors' encoder is only opened if it was fitted to
        the corpus: a model would have to be loaded.
    deep : bool
        Also read every file for its sha256, analyse every text again, otherwise some, and encode
        some again where there is an encoder.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    IndexFormatError
        If it is no index at all.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected an index folder, but there is none at {folder}")
    if not snapshot.store_file(folder).exists() and not any(folder.glob("manifest*.json")):
        snapshot.parsed(folder, None)  # tells that it is no index; nothing is damaged
    looking = _Looking(folder, encoder, deep)
    looking.look()
    found = tuple(looking.findings)
    return Verified(
        str(folder), looking.generation, len(looking.rows), tuple(looking.checked), found
    )


class _Looking:
    """One look at an index folder."""

    def __init__(self, folder: Path, encoder: str | Path | Encoder | None, deep: bool) -> None:
        self.folder, self.encoder, self.deep = folder, encoder, deep
        self.findings: list[Finding] = []
        self.checked: list[str] = []
        self.generation: int | None = None
        self.rows: Rows = np.empty(0, np.int64)
        self.unopened: set[str] = set()

    def look(self) -> None:
        """Look at everything, from the manifest to the vectors."""
        manifest = self._part("manifest", lambda: snapshot.parsed(self.folder, None))
        if manifest is None:
            self._part("store", lambda: self._store_file())
            return
        self.generation = manifest.generation
        self._part("files", lambda: self._files(manifest))
        store = self._part("store", lambda: self._store(manifest.generation))
        below = MOST_ROWS if store is None else store.rows_ever()
        indexes = self._part("indexes", lambda: self._opened(manifest, below))
        if store is None:
            return
        with closing(store):
            if self.deep:
                self._part("store", lambda: self._documents(store))
            self._part("metadata", lambda: self._columns(store, manifest.generation))
            if indexes is not None:
                self._compared(indexes, store)

    def _part(self, name: str, look: Callable[[], T]) -> T | None:
        """Look at a part; what makes that impossible is a finding."""
        if name not in self.checked:
            self.checked.append(name)
        try:
            with told_as_damage(self.folder):
                return look()
        except (HybridError, sqlite3.Error) as error:
            self._tell(name, str(error).replace(": `hybrid verify` says what is wrong,", ":"))
            return None

    def _tell(
        self, part: str, problem: str, advice: str = _REPAIR, severity: Severity = "error"
    ) -> None:
        self.findings.append(Finding(severity, part, problem, advice))

    def _files(self, manifest: Manifest) -> None:
        """Compare sha256 sums; look for links, and for files that belong to nothing."""
        root = self.folder.resolve()
        for name in manifest.files:
            file = self.folder / name
            if file.is_symlink() or not file.resolve().is_relative_to(root):
                self._tell("files", f"expected {name} within the folder, but it leads out of it")
        for line in snapshot.verify(self.folder) if self.deep else ():
            self._tell("files", line)
        for path in snapshot.leftovers(self.folder):
            self._tell("files", f"{path.name} is left over", "open the index to write", "warning")

    def _store_file(self) -> None:
        """Have SQLite check its file."""
        path = snapshot.store_file(self.folder)
        if not path.exists():
            raise StoreError(f"expected {path.name}, but it is missing: restore it from a copy")
        with closing(connected_to_read(path)) as db:
            how = "integrity_check" if self.deep else "quick_check"
            for (line,) in db.execute(f"PRAGMA {how}(20)"):
                if line != "ok":
                    self._tell("store", f"SQLite says {line}", "restore it from a copy")
            for table, row, *_ in db.execute("PRAGMA foreign_key_check"):
                self._tell("store", f"row {row} of {table} has no document")

    def _store(self, generation: int) -> ChunkStore:
        self._store_file()
        store = ChunkStore(snapshot.store_file(self.folder), generation, read_only=True)
        self.rows = store.rows()
        return store

    def _documents(self, store: ChunkStore) -> None:
        """Compare documents with their hashes, and with their chunks."""
        for line in wrong_documents(store):
            self._tell("store", line, "restore it from a copy, or `hybrid repair --salvage`")

    def _opened(self, manifest: Manifest, below: int) -> Indexes:
        """Open the indexes, and the encoder where nothing must be loaded for it."""
        settings = manifest.settings
        files = snapshot.generation_folder(self.folder, manifest.generation)
        analyzer = reopen_analyzer(settings["analyzer"], None)
        fingerprint, encoder = settings["encoder"], None
        if fingerprint is not None and (self.encoder or fingerprint["kind"] in ("lsa", "static")):
            self.checked.append("encoder")
            try:
                encoder = reopen(fingerprint, self.encoder, files / "encoder", analyzer)
                check_canaries(files / "encoder", encoder)
            except HybridError as error:
                self._tell("encoder", str(error), "open the index with its own encoder")
        bm25, dense = BM25(**settings["bm25"]), Dense(**settings["dense"])
        indexes = Indexes(analyzer, encoder, bm25, dense)
        changed = settings["changed_since_fit"]

        def load(part: str) -> None:
            self.unopened.add(part)
            indexes.load(files, changed, below, parts=(part,))
            self.unopened.discard(part)

        for part in PARTS:
            if part == "bm25" or (files / part).exists():
                self._part(part, lambda part=part: load(part))  # type: ignore[misc]
        return indexes

    def _compared(self, indexes: Indexes, store: ChunkStore) -> None:
        """Compare every index with the store, and with what it can be compared with."""
        rows = self.rows
        if not self.deep and len(rows) > _SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
        there = [part for part in PARTS if _is_there(indexes, part)]
        names = [part for part in there if part not in self.unopened]
        for name in names:
            self._tell_all(name, lambda name=name: wrong_rows(indexes, name, self.rows))  # type: ignore[misc]
        if "bm25" in names:
            self._tell_all("bm25", lambda: wrong_terms(indexes, store, rows, whole=self.deep))
        held = [part for part in names if part != "bm25" and getattr(indexes, part)]
        for part in held:
            self._tell_all(part, lambda part=part: _SOUND[part](indexes))  # type: ignore[misc]
        if self.deep and indexes.encoder is not None:
            for part in held:
                self._tell_all(part, lambda part=part: other_embeddings(indexes, store, part))  # type: ignore[misc]

    def _tell_all(self, part: str, look: Callable[[], Iterable[str]]) -> None:
        def tell() -> None:
            for problem in look():
                self._tell(part, problem)

        self._part(part, tell)

    def _columns(self, store: ChunkStore, generation: int) -> None:
        """Compare the columns of metadata with the documents."""
        folder = snapshot.generation_folder(self.folder, generation) / "metadata"
        if folder.exists():  # an index from before November 2026 has none
            store.open_columns(folder)
            for line in store.differing_columns(None if self.deep else _SAMPLE):
                self._tell("metadata", line)


def _is_there(indexes: Indexes, part: str) -> bool:
    return getattr(indexes, part) is not None or part in indexes.names()
