"""Learned odds, by hand."""

import numpy as np
import pytest

from fusion import fuse
from fusion.odds import learn_odds
from indexes import Candidates


def rows(*numbers):
    return np.array(numbers, np.int64)


def log_odds(hits, there):
    return float(np.log(hits / (there - hits)))


def test_odds_are_the_precision_in_brackets_of_ranks():
    rankings = {"a": [rows(1, 2, 3, 4), rows(5, 6, 7, 8)]}
    method = learn_odds(rankings, [{1, 3}, {5, 6, 8}], cutoffs=(0, 1, 3, 9))
    # rank 1: both relevant, so half a row counts as the opposite; ranks 2 and 3: two of four
    expected = [log_odds(1.5, 2), log_odds(2, 4), log_odds(2, 4), log_odds(1, 2)]
    assert method.odds["a"] == pytest.approx(expected)


def test_a_short_list_does_not_count_where_it_ends():
    method = learn_odds({"a": [rows(1, 2), rows(3)]}, [[2], []], cutoffs=(0, 1, 5))
    assert method.odds["a"] == pytest.approx([log_odds(0.5, 2), log_odds(0.5, 1)])
    assert method.depth == 2


def test_a_row_that_is_not_listed_never_has_better_odds():
    lists = {"a": [np.arange(1000)], "b": [np.arange(3)]}
    method = learn_odds({name: 2 * found for name, found in lists.items()}, [{0}, {1}])
    assert min(map(min, method.odds.values())) == method.missing_odds < np.log(0.001 / 0.999)
    few = learn_odds({"a": [rows(1, 2)]}, [{1}])
    assert few.missing_odds == pytest.approx(np.log(0.001 / 0.999))


def test_a_better_index_decides():
    good, bad = np.arange(10), np.arange(10, 20)
    lists = {
        name: Candidates(found, np.arange(10, 0, -1, dtype=np.float32))
        for name, found in (("bad", bad), ("good", good))
    }
    method = learn_odds(lists_of(lists), [range(5)])
    assert fuse(lists, method, 5).rows.tolist() == [0, 1, 2, 3, 4]


def lists_of(lists):
    return {name: [found] for name, found in lists.items()}


@pytest.mark.parametrize(
    ("rankings", "relevant", "cutoffs", "message"),
    [
        ({"a": [rows(1)]}, [{1}], (0,), "cutoffs that rise from 0"),
        ({"a": [rows(1)]}, [{1}], (1, 2), "cutoffs that rise from 0"),
        ({"a": [rows(1)]}, [{1}], (0, 2, 2), "cutoffs that rise from 0"),
        ({"a": [rows(1)]}, [{1}, {2}], (0, 5), "for each of 2 queries, not 1"),
        ({"a": [rows()]}, [{1}], (0, 5), "at least one row on a list of 'a'"),
        ({}, [], (0, 5), "at least one rank for each index"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(rankings, relevant, cutoffs, message):
    with pytest.raises(ValueError, match=message):
        learn_odds(rankings, relevant, cutoffs)
