"""An index whose files are damaged, built again from its documents."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid import snapshot
from hybrid.analyzers import detected
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.chunking import Chunker
from hybrid.encoders import as_encoder, reopen
from hybrid.encoders.base import CorpusEncoder, Encoder
from hybrid.encoders.cache import FILE_NAME, CachedEncoder
from hybrid.errors import IndexFormatError, StoreError
from hybrid.indexing import PARTS, Indexes
from hybrid.ingest import new_indexes
from hybrid.locking import WriterLock
from hybrid.manifest_file import Manifest, read_manifest
from hybrid.opened_encoder import cached
from hybrid.settings import BM25, Choices, Dense
from hybrid.store import ChunkStore
from hybrid.text_analyzer import TextAnalyzer
from hybrid.verified import Finding
from hybrid.verifying import verify

log = logging.getLogger(__name__)
_BATCH = 500
_WORDS, _VECTORS = frozenset(PARTS[:1]), frozenset(PARTS[1:])


@dataclass(frozen=True, slots=True)
class Repaired:
    """What `repair` did.

    Attributes
    ----------
    path : str
    generation : int
        The one that counts now.
    chunks : int
    rebuilt : tuple of str
        The indexes that were built again; none when nothing was wrong.
    findings : tuple of Finding
        What had been wrong.
    settings_from : str
        The manifest that said how to build; "" when none could be read.
    """

    path: str
    generation: int
    chunks: int
    rebuilt: tuple[str, ...]
    findings: tuple[Finding, ...]
    settings_from: str = "manifest.json"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        if not any(finding.severity == "error" for finding in self.findings):
            return f"{self.path}: nothing was wrong"
        names = ", ".join(self.rebuilt) or "no index, only what is beside them,"
        done = f"{self.path}: built {names} again, {self.chunks} chunks, as {self.generation}"
        if self.settings_from == "manifest.json":
            return done
        how = f"as {self.settings_from} says" if self.settings_from else "as given or by default"
        return (
            f"{done}; manifest.json could not be read: settings {how}, and all documents that the "
            f"store holds as the newest, also of a commit that was not finished"
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is built from what: `manifest` is None when none can be read."""

    folder: Path
    manifest: Manifest | None
    broken: frozenset[str]
    encoder: str | Path | Encoder | None
    analyzer: TextAnalyzer | str | None


def repair(
    path: str | Path,
    *,
    encoder: str | Path | Encoder | None = None,
    analyzer: TextAnalyzer | str | None = None,
) -> Repaired:
    """Build what is broken of an index again from the stored texts, and commit it.

    The chunk store is only read.  BM25, or all that the encoder makes, is kept when it is sound.
    Embeddings that are in embeddings.db are not made again.  When the manifest cannot be read, the
    newest older one that is kept says how the index was made; when there is none, what is given
    here does, or the defaults of `Retriever.create`.

    Parameters
    ----------
    path : str or Path
        The index folder.
    encoder : str, Path or Encoder, optional
        As in `Retriever.load`: needed for a function, and for precomputed vectors.  Without any
        manifest: as in `Retriever.create`.
    analyzer : TextAnalyzer or str, optional
        As in `Retriever.create`; used when no manifest can be read.

    Raises
    ------
    FileNotFoundError, IndexFormatError
        If there is no such folder, or it is no index.
    StoreError
        If the store itself is damaged, or another writer is at work; see `salvage`.
    EncoderMismatch
        If the encoder must be given, or is another one.
    """
    folder = Path(path)
    before = verify(folder, encoder=encoder)
    errors = [finding for finding in before.findings if finding.severity == "error"]
    if not errors:
        return Repaired(str(folder), before.generation or 0, before.chunks, (), before.findings)
    if any(finding.part == "store" for finding in errors):
        raise StoreError(
            f"expected a sound store in {folder}, but {errors[0].problem}: restore store.db from a "
            f"copy, or save what can be read with `hybrid repair --salvage`"
        )
    lock = WriterLock(folder)
    lock.take()
    try:
        name, manifest = _readable_manifest(folder)
        broken = _broken(errors) if name == "manifest.json" else frozenset(PARTS)
        plan = _Plan(folder, manifest, broken, encoder, analyzer)
        known = before.generation if name == "manifest.json" else None
        generation, chunks, rebuilt = _committed(plan, known)
        return Repaired(str(folder), generation, chunks, rebuilt, before.findings, name)
    finally:
        lock.release()


