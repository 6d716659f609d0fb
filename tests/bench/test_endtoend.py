"""The benchmark of whole searches runs, and its figures are what plain code says."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import hybrid
from bench import endtoend, endtoend_peers
from bench.endtoend_data import MadeUp, Questions
from tests import oracles

ROWS, DIMENSION = 400, 16
MADE = ("--rows", str(ROWS), "--dimension", str(DIMENSION))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a folder with a flat and one with an HNSW index of the same passages."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("flat", "hnsw"):
            made = ("build", str(place / kind), *MADE, "--queries", "12", "--kind", kind)
            patch.setattr(sys, "argv", ["endtoend", *made])
            endtoend.main()
    return place


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command in this process, and return its records by engine."""

    def run(*arguments):
        path = tmp_path / "out.jsonl"
        monkeypatch.setattr(endtoend, "one_thread", lambda module: None)
        common = ("--k", "5", "--rounds", "1", "--json", str(path))
        monkeypatch.setattr(sys, "argv", ["endtoend", *map(str, arguments), *common])
        endtoend.main()
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return {record["engine"]: record for record in records}

    return run


@pytest.fixture
def contest(built):
    """Return a function that opens the contest over an index."""
    opened = []

    def contest(kind):
        folder: Path = built / kind
        questions = Questions.load(folder)
        opened.append(hybrid.Retriever.load(folder / "index", encoder=questions.encoder()))
        made = MadeUp.of(ROWS, DIMENSION, 1)
        return endtoend_peers.Contest(made, folder, 5, opened[-1]), made, questions

    yield contest
    for retriever in opened:
        retriever.close()


def test_latency_says_what_a_search_is_made_of(run, built):
    records = run("latency", built / "flat", "--queries", "6")
    alone = [records[f"{name} alone"]["p50_us"] for name in ("bm25", "dense")]
    assert set(records) == {"bm25 alone", "dense alone", "default", "RRF", "RRF of 100"}
    for name in ("default", "RRF", "RRF of 100"):
        record = records[name]
        assert (record["rows"], record["kind"], record["queries"]) == (ROWS, "flat", 6)
        assert record["ratio"] == round(record["p50_us"] / max(alone), 2)
        assert min(record[f"{stage}_us"] for stage in (*endtoend.STAGES, "fusion")) > 0
        assert record["proved"] == 1
        assert set(record["depths"]) == {"bm25", "dense"}
    assert [records[name]["exact"] for name in ("default", "RRF", "RRF of 100")] == [1, 1, 0]


def test_hits_are_counted_by_the_row_that_is_wanted(built):
    questions = Questions.load(built / "flat").first(8)
    away = Questions(questions.texts, questions.vectors, [ROWS] * 8)  # no such row
    path, encoder = built / "flat" / "index", questions.encoder()
    with hybrid.Retriever.load(path, encoder=encoder) as retriever:
        whole = endtoend._explained(retriever, questions, ROWS)
        assert whole[f"hit@{ROWS}"] == 1  # every row has a dense score
        assert endtoend._explained(retriever, away, ROWS)[f"hit@{ROWS}"] == 0


def test_an_approximate_index_is_not_called_exact(run, built):
    assert run("latency", built / "hnsw", "--queries", "3")["default"]["exact"] == 0


@pytest.mark.parametrize("way", ["RRF", "scores"])
def test_the_exact_answer_is_that_of_plain_code(contest, way):
    held, made, questions = contest("flat")
    questions = questions.first(4)
    tokens = [text.lower().rstrip(".").split() for text in held.texts]
    for question, found in zip(questions.asked(), held.exact(way, questions.asked()), strict=True):
        words = np.array(_plain_bm25(tokens, question.text.split()))
        near = made.vectors.astype(np.float64) @ question.vector / _length(question.vector)
        if way == "RRF":
            scores = _reciprocal(words) + _reciprocal(near, all_listed=True)
        else:
            scores = (
                0.3 * _standardised(words, held, question) + 0.7 * (near - near.mean()) / near.std()
            )
        last = np.sort(scores)[-5]
        assert found == {held.texts[row] for row in np.flatnonzero(scores >= last - 1e-6)}


