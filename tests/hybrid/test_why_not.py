"""Why a chunk is not a hit, in the words of a retriever's user."""

import json

import pytest

import hybrid
from fusion import Condorcet
from hybrid import RRF, Document, Weighted
from hybrid.as_json import as_json
from hybrid.why_not import why_not
from tests.hybrid.conftest import TEXTS

QUESTION = "why do cats purr in the afternoon?"


def told_of(retriever, chunk_id, k=1, condition=None, question=QUESTION):
    return why_not(retriever._search(), question, chunk_id, k, condition)


@pytest.mark.parametrize("fusion", [Weighted(), RRF(), Weighted({"bm25": 0.8, "dense": 0.2})])
def test_numbers_are_those_of_the_search(retriever, fusion):
    retriever.fusion = fusion
    hits = retriever.search(QUESTION, k=8)
    for hit in hits:
        told = told_of(retriever, hit.chunk_id, 2)
        assert (told.chunk_id, told.rank, told.score) == (hit.chunk_id, hit.rank, hit.score)
        assert dict(told.parts) == dict(hit.parts)
        assert (told.kth_chunk_id, told.kth_score) == (hits[1].chunk_id, hits[1].score)
        assert told.candidates == len(hits)
        assert told.missed_because == (None if hit.rank <= 2 else "score")


@pytest.mark.parametrize("fusion", [Weighted({"bm25": 0.2, "dense": 0.8}), RRF()])
def test_the_weight_that_it_names_makes_it_a_hit(retriever, fusion):
    retriever.fusion = fusion
    lifted = 0
    for number in range(len(TEXTS)):
        told = told_of(retriever, f"d{number}", 2)
        for lift in told.lifts.values():
            if lift is None:
                continue
            lifted += 1
            assert f"{lift.index} at {lift.rounded:.10g} (now {lift.now:.4g})" in str(told)
            retriever.fusion = type(fusion)(weights=lift.weights)
            hit = retriever.search(QUESTION, k=2)[lift.rank - 1]
            assert hit.chunk_id == told.chunk_id
            rest = 1 - lift.rounded if isinstance(fusion, Weighted) else 1.0
            typed = {name: rest for name in lift.weights} | {lift.index: lift.rounded}
            retriever.fusion = type(fusion)(weights=typed)
            assert told.chunk_id in [hit.chunk_id for hit in retriever.search(QUESTION, k=2)]
            retriever.fusion = fusion
    assert lifted


def test_terms_that_it_has_and_lacks(retriever):
    told = told_of(retriever, "d2")
    assert list(told.terms) == ["afternoon"]
    assert told.missing_terms == ("cat", "purr")
    assert "lacks     cat, purr" in str(told)
    assert told.terms["afternoon"] == pytest.approx(told.parts["bm25"].score)


def test_terms_of_a_formula_that_gives_something_for_nothing():
    texts = ["cats purr", "dogs bark", "cats sleep"]
    bm25 = hybrid.BM25(method="bm25+")
    with hybrid.Retriever.from_texts(texts, ids=["a", "b", "c"], encoder=None, bm25=bm25) as made:
        told = told_of(made, "c", question="cats purr")
        assert list(told.terms) == ["cat"]
        assert told.missing_terms == ("purr",)


def test_in_words(retriever):
    told = told_of(retriever, "d2", 2)
    lines = str(told).splitlines()
    assert lines[0] == f"question: {QUESTION}"
    assert lines[1] == (
        f"d2#0: rank 3 of 8, score {told.score:.4f}, needs {told.gap:.4g} more: "
        f"hit 2 (d3#0) has {told.kth_score:.4f}"
    )
    assert lines[-1].startswith("weights: it would be a hit with bm25 at ")
    assert str(told_of(retriever, "d0")).splitlines()[1].startswith("d0#0: a hit: rank 1 of 8")
    retriever.fusion = Condorcet()
    assert "no sum of weights" in str(told_of(retriever, "d2"))
    retriever.fusion = Weighted({"bm25": 1.0, "dense": 0.0})
    assert "no index that has a weight finds it" in str(told_of(retriever, "d7"))


def test_a_filter_that_leaves_it_out(retriever):
    plain, told = told_of(retriever, "d2"), told_of(retriever, "d2", 1, {"n": 3})
    assert told.missed_because == "filter"
    assert (told.rank, told.score, told.parts) == (plain.rank, plain.score, plain.parts)
    assert not told.lifts
    assert "without the filter it has rank 3 of 8" in str(told)
    assert told_of(retriever, "d2", 1, {"n": 2}).missed_because is None


def test_of_a_document_the_best_chunk_is_meant():
    texts = ["Dogs bark at foxes. Cats purr at dogs. Foxes run at cats.", "Cats purr when content."]
    chunker = hybrid.Chunker(size=22)
    with hybrid.Retriever.from_texts(
        texts, ids=["long#1", "other"], chunker=chunker, encoder=None
    ) as made:
        hit = next(hit for hit in made.search("cats purr", k=9) if hit.doc_id == "long#1")
        assert hit.chunk_id == "long#1#1"
        assert told_of(made, "long#1", question="cats purr").chunk_id == hit.chunk_id
        assert told_of(made, hit.chunk_id, question="cats purr").rank == hit.rank
        with pytest.raises(ValueError, match="a chunk of 'long#1', from long#1#0 to long#1#"):
            told_of(made, "long#1#99")


def test_as_json(retriever):
    retriever.fusion = Weighted({"bm25": 0.2, "dense": 0.8})
    told = json.loads(json.dumps(as_json(told_of(retriever, "d3")), allow_nan=False))
    assert told["chunk_id"] == "d3#0"
    assert told["parts"]["dense"]["rank"] >= 1
    assert set(told["lifts"]) == {"bm25", "dense"}
    retriever.fusion = RRF(missing="zero", depth=1)
    told = json.loads(json.dumps(as_json(told_of(retriever, "d7")), allow_nan=False))
    assert (told["rank"], told["score"]) == (None, None)


def test_chunks_that_are_not_there_are_refused(retriever):
    retriever.delete(["d1"])
    for name in ("d1", "d1#0", "nobody", "#"):
        with pytest.raises(ValueError, match="never added, or deleted"):
            told_of(retriever, name)
    with pytest.raises(ValueError, match="from d0#0 to d0#0, not 'd0#7'"):
        told_of(retriever, "d0#7")
    retriever.add([Document("empty", "  ")])
    with pytest.raises(ValueError, match="of a document without any text"):
        told_of(retriever, "empty")
    with pytest.raises(TypeError, match="a chunk as text, not int"):
        told_of(retriever, 3)


def test_wrong_questions_are_refused(retriever):
    with pytest.raises(ValueError, match="a blank one has no hits"):
        told_of(retriever, "d0", question=" ")
    with pytest.raises(TypeError, match="a question as text"):
        told_of(retriever, "d0", question=None)
    with pytest.raises(ValueError, match="k as a whole number of at least 1, not 0"):
        told_of(retriever, "d0", 0)
