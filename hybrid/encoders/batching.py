"""Texts through a model batch by batch: alike lengths together, and as many as memory allows."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from hybrid.errors import EncoderError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

TOKENS_IN_A_BATCH = 8_192
"""How many tokens, padding included, are encoded together by default."""

_SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "failed to allocate memory",
    "alloc_failed",
)


class Batching:
    """How many texts a model takes at once; what did not fit into memory is remembered.

    A batch is padded to its longest text, so texts of like length share one, and its size is
    counted in tokens with the padding: texts times the longest.  When memory runs out, the batch is
    halved and tried again.  So the batch that a text is in depends on its company and on the
    machine, and its numbers agree to rounding, not to the bit.

    Parameters
    ----------
    name : str
        The encoder's name, for messages.
    tokens : int
        Most tokens in a batch.
    size : int, optional
        Most texts in a batch, whatever their length; instead of `tokens`.

    Raises
    ------
    ValueError
        If `tokens` or `size` is less than 1.

    Examples
    --------
    >>> texts = ["a a a", "a", "a a"]
    >>> batching = Batching("counter", tokens=4)
    >>> batching.run(texts, [3, 1, 2], lambda places: [texts[n].count("a") for n in places])
    [3, 1, 2]
    """

    def __init__(
        self, name: str, *, tokens: int = TOKENS_IN_A_BATCH, size: int | None = None
    ) -> None:
        if tokens < 1:
            raise ValueError(f"expected at least 1 token in a batch, not {tokens}")
        if size is not None and size < 1:
            raise ValueError(f"expected a batch size of at least 1, not {size}")
        self.name, self.size = name, size
        self._tokens = tokens if size is None else None  # None: no limit was met so far
        self._told = False

    def run(
        self,
        texts: Sequence[str],
        lengths: Sequence[int],
        encode: Callable[[list[int]], Sequence[Result]],
    ) -> list[Result]:
        """Encode every text once, and return the results in the order of the texts.

        Parameters
        ----------
        texts : sequence of str
            For messages only: `encode` looks up what it needs by place.
        lengths : sequence of int
            Length of each text, in tokens or in proportion to them.
        encode : callable
            Takes the places of some texts, the longest first, and returns a result for each.

        Raises
        ------
        EncoderError
            If there is no memory for one text alone, or `encode` gives too few or many results.
        """
        order = sorted(range(len(texts)), key=lambda place: -lengths[place])
        results: dict[int, Result] = {}
        while len(results) < len(order):
            start = len(results)
            longest = max(lengths[order[start]], 1)
            places = order[start : start + self._fitting(longest)]
            found, reason = _unless_out_of_memory(encode, places)
            if found is None:
                self._halve(texts, places, longest, reason)
                continue
            if len(found) != len(places):
                raise EncoderError(
                    f"expected {len(places)} results from encoder {self.name!r}, not {len(found)}"
                )
            results.update(zip(places, found, strict=True))
        return [results[place] for place in range(len(texts))]

    def _fitting(self, longest: int) -> int:
        """Return how many texts of a length make a batch."""
        by_tokens = None if self._tokens is None else max(self._tokens // longest, 1)
        return min(limit for limit in (self.size, by_tokens) if limit is not None)

    def _halve(self, texts: Sequence[str], places: list[int], longest: int, reason: str) -> None:
        """Allow half of a batch for which there was no memory; a single text is given up."""
        if len(places) == 1:
            raise EncoderError(
                f"expected memory for one text alone in encoder {self.name!r}, but it ran out "
                f"({reason}) at length {longest} on the text {texts[places[0]][:60]!r}: cut texts "
                f"to fewer tokens, with a lower max_length or smaller chunks"
            )
        self._tokens = len(places) * longest // 2
        if not self._told:
            self._told = True
            log.warning(
                "encoder %r ran out of memory with %d texts in a batch: it goes on with %d",
                self.name,
                len(places),
                self._fitting(longest),
            )


def _unless_out_of_memory(
    encode: Callable[[list[int]], Sequence[Result]], places: list[int]
) -> tuple[Sequence[Result] | None, str]:
    """Return the results, or None and what the error said.

    The error itself ends here: its traceback would keep the tensors of the failed batch alive.
    """
    try:
        return encode(places), ""
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None, str(error).partition("\n")[0][:100] or type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out: Python's, or that of torch or ONNX Runtime on any device."""
    kind = type(error)
    if isinstance(error, MemoryError) or kind.__name__ == "OutOfMemoryError":
        return True
    if not isinstance(error, RuntimeError) and not kind.__module__.startswith("onnxruntime"):
        return False
    message = str(error).lower()
    return any(sign in message for sign in _SIGNS)
