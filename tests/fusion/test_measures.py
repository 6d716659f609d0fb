"""Measures of many settings at once are those of ir-measures."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.measures import MEASURES, Custom, measure_named
from tests.fusion.judging import question_of, said_of

ONE = np.ones((1, 1))
NAMES = [f"{kind}@{cutoff}" for kind in MEASURES for cutoff in (1, 3, 10)] + ["nDCG", "RR", "AP"]


@st.composite
def rankings(draw):
    """Draw the order in which documents are found, some not at all, and their relevance."""
    count = draw(st.integers(0, 15))
    order = draw(st.permutations(range(count)))
    order = order[: draw(st.integers(0, count))]
    relevance = draw(st.dictionaries(st.integers(0, 18), st.integers(-1, 4), max_size=10))
    return count, order, {**relevance, draw(st.integers(0, 18)): 2}


def asked(count, order, relevance):
    """Return a question whose documents are found in an order, with its numbers."""
    scores = np.zeros((1, count))
    scores[0, order] = -np.arange(len(order))
    said = said_of(scores, np.isin(np.arange(count), order).astype(np.uint8))
    return question_of([said], relevance), said.listed, said.scores.astype(np.float64)


@given(rankings())
def test_measures_are_those_of_ir_measures(ranking):
    count, order, relevance = ranking
    question, listed, values = asked(count, order, relevance)
    parsed = {ir_measures.parse_measure(name): name for name in NAMES}
    run = {"q": {f"d{number}": -float(place) for place, number in enumerate(order)}}
    qrels = {"q": {f"d{number}": gain for number, gain in relevance.items()}}
    expected = dict.fromkeys(NAMES, 0.0)
    for one in ir_measures.iter_calc(list(parsed), qrels, run):
        expected[parsed[one.measure]] = one.value
    found = {name: measure_named(name).of(question, listed, values, ONE)[0] for name in NAMES}
    assert found == pytest.approx(expected)


def first_three(found, ideal):
    """nDCG@3."""
    discounts = np.log2(np.arange(2, 5))
    gained = (found[:3] / discounts[: len(found[:3])]).sum()
    return gained / (ideal[:3] / discounts[: len(ideal[:3])]).sum()


@given(rankings())
def test_a_function_is_as_good_as_a_name(ranking):
    question, listed, values = asked(*ranking)
    ours = Custom("mine", first_three).of(question, listed, values, ONE)
    assert ours == pytest.approx(measure_named("nDCG@3").of(question, listed, values, ONE))


def test_documents_score_as_their_best_row_and_tie_by_the_row_that_has_it():
    """Document 0 has the rows 0 and 1, document 1 the row 2: both score 5, document 1 by row 1."""
    said = said_of([[5.0, 5.0, 1.0]])
    question = question_of([said], {1: 1}, starts=[0, 2, 3])
    question.rows[:] = [0, 2, 1]  # of document 0, 0, 1
    values = np.array([[1.0, 5.0, 5.0]])
    for measure in (measure_named("RR"), Custom("first", lambda found, ideal: found[0])):
        assert measure.of(question, said.listed, values, ONE).tolist() == [1.0]
    values = np.array([[5.0, 5.0, 5.0]])
    assert measure_named("RR").of(question, said.listed, values, ONE).tolist() == [0.5]


def test_each_line_of_weights_has_its_value():
    said = said_of([[1.0, 0.0], [0.0, 1.0]], np.array([1, 2], np.uint8))
    question = question_of([said], {0: 1})
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [0.4, 0.6], [0.5, 0.5]])
    values = said.scores.astype(np.float64)
    found = measure_named("RR").of(question, said.listed, values, weights)
    assert found.tolist() == [1.0, 0.0, 0.5, 1.0]


def test_a_function_is_shown_the_documents_found_best_first():
    shown = []
    question, listed, values = asked(4, [2, 0, 3], {0: 1, 2: 3, 1: 2, 17: 4})

    def note(found, ideal):
        shown.append((found.tolist(), ideal.tolist()))
        return 0.25

    assert Custom("note", note).of(question, listed, values, ONE).tolist() == [0.25]
    assert Custom("note", note, depth=2).of(question, listed, values, ONE).tolist() == [0.25]
    assert shown == [([3.0, 1.0, 0.0], [4.0, 3.0, 2.0, 1.0]), ([3.0, 1.0], [4.0, 3.0, 2.0, 1.0])]
    with pytest.raises(ValueError, match="finite number from the measure 'bad'"):
        Custom("bad", lambda found, ideal: np.nan).of(question, listed, values, ONE)


@pytest.mark.parametrize("name", ["nDCG@0", "R", "P", "Success", "ndcg@10", "MAP", "nDCG@x", ""])
def test_what_is_no_measure_is_refused(name):
    with pytest.raises(ValueError, match="expected a"):
        measure_named(name)


def test_names_are_those_of_ir_measures():
    for name in NAMES:
        assert measure_named(name).name == name == str(ir_measures.parse_measure(name))
