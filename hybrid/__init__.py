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
    from fusion import RRF, Weighted
    from hybrid.analysis import Analyzer
    from hybrid.chunking import Chunker
    from hybrid.code_analysis import CodeAnalyzer
    from hybrid.documents import Document
    from hybrid.encoders.function import FunctionEncoder, Precomputed
    from hybrid.evaluation import evaluate
    from hybrid.field_analysis import FieldAnalyzer
    from hybrid.jieba_analysis import JiebaAnalyzer
    from hybrid.results import Hit
    from hybrid.retriever import Retriever
    from hybrid.settings import BM25, Dense

__version__ = "0.1.0"

__all__ = [
    "BM25",
    "RRF",
    "Analyzer",
    "AnalyzerMismatch",
    "Chunker",
    "CodeAnalyzer",
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
    "MissingDependency",
    "Precomputed",
    "Retriever",
    "StoreError",
    "Weighted",
    "evaluate",
]

_HOMES = {
    "BM25": "hybrid.settings",
    "RRF": "fusion",
    "Analyzer": "hybrid.analysis",
    "Chunker": "hybrid.chunking",
    "CodeAnalyzer": "hybrid.code_analysis",
    "Dense": "hybrid.settings",
    "Document": "hybrid.documents",
    "FieldAnalyzer": "hybrid.field_analysis",
    "FunctionEncoder": "hybrid.encoders.function",
    "Hit": "hybrid.results",
    "JiebaAnalyzer": "hybrid.jieba_analysis",
    "Precomputed": "hybrid.encoders.function",
    "Retriever": "hybrid.retriever",
    "Weighted": "fusion",
    "evaluate": "hybrid.evaluation",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import hybrid` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
