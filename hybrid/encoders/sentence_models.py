"""What encoders around models of sentence-transformers share: opening, limits, a call, a record."""

import importlib
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal

from hybrid.encoders.instructions import Instructions
from hybrid.errors import MissingDependency

log = logging.getLogger(__name__)

POOLING = {"mean": "mean", "cls": "cls", "last": "lasttoken"}  # our word: sentence-transformers'

Side = Literal["query", "document"]


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
    check_length(wanted, positions, name)
    own = model.max_seq_length
    known = [n for n in (own, positions) if isinstance(n, int) and n < 1e9]  # "any" is 1e30
    length = wanted if wanted is not None else min(known, default=None)
    if length is not None:
        model.max_seq_length = length
    return length


def check_length(wanted: int | None, positions: int | None, name: str) -> None:
    """Raise ValueError unless a model with so many positions takes inputs of a length."""
    if wanted is not None and not 1 <= wanted <= (positions or wanted):
        raise ValueError(
            f"expected a max_length of 1 to {positions or 'any number of'} tokens, "
            f"which {name!r} takes, not {wanted}"
        )


def check_dimension(wanted: int, full: int, name: str) -> None:
    """Raise ValueError unless vectors of a length can be had from those of a model."""
    if not 1 <= wanted <= full:
        raise ValueError(f"expected a dimension of 1 to {full}, which {name!r} has, not {wanted}")


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


def encoded(
    model: Any, texts: Sequence[str], side: Side, *, prompt: str, batch_size: int, **choices: Any
) -> Any:
    """Return what a model makes of texts, which are questions or chunks."""
    encode = model.encode_query if side == "query" else model.encode_document
    return encode(
        list(texts),
        prompt=prompt,  # "" too, or the model's own would be taken
        batch_size=batch_size,
        show_progress_bar=False,
        **choices,
    )


def dense_fingerprint(
    kind: str, encoder: Any, instructions: Instructions, packages: Sequence[str]
) -> dict[str, Any]:
    """Return all that decides about the dense vectors of an encoder with these choices."""
    return {
        "kind": kind,
        "name": encoder.name,
        "revision": encoder.revision,
        "dimension": encoder.dimension,
        "query_instruction": instructions.query,
        "document_instruction": instructions.document,
        "pooling": encoder.pooling,
        "max_length": encoder.max_length,
        "normalized": encoder.normalized,
        "versions": versions(*packages),
    }


def choices_in(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments with which a model is opened as it was."""
    names = ("revision", "dimension", "query_instruction", "document_instruction", "max_length")
    found = {name: fingerprint.get(name) for name in names}
    pooling = fingerprint.get("pooling")
    return {**found, "pooling": pooling if pooling in POOLING else None}


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of packages that are installed, by name."""
    return {package: version(package) for package in packages}
