"""Measures are those of ir-measures, and a lost query counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybrid
from hybrid.evaluation import evaluate_each

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


DOCUMENTS = st.sampled_from("abcdefgh")
RUNS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "other"]),
    st.dictionaries(DOCUMENTS, st.sampled_from([0.5, 1.0, 2.0]) | st.floats(-9, 9), max_size=8),
)
JUDGED = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.dictionaries(DOCUMENTS, st.integers(0, 3), min_size=1, max_size=5),
    min_size=1,
)
SOME = ["nDCG@10", "R@1", "R@5", "R@1000", "RR@10", "Success@1", "Success@5", "AP", "P@3"]


@given(RUNS, JUDGED)
def test_the_mean_over_queries_is_that_of_ir_measures(run, qrels):
    """With ties, unjudged documents, lost queries, and queries that nobody judged."""
    found = evaluate_each(run, qrels, SOME)
    assert list(found) == SOME
    assert all(list(values) == list(qrels) for values in found.values())
    means = {name: sum(values.values()) / len(qrels) for name, values in found.items()}
    assert means == pytest.approx(hybrid.evaluate(run, qrels, SOME))


@given(RUNS, JUDGED)
def test_a_query_has_the_value_that_it_has_alone(run, qrels):
    found = evaluate_each(run, qrels, SOME)
    for query, judged in qrels.items():
        alone = hybrid.evaluate({query: run.get(query, {})}, {query: judged}, SOME)
        assert {name: found[name][query] for name in SOME} == pytest.approx(alone)


def test_each_query_by_hand():
    run = {"q1": {"x": 3.0, "b": 2.0}, "unasked": {"c": 1.0}}
    found = evaluate_each(run, QRELS, ["RR@10", "R@2", "R@1000"])
    assert found == {
        "RR@10": {"q1": 0.5, "q2": 0.0},
        "R@2": {"q1": 0.5, "q2": 0.0},
        "R@1000": {"q1": 0.5, "q2": 0.0},
    }
    with pytest.raises(ValueError, match="judgements of at least one query"):
        evaluate_each(run, {}, ["AP"])
    with pytest.raises(ValueError, match="measures such as nDCG@10, not"):
        evaluate_each(run, QRELS, ["Quality@10"])
