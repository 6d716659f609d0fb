import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hybrid.significance import (
    bootstrap_interval,
    compare,
    holm,
    paired_differences,
    randomisation_test,
)

# multiples of 1/8 are exact in binary: no tie is broken by rounding
values = st.lists(st.integers(-8, 8).map(lambda n: n / 8), min_size=1, max_size=9)


def plain_p(differences):
    """The share of all sign flips whose mean is as far from 0, one flip at a time."""
    seen = abs(sum(differences))
    flips = list(itertools.product([1, -1], repeat=len(differences)))
    far = [abs(sum(s * d for s, d in zip(f, differences, strict=True))) >= seen for f in flips]
    return sum(far) / len(flips)


@given(values)
def test_p_of_few_questions_is_the_share_of_all_sign_flips(differences):
    assert randomisation_test(differences) == pytest.approx(plain_p(differences))


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.2])
def test_p_of_many_questions_is_that_of_scipy(shift):
    differences = np.random.default_rng(1).normal(shift, 0.3, 200)
    theirs = stats.permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        rng=np.random.default_rng(2),
    ).pvalue
    # two samples of 9,999 flips: three standard errors of their difference
    room = 3 * np.sqrt(2 * max(theirs, 1e-4) / 9_999)
    assert randomisation_test(differences) == pytest.approx(theirs, abs=room)


def test_random_flips_agree_with_the_exact_test():
    differences = np.random.default_rng(3).normal(0.1, 0.3, 12)
    exact = randomisation_test(differences, resamples=2**12)
    assert exact == pytest.approx(plain_p(differences.tolist()))
    assert exact != randomisation_test(differences, resamples=2**12 - 1)
    assert exact == pytest.approx(randomisation_test(differences, resamples=4_000), abs=0.03)


def test_p_is_never_zero_and_does_not_depend_on_the_size_of_a_block(monkeypatch):
    differences = np.full(50, 0.5)
    assert randomisation_test(differences, resamples=999) == 1 / 1000
    mixed = np.random.default_rng(4).normal(0.05, 0.3, 60)
    whole = randomisation_test(mixed)
    monkeypatch.setattr("hybrid.significance._BLOCK", 700)
    # blocks of flips are drawn one after the other; padding to whole bytes makes no difference
    assert randomisation_test(mixed) == whole


def test_equal_ways_differ_by_chance_only():
    assert randomisation_test([0.0, 0.0]) == 1.0
    (same,) = compare({"a": [0.3, 0.1], "b": [0.1 + 0.2, 0.1]}, "a")
    assert (same.difference, same.low, same.high, same.p, same.equal) == (0, 0, 0, 1, 2)


def test_p_is_uniform_when_there_is_no_difference():
    rng = np.random.default_rng(5)
    ps = [randomisation_test(rng.normal(0, 1, 30), 999, seed) for seed in range(400)]
    assert np.mean(np.array(ps) <= 0.05) == pytest.approx(0.05, abs=0.035)  # should give .05


def test_interval_is_that_of_plain_resampling():
    differences = np.random.default_rng(6).normal(0.1, 0.3, 80)
    rng = np.random.default_rng(7)
    means = [rng.choice(differences, len(differences)).mean() for _ in range(5_000)]
    plain = np.quantile(means, [0.025, 0.975])
    assert bootstrap_interval(differences) == pytest.approx(plain, abs=0.006)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(8)
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng.normal(0.2, 1, 60), 500, 0.9, seed)
        covered += low <= 0.2 <= high
    assert covered / 200 == pytest.approx(0.9, abs=0.07)  # should give .89


def test_one_question_has_an_interval_of_itself():
    assert bootstrap_interval([0.25]) == (0.25, 0.25)


def test_holm_as_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_stepwise_procedure_rejects(ps, level):
    rejected = set()
    for step, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[place] * (len(ps) - step) > level:
            break
        rejected.add(place)
    assert {i for i, p in enumerate(holm(ps)) if p <= level} == rejected


def test_compare_counts_and_corrects():
    rng = np.random.default_rng(9)
    base = rng.random(40)
    ways = {"base": base, "up": base + 0.1, "noise": base + rng.normal(0, 0.1, 40)}
    up, noise = compare(ways, "base")
    assert (up.name, up.better, up.worse, up.equal) == ("up", 40, 0, 0)
    assert up.difference == pytest.approx(0.1)
    assert up.low <= up.difference <= up.high
    assert up.p == 1 / 10_000
    assert up.p_holm == 2 / 10_000
    assert noise.p_holm == noise.p
    assert noise.better + noise.worse + noise.equal == 40
    assert compare(ways, "base") == (up, noise)


def test_compare_of_a_way_does_not_depend_on_the_others():
    rng = np.random.default_rng(10)
    ways = {name: rng.random(30) for name in ("base", "a", "b")}
    alone = compare({name: ways[name] for name in ("b", "base")}, "base")[0]
    beside = compare(ways, "base")[1]
    assert (alone.low, alone.high, alone.p) == (beside.low, beside.high, beside.p)


@pytest.mark.parametrize(
    ("ways", "base", "said"),
    [
        ({"a": [1.0]}, "b", "expected the base to be one of a, not 'b'"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "a", "same questions"),
        ({"a": [], "b": []}, "a", "same questions"),
        ({"a": [1.0], "b": [np.nan]}, "a", "finite"),
    ],
)
def test_compare_refuses_what_cannot_be_compared(ways, base, said):
    with pytest.raises(ValueError, match=said):
        compare(ways, base)


def test_differences_that_are_rounding_are_none():
    assert paired_differences([0.1 + 0.2, 0.5], [0.3, 0.25]).tolist() == [0.0, 0.25]


def test_refuses_no_resamples():
    with pytest.raises(ValueError, match="expected resamples >= 1, not 0"):
        randomisation_test([1.0], resamples=0)
