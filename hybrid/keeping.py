"""What makes changes last, and brings those of others: the one writer, and many readers."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid import snapshot
from hybrid.committing import commit, copy
from hybrid.compacting import Compacted, compact
from hybrid.encoders.cache import CachedEncoder
from hybrid.errors import StoreError
from hybrid.opening import State, reopened_state
from hybrid.turns import Turns

log = logging.getLogger(__name__)


class Keeping:
    """A state that is changed by one thread at a time, and read by many.

    Parameters
    ----------
    state : State
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._writing = threading.RLock()
        self._turns = Turns()
        self._within = 0  # changes that have begun inside of others

    @property
    def generation(self) -> int:
        """The committed generation that was opened, or committed here last; 0: none."""
        return self._state.committed

    def generations(self) -> list[int]:
        """Return the generations that `Retriever.load` can open, ascending; none in memory."""
        folder = self._state.folder
        return [] if folder is None or not self.generation else snapshot.kept(folder)

    def commit(self) -> None:
        """Make all changes last: whoever opens the folder sees them all, or none of them.

        Searches go on meanwhile.  When it fails, the changes are still there to be committed again;
        but when the store cannot be written SQLite drops them, which the error says, and the last
        committed state is there again.

        Raises
        ------
        StoreError
            If the index lives in memory, or another writer is at work, or the store cannot be
            written.
        """
        with self._changing():
            commit(self._state)

    def refresh(self) -> bool:
        """Go to the newest committed generation, and return whether that is another.

        Raises
        ------
        StoreError
            If there are changes that are not committed, or an older generation was asked for.
        """
        with self._writing:
            state = self._state
            if state.frozen:
                raise StoreError(f"expected the newest generation: this is {state.committed}")
            if state.store.dirty:
                raise StoreError("expected no changes that are not committed: commit them first")
            if state.folder is None or not state.committed or self._is_newest():
                return False
            self._reopen()
            return True

    def compact(self) -> Compacted:
        """Remove from the folder what no generation that is kept or read can see.

        Small parts of the indexes are merged.  Rows keep their numbers, and answers their bits.

        Returns
        -------
        Compacted

        Raises
        ------
        StoreError
            If there are changes that are not committed, or another writer is at work.
        """
        with self._writing:
            if self._state.store.dirty and self._state.folder is not None:
                raise StoreError("expected no changes that are not committed: commit them first")
            with self._changing():
                return compact(self._state)

    def save(self, path: str | Path) -> None:
        """Write the whole index, changes included, into a folder of its own.

        An index that is there already is replaced as a whole; any other folder with something in
        it is refused with FileExistsError.
        """
        own = self._state.folder
        with self._writing:
            if own is not None and Path(path).resolve() == own.resolve():
                self.commit()
            else:
                copy(self._state, Path(path))

    def close(self) -> None:
        """Close files; changes that were not committed are dropped."""
        encoder = self._state.indexes.encoder
        if isinstance(encoder, CachedEncoder):
            encoder.close()
        self._state.close()

    @contextmanager
    def _changing(self) -> Iterator[State]:
        """Give the state to change, as the only writer; without changes the lock is given back."""
        with self._writing:
            self._begin()
            state = self._state
            self._within += 1
            try:
                yield state
            except BaseException as error:
                if state.store.lost and state.folder is not None and state.committed:
                    error.add_note("all changes since the last commit were lost with it")
                    self._reopen()
                raise
            finally:
                self._within -= 1
                state = self._state
                if not (self._within or state.store.dirty or not state.committed):
                    state.store.generation = state.committed
                    if state.lock is not None:
                        state.lock.release()

    def _begin(self) -> None:
        """Start the generation after the committed one, unless it is open."""
        state = self._state
        if state.frozen:
            raise StoreError(
                f"expected the newest generation to change, but this is generation "
                f"{state.committed}: open the index without generation="
            )
        if state.store.generation != state.committed:
            return
        if state.lock is not None:
            state.lock.take()
        try:
            if state.folder is not None and state.committed:
                snapshot.clean(state.folder)
                if not self._is_newest():
                    log.info("others have committed to %s: this writer goes on there", state.folder)
                    self._reopen()
                    state = self._state
            with self._turns.changing():
                state.store.discard(state.committed)
                state.store.generation += 1
        except BaseException:
            if state.lock is not None and state.committed:
                state.lock.release()
            raise

    def _is_newest(self) -> bool:
        """Return whether the folder has no other generation than the one at hand."""
        state = self._state
        return state.folder is None or snapshot.newest(state.folder) == state.committed

    def _reopen(self) -> None:
        old, fresh = self._state, reopened_state(self._state)
        with self._turns.changing():
            self._state = fresh
        old.close()