def test_ours_over_a_flat_index_gives_the_exact_answer(contest):
    held, _, questions = contest("flat")
    for engine in list(held.ours().values())[:2]:
        answers = [engine.ask(question) for question in questions.asked()]
        exact = held.exact(engine.way, questions.asked())
        assert endtoend_peers.recall(answers, exact, 5) == 1


def test_recall_counts_what_is_found():
    assert endtoend_peers.recall([["a", "b"], ["c", "d"]], [{"a", "b"}, {"d", "e"}], 2) == 0.75
    assert endtoend_peers.recall([["a"]], [{"b"}], 1) == 0
    assert endtoend_peers.recall([["a", "b"]], [{"a", "b", "tied"}], 2) == 1


def test_peers_are_asked_the_same(run, built):
    pytest.importorskip("bm25s")
    records = run("peers", *MADE, "--index", built / "hnsw", "--queries", "8", "--peers", "recipe")
    assert list(records) == ["ours, default", "ours, RRF", "ours, RRF of 100", "recipe"]
    # 100 rows of each list leave out little of 400
    assert min(record["recall@5"] for record in records.values()) >= 0.7
    assert min(record["hit@5"] for record in records.values()) >= 0.9
    assert (built / "hnsw" / "recipe.faiss").exists()  # and is read the second time
    again = run("peers", *MADE, "--index", built / "hnsw", "--queries", "8", "--peers", "recipe")
    assert again["recipe"]["recall@5"] == records["recipe"]["recall@5"]


def test_lancedb_is_asked_for_as_many_and_for_more(run, built):
    pytest.importorskip("lancedb")
    pytest.importorskip("pyarrow")
    for _ in range(2):  # its table is read the second time
        records = run(
            "peers", *MADE, "--index", built / "hnsw", "--queries", "8", "--peers", "lancedb-flat"
        )
        short, long = (records[f"lancedb-flat, limit {limit}"] for limit in (5, 100))
        assert short["recall@5"] <= long["recall@5"]
        assert long["recall@5"] >= 0.7
        assert long["hit@5"] >= 0.9


def test_a_peer_that_is_missing_is_named(run, built, monkeypatch, capsys):
    monkeypatch.setattr(endtoend_peers, "versions", lambda: {"numba": "1"})
    records = run("peers", *MADE, "--index", built / "hnsw", "--peers", "lancedb")
    assert all(name.startswith("ours") for name in records)
    assert "lancedb: lancedb, pyarrow not installed" in capsys.readouterr().err


def test_an_index_of_other_passages_is_refused(run, built):
    with pytest.raises(ValueError, match="expected 500 passages, not 400"):
        run("peers", "--rows", "500", "--dimension", "16", "--index", built / "flat", "--peers")


def _length(vector):
    return np.sqrt((vector.astype(np.float64) ** 2).sum())


def _reciprocal(scores, *, all_listed=False):
    """Return 1 / (60 + rank); what has no score is on no list."""
    order = np.lexsort((np.arange(len(scores)), -scores))
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    return np.where(all_listed | (scores > 0), 1 / (60 + ranks), 0.0)


def _standardised(scores, held, question):
    """Return BM25 scores less the mean, in units of the estimated spread (docs: ADR 0004)."""
    statistics = held._indexes[0].statistics(question.text.split())
    assert statistics.mean == pytest.approx(scores.mean(), rel=1e-4)
    return (scores - statistics.mean) / statistics.std


def _plain_bm25(tokens, query):
    found = oracles.bm25(range(len(tokens)), tokens, query)
    return [found.get(row, 0.0) for row in range(len(tokens))]
