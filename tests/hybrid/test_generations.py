"""Generations: kept ones can be opened, those that are read stay; compaction changes nothing."""

import json
import shutil

import pytest

import hybrid
from bench.living_kill import encoder
from hybrid import Document, StoreError, snapshot
from hybrid.compacting import folder_size

QUESTIONS = ["cat", "dog bark", "one two", "fox cat owl"]


def numbered(folder):
    return [int(path.name[4:]) for path in sorted(folder.glob("gen-*"))]


def texts_of(retriever):
    store = retriever._state.store
    return {chunk.doc_id: chunk.text for chunk in store.chunks(store.rows())}


def with_history(folder, commits=5, **choices):
    """Commit "a" with the number of the generation in it, and "gN" in the Nth."""
    with hybrid.Retriever.create(folder, encoder=None, analyzer="english", **choices) as writer:
        for number in range(1, commits + 1):
            writer.add([Document("a", f"cat {number}"), Document(f"g{number}", "dog")])
            writer.delete([f"g{number - 2}"])
            writer.commit()
            assert writer.generation == number


def state_after(number):
    return {"a": f"cat {number}"} | {f"g{one}": "dog" for one in (number - 1, number) if one}


def test_older_generations_can_be_opened(tmp_path):
    folder = tmp_path / "index"
    with_history(folder, keep=3)
    assert numbered(folder) == [3, 4, 5]
    for number in (3, 4, 5):
        with hybrid.Retriever.load(folder, generation=number) as opened:
            assert opened.generation == number
            assert opened.generations() == [3, 4, 5]
            assert texts_of(opened) == state_after(number)
            (hit,) = opened.search(f"cat {number}", k=1)
            assert hit.text == f"cat {number}"
    for missing in (2, 6, 0, -1):
        with pytest.raises(ValueError, match=f"a generation of 3, 4, 5, not {missing}:"):
            hybrid.Retriever.load(folder, generation=missing)
    with hybrid.Retriever.load(folder) as writer:  # it still keeps three
        writer.add([Document("b", "owl")])
        writer.commit()
        assert writer.generations() == [4, 5, 6]


def test_an_older_generation_cannot_be_changed(tmp_path):
    with_history(tmp_path / "index", keep=2)
    with hybrid.Retriever.load(tmp_path / "index", generation=4) as old:
        for act in (old.commit, old.compact, lambda: old.add([Document("b", "owl")])):
            with pytest.raises(StoreError, match="this is generation 4"):
                act()
        with pytest.raises(StoreError, match="this is 4"):
            old.refresh()
        assert texts_of(old) == state_after(4)


@pytest.mark.parametrize("keep", [0, True, 1.5])
def test_refuses_to_keep_nothing(tmp_path, keep):
    with pytest.raises(ValueError, match="expected keep as a whole number of at least 1"):
        hybrid.Retriever.create(tmp_path / "index", keep=keep)


def test_a_generation_stays_while_it_is_read(tmp_path):
    folder = tmp_path / "index"
    with_history(folder, commits=1)
    with hybrid.Retriever.load(folder) as writer:
        reader = hybrid.Retriever.load(folder)
        for number in (2, 3):
            writer.add([Document("a", f"cat {number}")])
            writer.delete(["g1"])
            writer.commit()
        writer.compact()
        assert numbered(folder) == [1, 4]
        assert texts_of(reader) == state_after(1)
        assert [hit.text for hit in reader.search("cat dog", k=5)] != []
        assert {hit.text for hit in reader.search("cat dog", k=5)} == {"cat 1", "dog"}
        reader.close()
        writer.compact()
        assert numbered(folder) == [5]


def test_refresh_goes_to_the_newest(tmp_path):
    folder = tmp_path / "index"
    with_history(folder, commits=1)
    with hybrid.Retriever.load(folder) as writer, hybrid.Retriever.load(folder) as reader:
        reader.fusion = hybrid.RRF(k=7)
        reader.bm25 = hybrid.BM25(b=0.1)
        assert not reader.refresh()
        writer.add([Document("b", "owl")])
        assert not reader.refresh()
        writer.commit()
        assert not reader.search("owl")
        assert reader.refresh()
        assert reader.generation == 2
        assert [hit.doc_id for hit in reader.search("owl")] == ["b"]
        assert (reader.fusion, reader.bm25) == (hybrid.RRF(k=7), hybrid.BM25(b=0.1))
        writer.delete(["b"])
        with pytest.raises(StoreError, match="commit them first"):
            writer.refresh()
    with hybrid.Retriever.create(encoder=None) as in_memory:
        assert not in_memory.refresh()
        assert in_memory.generations() == []


