"""Records of an exported index: what they hold, and what is refused of those that come in.

An export is a header, files of the encoder in parts, and then each document followed by its chunks.
The format knows nothing of how an index lies on disk: texts, offsets, vectors and weights, in the
order of the rows.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.chunking import Chunk
from hybrid.documents import Document
from hybrid.errors import IndexFormatError

FORMAT = 1
"""Of exported files.  A file of another format is refused."""

Record = Mapping[str, Any]
"""A record as a file has it: JSON values; bytes as they are or in base64."""

MOST_DIMENSIONS = 1 << 16
MOST_TERMS = 1 << 24  # lexical weights: an index holds an array of as many counts
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}\.(npy|json)")
_SETTINGS = ("analyzer", "bm25", "changed_since_fit", "chunker", "dense", "encoder", "fusion")


@dataclass(frozen=True, slots=True)
class Header:
    """What an exported file says about itself.

    Attributes
    ----------
    settings : dict
        As the manifest of an index folder has them: with the encoder's fingerprint.
    documents, chunks : int
        How many follow.
    dense, tokens : int or None
        Dimension of the dense vectors and of the token vectors; None where there are none.
    token_storage : str
        What token vectors are stored as.
    lexical : bool
        Whether chunks have lexical weights.
    """

    settings: dict[str, Any]
    documents: int
    chunks: int
    dense: int | None
    tokens: int | None
    token_storage: str
    lexical: bool

    def record(self) -> Record:
        """Return the header as JSON values."""
        return {
            "kind": "header",
            "format": FORMAT,
            **{name: getattr(self, name) for name in self.__slots__},
        }


@dataclass(frozen=True, slots=True, eq=False)
class ChunkRecord:
    """A chunk with what its indexes hold; None for what they do not.

    Attributes
    ----------
    chunk : Chunk
    dense : ndarray of float32, shape (dimension,)
        As it is stored: under cosine of length 1.
    terms, weights : ndarray of int64 and float32
        Its lexical weights.
    codes, scales : bytes
        Its token vectors as they are stored, one after the other.
    """

    chunk: Chunk
    dense: NDArray[np.float32] | None = None
    terms: NDArray[np.int64] | None = None
    weights: NDArray[np.float32] | None = None
    codes: bytes | None = None
    scales: bytes | None = None

    def record(self) -> Record:
        """Return the chunk as a record."""
        chunk = self.chunk
        place = {name: getattr(chunk, name) for name in ("doc_id", "ordinal", "start", "end")}
        values = {name: getattr(self, name) for name in self.__slots__ if name != "chunk"}
        there = {name: value for name, value in values.items() if value is not None}
        return {"kind": "chunk", **place, "text": chunk.text, **there}


def document_record(document: Document, chunks: int) -> Record:
    """Return a document, which so many chunks follow, as a record."""
    metadata = dict(document.metadata)
    names = ("doc_id", "title", "text", "format")
    values = {name: getattr(document, name) for name in names}
    return {"kind": "document", **values, "metadata": metadata, "chunks": chunks}


def header_of(record: Record) -> Header:
    """Return the header that a file begins with.

    Raises
    ------
    IndexFormatError
        If the file is of another format, or none of ours.
    ValueError
        If it has not what a header has.
    """
    if record.get("kind") != "header":
        raise IndexFormatError("expected a file that `hybrid export` wrote, but there is no header")
    version = record.get("format")
    if version != FORMAT:
        raise IndexFormatError(
            f"expected an exported file of format {FORMAT}, but it is of format {version!r}: "
            f"import it with the version of hybrid-retrieval that wrote it"
        )
    settings = _typed(record, "settings", dict)
    missing = [name for name in _SETTINGS if name not in settings]
    if missing:
        raise ValueError(f"expected {missing[0]!r} in the settings")
    dense, tokens = (_dimension(record, name) for name in ("dense", "tokens"))
    header = Header(
        settings,
        whole(record, "documents"),
        whole(record, "chunks"),
        dense,
        tokens,
        _typed(record, "token_storage", str),
        _typed(record, "lexical", bool),
    )
    if settings["encoder"] is None and (dense or tokens or header.lexical):
        raise ValueError("expected no vectors and weights of an index without an encoder")
    return header


def file_of(record: Record) -> tuple[str, bytes]:
    """Return the name and a part of a file of the encoder."""
    name = _typed(record, "name", str)
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"expected the name of a file of an encoder, not {name[:80]!r}")
    return name, _bytes(record, "data")


def document_of(record: Record) -> tuple[Document, int]:
    """Return a document, and how many chunks follow."""
    metadata: Any = record.get("metadata")
    if isinstance(metadata, str):  # Parquet
        metadata = parsed(metadata)
    values: dict[str, Any] = {
        name: record.get(name) for name in ("doc_id", "text", "title", "format")
    }
    return Document(**values, metadata=metadata), whole(record, "chunks")


def chunk_of(record: Record, document: Document, ordinal: int, header: Header) -> ChunkRecord:
    """Return a chunk of a document, with vectors and weights as the header announced them."""
    start, end = whole(record, "start"), whole(record, "end")
    if record.get("doc_id") != document.doc_id or record.get("ordinal") != ordinal:
        raise ValueError(f"expected chunk {ordinal} of document {document.doc_id[:80]!r}")
    text = document.text[start:end]
    if not start < end <= len(document.text) or record.get("text") != text or not text.strip():
        raise ValueError(f"expected text[{start}:{end}] of its document as the chunk's text")
    dense = terms = weights = codes = scales = None
    if header.dense is not None and record.get("dense") is not None:
        dense = numbers(record, "dense", np.float32)
        if len(dense) != header.dense:
            raise ValueError(f"expected a vector of {header.dense} numbers, not {len(dense)}")
    if header.lexical:
        terms = numbers(record, "terms", np.int64)
        weights = numbers(record, "weights", np.float32)
        _check_weights(terms, weights)
    if header.tokens is not None:
        codes, scales = _bytes(record, "codes"), _bytes(record, "scales")
    return ChunkRecord(
        Chunk(document.doc_id, ordinal, text, start, end), dense, terms, weights, codes, scales
    )


def parsed(text: str | bytes) -> Any:
    """Return a JSON value; NaN, infinity and endless nesting are none."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("not readable JSON: nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error


