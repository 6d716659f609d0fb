"""Any sentence-transformers model, or a plain Hugging Face encoder, by name or from a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.encoders.instructions import chosen, of_family, of_model
from hybrid.encoders.sentence_models import (
    POOLING,
    Side,
    check_dimension,
    choices_in,
    dense_fingerprint,
    encoded,
    limit_length,
    load,
    warn_of_long,
)


@dataclass(kw_only=True, eq=False)
class SentenceTransformerEncoder:
    """Dense vectors from a sentence-transformers model, or from a plain Hugging Face encoder.

    >>> encoder = SentenceTransformerEncoder("intfloat/e5-base-v2")  # doctest: +SKIP

    Code that comes with a model is never run.

    Parameters
    ----------
    name : str
        Name on a model hub, or the folder of a model.  A name that is not on this machine is
        downloaded by sentence-transformers.
    revision : str, optional
        Commit, branch or tag on the hub.
    dimension : int, optional
        Keep the first numbers of each vector, scaled to length 1 again: for models that were
        trained for it [1]_.
    query_instruction, document_instruction : str, optional
        What is put before questions and chunks; "" is nothing.  Without them: the model's own
        prompts, or else those of its family (see `hybrid.encoders.instructions`).
    pooling : {"mean", "cls", "last"}, optional
        How the vectors of tokens become one.  A sentence-transformers model says so itself; a plain
        one takes the mean, or, when it is a causal language model, the last.
    max_length : int, optional
        Longest input in tokens; longer texts are cut, which is logged once.
    batch_size : int
        Texts in one pass.

    Attributes
    ----------
    instructions : Instructions
        What is put before texts in the end.
    normalized : bool
        Whether the vectors are scaled to length 1.

    Raises
    ------
    ValueError
        If the model cannot do what was chosen.
    MissingDependency
        If sentence-transformers is not installed.

    References
    ----------
    .. [1] Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022.
    """

    name: str = field(kw_only=False)
    revision: str | None = None
    dimension: int | None = None
    query_instruction: str | None = None
    document_instruction: str | None = None
    pooling: str | None = None
    max_length: int | None = None
    batch_size: int = 32
    normalized: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.name = str(self.name)  # a path, too
        self._model = load("SentenceTransformer", self.name, self.revision)
        self._pool()
        self.max_length = limit_length(self._model, self.max_length, self.name)
        default = of_model(self.name, self._model.prompts, self._model.default_prompt_name)
        self.instructions = chosen(default, self.query_instruction, self.document_instruction)
        if not of_family(self.name).pooled:
            self._model.set_pooling_include_prompt(False)
        self._warned = False
        self._truncate()

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""
        return Embeddings(dense=self._encode(texts, "document"))

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions."""
        return Embeddings(dense=self._encode(texts, "query"))

    def fingerprint(self) -> dict[str, Any]:
        """Return all that decides about the vectors."""
        return dense_fingerprint(
            "sentence-transformers",
            self,
            self.instructions,
            ("sentence-transformers", "transformers", "torch"),
        )

    @classmethod
    def from_fingerprint(cls, fingerprint: Mapping[str, Any]) -> Self:
        """Return the encoder that gave this fingerprint."""
        return cls(str(fingerprint["name"]), **choices_in(fingerprint))

    def _pool(self) -> None:
        """Choose the pooling of a plain model, and note it."""
        module = next((m for m in self._model if type(m).__name__ == "Pooling"), None)
        own = _pooling_of(module)
        if self.pooling is not None and self.pooling not in POOLING:
            raise ValueError(f"expected a pooling of {', '.join(POOLING)}, not {self.pooling!r}")
        if self.pooling is None or self.pooling == own:
            self.pooling = own
            return
        if module is None or self._model.module_kwargs:  # a plain one comes without settings
            raise ValueError(
                f"expected no pooling={self.pooling!r}: the sentence-transformers model "
                f"{self.name!r} says itself how, and that is {own!r}"
            )
        place = list(self._model).index(module)
        self._model[place] = type(module)(module.embedding_dimension, POOLING[self.pooling])

    def _truncate(self) -> None:
        own, self._model.truncate_dim = self._model.truncate_dim, None
        full = len(self._encode(["dimension"], "query")[0])
        wanted = self.dimension if self.dimension is not None else own or full
        check_dimension(wanted, full, self.name)
        self.dimension = wanted
        self._model.truncate_dim = wanted if wanted < full else None
        self.normalized = wanted < full or any(type(m).__name__ == "Normalize" for m in self._model)

    def _encode(self, texts: Sequence[str], side: Side) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension or 0), np.float32)
        prompt = getattr(self.instructions, side)
        self._warned = self._warned or warn_of_long(
            [prompt + text for text in texts], self._model.tokenizer, self.max_length, self.name
        )
        found = encoded(
            self._model,
            texts,
            side,
            prompt=prompt,
            batch_size=self.batch_size,
            normalize_embeddings=self.normalized,  # truncation comes after the model's own
        )
        return np.asarray(found, np.float32)


def _pooling_of(module: Any) -> str | None:
    """Return how a model pools; None when it has no such module."""
    modes = getattr(module, "pooling_mode", ())
    ours = {theirs: word for word, theirs in POOLING.items()}
    words = [modes] if isinstance(modes, str) else modes  # several are put side by side
    return "+".join(ours.get(word, word) for word in words) or None
