"""New, opened and written index folders: everything of the retriever that is not searching."""

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion import AnyMethod
from fusion.catalogue import from_settings, settings_of
from hybrid import snapshot
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.chunking import Chunker
from hybrid.damaged import told_as_damage
from hybrid.encoders.base import CorpusEncoder, Encoder, differing_versions
from hybrid.encoders.cache import FILE_NAME
from hybrid.encoders.canaries import check_canaries
from hybrid.errors import EncoderMismatch, IndexFormatError, StoreError
from hybrid.hooks import timed
from hybrid.indexing import Indexes
from hybrid.ingest import new_indexes
from hybrid.locking import Lease, WriterLock
from hybrid.manifest_file import Manifest
from hybrid.opened_encoder import cached, encoder_of, told_of_mismatch
from hybrid.replacing import bring_back
from hybrid.settings import BM25, Choices, Dense
from hybrid.store import ChunkStore
from hybrid.text_analyzer import TextAnalyzer
from hybrid.unfinished import clear, is_unfinished

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 1000
_SETTINGS = ("analyzer", "bm25", "changed_since_fit", "chunker", "dense", "encoder", "fusion")


@dataclass(frozen=True, slots=True)
class Opening:
    """How an index folder is opened; see `Retriever.load`.

    Attributes
    ----------
    encoder, analyzer, allow_mismatch
        As the user gave them.
    generation : int or None
        The generation; None: the newest.
    trusted : bool
        The encoder was compared with the canaries before, by this process.
    """

    encoder: str | Path | Encoder | None = None
    analyzer: TextAnalyzer | None = None
    allow_mismatch: bool = False
    generation: int | None = None
    trusted: bool = False


@dataclass(slots=True)
class State:
    """What a retriever is made of.

    Attributes
    ----------
    store, indexes, chunker
        Where documents go.
    folder : Path or None
        The index folder; None when all is in memory.
    fusion : RRF, Weighted or None
        What the user chose; None: the default of the encoder.
    committed : int
        The generation that was opened or committed last.
    keep : int
        How many generations a commit leaves in the folder.
    frozen : bool
        Whether it is an older generation, which cannot be changed.
    allow_mismatch : bool
        Whether it was opened in spite of one.
    lock : WriterLock or None
        Held from the first change to its commit; None in memory.
    lease : Lease or None
        Keeps the files of the generation; None before the first commit.
    saved : dict
        The settings in the manifest.
    """

    store: ChunkStore
    indexes: Indexes
    chunker: Chunker
    folder: Path | None = None
    fusion: AnyMethod | None = None
    committed: int = 0
    keep: int = 1
    frozen: bool = False
    allow_mismatch: bool = False
    lock: WriterLock | None = None
    lease: Lease | None = None
    saved: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """Return all that the manifest keeps, as JSON values."""
        chosen = None if self.fusion is None else settings_of(self.fusion)
        settings = {**self.indexes.settings(), "chunker": self.chunker.settings(), "fusion": chosen}
        return settings if self.keep == 1 else {**settings, "keep": self.keep}

    def close(self) -> None:
        """Close the store and let go of the folder; changes that were not committed are dropped."""
        self.store.close()
        if self.lease is not None:
            self.lease.release()
        if self.lock is not None:
            self.lock.release()


def new_state(path: str | Path | None, choices: Choices) -> State:
    """Return the state of an empty index.

    What a build left that never committed is removed, but for its embeddings.

    Raises
    ------
    FileExistsError
        If the folder has something else in it.
    """
    folder = None if path is None else Path(path)
    keep = choices.get("keep", 1)
    if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
        raise ValueError(f"expected keep as a whole number of at least 1, not {keep!r}")
    indexes = new_indexes(choices)
    indexes.encoder = cached(indexes.encoder, folder, choices.get("cache", True))
    chunker, lock = choices.get("chunker", Chunker()), None
    if folder is not None:
        bring_back(folder)
        if is_unfinished(folder):
            clear(folder)
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(
                f"expected a new or empty folder, but {folder} has something in it: "
                f"open an index with Retriever.load"
            )
        folder.mkdir(parents=True, exist_ok=True)
        lock = WriterLock(folder)
        lock.take()
    store = ChunkStore(None if folder is None else snapshot.store_file(folder), generation=0)
    return State(store, indexes, chunker, folder, keep=keep, lock=lock)


