"""Encoders: from a name, a path or an object to something that gives embeddings."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hybrid.damaged import told_as_damage
from hybrid.encoders.base import Encoder, check_same
from hybrid.errors import EncoderMismatch
from hybrid.text_analyzer import TextAnalyzer

# Each opens a model as its fingerprint says; of a new one only the name is known.


def _sentence_transformer(fingerprint: Mapping[str, Any]) -> Encoder:
    from hybrid.encoders.sentence_transformer import SentenceTransformerEncoder

    return SentenceTransformerEncoder.from_fingerprint(fingerprint)


def _onnx(fingerprint: Mapping[str, Any]) -> Encoder:
    from hybrid.encoders.onnx_int8 import OnnxEncoder

    return OnnxEncoder.from_fingerprint(fingerprint)


def _splade(fingerprint: Mapping[str, Any]) -> Encoder:
    from hybrid.encoders.splade import SpladeEncoder

    return SpladeEncoder.from_fingerprint(fingerprint)


def _bge_m3(fingerprint: Mapping[str, Any]) -> Encoder:
    from hybrid.encoders.bge_m3 import BGEM3Encoder

    kept = {name: fingerprint.get(name) for name in ("revision", "max_length")}
    return BGEM3Encoder(str(fingerprint["name"]), **kept, tokens=fingerprint.get("tokens", True))


_BY_KIND: dict[str, Callable[[Mapping[str, Any]], Encoder]] = {
    "bge-m3": _bge_m3,
    "onnx-int8": _onnx,
    "sentence-transformers": _sentence_transformer,
    "splade": _splade,
}
_PREFIXES = {"onnx": "onnx-int8", "splade": "splade", "st": "sentence-transformers"}
_FITTED_NAMES = ("lsa", "word2vec")
_FITTED_KINDS = ("lsa", "static")
_BGE_M3_NAMES = {"BAAI/bge-m3", "BAAI/bge-m3-unsupervised"}


def _model(given: str | Path) -> tuple[str, str]:
    """Return the kind of a model, and its name or folder."""
    prefix, colon, rest = str(given).partition(":")
    if colon and prefix in _PREFIXES:
        return _PREFIXES[prefix], rest
    name, folder = str(given), Path(given)
    if name in _BGE_M3_NAMES or (folder / "sparse_linear.pt").exists():
        return "bge-m3", name
    modules = folder / "modules.json"
    if modules.exists():
        learned_sparse = "SpladePooling" in modules.read_text("utf-8")
    else:
        learned_sparse = bool(re.search("splade|neural-sparse", folder.name.lower()))
    return "splade" if learned_sparse else "sentence-transformers", name


def _fitted(name: str, analyzer: TextAnalyzer) -> Encoder:
    if name == "lsa":
        from hybrid.encoders.lsa import LSAEncoder

        return LSAEncoder(analyzer)
    from hybrid.encoders.static import StaticEncoder

    return StaticEncoder(analyzer)


def _load_fitted(fingerprint: Mapping[str, Any], folder: Path, analyzer: TextAnalyzer) -> Encoder:
    with told_as_damage(folder):
        if fingerprint["kind"] == "lsa":
            from hybrid.encoders.lsa import LSAEncoder

            return LSAEncoder.load(folder, analyzer, int(fingerprint["most_dimensions"]))
        from hybrid.encoders.static import StaticEncoder

        return StaticEncoder.load(folder, analyzer, fingerprint)


def as_encoder(encoder: "str | Path | Encoder", analyzer: TextAnalyzer) -> Encoder:
    """Return the encoder that is meant.

    Parameters
    ----------
    encoder : str, Path or Encoder
        ``"lsa"`` for the embedded default, ``"word2vec"`` for word vectors that are trained on the
        corpus; the name or the folder of a model, where ``"splade:"`` or ``"st:"`` before it says
        that it is one of SPLADE or of sentence-transformers, if that is not recognised, and
        ``"onnx:"`` runs it in int8; or an object with the methods of
        `hybrid.encoders.base.Encoder`.
    analyzer : TextAnalyzer
        Where an encoder that is fitted to the corpus takes its terms from.
    """
    if isinstance(encoder, str) and encoder in _FITTED_NAMES:
        return _fitted(encoder, analyzer)
    if isinstance(encoder, str | Path):
        kind, name = _model(encoder)
        return _BY_KIND[kind]({"name": name})
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
        The encoder at hand; None opens the one that the fingerprint names, with all its choices,
        and so does its name.
    folder : Path
        Where an encoder that is fitted to the corpus was saved.
    analyzer : TextAnalyzer
        The analyzer of the index.

    Raises
    ------
    EncoderMismatch
        If it is another encoder, or one is needed and none is given.
    """
    kind, name = str(fingerprint["kind"]), str(fingerprint["name"])
    fitted = kind in _FITTED_KINDS
    if given is None or (isinstance(given, str) and given in _FITTED_NAMES):
        if given not in (None, name) or not (fitted or kind in _BY_KIND):
            raise EncoderMismatch(
                f"expected the encoder {name!r} ({kind}) that the index was built with: "
                f"open the index with encoder=..."
            )
    elif not (isinstance(given, str | Path) and _model(given) == (kind, name)):
        encoder = as_encoder(given, analyzer)
        check_same(fingerprint, encoder)
        if not fitted:
            return encoder
    return _load_fitted(fingerprint, folder, analyzer) if fitted else _BY_KIND[kind](fingerprint)
