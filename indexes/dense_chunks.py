"""Where dense vectors lie: in chunks of 65,536 slots, of which only the last one grows.

A full chunk never changes, so a saved index hands its files on from generation to generation.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Scores
from indexes.dense_coding import STEP, encode, to_bytes
from indexes.dense_kernels import exact_many
from indexes.dense_native import LANES
from indexes.opened import facts_in, listed, opened, whole
from indexes.segment import save_once
from indexes.vectors import Metric, Vectors

Storage = Literal["float32", "float16", "int8"]
DTYPES: dict[Storage, Any] = {"float32": np.float32, "float16": np.float16, "int8": np.int8}

CHUNK = 65_536
"""Slots of a chunk."""


@dataclass(frozen=True, slots=True)
class Table:
    """What `indexes.dense_kernels.exact` is told of the chunks, and the arrays that it points to.

    Attributes
    ----------
    numbers : ndarray of int64
    arrays : list of ndarray
        They live as long as the table.
    """

    numbers: NDArray[np.int64]
    arrays: list[NDArray[Any]]


@dataclass(slots=True)
class Chunk:
    """The vectors of some slots.

    Attributes
    ----------
    vectors : ndarray of float32, float16 or int8, shape (room, width)
        Padded with zeros to a width that is a multiple of STEP.
    scales : ndarray of float32, shape (room,)
        For int8: what 1 stands for in each vector; empty otherwise.
    codes, factors : ndarray
        As `indexes.dense_coding.encode` makes them; empty when nothing scans them.
    size : int
        How many slots are taken.
    home : Path or None
        The folder with the files, once it was saved or opened and has not changed since.
    """

    vectors: NDArray[Any]
    scales: NDArray[np.float32]
    codes: NDArray[np.uint8]
    factors: NDArray[np.float32]
    size: int = 0
    home: Path | None = None

    def decoded(self, places: slice | NDArray[np.int64]) -> Vectors:
        """Return vectors as float32, with their padding."""
        part = self.vectors[places].astype(np.float32, copy=False)
        return part * self.scales[places, None] if len(self.scales) else part

    def grow(self, room: int, *, coded: bool) -> None:
        """Make room for so many slots, at least twice as many as before.

        The arrays are replaced: a search that has begun keeps reading those of before.
        """
        if room <= len(self.vectors):
            return
        room = min(CHUNK, -(-max(room, 2 * len(self.vectors)) // LANES) * LANES)
        self.vectors = _grown(self.vectors, room)
        if len(self.scales):
            self.scales = _grown(self.scales, room)
        if coded:
            self.codes = _grown(self.codes, room // LANES)
            self.factors = _grown(self.factors, room // LANES)


class Chunks:
    """The stored vectors, slot by slot.

    Parameters
    ----------
    dimension : int
    metric : {"cosine", "ip", "l2"}
    storage : {"float32", "float16", "int8"}
        How a vector is stored: as it is, rounded, or as bytes with a scale for each vector.
    """

    def __init__(self, dimension: int, metric: Metric, storage: Storage = "float32") -> None:
        self.dimension, self.metric, self.storage = dimension, metric, storage
        self.width = -(-dimension // STEP) * STEP
        self.chunks: list[Chunk] = []
        self.coded = False
        self.table = self._addresses()

    def __len__(self) -> int:
        return sum(chunk.size for chunk in self.chunks)

    @property
    def bytes(self) -> int:
        """Bytes of all arrays."""
        arrays = [a for c in self.chunks for a in (c.vectors, c.scales, c.codes, c.factors)]
        return sum(array.nbytes for array in arrays)

    def append(self, vectors: Vectors) -> None:
        """Store vectors in the slots that follow."""
        done = 0
        while done < len(vectors):
            if not self.chunks or self.chunks[-1].size == CHUNK:
                self.chunks.append(self._new_chunk())
            chunk = self.chunks[-1]
            part = vectors[done : done + CHUNK - chunk.size]
            chunk.grow(chunk.size + len(part), coded=self.coded)
            first, stop = chunk.size, chunk.size + len(part)
            if self.storage == "int8":
                numbers = np.zeros((len(part), self.width), np.int8)
                to_bytes(part, numbers[:, : self.dimension], chunk.scales[first:stop])
                chunk.vectors[first:stop] = numbers
            else:
                chunk.vectors[first:stop, : self.dimension] = part
            chunk.size, chunk.home = stop, None
            self._encode(chunk, first)
            done += len(part)
        self.table = self._addresses()

    def code(self, wanted: bool) -> None:
        """Have codes for scans, or not."""
        if wanted == self.coded:
            return
        self.coded = wanted
        for chunk in self.chunks:
            chunk.home = None
            chunk.codes, chunk.factors = self._no_codes(len(chunk.vectors) if wanted else 0)
            self._encode(chunk, 0)

    def scores(self, slots: NDArray[np.int64], query: Vectors) -> Scores:
        """Return the exact score of the vectors in some slots."""
        scores = np.empty(len(slots), np.float32)
        table = self.table
        exact_many(slots, table.numbers, self.padded(query), scores)
        return scores

    def padded(self, query: Vectors) -> NDArray[np.float64]:
        """Return a query as `exact` takes it."""
        wide = np.zeros(self.width)
        wide[: self.dimension] = query
        return wide

    def taken(self, slots: NDArray[np.int64]) -> "Chunks":
        """Return the vectors of some slots, in that order, in chunks of their own."""
        other = Chunks(self.dimension, self.metric, self.storage)
        other.coded = self.coded
        for start in range(0, len(slots), 8192):
            other.append(self.vectors_of(slots[start : start + 8192]))
        return other

    def vectors_of(self, slots: NDArray[np.int64]) -> Vectors:
        """Return the vectors in some slots as float32."""
        found = np.empty((len(slots), self.dimension), np.float32)
        numbers, places = np.divmod(slots, CHUNK)
        for number in np.unique(numbers):
            here = numbers == number
            found[here] = self.chunks[number].decoded(places[here])[:, : self.dimension]
        return found

    def save(self, folder: Path) -> None:
        """Write the chunks into a folder that exists."""
        sizes = [chunk.size for chunk in self.chunks]
        state = {"sizes": sizes, "coded": self.coded}
        (folder / "chunks.json").write_text(json.dumps(state), "utf-8")
        for number, chunk in enumerate(self.chunks):
            place = folder / f"chunk-{number:04d}"
            place.mkdir()
            for name, array in _trimmed(chunk).items():
                save_once(array, f"{name}.npy", place, chunk.home)
            chunk.home = place

    @classmethod
    def load(cls, folder: Path, dimension: int, metric: Metric, storage: Storage) -> Self:
        """Open what `save` wrote; the vectors stay on disk until they are read."""
        chunks = cls(dimension, metric, storage)
        state = facts_in(folder / "chunks.json")
        sizes, chunks.coded = listed(state, "sizes"), state.get("coded") is True
        for number, size in enumerate(sizes):
            least = 1 if number == len(sizes) - 1 else CHUNK
            whole(size, "the size of a chunk", least, CHUNK)
            chunks.chunks.append(chunks._opened(folder / f"chunk-{number:04d}", size))
        chunks.table = chunks._addresses()
        return chunks

    def _opened(self, place: Path, size: int) -> Chunk:
        """Open a chunk of so many slots."""

        def array(name: str, kind: str, *shape: int) -> NDArray[Any]:
            return opened(place / f"{name}.npy", kind, shape)

        kind = np.dtype(DTYPES[self.storage]).str
        none = np.empty(0, np.float32), *self._no_codes(0)
        chunk = Chunk(array("vectors", kind, size, self.width), *none, size=size, home=place)
        if self.storage == "int8":
            chunk.scales = array("scales", "<f4", size)
        if self.coded:
            shape = none[1].shape[1:]
            chunk.codes = array("codes", "|u1", -(-size // LANES), *shape)
            chunk.factors = array("factors", "<f4", -(-size // LANES), 4, LANES)
        return chunk

    def _new_chunk(self) -> Chunk:
        vectors = np.zeros((0, self.width), DTYPES[self.storage])
        scales = np.zeros(1 if self.storage == "int8" else 0, np.float32)
        return Chunk(vectors, scales, *self._no_codes(0))

    def _no_codes(self, room: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        blocks = -(-room // LANES)
        codes = _aligned((blocks, -(-self.dimension // 4), LANES, 4), np.uint8)
        return codes, np.zeros((blocks, 4, LANES), np.float32)

    def _encode(self, chunk: Chunk, first: int) -> None:
        """Code the vectors of a chunk from a slot on."""
        if not self.coded:
            return
        for start in range(first, chunk.size, 4096):
            part = np.ascontiguousarray(chunk.decoded(slice(start, min(start + 4096, chunk.size))))
            encode(part, start, chunk.codes, chunk.factors, self.metric == "l2")

    def _addresses(self) -> Table:
        size = np.dtype(DTYPES[self.storage]).itemsize
        arrays = [array for chunk in self.chunks for array in (chunk.vectors, chunk.scales)]
        addresses = [array.ctypes.data for array in arrays]
        return Table(np.array([size, self.metric == "l2", CHUNK, *addresses], np.int64), arrays)


def _trimmed(chunk: Chunk) -> dict[str, NDArray[Any]]:
    """Return the arrays of a chunk without the room that is left."""
    arrays: dict[str, NDArray[Any]] = {"vectors": chunk.vectors[: chunk.size]}
    if len(chunk.scales):
        arrays["scales"] = chunk.scales[: chunk.size]
    if len(chunk.codes):
        blocks = -(-chunk.size // LANES)
        arrays |= {"codes": chunk.codes[:blocks], "factors": chunk.factors[:blocks]}
    return arrays


def _grown(array: NDArray[Any], room: int) -> NDArray[Any]:
    """Return an array with more room, zeros where nothing was."""
    grown: NDArray[Any] = _aligned((room, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return zeros that begin with a cache line: the codes of a block are read in whole lines."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    aligned: NDArray[Any] = raw[start : start + size].view(dtype).reshape(shape)
    return aligned
