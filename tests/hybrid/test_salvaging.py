"""What can be read of a damaged store comes out as a file that an index is built from."""

import json
import sqlite3

import pytest
from click.testing import CliRunner

import hybrid
from hybrid.cli import main
from hybrid.errors import StoreError
from hybrid.salvaging import salvage

_PAGE = 4096


@pytest.fixture
def saved(tmp_path):
    """An index of 300 documents whose texts fill most of the file."""
    texts = [f"Cat number {n} purrs. " + f"word{n} " * 60 for n in range(300)]
    metadata = [{"n": n, "deep": {"x": [n]}} for n in range(300)]
    with hybrid.Retriever.from_texts(
        texts, metadata=metadata, titles=["t"] * 300, encoder=None
    ) as made:
        made.delete(["7"])
        made.save(tmp_path / "index")
    return tmp_path / "index"


def lines_of(file):
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def zeroed(path, page):
    data = bytearray(path.read_bytes())
    data[page * _PAGE : (page + 1) * _PAGE] = bytes(_PAGE)
    path.write_bytes(data)


def leaf_of(path, marker):
    """Return the page of the table that has some bytes."""
    return path.read_bytes().index(marker) // _PAGE


def test_a_sound_store_comes_out_whole_and_can_be_indexed(saved, tmp_path):
    before = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    done = salvage(saved, tmp_path / "out.jsonl")
    assert {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()} == before
    assert (done.documents, done.lost, done.altered) == (299, (), ())
    found = {line["_id"]: line for line in lines_of(tmp_path / "out.jsonl")}
    assert set(found) == {str(n) for n in range(300)} - {"7"}
    assert found["9"]["metadata"] == {"n": 9, "deep": {"x": [9]}}
    run = CliRunner().invoke(
        main, ["index", str(tmp_path / "out.jsonl"), str(tmp_path / "new"), "--encoder", "none"]
    )
    assert run.exit_code == 0, run.output
    with hybrid.Retriever.load(tmp_path / "new") as again:
        (hit,) = again.search("word9", k=1)
        assert (hit.doc_id, hit.title, hit.metadata) == ("9", "t", {"n": 9, "deep": {"x": [9]}})


def test_what_lies_on_a_broken_page_is_lost_and_named(saved, tmp_path):
    store = saved / "store.db"
    zeroed(store, leaf_of(store, b"Cat number 100 purrs"))
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(store).execute("SELECT sum(length(text)) FROM documents").fetchall()
    done = salvage(saved, tmp_path / "out.jsonl")
    ids = {line["_id"] for line in lines_of(tmp_path / "out.jsonl")}
    assert 200 < done.documents == len(ids) < 299
    assert "100" in done.lost
    assert ids | set(done.lost) == {str(n) for n in range(300)} - {"7"}
    assert "could not be read: " in str(done)


def test_without_its_index_of_names_the_others_are_found_as_well(saved, tmp_path):
    store = saved / "store.db"
    with sqlite3.connect(store) as db:
        db.execute("DROP INDEX living")
    db.close()
    zeroed(store, leaf_of(store, b"Cat number 100 purrs"))
    done = salvage(saved, tmp_path / "out.jsonl")
    assert 200 < done.documents < 299
    assert len(done.lost) >= 299 - done.documents


def test_a_text_that_was_changed_is_named(saved, tmp_path):
    store = saved / "store.db"
    store.write_bytes(store.read_bytes().replace(b"Cat number 50 purrs", b"Cat number 50 barks"))
    done = salvage(saved, tmp_path / "out.jsonl")
    assert (done.documents, done.altered) == (299, ("50",))


def test_records_that_are_no_documents_are_lost(saved, tmp_path):
    with sqlite3.connect(saved / "store.db") as db:
        db.execute("UPDATE documents SET metadata = '[' || metadata WHERE doc_id = '3'")
        db.execute("UPDATE documents SET text = x'ff00' WHERE doc_id = '4'")
        db.execute("UPDATE documents SET title = 12.5 WHERE doc_id = '5'")
    db.close()
    done = salvage(saved, tmp_path / "out.jsonl")
    assert set(done.lost) == {"3", "4"}
    assert (done.documents, done.altered) == (297, ("5",))  # the column's type made it text


def test_without_a_manifest_the_newest_documents_come(saved, tmp_path):
    (saved / "manifest.json").write_text("{")
    assert salvage(saved, tmp_path / "out.jsonl").documents == 299


def test_nothing_is_written_over(saved, tmp_path):
    (tmp_path / "out.jsonl").write_text("mine")
    with pytest.raises(FileExistsError):
        salvage(saved, tmp_path / "out.jsonl")
    with pytest.raises(StoreError, match="none to read"):
        salvage(tmp_path / "none", tmp_path / "out2.jsonl")
    (saved / "store.db").write_bytes(b"no database" * 999)
    with pytest.raises(StoreError, match=r"damaged|not a database"):
        salvage(saved, tmp_path / "out3.jsonl")


def test_the_command_tells_of_changed_documents(saved, tmp_path):
    store = saved / "store.db"
    store.write_bytes(store.read_bytes().replace(b"Cat number 50 purrs", b"Cat number 50 barks"))
    out = tmp_path / "out.jsonl"
    run = CliRunner().invoke(main, ["repair", str(saved), "--salvage", str(out)])
    assert "holds 299 documents; 1 are not what was stored: 50; all could be read" in run.stdout
    run = CliRunner().invoke(main, ["repair", str(saved), "--salvage", str(out)])
    assert run.exit_code == 1
    assert "out.jsonl" in run.stderr


def test_a_number_that_is_too_large_does_not_have_it_search_for_ever(saved, tmp_path):
    with sqlite3.connect(saved / "store.db") as db:
        db.execute("UPDATE sqlite_sequence SET seq = 4611686018427387904")
        db.execute("DROP INDEX names")
    db.close()
    assert salvage(saved, tmp_path / "out.jsonl").documents == 299
