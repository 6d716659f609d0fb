"""The benchmark of fusion runs, and gives a ratio only where answers agree.  No peer is needed."""

import json
import sys

import numpy as np
import pytest

from bench import fusion, fusion_speed
from bench.fusion_speed import same
from fusion import METHODS

TEXTS = ["Cats purr.", "Dogs bark at cats.", "Birds sing songs.", "..."]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command in this process, and return its records."""

    def run(*arguments):
        path = tmp_path / "out.jsonl"
        monkeypatch.setattr(fusion, "one_thread", lambda module: None)
        monkeypatch.setattr(sys, "argv", ["fusion", *arguments, "--json", str(path)])
        fusion.main()
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return run


@pytest.fixture
def collection(tmp_path):
    """Write a collection of four documents, one without words, and two questions."""
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(TEXTS)]
    queries = [{"_id": "q0", "text": "why do cats purr"}, {"_id": "q1", "text": "singing birds"}]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
    judged = "query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td2\t1\n"
    (folder / "qrels" / "test.tsv").write_text(judged, "utf-8")
    return folder


def test_every_method_is_measured_with_lsa(run, collection, capsys):
    records = run("quality", "--collections", str(collection), "--encoder", "lsa")
    lines = {"BM25", "dense", *METHODS, "rrf k=10", "weighted, dense 0.2", "weighted, dense 0.5"}
    assert lines <= {record["method"] for record in records}
    assert {record["queries"] for record in records} == {2}
    assert all(0 <= record["nDCG@10"] <= 1 for record in records)
    assert {r["method"]: r["nDCG@10"] for r in records}["BM25"] == 1.0
    printed = capsys.readouterr().out
    assert printed.startswith("| nDCG@10 | small | mean | gain | worst | over RRF |")
    assert "| rrf | 1.000 | 1.000 | +0.000 | +0.000 | +0.000 |" in printed


def test_vectors_are_read_by_id_and_only_queries_with_one_are_asked(run, collection, tmp_path):
    ids = np.array(["d2", "d0", "d1", "d3"])
    vectors = np.eye(4, dtype=np.float16)
    np.savez(tmp_path / "small.npz", D=vectors, Q=vectors[:1], ids=ids, qids=np.array(["q1"]))
    command = ("quality", "--collections", str(collection), "--vectors", str(tmp_path))
    records = run(*command, "--methods", "borda", "--weights", "0.9")
    assert [record["method"] for record in records] == [
        "BM25", "dense", "borda", "rrf", "rrf k=10", "weighted, dense 0.9",
    ]  # fmt: skip
    assert {record["queries"] for record in records} == {1}
    assert {record["nDCG@10"] for record in records if record["method"] == "dense"} == {1.0}


def test_a_document_without_a_vector_is_an_error(run, collection, tmp_path):
    vector = np.ones((1, 2), np.float16)
    np.savez(
        tmp_path / "small.npz", D=vector, Q=vector, ids=np.array(["d0"]), qids=np.array(["q0"])
    )
    with pytest.raises(ValueError, match="a vector of every document, not none of d1"):
        run("quality", "--collections", str(collection), "--vectors", str(tmp_path))


def test_vectors_must_be_named(run, collection):
    with pytest.raises(SystemExit, match="expected --vectors"):
        run("quality", "--collections", str(collection))


def test_speed_beside_the_dictionary(run, monkeypatch):
    monkeypatch.setattr(fusion_speed, "ranx", lambda lists, k: None)  # compiles for a minute
    records = run("speed", "--queries", "3", "--length", "50", "--rounds", "1")
    assert [record["engine"] for record in records] == ["ours", "dictionary"]
    assert all(record["same"] and record["ms"] > 0 and record["ratio"] for record in records)


def test_made_lists_share_two_fifths():
    (lists,) = fusion_speed.made(1, 100, seed=1)
    assert len(np.intersect1d(lists["bm25"].rows, lists["dense"].rows)) == 40
    assert (np.diff(lists["bm25"].scores) < 0).all()


def test_same_allows_another_order_of_equal_scores_only():
    mine = {1: 2.0, 2: 1.0, 3: 1.0}
    assert same(mine, {1: 2.0, 3: 1.0, 2: 1.0})
    assert not same(mine, {2: 1.0, 1: 2.0, 3: 1.0})
    assert not same(mine, {1: 2.0, 2: 1.0, 4: 1.0})
    assert not same(mine, {1: 2.1, 2: 1.0, 3: 1.0})
