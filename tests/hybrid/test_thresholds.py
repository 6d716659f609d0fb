"""Which hits come back: least scores, limits, and fusion by name, from Python and the shell."""

import json
import math

import pytest
from click.testing import CliRunner

from fusion import ByRank
from hybrid import RRF, Limit, Retriever
from hybrid.cli import main

TEXTS = ["Cats purr when content.", "Dogs bark at cats.", "Fish swim.", "Birds sing at dawn."]


@pytest.fixture
def retriever():
    return Retriever.from_texts(TEXTS)


def test_hits_below_a_score_are_left_out(retriever):
    every = retriever.search("why do cats purr?", k=4)
    assert len(every) > 1
    least = every[1].score
    assert retriever.search("why do cats purr?", k=4, min_score=least) == every[:2]
    assert (
        retriever.search("why do cats purr?", k=4, min_score=math.nextafter(least, 9)) == every[:1]
    )
    assert retriever.search("why do cats purr?", min_score=99.0) == []
    assert retriever.search_many(["cats", "dogs"], min_score=99.0) == [[], []]
    assert retriever.context("cats", min_score=99.0).text == ""
    with pytest.raises(TypeError, match="min_score as a number, not 'high'"):
        retriever.search("cats", min_score="high")


def test_hits_say_whether_they_are_proved(retriever):
    assert all(hit.proved for hit in retriever.search("cats", k=4))
    hits = retriever.search("why do cats purr at dawn?", k=3, limit=Limit(depth=1))
    assert not all(hit.proved for hit in hits)


def test_fusion_is_set_by_name(retriever):
    retriever.fusion = "borda"
    assert retriever.fusion == ByRank("borda")
    assert retriever.search("cats purr", k=1)[0].doc_id == "0"
    with pytest.raises(ValueError, match="a fusion method of rrf"):
        retriever.fusion = "magic"
    with pytest.raises(TypeError, match="a fusion method or its name, not int"):
        retriever.fusion = 60


@pytest.mark.parametrize("name", ["rrf", "isr", "borda", "condorcet", "tm2c2", "mnz", "med"])
def test_a_method_outlives_the_process(retriever, tmp_path, name):
    retriever.fusion = name
    retriever.save(tmp_path / "index")
    with Retriever.load(tmp_path / "index") as opened:
        assert opened.fusion == retriever.fusion
        assert opened.search("cats purr", k=4) == retriever.search("cats purr", k=4)


def test_explanations_name_the_index_that_would_have_missed_a_hit(retriever):
    retriever.fusion = RRF()
    (best, *_) = retriever.explain("purr", k=1).hits
    assert best.missed_by == ()
    vectors_only = [hit for hit in retriever.explain("cats", k=4).hits if not hit.terms]
    assert vectors_only
    assert all("bm25" in hit.missed_by for hit in vectors_only)


def test_the_shell_has_the_same(retriever, tmp_path):
    folder = str(tmp_path / "index")
    retriever.save(folder)

    def hits(*options):
        done = CliRunner().invoke(main, ["search", folder, "cats purr", "--json", *options])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["hits"]

    assert len(hits("--min-score", "99")) == 0
    best = hits("--fusion", "rrf", "-k", "1")[0]
    assert best["score"] == pytest.approx(2 / 61)
    refused = CliRunner().invoke(main, ["search", folder, "cats", "--fusion", "magic"])
    assert refused.exit_code != 0
    assert "a fusion method of rrf" in refused.stderr


def test_why_a_chunk_is_not_a_hit_is_told(retriever, tmp_path):
    told = retriever.why_not("why do cats purr?", "2", k=1)
    assert told.chunk_id == "2#0"
    assert told.rank > 1
    assert told.gap == pytest.approx(told.kth_score - told.score)
    folder = str(tmp_path / "index")
    retriever.save(folder)
    asked = ["why-not", folder, "why do cats purr?", "2", "-k", "1"]
    assert CliRunner().invoke(main, asked).stdout == f"{told}\n"
    found = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)
    assert found["rank"] == told.rank
    with pytest.raises(ValueError, match="nowhere"):
        retriever.why_not("cats", "nowhere")
