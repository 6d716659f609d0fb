"""A vector for each word, averaged over a text by SIF [1]_: trained on the corpus, or from a file.

A text's vector is the mean of a / (a + p(w)) * vector(w) over its words, less its part along the
direction that is common to the corpus; p(w) is how often a word occurs there.  Slow to train and
weaker than LSA on small collections; vectors from a file know words that the corpus lacks.

References
----------
.. [1] Arora, Liang, Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017.
.. [2] Mikolov, Chen, Corrado, Dean, "Efficient Estimation of Word Representations in Vector Space",
   ICLR Workshop 2013.
"""

import copy
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.errors import MissingDependency
from hybrid.text_analyzer import TextAnalyzer
from indexes.opened import check, facts_in, listed, opened, whole

_A = 1e-3  # the paper's
_WINDOW, _EPOCHS, _LEAST_COUNT = 5, 10, 2
_WORD = re.compile(r"\w+")


class StaticEncoder:
    """Dense vectors from word vectors; word2vec [2]_ learns them from the corpus.

    Parameters
    ----------
    analyzer : TextAnalyzer
        Where the terms come from.
    dimension : int
        Length of the vectors, >= 1.
    method : {"skip-gram", "cbow"}
        How word2vec learns.

    References
    ----------
    .. [2] Mikolov, Chen, Corrado, Dean, "Efficient Estimation of Word Representations in Vector
       Space", ICLR Workshop 2013.
    """

    learns_from = 10_000

    def __init__(
        self,
        analyzer: TextAnalyzer,
        dimension: int = 100,
        method: Literal["skip-gram", "cbow"] = "skip-gram",
    ) -> None:
        if dimension < 1:
            raise ValueError(f"expected a dimension of at least 1, not {dimension}")
        if method not in ("skip-gram", "cbow"):
            raise ValueError(f"expected a method of skip-gram, cbow, not {method!r}")
        self.dimension, self.name = dimension, "word2vec"
        self.method: str | None = method
        self.analyzer: TextAnalyzer | None = analyzer  # None: vectors of whole words, from a file
        self._set({}, np.zeros((0, dimension), np.float32))
        self._forget()

    @classmethod
    def from_file(cls, path: str | Path, *, most_words: int = 200_000) -> Self:
        """Return an encoder with word vectors in the format of word2vec, GloVe or fastText.

        The corpus then decides only about the weights of words and the common direction.

        Parameters
        ----------
        path : str or Path
            Text, or the binary format of word2vec where the name ends in ``.bin``.
        most_words : int
            How many words to read, >= 1; such files begin with the most frequent.

        Raises
        ------
        ValueError
            If the file has another format.
        """
        if most_words < 1:
            raise ValueError(f"expected most_words of at least 1, not {most_words}")
        encoder = cls.__new__(cls)
        words, matrix = _read(Path(path), most_words)
        digest = hashlib.sha256("\n".join(words).encode() + matrix.tobytes()).hexdigest()[:16]
        encoder.dimension, encoder.name = matrix.shape[1], f"{Path(path).name} {digest}"
        encoder.analyzer, encoder.method = None, None
        encoder._set({word: number for number, word in enumerate(words)}, matrix)
        encoder._forget()
        return encoder

    def reading_with(self, analyzer: TextAnalyzer) -> Self:
        """Return an unfitted copy that takes its terms from another analyzer.

        Vectors from a file are of whole words, whatever the analyzer.
        """
        other = copy.copy(self)
        other._forget()
        if self.analyzer is not None:
            other.analyzer = analyzer
            other._set({}, np.zeros((0, self.dimension), np.float32))
        return other

    def fit(self, texts: Iterable[str]) -> Self:
        """Return an encoder that is fitted to the texts of a corpus.

        It depends on the texts and their order only: one thread, a fixed seed, and no hash that
        Python changes from one process to the next.
        """
        sentences = [self._terms_of(text) for text in texts]
        fitted = copy.copy(self)
        fitted._forget()
        with threadpool_limits(1):
            if self.analyzer is not None:
                fitted._set(*_trained(sentences, self.dimension, self.method == "skip-gram"))
            counts = Counter(term for terms in sentences for term in terms)
            total = max(sum(counts.values()), 1)
            for term, number in fitted._words.items():
                if term in counts:
                    fitted._weights[number] = _A / (_A + counts[term] / total)
            means = fitted._means(sentences)
            values, directions = np.linalg.eigh(means.T @ means)
            if values[-1] > 0 and np.count_nonzero(means.any(axis=1)) > 1:
                fitted._common = directions[:, -1]
        fitted.fitted_on = len(sentences)
        return fitted

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode texts; one without any known word gets a row of zeros."""
        means = self._means([self._terms_of(text) for text in texts])
        vectors = means - (means * self._common).sum(axis=1, keepdims=True) * self._common
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        least = 1e-6 * np.linalg.norm(means, axis=1, keepdims=True)  # of what remains: rounding
        scaled = np.where(lengths > least, vectors / np.where(lengths > 0, lengths, 1), 0)
        return Embeddings(dense=scaled.astype(np.float32))

    encode_queries = encode_documents

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides about the vectors, apart from the corpus."""
        return {
            "kind": "static",
            "name": self.name,
            "method": self.method,
            "dimension": self.dimension,
            "pooling": "sif",
            "normalized": True,
        }

    def save(self, folder: Path) -> None:
        """Write what was learned into a folder that exists."""
        learned = {"fitted_on": self.fitted_on, "words": list(self._words)}
        (folder / "static.json").write_text(json.dumps(learned, ensure_ascii=False), "utf-8")
        for name, array in (
            ("vectors", self._vectors),
            ("weights", self._weights),
            ("common", self._common),
        ):
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, analyzer: TextAnalyzer, fingerprint: Mapping[str, Any]) -> Self:
        """Open what `save` wrote."""
        encoder = cls.__new__(cls)
        encoder.dimension, encoder.name = int(fingerprint["dimension"]), str(fingerprint["name"])
        encoder.method = fingerprint["method"]
        encoder.analyzer = None if encoder.method is None else analyzer
        learned = facts_in(folder / "static.json")
        listing = listed(learned, "words")
        strings = all(isinstance(word, str) for word in listing)
        check(strings and len(set(listing)) == len(listing), "distinct words")
        words = {word: number for number, word in enumerate(listing)}
        shape = len(words), encoder.dimension
        encoder._set(words, opened(folder / "vectors.npy", "<f2 <f4 <f8", shape, mode="r"))
        encoder._weights = opened(folder / "weights.npy", "<f4 <f8", shape[:1], mode=None)
        encoder._common = opened(folder / "common.npy", "<f4 <f8", (encoder.dimension,), mode=None)
        encoder.fitted_on = whole(learned.get("fitted_on"), "texts", 0, 1 << 62)
        return encoder

    def _set(self, words: dict[str, int], vectors: Vectors) -> None:
        self._words, self._vectors = words, vectors
        self._weights: NDArray[np.float64] = np.ones(len(words))  # of words not in the corpus

    def _forget(self) -> None:
        """Have no corpus."""
        self.fitted_on = 0
        self._weights = np.ones(len(self._words))
        self._common: NDArray[np.float64] = np.zeros(self.dimension)

    def _terms_of(self, text: str) -> list[str]:
        if self.analyzer is not None:
            return self.analyzer.query_terms(text)
        found = _WORD.findall(text)
        return [word if word in self._words else word.lower() for word in found]

    def _means(self, sentences: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """Return the weighted means of the vectors of known words, shape (n, dimension)."""
        means = np.zeros((len(sentences), self.dimension))
        for row, terms in enumerate(sentences):
            known = [self._words[term] for term in terms if term in self._words]
            if known:
                means[row] = self._weights[known] @ self._vectors[known] / len(known)
        return means


def _trained(
    sentences: Sequence[Sequence[str]], dimension: int, skip_gram: bool
) -> tuple[dict[str, int], Vectors]:
    """Return the numbers of the words that word2vec learned, and their vectors."""
    try:
        from gensim.models import Word2Vec
    except ImportError as error:
        raise MissingDependency("gensim", "static") from error
    counts = Counter(term for terms in sentences for term in terms)
    if not any(count >= _LEAST_COUNT for count in counts.values()):
        return {}, np.zeros((0, dimension), np.float32)
    model = Word2Vec(
        sentences,
        vector_size=dimension,
        sg=int(skip_gram),
        window=_WINDOW,
        min_count=_LEAST_COUNT,
        epochs=_EPOCHS,
        seed=0,
        workers=1,  # several would take turns as they please
        hashfxn=_hash,
    )
    words = {str(word): number for number, word in enumerate(model.wv.index_to_key)}
    return words, np.ascontiguousarray(model.wv.vectors, np.float32)


def _hash(word: str) -> int:
    """Return the same number in every process, which Python's `hash` does not."""
    return zlib.crc32(word.encode())


def _read(path: Path, most: int) -> tuple[list[str], Vectors]:
    """Return the words and vectors of a file; a line of two numbers at its start is a heading."""
    words: dict[str, Vectors] = {}
    read = _binary if path.suffix == ".bin" else _lines
    with path.open("rb") as file:
        try:
            for word, vector in read(file):
                if len(words) == most:
                    break
                words.setdefault(word.decode("utf-8", "replace"), vector)
            matrix = np.array(list(words.values()), np.float32)
        except ValueError as error:
            raise _other_format(path, str(error)) from error
    if matrix.ndim != 2 or not matrix.shape[1] or not np.isfinite(matrix).all():
        raise _other_format(path, "no finite vectors are there")
    return list(words), matrix


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, Vectors]]:
    """Yield the words of a text file; a word may hold spaces, as some of GloVe's do."""
    width = 0
    for number, line in enumerate(file):
        fields = line.rstrip().split(b" ")
        if number == 0 and len(fields) == 2:
            width = int(fields[1])
            continue
        width = width or len(fields) - 1
        numbers = fields[-width:] if width else []
        yield b" ".join(fields[:-width]), np.array([float(n) for n in numbers], np.float32)


def _binary(file: BinaryIO) -> Iterator[tuple[bytes, Vectors]]:
    """Yield the words of a binary file of word2vec, which begins with their number and length."""
    count, width = map(int, file.readline(100).split())
    for _ in range(count):
        word = b"".join(iter(lambda: file.read(1).strip(b" ") or b"", b""))
        yield word.lstrip(b"\n"), np.frombuffer(file.read(4 * width), np.float32, width)


def _other_format(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"expected word vectors in the format of word2vec, GloVe or fastText's .vec in {path}, "
        f"not what is there: {reason}"
    )
