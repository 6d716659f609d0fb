"""Whatever stops a writer, the folder opens at a state that was committed."""

import contextlib
import errno
import os
import random
import shutil
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import hybrid
from bench.living_kill import answer, content_of, encoder, kill, random_change
from hybrid import Document, snapshot
from hybrid.store import ChunkStore


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_killed_writer_leaves_what_it_committed(tmp_path):
    found = kill(tmp_path, times=10, seed=3, longest_s=0.15)
    assert found["problems"] == []
    assert found["generation"] >= 11


class Failing:
    """Calls of the operating system, of which one fails."""

    def __init__(self, number, code):
        self.left, self.code = number, code

    def wrapped(self, function):
        def called(*arguments, **rest):
            self.left -= 1
            if self.left == 0:
                raise OSError(self.code, os.strerror(self.code))
            return function(*arguments, **rest)

        return called

    def short(self, function):
        """Write half of an array, then fail."""

        def called(file, array, **rest):
            self.left -= 1
            if self.left == 0:
                Path(file).write_bytes(array.tobytes()[: array.nbytes // 2])
                raise OSError(errno.ENOSPC, "short write")
            return function(file, array, **rest)

        return called


def broken(monkeypatch, number, code):
    failing = Failing(number, code)
    monkeypatch.setattr(os, "fsync", failing.wrapped(os.fsync))
    monkeypatch.setattr(os, "replace", failing.wrapped(os.replace))
    monkeypatch.setattr(os, "mkdir", failing.wrapped(os.mkdir))
    monkeypatch.setattr(Path, "write_text", failing.wrapped(Path.write_text))
    monkeypatch.setattr(np, "save", failing.short(np.save))
    return failing


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken") / "index"
    with hybrid.Retriever.create(folder, encoder=encoder(), analyzer="english") as made:
        made.add([Document("a", "cat purr"), Document("b", "dog bark"), Document("c", "owl")])
        made.commit()
    return folder


def try_to_commit(folder, monkeypatch, number, code):
    """Change and commit with one call failing; return whether one failed."""
    draw = random.Random(number)
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        before = content_of(opened)
        content = dict(before)
        random_change(opened, content, draw)
        with monkeypatch.context() as patch:
            failing = broken(patch, number, code)
            with contextlib.suppress(OSError):  # where nothing failed, `left` says so
                opened.commit()
        if failing.left > 0:
            return False
        with hybrid.Retriever.load(folder, encoder=encoder()) as reader:
            assert content_of(reader) in (before, content)
        random_change(opened, content, draw)  # what a retry writes is not what failed
        opened.commit()
        after = answer(opened, "cat dog")
    assert snapshot.verify(folder) == []
    assert snapshot.leftovers(folder) == []
    with hybrid.Retriever.load(folder, encoder=encoder()) as opened:
        assert content_of(opened) == content
        assert answer(opened, "cat dog") == after
    return True


def test_an_error_at_any_write_leaves_the_last_commit_and_can_be_retried(
    template, tmp_path, monkeypatch
):
    """Every fourth write in turn."""
    number, failed = 2, 0
    while True:
        folder = tmp_path / str(number)
        shutil.copytree(template, folder)
        code = (errno.ENOSPC, errno.EIO)[failed % 2]
        if not try_to_commit(folder, monkeypatch, number, code):
            break
        number, failed = number + 4, failed + 1
    assert failed > 10


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
