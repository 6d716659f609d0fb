"""Encoded once: embeddings of texts in a file, those of questions in memory."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid.encoders.base import (
    CorpusEncoder,
    Embeddings,
    Encoder,
    checked,
    parts_in,
    without_versions,
)
from hybrid.encoders.cache_file import CacheFile
from hybrid.encoders.canaries import CANARIES, difference_of, parts_of
from hybrid.encoders.packing import Packed, pack, unpack
from hybrid.errors import EncoderError

log = logging.getLogger(__name__)

FILE_NAME = "embeddings.db"
"""Of the cache inside an index folder."""

_AT_ONCE = 256  # texts that are encoded and kept together, unless the encoder says how many
_TOKEN_TYPE = "<f2"  # a token vector has length 1: in half precision it keeps three digits


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of the texts that an encoder was given.

    Attributes
    ----------
    encoded : int
        How many were encoded.
    reused : int
        How many were in the cache, or came twice.
    """

    encoded: int = 0
    reused: int = 0


class CachedEncoder:
    """An encoder that encodes no text twice, and loses no work when it is stopped.

    The texts of chunks are encoded some at a time; each lot is in the file before the next is
    encoded.  So a build that was killed and is run again encodes only what it had not reached.
    Questions are kept in memory only, the last thousand: what people ask is not written to disk.

    Numbers that a model gave are only used for the same model: the file knows encoders by their
    fingerprint, library versions aside, and `CANARIES` are encoded anew by every process that
    adds texts; when they come out differently, what the file has of that encoder is dropped.
    Embeddings that cannot be indexed are refused, and not kept.

    Parameters
    ----------
    encoder : Encoder
        One that is not fitted to the corpus.
    path : str or Path, optional
        The file.  It may be deleted at any time, and shared by several indexes and processes.
        Without it texts are not kept.
    questions : int
        How many questions are kept in memory.

    Raises
    ------
    ValueError
        If the encoder is fitted to the corpus, or `questions` is less than 0.

    Notes
    -----
    Dense vectors and lexical weights come back to the bit.  Token vectors of texts are rounded to
    half precision, with and without a file.

    Examples
    --------
    >>> from hybrid import FunctionEncoder
    >>> lengths = FunctionEncoder(lambda texts: [[len(t), 1] for t in texts], "length", 2)
    >>> encoder = CachedEncoder(lengths)
    >>> encoder.encode_documents(["cat", "mouse", "cat"]).dense[:, 0]
    array([3., 5., 3.], dtype=float32)
    >>> encoder.embedded
    Embedded(encoded=2, reused=1)
    """

    def __init__(
        self, encoder: Encoder, path: str | Path | None = None, *, questions: int = 1000
    ) -> None:
        if isinstance(encoder, CorpusEncoder):
            raise ValueError("expected an encoder that is not fitted to the corpus")
        if questions < 0:
            raise ValueError(f"expected questions of at least 0, not {questions}")
        self.encoder, self.path = encoder, None if path is None else Path(path)
        self._recent: OrderedDict[str, Packed] = OrderedDict()
        self._most_recent = questions
        self._lock = threading.Lock()
        self._file: CacheFile | None = None
        self._embedded = Embedded()
        self._makes: tuple[str, ...] = ()  # of the texts of chunks, in words

    @property
    def dimension(self) -> int | None:
        """Length of the dense vectors; None when there are none."""
        return self.encoder.dimension

    @property
    def embedded(self) -> Embedded:
        """How many texts were encoded so far, and how many were known."""
        return self._embedded

    def fingerprint(self) -> dict[str, Any]:
        """Return that of the encoder."""
        return self.encoder.fingerprint()

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks, or take them from the file.

        Raises
        ------
        EncoderError
            If embeddings cannot be indexed.  What came before them is kept.
        """
        if not texts:
            return self.encoder.encode_documents(texts)
        file = self._opened()
        size = getattr(self.encoder, "at_once", None) or _AT_ONCE
        known: dict[str, Packed] = {}
        for start in range(0, len(texts), size):
            lot = texts[start : start + size]
            new = list(dict.fromkeys(text for text in lot if text not in known))
            if file is not None:
                known |= file.get(new)
            new = [text for text in new if text not in known]
            if new:
                known |= self._encoded(new, file)
            with self._lock:
                done = self._embedded
                encoded, reused = done.encoded + len(new), done.reused + len(lot) - len(new)
                self._embedded = Embedded(encoded, reused)
        log.info("embedded %(encoded)d texts, %(reused)d from the cache", _as_dict(self._embedded))
        found = unpack([known[text] for text in texts], _TOKEN_TYPE)
        self._makes = parts_in(found)
        return found

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions, or take them from memory.

        Raises
        ------
        EncoderError
            If embeddings cannot be searched with, or lack a part that those of chunks have.
        """
        if not texts:
            return self.encoder.encode_queries(texts)
        with self._lock:
            known = {text: self._recent[text] for text in texts if text in self._recent}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            found = checked(self.encoder.encode_queries(new), new, self.encoder, allow_zero=True)
            known |= dict(zip(new, pack(found), strict=True))
        with self._lock:
            self._recent |= known
            for text in known:
                self._recent.move_to_end(text)
            while len(self._recent) > self._most_recent:
                self._recent.popitem(last=False)
        found = unpack([known[text] for text in texts])
        self._check_makes(found)
        return found

    def prune(self, count: int, texts: Callable[[], Iterable[str]]) -> int:
        """Drop from the file what is not needed, once that is more than half, and return how many.

        What was kept in the last `hybrid.encoders.cache_file.KEPT_DAYS` days stays: a build that
        was stopped may go on with it.

        Parameters
        ----------
        count : int
            How many texts are needed.
        texts : callable
            Returns them; called only when there is something to drop.
        """
        with self._lock:
            file = self._file
        if self.path is None or not self.path.exists():
            return 0
        if file is not None:
            return file.prune(count, texts)
        file = CacheFile(self.path, without_versions(self.fingerprint()))
        try:
            return file.prune(count, texts)
        finally:
            file.close()

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    def _encoded(self, texts: list[str], file: CacheFile | None) -> dict[str, Packed]:
        """Encode texts, and keep what comes of them before it is used."""
        try:
            found = checked(self.encoder.encode_documents(texts), texts, self.encoder)
        except Exception as error:
            if file is not None:
                kept = len(file)
                error.add_note(f"{kept} embeddings are kept in {file.path}: run it again to go on")
            raise
        packed = dict(zip(texts, pack(found, _TOKEN_TYPE), strict=True))
        if file is not None:
            file.put(packed)
        return packed

    def _check_makes(self, found: Embeddings) -> None:
        """Raise EncoderError when questions lack what chunks have: no index could be asked."""
        missing = [part for part in self._makes if part not in parts_in(found)]
        if missing:
            raise EncoderError(
                f"expected {' and '.join(self._makes)} for questions, as for documents, from "
                f"encoder {self.fingerprint().get('name')!r}, but {' and '.join(missing)} did not "
                f"come: return them from encode_queries, too, or leave them out of encode_documents"
            )

    def _opened(self) -> CacheFile | None:
        """Return the file, once it is sure that what it has is from this very model."""
        with self._lock:
            if self._file is None and self.path is not None:
                file = CacheFile(self.path, without_versions(self.fingerprint()))
                self._compare_canaries(file)
                self._file = file
            return self._file

    def _compare_canaries(self, file: CacheFile) -> None:
        texts = list(CANARIES)
        found = self.encoder.encode_documents(texts)
        checked(found, texts, self.encoder, allow_zero=True)
        packed = dict(zip(texts, pack(found, _TOKEN_TYPE), strict=True))
        stored = file.get(texts)
        if len(stored) == len(texts):
            old = parts_of(unpack([stored[text] for text in texts], _TOKEN_TYPE))
            difference = difference_of(old, parts_of(found))
            if not difference:
                return
            log.warning(
                "the embeddings in %s are not used, because encoder %r gives others now: %s",
                file.path,
                self.fingerprint().get("name"),
                difference,
            )
        file.forget()
        file.put(packed)


def _as_dict(embedded: Embedded) -> dict[str, int]:
    return {"encoded": embedded.encoded, "reused": embedded.reused}
