"""BM25's own promises."""

import numpy as np
import pytest
import scipy.sparse as sp

from indexes import BM25Index
from indexes.formulas import Formula
from indexes.lists import RANGE
from indexes.terms import TermBatch


def test_score_by_hand():
    index = BM25Index(k1=1.2, b=0.75)
    index.add([0, 1], [["cat", "cat", "purr"], ["dog"]])
    idf = np.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    norm = 1.2 * (1 - 0.75 + 0.75 * 3 / 2)
    assert index.search(["cat"], 5).scores[0] == pytest.approx(idf * 2 / (2 + norm), rel=1e-6)


def test_repeated_query_terms_count():
    index = BM25Index()
    index.add([0], [["cat"]])
    once, twice = (index.search(query, 1).scores[0] for query in (["cat"], ["cat", "cat"]))
    assert twice == pytest.approx(2 * once)


def test_the_spread_of_one_term_is_exact():
    index = BM25Index()
    index.add(range(6), [["cat"] * n + ["dog"] for n in range(6)])
    scores = index.score(["cat"], np.arange(6)).astype(float)
    spread = index.statistics(["cat"])
    assert (spread.mean, spread.std) == pytest.approx((scores.mean(), scores.std()), rel=1e-6)


def test_the_variances_of_several_terms_add_up():
    index = BM25Index()
    index.add(range(6), [["cat"] * (n % 2) + ["dog"] * (n % 3) + ["x"] for n in range(6)])
    cat, dog, both = (index.statistics(query) for query in (["cat"], ["dog"], ["cat", "dog"]))
    assert both.mean == pytest.approx(cat.mean + dog.mean)
    assert both.std**2 == pytest.approx(cat.std**2 + dog.std**2)


def test_a_text_instead_of_terms_is_refused():
    index = BM25Index()
    with pytest.raises(TypeError, match="expected a list of terms for each row"):
        index.add([0], ["cats purr"])
    with pytest.raises(TypeError, match="expected a list of terms"):
        index.search("cats purr", 3)


def test_repeats_the_settings_after_loading(tmp_path):
    index = BM25Index(k1=0.9, b=0.4)
    index.add([0], [["猫"]])
    index.save(tmp_path)
    opened = BM25Index.load(tmp_path)
    assert opened.formula == Formula("lucene", k1=0.9, b=0.4)
    assert opened.search(["猫"], 1).rows.tolist() == [0]


LISTS = [["cat", "cat", "purr"], [], ["dog"], ["cat", "dog", "dog"]]


def answers(index, query):
    found = index.search(query, 9)
    return found.rows.tolist(), found.scores.tolist()


def test_terms_may_come_as_lists_batches_arrays_or_a_matrix():
    numbers = {"cat": 0, "purr": 1, "dog": 2}
    by_lists, by_batch, by_arrays, by_matrix = (BM25Index() for _ in range(4))
    by_lists.add(range(4), LISTS)
    by_batch.add(range(4), TermBatch.of(LISTS))
    by_arrays.add(range(4), [[numbers[t] for t in tokens] for tokens in LISTS])
    by_matrix.add(range(4), sp.csr_matrix([[2, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 2]]))
    for query in (["cat"], ["dog", "purr"], ["dog", "dog", "cat"]):
        expected = answers(by_lists, query)
        assert expected[0]
        assert answers(by_batch, query) == expected
        assert answers(by_arrays, [numbers[term] for term in query]) == expected
        assert answers(by_matrix, [numbers[term] for term in query]) == expected


def test_one_count_may_come_alone():
    index = BM25Index()
    index.add([0, 1], sp.csr_matrix([[0, 0], [0, 3]]))
    assert index.search([1], 5).rows.tolist() == [1]
    assert index._postings.average_length == 1.5


