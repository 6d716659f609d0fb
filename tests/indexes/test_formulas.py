"""Every BM25 method against the oracle and against the libraries that it comes from."""

import numpy as np
import pytest
import rank_bm25
from hypothesis import given
from hypothesis import strategies as st

from indexes import BM25Index
from indexes.formulas import METHODS, Formula
from tests import oracles, strategies

CONSTANTS = {"k1": 1.5, "b": 0.6, "delta": 0.7, "epsilon": 0.3}
BM25S = ("lucene", "robertson", "atire", "bm25l", "bm25+")


def zipf_lists(rows, seed):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(1, 60, rows)
    return [[f"w{n}" for n in generator.zipf(1.3, size) if n < 300] for size in sizes]


@pytest.fixture(scope="module")
def lists():
    return zipf_lists(300, 7)


def queries(seed=8):
    generator = np.random.default_rng(seed)
    return [[f"w{n}" for n in generator.integers(1, 40, 4)] + ["unknown"] for _ in range(30)]


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_bits_of_the_oracle(method, data):
    rows, token_lists = data.draw(strategies.corpora())
    query = data.draw(strategies.queries)
    index = BM25Index(method, **CONSTANTS)
    index.add(rows, token_lists)
    expected = oracles.bm25(rows, token_lists, query, Formula(method, **CONSTANTS))
    found = index.search(query, 50)
    pairs = list(zip(found.rows.tolist(), found.scores.tolist(), strict=True))
    assert pairs == [(row, float(score)) for row, score in oracles.ranked(expected)]


@pytest.mark.parametrize("method", BM25S)
def test_scores_of_bm25s(method, lists):
    bm25s = pytest.importorskip("bm25s", reason="bm25s is not installed")
    peer = bm25s.BM25(method=method, k1=1.5, b=0.6, delta=0.7)
    peer.index([list(tokens) for tokens in lists], show_progress=False)
    index = BM25Index(method, k1=1.5, b=0.6, delta=0.7)
    index.add(range(len(lists)), lists)
    every = np.arange(len(lists))
    for query in queries():
        known = [term for term in dict.fromkeys(query) if term in peer.vocab_dict]
        assert index.score(known, every) == pytest.approx(peer.get_scores(known), rel=1e-4)


@pytest.mark.parametrize(
    "peer",
    [rank_bm25.BM25Okapi, rank_bm25.BM25L, rank_bm25.BM25Plus],
    ids=lambda peer: peer.__name__,
)
def test_scores_of_rank_bm25(peer, lists):
    other = peer(lists, k1=1.4, b=0.6)
    index = BM25Index.from_rank_bm25(other)
    for query in queries():
        expected = other.get_scores(query)
        scores = index.score(query, np.arange(len(lists)))
        assert scores == pytest.approx(expected, rel=1e-4, abs=1e-6)
        found = index.search(query, 10)
        assert found.scores == pytest.approx(np.sort(expected)[::-1][: len(found)], rel=1e-4)


def test_okapi_gives_common_terms_a_share_of_the_mean_idf(lists):
    common = [["the", *tokens] for tokens in lists]
    other = rank_bm25.BM25Okapi(common)
    index = BM25Index.from_rank_bm25(other)
    assert other.idf["the"] == pytest.approx(other.epsilon * other.average_idf)
    expected = other.get_scores(["the"])
    assert expected.min() > 0
    assert index.score(["the"], np.arange(len(lists))) == pytest.approx(expected, rel=1e-4)


def test_a_negative_share_finds_nothing_but_is_scored():
    """In a tiny corpus the mean idf itself can be below 0."""
    lists = [["a"], ["a"], ["a", "b"]]
    other = rank_bm25.BM25Okapi(lists)
    index = BM25Index.from_rank_bm25(other)
    assert other.idf["a"] < 0
    assert index.score(["a"], [0, 1, 2]) == pytest.approx(other.get_scores(["a"]), rel=1e-4)
    assert len(index.search(["a"], 5)) == 0
    assert index.statistics(["a"]).floor < 0


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="BM25Okapi, BM25L, BM25Plus, not dict"):
        BM25Index.from_rank_bm25({})


@pytest.mark.parametrize("method", ["bm25l", "bm25+"])
def test_a_row_without_the_terms_has_a_score_and_is_not_found(method):
    index = BM25Index(method)
    index.add([0, 1], [["cat"], ["dog"]])
    floor = index.statistics(["cat"]).floor
    assert floor > 0
    assert index.score(["cat"], [1]) == pytest.approx([floor])
    assert index.unranked(["cat"]) == pytest.approx(floor)
    found = index.search(["cat"], 5)
    assert found.rows.tolist() == [0]
    assert found.scores[0] > floor


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"k1": -1}, "k1 >= 0, not -1"),
        ({"k1": float("nan")}, "k1 >= 0, not nan"),
        ({"b": 1.5}, "b from 0 to 1, not 1.5"),
        ({"delta": -0.1}, "delta >= 0, not -0.1"),
        ({"epsilon": float("inf")}, "epsilon >= 0, not inf"),
        ({"method": "best"}, "a BM25 method of lucene, .* not 'best'"),
    ],
)
def test_wrong_constants_are_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        BM25Index(**choice)


@pytest.mark.parametrize("method", METHODS)
def test_all_constants_may_be_zero(method):
    index = BM25Index(method, k1=0, b=0, delta=0, epsilon=0)
    index.add(range(3), [["cat", "cat"], ["dog"], ["dog", "bird"]])
    assert index.search(["cat"], 5).rows.tolist() == [0]
    assert index.unranked(["cat"]) == 0
