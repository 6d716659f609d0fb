"""The inverted file: what goes wrong at its edges, and what it costs."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp

from indexes import BM25Index, LexicalIndex, lookups
from indexes.lists import RANGE
from indexes.postings import Postings
from indexes.selection import room
from indexes.view import _memory
from indexes.vocabulary import Vocabulary

NOTHING = np.zeros(2, np.int64), np.empty(0, np.uint32)  # one row without terms


def postings_of(*lists):
    postings = Postings()
    for row, terms in enumerate(lists):
        postings.add([row], np.array([0, len(terms)]), np.array(terms, np.uint32))
    return postings


def test_rows_without_terms_do_not_stay_in_segments_of_their_own():
    postings = postings_of([1, 2, 3])
    for row in range(1, 30):
        postings.add([row], *NOTHING)
        postings.settle()
    assert len(postings.segments) <= 2
    assert len(postings) == 30
    assert postings.average_length == 0.1


def test_rows_that_a_search_cannot_number_are_refused():
    postings = postings_of([1])
    with pytest.raises(ValueError, match=r"expected rows below 4294967296, not 4294967296"):
        postings.add([1 << 32], *NOTHING)
    assert len(postings) == 1
    assert len(postings.live) == 1


def test_a_failure_while_settling_leaves_the_counts(monkeypatch):
    postings = postings_of([1, 2], [1])
    assert postings.average_length == 1.5
    postings.delete([0])
    postings.add([2], *NOTHING)
    with monkeypatch.context() as patch:
        patch.setattr("indexes.postings._joined", lambda batches: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            postings.settle()
    assert postings.average_length == 0.5
    assert postings.dfs.tolist() == [0, 1, 0]


def test_the_version_rises_before_it_is_seen_that_nothing_waits():
    """Another thread that sees that nothing waits must not take its old view for the present."""
    seen = []

    class Watched(Postings):
        def __setattr__(self, name, value):
            if name == "_waiting" and not value:
                seen.append(getattr(self, "version", None))
            super().__setattr__(name, value)

    postings = Watched()
    postings.add([0], *NOTHING)
    postings.settle()
    assert seen[-1] == postings.version == 1


def test_a_lookup_while_terms_are_saved_finds_them(tmp_path, monkeypatch):
    """Parts that are being merged must be found by another thread."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    terms = Vocabulary()
    terms.numbers(["cat"])
    terms.save(tmp_path / "one")
    opened = Vocabulary.load(tmp_path / "one")
    opened.numbers(["dog"])
    merged, found = Vocabulary.load(tmp_path / "one")._parts[0].__class__.merged, []

    def slow(self, other):
        reader = threading.Thread(target=lambda: found.append(opened.number("cat")))
        reader.start()
        reader.join()
        return merged(self, other)

    monkeypatch.setattr("indexes.vocabulary._Part.merged", slow)
    opened.save(tmp_path / "two")
    assert found == [0]


def test_weights_are_copied():
    matrix = sp.csr_matrix(np.array([[0.5, 1.0]], np.float32))
    index = LexicalIndex()
    index.add([0], matrix)
    matrix.data[:] = 9
    assert index.score(([0], [1.0]), [0]).tolist() == [0.5]


def messy(values, make=sp.csr_array):
    """Return a table as CSR with unsorted columns, explicit zeros and every value in two parts."""
    rows, terms = values.shape
    indices = np.tile(np.arange(terms)[::-1], 2 * rows)
    data = np.concatenate([np.stack([row[::-1] - 0.5, [0.5] * terms]).ravel() for row in values])
    data[np.repeat(values[:, ::-1], 2, axis=0).ravel() == 0] = 0
    return make((data, indices, np.arange(rows + 1) * 2 * terms), shape=values.shape)


@pytest.mark.parametrize("make", [sp.csr_array, sp.csr_matrix])
def test_unsorted_repeated_and_zero_entries(make):
    values = np.random.default_rng(1).integers(0, 3, (50, 7)).astype(np.float32)
    plain, other = LexicalIndex(), LexicalIndex()
    plain.add(range(50), sp.csr_matrix(values))
    other.add(range(50), messy(values, make))
    counts, doubled = BM25Index(), BM25Index()
    counts.add(range(50), sp.csr_matrix(2 * values))
    doubled.add(range(50), messy(values, make) * 2)
    query = [4, 0, 6]
    for a, b, q in ((plain, other, (query, [1.0, 0.5, 0.25])), (counts, doubled, query)):
        every = np.arange(50)
        assert a.score(q, every).tobytes() == b.score(q, every).tobytes()
        assert a.search(q, 9).rows.tolist() == b.search(q, 9).rows.tolist()
        assert a.statistics(q) == b.statistics(q)


def test_a_query_matrix_has_one_row_in_any_format():
    index = LexicalIndex()
    index.add([0, 1], sp.csr_matrix([[0, 0.5], [0.25, 0]]))
    for make in (sp.csr_matrix, sp.csc_matrix, sp.csr_array, sp.coo_array):
        assert index.search(make([[0, 2.0]]), 5).rows.tolist() == [0]
    with pytest.raises(ValueError, match=r"a query of one row, not shape \(2, 2\)"):
        index.search(sp.csr_matrix([[0, 2.0], [1.0, 0]]), 5)


def test_rows_without_terms_fit_terms_of_either_kind():
    numbers, strings = BM25Index(), BM25Index()
    for index, terms in ((numbers, [[1, 2]]), (strings, [["cat"]])):
        index.add([0], [[]])
        index.add([1], terms)
        index.add([2], [[]])
        index.add([], [])
        assert index.search(terms[0], 5).rows.tolist() == [1]
        assert len(index) == 3


