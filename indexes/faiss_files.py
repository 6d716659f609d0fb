"""What a file that FAISS wrote says of itself, followed step by step before FAISS reads it.

FAISS trusts its files: it makes room for as much as they say, opens other files that they name, and
its searches follow their numbers anywhere.  So everything is checked here that reading and
searching rely on, for the two kinds of index that we write.
"""

import mmap
import struct
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from indexes.opened import check, check_plain

_BLOCK = 32  # vectors whose short codes FAISS scans together
_CENTROIDS = 16  # of four bits


def check_graph(path: Path, dimension: int, size: int, metric: int) -> None:
    """Raise ValueError unless a file is an HNSW graph over as many vectors.

    Parameters
    ----------
    path : Path
    dimension, size : int
        Of the vectors.
    metric : int
        FAISS's number of it.
    """
    with _Walk(path) as walk:
        walk.index(b"IHNf", dimension, size, metric)
        shares = walk.array("<f8")
        places, levels = walk.array("<i4"), walk.array("<i4")
        offsets, neighbours = walk.array("<u8"), walk.array("<i4")
        entry, top, built_with, ef, _ = walk.numbers("<iiiii")
        check(len(shares) == len(places) - 1, "a share of vectors for each level")
        _check_links(places, levels, offsets, neighbours, size)
        highest = int(levels.max(initial=0)) - 1
        check(
            top == highest and 0 < ef < 1 << 20 and 0 < built_with < 1 << 20,
            "a graph of as many levels as its vectors have",
        )
        inside = 0 <= entry < size and levels[entry] - 1 == top if size else entry == -1
        check(inside, "a search to begin at a vector on the highest level")
        walk.flat(dimension, size, metric)
        walk.end()


def _check_links(
    places: NDArray[Any],
    levels: NDArray[Any],
    offsets: NDArray[Any],
    neighbours: NDArray[Any],
    size: int,
) -> None:
    """Raise ValueError unless every link leads to a vector that has the level."""
    first, last = (int(places[0]), int(places[-1])) if len(places) else (-1, -1)
    rises = first == 0 and 0 < last < 1 << 16 and (np.diff(places) >= 0).all()
    check(rises, "links counted level by level")
    check(len(levels) == size and len(offsets) == size + 1, "levels and links of each vector")
    deep = levels.max(initial=1) < len(places) and levels.min(initial=1) >= 1
    check(deep, "levels from 1 to the number of them")
    counts = np.concatenate([[0], np.cumsum(places[levels], dtype=np.uint64)])
    check(np.array_equal(offsets, counts), "the links of each vector behind those before it")
    check(len(neighbours) == int(counts[-1]), "as many links as there is room for")
    check(neighbours.min(initial=-1) >= -1 and neighbours.max(initial=-1) < size, "links inside")
    for level in range(1, int(levels.max(initial=1))):  # few vectors are above the lowest level
        for vector in np.flatnonzero(levels > level):
            begin = int(offsets[vector])
            linked = neighbours[begin + places[level] : begin + places[level + 1]]
            linked = linked[linked >= 0]
            check((levels[linked] > level).all(), "links to vectors on the same level")


def check_short_codes(
    path: Path, width: int, parts: int, size: int, lists: int, metric: int
) -> None:
    """Raise ValueError unless a file has short codes of as many vectors in as many lists.

    Parameters
    ----------
    path : Path
    width, parts : int
        Numbers of a vector, and in how many parts they are coded.
    size, lists : int
    metric : int
        FAISS's number of it.
    """
    with _Walk(path) as walk:
        walk.index(b"IwPf", width, size, metric)
        count, probes = walk.numbers("<QQ")
        check(count == lists and 1 <= probes <= max(lists, 1), f"{lists} lists of short codes")
        walk.flat(width, lists, metric)
        kind, mapped = walk.numbers("<bQ")
        check(kind == 0 and mapped == 0, "short codes without a map")
        _, code, block, even, _, _ = walk.numbers("<bQiQiQ")
        rounded = parts + parts % 2
        sizes = code == -(-parts // 2) and block == _BLOCK and even == rounded
        check(sizes, f"short codes of {parts} parts in blocks of {_BLOCK}")
        check(walk.numbers("<QQQ") == (width, parts, 4), f"short codes of {parts} parts")
        check(len(walk.array("<f4")) == _CENTROIDS * width, "centroids of each part")
        check(walk.code() == b"ilbl", "lists in blocks")
        stride = _BLOCK * rounded // 2
        head = walk.numbers("<QQQQ")
        check((head[0], head[2], head[3]) == (lists, _BLOCK, stride), "blocks of the same size")
        total = 0
        for _ in range(lists):
            slots, codes = walk.array("<i8"), walk.array("|u1")
            check(len(codes) == -(-len(slots) // _BLOCK) * stride, "a code for each slot")
            check(((slots >= 0) & (slots < size)).all(), "slots that there are")
            total += len(slots)
        check(total == size, "each slot in one list")
        walk.end()


class _Walk:
    """A way through a file: it never leaves it."""

    def __init__(self, path: Path) -> None:
        check_plain(path)
        check(path.stat().st_size, "a file of FAISS with something in it")
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._data = memoryview(self._map)
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._data, self._map  # closed with the last array that looks into it

    def code(self, count: int = 4) -> bytes:
        return bytes(self._data[self._take(count)])

    def numbers(self, layout: str) -> tuple[int, ...]:
        place = self._take(struct.calcsize(layout))
        return struct.unpack(layout, self._data[place])

    def array(self, kind: str) -> NDArray[Any]:
        """Return numbers that come after their count."""
        (count,) = self.numbers("<Q")
        place = self._take(count * np.dtype(kind).itemsize)
        return np.frombuffer(self._data[place], kind)

    def index(self, kind: bytes, dimension: int, size: int, metric: int) -> None:
        """Pass the head of an index."""
        found = self.code()
        check(found == kind, f"an index of FAISS of the kind {kind.decode()}, not {found!r}")
        head = self.numbers("<iqqqbi")
        same = head[:2] == (dimension, size) and head[4:] == (1, metric)
        check(same, f"{size} vectors of {dimension} dimensions in the file of FAISS")

    def flat(self, dimension: int, size: int, metric: int) -> None:
        """Pass vectors."""
        self.index(b"IxF2" if metric == 1 else b"IxFI", dimension, size, metric)
        check(len(self.array("<f4")) == size * dimension, "all vectors in the file of FAISS")

    def end(self) -> None:
        check(self._at == len(self._data), "nothing behind the index of FAISS")

    def _take(self, count: int) -> slice:
        check(count <= len(self._data) - self._at, "a file of FAISS that is not cut short")
        place = slice(self._at, self._at + count)
        self._at = place.stop
        return place
