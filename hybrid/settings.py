"""The choices of an index: small frozen values that are refused at once when they are wrong."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from hybrid.chunking import Chunker
    from hybrid.encoders.base import Encoder
    from hybrid.text_analyzer import TextAnalyzer


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Return in which settings an index and what is at hand differ, in words; "" when nowhere."""
    names = sorted(set(stored) | set(given))
    return "; ".join(
        f"{name}: index {stored.get(name)!r}, given {given.get(name)!r}"
        for name in names
        if stored.get(name) != given.get(name)
    )


@dataclass(frozen=True, slots=True)
class BM25:
    """How the BM25 index scores.

    Parameters
    ----------
    k1 : float
        How late a repeated term stops to count, >= 0.
    b : float
        How much a long chunk is marked down, 0 to 1.
    method : str
        The variant of the formula: "lucene", "robertson", "atire", "bm25l", "bm25+", or those of
        rank-bm25: "okapi", "okapi-l".
    delta : float
        What bm25l and bm25+ grant to every occurrence, >= 0.
    epsilon : float
        Share of the mean idf that okapi gives to a term in more than half of the chunks.
    """

    k1: float = 1.2
    b: float = 0.75
    method: str = "lucene"
    delta: float = 0.5
    epsilon: float = 0.25

    def __post_init__(self) -> None:
        from indexes.formulas import Formula

        Formula(**asdict(self))  # refuses what is wrong

    def settings(self) -> dict[str, Any]:
        """Return the choices as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Dense:
    """How the dense index compares and stores vectors.

    Parameters
    ----------
    kind : {"auto", "flat", "hnsw", "ivf", "ivf-pq"}
        Flat is exact; "auto" takes IVF on large collections, and IVF-PQ where memory is short.
    metric : {"cosine", "ip", "l2"}
        Cosine, dot product, or Euclidean distance.
    storage : {"float32", "float16", "int8"}
        How vectors are stored; scores are those of the stored vectors.
    memory : int, optional
        Bytes that the codes of "auto" may take in memory; None: no limit.
    """

    kind: Literal["auto", "flat", "hnsw", "ivf", "ivf-pq"] = "auto"
    metric: Literal["cosine", "ip", "l2"] = "cosine"
    storage: Literal["float32", "float16", "int8"] = "float32"
    memory: int | None = None

    def settings(self) -> dict[str, Any]:
        """Return the choices as JSON values."""
        return asdict(self)


class Choices(TypedDict, total=False):
    """What can be chosen when an index is made.

    Attributes
    ----------
    encoder : str, Path, Encoder or None
        "auto", the default, is the embedded one: LSA.  The name or the folder of a model, or an
        object with the methods of `hybrid.encoders.base.Encoder`, gives dense vectors.  None makes
        no dense index.
    chunker : Chunker
        How documents are split.
    analyzer : TextAnalyzer, str or mapping
        "auto", the default, detects whether the first documents are source code, and else in which
        languages they are; "code"; "jieba", Chinese by words; a language by Snowball's name, such
        as "german"; or an analyzer.  ``{"title": ..., "text": ...}`` has one of these, but not
        "auto", for each field.
    bm25, dense : BM25, Dense
        The choices for the two indexes.
    keep : int
        How many generations a commit leaves in the folder, >= 1: with 3, the two before the newest
        can be opened, too, by ``Retriever.load(path, generation=...)``.  1 by default.
    cache : bool, str or Path
        Where the embeddings of a model or a function are kept as they are made, so that a build
        that was stopped goes on when it is run again, and a text is not encoded twice.  True, the
        default: in the index folder, as ``embeddings.db``, which may be deleted at any time; an
        index in memory keeps none.  A path: in that file.  False: nowhere.
    """

    encoder: "str | Path | Encoder | None"
    chunker: "Chunker"
    analyzer: "TextAnalyzer | str | Mapping[str, TextAnalyzer | str]"
    bm25: BM25
    dense: Dense
    keep: int
    cache: bool | str | Path
