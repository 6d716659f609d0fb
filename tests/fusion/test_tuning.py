"""The choice of a setting, and what it is said to be worth."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Weighted
from fusion.grids import Grid
from fusion.tuning import Sheet, dealt, tune
from tests.fusion.judging import Aim, Worth, aimed, worth

EVERY = np.arange


def sheet_of(values, fars):
    """Return a sheet where variants of one index are all that is tried: values by question."""
    grid = Grid(Weighted({"a": 1.0}), ("a",), tuple(fars), ("zscore",), ())
    return Sheet([worth(*line) for line in values], grid, Worth())


def sheet_of_aims(targets, default=0.5):
    grid = Grid(Weighted({"a": 1 - default, "b": default}), ("a", "b"), norms=("zscore",), ks=())
    return Sheet([aimed(target) for target in targets], grid, Aim())


tables = st.integers(2, 12).flatmap(
    lambda questions: st.lists(
        st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=4, max_size=4),
        min_size=questions,
        max_size=questions,
    )
)


@given(tables)
def test_the_nearest_of_those_within_one_standard_error(values):
    fars = [0.0, 0.5, 0.2, 0.9]
    chosen = sheet_of(values, fars).choose(EVERY(len(values)))
    columns = list(zip(*values, strict=True))
    best = max(columns, key=statistics.mean)
    near = []
    for column, far in zip(columns, fars, strict=True):
        behind = [a - b for a, b in zip(best, column, strict=True)]
        error = statistics.stdev(behind) / len(behind) ** 0.5
        if statistics.mean(behind) <= error + 1e-9:
            near.append(far)
    assert chosen.far == min(near)


def test_one_standard_error_by_hand():
    """The second is better by .1 on average; the error of that is .1, or much less."""
    unsure, sure = [[0.5, 0.5], [0.5, 0.7]], [[0.5, 0.6], [0.5, 0.61]]
    assert sheet_of(unsure, [0.0, 1.0]).choose(EVERY(2)).variant == 0
    assert sheet_of(sure, [0.0, 1.0]).choose(EVERY(2)).variant == 1
    assert sheet_of(sure, [0.0, 1.0]).choose(EVERY(1)).variant == 0  # one question says nothing


def test_the_higher_mean_of_settings_as_far():
    values = [[0.0, 0.5, 0.6], [0.0, 0.6, 0.6], [0.0, 0.6, 0.5], [0.0, 0.5, 0.6]]
    assert sheet_of(values, [0.0, 0.4, 0.4]).choose(EVERY(4)).variant == 2


def test_weights_are_refined():
    chosen = sheet_of_aims([0.325] * 20, default=0.9).choose(EVERY(20))
    assert chosen.method.weights["b"] == pytest.approx(0.325)


def test_a_setting_is_tried_once():
    sheet = sheet_of_aims([0.3] * 12)
    again = Weighted({"a": 0.5, "b": 0.5})
    before = len(sheet.settings)
    setting = sheet.settings[0]
    assert sheet.places([setting, setting]) == sheet.places([setting]) * 2
    assert setting.method == again
    assert len(sheet.settings) == before
    near = sheet.grid.around(setting)
    values = sheet.of_all(near)
    assert values.shape == (2, 12)
    assert values[0].tolist() == sheet.of(near[0]).tolist()
    assert len(sheet.settings) == before + 2 == len(sheet.values)


def injective(values, question):
    """Return values where one question says which variant was taken."""
    return [[100 + n for n in range(4)] if q == question else v for q, v in enumerate(values)]


@pytest.mark.parametrize("grouped", [False, True])
def test_what_a_fold_holds_out_depends_on_the_others_alone(grouped):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 64, (24, 4)) / 64 + [0, 0.125, 0.125, 0.0625]
    values = (values + np.arange(4) / 1024).tolist()  # each says which variant it is of
    groups = [number // 3 for number in range(24)] if grouped else None
    fars = [0.0, 0.1, 0.2, 0.3]
    before = tune(sheet_of(values, fars), groups=groups).held_out["tuned"]
    taken = [values[q].index(before[q]) for q in range(24)]
    assert len(set(taken)) > 1
    parts = dealt(groups, 24, 5, 0)
    for question in range(24):
        poisoned = injective(values, question)
        after = tune(sheet_of(poisoned, fars), groups=groups).held_out["tuned"]
        assert after[question] == 100 + taken[question]
        left = [q for q in np.flatnonzero(parts == parts[question]) if q != question]
        assert after[left].tolist() == before[left].tolist()


def test_the_best_alone_is_chosen_by_the_others_too():
    """Which index is best alone: the second, but for the questions of fold 0."""
    parts = dealt(None, 20, 2, 0)
    sheet = sheet_of_aims([1.0 if part == 0 else 0.0 for part in parts])
    held = tune(sheet, folds=2).held_out["single"]
    assert held.tolist() == [0.0] * 20


@given(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=30), st.integers(2, 6))
def test_groups_stay_together(groups, folds):
    if len(set(groups)) < 2:
        return
    parts = dealt(groups, len(groups), folds, 1)
    assert len({(group, part) for group, part in zip(groups, parts, strict=True)}) == len(
        set(groups)
    )
    assert len(set(parts.tolist())) == min(folds, len(set(groups)))


def test_dealing():
    parts = dealt(None, 23, 5, 7)
    assert sorted(np.bincount(parts)) == [4, 4, 5, 5, 5]
    assert parts.tolist() == dealt(None, 23, 5, 7).tolist()
    assert parts.tolist() != dealt(None, 23, 5, 8).tolist()
    with pytest.raises(ValueError, match="at least 2 folds, not 1"):
        dealt(None, 20, 1, 0)
    with pytest.raises(ValueError, match="at least 2 groups"):
        dealt(["a"] * 20, 20, 5, 0)


def test_a_group_may_leave_one_question_to_learn_from():
    found = tune(sheet_of_aims([0.2] * 12), groups=["a"] * 11 + ["b"])
    assert found.verdict in ("tuned", "default", "single")
    assert np.isfinite(found.held_out["tuned"]).all()


def test_few_questions_change_nothing():
    found = tune(sheet_of_aims([0.1] * 9))
    assert found.verdict == "default"
    assert found.setting.method == found.tuned.method == Weighted({"a": 0.5, "b": 0.5})
    assert list(found.held_out) == ["default"]
    assert found.fitted == pytest.approx(1 - 0.4**2)
    assert tune(sheet_of_aims([0.1] * 10)).verdict == "tuned"


def test_some_questions_only():
    found = tune(sheet_of_aims([0.9] * 20 + [0.3] * 12), EVERY(20, 32))
    assert found.setting.method.weights["b"] == pytest.approx(0.3)
    assert len(found.held_out["tuned"]) == 12


def test_what_is_better_is_used():
    found = tune(sheet_of_aims([0.15, 0.25] * 10, default=0.6))
    assert found.verdict == "tuned"
    assert found.setting == found.tuned
    assert found.setting.method.weights["b"] == pytest.approx(0.2)
    assert found.fitted == pytest.approx(1 - 0.05**2)
    assert found.held_out["default"].mean() < found.held_out["tuned"].mean()


def test_without_a_gain_all_stays_as_it_is():
    found = tune(sheet_of_aims([0.5] * 20))
    assert found.verdict == "default"
    rng = np.random.default_rng(5)
    noise = [[0.6, *rng.choice([0.0, 1.0], 3)] for _ in range(30)]
    assert tune(sheet_of(noise, [0.0, 0.1, 0.2, 0.3])).verdict == "default"


def test_one_index_alone_may_be_best():
    grid = Grid(Weighted({"a": 0.9, "b": 0.1}), ("a", "b"), norms=("zscore",), ks=())
    sheet = Sheet([aimed(1.0) for _ in range(20)], grid, Aim())
    single = sheet.single(EVERY(20))
    assert single.method.weights == {"a": 0.0, "b": 1.0}
    assert tune(sheet).verdict == "tuned"  # it is no worse
    values = [[0.5, 0.5, 0.9], [0.5, 0.4, 0.8]] * 10
    alone = sheet_of(values, [0.0, 0.1, 9.0])
    alone.single = lambda some: alone.settings[3]
    alone.choose = lambda some: alone.settings[2]
    found = tune(alone)
    assert found.verdict == "single"
    assert found.setting == alone.settings[3]


@pytest.mark.parametrize(
    "default",
    [RRF(weights={"a": 1, "b": 1}), Weighted({"a": 1, "b": 1}), Weighted({"a": 1, "b": 0.5})],
)
def test_a_default_of_equal_weights_is_no_index_alone(default):
    grid = Grid(default, ("a", "b"), norms=("zscore",), ks=())
    questions = [aimed(0.5) for _ in range(12)]
    sheet = Sheet.__new__(Sheet)
    sheet.questions, sheet.grid, sheet.settings = questions, grid, grid.settings()
    sheet.coarse = len(sheet.settings)
    sheet.values = np.zeros((sheet.coarse, 12))
    sheet.values[0] = 1  # only the default is any good
    assert sorted(sheet.single(EVERY(12)).method.weights.values()) == [0.0, 1.0]


def test_the_same_seed_the_same_answer():
    targets = np.random.default_rng(2).random(40).tolist()
    first, second = (tune(sheet_of_aims(targets), seed=4) for _ in range(2))
    assert first.setting == second.setting
    assert all((first.held_out[name] == second.held_out[name]).all() for name in first.held_out)


def test_progress_is_told():
    told = []
    grid = Grid(Weighted({"a": 1.0}), ("a",), (0.0,), ("zscore",), ())
    Sheet([worth(0.5)] * 3, grid, Worth(), told.append)
    assert told == [1, 2, 3]
