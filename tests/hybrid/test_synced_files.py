"""A sync reads again only what may have changed, whatever others did to the index meanwhile."""

import json
import os

import pytest

from hybrid import Document, Retriever, source_folder
from hybrid.stored_documents import document_of
from hybrid.synced_files import FILE, facts_of
from hybrid.syncing import Source, sync


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """No file is so young that its times could stay when it changes."""
    monkeypatch.setattr("hybrid.synced_files._SETTLED", -1e9)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "docs"
    made.mkdir()
    (made / "a.txt").write_text("Cats purr.")
    (made / "b.txt").write_text("Dogs bark.")
    (made / "c.jsonl").write_text('{"id": "x", "text": "Birds sing."}\n{"id": "y", "text": "Fish"}')
    return made


@pytest.fixture
def index(tmp_path):
    with Retriever.create(tmp_path / "index", encoder=None, analyzer="english") as made:
        yield made


@pytest.fixture
def read(monkeypatch):
    """The names of the files that were read since the last look."""
    names, real = [], source_folder.read_named

    def noting(path, name, *, report):
        names.append(name)
        return real(path, name, report=report)

    monkeypatch.setattr("hybrid.source_folder.read_named", noting)

    def since():
        seen = list(names)
        names.clear()
        return seen

    return since


ALL = ["a.txt", "b.txt", "c.jsonl"]


def counts(synced):
    return synced.added, synced.replaced, synced.unchanged, synced.deleted


def text_of(index, doc_id):
    return document_of(index._state.store, doc_id).text


def test_nothing_is_read_when_nothing_changed(folder, index, read, tmp_path):
    sync(index, folder)
    assert read() == ALL
    assert counts(sync(index, folder)) == (0, 0, 4, 0)
    assert read() == []
    index.commit()
    with Retriever.load(tmp_path / "index") as other:
        assert counts(sync(other, folder)) == (0, 0, 4, 0)
        assert read() == []
        (folder / "b.txt").unlink()
        assert counts(sync(other, folder)) == (0, 0, 3, 1)
        assert read() == []
        assert counts(sync(other, folder, reread=True)) == (0, 0, 3, 0)
        assert read() == ["a.txt", "c.jsonl"]


def test_the_same_size_and_time_do_not_hide_a_change(folder, index, read):
    sync(index, folder)
    read()
    before = (folder / "a.txt").stat()
    (folder / "a.txt").write_text("Cows purr.")
    os.utime(folder / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert counts(sync(index, folder)) == (0, 1, 3, 0)
    assert read() == ["a.txt"]
    assert text_of(index, "a.txt") == "Cows purr."


def test_another_file_in_its_place_is_read(folder, index, read):
    sync(index, folder)
    (folder / "new").write_text("Mice hide.")
    os.replace(folder / "new", folder / "a.txt")
    read()
    assert counts(sync(index, folder)) == (0, 1, 3, 0)
    assert text_of(index, "a.txt") == "Mice hide."


def test_what_others_did_to_the_documents_is_undone(folder, index, read):
    sync(index, folder)
    read()
    index.delete(["a.txt", "c.jsonl:x"])
    index.add([Document("b.txt", "Not what is in the file.")])
    done = sync(index, folder, adopt=True)
    assert read() == ALL
    assert counts(done) == (2, 1, 1, 0)
    assert text_of(index, "b.txt") == "Dogs bark."


def test_what_was_never_committed_is_read_again(folder, tmp_path, read):
    with Retriever.create(tmp_path / "index", encoder=None) as index:
        index.commit()
        sync(index, folder)
    read()
    with Retriever.load(tmp_path / "index") as index:
        assert counts(sync(index, folder)) == (4, 0, 0, 0)
    assert read() == ALL


def test_a_build_that_was_stopped_after_its_sync_can_start_again(folder, tmp_path):
    with Retriever.create(tmp_path / "index", encoder=None) as index:
        sync(index, folder)
    assert (tmp_path / "index" / FILE).exists()
    with Retriever.create(tmp_path / "index", encoder=None) as index:
        assert counts(sync(index, folder)) == (4, 0, 0, 0)


def test_what_was_not_taken_is_read_and_told_again(folder, index, read):
    index.add([Document("a.txt", "Mine.")])
    (folder / "d.txt").write_bytes(b"")
    first = sync(index, folder)
    read()
    assert sync(index, folder).skipped == first.skipped != ()
    assert read() == ["a.txt", "d.txt"]


def test_a_file_that_changes_while_it_is_read_is_read_again(folder, index, read, monkeypatch):
    real = source_folder.read_named

    def changing(path, name, *, report):
        yield from real(path, name, report=report)
        if name == "a.txt":
            path.write_text("Cats purr and purr.")

    monkeypatch.setattr("hybrid.source_folder.read_named", changing)
    sync(index, folder)
    read()
    monkeypatch.setattr("hybrid.source_folder.read_named", real)
    assert counts(sync(index, folder)) == (0, 1, 3, 0)
    assert text_of(index, "a.txt") == "Cats purr and purr."


def test_folders_are_remembered_by_name_and_prefix(folder, index, read):
    sync(index, folder)
    sync(index, Source(folder, "again", "p/"))
    assert read() == ALL + ALL
    sync(index, folder)
    sync(index, Source(folder, "again", "p/"))
    assert read() == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 99}', b'{"format": 1, "sources": {"x": {"y": 3}}}']
)
def test_what_cannot_be_read_of_it_is_not_trusted(content, folder, index, read, tmp_path):
    sync(index, folder)
    (tmp_path / "index" / FILE).write_bytes(content)
    read()
    assert counts(sync(index, folder)) == (0, 0, 4, 0)
    assert read() == ALL
    assert json.loads((tmp_path / "index" / FILE).read_bytes())["format"] == 1


def test_what_is_young_does_not_count(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    file.write_text("x")
    assert facts_of(file)[0] == 1
    monkeypatch.setattr("hybrid.synced_files._SETTLED", 2.0)
    assert facts_of(file) is None
    assert facts_of(tmp_path / "none") is None


def test_an_index_in_its_own_folder_is_refused(tmp_path, index):
    with pytest.raises(ValueError, match="outside of"):
        sync(index, tmp_path)
