"""Runs in little memory, in an order that every tool reads alike, and as TREC files."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybrid.evaluation import Run

Answer = tuple[NDArray[np.int32], NDArray[np.float64]]
"""Numbers of documents, best first, and their scores, descending."""


class Rankings(Mapping[str, Mapping[str, float]]):
    """A run that keeps eight bytes for each document of an answer.

    Parameters
    ----------
    names : sequence of str
        The documents, by number.
    answers : mapping of str to pair
        For each query the numbers of its documents, best first, and their scores, descending.
    """

    def __init__(self, names: Sequence[str], answers: Mapping[str, Answer]) -> None:
        self._names = names
        self._answers = {
            query: (numbers, unambiguous(scores)) for query, (numbers, scores) in answers.items()
        }

    @classmethod
    def of(cls, run: Run) -> "Rankings":
        """Return a run that comes from elsewhere, in the order of its scores; ties stay as given.

        Raises
        ------
        ValueError
            If a score is not finite.
        """
        known: dict[str, int] = {}
        answers: dict[str, Answer] = {}
        for query, answer in run.items():
            scores = np.fromiter(answer.values(), np.float64, len(answer))
            if not np.isfinite(scores).all():
                raise ValueError(f"expected finite scores for query {query!r}, but one is not")
            numbers = [known.setdefault(name, len(known)) for name in answer]
            best = np.argsort(-scores, kind="stable")
            answers[query] = np.array(numbers, np.int32)[best], scores[best]
        return cls(list(known), answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __getitem__(self, query: str) -> dict[str, float]:
        """Return the documents of a query with their scores, best first; made at every call."""
        numbers, scores = self._answers[query]
        return {
            self._names[number]: score
            for number, score in zip(numbers.tolist(), scores.tolist(), strict=True)
        }


def unambiguous(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return scores in float32 that fall from each to the next.

    trec_eval and its kin order by scores in float32, and equal ones by the names of documents; so
    the order of a run would depend on the tool.  A score that is not below the one before is
    lowered to the next number that is: by a unit in the last place for each document that ties.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Finite, descending; equal scores in the order that counts.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    bits = np.asarray(scores, np.float32).view(np.int32).astype(np.int64)
    order = np.where(bits < 0, -(2**31) - bits, bits)  # numbers that sort as the scores do
    places = np.arange(len(order))
    falling = np.minimum.accumulate(order + places) - places
    back = np.where(falling < 0, -(2**31) - falling, falling)
    return back.astype(np.int32).view(np.float32)


def trec_lines(run: Run, queries: Iterable[str], tag: str) -> Iterator[str]:
    """Yield the lines of a TREC run: query, Q0, document, rank, score, tag.

    Parameters
    ----------
    run : mapping
    queries : iterable of str
        In this order.
    tag : str
        The name of the run.

    Raises
    ------
    ValueError
        If an id has blanks, which the format has no way to write.
    """
    for query in queries:
        answer = run.get(query, {})
        for name in (query, *answer):
            if not name or any(map(str.isspace, name)):
                raise ValueError(f"expected ids without blanks in a TREC run, not {name!r}")
        for rank, (document, score) in enumerate(answer.items(), 1):
            yield f"{query} Q0 {document} {rank} {score:.9g} {tag}\n"


def write_trec(run: Run, queries: Iterable[str], path: Path) -> None:
    """Write a TREC run file; its tag is the name of the file."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(trec_lines(run, queries, path.stem))


def sha256_of_run(run: Run, queries: Iterable[str]) -> str:
    """Return the sha256 of the queries, documents and scores of a run, in their order."""
    digest = hashlib.sha256()
    for query in queries:
        scored = (f"{document}\0{score!r}\n" for document, score in run.get(query, {}).items())
        digest.update(f"{query}\n{''.join(scored)}\n".encode())
    return digest.hexdigest()
