"""Where the vector of each row is: rows have numbers of their own, arrays have slots."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from indexes.candidates import Mask, Rows
from indexes.opened import check, opened

MOST_ROWS = 1 << 32
"""Rows stay below."""

Positions = NDArray[np.int64]


class Slots:
    """The rows of an array of vectors, slot by slot.

    Attributes
    ----------
    rows : ndarray of int64, shape (slots,)
        The row in each slot.
    live : ndarray of bool, shape (slots,)
        Whether the slot still counts; a row that was deleted leaves a dead slot.
    """

    def __init__(self) -> None:
        self.rows: Rows = np.empty(0, np.int64)
        self.live: Mask = np.empty(0, np.bool_)
        self._slot: Positions = np.empty(0, np.int64)  # by row; -1 for none

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, rows: Rows) -> Positions:
        """Return the slot of each of `rows`, -1 for those that have none."""
        slots = np.full(len(rows), -1)
        inside = rows < len(self._slot)
        slots[inside] = self._slot[rows[inside]]
        return slots

    def append(self, rows: Rows) -> None:
        """Put rows into new slots.

        Raises
        ------
        ValueError
            If a row has a slot already.
        """
        there = self.of(rows) >= 0
        if there.any():
            raise ValueError(f"row {rows[there][0]} is there already: delete it first")
        missing = int(rows.max(initial=-1)) + 1 - len(self._slot)
        self._slot = np.pad(self._slot, (0, max(missing, 0)), constant_values=-1)
        self._slot[rows] = np.arange(len(self.rows), len(self.rows) + len(rows))
        self.rows = np.concatenate([self.rows, rows])
        self.live = np.concatenate([self.live, np.ones(len(rows), np.bool_)])

    def kill(self, rows: Rows) -> None:
        """Let the slots of rows no longer count; rows without a slot are passed over."""
        slots = self.of(rows)
        held = slots >= 0
        live = self.live.copy()
        live[slots[held]] = False
        self.live = live  # whoever reads it meanwhile sees all of the change or nothing
        self._slot[rows[held]] = -1

    def compact(self) -> Mask:
        """Close the gaps that dead slots leave, and return which slots were kept."""
        kept = self.live
        self.rows = self.rows[kept]
        self.live = np.ones(len(self.rows), np.bool_)
        self._slot[self.rows] = np.arange(len(self.rows))
        return kept

    @classmethod
    def load(cls, folder: Path, below: int = MOST_ROWS) -> Self:
        """Open what was saved as rows.npy and live.npy; all rows must be `below`.

        Raises
        ------
        ValueError
            If the files are damaged.
        """
        rows = opened(folder / "rows.npy", "<i8", (None,), mode=None)
        live = opened(folder / "live.npy", "|b1", (len(rows),), mode=None)
        check(live.view(np.uint8).max(initial=0) <= 1, "rows that are live or not")
        fit = rows.min(initial=0) >= 0 and rows.max(initial=0) < max(below, 1)
        check(fit, f"rows below {below}")
        slots = cls.restored(rows, live)
        held = np.count_nonzero(slots._slot >= 0)
        check(held == np.count_nonzero(live), "each live row in one slot")
        return slots

    @classmethod
    def restored(cls, rows: Rows, live: Mask) -> Self:
        """Return the slots that had these rows, of which some were dead."""
        slots = cls()
        slots.rows, slots.live = np.array(rows), np.array(live)
        slots._slot = np.full(int(slots.rows.max(initial=-1)) + 1, -1)
        slots._slot[slots.rows[slots.live]] = np.flatnonzero(slots.live)
        return slots
