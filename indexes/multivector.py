"""Late interaction: one vector for each token of a text, compared token by token.

The score of a text is MaxSim [1]_: for each token of the query the largest dot product with a token
of the text; of these the mean, as BGE-M3 has it [2]_, so that it is between -1 and 1.

Token vectors are large (a text of 150 tokens in 1024 dimensions: 300 kB in float16, 150 kB in
int8), and there is no list to search: a search computes every score.  So a search is for small
collections; in large ones the index scores what others have found (`fusion.rescored`).

Vectors come in blocks that never change.  Small blocks are merged as they come, a row that was
deleted stays in its block until a fifth of all rows are dead, and a saved block stays on disk.

References
----------
.. [1] Khattab, Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
   Interaction over BERT", SIGIR 2020.
.. [2] Chen, Xiao, Zhang, Luo, Lian, Liu, "BGE M3-Embedding: Multi-Lingual, Multi-Functionality,
   Multi-Granularity Text Embeddings Through Self-Knowledge Distillation", ACL Findings 2024.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexes.base import Statistics
from indexes.candidates import (
    Candidates,
    Mask,
    Rows,
    Scores,
    as_new_rows,
    as_rows,
    check_depth,
    is_allowed,
    places,
    top,
)
from indexes.opened import check, facts_in, facts_of, whole
from indexes.slots import MOST_ROWS, Positions, Slots
from indexes.token_blocks import Block, Storage, unit_vectors, without_direction

SAMPLE = 256
"""Rows whose scores stand for those of all rows in `MultiVectorIndex.statistics`."""

_FLOOR, _CEILING = -1.0, 1.0
_MOST_DEAD = 0.2  # share of deleted rows above which they are removed from their blocks


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The token vectors of several texts.

    Attributes
    ----------
    vectors : ndarray of float32, shape (tokens, dimension)
        Those of all texts, one after the other; each of length 1.
    offsets : ndarray of int64, shape (n + 1,)
        Where each text starts in `vectors`, and where the last one ends.
    """

    vectors: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, number: int) -> NDArray[np.float32]:
        """Return the token vectors of one text, shape (its tokens, dimension)."""
        return self.vectors[self.offsets[number] : self.offsets[number + 1]]


