"""Any sentence-transformers model, or a plain Hugging Face encoder, by name or from a folder."""

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal, Self

import numpy as np

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.encoders.instructions import chosen, of_family, of_model
from hybrid.errors import MissingDependency

log = logging.getLogger(__name__)

_POOLING = {"mean": "mean", "cls": "cls", "last": "lasttoken"}  # our word: sentence-transformers'


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
        return {
            "kind": "sentence-transformers",
            "name": self.name,
            "revision": self.revision,
            "dimension": self.dimension,
            "query_instruction": self.instructions.query,
            "document_instruction": self.instructions.document,
            "pooling": self.pooling,
            "max_length": self.max_length,
            "normalized": self.normalized,
            "versions": versions("sentence-transformers", "transformers", "torch"),
        }

    @classmethod
    def from_fingerprint(cls, fingerprint: Mapping[str, Any]) -> Self:
        """Return the encoder that gave this fingerprint."""
        return cls(str(fingerprint["name"]), **choices_in(fingerprint))

    def _pool(self) -> None:
        """Choose the pooling of a plain model, and note it."""
        module = next((m for m in self._model if type(m).__name__ == "Pooling"), None)
        own = _pooling_of(module)
        if self.pooling is not None and self.pooling not in _POOLING:
            raise ValueError(f"expected a pooling of {', '.join(_POOLING)}, not {self.pooling!r}")
        if self.pooling is None or self.pooling == own:
            self.pooling = own
            return
        if module is None or self._model.module_kwargs:  # a plain one comes without settings
            raise ValueError(
                f"expected no pooling={self.pooling!r}: the sentence-transformers model "
                f"{self.name!r} says itself how, and that is {own!r}"
            )
        place = list(self._model).index(module)
        self._model[place] = type(module)(module.embedding_dimension, _POOLING[self.pooling])

    def _truncate(self) -> None:
        own, self._model.truncate_dim = self._model.truncate_dim, None
        full = len(self._encode(["dimension"], "query")[0])
        wanted = self.dimension if self.dimension is not None else own or full
        if not 1 <= wanted <= full:
            raise ValueError(
                f"expected a dimension of 1 to {full}, which {self.name!r} has, not {wanted}"
            )
        self.dimension = wanted
        self._model.truncate_dim = wanted if wanted < full else None
        self.normalized = wanted < full or any(type(m).__name__ == "Normalize" for m in self._model)

    def _encode(self, texts: Sequence[str], side: Literal["query", "document"]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension or 0), np.float32)
        prompt = getattr(self.instructions, side)
        self._warned = self._warned or warn_of_long(
            [prompt + text for text in texts], self._model.tokenizer, self.max_length, self.name
        )
        encode = self._model.encode_query if side == "query" else self._model.encode_document
        found = encode(
            list(texts),
            prompt=prompt,  # "" too, or the model's own would be taken
            batch_size=self.batch_size,
            normalize_embeddings=self.normalized,  # truncation comes after the model's own
            show_progress_bar=False,
        )
        return np.asarray(found, np.float32)


def _pooling_of(module: Any) -> str | None:
    """Return how a model pools; None when it has no such module."""
    modes = getattr(module, "pooling_mode", ())
    ours = {theirs: word for word, theirs in _POOLING.items()}
    words = [modes] if isinstance(modes, str) else modes  # several are put side by side
    return "+".join(ours.get(word, word) for word in words) or None


def load(kind: str, name: str, revision: str | None) -> Any:
    """Return a model as the class `kind` of sentence-transformers; without progress bars."""
    try:
        package = importlib.import_module("sentence_transformers")
        bars = importlib.import_module("transformers.utils.logging")
    except ImportError as error:
        raise MissingDependency("sentence-transformers", "models") from error
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        return getattr(package, kind)(name, revision=revision, trust_remote_code=False)
    finally:
        if shown:
            bars.enable_progress_bar()


def limit_length(model: Any, wanted: int | None, name: str) -> int | None:
    """Set and return the longest input of a model, in tokens; None when it takes any."""
    positions = positions_of(model)
    if wanted is not None and not 1 <= wanted <= (positions or wanted):
        raise ValueError(
            f"expected a max_length of 1 to {positions or 'any number of'} tokens, "
            f"which {name!r} takes, not {wanted}"
        )
    own = model.max_seq_length
    known = [n for n in (own, positions) if isinstance(n, int) and n < 1e9]  # "any" is 1e30
    length = wanted if wanted is not None else min(known, default=None)
    if length is not None:
        model.max_seq_length = length
    return length


def positions_of(model: Any) -> int | None:
    """Return for how many tokens a model has positions; None when that is not said."""
    transformer: Any = getattr(model[0], "auto_model", None)
    most = getattr(getattr(transformer, "config", None), "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return None
    for path, module in transformer.named_modules():
        if path.endswith("position_embeddings") and getattr(module, "padding_idx", None):
            return most - int(module.padding_idx) - 1  # RoBERTa counts from there
    return most


def warn_of_long(texts: Sequence[str], tokenizer: Any, most: int | None, name: str) -> bool:
    """Log how many texts are longer than a model takes, and return whether any is."""
    # No tokenizer makes more than a token of a byte, but for those at both ends.
    suspects = [text for text in texts if most is not None and len(text.encode()) + 4 > most]
    if not suspects or not callable(tokenizer):
        return False
    ids = tokenizer(suspects, truncation=False, verbose=False)["input_ids"]
    long = sum(len(tokens) > (most or 0) for tokens in ids)
    if long:
        log_long(long, len(texts), most, name)
    return long > 0


def log_long(long: int, total: int, most: int | None, name: str) -> None:
    """Log that texts were cut."""
    log.warning(
        "%d of %d texts are longer than the %d tokens that %s takes, and their ends are not "
        "encoded: make smaller chunks (said once)",
        *(long, total, most, name),
    )


def choices_in(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments with which a model is opened as it was."""
    names = ("revision", "dimension", "query_instruction", "document_instruction", "max_length")
    found = {name: fingerprint.get(name) for name in names}
    pooling = fingerprint.get("pooling")
    return {**found, "pooling": pooling if pooling in _POOLING else None}


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of packages that are installed, by name."""
    return {package: version(package) for package in packages}
