"""Encoders: from a name, a path or an object to something that gives embeddings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hybrid.encoders.base import Encoder, check_same
from hybrid.errors import EncoderMismatch
from hybrid.text_analyzer import TextAnalyzer


def _sentence_transformer(name: str) -> Encoder:
    from hybrid.encoders.sentence_transformer import SentenceTransformerEncoder

    return SentenceTransformerEncoder(name)


def _bge_m3(name: str) -> Encoder:
    from hybrid.encoders.bge_m3 import BGEM3Encoder

    return BGEM3Encoder(name)


_BY_KIND: dict[str, Callable[[str], Encoder]] = {
    "bge-m3": _bge_m3,
    "sentence-transformers": _sentence_transformer,
}
_BGE_M3_NAMES = {"BAAI/bge-m3", "BAAI/bge-m3-unsupervised"}


def as_encoder(encoder: "str | Path | Encoder", analyzer: TextAnalyzer) -> Encoder:
    """Return the encoder that is meant.

    Parameters
    ----------
    encoder : str, Path or Encoder
        ``"lsa"`` for the embedded default; the name or the folder of a model; or an object with
        the methods of `hybrid.encoders.base.Encoder`.
    analyzer : TextAnalyzer
        Where LSA takes its terms from.
    """
    if encoder == "lsa":
        from hybrid.encoders.lsa import LSAEncoder

        return LSAEncoder(analyzer)
    if isinstance(encoder, str | Path):
        name = str(encoder)
        has_m3_heads = (Path(name) / "sparse_linear.pt").exists()
        return _BY_KIND[
            "bge-m3" if name in _BGE_M3_NAMES or has_m3_heads else "sentence-transformers"
        ](name)
    if isinstance(encoder, Encoder):
        return encoder
    raise TypeError(
        f"expected an encoder as a name, a folder, or an object with dimension, encode_documents, "
        f"encode_queries and fingerprint, not {type(encoder).__name__}: a plain function is "
        f"wrapped by hybrid.FunctionEncoder"
    )


def reopen(
    fingerprint: Mapping[str, Any],
    given: "str | Path | Encoder | None",
    folder: Path,
    analyzer: TextAnalyzer,
) -> Encoder:
    """Return the encoder of a saved index.

    Parameters
    ----------
    fingerprint : mapping
        What the index was built with.
    given : str, Path, Encoder or None
        The encoder at hand; None opens the one that the fingerprint names.
    folder : Path
        Where an encoder that is fitted to the corpus was saved.
    analyzer : TextAnalyzer
        The analyzer of the index.

    Raises
    ------
    EncoderMismatch
        If it is another encoder, or one is needed and none is given.
    """
    kind, name = fingerprint["kind"], str(fingerprint["name"])
    if given is not None and given != "lsa":
        encoder = as_encoder(given, analyzer)
        check_same(fingerprint, encoder)
        return encoder
    if kind == "lsa":
        from hybrid.encoders.lsa import LSAEncoder

        return LSAEncoder.load(folder, analyzer, int(fingerprint["most_dimensions"]))
    if given == "lsa" or kind not in _BY_KIND:
        raise EncoderMismatch(
            f"expected the encoder {name!r} ({kind}) that the index was built with: "
            f"open the index with encoder=..."
        )
    return _BY_KIND[kind](name)
