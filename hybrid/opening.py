"""New, opened and written index folders: everything of the retriever that is not searching."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion import AnyMethod
from fusion.catalogue import from_settings, settings_of
from hybrid import snapshot
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.chunking import Chunker
from hybrid.damaged import told_as_damage
from hybrid.encoders import as_encoder, reopen
from hybrid.encoders.base import CorpusEncoder, Encoder, check_same, differing_versions
from hybrid.encoders.cache import FILE_NAME, CachedEncoder
from hybrid.encoders.canaries import CANARIES, check_canaries
from hybrid.encoders.function import Precomputed
from hybrid.errors import EncoderMismatch, IndexFormatError, StoreError
from hybrid.hooks import timed
from hybrid.indexing import Indexes
from hybrid.ingest import new_indexes
from hybrid.locking import Lease, WriterLock
from hybrid.manifest_file import Manifest
from hybrid.replacing import bring_back, replacing
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
    indexes.encoder = _cached(indexes.encoder, folder, choices.get("cache", True))
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
        store.open_columns(columns_of(folder, manifest.generation))
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
    fresh = opened_state(_folder_of(state), how)
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
    words = reopen_analyzer(settings["analyzer"], how.analyzer)
    fingerprint = settings["encoder"]
    model = _encoder_of(fingerprint, how.encoder, files / "encoder", words, how.allow_mismatch)
    if model is not None and not how.trusted:
        with _told(EncoderMismatch, instead=how.allow_mismatch):
            versions = differing_versions(fingerprint, model)
            check_canaries(files / "encoder", model, versions)
        model = _cached(model, folder, (folder / FILE_NAME).exists())
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


@timed("commit")
def commit(state: State) -> None:
    """Make the store's generation the committed one of its folder.

    When that fails, the same can be tried again, in a generation of another number: files that the
    first try left are not taken for good.
    """
    folder, store = _folder_of(state), state.store
    state.indexes.settle(store)

    def save(target: Path) -> None:
        store.commit()
        state.indexes.save(target)
        _save_columns(store, target)

    settings = state.settings()
    try:
        snapshot.write(folder, store.generation, settings, save)
    except BaseException:
        if (folder / "manifest.json").exists() and snapshot.newest(folder) == store.generation:
            _arrived(state, folder, settings)  # only the last sync failed
        else:
            store.generation, store.dirty = store.generation + 1, True
        raise
    _arrived(state, folder, settings)
    snapshot.prune(folder, state.keep)
    _prune(state, folder)


def copy(state: State, folder: Path) -> None:
    """Write the whole state into a folder of its own, in place of an index that is there."""
    state.indexes.settle(state.store)
    bring_back(folder)
    lock = WriterLock(folder) if (folder / "manifest.json").exists() else None

    def save(target: Path) -> None:
        state.indexes.save(target)
        _save_columns(state.store, target)

    if lock is not None:
        lock.take()
    try:
        with replacing(folder) as fresh:
            state.store.copy_to(snapshot.store_file(fresh))
            snapshot.write(fresh, state.store.generation, state.settings(), save)
    finally:
        if lock is not None:
            lock.release()


def _arrived(state: State, folder: Path, settings: dict[str, Any]) -> None:
    """Note that a generation is committed, and hold on to it instead of the one before."""
    old, state.committed, state.saved = state.lease, state.store.generation, settings
    state.store.dirty = False
    state.store.open_columns(columns_of(folder, state.committed))
    state.lease = Lease.take(snapshot.generation_folder(folder, state.committed))
    if old is not None:
        old.release()


def columns_of(folder: Path, generation: int) -> Path:
    """Return where a generation has columns of metadata; one from before November 2026 has none."""
    return snapshot.generation_folder(folder, generation) / "metadata"


def _save_columns(store: ChunkStore, target: Path) -> None:
    (target / "metadata").mkdir()
    store.save_columns(target / "metadata")


def _folder_of(state: State) -> Path:
    """Return the index folder.

    Raises
    ------
    StoreError
        If the index lives in memory.
    """
    if state.folder is None:
        raise StoreError("expected an index folder to commit to, but this index is in memory")
    return state.folder


def _encoder_of(
    fingerprint: Mapping[str, Any] | None,
    given: str | Path | Encoder | None,
    files: Path,
    analyzer: TextAnalyzer,
    allow_mismatch: bool,
) -> Encoder | None:
    if fingerprint is None:
        if given is not None:
            raise EncoderMismatch("expected no encoder: the index was built with encoder=None")
        return None
    if given is None or not allow_mismatch:
        return reopen(fingerprint, given, files, analyzer)
    encoder = as_encoder(given, analyzer)
    if isinstance(encoder, CorpusEncoder) and not encoder.fitted_on:
        return reopen(fingerprint, given, files, analyzer)  # it stands for the one that is stored
    dimension = fingerprint.get("dimension")
    if fingerprint["kind"] == "lsa":  # depends on the corpus
        dimension = reopen(fingerprint, None, files, analyzer).dimension
    if encoder.dimension != dimension:
        raise EncoderMismatch(
            f"expected an encoder of {dimension} dimensions, not {encoder.dimension}: with another "
            f"number no vector of the index can be searched, also with allow_mismatch=True"
        )
    with _told(EncoderMismatch, instead=True):
        check_same(fingerprint, encoder)
    return encoder


@contextmanager
def _told(kind: type[Exception], *, instead: bool) -> Iterator[None]:
    """Log errors of a kind as warnings, instead of raising them, when that is wanted."""
    try:
        yield
    except kind as error:
        if not instead:
            raise
        log.warning("opened in spite of a mismatch, scores may be worthless: %s", error)


def _prune(state: State, folder: Path) -> None:
    """Drop embeddings that no chunk has any more; a file elsewhere may be that of others, too."""
    encoder, store, count = state.indexes.encoder, state.store, len(state.indexes.bm25)
    if not isinstance(encoder, CachedEncoder) or encoder.path is None:
        return
    if encoder.path.resolve() != (folder / FILE_NAME).resolve():
        return

    def needed() -> Iterator[str]:
        yield from CANARIES
        rows = store.rows()
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            yield from store.texts(rows[start : start + _ROWS_AT_ONCE].tolist())

    encoder.prune(count + len(CANARIES), needed)


def _cached(
    encoder: Encoder | None, folder: Path | None, cache: bool | str | Path
) -> Encoder | None:
    """Return the encoder with a memory; one that is fitted or only looks up needs none."""
    if encoder is None or isinstance(encoder, (CorpusEncoder, Precomputed, CachedEncoder)):
        return encoder
    if isinstance(cache, bool):
        return CachedEncoder(encoder, folder / FILE_NAME if cache and folder else None)
    return CachedEncoder(encoder, cache)
