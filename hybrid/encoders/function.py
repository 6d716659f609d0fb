"""Encoders from what the user has already: a function, or vectors computed elsewhere."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hybrid.encoders.base import Embeddings
from hybrid.errors import EncoderError


class FunctionEncoder:
    """An encoder around a function from texts to vectors.

    Parameters
    ----------
    embed : callable
        Takes a list of n texts, returns n vectors.
    name : str
        What the vectors are, such as the model's name and version: an index built under one name
        is not opened under another.
    dimension : int
        Length of the vectors.
    embed_queries : callable, optional
        The function for questions, where it is another.

    Examples
    --------
    >>> encoder = FunctionEncoder(lambda texts: [[len(t), 1] for t in texts], "length", 2)
    >>> encoder.encode_queries(["cat"]).dense
    array([[3., 1.]], dtype=float32)
    """

    def __init__(
        self,
        embed: Callable[[list[str]], ArrayLike],
        name: str,
        dimension: int,
        *,
        embed_queries: Callable[[list[str]], ArrayLike] | None = None,
    ) -> None:
        self.name, self.dimension = name, dimension
        self._embed, self._embed_queries = embed, embed_queries or embed

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""
        return Embeddings(dense=np.asarray(self._embed(list(texts)), np.float32))

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions."""
        return Embeddings(dense=np.asarray(self._embed_queries(list(texts)), np.float32))

    def fingerprint(self) -> dict[str, Any]:
        """Return kind, name and dimension."""
        return {"kind": "function", "name": self.name, "dimension": self.dimension}


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
            digest = hashlib.sha256(missing.encode()).hexdigest()[:8]
            raise EncoderError(
                f"expected a vector for every text, but {side}= of {self.name!r} has none for "
                f"{missing[:60]!r} ({len(missing)} characters, sha256 {digest}…)"
            )
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return np.asarray([vectors[text] for text in texts], np.float32)