class MultiVectorIndex:
    """Rows ranked by MaxSim over token vectors.

    Parameters
    ----------
    dimension : int
        Length of the vectors, >= 1.
    storage : {"float16", "int8"}
        What a vector is kept as; int8 is half as large, with a scale for each vector.  Scores are
        exact for what is kept.

    Examples
    --------
    >>> index = MultiVectorIndex(2)
    >>> tokens = TokenVectors(np.float32([[1, 0], [0, 1], [1, 0]]), np.array([0, 2, 3]))
    >>> index.add([0, 1], tokens)
    >>> index.score([[1.0, 0.0], [0.0, 1.0]], [0, 1]).tolist()
    [1.0, 0.5]
    """

    exact, scans = True, True

    def __init__(self, dimension: int, storage: Storage = "float16") -> None:
        if dimension < 1:
            raise ValueError(f"expected a dimension of at least 1, not {dimension}")
        if storage not in get_args(Storage):
            raise ValueError(f"expected a storage of {get_args(Storage)}, not {storage!r}")
        self.dimension, self.storage = dimension, storage
        self._blocks: list[Block] = []
        self._slots = Slots()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return int(np.count_nonzero(self._slots.live))

    def unranked(self, query: ArrayLike) -> float:
        """Return the floor: what a row scores that is not held, or has no token vectors."""
        return _FLOOR

    def add(self, rows: ArrayLike, tokens: TokenVectors) -> None:
        """Add rows with their token vectors.

        Parameters
        ----------
        rows : array_like of int, shape (n,)
            New rows.
        tokens : TokenVectors
            Of n texts; a text may have none.

        Raises
        ------
        ValueError
            If a vector cannot be taken, a row is there already, or the lengths differ.
        """
        rows = as_new_rows(rows, len(tokens))
        check_tokens(tokens, self.dimension)
        self._append(rows, Block.of(tokens.vectors, tokens.offsets, self.storage))

    def restore(self, rows: ArrayLike, block: Block) -> None:
        """Add rows with codes that `stored` gave, to the bit.

        Raises
        ------
        ValueError
            As `add`, or if the codes are not those of this dimension and storage.
        """
        rows = as_new_rows(rows, len(block))
        self.check_stored(block)
        self._append(rows, block)

    def check_stored(self, block: Block) -> None:
        """Raise ValueError unless `restore` can take these codes."""
        if block.codes.dtype != self.storage or block.scales.shape != block.codes.shape[:1]:
            raise ValueError(f"expected codes of {self.storage} with a scale for each vector")
        with np.errstate(over="ignore", invalid="ignore"):
            vectors = block.codes.astype(np.float32) * block.scales[:, None]
        check_tokens(TokenVectors(vectors, block.offsets), self.dimension)

    def stored(self, rows: ArrayLike) -> Block:
        """Return the codes of `rows` as they are stored; those that are not held have none."""
        with self._lock:
            slots, first = self._slots.of(as_rows(rows)), 0
            sizes = np.zeros(len(slots), np.int64)
            dtype = np.dtype(self.storage)
            codes = [np.empty((0, self.dimension), dtype)] * len(slots)
            scales = [np.empty(0, np.float32)] * len(slots)
            for block in self._blocks:
                for place in np.flatnonzero((slots >= first) & (slots < first + len(block))):
                    begin, end = block.offsets[slots[place] - first :][:2]
                    codes[place], scales[place] = block.codes[begin:end], block.scales[begin:end]
                    sizes[place] = end - begin
                first += len(block)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        none = np.empty((0, self.dimension), dtype), np.empty(0, np.float32)
        return Block(np.concatenate([none[0], *codes]), np.concatenate([none[1], *scales]), offsets)

    def _append(self, rows: Rows, block: Block) -> None:
        with self._lock:
            self._slots.append(rows)
            blocks = [*self._blocks, block]
            while len(blocks) > 1 and blocks[-2].absorbs(blocks[-1]):
                blocks[-2:] = [blocks[-2].merged(blocks[-1])]
            self._blocks = blocks

    def delete(self, rows: ArrayLike) -> None:
        """Delete rows; those that are not held are passed over."""
        with self._lock:
            self._slots.kill(as_rows(rows))
            if len(self) < (1 - _MOST_DEAD) * len(self._slots):
                self.compact()

    def compact(self) -> None:
        """Drop the vectors of deleted rows; no answer changes."""
        with self._lock:
            kept, first, blocks = self._slots.compact(), 0, []
            for block in self._blocks:
                here = kept[first : first + len(block)]
                first += len(block)
                blocks.append(block if here.all() else block.only(here))
            self._blocks = [block for block in blocks if len(block)]

    def search(self, query: ArrayLike, depth: int, allowed: Mask | None = None) -> Candidates:
        """Return the best rows for a query, after scoring every row.

        Parameters
        ----------
        query : array_like, shape (tokens, dimension)
            Without a token it finds nothing.
        depth : int
            Most rows to return, >= 1.
        allowed : ndarray of bool, optional
            Which rows may be found, by row number.

        Returns
        -------
        Candidates
            Rows without token vectors are not among them.
        """
        check_depth(depth)
        usable = self._slots.live
        if allowed is not None:
            usable = usable & is_allowed(self._slots.rows, allowed)
        scores = self._scores(query, np.flatnonzero(usable))
        above = scores > _FLOOR
        return top(self._slots.rows[usable][above], scores[above], depth)

    def search_many(
        self, queries: Sequence[ArrayLike], depth: int, allowed: Mask | None = None
    ) -> list[Candidates]:
        """Return `search` of every query."""
        return [self.search(query, depth, allowed) for query in queries]

    def ranks(self, query: ArrayLike, rows: ArrayLike, allowed: Mask | None = None) -> Rows:
        """Return the place of each of `rows` on the complete list of a query; see `Index.ranks`."""
        return places(self.search(query, max(len(self), 1), allowed), as_rows(rows))

    def score(self, query: ArrayLike, rows: ArrayLike) -> Scores:
        """Return the score of each of `rows`; the floor for those that are not held."""
        return self._scores(query, self._slots.of(as_rows(rows)))

    def statistics(self, query: ArrayLike) -> Statistics:
        """Return the spread of the query's score over a sample of the live rows.

        MaxSim has no closed form.  The sample is `SAMPLE` rows at even distances among the live
        rows that have token vectors, in the order of their numbers, or all when there are no more:
        the same rows for every query, and after any history.
        """
        held = self._slots.live & (self._tokens() > 0)
        slots = np.flatnonzero(held)
        slots = slots[np.argsort(self._slots.rows[slots])]
        if len(slots) > SAMPLE:
            slots = slots[np.arange(SAMPLE) * len(slots) // SAMPLE]
        scores = self._scores(query, slots).astype(np.float64)
        mean, std = (scores.mean(), scores.std()) if len(scores) else (0.0, 0.0)
        return Statistics(float(mean), float(std), _FLOOR, _CEILING)

    def save(self, folder: Path) -> None:
        """Write the index into a folder that exists; blocks that are written are linked."""
        with self._lock:
            self._blocks = [
                block.save(folder / f"block-{number:04d}")
                for number, block in enumerate(self._blocks)
            ]
            settings = {"dimension": self.dimension, "storage": self.storage}
            state = {"settings": settings, "blocks": len(self._blocks)}
            (folder / "state.json").write_text(json.dumps(state), "utf-8")
            np.save(folder / "rows.npy", self._slots.rows, allow_pickle=False)
            np.save(folder / "live.npy", self._slots.live, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, below: int = MOST_ROWS) -> Self:
        """Open an index that `save` wrote; the vectors stay on disk until they are read.

        Raises
        ------
        ValueError
            If files are damaged so that a search could fail, or rows are not `below`.
        """
        state = facts_in(folder / "state.json")
        settings = facts_of(state, "settings")
        whole(settings.get("dimension"), "a dimension", 1, 1 << 16)
        index = cls(**settings)
        blocks = whole(state.get("blocks"), "blocks", 0, MOST_ROWS)
        names = (f"block-{number:04d}" for number in range(blocks))
        index._blocks = [Block.load(folder / n, index.dimension, index.storage) for n in names]
        index._slots = Slots.load(folder, below)
        texts = sum(map(len, index._blocks))
        check(len(index._slots) == texts, f"rows for {texts} texts with token vectors")
        return index

    def _tokens(self) -> NDArray[np.int64]:
        """Return how many token vectors are in each slot."""
        none = np.empty(0, np.int64)
        return np.concatenate([none, *(np.diff(block.offsets) for block in self._blocks)])

    def _scores(self, query: ArrayLike, slots: Positions) -> Scores:
        """Return the score of each slot; the floor for -1."""
        from indexes.maxsim import maxsim  # numba is slow to import

        target = _as_query(query, self.dimension)
        scores = np.full(len(slots), _FLOOR, np.float32)
        first = 0
        for block in self._blocks if len(target) else ():
            here = np.flatnonzero((slots >= first) & (slots < first + len(block)))
            starts = slots[here] - first
            first += len(block)
            part = np.empty(len(here), np.float32)
            ends = block.offsets[starts], block.offsets[starts + 1]
            maxsim(block.bits, block.scales, *ends, target, part)
            scores[here] = part
        return scores


def check_tokens(tokens: TokenVectors, dimension: int) -> None:
    """Raise ValueError unless token vectors have a dimension, directions, and offsets that fit."""
    shape = tokens.vectors.shape
    if len(shape) != 2 or shape[1] != dimension:
        raise ValueError(
            f"expected token vectors of {dimension} dimensions in shape (tokens, {dimension}), "
            f"not shape {shape}: was the index built with another encoder?"
        )
    ends = tokens.offsets
    if not len(ends) or ends[0] != 0 or ends[-1] != shape[0] or (np.diff(ends) < 0).any():
        raise ValueError(f"expected offsets that rise from 0 to {shape[0]}, the number of vectors")
    bad = without_direction(tokens.vectors)
    if bad.any():
        raise ValueError(
            f"expected finite token vectors other than zero, but number {np.argmax(bad)} is not"
        )


def _as_query(query: ArrayLike, dimension: int) -> NDArray[np.float32]:
    """Return the token vectors of a query as compiled code takes them: padded, of length 1."""
    from indexes.maxsim import LANES

    array = np.asarray(query, np.float32)
    if not array.size:
        return np.empty((0, LANES), np.float32)
    check_tokens(TokenVectors(array, np.array([0, len(array)])), dimension)
    padded = np.zeros((len(array), -(-dimension // LANES) * LANES), np.float32)
    padded[:, :dimension] = unit_vectors(array)
    return padded
