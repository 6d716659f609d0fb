"""The encoder of an index folder: the one it was built with, compared with its canaries."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hybrid.encoders import as_encoder, reopen
from hybrid.encoders.base import CorpusEncoder, Encoder, check_same
from hybrid.encoders.cache import FILE_NAME, CachedEncoder
from hybrid.encoders.function import Precomputed
from hybrid.errors import EncoderMismatch
from hybrid.text_analyzer import TextAnalyzer

log = logging.getLogger(__name__)


def encoder_of(
    fingerprint: Mapping[str, Any] | None,
    given: str | Path | Encoder | None,
    files: Path,
    analyzer: TextAnalyzer,
    allow_mismatch: bool,
) -> Encoder | None:
    """Return the encoder that questions to a saved index are put with; None if it has none.

    Parameters
    ----------
    fingerprint : mapping or None
        What the index was built with.
    given : str, Path, Encoder or None
        The encoder at hand.
    files : Path
        Where one that is fitted to the corpus was saved.
    analyzer : TextAnalyzer
    allow_mismatch : bool
        Whether another encoder of the same dimension will do, too.

    Raises
    ------
    EncoderMismatch
        If it is another one, or one is needed and none is given.
    """
    if fingerprint is None:
        if given is not None:
            raise EncoderMismatch("expected no encoder: the index was built with encoder=None")
        return None
    if given is None or not allow_mismatch:
        return reopen(fingerprint, given, files, analyzer)
    encoder = as_encoder(given, analyzer)
    if isinstance(encoder, CorpusEncoder) and not encoder.fitted_on:
        return reopen(fingerprint, given, files, analyzer)  # it stands for the one that is stored
    dimension = fingerprint.get("dimension")
    if fingerprint["kind"] == "lsa":  # depends on the corpus
        dimension = reopen(fingerprint, None, files, analyzer).dimension
    if encoder.dimension != dimension:
        raise EncoderMismatch(
            f"expected an encoder of {dimension} dimensions, not {encoder.dimension}: with another "
            f"number no vector of the index can be searched, also with allow_mismatch=True"
        )
    with told_of_mismatch(EncoderMismatch, instead=True):
        check_same(fingerprint, encoder)
    return encoder


@contextmanager
def told_of_mismatch(kind: type[Exception], *, instead: bool) -> Iterator[None]:
    """Log errors of a kind as warnings, instead of raising them, when that is wanted."""
    try:
        yield
    except kind as error:
        if not instead:
            raise
        log.warning("opened in spite of a mismatch, scores may be worthless: %s", error)


def cached(
    encoder: Encoder | None, folder: Path | None, cache: bool | str | Path
) -> Encoder | None:
    """Return the encoder with a memory; one that is fitted or only looks up needs none."""
    if encoder is None or isinstance(encoder, (CorpusEncoder, Precomputed, CachedEncoder)):
        return encoder
    if isinstance(cache, bool):
        return CachedEncoder(encoder, folder / FILE_NAME if cache and folder else None)
    return CachedEncoder(encoder, cache)
