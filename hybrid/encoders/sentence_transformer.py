"""Any sentence-transformers model, by name or from a folder."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.errors import MissingDependency


class SentenceTransformerEncoder:
    """Dense vectors from a sentence-transformers model.

    Questions are encoded with the model's own prompt for queries and chunks with the one for
    documents, where it has them.

    Parameters
    ----------
    name : str
        Name on a model hub, or the folder of a model.  A name that is not on this machine is
        downloaded by sentence-transformers.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingDependency("sentence-transformers", "models") from error
        self.name = name
        self._model = SentenceTransformer(name)
        self.dimension = len(self._encode(["dimension"], "query")[0])

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""
        return Embeddings(dense=self._encode(texts, "document"))

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions."""
        return Embeddings(dense=self._encode(texts, "query"))

    def fingerprint(self) -> dict[str, Any]:
        """Return name, dimension, longest input and prompts."""
        return {
            "kind": "sentence-transformers",
            "name": self.name,
            "dimension": self.dimension,
            "max_length": self._model.max_seq_length,
            "prompts": dict(self._model.prompts),
        }

    def _encode(self, texts: Sequence[str], side: str) -> Vectors:
        encode = self._model.encode_query if side == "query" else self._model.encode_document
        return np.asarray(encode(list(texts), show_progress_bar=False), np.float32)