@pytest.mark.parametrize("choice", ["words", "lsa", None])
def test_compaction_gives_room_back_and_changes_no_answer(tmp_path, choice):
    folder = tmp_path / "index"
    made = encoder() if choice == "words" else choice
    given = made if choice == "words" else None
    with hybrid.Retriever.create(folder, encoder=made, analyzer="english") as writer:
        for number in range(12):
            fresh = [Document(f"d{n}", f"cat {n} dog fox {number} " * 9) for n in range(number, 20)]
            writer.add(fresh)
            writer.delete([f"d{number + 9}"])
            writer.commit()
        rows = writer._state.store.rows().tolist()
        next_row = writer._state.store._next_row
        before = [writer.search(question, k=30) for question in QUESTIONS]
        done = writer.compact()
        assert [writer.search(question, k=30) for question in QUESTIONS] == before
        assert writer._state.store.rows().tolist() == rows
        assert done.documents > 100
        assert done.bytes_after == folder_size(folder) < done.bytes_before
        assert len(writer._state.indexes.bm25._postings.segments) == 1
        writer.delete([f"d{n}" for n in range(20)])
        writer.commit()
        writer.compact()
        assert len(writer) == 0
    with hybrid.Retriever.load(folder, encoder=given) as opened:
        opened.add([Document("new", "cat")])
        assert opened._state.store.rows().tolist() == [next_row]  # none is given again
        assert [hit.doc_id for hit in opened.search("cat")] == ["new"]
        opened.commit()
    assert snapshot.verify(folder) == []


def test_compaction_keeps_what_kept_generations_see(tmp_path):
    folder = tmp_path / "index"
    with_history(folder, keep=3)
    with hybrid.Retriever.load(folder) as writer:
        assert writer.compact().documents == 5  # "a" of 1 to 3, "g1" and "g2"
        writer.delete(["a"])
        with pytest.raises(StoreError, match="commit them first"):
            writer.compact()
    for number in (4, 5):
        with hybrid.Retriever.load(folder, generation=number) as opened:
            assert texts_of(opened) == state_after(number)


def test_compaction_in_memory(retriever):
    retriever.delete(["d1", "d2"])
    before = retriever.search("cats", k=9)
    assert retriever.compact().documents == 2
    assert retriever.search("cats", k=9) == before


def test_a_folder_from_before_has_no_names_of_generations(tmp_path):
    """Nor the indexes of the store that a writer wants."""
    folder = tmp_path / "index"
    with_history(folder, commits=2)
    settings = json.loads((folder / "manifest.json").read_text("utf-8"))["settings"]
    assert "keep" not in settings
    for path in folder.glob("manifest-*"):
        path.unlink()
    (folder / "lock").unlink()
    with hybrid.Retriever.load(folder) as opened:
        db = opened._state.store._db
        db.executescript("DROP INDEX births; DROP INDEX deaths; DROP TABLE given")
        opened.add([Document("b", "owl")])
        opened.commit()
        opened.compact()
        assert texts_of(opened) == state_after(2) | {"b": "owl"}


def test_a_writer_goes_on_from_what_others_committed(tmp_path):
    folder = tmp_path / "index"
    with_history(folder, commits=1)
    with hybrid.Retriever.load(folder) as one, hybrid.Retriever.load(folder) as two:
        for number in range(3):
            one.add([Document(f"one{number}", "owl")])
            one.commit()
            two.add([Document(f"two{number}", "fox")])
            two.commit()
        one.refresh()
        assert one.generation == two.generation == 7
        assert texts_of(one) == texts_of(two)
        assert len(texts_of(one)) == 8
    shutil.rmtree(folder)
