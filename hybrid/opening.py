"""New, opened and written index folders: everything of the retriever that is not searching."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion import AnyMethod
from fusion.catalogue import from_settings, settings_of
from hybrid import snapshot
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.chunking import Chunker
from hybrid.encoders import as_encoder, reopen
from hybrid.encoders.base import CorpusEncoder, Encoder, check_same, differing_versions
from hybrid.encoders.cache import FILE_NAME, CachedEncoder
from hybrid.encoders.canaries import CANARIES, check_canaries
from hybrid.encoders.function import Precomputed
from hybrid.errors import EncoderMismatch, IndexFormatError
from hybrid.indexing import Indexes
from hybrid.ingest import new_indexes
from hybrid.settings import BM25, Choices, Dense
from hybrid.store import ChunkStore
from hybrid.text_analyzer import TextAnalyzer
from hybrid.unfinished import clear, is_unfinished

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 1000
_SETTINGS = ("analyzer", "bm25", "changed_since_fit", "chunker", "dense", "encoder", "fusion")


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
    """

    store: ChunkStore
    indexes: Indexes
    chunker: Chunker
    folder: Path | None = None
    fusion: AnyMethod | None = None

    def settings(self) -> dict[str, Any]:
        """Return all that the manifest keeps, as JSON values."""
        chosen = None if self.fusion is None else settings_of(self.fusion)
        return {**self.indexes.settings(), "chunker": self.chunker.settings(), "fusion": chosen}


def new_state(path: str | Path | None, choices: Choices) -> State:
    """Return the state of an empty index.

    What a build left that never committed is removed, but for its embeddings.

    Raises
    ------
    FileExistsError
        If the folder has something else in it.
    """
    folder = None if path is None else Path(path)
    indexes = new_indexes(choices)
    indexes.encoder = _cached(indexes.encoder, folder, choices.get("cache", True))
    if folder is not None:
        if is_unfinished(folder):
            clear(folder)
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(
                f"expected a new or empty folder, but {folder} has something in it: "
                f"open an index with Retriever.load"
            )
        folder.mkdir(parents=True, exist_ok=True)
    store = ChunkStore(None if folder is None else snapshot.store_file(folder), generation=0)
    return State(store, indexes, choices.get("chunker", Chunker()), folder)


def opened_state(
    folder: Path,
    encoder: str | Path | Encoder | None,
    analyzer: TextAnalyzer | None,
    allow_mismatch: bool = False,
) -> State:
    """Return the state of a saved index, as `Retriever.load` promises."""
    manifest = snapshot.read(folder)
    files = snapshot.generation_folder(folder, manifest.generation)
    settings = manifest.settings
    missing = [name for name in _SETTINGS if name not in settings]
    if missing:
        raise IndexFormatError(f"expected {missing[0]!r} in the manifest of {folder}")
    words = reopen_analyzer(settings["analyzer"], analyzer)
    fingerprint = settings["encoder"]
    model = _encoder_of(fingerprint, encoder, files / "encoder", words, allow_mismatch)
    if model is not None:
        with _told(EncoderMismatch, instead=allow_mismatch):
            versions = differing_versions(fingerprint, model)
            check_canaries(files / "encoder", model, versions)
        model = _cached(model, folder, (folder / FILE_NAME).exists())
    indexes = Indexes(words, model, BM25(**settings["bm25"]), Dense(**settings["dense"]))
    indexes.load(files, settings["changed_since_fit"])
    store = ChunkStore(snapshot.store_file(folder), manifest.generation)
    fusion = None if settings["fusion"] is None else from_settings(settings["fusion"])
    return State(store, indexes, Chunker.from_settings(settings["chunker"]), folder, fusion)


def commit(state: State, folder: Path) -> None:
    """Make the store's generation the committed one of its folder."""
    state.indexes.settle(state.store)
    state.store.commit()
    snapshot.write(folder, state.store.generation, state.settings(), state.indexes.save)
    _prune(state, folder)


def copy(state: State, folder: Path) -> None:
    """Write the whole state into a folder of its own, in place of an index that is there."""
    state.indexes.settle(state.store)
    with snapshot.replacing(folder) as fresh:
        state.store.copy_to(snapshot.store_file(fresh))
        snapshot.write(fresh, state.store.generation, state.settings(), state.indexes.save)


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
