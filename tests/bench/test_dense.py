"""The dense benchmark runs and prints what it promises."""

import json
import sys

import pytest

from bench import dense


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command in this process, and return its records."""

    def run(*arguments):
        path = tmp_path / "out.jsonl"
        monkeypatch.setattr(dense, "one_thread", lambda module: None)
        common = ("--rows", "600", "--dimension", "16", "--queries", "8", "--rounds", "1")
        monkeypatch.setattr(sys, "argv", ["dense", *arguments, *common, "--json", str(path)])
        dense.main()
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return run


def test_flat_is_timed_beside_faiss(run):
    records = run("flat", "--k", "5")
    assert [(r["engine"], r["batch"]) for r in records] == [
        ("ours", 1), ("faiss", 1), ("ours", 8), ("faiss", 8),
    ]  # fmt: skip
    assert all(record["same"] and record["query_us"] > 0 for record in records)


def test_kinds_and_filters_are_compared(run):
    assert [record["ann_recall@10"] for record in run("kinds", "--kinds", "flat")] == [1.0]
    shares = [record["share"] for record in run("filters", "--kinds", "flat", "hnsw")[1:]]
    assert shares == [*dense.SHARES, *dense.SHARES]
