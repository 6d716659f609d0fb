"""Made-up learned sparse weights with topics, in the shapes of SPLADE and of BGE-M3.

A document has a topic and a neighbouring one, takes most of its terms from their lists and the
rest from the terms that everyone uses.  A question is asked of a document: it has some of that
document's strongest terms and some more of the topic.  So near neighbours exist, nearer and less
near, which approximate indexes need to be worth anything.  Weights are log-normal, smaller for
terms that are everywhere.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

DOCUMENTS_PER_TOPIC = 100
TERMS_PER_TOPIC = 400
NEIGHBOURS = 8  # the second topic of a document is at most so far from its first
SECOND = 0.35  # part of a document's topical terms that is from the second topic
OWN = 0.5  # part of a question's terms that is taken from its document
_BLOCK = 1 << 15

SparseVector = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the weights of an encoder look like.

    Attributes
    ----------
    terms : int
        Size of the encoder's vocabulary.
    per_document, per_query : int
        Draws for each; the distinct terms are fewer.
    exponent, shift : float
        How popular a term is, by its rank: 1 / (rank + shift) ** exponent, not with exponent 1.
    topical : float
        Part of a document's terms that is from its topics.
    scale : float
        Middle weight of a term of the topic.
    """

    name: str
    terms: int
    per_document: int
    per_query: int
    exponent: float
    shift: float
    topical: float
    scale: float


SPLADE = Shape("splade", 30_000, 175, 46, 0.6, 80.0, 0.65, 0.7)
BGE_M3 = Shape("bge-m3", 250_000, 100, 11, 0.98, 2.0, 0.6, 0.15)
SHAPES = {shape.name: shape for shape in (SPLADE, BGE_M3)}


@dataclass(frozen=True, slots=True)
class Weights:
    """Documents and their first topics.

    Attributes
    ----------
    matrix : csr_matrix of float32, shape (documents, terms)
        Weights above 0; the terms of each document ascend.
    topics : ndarray of int64, shape (documents,)
        The first topic of each document.
    """

    shape: Shape
    matrix: sp.csr_matrix
    topics: NDArray[np.int64]
    seed: int


def weights(shape: Shape, documents: int, seed: int = 1) -> Weights:
    """Return the weights of `documents` documents."""
    draw = np.random.default_rng([seed, 0])
    lists = _topic_lists(shape, _topic_count(documents), seed)
    topics = draw.integers(len(lists), size=documents)
    steps = draw.integers(1, NEIGHBOURS + 1, size=documents)
    pairs = np.stack([topics, (topics + steps) % len(lists)], axis=1)
    indices, data, sizes = [], [], []
    for start in range(0, documents, _BLOCK):
        block = pairs[start : start + _BLOCK]
        rows, terms, values = _draw(shape, lists, block, draw)
        indices.append(terms)
        data.append(values)
        sizes.append(np.bincount(rows, minlength=len(block)))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    arrays = np.concatenate(data), np.concatenate(indices), offsets
    matrix = sp.csr_matrix(arrays, (documents, shape.terms))
    return Weights(shape, matrix, topics, seed)


def questions(of: Weights, count: int, seed: int = 2) -> list[SparseVector]:
    """Return questions as distinct term ids, ascending, with their weights.

    `OWN` of the draws are terms of one document, by weight; the rest are of its topic.
    """
    shape, draw = of.shape, np.random.default_rng([seed, 0])
    lists = _topic_lists(shape, _topic_count(of.matrix.shape[0]), of.seed)
    found = []
    for row in draw.integers(of.matrix.shape[0], size=count).tolist():
        low, high = of.matrix.indptr[row : row + 2]
        held, values = of.matrix.indices[low:high], of.matrix.data[low:high]
        some = min(round(OWN * shape.per_query), len(held))
        own = draw.choice(len(held), some, replace=False, p=values / values.sum(dtype=np.float64))
        topic = lists[of.topics[row]]
        more = topic[_by_rank(draw.random(shape.per_query - some), len(topic))]
        base = np.concatenate([values[own], np.full(len(more), shape.scale / 2, np.float32)])
        terms, first = np.unique(np.concatenate([held[own], more]), return_index=True)
        noisy = base[first] * draw.lognormal(0.0, 0.4, len(first))
        found.append((terms.astype(np.int64), noisy.astype(np.float32)))
    return found


def mean_postings(of: Weights, queries: list[SparseVector]) -> float:
    """Return how many postings the terms of a query have, on average."""
    df = np.bincount(of.matrix.indices, minlength=of.shape.terms)
    return float(sum(df[ids].sum() for ids, _ in queries) / max(len(queries), 1))


def _topic_count(documents: int) -> int:
    return max(documents // DOCUMENTS_PER_TOPIC, 1)


def _popular(shape: Shape, shares: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the term below which each share of all uses is."""
    power = 1 - shape.exponent
    first, last = shape.shift**power, (shape.terms + shape.shift) ** power
    ranks: NDArray[np.float64] = (first + shares * (last - first)) ** (1 / power) - shape.shift
    return np.minimum(ranks, shape.terms - 1).astype(np.int32)


def _topic_lists(shape: Shape, topics: int, seed: int) -> NDArray[np.int32]:
    """Return the terms of each topic, those that it uses most first."""
    draw = np.random.default_rng([seed, 1])
    return _popular(shape, draw.random((topics, TERMS_PER_TOPIC)))


def _by_rank(shares: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    """Return places in a topic's list; the density falls with 1 / (place + 20)."""
    places: NDArray[np.float64] = (np.exp(shares * np.log(1 + size / 20)) - 1) * 20
    return places.astype(np.intp)


def _draw(
    shape: Shape,
    lists: NDArray[np.int32],
    topics: NDArray[np.int64],
    draw: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Return row, term and weight of every entry of a block of documents, sorted."""
    drawn = draw.normal(shape.per_document, shape.per_document / 6, len(topics))
    rows = np.repeat(np.arange(len(topics)), np.maximum(drawn.round(), 8).astype(np.int64))
    places = _by_rank(draw.random(len(rows)), TERMS_PER_TOPIC)
    topical = draw.random(len(rows)) < shape.topical
    second = (draw.random(len(rows)) < SECOND).astype(np.int64)
    terms = np.where(
        topical, lists[topics[rows, second], places], _popular(shape, draw.random(len(rows)))
    )
    rarity = 0.3 + 0.7 * np.log1p(np.arange(shape.terms)) / np.log1p(shape.terms)
    middle = shape.scale * rarity[terms] * np.where(topical, 1.5 / (1 + places / 80), 0.5)
    values = np.maximum(middle * draw.lognormal(0.0, 0.5, len(rows)), 1e-3)
    # The place stands below the key: plain integers sort ten times as fast as an argsort does.
    bits = len(rows).bit_length()
    packed = np.sort((rows * shape.terms + terms) << bits | np.arange(len(rows)))
    keys = packed >> bits
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    keys, places = keys[first], packed[first] & ((1 << bits) - 1)
    kept = values[places].astype(np.float32)
    return keys // shape.terms, (keys % shape.terms).astype(np.int32), kept
