"""The inverted file at sizes where all of its paths are taken, bit for bit."""

import numpy as np
import pytest
import scipy.sparse as sp

from indexes import BM25Index, LexicalIndex
from indexes.lists import RANGE
from tests import oracles

TERMS = 40
SHARES = np.geomspace(0.6, 0.0005, TERMS)  # of the rows that hold each term: long lists and short
QUERIES = [
    *([3], [39, 38], [20, 25, 30, 35], [30, 30, 12]),
    *([0], [0, 1, 2], [39, 0], [38, 30, 1, 0], [25, 2, 0, 36]),
    list(range(TERMS)),
]
DEPTHS = (1, 10, 300, 100_000)


def table(rows, seed):
    """Return a dense table of term frequencies with many ties."""
    generator = np.random.default_rng(seed)
    held = generator.random((rows, TERMS)) < SHARES
    return held * generator.geometric(0.6, (rows, TERMS))


def weights_of(counts, seed):
    """Return a dense table of weights where there are counts; some lie very close together."""
    generator = np.random.default_rng(seed)
    steps = (
        generator.integers(1, 200, counts.shape) / 64
        + generator.integers(0, 3, counts.shape) * 2**-22
    )
    return np.where(counts > 0, steps, 0).astype(np.float32)


class BM25:
    make = BM25Index

    def __init__(self, rows, seed):
        self.values = table(rows, seed)

    @staticmethod
    def items(values):
        return sp.csr_matrix(values)

    @staticmethod
    def scores(values, query):
        return oracles.bm25_of_counts(values, query)

    @staticmethod
    def query(terms):
        return terms


class Lexical:
    make = LexicalIndex

    def __init__(self, rows, seed):
        self.values = weights_of(table(rows, seed), seed)

    @staticmethod
    def items(values):
        return sp.csr_matrix(values)

    @staticmethod
    def scores(values, query):
        dfs = (values > 0).sum(axis=0)
        order = sorted(set(query), key=lambda term: (dfs[term], term))
        weights = [0.5 + query.count(term) / 3 for term in order]
        return oracles.weighted_sum(values, order, weights)

    @staticmethod
    def query(terms):
        distinct = sorted(set(terms), reverse=True)
        return distinct, [0.5 + terms.count(term) / 3 for term in distinct]


@pytest.fixture(params=[BM25, Lexical], scope="module")
def kind(request):
    return request.param


def spread_rows(count, ranges, seed):
    """Return distinct rows over several ranges, with gaps, in random order."""
    return np.random.default_rng(seed).choice(ranges * RANGE, count, replace=False)


def assert_equal(found, rows, scores, depth):
    expected = oracles.best_rows(rows, scores, depth)
    assert found.rows.tolist() == expected[0].tolist()
    assert found.scores.tobytes() == expected[1].tobytes()


def assert_all_equal(index, kind, rows, values, depths=DEPTHS, allowed=None):
    keep = np.ones(len(rows), bool) if allowed is None else allowed[rows]
    for query in QUERIES:
        scores = kind.scores(values, query)
        for depth in depths:
            found = index.search(kind.query(query), depth, allowed)
            assert_equal(found, rows[keep], scores[keep], depth)


@pytest.mark.parametrize(("count", "ranges"), [(30_000, 1), (12_000, 3), (300, 2)])
def test_equal_to_the_oracle(kind, count, ranges):
    case = kind(count, 1)
    rows = spread_rows(count, ranges, 2)
    index = kind.make()
    index.add(rows, kind.items(case.values))
    assert_all_equal(index, kind, rows, case.values)


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_filters_equal_the_oracle(kind, share):
    case = kind(20_000, 3)
    rows = spread_rows(20_000, 2, 4)
    index = kind.make()
    index.add(rows, kind.items(case.values))
    allowed = np.random.default_rng(5).random(2 * RANGE) < share
    assert_all_equal(index, kind, rows, case.values, (1, 10, 1000), allowed)


