"""The lexical index's own promises."""

import numpy as np
import pytest
import scipy.sparse as sp

from indexes import LexicalIndex


def filled():
    index = LexicalIndex()
    index.add([4, 2], sp.csr_matrix(np.array([[0.5, 0, 1], [0, 2, 0.25]], np.float32)))
    return index


def test_a_query_may_be_a_matrix_row_or_ids_with_weights():
    by_matrix = filled().search(sp.csr_matrix([[0, 1.0, 2.0]]), 5)
    by_ids = filled().search(([2, 1], [2.0, 1.0]), 5)
    assert by_matrix.rows.tolist() == by_ids.rows.tolist() == [2, 4]
    assert by_matrix.scores.tolist() == by_ids.scores.tolist() == [2.5, 2.0]


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_weights_must_be_finite_and_not_negative(bad):
    with pytest.raises(ValueError, match="expected weights >= 0"):
        LexicalIndex().add([0], sp.csr_matrix([[bad]]))
    with pytest.raises(ValueError, match="expected weights >= 0"):
        filled().search(([0], [bad]), 3)


def test_repeated_ids_are_refused():
    with pytest.raises(ValueError, match="distinct term ids"):
        filled().search(([0, 0], [1.0, 1.0]), 3)


def test_zero_weights_find_nothing():
    assert len(filled().search(([0], [0.0]), 3)) == 0