def test_integers_and_strings_do_not_mix():
    index = BM25Index()
    index.add([0], [["cat"]])
    with pytest.raises(TypeError, match="expected terms as strings"):
        index.add([1], [np.array([1, 2])])
    index = BM25Index()
    index.add([0], [np.array([1, 2])])
    with pytest.raises(TypeError, match="expected terms as integers"):
        index.add([1], [["cat"]])
    with pytest.raises(TypeError, match="integer"):
        index.search(["cat"], 3)


@pytest.mark.parametrize(
    ("terms", "error", "message"),
    [
        (sp.csr_matrix([[0.5, 1.0]]), ValueError, "whole numbers >= 0"),
        (sp.csr_matrix([[-1, 1]]), ValueError, "whole numbers >= 0"),
        ([np.array([-3])], ValueError, "terms from 0"),
        ([np.array([[1], [2]])], TypeError, "flat array of integers"),
        ([np.array([0.5])], TypeError, "flat array of integers"),
    ],
)
def test_wrong_terms_are_refused_and_leave_nothing(terms, error, message):
    index = BM25Index()
    with pytest.raises(error, match=message):
        index.add([0], terms)
    assert len(index) == 0
    index.add([0], [["cat"]])
    assert index.search(["cat"], 3).rows.tolist() == [0]


def test_a_refused_batch_teaches_no_terms():
    index = BM25Index()
    index.add([0], [["cat"]])
    with pytest.raises(ValueError, match="there already"):
        index.add([0], [["dog"]])
    assert len(index._vocabulary) == 1


def test_negative_and_unknown_numbers_find_nothing():
    index = BM25Index()
    index.add([0], [np.array([1, 2])])
    assert len(index.search([-1, 7], 3)) == 0


def test_parts_add_up_to_the_score():
    index = BM25Index()
    index.add(range(4), LISTS)
    query = ["dog", "cat", "dog", "nothing"]
    parts = index.parts(query, [3, 2])
    assert list(parts) == ["dog", "cat", "nothing"]
    assert sum(parts.values()) == pytest.approx(index.score(query, [3, 2]))
    assert parts["cat"].tolist()[1] == 0


def test_equally_frequent_terms_count_in_the_order_of_the_query():
    """The order of a float32 sum is fixed by the query alone."""
    index = BM25Index()
    index.add(range(3), [["a", "b", "c"], ["b", "a"], ["c"]])
    one, other = (index.score(query, [0, 1, 2]) for query in (["a", "b", "c"], ["c", "a", "b"]))
    assert one == pytest.approx(other)


def test_long_rows_need_wide_codes(monkeypatch):
    """More pairs of frequency and length than two bytes can number."""
    monkeypatch.setattr("indexes.inverting.MOST_CODES", 4)
    generator = np.random.default_rng(3)
    lists = [[f"w{n}" for n in generator.integers(0, 9, size)] for size in range(1, 40)]
    wide = BM25Index()
    wide.add(range(39), lists)
    assert wide._postings.segments[0].payload.dtype == np.uint32
    monkeypatch.undo()
    wide.add(range(RANGE, RANGE + 39), lists)  # a segment with narrow codes beside it
    narrow = BM25Index()
    narrow.add(range(39), lists)
    narrow.add(range(RANGE, RANGE + 39), lists)
    assert {s.payload.dtype for s in wide._postings.segments} == {np.dtype("u2"), np.dtype("u4")}
    assert answers(wide, ["w1", "w2"]) == answers(narrow, ["w1", "w2"])


def test_a_term_that_is_neither_is_refused():
    with pytest.raises(TypeError, match="expected terms as strings, not 5"):
        BM25Index().add([0], [["cat", 5]])


def test_more_rows_with_equal_scores_than_there_is_room_for():
    index = BM25Index()
    index.add(range(140_000), [["same"]] * 140_000)
    assert index.search(["same"], depth=10).rows.tolist() == list(range(10))
    assert index.search_many([["same"]] * 3, depth=200)[2].rows.tolist() == list(range(200))
