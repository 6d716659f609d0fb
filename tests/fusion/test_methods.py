"""Fusion methods are values: checked at once, equal when equal, stored as JSON."""

import json

import pytest

from fusion import RRF, Weighted
from fusion.catalogue import from_settings, settings_of


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RRF(k=-1), "k >= 0, not -1"),
        (lambda: RRF(k=float("nan")), "k >= 0, not nan"),
        (lambda: RRF(weights={"bm25": -0.5}), "weights >= 0, not -0.5 for 'bm25'"),
        (lambda: Weighted({"bm25": 0.0}), "at least one weight above 0"),
        (
            lambda: Weighted(norm="softmax"),
            "a norm of zscore, minmax, dbsf, max, none, list-minmax, .*, not 'softmax'",
        ),
    ],
)
def test_wrong_values_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "method", [RRF(), RRF(10, {"a": 1, "b": 2}), Weighted(), Weighted({"a": 0.3}, "minmax")]
)
def test_settings_go_through_json(method):
    stored = json.loads(json.dumps(settings_of(method)))
    assert settings_of(from_settings(stored)) == settings_of(method)
    assert type(from_settings(stored)) is type(method)


def test_unknown_methods_list_the_choices():
    with pytest.raises(
        ValueError, match=r"a fusion method of rrf, weighted, comb, .*, not 'borda'"
    ):
        from_settings({"method": "borda"})


def test_weights_cannot_be_changed_from_outside():
    given = {"bm25": 1.0}
    method = Weighted(given)
    given["bm25"] = 0.0
    assert method.weights == {"bm25": 1.0}
    with pytest.raises(TypeError):
        method.weights["bm25"] = 2.0
