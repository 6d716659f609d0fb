"""New, opened and written index folders: everything of the retriever that is not searching."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion import Method
from fusion.methods import from_settings, settings_of
from hybrid import snapshot
from hybrid.analyzers import reopen as reopen_analyzer
from hybrid.chunking import Chunker
from hybrid.encoders import reopen
from hybrid.encoders.base import Encoder
from hybrid.errors import EncoderMismatch, IndexFormatError
from hybrid.indexing import Indexes
from hybrid.ingest import new_indexes
from hybrid.settings import BM25, Choices, Dense
from hybrid.store import ChunkStore
from hybrid.text_analyzer import TextAnalyzer

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
    fusion: Method | None = None

    def settings(self) -> dict[str, Any]:
        """Return all that the manifest keeps, as JSON values."""
        chosen = None if self.fusion is None else settings_of(self.fusion)
        return {**self.indexes.settings(), "chunker": self.chunker.settings(), "fusion": chosen}


def new_state(path: str | Path | None, choices: Choices) -> State:
    """Return the state of an empty index.

    Raises
    ------
    FileExistsError
        If the folder has something in it.
    """
    folder = None if path is None else Path(path)
    indexes = new_indexes(choices)
    if folder is not None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(
                f"expected a new or empty folder, but {folder} has something in it: "
                f"open an index with Retriever.load"
            )
        folder.mkdir(parents=True, exist_ok=True)
    store = ChunkStore(None if folder is None else snapshot.store_file(folder), generation=0)
    return State(store, indexes, choices.get("chunker", Chunker()), folder)


def opened_state(
    folder: Path, encoder: str | Path | Encoder | None, analyzer: TextAnalyzer | None
) -> State:
    """Return the state of a saved index, as `Retriever.load` promises."""
    manifest = snapshot.read(folder)
    files = snapshot.generation_folder(folder, manifest.generation)
    settings = manifest.settings
    missing = [name for name in _SETTINGS if name not in settings]
    if missing:
        raise IndexFormatError(f"expected {missing[0]!r} in the manifest of {folder}")
    words = reopen_analyzer(settings["analyzer"], analyzer)
    model = _encoder_of(settings["encoder"], encoder, files / "encoder", words)
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
) -> Encoder | None:
    if fingerprint is not None:
        return reopen(fingerprint, given, files, analyzer)
    if given is not None:
        raise EncoderMismatch("expected no encoder: the index was built with encoder=None")
    return None
