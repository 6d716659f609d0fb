"""One pass over the indexes: each is searched once for a question, and all fusions come of that."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion import Arm, top_k
from fusion.features import resolved
from fusion.methods import AnyMethod
from hybrid.benchmark.rankings import Answer, Rankings
from hybrid.benchmark.remembered import remembering
from hybrid.indexing import Indexes
from hybrid.store import ChunkStore
from indexes.candidates import top

_ENCODED_AT_ONCE = 256
_NAMED_AT_ONCE = 10_000

Chunks = tuple[NDArray[np.int64], NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class Owners:
    """Which document each chunk is of.

    Attributes
    ----------
    names : list of str
        The documents, by number.
    numbers : ndarray of int32, shape (rows,)
        The number of the document by row; -1 of a row that is not there.
    """

    names: list[str]
    numbers: NDArray[np.int32]

    @property
    def rows(self) -> NDArray[np.int64]:
        """All rows that are there, ascending."""
        return np.flatnonzero(self.numbers >= 0)

    @classmethod
    def of(cls, store: ChunkStore) -> "Owners":
        """Read all documents of a store."""
        rows, known = store.rows(), dict[str, int]()
        numbers = np.full(int(rows.max(initial=-1)) + 1, -1, np.int32)
        for start in range(0, len(rows), _NAMED_AT_ONCE):
            part = rows[start : start + _NAMED_AT_ONCE]
            names = store.doc_ids(part.tolist())
            numbers[part] = [known.setdefault(name, len(known)) for name in names]
        return cls(list(known), numbers)

    def best(self, read: Callable[[int], Chunks], depth: int) -> Answer:
        """Return the best documents, each by its best chunk, as `Retriever.run` finds them.

        Parameters
        ----------
        read : callable
            Returns so many of the best rows, and their scores; fewer where there are no more.
        depth : int
            Most documents, >= 1.
        """
        chunks = depth
        while True:
            rows, scores = read(chunks)
            numbers = self.numbers[rows]
            first = np.sort(np.unique(numbers, return_index=True)[1])[:depth]
            if len(first) == depth or len(rows) < chunks:
                return numbers[first], scores[first].astype(np.float64)
            chunks *= 2


def encoded(indexes: Indexes, questions: Sequence[str]) -> Iterator[dict[str, Arm]]:
    """Yield for each question every index with the query it understands."""
    for start in range(0, len(questions), _ENCODED_AT_ONCE):
        yield from indexes.arms(questions[start : start + _ENCODED_AT_ONCE])


def answers(
    arms: Mapping[str, Arm], methods: Mapping[str, AnyMethod], owners: Owners, depth: int
) -> dict[str, Answer]:
    """Return what each index and each fusion has for one question, by name.

    Parameters
    ----------
    arms : mapping of str to Arm
        The indexes with the question; none of a blank one.
    methods : mapping of str to Method
        The fusions.
    owners : Owners
    depth : int
        Documents of an answer.
    """
    kept = remembering(arms)

    def alone(arm: Arm) -> Callable[[int], Chunks]:
        def read(count: int) -> Chunks:
            found = arm.index.search(arm.query, count)
            return found.rows, found.scores

        return read

    def fused(method: AnyMethod) -> Callable[[int], Chunks]:
        plain = resolved(method, kept)

        def read(count: int) -> Chunks:
            found = top_k(kept, plain, count)
            return found.rows, found.scores

        return read

    reads = {name: alone(arm) for name, arm in kept.items()}
    reads |= {name: fused(method) for name, method in methods.items()} if kept else {}
    return {name: owners.best(read, depth) for name, read in reads.items()}


def runs(
    asked: Iterable[tuple[str, Mapping[str, Arm]]],
    methods: Mapping[str, AnyMethod],
    owners: Owners,
    depth: int,
) -> dict[str, Rankings]:
    """Return the run of each index and of each fusion, by name.

    Parameters
    ----------
    asked : iterable of (str, mapping of str to Arm)
        The id of each question, and the indexes with it.
    methods, owners, depth
        As in `answers`.
    """
    found: dict[str, dict[str, Answer]] = {}
    for query_id, arms in asked:
        for name, answer in answers(arms, methods, owners, depth).items():
            found.setdefault(name, {})[query_id] = answer
    return {name: Rankings(owners.names, by_query) for name, by_query in found.items()}


def ann_recall(
    indexes: Indexes, questions: Sequence[str], rows: NDArray[np.int64], cutoffs: Sequence[int]
) -> dict[str, dict[int, float]]:
    """Return, for each approximate index, the part of the exact first rows that it finds.

    Parameters
    ----------
    indexes : Indexes
    questions : sequence of str
    rows : ndarray of int64
        All rows; the exact order is that of their scores.
    cutoffs : sequence of int

    Returns
    -------
    dict of str to dict of int to float
        By name and cutoff, the mean over the questions.  Rows that an index does not hold count
        for nothing; there is no entry for an index that is exact.
    """
    if indexes.dense is None or indexes.dense.exact:  # no other kind is ever approximate
        return {}
    shares = [
        _shares(arms["dense"], rows, cutoffs)
        for arms in encoded(indexes, questions)
        if "dense" in arms
    ]
    means = np.array(shares).reshape(-1, len(cutoffs)).mean(axis=0).tolist() if shares else []
    return {"dense": dict(zip(cutoffs, means, strict=True))} if means else {}


def _shares(arm: Arm, rows: NDArray[np.int64], cutoffs: Sequence[int]) -> list[float]:
    """Return the part of the exact first rows that one search finds, by cutoff."""
    scores = arm.index.score(arm.query, rows)
    held = scores != np.float32(arm.index.unranked(arm.query))
    exact = top(rows[held], scores[held], max(cutoffs)).rows
    found = arm.index.search(arm.query, max(cutoffs)).rows
    return [
        len(np.intersect1d(exact[:cutoff], found[:cutoff])) / max(len(exact[:cutoff]), 1)
        for cutoff in cutoffs
    ]
