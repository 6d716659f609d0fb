"""Documents: what the user gave, before it is split into chunks."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

_DEEPEST = 100  # levels of metadata; more than 900 could be written, but not be read again


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its identity.

    Parameters
    ----------
    doc_id : str
        Not empty, and unique in an index: a document replaces an older one of the same id.
    text : str
        What is split and searched; may be empty.
    title : str
        What the document is called.
    metadata : mapping of str to JSON values
        What filters see.  NaN and infinity are not JSON.
    format : str
        How the text is split: "text", "markdown", or the name of a programming language.

    Raises
    ------
    TypeError
        If a field is of the wrong type.
    ValueError
        If `doc_id` is empty, or a value cannot be written as UTF-8 or as JSON.
    """

    doc_id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    format: str = "text"

    def __post_init__(self) -> None:
        for name in ("doc_id", "text", "title", "format"):
            self._check_text(name)
        if not self.doc_id:
            raise ValueError("expected a doc_id of one character or more, not an empty one")
        self._check_metadata()

    @property
    def content_hash(self) -> str:
        """32 hex digits that change with the text, title, metadata or format, not with the id."""
        metadata = json.loads(json.dumps(dict(self.metadata)))  # as stored: all keys are strings
        content = [self.text, self.title, metadata, self.format]
        return blake2b(_canonical(content), digest_size=16).hexdigest()

    def _check_text(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, str):
            raise TypeError(
                f"expected the {name} of document {self.doc_id!r} to be a str, "
                f"not {type(value).__name__}"
            )
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"expected the {name} of document {self.doc_id!r} to be Unicode, but character "
                f"{error.start} is the lone surrogate {value[error.start]!r}: "
                f"were the bytes decoded with the right encoding?"
            ) from error

    def _check_metadata(self) -> None:
        if not isinstance(self.metadata, Mapping):
            raise TypeError(
                f"expected the metadata of document {self.doc_id!r} to be a mapping, "
                f"not {type(self.metadata).__name__}"
            )
        for key in self.metadata:
            if not isinstance(key, str):
                raise TypeError(
                    f"expected the metadata keys of document {self.doc_id!r} to be str, not {key!r}"
                )
        try:
            _canonical(dict(self.metadata))
            _check_depth(self.metadata)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"expected the metadata of document {self.doc_id!r} to be JSON values: {error}"
            ) from error


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a part of one, that was not read, and why."""

    path: str
    reason: str


@dataclass(slots=True)
class ReadReport:
    """What a reader could not take as it was; filled while the documents stream.

    Parameters
    ----------
    skipped : list of Skipped
        What is missing from the documents.
    decoded : dict of str to str
        Files that are not in a Unicode encoding, with the encoding that was guessed.
    """

    skipped: list[Skipped] = field(default_factory=list)
    decoded: dict[str, str] = field(default_factory=dict)

    def skip(self, path: str, reason: str) -> None:
        """Note that something was not read."""
        self.skipped.append(Skipped(path, reason))


def documents_from_texts(
    texts: Iterable[str],
    ids: Iterable[str] | None = None,
    metadata: Iterable[Mapping[str, Any]] | None = None,
    titles: Iterable[str] | None = None,
) -> Iterator[Document]:
    """Yield one document for each text.

    Parameters
    ----------
    texts : iterable of str
        The texts.
    ids, metadata, titles : iterable, optional
        As many as there are texts.  The ids are "0", "1", ... by default.

    Returns
    -------
    iterator of Document
        In the order of the texts.

    Raises
    ------
    TypeError
        If `texts` is a single str.
    ValueError
        If the numbers of texts, ids, metadata and titles differ.
    """
    if isinstance(texts, str):
        raise TypeError("expected a list of texts, not one str: pass [text]")
    texts = list(texts)
    given: dict[str, list[Any]] = {
        "ids": list(map(str, range(len(texts))) if ids is None else ids),
        "titles": [""] * len(texts) if titles is None else list(titles),
        "metadata": [{}] * len(texts) if metadata is None else list(metadata),
    }
    for name, values in given.items():
        if len(values) != len(texts):
            raise ValueError(
                f"expected as many {name} as texts, not {len(values)} {name} for {len(texts)} texts"
            )
    return map(Document, given["ids"], texts, given["titles"], given["metadata"])


def _check_depth(value: Any) -> None:
    """Raise ValueError if lists and mappings are nested so deeply that reading them could fail."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = (one.values() if isinstance(one, Mapping) else one for one in level)
        level = [
            child for some in inner for child in some if isinstance(child, Mapping | list | tuple)
        ]
        if not level:
            return
    raise ValueError(f"lists and objects are nested more than {_DEEPEST} deep")


def _canonical(value: Any) -> bytes:
    """JSON that is the same for equal values, whatever the order of their keys."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True).encode()
