"""A state made the committed one of its folder, or written into another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid import snapshot
from hybrid.encoders.cache import FILE_NAME, CachedEncoder
from hybrid.encoders.canaries import CANARIES
from hybrid.hooks import timed
from hybrid.locking import Lease, WriterLock
from hybrid.opening import State, folder_of
from hybrid.replacing import bring_back, replacing

_ROWS_AT_ONCE = 1000


@timed("commit")
def commit(state: State) -> None:
    """Make the store's generation the committed one of its folder.

    When that fails, the same can be tried again, in a generation of another number: files that the
    first try left are not taken for good.
    """
    folder, store = folder_of(state), state.store
    state.indexes.settle(store)

    def save(target: Path) -> None:
        store.commit()
        state.indexes.save(target)
        store.save_columns(target / "metadata")

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
        state.store.save_columns(target / "metadata")

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
    state.store.open_columns(snapshot.columns_of(folder, state.committed))
    state.lease = Lease.take(snapshot.generation_folder(folder, state.committed))
    if old is not None:
        old.release()


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
