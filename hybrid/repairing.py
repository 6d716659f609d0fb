"""An index whose files are damaged, built again from its documents."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid import snapshot
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.encoders import as_encoder, reopen
from hybrid.encoders.base import Encoder
from hybrid.encoders.cache import FILE_NAME, CachedEncoder
from hybrid.errors import StoreError
from hybrid.indexing import Indexes
from hybrid.locking import WriterLock
from hybrid.manifest_file import Manifest
from hybrid.settings import BM25, Dense
from hybrid.store import ChunkStore
from hybrid.verifying import Finding, verify

log = logging.getLogger(__name__)
_BATCH = 500


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
    """

    path: str
    generation: int
    chunks: int
    rebuilt: tuple[str, ...]
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.rebuilt:
            return f"{self.path}: nothing was wrong"
        names = ", ".join(self.rebuilt)
        return f"{self.path}: built {names} again, {self.chunks} chunks, as {self.generation}"


def repair(path: str | Path, *, encoder: str | Path | Encoder | None = None) -> Repaired:
    """Build every index again from the stored texts, if anything is wrong, and commit them.

    The chunk store is only read.  Embeddings that are in embeddings.db are not made again.

    Parameters
    ----------
    path : str or Path
        The index folder.
    encoder : str, Path or Encoder, optional
        As in `Retriever.load`: needed for a function, and for precomputed vectors.

    Raises
    ------
    FileNotFoundError, IndexFormatError
        If there is no such folder, or its manifest cannot be read.
    StoreError
        If the store itself is damaged, or another writer is at work.
    EncoderMismatch
        If the encoder must be given, or is another one.
    """
    folder = Path(path)
    before = verify(folder, encoder=encoder)
    errors = [finding for finding in before.findings if finding.severity == "error"]
    if not errors:
        return Repaired(str(folder), before.generation or 0, before.chunks, (), before.findings)
    manifest = snapshot.parsed(folder, None)
    if any(finding.part == "store" for finding in errors):
        raise StoreError(
            f"expected a sound store in {folder}, but {errors[0].problem}: restore store.db from a "
            f"copy; no index can be built again without its texts"
        )
    lock = WriterLock(folder)
    lock.take()
    try:
        store = ChunkStore(snapshot.store_file(folder), manifest.generation)
        try:
            rebuilt = _rebuilt(folder, manifest, store, encoder)
            store.discard(manifest.generation)
            settings = {**manifest.settings, **rebuilt.settings()}
            generation = manifest.generation + 1
            snapshot.write(folder, generation, settings, rebuilt.save)
            return Repaired(
                str(folder), generation, len(store), tuple(rebuilt.names()), before.findings
            )
        finally:
            store.close()
    finally:
        lock.release()


def _rebuilt(
    folder: Path,
    manifest: Manifest,
    store: ChunkStore,
    given: str | Path | Encoder | None,
) -> Indexes:
    """Return the indexes of all texts of a store."""
    settings, fingerprint = manifest.settings, manifest.settings["encoder"]
    analyzer = reopen_analyzer(settings["analyzer"], None)
    model: Encoder | None = None
    if fingerprint is not None and fingerprint["kind"] == "lsa":
        model = as_encoder("lsa", analyzer)
    elif fingerprint is not None:
        files = snapshot.generation_folder(folder, manifest.generation)
        model = reopen(fingerprint, given, files / "encoder", analyzer)
        if (folder / FILE_NAME).exists():
            model = CachedEncoder(model, folder / FILE_NAME)
    bm25, dense = BM25(**settings["bm25"]), Dense(**settings["dense"])
    indexes = Indexes(analyzer, model, bm25, dense)
    rows = store.rows()
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        indexes.add(batch.tolist(), indexes.prepare(store.texts(batch)))
        log.info("repair: %d of %d chunks", min(start + _BATCH, len(rows)), len(rows))
    indexes.settle(store)
    if isinstance(model, CachedEncoder):
        model.close()
    return indexes