def test_counts_of_a_row_that_are_too_many_are_refused():
    half = 1 << 31
    index = BM25Index()
    with pytest.raises(ValueError, match="less than 4294967296 in each row"):
        index.add([0, 1], sp.csr_matrix(np.array([[1, 1], [half, half]])))
    index.add([0, 1], sp.csr_matrix(np.array([[half, 1], [half, half - 1]])))
    assert index._postings.average_length == (2 * half + half) / 2


def test_nan_is_no_count():
    with pytest.raises(ValueError, match="whole numbers >= 0"):
        BM25Index().add([0], sp.csr_matrix([[np.nan, 1.0]]))


def test_what_is_no_term_does_not_stand_for_the_mean_idf():
    index = BM25Index("okapi")
    index.add(range(3), [["a"], ["a"], ["a", "b"]])
    before = index.score(["a"], [0, 1, 2]).tolist()
    for first, second in ((["a"], [None]), ([None], ["a"])):
        index._state = None
        index.search(first, 3)
        index.search(second, 3)
        assert index.score(["a"], [0, 1, 2]).tolist() == before


def test_a_row_at_the_end_of_a_range_of_full_lists():
    """A rank just below 65,536, and a list as long as a range."""
    index = BM25Index()
    ids = np.zeros(RANGE, np.uint32)
    index._postings.add(np.arange(RANGE), np.arange(RANGE + 1), ids)
    index._numbered = True
    index.add([RANGE], [[1]])
    assert index.score([0], [0, RANGE - 1, RANGE]).tolist()[2] == 0
    assert index.score([0], [RANGE - 1])[0] == index.score([0], [0])[0] > 0
    assert len(index.search([0], 2 * RANGE)) == RANGE
    index.delete([RANGE - 1])
    assert index.search([0], RANGE).rows.tolist() == list(range(RANGE - 1))


def test_a_term_is_known_to_other_threads_when_its_lists_are(monkeypatch):
    index = BM25Index()
    index.add([0, 1], [["cat"], ["dog"]])
    view, locate, known = index._view(), lookups.locate, []

    def watched(*arguments):
        known.extend(view._slots)
        locate(*arguments)

    monkeypatch.setattr(lookups, "locate", watched)
    assert index.search(["cat"], 5).rows.tolist() == [0]
    assert known == []


def test_a_view_stays_what_it_was():
    """A search that is under way while rows go and come sees one state."""
    index = LexicalIndex()
    index.add([0, 1], sp.csr_matrix([[0.5, 0], [0.25, 1]]))
    view = index._view()
    asked = index._asked(view, ([0], [1.0]))
    for change in (lambda: index.delete([0]), lambda: index.add([0], sp.csr_matrix([[4.0, 0]]))):
        change()
        index.search(([0], [1.0]), 5)
        assert view.search(asked, 5, None).scores.tolist() == [0.5, 0.25]


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr("indexes.postings._ENOUGH", 5)
    postings = postings_of([1, 2], [1, 2, 3])
    assert len(postings._waiting) == 2
    postings.add([2], np.array([0, 1]), np.array([1], np.uint32))
    assert not postings._waiting
    postings.add([3], np.array([0, 1]), np.array([1], np.uint32))
    assert len(postings._waiting) == 1
    assert postings.dfs.tolist() == [0, 4, 2, 1]


def test_a_view_that_remembers_too_much_is_made_anew(monkeypatch):
    monkeypatch.setattr("indexes.view.MOST_TERMS", 3)
    bm25, lexical = BM25Index(), LexicalIndex()
    bm25.add([0], [[f"w{n}" for n in range(9)]])
    lexical.add([0], sp.csr_matrix(np.ones((1, 9))))
    queries = [
        (bm25, [["w1", "w2"], ["w3", "w4"]]),
        (bm25, [["a", "b"], ["c", "d"]]),  # not known, and remembered as such
        (lexical, [([1, 2], [1.0, 1.0]), ([3, 4], [1.0, 1.0])]),
    ]
    for index, (few, more) in queries:
        index._state = None
        index.search(few, 5)
        view = index._view()
        index.search(more, 5)
        assert index._view() is not view


def test_terms_and_counts_may_wait_together():
    index, other = BM25Index(), BM25Index()
    index.add([3, 1], [[1, 2, 2], [2]])
    index.add([0, 2], sp.csr_matrix([[0, 4, 0], [0, 0, 3]]))
    other.add(range(4), [[1] * 4, [2], [2] * 3, [1, 2, 2]])
    for query in ([1], [2], [1, 2]):
        every = np.arange(4)
        assert index.score(query, every).tobytes() == other.score(query, every).tobytes()


@pytest.mark.parametrize("scale", [2.0**-50, 2.0**50])
def test_statistics_do_not_depend_on_the_size_of_the_weights(scale):
    values = np.random.default_rng(3).random((200, 2)).astype(np.float32)
    one, other = LexicalIndex(), LexicalIndex()
    one.add(range(200), sp.csr_matrix(values))
    other.add(range(200), sp.csr_matrix(values * np.float32(scale)))
    a, b = (index.statistics(([1], [1.0])) for index in (one, other))
    assert (b.mean, b.std, b.ceiling) == (a.mean * scale, a.std * scale, a.ceiling * scale)


def test_room_for_candidates_grows_with_the_depth():
    assert all(len(_memory(depth)[1]) >= room(depth) + RANGE for depth in (5, 100_000, 5))
