"""Hybrid dense and sparse retrieval: one chunk store, parallel indexes, explained fusion.

>>> import hybrid
>>> r = hybrid.Retriever.from_texts(["Cats purr when content.", "Dogs bark."], encoder=None)
>>> r.search("why do cats purr?", k=1)[0].text
'Cats purr when content.'
"""

from typing import TYPE_CHECKING, Any

from hybrid.errors import (
    AnalyzerMismatch,
    DimensionMismatch,
    EncoderError,
    EncoderMismatch,
    HybridError,
    IndexFormatError,
    MissingDependency,
    StoreError,
)

if TYPE_CHECKING:
    from fusion import RRF, Adaptive, Bayes, ByRank, Comb, Condorcet, Limit, Weighted
    from hybrid.analysis import Analyzer
    from hybrid.chunking import Chunker
    from hybrid.code_analysis import CodeAnalyzer
    from hybrid.documents import Document
    from hybrid.encoders.bge_m3 import BGEM3Encoder
    from hybrid.encoders.function import FunctionEncoder, Precomputed
    from hybrid.encoders.lsa import LSAEncoder
    from hybrid.encoders.onnx_int8 import OnnxEncoder
    from hybrid.encoders.sentence_transformer import SentenceTransformerEncoder
    from hybrid.encoders.splade import SpladeEncoder
    from hybrid.encoders.static import StaticEncoder
    from hybrid.evaluation import evaluate
    from hybrid.field_analysis import FieldAnalyzer
    from hybrid.jieba_analysis import JiebaAnalyzer
    from hybrid.repairing import repair
    from hybrid.results import Hit
    from hybrid.retriever import Retriever
    from hybrid.settings import BM25, Dense
    from hybrid.tuned import Tuned
    from hybrid.verifying import verify

__version__ = "0.1.0"

__all__ = [
    "BM25",
    "RRF",
    "Adaptive",
    "Analyzer",
    "AnalyzerMismatch",
    "BGEM3Encoder",
    "Bayes",
    "ByRank",
    "Chunker",
    "CodeAnalyzer",
    "Comb",
    "Condorcet",
    "Dense",
    "DimensionMismatch",
    "Document",
    "EncoderError",
    "EncoderMismatch",
    "FieldAnalyzer",
    "FunctionEncoder",
    "Hit",
    "HybridError",
    "IndexFormatError",
    "JiebaAnalyzer",
    "LSAEncoder",
    "Limit",
    "MissingDependency",
    "OnnxEncoder",
    "Precomputed",
    "Retriever",
    "SentenceTransformerEncoder",
    "SpladeEncoder",
    "StaticEncoder",
    "StoreError",
    "Tuned",
    "Weighted",
    "evaluate",
    "repair",
    "verify",
]

_HOMES = {
    "BM25": "hybrid.settings",
    "RRF": "fusion",
    "Adaptive": "fusion",
    "Analyzer": "hybrid.analysis",
    "BGEM3Encoder": "hybrid.encoders.bge_m3",
    "Bayes": "fusion",
    "ByRank": "fusion",
    "Chunker": "hybrid.chunking",
    "CodeAnalyzer": "hybrid.code_analysis",
    "Comb": "fusion",
    "Condorcet": "fusion",
    "Dense": "hybrid.settings",
    "Document": "hybrid.documents",
    "FieldAnalyzer": "hybrid.field_analysis",
    "FunctionEncoder": "hybrid.encoders.function",
    "Hit": "hybrid.results",
    "JiebaAnalyzer": "hybrid.jieba_analysis",
    "LSAEncoder": "hybrid.encoders.lsa",
    "Limit": "fusion",
    "OnnxEncoder": "hybrid.encoders.onnx_int8",
    "Precomputed": "hybrid.encoders.function",
    "Retriever": "hybrid.retriever",
    "SentenceTransformerEncoder": "hybrid.encoders.sentence_transformer",
    "SpladeEncoder": "hybrid.encoders.splade",
    "StaticEncoder": "hybrid.encoders.static",
    "Tuned": "hybrid.tuned",
    "Weighted": "fusion",
    "evaluate": "hybrid.evaluation",
    "repair": "hybrid.repairing",
    "verify": "hybrid.verifying",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import hybrid` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
