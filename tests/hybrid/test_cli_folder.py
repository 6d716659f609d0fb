"""`hybrid sync`, `hybrid export` and `hybrid import`."""

import json

import pytest
from click.testing import CliRunner

import hybrid
from hybrid import syncing
from hybrid.cli import main


@pytest.fixture
def place(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "cats.txt").write_text("Cats purr when they are content.")
    (tmp_path / "docs" / "dogs.txt").write_text("Dogs bark at night.")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_sync_makes_an_index_and_follows_the_folder(place):
    done = run("sync", place / "docs", place / "index")
    assert done.exit_code == 0, done.output
    assert done.stdout == "2 added, 0 replaced, 0 deleted, 0 unchanged\n"
    (place / "docs" / "birds.txt").write_text("Birds sing.")
    (place / "docs" / "dogs.txt").unlink()
    (place / "docs" / "cats.txt").write_bytes(b"\x00\x01" * 99)
    done = run("sync", place / "docs", place / "index", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["deleted"], found["skipped"][0]["path"]) == (1, "cats.txt")
    with hybrid.Retriever.load(place / "index") as retriever:
        assert {hit.doc_id for hit in retriever.search("cats and dogs")} == {
            "cats.txt",
            "birds.txt",
        }


def test_sync_does_not_empty_an_index_by_mistake(place):
    run("sync", place / "docs", place / "index")
    for path in (place / "docs").iterdir():
        path.unlink()
    done = run("sync", place / "docs", place / "index")
    assert done.exit_code == 1
    assert "error: expected documents in" in done.stderr
    assert run("sync", place / "docs", place / "index", "--keep").exit_code == 0
    done = run("sync", place / "docs", place / "index", "--allow-empty")
    assert done.stdout == "0 added, 0 replaced, 2 deleted, 0 unchanged\n"


def test_two_folders_in_one_index(place):
    run("sync", place / "docs", place / "index")
    options = "--name", "b", "--prefix", "b/"
    done = run("sync", place / "docs", place / "index", *options)
    assert done.stdout == "2 added, 0 replaced, 0 deleted, 0 unchanged\n"


def test_a_first_sync_that_fails_leaves_no_index(place):
    done = run("sync", place / "nowhere", place / "index")
    assert done.exit_code == 1
    assert "nothing is there" in done.stderr
    done = run("sync", place / "docs", place / "docs" / "index")
    assert done.exit_code == 1
    assert "would be read as one of the documents" in done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["docs"]


def test_watching_ends_with_ctrl_c_and_keeps_what_was_committed(place, monkeypatch):
    def interrupted(seconds):
        assert seconds == 7
        raise KeyboardInterrupt

    monkeypatch.setattr(syncing.watch, "__defaults__", (interrupted,))
    done = run("sync", place / "docs", place / "index", "--watch", 7)
    assert done.exit_code == 130
    assert done.stdout.splitlines()[0] == "2 added, 0 replaced, 0 deleted, 0 unchanged"
    with hybrid.Retriever.load(place / "index") as retriever:
        assert len(retriever) == 2


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_export_and_import(place, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    run("sync", place / "docs", place / "index")
    done = run("export", place / "index", place / f"out{suffix}")
    assert done.exit_code == 0, done.output
    assert "holds 2 documents in 2 chunks" in done.stdout
    done = run("import", place / f"out{suffix}", place / "copy", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["chunks"] == 2
    questions = ["why do cats purr", "night"]
    with (
        hybrid.Retriever.load(place / "index") as one,
        hybrid.Retriever.load(place / "copy") as two,
    ):
        assert one.search_many(questions) == two.search_many(questions)
    done = run("import", place / f"out{suffix}", place / "copy")
    assert done.exit_code == 1
    assert "new or empty folder" in done.stderr


def test_a_broken_file_is_one_line(place):
    (place / "bad.jsonl").write_text("{")
    done = run("import", place / "bad.jsonl", place / "copy")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: bad.jsonl, line 1: ")
    assert not (place / "copy").exists()


def test_a_first_sync_of_nothing_makes_no_index(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("sync", tmp_path / "empty", tmp_path / "index")
    assert done.exit_code == 1
    assert "is it the right folder?" in done.stderr
    assert not (tmp_path / "index").exists()
    done = run("sync", tmp_path / "empty", tmp_path / "index", "--allow-empty")
    assert done.exit_code == 0, done.output
