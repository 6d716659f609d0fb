"""Whatever stops a writer, the folder opens at a state that was committed."""

import shutil
import signal
import sqlite3

import pytest

import hybrid
from bench import living_errors
from bench.living_kill import encoder, kill
from hybrid import Document, snapshot
from hybrid.store import ChunkStore


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_killed_writer_leaves_what_it_committed(tmp_path):
    found = kill(tmp_path, times=10, seed=3, longest_s=0.15)
    assert found["problems"] == []
    assert found["generation"] >= 11


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return living_errors.template(tmp_path_factory.mktemp("broken") / "index")


def test_an_error_at_any_write_leaves_the_last_commit_and_can_be_retried(tmp_path):
    """At every third call; `python -m bench.living errors` does every one, and more sizes."""
    failed = living_errors.sweep(tmp_path, 3, range(100, 120_000, 17_001))
    assert failed["calls"] > 20
    assert failed["writes_in_a_commit"] > 3
    assert failed["writes_in_a_change"] > 0


def test_changes_that_a_commit_has_lost_are_told_and_the_writer_goes_on(tmp_path):
    folder = living_errors.template(tmp_path / "index")
    with hybrid.Retriever.load(folder, encoder=encoder()) as writer:
        writer.add([Document("d", "fox")])
        with (
            pytest.raises(hybrid.StoreError, match="cannot write") as caught,
            living_errors.small_files(100),
        ):
            writer.commit()
        assert caught.value.__notes__ == ["all changes since the last commit were lost with it"]
        assert {hit.doc_id for hit in writer.search("cat dog owl fox", k=9)} == {"a", "b", "c"}
        writer.add([Document("d", "fox")])
        writer.commit()
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        assert opened.search("fox", k=1)[0].doc_id == "d"


def test_a_full_disk_of_the_store_leaves_the_last_commit(tmp_path):
    folder = tmp_path / "index"
    with hybrid.Retriever.create(folder, encoder=None, analyzer="english") as writer:
        writer.add([Document("a", "cat purr")])
        writer.commit()
        writer.add([Document("b", "dog bark")])
        db = writer._state.store._db
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(hybrid.StoreError, match=r"cannot write to the chunk store .* full"):
            writer.add([Document("c", "owl"), Document("d", "x" * 100_000)])
        assert {hit.doc_id for hit in writer.search("cat dog owl", k=9)} == {"a"}
        writer.add([Document("b", "dog bark"), Document("c", "owl")])
        writer.commit()
    with hybrid.Retriever.load(folder) as opened:
        assert {hit.doc_id for hit in opened.search("cat dog owl", k=9)} == {"a", "b", "c"}


def test_a_store_that_lost_its_changes_takes_no_more(tmp_path):
    """Some errors have SQLite roll everything back."""
    store = ChunkStore(tmp_path / "store.db")
    store.discard(0)
    document = Document("a", "cat")

    def change():
        with store.changing():
            store.put(document, hybrid.Chunker().split(document))
            store._db.rollback()
            raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(hybrid.StoreError, match="disk I/O error"):
        change()
    with pytest.raises(hybrid.StoreError, match="has lost them: open the index again"):
        store.commit()
    store.close()


def test_what_is_left_over_is_removed_and_told(template, tmp_path, caplog):
    folder = tmp_path / "index"
    shutil.copytree(template, folder)
    (folder / "gen-000007" / "bm25").mkdir(parents=True)
    (folder / "manifest.json.new").write_text("{")
    with hybrid.Retriever.load(folder, encoder=encoder()) as writer:
        told = [record.getMessage() for record in caplog.records]
        assert any("removed gen-000007" in line for line in told)
        assert any("removed manifest.json.new" in line for line in told)
        assert snapshot.leftovers(folder) == []
        writer.add([Document("e", "fox")])
        (folder / "gen-000008").mkdir()
        hybrid.Retriever.load(folder, encoder=encoder()).close()
        assert (folder / "gen-000008").exists()  # it may be that of the writer who is at work
