"""Learned lexical weights from models of the SPLADE family [1]_, through sentence-transformers.

References
----------
.. [1] Formal, Lassance, Piwowarski, Clinchant, "From Distillation to Hard Negative Sampling: Making
   Sparse Neural IR Models More Effective", SIGIR 2022.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from hybrid.encoders.base import Embeddings
from hybrid.encoders.sentence_models import (
    Side,
    encoded,
    limit_length,
    load,
    versions,
    warn_of_long,
)


@dataclass(kw_only=True, eq=False)
class SpladeEncoder:
    """Lexical weights from a SPLADE model, and no dense vectors.

    No instruction is put before a text: its words would become terms of the text.  Models whose
    questions are only looked up, without inference, work too.

    Parameters
    ----------
    name : str
        Name on a model hub, or the folder of a model.  A name that is not on this machine is
        downloaded by sentence-transformers.
    revision : str, optional
        Commit, branch or tag on the hub.
    max_length : int, optional
        Longest input in tokens; longer texts are cut, which is logged once.
    batch_size : int
        Texts in one pass.

    Raises
    ------
    ValueError
        If the model is not of that family.
    MissingDependency
        If sentence-transformers is not installed.
    """

    name: str = field(kw_only=False)
    revision: str | None = None
    max_length: int | None = None
    batch_size: int = 32
    dimension: None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.name = str(self.name)  # a path, too
        self._model = load("SparseEncoder", self.name, self.revision)
        modules = {type(module).__name__ for module in self._model.modules()}
        if "SpladePooling" not in modules:
            # Asked for, sentence-transformers puts random weights behind any other model.
            raise ValueError(
                f"expected a SPLADE model, which is a masked language model, but {self.name!r} is "
                f"made of {', '.join(type(module).__name__ for module in self._model)}"
            )
        self.max_length = limit_length(self._model, self.max_length, self.name)
        self._warned = False
        self._terms = self._encode(["terms"], "document").shape[1]

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""
        return Embeddings(lexical=self._encode(texts, "document"))

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions."""
        return Embeddings(lexical=self._encode(texts, "query"))

    def spelled(self, terms: Sequence[int]) -> list[str]:
        """Return the tokens that weights are for, by their ids."""
        tokens = self._model.tokenizer.convert_ids_to_tokens(list(terms))
        return [str(token) for token in tokens]

    def fingerprint(self) -> dict[str, Any]:
        """Return all that decides about the weights."""
        return {
            "kind": "splade",
            "name": self.name,
            "revision": self.revision,
            "terms": self._terms,
            "max_length": self.max_length,
            "versions": versions("sentence-transformers", "transformers", "torch"),
        }

    @classmethod
    def from_fingerprint(cls, fingerprint: Mapping[str, Any]) -> Self:
        """Return the encoder that gave this fingerprint."""
        revision, most = fingerprint.get("revision"), fingerprint.get("max_length")
        return cls(str(fingerprint["name"]), revision=revision, max_length=most)

    def _encode(self, texts: Sequence[str], side: Side) -> sp.csr_matrix:
        if not texts:
            return sp.csr_matrix(np.empty((0, self._terms), np.float32))
        self._warned = self._warned or warn_of_long(
            texts, self._model.tokenizer, self.max_length, self.name
        )
        found = encoded(
            self._model,
            texts,
            side,
            prompt="",
            batch_size=self.batch_size,
            save_to_cpu=True,
        ).coalesce()
        rows, terms = found.indices().numpy()
        weights = found.values().float().numpy()
        return sp.csr_matrix((weights, (rows, terms)), tuple(found.shape))