@timed("load", lambda state: {"chunks": len(state.indexes.bm25)})
def opened_state(folder: Path, how: Opening) -> State:
    """Return the state of a saved index, as `Retriever.load` promises.

    What a writer left that was killed is removed, unless another is at work.
    """
    bring_back(folder)
    _clean(folder)
    manifest, lease = snapshot.read_and_hold(folder, how.generation)
    store = None
    try:
        store = ChunkStore(snapshot.store_file(folder), manifest.generation)
        indexes, settings = _opened_indexes(folder, manifest, how, store.rows_ever())
        store.open_columns(snapshot.columns_of(folder, manifest.generation))
        with told_as_damage(folder):
            chunker = Chunker.from_settings(settings["chunker"])
            chosen = settings["fusion"]
            fusion = None if chosen is None else from_settings(chosen)
    except BaseException:
        lease.release()
        if store is not None:
            store.close()
        raise
    return State(
        store,
        indexes,
        chunker,
        folder,
        fusion,
        committed=manifest.generation,
        keep=settings.get("keep", 1),
        frozen=how.generation is not None,
        allow_mismatch=how.allow_mismatch,
        lock=WriterLock(folder),
        lease=lease,
        saved=settings,
    )


def reopened_state(state: State) -> State:
    """Return the newest state of a folder, with the encoder and the choices of an older one.

    The lock, if it is held, goes to the new state.
    """
    encoder = state.indexes.encoder
    given = None if isinstance(encoder, CorpusEncoder) else encoder
    how = Opening(given, allow_mismatch=state.allow_mismatch, trusted=True)
    fresh = opened_state(folder_of(state), how)
    before, now = state.saved, state.settings()
    if now["fusion"] != before.get("fusion"):
        fresh.fusion = state.fusion
    if now["bm25"] != before.get("bm25"):
        fresh.indexes.score_bm25_by(state.indexes.choices[0])
    fresh.lock, state.lock = state.lock, None
    return fresh


def _opened_indexes(
    folder: Path, manifest: Manifest, how: Opening, below: int
) -> tuple[Indexes, dict[str, Any]]:
    """Return the indexes of a generation, whose rows are `below`, and its settings."""
    files = snapshot.generation_folder(folder, manifest.generation)
    settings = manifest.settings
    missing = [name for name in _SETTINGS if name not in settings]
    if missing:
        raise IndexFormatError(f"expected {missing[0]!r} in the manifest of {folder}")
    with told_as_damage(folder) if how.analyzer is None else nullcontext():
        words = reopen_analyzer(settings["analyzer"], how.analyzer)
    fingerprint = settings["encoder"]
    model = encoder_of(fingerprint, how.encoder, files / "encoder", words, how.allow_mismatch)
    if model is not None and not how.trusted:
        with told_of_mismatch(EncoderMismatch, instead=how.allow_mismatch):
            versions = differing_versions(fingerprint, model)
            check_canaries(files / "encoder", model, versions)
        model = cached(model, folder, (folder / FILE_NAME).exists())
    with told_as_damage(folder):
        choices = BM25(**settings["bm25"]), Dense(**settings["dense"])
    indexes = Indexes(words, model, *choices)
    indexes.load(files, settings["changed_since_fit"], below)
    return indexes, settings


def _clean(folder: Path) -> None:
    """Remove what a killed writer left, unless one is at work or nothing can be written."""
    try:
        if not snapshot.leftovers(folder):
            return
        lock = WriterLock(folder)
        if lock.try_take():
            try:
                snapshot.clean(folder)
            finally:
                lock.release()
    except (OSError, IndexFormatError) as error:
        log.debug("nothing was cleaned in %s: %s", folder, error)


def folder_of(state: State) -> Path:
    """Return the index folder.

    Raises
    ------
    StoreError
        If the index lives in memory.
    """
    if state.folder is None:
        raise StoreError("expected an index folder to commit to, but this index is in memory")
    return state.folder
