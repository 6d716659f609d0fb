"""Places of single rows: those on the complete list, which a search of all rows returns."""

from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from indexes import BM25Index, Candidates, DenseIndex, LexicalIndex, MultiVectorIndex
from indexes.bm25 import METHODS
from indexes.candidates import places
from indexes.multivector import TokenVectors
from tests import strategies

ROWS = 70_000  # more than one segment holds

asked_rows = st.lists(st.integers(0, 45), max_size=30)  # beyond the last row too, and repeated
queries_of_tokens = st.integers(0, 3).flatmap(strategies.vectors)


def on_the_list(index, query, rows, allowed=None):
    """Return the place of each row on the complete list, found by reading it."""
    found = index.search(query, max(len(index), 1), allowed).rows.tolist()
    return [found.index(row) + 1 if row in found else 0 for row in rows]


def assert_ranks(index, query, rows, allowed=None):
    ranks = index.ranks(query, rows, allowed)
    assert ranks.dtype == np.int64
    assert ranks.tolist() == on_the_list(index, query, rows, allowed)


def delete_some(data, index, rows):
    if rows:
        index.delete(data.draw(st.lists(st.sampled_from(rows), max_size=6)))


def opened(index, folder):
    index.save(folder)
    return type(index).load(folder)


@given(
    found=st.lists(st.integers(0, 20), unique=True), rows=st.lists(st.integers(0, 25), max_size=30)
)
def test_places_are_those_of_a_list_that_is_read(found, rows):
    ranking = Candidates(np.array(found, np.int64), np.zeros(len(found), np.float32))
    expected = [found.index(row) + 1 if row in found else 0 for row in rows]
    assert places(ranking, np.array(rows, np.int64)).tolist() == expected


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data(), corpus=strategies.corpora(), query=strategies.queries)
def test_bm25(method, data, corpus, query):
    rows, lists = corpus
    index = BM25Index(method)
    index.add(rows, lists)
    delete_some(data, index, rows)
    assert_ranks(index, query, data.draw(asked_rows), data.draw(strategies.masks()))


@given(data=st.data(), texts=st.integers(0, 15))
def test_late_interaction(data, texts):
    rows = data.draw(strategies.rows_of(texts))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=texts, max_size=texts))
    vectors = data.draw(strategies.vectors(sum(lengths)))
    index = MultiVectorIndex(3)
    index.add(rows, TokenVectors(vectors, np.cumsum([0, *lengths])))
    delete_some(data, index, rows)
    query = data.draw(queries_of_tokens)
    assert_ranks(index, query, data.draw(asked_rows), data.draw(strategies.masks()))


def large(kind):
    """Return an index of several segments with long lists, and queries.

    Many rows are alike, so that long runs of the list have one score.
    """
    draw = np.random.default_rng(1)
    lengths = draw.integers(0, 5, ROWS)
    columns = np.minimum(draw.exponential(6, lengths.sum()).astype(int), 60)
    weights = draw.choice([0.25, 0.5, 1.0] if kind is LexicalIndex else [1, 1, 1, 2], len(columns))
    matrix = sp.csr_matrix((weights, columns, np.cumsum([0, *lengths])), (ROWS, 61))
    matrix.sum_duplicates()
    index = kind()
    index.add(range(ROWS), matrix.astype(np.float32) if kind is LexicalIndex else matrix)
    terms = [[0], [0, 1, 2, 40], [50, 3, 0], [60, 59]]
    if kind is LexicalIndex:
        return index, [(some, np.linspace(0.5, 1, len(some))) for some in terms]
    return index, terms


