"""The settings that are tried."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Weighted
from fusion.grading import Setting
from fusion.grids import Grid, simplex, with_weight

NAMES = ("a", "b", "c", "d")


@given(st.integers(1, 4), st.integers(1, 10))
def test_the_simplex_is_complete(count, steps):
    found = [
        tuple(Fraction(one[name]).limit_denominator(steps) for name in NAMES[:count])
        for one in simplex(NAMES[:count], steps)
    ]
    assert len(set(found)) == len(found) == comb(steps + count - 1, count - 1)
    assert all(sum(one) == 1 and min(one) >= 0 for one in found)
    assert all(share * steps == int(share * steps) for one in found for share in one)


def test_a_weight_is_the_float_that_is_written():
    assert [one["a"] for one in simplex(("a", "b"), 20)][3] == 0.15


weights = st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any)


@given(weights, weights)
def test_settings_around_one_stay_in_the_simplex(given_weights, centre):
    names = NAMES[: len(given_weights)]
    default = Weighted(dict(zip(names, map(float, given_weights), strict=True)))
    grid = Grid(default, names, (0.0, 0.3))
    total = sum(given_weights)
    for setting in grid.around(Setting(default, 1)):
        shares = [setting.method.weights[name] for name in names]
        assert min(shares) >= 0
        assert sum(shares) == pytest.approx(1)
        assert setting.variant == 1
        moved = [abs(a - b / total) for a, b in zip(shares, given_weights, strict=True)]
        assert 0 < max(moved) <= 0.12  # about half a step, from the multiple that is nearest
        assert setting.far == pytest.approx(2 * sum(moved) + 0.3)


def test_around_are_all_neighbours():
    grid = Grid(Weighted({"a": 0.5, "b": 0.5}), ("a", "b"))
    found = [one.method.weights["a"] for one in grid.around(grid.settings()[0])]
    assert sorted(found) == [0.475, 0.525]
    at_the_edge = Setting(Weighted({"a": 1.0, "b": 0.0}))
    assert [one.method.weights["a"] for one in grid.around(at_the_edge)] == [0.975]
    three = Grid(Weighted(dict.fromkeys("abc", 1.0)), ("a", "b", "c"))
    assert len(three.around(three.settings()[0])) == 6


def test_the_default_is_first_and_no_distance_from_itself():
    default = Weighted({"a": 3.0, "b": 7.0})
    settings = Grid(default, ("a", "b"), (0.0, 0.2)).settings()
    assert settings[0] == Setting(default, 0, 0.0)
    assert len(settings) == 1 + 2 * 2 * 21 + 2 * 21  # two variants by two norms, and two of RRF
    same = [one for one in settings[1:] if one.method.weights == {"a": 0.3, "b": 0.7}]
    fars = {
        (getattr(one.method, "norm", "rrf"), one.variant): pytest.approx(one.far) for one in same
    }
    by_norm = {("zscore", 0): 0.0, ("zscore", 1): 0.2, ("minmax", 0): 0.5, ("minmax", 1): 0.7}
    assert fars == {**by_norm, ("rrf", 0): 0.5}
    moved = [one for one in settings if one.method == Weighted({"a": 0.5, "b": 0.5})]
    assert moved[0].far == pytest.approx(4 * 0.2)


def test_ranks_are_counted_for_the_first_variant_only():
    settings = Grid(RRF(weights={"a": 1, "b": 1}), ("a", "b"), (0.0, 0.1)).settings()
    assert {one.variant for one in settings if isinstance(one.method, RRF)} == {0}
    assert settings[0].far == 0
    other_k = [one for one in settings if one.method == RRF(10.0, {"a": 0.5, "b": 0.5})]
    assert [one.far for one in other_k] == [0.5]


def test_one_index_has_one_weight():
    grid = Grid(Weighted({"a": 1.0}), ("a",), (0.0, 0.4), ("zscore",), ())
    assert [(one.variant, one.far) for one in grid.settings()] == [(0, 0), (0, 0), (1, 0.4)]
    assert grid.around(grid.settings()[0]) == []


def test_the_others_share_what_one_weight_leaves():
    method = Weighted({"a": 1.0, "b": 3.0, "c": 4.0})
    moved = with_weight(method, ("a", "b", "c"), "c", 0.2)
    assert moved.weights == pytest.approx({"a": 0.2, "b": 0.6, "c": 0.2})
    alone = with_weight(Weighted({"a": 0.0, "b": 0.0, "c": 1.0}), ("a", "b", "c"), "c", 0.5)
    assert alone.weights == pytest.approx({"a": 0.25, "b": 0.25, "c": 0.5})
    assert with_weight(RRF(), ("a", "b"), "b", 0.0).weights == {"a": 1.0, "b": 0.0}
