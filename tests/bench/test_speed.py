"""The benchmarks run, and refuse to compare what does not agree.  No peer is needed."""

import json
import sys

import numpy as np
import pytest

from bench import speed
from bench.comparison import compare, same
from bench.peers import HOMES, load, quickest
from bench.timing import Clock, Latency, alternate, facts
from indexes import Candidates

COLLECTION = {
    "corpus.jsonl": [
        {"_id": "a", "title": "Cats", "text": "Cats purr."},
        {"_id": "b", "title": "", "text": "Dogs bark at cats."},
    ],
    "queries.jsonl": [{"_id": f"q{number}", "text": "why do cats purr"} for number in range(4)],
}


def candidates(rows, scores):
    return Candidates(np.array(rows, np.int64), np.array(scores, np.float32))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command in this process, and return its records."""

    def run(*arguments):
        path = tmp_path / "out.jsonl"
        monkeypatch.setattr(speed, "one_thread", lambda module: None)
        monkeypatch.setattr(sys, "argv", ["speed", *arguments, "--json", str(path)])
        speed.main()
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return run


SMALL = ("--rounds", "1", "--queries", "5", "--k", "3", "--peers")


def test_bm25(run, capsys):
    records = run("bm25", "--passages", "300", *SMALL)
    assert [record["workload"] for record in records] == ["4 terms", "with stop words"]
    assert all(record["engine"] == "ours" and record["mean_us"] > 0 for record in records)
    assert {"seed", "machine", "versions", "rounds_us", "bytes"} <= records[0].keys()
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_lexical(run):
    (record,) = run("lexical", "--documents", "300", "--shape", "bge-m3", *SMALL)
    assert record["workload"] == "bge-m3"
    assert record["mean_postings"] > 0


def test_collection(run, tmp_path):
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    for name, lines in COLLECTION.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / name).write_text(text, "utf-8")
    judged = "".join(f"q{number}\ta\t1\n" for number in range(4))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged, "utf-8")
    (record,) = run("collection", str(folder), "--analyzer", "english", *SMALL)
    assert record["passages"] == 2
    assert record["queries"] == 2


def test_build(run):
    (record,) = run("build", "--passages", "200", "--rounds", "1", "--peers")
    assert record["engine"] == "ours"
    assert record["build_s"] > 0
    assert record["peak_mb"] >= record["before_mb"] > 0
    assert record["bytes_per_posting"] > 0
    assert record["open_ms"] > 0


def test_threads(run):
    records = run("threads", "--passages", "300", *SMALL[:-1])
    assert [record["threads"] for record in records] == [1, 2, 1, 2]


def test_commit(run):
    (record,) = run("commit", "--passages", "300", "--rounds", "2")
    assert min(record[part] for part in ("open_ms", "add_ms", "delete_ms", "save_ms")) > 0
    assert 0 < record["written_bytes"] <= record["bytes"]


def test_same_allows_rounding_and_ties_at_the_end_only():
    ours = candidates([1, 2, 3], [3.0, 2.0, 1.0])
    assert same(ours, candidates([1, 2, 9], [3.0, 2.00001, 1.0]))
    assert not same(ours, candidates([1, 9, 3], [3.0, 2.0, 1.0]))
    assert not same(ours, candidates([1, 2, 3], [3.0, 2.001, 1.0]))
    assert not same(ours, candidates([1, 2], [3.0, 2.0]))
    assert same(candidates([], []), candidates([], []))


class Peer:
    def __init__(self, least_overlap):
        self.least_overlap = least_overlap


def test_a_peer_that_found_something_else_does_not_agree():
    ours = [candidates([1, 2], [2.0, 1.0]), candidates([3], [1.0])]
    other = [candidates([1, 5], [9.0, 8.0]), candidates([3], [7.0])]
    assert compare(Peer(1.0), ours, ours) == (True, 1.0)
    assert compare(Peer(1.0), ours, other) == (False, 0.75)
    assert compare(Peer(0.9), ours, other) == (False, 0.75)
    assert compare(Peer(0.7), ours, other) == (True, 0.75)


def test_a_peer_that_finds_nothing_does_not_agree():
    nothing = [candidates([], [])]
    assert compare(Peer(1.0), nothing, nothing) == (False, 1.0)


def test_engines_take_turns_by_round_and_the_first_is_not_counted():
    asked = []
    engines = {name: (lambda query, name=name: asked.append((name, query))) for name in "ab"}
    latencies = alternate(engines, [1, 2], rounds=2)
    assert "".join(name for name, _ in asked) == "aabb" + "bbaa" + "aabb"
    assert all(len(latency.rounds_us) == 2 for latency in latencies.values())


def test_a_latency_is_the_median_of_the_means():
    latency = Latency.of([[1000, 3000], [2000, 2000], [8000, 8000]])
    assert latency.rounds_us == [2.0, 2.0, 8.0]
    assert latency.mean_us == 2.0
    assert latency.p50_us == 2.5


def test_a_clock_adds_up_by_part():
    clock = Clock()
    clock.lap("a")
    clock.lap("b")
    clock.lap("a")
    assert set(clock.parts) == {"a", "b"}


def test_facts_name_the_machine_and_the_versions():
    found = facts()
    assert found["machine"]["cores"] >= 1
    assert set(HOMES) < set(found["versions"])


def test_the_quicker_way_is_chosen():
    ways = {"slow": lambda query, k: sum(range(20_000)), "quick": lambda query, k: None}
    assert quickest(ways, [1, 2, 3], 10) == "quick"


@pytest.mark.parametrize("name", [name for name in HOMES if name != "seismic"])
def test_a_peer_answers_as_ours_does(name, tmp_path):
    from bench import workloads
    from bench.comparison import index_of

    peer = load(name)
    if peer is None:
        pytest.skip(f"{name} is not installed")
    made = workloads.passages(400)
    index, queries = index_of(made.batch()), workloads.questions(made, 20)
    expected = [index.search(query, 10) for query in queries]
    peer.build(made.batch(), tmp_path)
    assert peer.tune(queries, 10, expected)
    found = [peer.read(peer.search(query, 10)) for query in queries]
    agrees, overlap = compare(peer, expected, found)
    assert agrees, overlap
