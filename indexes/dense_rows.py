"""What a dense index holds: vectors in slots, which rows these are, and their moments.

A row that was deleted leaves a dead slot until the others are moved together.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Mask
from indexes.dense_chunks import Chunks, Storage
from indexes.dense_kernels import mark
from indexes.flat import Pool
from indexes.opened import check, opened
from indexes.slots import Slots
from indexes.vectors import Metric, Moments, Vectors, lengths_of

_BLOCK = 8192


class Stored:
    """Vectors of rows.

    Parameters
    ----------
    dimension : int
    metric : {"cosine", "ip", "l2"}
    storage : {"float32", "float16", "int8"}

    Attributes
    ----------
    chunks : Chunks
    slots : Slots
        Ahead of the chunks by the rows whose vectors are still to be appended.
    moments : Moments
        Of the live vectors, once `count` was called.
    """

    def __init__(self, dimension: int, metric: Metric, storage: Storage) -> None:
        self.dimension, self.metric = dimension, metric
        self.chunks = Chunks(dimension, metric, storage)
        self.slots = Slots()
        self.moments = Moments(dimension, metric, Moments.exponent_of(0.0, metric))
        self._lengths: NDArray[np.float64] = np.empty(0)
        self._counted: Mask = np.empty(0, np.bool_)  # which slots the moments count
        self._counted_of: Mask | None = None  # `live` as it was then
        self._longest = self._lengths, self.slots.live, 0.0  # of which arrays it is

    @property
    def longest(self) -> float:
        """The length of the longest live vector."""
        lengths, live = self._lengths, self.slots.live  # replaced when they change
        of_lengths, of_live, longest = self._longest
        if of_lengths is not lengths or of_live is not live:
            longest = float(lengths[live[: len(lengths)]].max(initial=0.0))
            self._longest = lengths, live, longest
        return longest

    @property
    def coded(self) -> int:
        """Bytes of the codes that scans read."""
        return sum(chunk.codes.nbytes + chunk.factors.nbytes for chunk in self.chunks.chunks)

    def pool(self, allowed: Mask | None) -> Pool:
        """Return what a search may find."""
        chunks, size, longest = self.chunks, len(self.chunks), self.longest
        rows, usable = self.slots.rows[:size], self.slots.live[:size]
        if allowed is None:
            return Pool(chunks, rows, usable, int(np.count_nonzero(usable)), longest)
        live, usable = usable, np.empty(size, np.bool_)
        count = mark(rows, live, np.ascontiguousarray(allowed, np.bool_), usable)
        return Pool(chunks, rows, usable, count, longest)

    def append(self, vectors: Vectors) -> None:
        """Store vectors, and note their lengths as they are stored."""
        first = len(self.chunks)
        self.chunks.append(vectors)
        lengths = [lengths_of(block) for block in self.blocks(np.arange(first, len(self.chunks)))]
        self._lengths = np.concatenate([self._lengths, *lengths])
        self._counted = np.concatenate([self._counted, np.zeros(len(vectors), np.bool_)])

    def blocks(self, slots: NDArray[np.int64]) -> Iterator[Vectors]:
        """Yield the vectors of some slots, a bounded number at a time."""
        for start in range(0, len(slots), _BLOCK):
            yield self.chunks.vectors_of(slots[start : start + _BLOCK])

    def move(self, slots: NDArray[np.int64]) -> None:
        """Keep the vectors of some slots, in that order; the dead ones must be left out."""
        self.count()
        self.chunks = self.chunks.taken(slots)
        self._lengths, self._counted = self._lengths[slots], self._counted[slots]
        self.slots = Slots.restored(self.slots.rows[slots], self.slots.live[slots])

    def count(self) -> None:
        """Have the moments count the live vectors and no others."""
        live = self.slots.live  # replaced when it changes
        if live is self._counted_of:
            return
        exponent = Moments.exponent_of(self.longest, self.metric)
        if exponent != self.moments.exponent:
            self.moments = Moments(self.dimension, self.metric, exponent)
            self._counted = np.zeros(len(live), np.bool_)
        for sign, which in ((1, live & ~self._counted), (-1, self._counted & ~live)):
            for block in self.blocks(np.flatnonzero(which)):
                self.moments.add(block, sign)
        self._counted, self._counted_of = live.copy(), live

    def save(self, folder: Path) -> None:
        """Write everything into a folder that exists; full chunks that are on disk are linked."""
        self.count()
        self.chunks.save(folder)
        arrays = {"rows": self.slots.rows, "live": self.slots.live, "lengths": self._lengths}
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        self.moments.save(folder)

    @classmethod
    def load(cls, folder: Path, like: "Stored", exponent: int, below: int) -> Self:
        """Open what `save` wrote; the vectors stay on disk until they are read."""
        width, metric = like.dimension, like.metric
        stored = cls(width, metric, like.chunks.storage)
        stored.chunks = Chunks.load(folder, width, metric, like.chunks.storage)
        size = len(stored.chunks)
        stored.slots = Slots.load(folder, below)
        check(len(stored.slots) == size, f"rows for {size} vectors")
        stored._lengths = opened(folder / "lengths.npy", "<f8", (size,), mode=None)
        sound = (stored._lengths >= 0) & (stored._lengths < np.inf)
        check(sound.all(), "lengths of vectors that are finite")
        stored._counted, stored._counted_of = stored.slots.live.copy(), stored.slots.live
        stored.moments = Moments.load(folder, width, metric, exponent)
        return stored
