"""An index follows a folder, and no other document is ever touched."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybrid
from hybrid import Document, Retriever
from hybrid.stored_documents import labels_of
from hybrid.syncing import SYNCED_FROM, Source, sync, watch


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "docs"
    made.mkdir()
    write(made, "cats.txt", "Cats purr.")
    write(made, "sub/dogs.md", "# Dogs\n\nDogs bark.")
    write(made, "table.jsonl", '{"id": "a", "text": "Birds sing."}\n{"id": "b", "text": "Fish."}\n')
    return made


@pytest.fixture
def index():
    with Retriever.create(encoder=None, analyzer="english") as made:
        yield made


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")


def ids(retriever):
    return sorted(doc_id for doc_id, _ in labels_of(retriever._state.store))


def counts(synced):
    return synced.added, synced.replaced, synced.unchanged, synced.deleted


ALL = ["cats.txt", "sub/dogs.md", "table.jsonl:a", "table.jsonl:b"]


def test_what_is_new_changed_and_gone(folder, index):
    assert counts(sync(index, folder)) == (4, 0, 0, 0)
    assert ids(index) == ALL
    assert counts(sync(index, folder)) == (0, 0, 4, 0)
    write(folder, "cats.txt", "Cats sleep.")
    write(folder, "new.txt", "Mice hide.")
    write(folder, "table.jsonl", '{"id": "b", "text": "Fish."}\n')
    (folder / "sub" / "dogs.md").unlink()
    done = sync(index, folder)
    assert counts(done) == (1, 2, 0, 2)  # "b" stands on another line now
    assert ids(index) == ["cats.txt", "new.txt", "table.jsonl:b"]
    assert not index.search("dogs bark")
    assert index.search("sleep")[0].metadata[SYNCED_FROM] == folder.resolve().as_posix()


def test_a_change_that_keeps_size_and_time_is_seen(folder, index):
    path = folder / "cats.txt"
    sync(index, folder)
    before = path.stat()
    path.write_text("Cows purr.")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert sync(index, folder).replaced == 1


def test_documents_from_elsewhere_stay(folder, index):
    index.add([Document("mine", "Cats are mine."), Document("gone.txt", "Never in the folder.")])
    sync(index, folder)
    for path in folder.rglob("*.*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"expected documents in .* holds 4 of it"):
        sync(index, folder)
    assert len(ids(index)) == 6
    assert sync(index, folder, allow_empty=True).deleted == 4
    assert ids(index) == ["gone.txt", "mine"]


def test_a_taken_id_is_left_unless_it_may_be_adopted(folder, index):
    index.add([Document("cats.txt", "My own cats.")])
    done = sync(index, folder)
    assert [skipped.path for skipped in done.skipped] == ["cats.txt"]
    assert "did not come from this folder" in done.skipped[0].reason
    assert index.search("own cats", k=1)[0].text == "My own cats."
    (folder / "cats.txt").unlink()
    assert sync(index, folder).deleted == 0
    write(folder, "cats.txt", "Cats purr.")
    assert sync(index, folder, adopt=True).replaced == 1
    assert index.search("own") == []


def test_what_was_indexed_from_the_same_files_is_followed_from_then_on(folder, index):
    from hybrid.documents import ReadReport
    from hybrid.readers import open_source

    index.add(open_source(folder, report=ReadReport()))
    assert counts(sync(index, folder)) == (0, 4, 0, 0)
    (folder / "cats.txt").unlink()
    assert sync(index, folder).deleted == 1


def test_two_folders_with_the_same_names(folder, index, tmp_path):
    other = tmp_path / "other"
    write(other.parent, "other/cats.txt", "Other cats.")
    sync(index, folder)
    refused = sync(index, other).skipped
    assert "came from" in refused[0].reason
    sync(index, Source(other, "team-b", "b/"))
    assert ids(index) == sorted([*ALL, "b/cats.txt"])
    write(other, "cats.txt", "Changed.")
    assert counts(sync(index, Source(other, "team-b", "b/"))) == (0, 1, 0, 0)
    (folder / "cats.txt").unlink()
    assert sync(index, folder).deleted == 1
    assert "b/cats.txt" in ids(index)
    assert {hit.doc_id for hit in index.search("changed", filter={SYNCED_FROM: "team-b"})} == {
        "b/cats.txt"
    }


def test_a_folder_that_moved_keeps_its_documents_by_its_name(folder, index, tmp_path):
    sync(index, Source(folder, "docs"))
    moved = folder.rename(tmp_path / "moved")
    assert counts(sync(index, Source(moved, "docs"))) == (0, 0, 4, 0)


@pytest.mark.parametrize("content", [b"\x00\x01\x02" * 50, b"", b'{"id": "a"\n'])
def test_what_cannot_be_read_is_kept(content, folder, index):
    write(folder, "z.txt", "Zebras graze.")
    sync(index, folder)
    for name in ("cats.txt", "table.jsonl"):
        (folder / name).write_bytes(content)
    (folder / "sub" / "dogs.md").unlink()
    done = sync(index, folder)
    assert "table.jsonl" in {skipped.path for skipped in done.skipped}
    assert ids(index) == [name for name in [*ALL, "z.txt"] if name != "sub/dogs.md"]


def test_a_folder_that_cannot_be_listed_is_kept(folder, index, monkeypatch):
    sync(index, folder)
    walk = os.walk

    def broken(top, onerror=None, **options):
        for place, folders, files in walk(top, **options):
            if "sub" in folders:
                folders.remove("sub")
                onerror(PermissionError(13, "no", str(folder / "sub")))
            yield place, folders, files

    monkeypatch.setattr("hybrid.readers.os.walk", broken)
    assert sync(index, folder).deleted == 0
    assert ids(index) == ALL


def test_a_broken_line_of_a_beir_collection_keeps_all(tmp_path, index):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "1", "text": "Cats."}\n{"_id": "2", "text": "Dogs."}\n')
    sync(index, tmp_path)
    corpus.write_text('{"_id": "1", "text": "Cats."}\n{"_id": "2", "te')
    assert sync(index, tmp_path).deleted == 0
    assert ids(index) == ["1", "2"]


def test_documents_without_text_go_too(folder, index):
    write(folder, "none.jsonl", '{"id": "x", "text": ""}\n{"id": "y", "text": "z"}\n')
    assert sync(index, folder).empty == ("none.jsonl:x",)
    (folder / "none.jsonl").unlink()
    assert sync(index, folder).deleted == 2
    assert ids(index) == ALL


def test_nothing_is_deleted_when_that_is_not_wanted(folder, index):
    sync(index, folder)
    (folder / "cats.txt").unlink()
    assert sync(index, folder, delete=False).deleted == 0
    assert ids(index) == ALL


def test_no_folder(folder, index, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing is there"):
        sync(index, tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match="is a file"):
        sync(index, folder / "cats.txt")


def test_what_fails_midway_has_deleted_nothing(folder, index, monkeypatch):
    sync(index, folder)
    (folder / "sub" / "dogs.md").unlink()
    write(folder, "cats.txt", "Cats sleep.")

    def broken(texts):
        raise hybrid.EncoderError("no")

    monkeypatch.setattr(index._state.indexes, "prepare", broken)
    with pytest.raises(hybrid.EncoderError):
        sync(index, folder)
    assert ids(index) == ALL


NAMES = st.sampled_from(["a.txt", "b.txt", "c/d.txt", "c/e.txt"])
STATES = st.lists(st.dictionaries(NAMES, st.sampled_from("xyz"), min_size=1), max_size=5)


@given(STATES)
def test_any_history_ends_as_the_folder_is(tmp_path_factory, states):
    folder = tmp_path_factory.mktemp("history")
    with Retriever.create(encoder=None, analyzer="english") as index:
        index.add([Document("own", "w")])
        for files in states:
            for path in sorted(folder.rglob("*.txt")):
                path.unlink()
            for name, text in files.items():
                write(folder, name, text)
            before = set(ids(index)) - {"own"}
            done = sync(index, folder)
            assert set(ids(index)) == {*files, "own"}
            assert done.deleted == len(before - set(files))
            assert done.added == len(set(files) - before)
            for name, text in files.items():
                assert name in {hit.doc_id for hit in index.search(text, k=9)}


def test_watching_syncs_and_commits_only_what_has_changed(folder, tmp_path):
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            write(folder, "new.txt", "Mice hide.")
        if len(waits) == 4:
            (folder / "cats.txt").unlink()
        if len(waits) == 6:
            write(folder, ".hidden", "x")
        if len(waits) == 8:
            raise KeyboardInterrupt

    done = []
    with Retriever.create(tmp_path / "index", encoder=None) as index:
        turns = watch(index, folder, 5, wait)
        done += [(len(waits), *counts(next(turns))) for _ in range(3)]
        with pytest.raises(KeyboardInterrupt):
            next(turns)
    assert done == [(0, 4, 0, 0, 0), (0, 1, 0, 4, 0), (2, 0, 0, 4, 1)]
    assert waits == [5] * 8
    with Retriever.load(tmp_path / "index") as opened:
        assert ids(opened) == ["new.txt", *ALL[1:]]


def test_watching_without_a_pause(folder, index):
    with pytest.raises(ValueError, match="seconds above 0"):
        next(watch(index, folder, 0))
