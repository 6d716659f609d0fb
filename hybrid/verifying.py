"""Is an index sound?  Files, store and every index, compared row by row."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from hybrid import snapshot
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.damaged import told_as_damage
from hybrid.encoders import reopen
from hybrid.encoders.base import CorpusEncoder, Encoder
from hybrid.encoders.canaries import check_canaries
from hybrid.errors import HybridError, StoreError
from hybrid.indexing import Indexes
from hybrid.manifest_file import Manifest
from hybrid.settings import BM25, Dense
from hybrid.store import ChunkStore
from hybrid.store_reading import connected_to_read
from indexes.candidates import Rows

Severity = Literal["error", "warning"]
_REPAIR = "run `hybrid repair`"
_SAMPLE, _BATCH = 200, 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    severity : {"error", "warning"}
        An error makes answers wrong or impossible; a warning does not.
    part : str
        "manifest", "files", "store", "bm25", "dense", "lexical", "multivector" or "encoder".
    problem : str
        What was expected, and what was found.
    advice : str
        What to do.
    """

    severity: Severity
    part: str
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found.

    Attributes
    ----------
    path : str
    generation : int or None
        None when not even the manifest can be read.
    chunks : int
        Of the store.
    checked : tuple of str
        The parts that were looked at.
    findings : tuple of Finding
    """

    path: str
    generation: int | None
    chunks: int
    checked: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        head = f"{self.path}: generation {self.generation}, {self.chunks} chunks; "
        checked = f"looked at {', '.join(self.checked)}: "
        if self.ok:
            return f"{head}{checked}all is well"
        lines = [f"{f.severity}: {f.part}: {f.problem}: {f.advice}" for f in self.findings]
        return "\n".join([f"{head}{checked}{len(lines)} findings", *lines])


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
        Also read every file for its sha256, and analyse every text again; otherwise some.

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

    def look(self) -> None:
        """Look at everything, from the manifest to the vectors."""
        manifest = self._part("manifest", lambda: snapshot.read(self.folder))
        if manifest is None:
            self._part("store", lambda: self._store_file())
            return
        self.generation = manifest.generation
        self._part("files", lambda: self._files(manifest))
        store = self._part("store", lambda: self._store(manifest.generation))
        indexes = self._part("indexes", lambda: self._opened(manifest))
        if store is None:
            return
        with closing(store):
            if indexes is not None:
                for name in indexes.names():
                    self._part(name, lambda name=name: self._rows_of(indexes, name))  # type: ignore[misc]
                self._part("bm25", lambda: self._terms(indexes, store))
                self._part("dense", lambda: self._vectors(indexes))

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

    def _opened(self, manifest: Manifest) -> Indexes:
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
        indexes.load(files, settings["changed_since_fit"])
        return indexes

    def _rows_of(self, indexes: Indexes, name: str) -> None:
        """Compare the rows of an index with those of the store."""
        held = rows_in(indexes, name)
        missing, extra = np.setdiff1d(self.rows, held), np.setdiff1d(held, self.rows)
        if name == "dense":  # LSA has no vector for a text of unknown words
            known = isinstance(indexes.encoder, CorpusEncoder)
            missing = missing[:0] if known else missing
        for rows, what in ((missing, "is not in it"), (extra, "is not in the store")):
            if len(rows):
                self._tell(name, f"row {rows[0]} {what}, and so with {len(rows)} rows in all")

    def _terms(self, indexes: Indexes, store: ChunkStore) -> None:
        """Analyse texts again, and compare their terms with the lists."""
        rows = self.rows
        if not self.deep and len(rows) > _SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            differing = _differing(indexes, store.texts(batch), batch)
            if differing:
                wrong = f"row {differing[0]} has other terms than its text"
                self._tell("bm25", f"{wrong}, and so with {len(differing)} rows from {batch[0]} on")

    def _vectors(self, indexes: Indexes) -> None:
        """Look for vectors that are no vectors."""
        if indexes.dense is None:
            return
        rows = rows_in(indexes, "dense")
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            _, vectors = indexes.dense.stored(batch)
            with np.errstate(over="ignore", invalid="ignore"):
                lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
            bad = ~np.isfinite(lengths)
            if indexes.dense.metric == "cosine":
                bad |= ~(np.abs(lengths - 1) < 0.05)
            if bad.any():
                self._tell("dense", f"the vector of row {batch[bad][0]} is {lengths[bad][0]} long")


def rows_in(indexes: Indexes, name: str) -> Rows:
    """Return the live rows of an index, ascending."""
    index: Any = getattr(indexes, name)
    if index is None:
        return np.empty(0, np.int64)
    if name == "dense":
        slots = index._stored.slots
    elif name == "multivector":
        slots = index._slots
    else:
        return np.flatnonzero(index._postings.live)
    return np.sort(slots.rows[slots.live])


def _differing(indexes: Indexes, texts: list[Any], rows: Rows) -> list[int]:
    """Return the rows whose postings are not the terms of their text."""
    batch = indexes.analyzer.batch(texts)
    numbers = [indexes.bm25._number_of(term) for term in batch.terms]
    of_term = np.array([-1 if number is None else number for number in numbers], np.int64)
    expected = _pairs(batch, of_term)
    found: dict[int, dict[int, int]] = {row: {} for row in rows.tolist()}
    for segment in indexes.bm25._postings.segments:
        places, terms, counts = segment.entries(rows)
        for place, term, count in zip(
            places.tolist(), terms.tolist(), counts.tolist(), strict=True
        ):
            found[int(rows[place])][term] = count
    return [row for row, terms in zip(rows.tolist(), expected, strict=True) if found[row] != terms]


def _pairs(batch: Any, of_term: Rows) -> Iterator[dict[int, int]]:
    """Yield, for each text of a batch, its terms' numbers and how often each comes."""
    for number in range(len(batch)):
        ids = of_term[batch.ids[batch.offsets[number] : batch.offsets[number + 1]]]
        terms, counts = np.unique(ids, return_counts=True)
        yield dict(zip(terms.tolist(), counts.tolist(), strict=True))
