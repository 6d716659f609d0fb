"""What every index promises, whatever it holds."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from indexes import BM25Index, DenseIndex, LexicalIndex
from tests import oracles, strategies


class BM25Case:
    make = BM25Index
    items = staticmethod(lambda count: st.lists(strategies.tokens, min_size=count, max_size=count))
    query = strategies.queries

    @staticmethod
    def pick(items, places):
        return [items[place] for place in places]

    @staticmethod
    def scores(rows, items, query):
        return oracles.bm25(rows, items, query)


class LexicalCase:
    make = LexicalIndex
    items = staticmethod(strategies.weights)
    query = st.dictionaries(st.integers(0, 7), st.sampled_from([0.5, 1.0, 2.0]), max_size=4).map(
        lambda found: (list(found), list(found.values()))
    )

    @staticmethod
    def pick(items, places):
        return items[list(places)]

    @staticmethod
    def scores(rows, items, query):
        return oracles.sparse_dot(rows, items, *query)


def dense_case(metric_name, kind_name, storage="float32"):
    class DenseCase:
        metric = metric_name
        items = staticmethod(strategies.vectors)
        query = strategies.vectors(1).map(lambda drawn: drawn[0])

        @staticmethod
        def make():
            return DenseIndex(3, metric_name, kind_name, storage)

        @staticmethod
        def pick(items, places):
            return items[list(places)]

        @staticmethod
        def scores(rows, items, query):
            return oracles.dense(rows, items, query, metric_name)

    return DenseCase


CASES = {
    "bm25": BM25Case,
    "lexical": LexicalCase,
    "dense-cosine": dense_case("cosine", "flat"),
    "dense-ip": dense_case("ip", "flat"),
    "dense-l2": dense_case("l2", "flat"),
    # the collections here are shorter than the list of HNSW, so it finds everything
    "dense-hnsw": dense_case("l2", "hnsw"),
    # small whole numbers are what float16 holds exactly
    "dense-float16": dense_case("ip", "auto", "float16"),
}


@pytest.fixture(params=CASES, scope="module")
def case(request):
    return CASES[request.param]


def built(case, rows, items):
    index = case.make()
    index.add(rows, items)
    return index


def drawn_index(data, case):
    rows = data.draw(st.integers(0, 20).flatmap(strategies.rows_of))
    items = data.draw(case.items(len(rows)))
    return rows, items, built(case, rows, items)


def pairs(candidates):
    return list(zip(candidates.rows.tolist(), candidates.scores.tolist(), strict=True))


def assert_same(found, expected):
    """Rows and order are those of the oracle, up to float32 rounding of almost equal scores."""
    assert len(found) == len(expected)
    for (row, score), (_, other) in zip(found, expected, strict=True):
        assert score == pytest.approx(float(other), rel=1e-5, abs=1e-6)
        assert dict(expected)[row] == pytest.approx(score, rel=1e-5, abs=1e-6)


@given(data=st.data())
def test_finds_what_the_oracle_finds(case, data):
    rows, items, index = drawn_index(data, case)
    query, allowed = data.draw(case.query), data.draw(strategies.masks())
    expected = case.scores(rows, items, query) if rows else {}
    if allowed is not None:
        expected = {r: s for r, s in expected.items() if r < len(allowed) and allowed[r]}
    found = index.search(query, 50, allowed)
    assert_same(pairs(found), oracles.ranked(expected))


@given(data=st.data())
def test_order_is_score_then_row(case, data):
    _, _, index = drawn_index(data, case)
    found = pairs(index.search(data.draw(case.query), 50))
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))


@given(data=st.data())
def test_a_shorter_answer_is_a_prefix(case, data):
    _, _, index = drawn_index(data, case)
    query, depth = data.draw(case.query), data.draw(st.integers(1, 20))
    allowed = data.draw(strategies.masks())
    longer = index.search(query, 50, allowed)
    assert pairs(index.search(query, depth, allowed)) == pairs(longer)[:depth]


@given(data=st.data())
def test_score_has_the_bits_of_search(case, data):
    _, _, index = drawn_index(data, case)
    query = data.draw(case.query)
    found = index.search(query, 50)
    shuffled = np.array(data.draw(st.permutations(found.rows.tolist())), np.int64)
    known = dict(pairs(found))
    assert index.score(query, shuffled).tolist() == [known[row] for row in shuffled.tolist()]


@given(data=st.data())
def test_ranks_are_places_on_the_complete_list(case, data):
    rows, _, index = drawn_index(data, case)
    query, allowed = data.draw(case.query), data.draw(strategies.masks())
    if rows and data.draw(st.booleans()):
        index.delete([data.draw(st.sampled_from(rows))])
    found = index.search(query, 50, allowed).rows.tolist()
    asked = data.draw(st.lists(st.integers(0, 45), max_size=30))
    expected = [found.index(row) + 1 if row in found else 0 for row in asked]
    assert index.ranks(query, asked, allowed).tolist() == expected


@given(data=st.data())
def test_any_history_equals_a_fresh_build(case, data):
    """Adds and deletes in any order, searched in between: bit for bit as built at once."""
    rows, items, _ = drawn_index(data, case)
    query = data.draw(case.query)
    index = case.make()
    live = []
    for place, row in enumerate(rows):
        index.add([row], case.pick(items, [place]))
        live.append(place)
        if data.draw(st.integers(0, 3)) == 0:
            gone = data.draw(st.sampled_from(live))
            index.delete([rows[gone]])
            live.remove(gone)
            if data.draw(st.booleans()):
                index.search(query, 5)
            if data.draw(st.booleans()):
                index.add([rows[gone]], case.pick(items, [gone]))
                live.append(gone)
    fresh = built(case, [rows[place] for place in live], case.pick(items, live)) if live else None
    found = index.search(query, 50)
    assert len(index) == len(live)
    assert pairs(found) == (pairs(fresh.search(query, 50)) if fresh else [])


@given(data=st.data())
def test_statistics_are_those_of_all_scores(case, data):
    rows, items, index = drawn_index(data, case)
    query = data.draw(case.query)
    if not rows:
        return
    spread = index.statistics(query)
    scores = case.scores(rows, items, query)
    every = np.array([float(scores.get(row, 0.0)) for row in rows])
    assert spread.mean == pytest.approx(every.mean(), abs=1e-5)
    assert (every >= spread.floor - 1e-6).all()
    if case.__name__ == "DenseCase":
        assert spread.std == pytest.approx(every.std(), abs=1e-3)


@given(data=st.data())
def test_saved_and_opened_it_answers_the_same(case, data, tmp_path_factory):
    _, _, index = drawn_index(data, case)
    query = data.draw(case.query)
    folder = tmp_path_factory.mktemp("index")
    index.save(folder)
    opened = type(index).load(folder)
    assert pairs(opened.search(query, 50)) == pairs(index.search(query, 50))
    assert opened.statistics(query) == index.statistics(query)
    assert len(opened) == len(index)


@given(data=st.data())
def test_an_opened_index_can_be_changed(case, data, tmp_path_factory):
    rows, items, index = drawn_index(data, case)
    if not rows:
        return
    query = data.draw(case.query)
    folder = tmp_path_factory.mktemp("index")
    index.save(folder)
    opened = type(index).load(folder)
    for changed in (index, opened):
        changed.delete([rows[0]])
        changed.add([50], case.pick(items, [0]))
    assert pairs(opened.search(query, 50)) == pairs(index.search(query, 50))


@given(data=st.data())
def test_many_queries_at_once(case, data):
    _, _, index = drawn_index(data, case)
    queries = data.draw(st.lists(case.query, max_size=4))
    together = index.search_many(queries, 7)
    assert [pairs(c) for c in together] == [pairs(index.search(query, 7)) for query in queries]


def one_item(case):
    return {
        "BM25Case": [["w0", "w1"]],
        "LexicalCase": sp.csr_matrix(np.array([[0.5, 1.0]], np.float32)),
    }.get(case.__name__, [[1.0, 2.0, 0.0]])


def one_query(case):
    return {"BM25Case": ["w0"], "LexicalCase": ([0], [1.0])}.get(case.__name__, [1.0, 0.0, 0.0])


def test_an_empty_index_finds_nothing(case):
    index = case.make()
    assert len(index.search(one_query(case), 10)) == 0
    assert len(index) == 0


def test_a_row_cannot_be_added_twice(case):
    index = built(case, [3], one_item(case))
    with pytest.raises(ValueError, match="row 3 is there already"):
        index.add([3], one_item(case))


def test_rows_and_items_must_agree(case):
    with pytest.raises(ValueError, match="2 rows for 1 items"):
        case.make().add([1, 2], one_item(case))


def test_negative_rows_are_refused(case):
    with pytest.raises(ValueError, match="expected rows >= 0, not -1"):
        case.make().add([-1], one_item(case))


def test_depth_below_one_is_refused(case):
    with pytest.raises(ValueError, match="depth of at least 1, not 0"):
        built(case, [0], one_item(case)).search(one_query(case), 0)


def test_deleting_what_is_not_there_changes_nothing(case):
    index = built(case, [3], one_item(case))
    index.delete([2, 99])
    assert index.search(one_query(case), 5).rows.tolist() == [3]


def test_a_mask_shorter_than_the_index_allows_nothing_beyond_its_end(case):
    index = built(case, [3], one_item(case))
    assert len(index.search(one_query(case), 5, np.ones(3, bool))) == 0
    assert len(index.search(one_query(case), 5, np.ones(4, bool))) == 1


def test_a_depth_beyond_everything_finds_everything(case):
    index = built(case, [3], one_item(case))
    assert index.search(one_query(case), sys.maxsize).rows.tolist() == [3]


def test_a_row_that_is_deleted_twice_counts_once(case):
    index = built(case, [3], one_item(case))
    index.delete([3, 3])
    assert len(index) == 0
