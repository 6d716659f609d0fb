"""Late interaction: one vector for each token of a text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
