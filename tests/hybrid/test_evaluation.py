"""Measures are those of ir-measures, and a lost query counts."""

import pytest

import hybrid

QRELS = {"q1": {"a": 1, "b": 2}, "q2": {"c": 1}}


def test_values_by_hand():
    run = {"q1": {"x": 3.0, "b": 2.0}, "q2": {"c": 1.0}}
    found = hybrid.evaluate(run, QRELS, ["RR@10", "R@1", "P@1"])
    assert list(found) == ["RR@10", "R@1", "P@1"]
    assert found == pytest.approx({"RR@10": 0.75, "R@1": 0.5, "P@1": 0.5})


def test_a_query_without_an_answer_counts_as_zero():
    assert hybrid.evaluate({"q2": {"c": 1.0}}, QRELS, ["RR@10"])["RR@10"] == 0.5
    assert hybrid.evaluate({"q1": {}, "q2": {"c": 1.0}}, QRELS, ["nDCG@10"])["nDCG@10"] == 0.5


def test_bad_input():
    with pytest.raises(ValueError, match="measures such as nDCG@10, not"):
        hybrid.evaluate({}, QRELS, ["Quality@10"])
    with pytest.raises(ValueError, match="judgements of at least one query"):
        hybrid.evaluate({}, {}, ["nDCG@10"])
