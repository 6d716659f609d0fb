"""``hybrid bench``: what it writes, and that a replay finds the same, or says what is not."""

import json
import shutil

import pytest
from click.testing import CliRunner

from hybrid.benchmark.manifest import differences, other_versions, read_manifest
from hybrid.benchmark.running import MEASURES
from hybrid.cli import main
from tests.hybrid.test_benchmark import documents

FUSIONS = ["--fusion", "rrf", "--fusion", "borda"]
WAYS = ["bm25", "dense", "default", "rrf", "borda"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_collection(folder):
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": d.doc_id, "title": "", "text": d.text} for d in documents(60)]
    asked = [{"_id": "q1", "text": "cat purr"}, {"_id": "q2", "text": "dog"}]
    for name, rows in (("corpus", corpus), ("queries", asked)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
    judged = "q1\td001\t1\nq2\td002\t2\nq2\tgone\t1\n"
    (folder / "qrels" / "test.tsv").write_text(judged, "utf-8")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One run with all its files."""
    place = tmp_path_factory.mktemp("bench")
    write_collection(place / "tiny")
    files = {name: place / name for name in ("json", "runs", "manifest", "index")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    result = run("bench", place / "tiny", *FUSIONS, *options, "--bm25-b", 0, "--no-split")
    assert result.exit_code == 0, result.stderr
    return place, result


def test_the_terminal_says_how_good_and_how_dear(done):
    _, result = done
    assert "tiny: 60 documents, 60 chunks, 2 judged questions; encoder lsa, built in" in (
        result.stdout
    )
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in lines if line and line[0] in WAYS] == [*WAYS, *WAYS[:4]]
    assert "A document scores as its best chunk" in result.stdout
    assert "1 of 3 judged documents are not in the index, such as 'gone'" in result.stderr


def test_a_record_for_each_way(done):
    place, _ = done
    found = [json.loads(line) for line in (place / "json").read_text("utf-8").splitlines()]
    assert [one["method"] for one in found] == WAYS
    assert [one["kind"] for one in found] == ["index"] * 2 + ["fusion"] * 3
    assert all(set(MEASURES) <= one.keys() for one in found)
    assert [one["p50_ms"] is None for one in found] == [False] * 4 + [True]
    assert found[3]["settings"]["k"] == 60
    assert found[0]["disk_bytes"]["store"] == (place / "index" / "store.db").stat().st_size


def test_the_manifest_has_hashes_settings_and_measures(done):
    place, _ = done
    manifest = read_manifest(place / "manifest")
    assert set(manifest["data"]) == {"corpus", "queries", "qrels"}
    assert manifest["settings"]["options"] == {"b": 0.0, "no_split": True}
    assert manifest["settings"]["seed"] == 0
    assert manifest["index"]["bm25"]["b"] == 0
    assert {"python", "numpy", "faiss-cpu", "hybrid-retrieval"} <= manifest["versions"].keys()
    assert list(manifest["runs"]) == list(manifest["measures"]) == WAYS
    assert len(set(manifest["runs"].values())) == len(WAYS)
    assert sorted(path.name for path in (place / "runs").iterdir()) == sorted(
        f"{way}.trec" for way in WAYS
    )


def test_a_replay_finds_the_same(done, tmp_path):
    place, _ = done
    manifest = place / "manifest"
    result = run("bench", "--replay", manifest, "--runs", tmp_path / "again")
    assert result.exit_code == 0, result.output
    assert f"the same data, runs and measures as in {manifest}" in result.stdout
    for way in WAYS:
        paths = [folder / f"{way}.trec" for folder in (place / "runs", tmp_path / "again")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_replay_notices_a_changed_corpus(done, tmp_path):
    place, _ = done
    shutil.copytree(place / "tiny", tmp_path / "tiny")
    moved = tmp_path / "tiny"
    result = run("bench", moved, "--replay", place / "manifest")
    assert result.exit_code == 0, result.output  # only moved
    corpus = (moved / "corpus.jsonl").read_text("utf-8")
    changed = corpus.replace('"_id": "d001"', '"_id": "d001b"')
    assert changed != corpus
    (moved / "corpus.jsonl").write_text(changed, "utf-8")
    result = run("bench", moved, "--replay", place / "manifest")
    assert result.exit_code == 1
    told = [line.split(" was ")[0] for line in result.stdout.splitlines() if " was " in line]
    assert "data: corpus:" in told
    assert "data: queries:" not in told
    assert "runs: bm25:" in told
    assert "measures: bm25: AP:" in told
    assert f"{len(told)} differences to" in result.stdout


@pytest.mark.parametrize("part", ["runs", "measures", "index"])
def test_every_difference_is_a_line(done, part):
    place, _ = done
    before, now = (read_manifest(place / "manifest") for _ in range(2))
    assert differences(before, now) == other_versions(before, now) == []
    value = now[part].pop("bm25")
    now["versions"]["numpy"] = "0"
    assert differences(before, now)[0].startswith(f"{part}: bm25")
    assert "versions: numpy: was" in other_versions(before, now)[0]
    assert "is None" in differences(before, now)[0]
    now[part]["bm25"], before[part] = value, {}
    assert differences(before, now)[0].startswith(f"{part}: ")


def test_own_index_with_questions_and_judgements(done, tmp_path):
    place, _ = done
    (tmp_path / "q.tsv").write_text("q1\tcat purr\n", "utf-8")
    rows = '{"query_id": "q1", "doc_id": "d001", "relevance": 1}\n'
    (tmp_path / "r.jsonl").write_text(rows, "utf-8")
    files = "--queries", tmp_path / "q.tsv", "--qrels", tmp_path / "r.jsonl"
    written = "--manifest", tmp_path / "manifest"
    result = run("bench", place / "index", *files, *FUSIONS, "--no-timing", *written)
    assert result.exit_code == 0, result.output
    assert "index: 60 documents, 60 chunks, 1 judged questions; encoder lsa\n" in result.stdout
    assert "p50 ms" not in result.stdout
    assert run("bench", "--replay", tmp_path / "manifest").exit_code == 0
    taken = run("bench", place / "tiny", "--index", place / "index", "--no-timing", *written)
    assert "encoder lsa\n" in taken.stdout
    kept = str(place / "index")
    assert read_manifest(tmp_path / "manifest")["settings"]["index"] == kept
    refused = run("bench", place / "index", *files, "--encoder", "none")
    assert refused.exit_code == 1
    assert "expected no settings for" in refused.stderr


def test_bad_commands(done, tmp_path):
    place, _ = done
    (tmp_path / "x.json").write_text("[]")
    for arguments, message in (
        ([], "expected SOURCE"),
        (["--replay", tmp_path / "x.json"], "expected a manifest of format 1"),
        (["--replay", place / "manifest", "--encoder", "none"], "expected no settings with"),
        ([place / "tiny", "--fusion", "best"], "expected a fusion method of"),
        ([place / "tiny", "--split", "dev"], "dev.tsv"),
        ([place / "tiny", "--dense-kind", "flat", "--index", place / "index"], "no settings for"),
    ):
        result = run("bench", *arguments)
        assert result.exit_code == 1
        assert message in result.stderr
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match="expected the JSON of a manifest"):
        read_manifest(tmp_path / "x.json")


def test_the_kind_of_the_dense_index(done, tmp_path):
    place, _ = done
    out = tmp_path / "out.json"
    options = "--fusion", "rrf", "--no-timing", "--dense-kind", "hnsw", "--json", out
    result = run("bench", place / "tiny", *options)
    assert result.exit_code == 0, result.output
    found = {one["method"]: one for one in map(json.loads, out.read_text("utf-8").splitlines())}
    assert found["dense"]["ann_recall"] == {"10": 1.0, "100": 1.0}  # a graph of 60 rows
    assert found["bm25"]["ann_recall"] is None
    assert "ANN recall@10" in result.stdout