@pytest.mark.parametrize("kind", [BM25Index, lambda: BM25Index("bm25+"), LexicalIndex])
def test_several_segments_and_long_lists(kind, tmp_path):
    index, queries = large(kind)
    assert len(index._postings.segments) > 1
    draw = np.random.default_rng(2)
    index.delete(draw.integers(0, ROWS, 500))
    assert any(len(segment.long) for segment in index._postings.segments)
    half = draw.random(ROWS - 100) < 0.5
    for state in (index, opened(index, tmp_path)):
        for query in queries:
            for allowed in (None, half):
                complete = state.search(query, ROWS, allowed)
                drawn = draw.integers(0, ROWS + 50, 30)
                for rows in (complete.rows[:20:5], drawn, [*complete.rows[-2:], *drawn]):
                    ranks = state.ranks(query, np.array(rows), allowed)
                    assert ranks.tolist() == places(complete, np.array(rows)).tolist()


def made(kind, metric, storage, count=5_000):
    """Return a dense index whose scores have ties, and queries of which one is zero."""
    draw = np.random.default_rng(3)
    vectors = draw.standard_normal((count, 7))
    vectors[count // 2 :] = draw.integers(-1, 2, (count - count // 2, 7))
    vectors[~vectors.any(axis=1)] = 1
    index = DenseIndex(7, metric, kind, storage)
    index.add(draw.permutation(count), vectors)
    return index, [draw.standard_normal(7), np.eye(7)[0], np.ones(7), vectors[0], np.zeros(7)]


DENSE = [
    *product(["flat"], ["cosine", "ip", "l2"], ["float32", "float16", "int8"]),
    ("ivf", "cosine", "float32"),
    ("ivf-pq", "ip", "float32"),
    ("hnsw", "l2", "float32"),
]


@pytest.mark.parametrize(("kind", "metric", "storage"), DENSE)
def test_dense(kind, metric, storage, tmp_path):
    index, queries = made(kind, metric, storage, 1_000 if kind == "hnsw" else 5_000)
    assert index.exact == (kind == "flat")
    draw = np.random.default_rng(4)
    index.delete(draw.integers(0, len(index), 40))
    for state in (index, opened(index, tmp_path)):
        for query in queries:
            for share in (1.0, 0.5, 0.01):  # of few rows all scores are computed
                allowed = draw.random(4_900) < share if share < 1 else None
                complete = state.search(query, len(index), allowed)
                rows = np.concatenate([complete.rows[:3], draw.integers(0, 5_100, 20)])
                for some in (complete.rows[:2], rows):
                    ranks = state.ranks(query, some, allowed)
                    assert ranks.tolist() == places(complete, some).tolist()


def test_dense_over_several_chunks():
    index, queries = made("flat", "cosine", "float32", ROWS)
    rows = np.arange(0, ROWS, 997)
    complete = index.search(queries[0], ROWS)
    assert index.ranks(queries[0], rows).tolist() == places(complete, rows).tolist()


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("size", [1e-30, 1e-18, 1e12, 1e17])
def test_dense_where_squares_leave_the_range_of_float32(metric, size):
    draw = np.random.default_rng(5)
    index = DenseIndex(5, metric, "flat")
    index.add(range(300), (draw.standard_normal((300, 5)) * size).astype(np.float32))
    query, rows = (draw.standard_normal(5) * size).astype(np.float32), np.arange(0, 300, 7)
    complete = index.search(query, 300)
    assert index.ranks(query, rows).tolist() == places(complete, rows).tolist()


def test_the_rows_of_before_have_no_place_once_they_are_deleted():
    index = BM25Index()
    index.add([0, 1, 2], [["a"], ["a"], ["a", "b"]])
    assert index.ranks(["a"], [2, 1, 0]).tolist() == [3, 2, 1]
    index.delete([0])
    assert index.ranks(["a"], [2, 1, 0]).tolist() == [2, 1, 0]


@pytest.mark.parametrize("bad", [[-1], [0.5]])
def test_rows_are_checked(bad):
    for index, query in ((BM25Index(), ["a"]), (DenseIndex(2), [1.0, 0.0])):
        with pytest.raises(ValueError, match="expected rows"):
            index.ranks(query, bad)