def changed(kind, seed):
    """Return an index after a history, and the rows and values that it must hold."""
    generator = np.random.default_rng(seed)
    count = 15_000
    rows, values = spread_rows(count, 2, seed), kind(count, seed).values
    index = kind.make()
    for part in np.array_split(np.arange(count), 12):
        index.add(rows[part], kind.items(values[part]))
        if generator.random() < 0.7:
            index.search(kind.query([3, 20]), 5)
    gone = generator.choice(count, count // 3, replace=False)
    back, away = np.array_split(gone, 2)
    index.delete(rows[gone])
    values[back] = kind(len(back), seed + 1).values
    index.add(rows[back], kind.items(values[back]))  # other values for rows that were there before
    left = np.setdiff1d(np.arange(count), away)
    return index, rows[left], values[left]


def test_after_a_history_equal_to_the_oracle(kind):
    index, rows, values = changed(kind, 6)
    assert len(index) == len(rows)
    assert_all_equal(index, kind, rows, values)


def test_statistics_and_scores_after_a_history_are_those_of_a_fresh_index(kind, tmp_path):
    index, rows, values = changed(kind, 7)
    fresh = kind.make()
    fresh.add(rows, kind.items(values))
    index.save(tmp_path)
    every = np.arange(2 * RANGE + 5)
    for other in (fresh, kind.make.load(tmp_path)):
        for query in map(kind.query, QUERIES):
            assert index.statistics(query) == other.statistics(query)
            assert index.score(query, every).tobytes() == other.score(query, every).tobytes()


def test_score_has_the_bits_of_the_oracle(kind):
    case = kind(20_000, 8)
    rows = spread_rows(20_000, 2, 9)
    index = kind.make()
    index.add(rows, kind.items(case.values))
    for query in QUERIES:
        assert (
            index.score(kind.query(query), rows).tobytes()
            == kind.scores(case.values, query).tobytes()
        )


def test_statistics_are_close_to_all_scores(kind):
    case = kind(20_000, 10)
    index = kind.make()
    index.add(np.arange(20_000), kind.items(case.values))
    for query in QUERIES:
        scores = kind.scores(case.values, query).astype(float)
        spread = index.statistics(kind.query(query))
        assert spread.mean == pytest.approx(scores.mean(), rel=1e-5)
        if len(set(query)) == 1:  # several terms are taken as independent
            assert spread.std == pytest.approx(scores.std(), rel=1e-4)
        assert spread.floor == 0
        assert scores.max() <= spread.ceiling * (1 + 1e-6)


def test_a_row_is_in_few_segments_after_many_small_changes(kind):
    index = kind.make()
    values = kind(600, 11).values
    for row in range(600):
        index.add([row], kind.items(values[[row]]))
        if row % 3 == 0:
            index.search(kind.query([0]), 1)
    assert len(index._postings.segments) <= 10
    assert_all_equal(index, kind, np.arange(600), values)


def test_mostly_deleted_segments_are_written_anew(kind):
    index = kind.make()
    values = kind(5000, 12).values
    index.add(np.arange(5000), kind.items(values))
    index.search(kind.query([0]), 1)
    before = len(index._postings.segments[0].rows)
    index.delete(np.arange(4000))
    assert len(index._postings.segments[0].rows) < before / 3
    assert_all_equal(index, kind, np.arange(4000, 5000), values[4000:])
    index.delete(np.arange(5000))
    assert index._postings.segments == []


def test_threads_find_the_same(kind):
    case = kind(20_000, 13)
    index = kind.make()
    index.add(np.arange(20_000), kind.items(case.values))
    queries = [kind.query(query) for query in QUERIES] * 5
    alone = index.search_many(queries, 50, threads=1)
    for threads in (2, 5, None):
        together = index.search_many(queries, 50, threads=threads)
        assert [c.rows.tobytes() for c in together] == [c.rows.tobytes() for c in alone]
        assert [c.scores.tobytes() for c in together] == [c.scores.tobytes() for c in alone]
    with pytest.raises(ValueError, match="at least 1 thread"):
        index.search_many(queries, 5, threads=0)


def test_saving_again_links_what_has_not_changed(kind, tmp_path):
    index = kind.make()
    values = kind(300, 14).values
    index.add(np.arange(200), kind.items(values[:200]))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    index.save(tmp_path / "one")
    index.add(np.arange(200, 210), kind.items(values[200:210]))
    index.save(tmp_path / "two")
    one, two = ({f.stat().st_ino for f in (tmp_path / n).rglob("*.npy")} for n in ("one", "two"))
    assert len(one & two) >= 10
    opened = kind.make.load(tmp_path / "two")
    assert_all_equal(opened, kind, np.arange(210), values[:210])
    (tmp_path / "three").mkdir()
    opened.save(tmp_path / "three")
    segments = [f for f in (tmp_path / "three").rglob("*.npy") if "segment" in f.parent.name]
    assert {f.stat().st_ino for f in segments} <= two
    assert_all_equal(kind.make.load(tmp_path / "one"), kind, np.arange(200), values[:200])


def test_saving_after_the_first_folder_was_removed(kind, tmp_path):
    index = kind.make()
    values = kind(50, 15).values
    index.add(np.arange(50), kind.items(values))
    (tmp_path / "one").mkdir()
    index.save(tmp_path / "one")
    opened = kind.make.load(tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "moved")
    (tmp_path / "two").mkdir()
    opened.save(tmp_path / "two")
    assert_all_equal(kind.make.load(tmp_path / "two"), kind, np.arange(50), values)


def test_many_rows_with_one_score():
    """More ties at the cut than a batch of queries has room for."""
    index = BM25Index()
    index.add(np.arange(3000), [["same", "words"]] * 3000)
    together = index.search_many([["same"], ["words", "same"], ["unknown"]], 5, threads=1)
    assert [found.rows.tolist() for found in together] == [list(range(5))] * 2 + [[]]
    assert index.search(["same"], 7).rows.tolist() == list(range(7))


def test_rows_that_just_reach_the_first_bar_are_found_where_all_sums_are_swept():
    """The bar that the rare term sets is the score of every row that should be found."""
    index = BM25Index()
    index.add(np.arange(25_600), [["a"]] * 5_600 + [["a", "b"]] * 1_000 + [["b"]] * 19_000)
    found = index.search(["a", "b"], 5)
    assert found.rows.tolist() == list(range(5))
    assert index.search(["a", "b"], 5_601).rows[-1] == 5_600
