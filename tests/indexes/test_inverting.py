"""The compiled passes against plain loops, and the limits of their types."""

import numpy as np
import pytest

from indexes.inverting import MOST_CODES, ONES, code_book, distinct_lengths, invert
from indexes.segment import RANGE, Segment


def assert_book_says(rows, tfs, row_lengths, codes, of_tf, of_length):
    assert of_tf[codes].tolist() == tfs.tolist()
    assert of_length[codes].tolist() == row_lengths[rows].tolist()


@pytest.mark.parametrize(("tf", "kind"), [(MOST_CODES, "u2"), (MOST_CODES + 1, "u2")])
def test_a_large_tf_has_a_code(tf, kind):
    """Codes for every tf up to the largest one, or just for those that there are."""
    rows, tfs = np.array([0, 7, 7], np.uint16), np.array([tf, 1, 2], np.uint32)
    lengths = np.zeros(RANGE, np.uint32)
    lengths[[0, 7]] = tf
    codes, of_tf, of_length = code_book(rows, tfs, lengths)
    assert codes.dtype == kind
    assert len(of_tf) == (tf if tf == MOST_CODES else 3)
    assert_book_says(rows, tfs, lengths, codes, of_tf, of_length)


@pytest.mark.parametrize(("pairs", "kind"), [(RANGE, "u2"), (RANGE + 1, "u4")])
def test_as_many_pairs_as_two_bytes_can_number_and_one_more(pairs, kind):
    rows = (np.arange(pairs) % RANGE).astype(np.uint16)
    lengths = np.arange(5, RANGE + 5, dtype=np.uint32)
    tfs = np.where(np.arange(pairs) < RANGE, 2, 3).astype(np.uint32)
    codes, of_tf, of_length = code_book(rows, tfs, lengths)
    assert codes.dtype == kind
    assert len(of_tf) == pairs
    assert_book_says(rows, tfs, lengths, codes, of_tf, of_length)


@pytest.mark.parametrize("weighted", [False, True])
def test_lists_of_rows_are_those_of_a_dict(weighted):
    generator = np.random.default_rng(2)
    sizes = generator.integers(0, 9, 300)
    rows = np.sort(generator.choice(RANGE, 300, replace=False)).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    ids = generator.integers(3, 30, offsets[-1]).astype(np.uint32) * 2
    amounts = generator.integers(0, 3, len(ids)).astype(np.float32) if weighted else ONES
    expected = {}
    for number, row in enumerate(rows.tolist()):
        for at in range(offsets[number], offsets[number + 1]):
            lists = expected.setdefault(int(ids[at]), {})
            lists[row] = lists.get(row, 0) + (float(amounts[at]) if weighted else 1)
    terms, starts, held, values = invert(rows, offsets, ids, amounts)
    found = {}
    for number, term in enumerate(terms.tolist()):
        part = slice(starts[number], starts[number + 1])
        found[term] = list(zip(held[part].tolist(), values[part].tolist(), strict=True))
    held_ones = {t: [(r, v) for r, v in rows.items() if v] for t, rows in expected.items()}
    assert found == {term: rows for term, rows in sorted(held_ones.items()) if rows}
    assert list(found) == sorted(found)


def test_terms_with_zeros_only_are_left_out():
    ids, amounts = np.array([4, 2, 4, 9], np.uint32), np.array([0, 1, 0, 5], np.uint32)
    rows, offsets = np.array([0, 1], np.uint16), np.array([0, 2, 4])
    terms, starts, held, values = invert(rows, offsets, ids, amounts)
    assert terms.tolist() == [2, 9]
    assert starts.tolist() == [0, 1, 2]
    assert held.tolist() == [0, 1]
    assert values.tolist() == [1, 5]


def test_a_term_that_no_live_row_holds_has_no_list():
    rows, offsets = np.array([0, 1, 2], np.uint16), np.array([0, 1, 3, 4])
    segment = Segment.of_tokens(0, rows, offsets, np.array([5, 5, 7, 9], np.uint32), ONES)
    counts = np.array([0, 0, 0, 0, 0, 2, 0, 1, 0, 1], np.uint32)
    compact = segment.without(np.array([1]), counts).compacted()
    assert compact.terms.tolist() == [5, 9]
    assert compact.starts.tolist() == [0, 1, 2]
    assert compact.size == 2
    assert counts[[5, 7, 9]].tolist() == [1, 0, 1]


@pytest.mark.parametrize("longest", [0, 9, 1 << 20, (1 << 20) + 1, (1 << 32) - 1])
def test_distinct_lengths_are_those_of_a_sort(longest):
    lengths = np.random.default_rng(1).integers(0, longest + 1, 500).astype(np.uint32)
    lengths[7] = longest
    distinct, places = distinct_lengths(lengths)
    expected, inverse = np.unique(lengths, return_inverse=True)
    assert (distinct == expected).all()
    assert (places == inverse).all()
    assert distinct.dtype == places.dtype == np.uint32
