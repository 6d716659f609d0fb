"""The tie rule, and what counts as a row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import indexes
from indexes.candidates import as_rows, top


@given(
    scores=st.lists(st.sampled_from([0.0, 0.5, 0.5, 1.0, -1.0]), max_size=30),
    depth=st.integers(1, 35),
)
def test_top_is_a_full_sort_cut_off(scores, depth):
    rows = np.arange(len(scores))[::-1].copy()
    found = top(rows, np.array(scores, np.float32), depth)
    expected = sorted(zip(scores, rows.tolist(), strict=True), key=lambda p: (-p[0], p[1]))
    assert found.rows.tolist() == [row for _, row in expected[:depth]]
    assert found.scores.tolist() == [score for score, _ in expected[:depth]]


@pytest.mark.parametrize("bad", [[0.5], [[1, 2]], ["a"]])
def test_rows_are_flat_whole_numbers(bad):
    with pytest.raises(ValueError, match="expected rows as a flat list of integers"):
        as_rows(bad)


def test_unknown_names_of_the_package_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'HashIndex'"):
        _ = indexes.HashIndex
