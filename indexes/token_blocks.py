"""Token vectors as they are stored: compressed, in blocks that never change."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Mask
from indexes.opened import check, opened, rising
from indexes.segment import save_once

Storage = Literal["float16", "int8"]

MOST_TOKENS = 1 << 18
"""Vectors of a block that is made by merging; so merging rewrites a bounded number of them."""

_AT_ONCE = 1 << 12  # vectors that are compressed together
_LARGEST_CODE = 127
_FILES = ("codes", "scales", "offsets")


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The token vectors of several texts.

    Attributes
    ----------
    codes : ndarray of float16 or int8, shape (tokens, dimension)
    scales : ndarray of float32, shape (tokens,)
        What the codes of a vector are multiplied with; 1 for float16.
    offsets : ndarray of int64, shape (n + 1,)
        Where each text starts in `codes`, and where the last one ends.
    home : Path or None
        The folder that has it in files.
    """

    codes: NDArray[Any]
    scales: NDArray[np.float32]
    offsets: NDArray[np.int64]
    home: Path | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def bits(self) -> NDArray[Any]:
        """The codes as whole numbers, as compiled code takes them."""
        return self.codes.view(np.uint16) if self.codes.dtype == np.float16 else self.codes

    @classmethod
    def of(cls, vectors: NDArray[np.float32], offsets: NDArray[np.int64], storage: Storage) -> Self:
        """Return the block of checked vectors."""
        codes = np.empty(vectors.shape, storage)
        scales = np.ones(len(vectors), np.float32)
        for start in range(0, len(vectors), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            unit = unit_vectors(vectors[part])
            if storage == "int8":
                scales[part] = np.abs(unit).max(axis=1) / _LARGEST_CODE
                unit = np.rint(unit / scales[part, None])
            codes[part] = unit
        return cls(codes, scales, offsets)

    def absorbs(self, other: "Block") -> bool:
        """Whether another block should be merged into this one: it has at least half the size."""
        size, more = len(self.codes), len(other.codes)
        return (size < 2 * more and size + more <= MOST_TOKENS) or not size

    def merged(self, other: "Block") -> "Block":
        """Return the block of these texts and then another's."""
        offsets = np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]])
        codes, scales = (
            np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("codes", "scales")
        )
        return Block(codes, scales, offsets)

    def only(self, kept: Mask) -> "Block":
        """Return the block of some of the texts."""
        lengths = np.diff(self.offsets)
        tokens = np.repeat(kept, lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths[kept])])
        return Block(self.codes[tokens], self.scales[tokens], offsets)

    def save(self, folder: Path) -> Self:
        """Write the files into a new folder, or link those that are written."""
        folder.mkdir()
        for name in _FILES:
            save_once(getattr(self, name), f"{name}.npy", folder, self.home)
        return replace(self, home=folder)

    @classmethod
    def load(cls, folder: Path, dimension: int, storage: Storage) -> Self:
        """Open what `save` wrote; it stays on disk until it is read."""
        codes = opened(folder / "codes.npy", np.dtype(storage).str, (None, dimension))
        scales = opened(folder / "scales.npy", "<f4", (len(codes),))
        offsets = opened(folder / "offsets.npy", "<i8", (None,))
        check(rising(offsets, 0, len(codes)), "texts one behind the other")
        return cls(codes, scales, offsets, home=folder)


def without_direction(vectors: NDArray[np.float32]) -> Mask:
    """Return which vectors, shape (n, d), are zero, too long or not finite."""
    lengths = np.concatenate(
        [
            _lengths(vectors[start : start + _AT_ONCE])
            for start in range(0, max(len(vectors), 1), _AT_ONCE)
        ]
    )
    return np.asarray(~(np.isfinite(lengths) & (lengths > 0)), np.bool_)


def unit_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors that have a direction with length 1."""
    lengths = _lengths(vectors)[:, None]
    return np.asarray(vectors, np.float32) / lengths


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.square(np.asarray(vectors, np.float32))
        return np.asarray(np.sqrt(squares.sum(axis=1)), np.float32)
