"""Made-up collections for hybrid search: passages with vectors, and questions about some of them.

The words are those of `bench.workloads`.  The vectors lie in clusters of about 100, and the
passages of a cluster share words besides: what is near in one index is rather near in the other, as
in real text.  A question is about one passage: it has four of its words, and a vector at a cosine
of about .6 to its own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import hybrid
from bench.workloads import WIDEST_DF, Passages, document_frequencies, passages

SHARED_WORDS = 12
"""Words that belong to a cluster."""

SHARE = 0.15
"""Part of the words of a passage that are its cluster's."""

NOISE = 1.3
"""Length of what a question's vector is off its passage's, which has length 1."""

NAME = "made up"


class Question(NamedTuple):
    """What an engine is asked."""

    text: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions with their vectors, and the row that each is about."""

    texts: list[str]
    vectors: NDArray[np.float32]
    rows: list[int]

    def save(self, folder: Path) -> None:
        """Write all into a folder that exists."""
        (folder / "questions.json").write_text(json.dumps([self.texts, self.rows]), "utf-8")
        np.save(folder / "questions.npy", self.vectors)

    @classmethod
    def load(cls, folder: Path) -> "Questions":
        """Read what `save` wrote."""
        texts, rows = json.loads((folder / "questions.json").read_text("utf-8"))
        return cls(texts, np.load(folder / "questions.npy", allow_pickle=False), rows)

    def first(self, count: int) -> "Questions":
        """Return the first few."""
        return Questions(self.texts[:count], self.vectors[:count], self.rows[:count])

    def asked(self) -> list[Question]:
        """Return every question with its vector."""
        return [Question(*pair) for pair in zip(self.texts, self.vectors, strict=True)]

    def encoder(self) -> hybrid.Precomputed:
        """Return an encoder that knows these questions."""
        return hybrid.Precomputed({}, dict(zip(self.texts, self.vectors, strict=True)), NAME)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A collection in memory."""

    passages: Passages
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, rows: int, dimension: int, seed: int = 1) -> "MadeUp":
        """Return a collection of so many passages."""
        draw = np.random.default_rng([seed, 10])
        labels = draw.integers(0, rows // 100 + 1, rows)
        centres = draw.standard_normal((rows // 100 + 1, dimension), dtype=np.float32)
        vectors = centres[labels] + draw.standard_normal((rows, dimension), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return cls(_about(passages(rows, seed), labels, draw), vectors)

    def documents(self) -> Iterator[hybrid.Document]:
        """Yield every passage as a document of its own."""
        for row, text in enumerate(self.passages.texts()):
            yield hybrid.Document(str(row), text)

    def encoder(self) -> hybrid.Precomputed:
        """Return an encoder that knows the passages."""
        return hybrid.Precomputed(
            dict(zip(self.passages.texts(), self.vectors, strict=True)), {}, NAME
        )

    def questions(self, count: int, seed: int = 2) -> Questions:
        """Return questions, each with four words that are in at most 4 % of the passages."""
        draw = np.random.default_rng([seed, 10])
        texts: list[str] = []
        rows: list[int] = []
        rare = self.passages.df <= max(WIDEST_DF * len(self.passages), 1)
        while len(texts) < count:
            row = int(draw.integers(len(self.passages)))
            words = np.unique(self.passages.passage(row))
            words = words[rare[words]]
            if len(words) >= 4:
                chosen = draw.choice(words, 4, replace=False).tolist()
                texts.append(" ".join(self.passages.words[word] for word in chosen))
                rows.append(row)
        off = draw.standard_normal((count, self.vectors.shape[1]), dtype=np.float32)
        off *= NOISE / np.linalg.norm(off, axis=1, keepdims=True)
        return Questions(texts, (self.vectors[rows] + off).astype(np.float32), rows)


def _about(of: Passages, labels: NDArray[np.int64], draw: np.random.Generator) -> Passages:
    """Return passages some of whose words are those of their cluster."""
    # alike on a logarithmic scale of ranks: some of them are common, most are rare
    exponents = draw.uniform(2, 4.5, (labels.max() + 1, SHARED_WORDS))
    shared = np.minimum(10**exponents, len(of.words) - 1).astype(np.uint32)
    places = np.flatnonzero(draw.random(len(of.ids)) < SHARE)
    clusters = labels[np.searchsorted(of.offsets, places, "right") - 1]
    ids = of.ids.copy()
    ids[places] = shared[clusters, draw.integers(0, SHARED_WORDS, len(places))]
    return Passages(ids, of.offsets, of.words, document_frequencies(ids, of.offsets, len(of.words)))
