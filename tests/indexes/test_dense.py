"""The dense index's own promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes import DenseIndex, dense
from tests import oracles

METRICS = ("cosine", "ip", "l2")


def clustered(count, dimension, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((count // 50 + 1, dimension))
    points = centres[generator.integers(0, len(centres), count)]
    return (points + 0.5 * generator.standard_normal((count, dimension))).astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), copies=st.integers(0, 300), depth=st.integers(1, 40))
def test_flat_is_exact_with_crowds_of_equal_vectors(metric, seed, copies, depth):
    """Ties around the last place make FAISS's choice arbitrary; the proof loop must mend it."""
    vectors = clustered(800, 16, seed)
    vectors[100 : 100 + copies] = vectors[0]
    index = DenseIndex(16, metric, "flat")
    index.add(np.arange(800), vectors)
    query = vectors[0] + np.float32(0.01)
    every = index.score(query, np.arange(800))
    found = index.search(query, depth)
    assert found.rows.tolist() == np.lexsort((np.arange(800), -every))[:depth].tolist()
    expected = list(oracles.dense(range(800), vectors, query, metric).values())
    assert every == pytest.approx(np.array(expected), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_flat_is_exact_where_float32_cannot_tell_vectors_apart(metric):
    """FAISS's float32 sums put these in another order; only the error bound knows."""
    generator = np.random.default_rng(5)
    vectors = 10 + 1e-6 * generator.standard_normal((5000, 64))
    index = DenseIndex(64, metric, "flat")
    index.add(np.arange(5000), vectors)
    for query in 10 + generator.standard_normal((5, 64)):
        every = index.score(query, np.arange(5000))
        best = np.lexsort((np.arange(5000), -every))[:5]
        assert index.search(query, 5).rows.tolist() == best.tolist()


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_hnsw_finds_nearly_all_of_the_best(metric):
    vectors = clustered(4000, 24)
    flat, graph = DenseIndex(24, metric, "flat"), DenseIndex(24, metric, "hnsw")
    for index in (flat, graph):
        index.add(np.arange(4000), vectors)
    assert not graph.exact
    assert flat.exact
    queries = clustered(50, 24, seed=1)
    shared = [
        len(set(graph.search(q, 10).rows.tolist()) & set(flat.search(q, 10).rows.tolist()))
        for q in queries
    ]
    assert np.mean(shared) / 10 > 0.97  # measured: 1.0


@pytest.mark.parametrize("share", [0.5, 0.05, 0.005])
def test_hnsw_finds_the_best_of_the_allowed(share):
    vectors = clustered(4000, 24)
    graph = DenseIndex(24, "cosine", "hnsw")
    graph.add(np.arange(4000), vectors)
    allowed = np.random.default_rng(3).random(4000) < share
    for query in clustered(20, 24, seed=1):
        scores = np.where(allowed, graph.score(query, np.arange(4000)), -np.inf)
        best = np.argsort(-scores)[: min(10, allowed.sum())]
        assert set(graph.search(query, 10, allowed).rows.tolist()) == set(best.tolist())


def test_hnsw_gives_the_same_graph_again():
    vectors = clustered(1500, 16)
    answers = []
    for _ in range(2):
        index = DenseIndex(16, "l2", "hnsw")
        index.add(np.arange(1500), vectors)
        answers.append([index.search(q, 256).rows.tolist() for q in vectors[:20]])
    assert answers[0] == answers[1]


def test_hnsw_forgets_deleted_rows_and_takes_new_ones(tmp_path):
    vectors = clustered(600, 16)
    index = DenseIndex(16, "cosine", "hnsw")
    index.add(np.arange(500), vectors[:500])
    index.search(vectors[0], 1)
    index.delete(range(0, 500, 7))
    index.add(np.arange(500, 600), vectors[500:])
    index.save(tmp_path)
    for state in (index, DenseIndex.load(tmp_path)):
        assert not state.exact
        assert 0 not in state.search(vectors[0], 256).rows
        assert state.search(vectors[550], 1).rows.tolist() == [550]


def test_auto_takes_hnsw_above_the_limit(monkeypatch):
    monkeypatch.setattr(dense, "FLAT_LIMIT", 100)
    index = DenseIndex(8, "cosine", "auto")
    index.add(np.arange(100), clustered(100, 8))
    assert index.exact
    index.add([100], clustered(1, 8))
    assert not index.exact


@pytest.mark.parametrize("metric", METRICS)
def test_vectors_are_checked(metric):
    index = DenseIndex(3, metric)
    with pytest.raises(ValueError, match=r"vectors of 3 dimensions .* not shape \(1, 2\)"):
        index.add([0], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="number 1 has NaN"):
        index.add([0, 1], [[1.0, 2.0, 3.0], [1.0, np.nan, 3.0]])
    with pytest.raises(ValueError, match="NaN or infinity"):
        index.search([np.inf, 0.0, 0.0], 3)
    with pytest.raises(ValueError, match="length up to 1e"):
        index.add([0], [[1e30, 0.0, 0.0]])
    with pytest.raises(ValueError, match="one query vector"):
        index.search([[1.0, 2.0, 3.0]], 3)
    assert len(index) == 0


def test_zero_vectors_have_no_direction():
    index = DenseIndex(2, "cosine")
    with pytest.raises(ValueError, match="number 0 is zero"):
        index.add([0], [[0.0, 0.0]])
    index.add([0], [[1.0, 0.0]])
    assert len(index.search([0.0, 0.0], 5)) == 0


def test_a_row_without_a_vector_has_no_similarity():
    for metric in ("cosine", "ip"):
        index = DenseIndex(2, metric)
        index.add([0], [[1.0, 0.0]])
        assert index.score([1.0, 0.0], np.array([5, 0])).tolist() == [0.0, 1.0]
    index = DenseIndex(2, "l2")
    index.add([0], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="row 5 has no vector"):
        index.score([1.0, 0.0], np.array([5, 0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "dimension of at least 1"), ((2, "dot"), "a metric of"), ((2, "ip", "tree"), "kind")],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DenseIndex(*arguments)
