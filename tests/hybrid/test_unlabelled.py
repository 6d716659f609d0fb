from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybrid
import hybrid.unlabelled as unlabelled
from fusion import RRF, Weighted
from hybrid.tuned import Tuned
from hybrid.unlabelled import estimate, gaps, length_share, vectors_share, verboseness
from indexes import BM25Index
from indexes.terms import TermBatch

from .conftest import TEXTS, letters

RARE = [f"zebra{number}" for number in range(12)]
FILLER = " ".join(f"filler{number}" for number in range(40))


def short_and_long(times):
    """For each rare word: a short text with it once, a long one with it so many times."""
    short = [f"{word} small" for word in RARE]
    return short + [" ".join([word] * times) + " " + FILLER for word in RARE]


def made(texts):
    return hybrid.Retriever.from_texts(texts, encoder=hybrid.FunctionEncoder(letters, "l", 27))


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=8), max_size=6))
def test_verboseness_is_length_over_distinct_terms(rows):
    expected = [len(row) / len(Counter(row)) for row in rows if row]
    assert verboseness(TermBatch.of(rows)).tolist() == pytest.approx(expected)


def test_b_moves_from_its_default_as_far_as_vectors_have_a_share():
    assert length_share(1.0, 1.0) == 0
    assert length_share(4.0, 1.0) == 0.75
    assert length_share(2.0, 0.0) == 0.75
    assert length_share(2.0, 0.6) == pytest.approx(0.75 - 0.6 * 0.25)


def test_the_share_is_that_of_dense_and_of_token_vectors():
    names = ["bm25", "dense", "multivector"]
    method = Weighted({"bm25": 1.0, "dense": 2.0, "multivector": 1.0})
    assert vectors_share(method, names) == pytest.approx(0.75)
    assert vectors_share(RRF(), names) == pytest.approx(2 / 3)
    assert vectors_share(RRF(), ["bm25"]) == 0


def test_a_gap_is_a_part_of_how_far_the_first_hit_is_above_the_mean():
    index = BM25Index()
    index.add([0, 1, 2, 3], [["a", "b"], ["a", "c", "c", "c"], ["b"], ["d", "d"]])
    scores = np.sort(index.score(["a"], np.arange(4)).astype(np.float64))[::-1]
    expected = (scores[0] - scores[1]) / (scores[0] - scores.mean())
    assert gaps(index, [["a"], ["d"], ["x"], []]).tolist() == pytest.approx(
        [expected, 0, 0, 0], rel=1e-5
    )


def test_the_estimate_is_the_formula_over_all_chunks(retriever):
    texts = ["purring\n" + TEXTS[0], *TEXTS[1:]]  # a title is indexed, too
    terms = [retriever.analyzer.terms(text) for text in texts]
    mean = np.mean([len(row) / len(set(row)) for row in terms])
    before = retriever.bm25, retriever.fusion
    found = estimate(retriever)
    assert found.bm25.b == pytest.approx(0.75 + 0.7 * (1 - 1 / mean - 0.75), abs=5e-4)
    assert found.bm25.b < 0.5
    assert found.bm25.k1 == before[0].k1
    assert found.fusion == before[1]
    assert found.report.verdict == "estimated"
    assert "Experimental" in str(found)
    assert (retriever.bm25, retriever.fusion) == before
    found.apply(retriever)
    assert retriever.bm25 == found.bm25
    assert estimate(retriever).bm25 == found.bm25  # not further and further


def test_without_vectors_nothing_is_changed():
    with hybrid.Retriever.from_texts(TEXTS, encoder=None, bm25=hybrid.BM25(b=0.6)) as retriever:
        found = estimate(retriever, [f"cats {number}" for number in range(20)])
    assert found.bm25 == hybrid.BM25(b=0.6)
    assert found.report.verdict == "default"
    assert "what is used now" in str(found)


def test_a_log_objects_where_first_hits_stand_out_less():
    with made(short_and_long(times=1)) as retriever:  # length alone tells the two apart
        own = retriever.bm25
        assert estimate(retriever).bm25.b < own.b
        found = estimate(retriever, RARE)
    assert found.report.gains[0].difference < 0
    assert (found.bm25, found.report.verdict) == (own, "default")
    assert "log objects" in str(found)


def test_a_log_that_does_not_object_leaves_the_estimate():
    with made(short_and_long(times=6)) as retriever:  # the long text says it more often
        found = estimate(retriever, RARE)
        assert found.bm25 == estimate(retriever).bm25
    assert found.report.gains[0].difference > 0
    assert (found.report.verdict, found.report.questions) == ("estimated", len(RARE))


def test_a_log_of_few_distinct_questions_is_not_used():
    with made(short_and_long(times=1)) as retriever:
        found = estimate(retriever, [*RARE[:9] * 5, " "])
    assert found.report.verdict == "estimated"
    assert found.report.gains == ()
    assert "fewer than 10" in str(found)


def test_samples_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(unlabelled, "CHUNKS", 5)
    monkeypatch.setattr(unlabelled, "QUESTIONS", 10)
    with made(short_and_long(times=30)) as retriever:
        found = [estimate(retriever, RARE, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert found[0] == found[1]
    assert found[0].report.questions in (0, 10)
    assert len({one.provenance["verboseness"] for one in found}) > 1
    assert len({one.provenance["log_sha256"] for one in found}) > 1


def test_what_was_estimated_can_be_saved(tmp_path, retriever):
    found = estimate(retriever, [f"cats purr {number}" for number in range(10)])
    found.save(tmp_path / "tuned.json")
    assert Tuned.load(tmp_path / "tuned.json") == found


def test_what_cannot_be_estimated_is_refused(retriever):
    with pytest.raises(TypeError, match="list of questions"):
        estimate(retriever, "cats")
    with (
        hybrid.Retriever.create(encoder=None) as empty,
        pytest.raises(ValueError, match="chunks with words"),
    ):
        estimate(empty)
