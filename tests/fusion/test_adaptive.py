"""Weights that depend on the question."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import RRF, Adaptive, Arm, Weighted
from fusion.adapting import adapt
from fusion.catalogue import from_settings, settings_of
from fusion.features import features_of, resolved
from fusion.grids import Grid
from fusion.tuning import Sheet, tune
from indexes import BM25Index, DenseIndex, LexicalIndex
from tests import strategies
from tests.fusion.judging import Aim, aimed

CHOICES = tuple({"a": 1 - step / 4, "b": step / 4} for step in range(5))


def sheet_of(targets, default=None):
    default = Weighted({"a": 0.5, "b": 0.5}) if default is None else default
    grid = Grid(default, ("a", "b"), norms=("zscore",), ks=())
    return Sheet([aimed(target) for target in targets], grid, Aim())


def planted(count, seed=0):
    """Return what each question wants, and features of which the first shows it."""
    rng = np.random.default_rng(seed)
    targets = rng.choice([0.0, 1.0], count)
    return targets, np.column_stack([targets + rng.normal(0, 0.1, count), rng.normal(size=count)])


def test_what_the_features_show_is_learned():
    targets, features = planted(150)
    sheet = sheet_of(targets)
    adapted = adapt(sheet, features)
    fixed = tune(sheet).held_out["tuned"]
    assert adapted.held_out.mean() > fixed.mean() + 0.15
    new, unseen = planted(50, seed=1)
    chosen = [adapted.method.choices[n]["b"] for n in adapted.method.chosen(unseen)]
    assert np.abs(np.array(chosen) - new).mean() < 0.2


def test_noise_teaches_nothing():
    rng = np.random.default_rng(2)
    sheet = sheet_of(0.3 + rng.normal(0, 0.05, 100))
    adapted = adapt(sheet, rng.normal(size=(100, 5)))
    assert adapted.held_out.mean() == pytest.approx(tune(sheet).held_out["tuned"].mean(), abs=0.01)


def test_the_strongest_ridge_is_taken_where_all_are_as_good():
    sheet = sheet_of([0.3] * 60)
    features = np.random.default_rng(0).normal(size=(60, 3))
    assert set(adapt(sheet, features).method.chosen(features * 9).tolist()) == {14}  # a: .7


@given(st.integers(0, 1000), st.sampled_from([0.5, 30.0]))
def test_slopes_are_those_of_ridge_regression(seed, ridge):
    rng = np.random.default_rng(seed)
    features, worth = rng.random((40, 3)), rng.random((40, 5))  # uniform: nothing is clipped
    found = Adaptive.fit("zscore", CHOICES, features, worth, ridge)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    off = worth - worth.mean(axis=0) - (worth - worth.mean(axis=0)).mean(axis=1, keepdims=True)
    wide = np.vstack([scaled, np.sqrt(ridge) * np.eye(3)])
    expected = np.linalg.lstsq(wide, np.vstack([off, np.zeros((3, 5))]))[0]
    assert np.array(found.slopes) == pytest.approx(expected, abs=1e-6)
    assert found.weights == CHOICES[int(worth.mean(axis=0).argmax())]
    predicted = worth.mean(axis=0) + scaled @ expected
    ours = predicted[np.arange(40), found.chosen(features)]
    assert ours == pytest.approx(predicted.max(axis=1), abs=1e-6)


def test_a_strong_ridge_is_one_weight_for_all():
    targets, features = planted(100)
    worth = np.array([[1 - (one["b"] - target) ** 2 for one in CHOICES] for target in targets])
    found = Adaptive.fit("zscore", CHOICES, features, worth, 1e9)
    assert set(found.chosen(features * 100).tolist()) == {int(worth.mean(axis=0).argmax())}


def test_a_question_unlike_all_others_counts_as_three_deviations():
    found = Adaptive("zscore", CHOICES[0], CHOICES[:2], [0.0], [1.0], [0.0, 3.1], [[1.0, 0.0]])
    assert found.chosen(np.array([[2.0], [3.2], [1e9]])).tolist() == [1, 1, 1]
    found = Adaptive("zscore", CHOICES[0], CHOICES[:2], [0.0], [1.0], [0.0, 2.9], [[1.0, 0.0]])
    assert found.chosen(np.array([[2.0], [3.2], [1e9]])).tolist() == [1, 0, 0]


def test_groups_are_held_out_as_a_whole():
    """A group that is poisoned as a whole changes nothing that is chosen for it."""
    targets, features = planted(60)
    groups = [number // 5 for number in range(60)]

    def taken(targets):
        held = adapt(sheet_of(targets), features, groups=groups).held_out
        return np.abs(np.sqrt(1 - held) - np.where(targets > 0, targets, 0))

    before = taken(targets)
    poisoned = targets.copy()
    poisoned[10:15] = -3.0
    after = np.sqrt(1 - adapt(sheet_of(poisoned), features, groups=groups).held_out) - 3
    assert after[10:15] == pytest.approx(before[10:15])


def test_too_little_to_learn_from():
    features = np.zeros((12, 1))
    assert adapt(sheet_of([0.5] * 4), features[:4]) is None
    found = adapt(sheet_of([0.2] * 12), features, groups=["a"] * 11 + ["b"])
    assert found.held_out[:11].tolist() == pytest.approx([1 - 0.3**2] * 11)  # one says nothing
    assert found.held_out[11] == pytest.approx(1.0)


def test_json_makes_it_again():
    targets, features = planted(30)
    method = adapt(sheet_of(targets), features).method
    again = from_settings(json.loads(json.dumps(settings_of(method))))
    assert again == method
    assert again.chosen(features).tolist() == method.chosen(features).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choices": ()}, "expected numbers of"),
        ({"centre": [0.0, 1.0]}, "expected numbers of"),
        ({"gains": [1.0]}, "expected numbers of"),
        ({"slopes": [[0.0, np.nan]]}, "finite"),
        ({"spread": [0.0]}, "above 0"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    numbers = {"centre": [0.0], "spread": [1.0], "gains": [0.0, 1.0], "slopes": [[0.0, 0.0]]}
    given_values = {"choices": CHOICES[:2], **numbers, **change}
    with pytest.raises(ValueError, match=message):
        Adaptive("zscore", CHOICES[0], **given_values)


@given(data=st.data(), count=st.integers(0, 15))
def test_features_are_finite_and_as_many_whatever_there_is(data, count):
    bm25, dense, lexical = BM25Index(), DenseIndex(3), LexicalIndex()
    same = data.draw(st.booleans())
    lists = [["w1"]] * count if same else data.draw(st.lists(strategies.tokens, min_size=count,
                                                             max_size=count))  # fmt: skip
    bm25.add(range(count), lists)
    held = data.draw(st.integers(0, count))
    dense.add(range(held), np.ones((held, 3)) if same else data.draw(strategies.vectors(held)))
    lexical.add(range(count), data.draw(strategies.weights(count)))
    arms = {
        "bm25": Arm(bm25, data.draw(strategies.queries)),
        "dense": Arm(dense, data.draw(strategies.vectors(1))[0]),
        "lexical": Arm(lexical, ([0, 3], [1.0, 0.5])),
    }
    found = features_of(arms)
    assert found.shape == (3 * 6 + 3 + 6,)
    assert np.isfinite(found).all()
    assert found.tolist() == features_of(dict(reversed(arms.items()))).tolist()


def test_features_by_hand():
    one, two = DenseIndex(1, "ip"), DenseIndex(1, "ip")
    one.add(range(4), [[4.0], [2.0], [0.0], [2.0]])
    two.add(range(4), [[1.0], [2.0], [3.0], [4.0]])
    found = features_of({"a": Arm(one, [1.0]), "b": Arm(two, [1.0])})
    std, other = 2**0.5, 1.25**0.5
    expected = [2 / std, 2 / std, 4 / std, np.log1p(2), np.log(std), 0]
    expected += [1.5 / other, 1 / other, 3 / other, np.log1p(2.5), np.log(other), 0]
    expected += [4, (1 - 2.5) / other, (2 - 2) / std]
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_question_gets_its_weights():
    arms = {}
    for name, scores in (("a", [4.0, 2.0]), ("b", [1.0, 3.0])):
        index = DenseIndex(1, "ip")
        index.add(range(2), [[score] for score in scores])
        arms[name] = Arm(index, [1.0])
    shape = len(features_of(arms))
    zeros = [0.0] * shape
    method = Adaptive(
        "minmax", CHOICES[0], CHOICES, zeros, [1.0] * shape, [0, 0, 0, 1, 0], [[0.0] * 5] * shape
    )
    assert resolved(method, arms) == Weighted(CHOICES[3], "minmax")
    assert resolved(RRF(), arms) == RRF()
