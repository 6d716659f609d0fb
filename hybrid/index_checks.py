"""What is wrong with the indexes of a store: each check yields what was expected and found."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from hybrid.encoders.base import CorpusEncoder, Embeddings
from hybrid.indexing import Indexes
from hybrid.store import ChunkStore
from indexes.candidates import Rows
from indexes.token_blocks import Block

_BATCH = 500
_AGAIN = 50  # texts that are encoded again
_NEAR = 2e-3  # what float16 and another order of summing may change, as a share
_NEAR_OF_MODELS = 0.05  # the same of a model in another batch or on another machine
_ABOUT_ONE = 0.1  # what storage in bytes may take from the length of a vector, or add


def rows_in(indexes: Indexes, name: str) -> Rows:
    """Return the live rows of an index, ascending."""
    index: Any = getattr(indexes, name)
    if index is None:
        return np.empty(0, np.int64)
    if name == "dense":
        slots = index._stored.slots
    elif name == "multivector":
        slots = index._slots
    else:
        return np.flatnonzero(index._postings.live)
    return np.sort(slots.rows[slots.live])


def wrong_rows(indexes: Indexes, name: str, rows: Rows) -> Iterator[str]:
    """Compare the rows of an index with those of the store."""
    held = rows_in(indexes, name)
    missing, extra = np.setdiff1d(rows, held), np.setdiff1d(held, rows)
    if name == "dense" and isinstance(indexes.encoder, CorpusEncoder):
        missing = missing[:0]  # LSA has no vector for a text of unknown words
    for some, what in ((missing, "is not in it"), (extra, "is not in the store")):
        if len(some):
            yield f"row {some[0]} {what}, and so with {len(some)} rows in all"


def wrong_terms(indexes: Indexes, store: ChunkStore, rows: Rows, *, whole: bool) -> Iterator[str]:
    """Analyse texts again; compare terms, lengths and, of the whole store, the counts of BM25."""
    postings = indexes.bm25._postings
    dfs, length = np.zeros(len(postings.dfs), np.int64), 0
    for batch in _batches(rows):
        expected = _counted(indexes, store.texts(batch))
        found, lengths = _found(indexes, batch)
        other = [row for row, terms in zip(batch.tolist(), expected, strict=True)
                 if found[row] != terms]  # fmt: skip
        if other:
            wrong = f"row {other[0]} has other terms than its text"
            yield f"{wrong}, and so with {len(other)} rows from {batch[0]} on"
        sums = [sum(terms.values()) for terms in expected]
        longer = np.flatnonzero(lengths != sums)
        if len(longer):
            at = longer[0]
            yield f"row {batch[at]} is {lengths[at]} terms long, expected {sums[at]}"
        length += sum(sums)
        numbers = np.array([number for terms in expected for number in terms], np.int64)
        np.add.at(dfs, numbers[(numbers >= 0) & (numbers < len(dfs))], 1)
    if whole:
        yield from _wrong_counts(postings.dfs, dfs, "texts")
        if postings._length != length:
            yield f"all texts have {postings._length} terms, expected {length}"


def wrong_vectors(indexes: Indexes) -> Iterator[str]:
    """Look for vectors that are no vectors."""
    dense: Any = indexes.dense
    for rows in _batches(rows_in(indexes, "dense")):
        _, vectors = dense.stored(rows)
        yield from _wrong_lengths(rows, vectors, "the vector", unit=dense.metric == "cosine")


def wrong_weights(indexes: Indexes) -> Iterator[str]:
    """Look for learned weights that are none, and compare how many rows have each term."""
    lexical: Any = indexes.lexical
    dfs = np.zeros(len(lexical._postings.dfs), np.int64)
    for rows in _batches(rows_in(indexes, "lexical")):
        table = lexical.stored(rows)
        dfs += np.bincount(table.indices, minlength=len(dfs))
        bad = np.flatnonzero(~((table.data >= 0) & (table.data < np.inf)))
        if len(bad):
            row = rows[np.searchsorted(table.indptr, bad[0], "right") - 1]
            yield f"a weight of row {row} is {table.data[bad[0]]}"
    yield from _wrong_counts(lexical._postings.dfs, dfs, "rows")


def wrong_tokens(indexes: Indexes) -> Iterator[str]:
    """Look for token vectors that are no vectors of length 1."""
    index: Any = indexes.multivector
    for rows in _batches(rows_in(indexes, "multivector")):
        block = index.stored(rows)
        owners = np.repeat(rows, np.diff(block.offsets))
        yield from _wrong_lengths(owners, _decoded(block), "a token vector", unit=True)


def other_embeddings(indexes: Indexes, store: ChunkStore, part: str) -> Iterator[str]:
    """Encode some texts again, and compare what comes with what is stored."""
    encoder: Any = indexes.encoder
    rows = rows_in(indexes, part)
    rows = np.intersect1d(rows, store.rows())[:: max(len(rows) // _AGAIN, 1)][:_AGAIN]
    if not len(rows):
        return
    again = encoder.encode_documents(store.texts(rows))
    differs = {"dense": _other_dense, "lexical": _other_lexical, "multivector": _other_tokens}
    wrong = rows[differs[part](indexes, rows, again)]
    if len(wrong):
        yield (
            f"expected of row {wrong[0]} what the encoder makes of its text, but something else "
            f"is stored, and so with {len(wrong)} of {len(rows)} rows that were encoded again"
        )


def _other_dense(indexes: Indexes, rows: Rows, again: Embeddings) -> Any:
    dense: Any = indexes.dense
    vectors = np.asarray(again.dense, np.float64)
    if dense.metric == "cosine":
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    near = _NEAR if isinstance(indexes.encoder, CorpusEncoder) else _NEAR_OF_MODELS
    allowed = near * np.linalg.norm(vectors, axis=1)
    if dense.storage == "int8":  # each number is off by half a step at most
        allowed += np.sqrt(dense.dimension) * np.abs(vectors).max(axis=1) / 254
    return ~(np.linalg.norm(dense.stored(rows)[1] - vectors, axis=1) <= allowed)


def _other_lexical(indexes: Indexes, rows: Rows, again: Embeddings) -> Any:
    lexical: Any = indexes.lexical
    made: Any = again.lexical
    fresh: Any = sp.csr_matrix(made)
    stored = lexical.stored(rows)
    width = max(stored.shape[1], fresh.shape[1])
    stored, fresh = (
        sp.csr_matrix((one.data, one.indices, one.indptr), (len(rows), width))
        for one in (stored, fresh)
    )
    off, largest = (abs(one).max(axis=1).toarray()[:, 0] for one in (stored - fresh, fresh))
    return ~(off <= _NEAR_OF_MODELS * largest)


def _other_tokens(indexes: Indexes, rows: Rows, again: Embeddings) -> Any:
    index: Any = indexes.multivector
    tokens: Any = again.tokens
    fresh = Block.of(tokens.vectors, tokens.offsets, index.storage)
    stored = index.stored(rows)
    wrong = np.zeros(len(rows), np.bool_)
    for place in range(len(rows)):
        one, other = (_decoded(block, place) for block in (stored, fresh))
        same = one.shape == other.shape
        wrong[place] = not same or not (np.abs(one - other) <= _NEAR_OF_MODELS).all()
    return wrong


def _decoded(block: Block, place: int | None = None) -> Any:
    """Return the token vectors of a block, or of one text of it."""
    part = slice(None) if place is None else slice(*block.offsets[place : place + 2])
    with np.errstate(over="ignore", invalid="ignore"):
        return block.codes[part].astype(np.float32) * block.scales[part, None]


def _wrong_lengths(rows: Rows, vectors: Any, what: str, *, unit: bool) -> Iterator[str]:
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    bad = ~np.isfinite(lengths)
    if unit:
        bad |= ~(np.abs(lengths - 1) < _ABOUT_ONE)
    if bad.any():
        yield f"{what} of row {rows[bad][0]} is {lengths[bad][0]:g} long"


def _wrong_counts(stored: Any, counted: Any, unit: str) -> Iterator[str]:
    wrong = np.flatnonzero(stored != counted)
    if len(wrong):
        one = wrong[0]
        yield (
            f"term {one} is counted in {stored[one]} {unit}, expected {counted[one]}, and so with "
            f"{len(wrong)} terms in all"
        )


def _counted(indexes: Indexes, texts: list[Any]) -> list[dict[int, int]]:
    """Return, for each text, its terms' numbers, -1 for unknown ones, and how often each comes."""
    batch = indexes.analyzer.batch(texts)
    numbers = [indexes.bm25._number_of(term) for term in batch.terms]
    of_term = np.array([-1 if number is None else number for number in numbers], np.int64)
    counted = []
    for number in range(len(batch)):
        ids = of_term[batch.ids[batch.offsets[number] : batch.offsets[number + 1]]]
        terms, counts = np.unique(ids, return_counts=True)
        counted.append(dict(zip(terms.tolist(), counts.tolist(), strict=True)))
    return counted


def _found(indexes: Indexes, rows: Rows) -> tuple[dict[int, dict[int, int]], Any]:
    """Return the terms of some rows as the lists have them, and their lengths."""
    found: dict[int, dict[int, int]] = {row: {} for row in rows.tolist()}
    lengths = np.zeros(len(rows), np.int64)
    for segment in indexes.bm25._postings.segments:
        held = np.flatnonzero((rows >= segment.first) & (rows - segment.first < len(segment.live)))
        held = held[segment.live[rows[held] - segment.first] > 0]
        lengths[held] = segment.row_lengths[rows[held] - segment.first]
        entries = (part.tolist() for part in segment.entries(rows))
        for place, term, count in zip(*entries, strict=True):
            found[int(rows[place])][term] = count
    return found, lengths


def _batches(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]