def whole(record: Record, name: str) -> int:
    """Return a whole number of 0 or more."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError(f"expected {name!r} as a whole number of 0 or more, not {_shown(value)}")
    return value


def numbers(record: Record, name: str, dtype: Any) -> NDArray[Any]:
    """Return a list of finite numbers as an array of a type that holds them."""
    value = record.get(name)
    try:
        found = np.asarray(value if isinstance(value, list) else None)
    except (ValueError, OverflowError) as error:  # lists in the list, numbers beyond 64 bits
        raise ValueError(f"expected {name!r} as a list of numbers: {error}") from error
    wanted = "iu" if np.issubdtype(dtype, np.integer) else "iuf"
    if found.ndim != 1 or (len(found) and found.dtype.kind not in wanted):
        raise ValueError(f"expected {name!r} as a list of numbers, not {_shown(value)}")
    with np.errstate(over="ignore"):
        array = found.astype(dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"expected finite numbers in {name!r}, not NaN, infinity or beyond")
    return array


def _check_weights(terms: NDArray[np.int64], weights: NDArray[np.float32]) -> None:
    if len(terms) != len(weights) or (np.diff(terms) <= 0).any() or (weights < 0).any():
        raise ValueError("expected ascending 'terms' with a weight of 0 or more for each")
    if len(terms) and not 0 <= terms[0] <= terms[-1] < MOST_TERMS:
        raise ValueError(f"expected 'terms' from 0 to below {MOST_TERMS}, not {terms[-1]}")


def _typed(record: Record, name: str, kind: type) -> Any:
    value = record.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"expected {name!r} as {kind.__name__}, not {_shown(value)}")
    return value


def _dimension(record: Record, name: str) -> int | None:
    if record.get(name) is None:
        return None
    value = whole(record, name)
    if not 1 <= value <= MOST_DIMENSIONS:
        raise ValueError(f"expected {name!r} from 1 to {MOST_DIMENSIONS}, not {value}")
    return value


def _bytes(record: Record, name: str) -> bytes:
    value = record.get(name)
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)  # type: ignore[arg-type]
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError(f"expected {name!r} in base64, not {_shown(value)}") from error


def _refuse(constant: str) -> float:
    raise ValueError(f"expected JSON, which has no {constant}")


def _shown(value: object) -> str:
    return repr(value)[:80]
