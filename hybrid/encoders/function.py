"""Encoders from what the user has already: a function, or vectors computed elsewhere."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.encoders.calling import Calls, Embed, Loop, is_async
from hybrid.errors import EncoderError


@dataclass(kw_only=True, eq=False)
class FunctionEncoder:
    """An encoder around a function from texts to vectors, such as a client of a service.

    Parameters
    ----------
    embed : callable
        Takes a list of n texts, returns n vectors: an array, or lists or tuples of numbers.  It may
        be ``async``.
    name : str
        What the vectors are, such as the model's name and version: an index built under one name
        is not opened under another.
    dimension : int
        Length of the vectors.
    embed_queries : callable, optional
        The function for questions, where it is another.
    batch_size : int, optional
        Most texts in one call.
    retries : int
        How often a call that raised is tried again: after about 0.5 s, 1 s, 2 s, ...  Vectors of
        the wrong shape are refused at once.
    timeout : float, optional
        Seconds after which a call has failed.  For async functions only, because a plain one cannot
        be interrupted: give its client a timeout.
    rate_limit : float, optional
        Most calls a second.
    concurrency : int
        How many calls of an async function may run at once.

    Raises
    ------
    ValueError
        If a number is out of range, or `timeout` or `concurrency` is given for plain functions.

    Notes
    -----
    `encode_documents` and `encode_queries` raise EncoderError when a call fails as often as it may,
    or when vectors are not as many or not as long as they should be.  Async functions run in an
    event loop in a thread of its own.

    Examples
    --------
    >>> encoder = FunctionEncoder(lambda texts: [[len(t), 1] for t in texts], "length", 2)
    >>> encoder.encode_queries(["cat"]).dense
    array([[3., 1.]], dtype=float32)
    """

    embed: Embed = field(kw_only=False, repr=False)  # a partial would show its arguments, with keys
    name: str = field(kw_only=False)
    dimension: int = field(kw_only=False)
    embed_queries: Embed | None = field(default=None, repr=False)
    batch_size: int | None = None
    retries: int = 0
    timeout: float | None = None
    rate_limit: float | None = None
    concurrency: int = 1

    def __post_init__(self) -> None:
        self._calls = Calls(
            self.name,
            batch_size=self.batch_size,
            retries=self.retries,
            timeout=self.timeout,
            rate_limit=self.rate_limit,
            concurrency=self.concurrency,
        )
        self._loop: Loop | None = None
        self._lock = threading.Lock()
        functions = [self.embed, self.embed_queries or self.embed]
        waits = self.timeout is not None or self.concurrency > 1
        if waits and not any(is_async(function) for function in functions):
            raise ValueError(
                "expected an async function for timeout= and concurrency=: a plain one cannot be "
                "interrupted, so give its client a timeout"
            )

    @property
    def at_once(self) -> int | None:
        """How many texts keep all calls busy; None: no matter how many."""
        return None if self.batch_size is None else self.batch_size * self.concurrency

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""
        return self._encode(self.embed, texts)

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions."""
        return self._encode(self.embed_queries or self.embed, texts)

    def fingerprint(self) -> dict[str, Any]:
        """Return kind, name and dimension."""
        return {"kind": "function", "name": self.name, "dimension": self.dimension}

    def _encode(self, embed: Embed, texts: Sequence[str]) -> Embeddings:
        if not texts:
            return Embeddings(dense=np.empty((0, self.dimension), np.float32))
        if is_async(embed):
            found = self._opened().run(self._calls.run_async(embed, texts, self._vectors))
        else:
            found = self._calls.run(embed, texts, self._vectors)
        return Embeddings(dense=np.concatenate(found))

    def _vectors(self, found: Any, texts: Sequence[str]) -> Vectors:
        """Return what a call gave as an array."""
        try:
            vectors = np.asarray(found, np.float32)
        except (TypeError, ValueError) as error:
            raise EncoderError(
                f"expected {len(texts)} vectors of {self.dimension} dimensions from encoder "
                f"{self.name!r}, as an array or lists of numbers, not {type(found).__name__} "
                f"({error})"
            ) from error
        if vectors.shape != (len(texts), self.dimension):
            raise EncoderError(
                f"expected {len(texts)} vectors of {self.dimension} dimensions from encoder "
                f"{self.name!r}, not an array of shape {vectors.shape}"
            )
        return vectors

    def _opened(self) -> Loop:
        with self._lock:
            self._loop = self._loop or Loop()
            return self._loop


class Precomputed:
    """Vectors computed elsewhere, by text.

    Parameters
    ----------
    documents, queries : mapping of str to array_like
        The vector of each text.  A document's text is what is indexed of its chunk: the title on
        a line of its own, if there is one, then the chunk's text.
    name : str
        What the vectors are, such as the model's name.
    """

    def __init__(
        self, documents: Mapping[str, ArrayLike], queries: Mapping[str, ArrayLike], name: str
    ) -> None:
        some = next(iter([*documents.values(), *queries.values()]), None)
        if some is None:
            raise ValueError("expected at least one vector")
        if np.ndim(some) != 1:
            raise ValueError(f"expected vectors, not an array of shape {np.shape(some)}")
        self.name, self.dimension = name, len(np.asarray(some))
        self._documents, self._queries = documents, queries

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Look up the texts of chunks."""
        return Embeddings(dense=self._look_up(self._documents, texts, "documents"))

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Look up questions."""
        return Embeddings(dense=self._look_up(self._queries, texts, "queries"))

    def fingerprint(self) -> dict[str, Any]:
        """Return kind, name and dimension."""
        return {"kind": "precomputed", "name": self.name, "dimension": self.dimension}

    def _look_up(
        self, vectors: Mapping[str, ArrayLike], texts: Sequence[str], side: str
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        missing = next((text for text in texts if text not in vectors), None)
        if missing is not None:
            digest = hashlib.sha256(missing.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            raise EncoderError(
                f"expected a vector for every text, but {side}= of {self.name!r} has none for "
                f"{missing[:60]!r} ({len(missing)} characters, sha256 {digest}…)"
            )
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        found = [np.asarray(vectors[text], np.float32) for text in texts]
        for text, vector in zip(texts, found, strict=True):
            if vector.shape != (self.dimension,):
                raise EncoderError(
                    f"expected {self.dimension} numbers for every text, but {side}= of "
                    f"{self.name!r} has an array of shape {vector.shape} for {text[:60]!r}"
                )
        return np.stack(found)
