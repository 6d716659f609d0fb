"""Many rows of terms as one value: numbers into a list of distinct terms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TermBatch:
    """The terms of consecutive rows.

    Attributes
    ----------
    ids : ndarray of uint32, shape (tokens,)
        The terms of all rows one after the other, in order, as places in `terms`.
    offsets : ndarray of int64, shape (rows + 1,)
        Where each row starts in `ids`, and where the last one ends.
    terms : list of str
        Distinct terms.  All are used, unless the batch is a part of a larger one.

    Examples
    --------
    >>> TermBatch.of([["a", "cat"], [], ["cat"]])
    TermBatch(ids=array([0, 1, 1], dtype=uint32), offsets=array([0, 2, 2, 3]), terms=['a', 'cat'])
    """

    ids: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    terms: list[str]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(cls, token_lists: Iterable[Sequence[str]]) -> Self:
        """Return the batch of rows that are given as lists of terms.

        Raises
        ------
        TypeError
            If a string stands where a list of terms should.
        """
        numbers: dict[str, int] = {}
        ids, offsets = [], [0]
        for tokens in token_lists:
            if isinstance(tokens, str):
                raise TypeError(f"expected a list of terms for each row, not the text {tokens!r}")
            ids += [numbers.setdefault(token, len(numbers)) for token in tokens]
            offsets.append(len(ids))
        return cls(np.array(ids, np.uint32), np.array(offsets, np.int64), list(numbers))

    def lists(self) -> list[list[str]]:
        """Return the terms of each row."""
        words = [self.terms[number] for number in self.ids.tolist()]
        bounds = self.offsets.tolist()
        return [words[start:stop] for start, stop in pairwise(bounds)]