def _readable_manifest(folder: Path) -> tuple[str, Manifest | None]:
    """Return the newest manifest that can be read, and its name; "" and None if none can."""
    older = sorted(folder.glob("manifest-*.json"), reverse=True)
    for path in (folder / "manifest.json", *older):
        try:
            return path.name, read_manifest(path)
        except (FileNotFoundError, IndexFormatError) as error:
            log.warning("repair: %s", error)
    return "", None


def _broken(errors: Sequence[Finding]) -> frozenset[str]:
    """Return the indexes that must be built again: BM25, or all that the encoder makes, or both."""
    broken: set[str] = set()
    for finding in errors:
        part = finding.part
        if part == "files":  # the file is named
            parts = (*PARTS, "encoder", "metadata")
            part = next((one for one in parts if f"/{one}/" in finding.problem), "files")
        if part == "bm25":
            broken |= _WORDS
        elif part in _VECTORS or part == "encoder":
            broken |= _VECTORS
        elif part != "metadata":  # which is always written anew
            broken |= set(PARTS)
    return frozenset(broken)


def _committed(plan: _Plan, known: int | None) -> tuple[int, int, tuple[str, ...]]:
    """Build and commit; return the generation, how many chunks it has, and what was built."""
    folder = plan.folder
    store = ChunkStore(snapshot.store_file(folder), known or 0)
    try:
        if known is None:
            sql = "SELECT max(max(born), coalesce(max(died), 0)) FROM documents"
            store.generation = int(store.read(sql)[0][0] or 0)
        at = store.generation
        rebuilt = _rebuilt(plan, store)
        store.discard(at)
        settings = {"chunker": Chunker().settings(), "fusion": None}
        if plan.manifest is not None:
            settings = plan.manifest.settings
        folders = [int(path.name[4:]) for path in folder.glob("gen-*") if path.name[4:].isdecimal()]
        generation = 1 + max(at, *folders, 0)

        def save(target: Path) -> None:
            rebuilt.save(target)
            store.save_columns(target / "metadata")

        snapshot.write(folder, generation, {**settings, **rebuilt.settings()}, save)
        snapshot.clean(folder)
        built = [part for part in PARTS if part in plan.broken]
        there = tuple(part for part in built if getattr(rebuilt, part) is not None)
        return generation, len(store), there
    finally:
        store.close()


def _rebuilt(plan: _Plan, store: ChunkStore) -> Indexes:
    """Return the indexes of all texts of a store: those that are sound are opened."""
    indexes = _empty(plan, store)
    if plan.manifest is not None:
        sound = [part for part in PARTS if part not in plan.broken]
        files = snapshot.generation_folder(plan.folder, plan.manifest.generation)
        changed = plan.manifest.settings["changed_since_fit"]
        indexes.load(files, changed, store.rows_ever(), parts=sound)
    rows = store.rows()
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        indexes.add_to(plan.broken, batch.tolist(), store.texts(batch))
        log.info("repair: %d of %d chunks", min(start + _BATCH, len(rows)), len(rows))
    if plan.broken & _VECTORS:
        indexes.settle(store)
    if isinstance(indexes.encoder, CachedEncoder):
        indexes.encoder.close()
    return indexes


def _empty(plan: _Plan, store: ChunkStore) -> Indexes:
    """Return empty indexes with the settings of the manifest, or those that are chosen."""
    if plan.manifest is None:
        return _chosen(plan, store)
    settings = plan.manifest.settings
    analyzer, fingerprint = reopen_analyzer(settings["analyzer"], None), settings["encoder"]
    model: Encoder | None = None
    if fingerprint is not None:
        files = snapshot.generation_folder(plan.folder, plan.manifest.generation)
        if fingerprint["kind"] == "lsa" and plan.broken & _VECTORS:
            model = as_encoder("lsa", analyzer)
        else:
            model = reopen(fingerprint, plan.encoder, files / "encoder", analyzer)
            model = cached(model, plan.folder, (plan.folder / FILE_NAME).exists())
    return Indexes(analyzer, model, BM25(**settings["bm25"]), Dense(**settings["dense"]))


def _chosen(plan: _Plan, store: ChunkStore) -> Indexes:
    choices: Choices = {"encoder": plan.encoder or "auto", "analyzer": plan.analyzer or "auto"}
    indexes = new_indexes(choices)
    analyzer, encoder = indexes.analyzer, indexes.encoder
    if indexes.detect:
        analyzer = detected(store.texts(store.rows()[:_BATCH]))
    if isinstance(encoder, CorpusEncoder):
        encoder = encoder.reading_with(analyzer)
    elif encoder is not None:
        encoder = cached(encoder, plan.folder, (plan.folder / FILE_NAME).exists())
    return Indexes(analyzer, encoder, *indexes.choices)
