"""Probabilities of scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.calibration import Calibration, expected_error, held_out_probabilities

hits = st.lists(
    st.tuples(st.integers(-8, 8).map(lambda n: n / 4), st.booleans()), min_size=1, max_size=40
)


def pooled(pairs):
    """Return [(mean score, share)] of blocks of adjacent violators: isotonic regression."""
    blocks = []
    for score in sorted({score for score, _ in pairs}):
        blocks.append([(s, r) for s, r in pairs if s == score])
        while len(blocks) > 1 and share(blocks[-2]) >= share(blocks[-1]) - 1e-12:
            last = blocks.pop()
            blocks[-1] += last
    return [(np.mean([score for score, _ in block]), share(block)) for block in blocks]


def share(block):
    return sum(relevant for _, relevant in block) / len(block)


@given(hits)
def test_the_points_are_those_of_isotonic_regression(pairs):
    found = Calibration.fit([score for score, _ in pairs], [r for _, r in pairs])
    expected = pooled(pairs)
    at = [score for score, _ in expected]
    assert found.of(at) == pytest.approx(np.array([p for _, p in expected]))
    assert list(found.scores) == sorted(found.scores)
    values = found.of(np.linspace(-3, 3, 50))
    assert (np.diff(values) >= 0).all()
    assert values.min() >= 0
    assert values.max() <= 1


@given(hits, st.floats(0, 1))
def test_a_score_for_a_probability_is_the_lowest_that_has_it(pairs, part):
    found = Calibration.fit([score for score, _ in pairs], [r for _, r in pairs])
    wanted = part * found.probabilities[-1]
    score = found.score_for(wanted)
    if score == -np.inf:
        assert wanted <= found.of(-100.0)
    else:
        assert found.of(score) == pytest.approx(wanted, abs=1e-9)
        if wanted - found.probabilities[0] > 1e-9:
            assert found.of(score - 1e-3) < wanted


def test_by_hand():
    found = Calibration.fit([0, 1, 2, 3], [False, True, False, True])
    assert found == Calibration((0.0, 1.5, 3.0), (0.0, 0.5, 1.0))
    assert found.of([-9, 0.75, 9]).tolist() == [0.0, 0.25, 1.0]
    assert found.score_for(0.25) == 0.75
    assert found.score_for(1) == 3.0
    assert found.score_for(0) == -np.inf


@pytest.mark.parametrize("wanted", [-0.1, 0.51, np.nan])
def test_a_probability_that_no_score_has_is_refused(wanted):
    with pytest.raises(ValueError, match=r"from 0 to 0\.500"):
        Calibration((1.0,), (0.5,)).score_for(wanted)


def test_a_line_needs_points():
    for scores, probabilities in ((), ()), ((1.0,), ()):
        with pytest.raises(ValueError, match="at least one"):
            Calibration(scores, probabilities)


def test_settings_make_it_again():
    found = Calibration.fit([0.1, 0.7, 0.3], [False, True, True])
    assert Calibration.from_settings(found.settings()) == found


def test_the_expected_error_by_hand():
    """The bins up to .1, up to .2 and up to 1 have 1, 2 and 1 hits."""
    probabilities = np.array([0.05, 0.1, 0.18, 1.0])
    relevant = np.array([False, True, False, True])
    off = 0.05 * 1 + abs(0.14 - 0.5) * 2 + 0.0
    assert expected_error(probabilities, relevant) == pytest.approx(off / 4)
    assert expected_error(probabilities, relevant, bins=1) == pytest.approx(abs(1.33 - 2) / 4)
    assert expected_error(np.array([]), np.array([], bool)) == 0


def test_a_fold_says_nothing_of_itself():
    rng = np.random.default_rng(0)
    scores, folds = rng.normal(size=60), np.arange(60) % 3
    relevant = rng.random(60) < 1 / (1 + np.exp(-2 * scores))
    found = held_out_probabilities(scores, relevant, folds)
    left = folds == 1
    others = Calibration.fit(scores[~left], relevant[~left])
    assert found[left].tolist() == others.of(scores[left]).tolist()
    flipped = held_out_probabilities(scores, np.where(left, ~relevant, relevant), folds)
    assert found[left].tolist() == flipped[left].tolist()
    assert found[~left].tolist() != flipped[~left].tolist()
    with pytest.raises(ValueError, match="two folds"):
        held_out_probabilities(scores, relevant, np.zeros(60, int))
