"""Columns of metadata in files answer as those that were read from the store."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid
import hybrid.metadata_batches
import hybrid.metadata_keys
from hybrid import Document, IndexFormatError, Retriever
from hybrid.chunking import Chunk
from hybrid.filters import parse_filter
from hybrid.metadata_files import open_batch
from hybrid.ordered_values import Values
from hybrid.store import ChunkStore
from tests.hybrid.plain_filters import holds
from tests.hybrid.test_filters import conditions, metadata

TEXT = "some words"


def put(store, name, found, chunks):
    store.put(
        Document(name, "x", metadata=found), [Chunk(name, n, "x", 0, 1) for n in range(chunks)]
    )


def allowed(store, condition):
    return store.allowed(parse_filter(condition)).nonzero()[0].tolist()


@settings(max_examples=200, deadline=None)
@given(
    histories=st.lists(
        st.lists(st.tuples(st.sampled_from("uvwxyz"), metadata, st.integers(0, 2)), max_size=4),
        min_size=1,
        max_size=4,
    ),
    asked=st.lists(conditions, min_size=1, max_size=3),
    most=st.sampled_from([2, 5, 1 << 16]),
    thinned=st.booleans(),
)
def test_saved_columns_equal_the_plain_evaluation(
    histories, asked, most, thinned, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("columns")
    store, live, rows = ChunkStore(folder / "store.db"), {}, 0
    store.discard(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hybrid.metadata_keys, "MOST_DOCUMENTS", most)
        for number, history in enumerate(histories, start=1):
            for name, found, chunks in history:
                put(store, name, found, chunks)
                live[name] = found, list(range(rows, rows + chunks))
                rows += chunks
            if thinned:
                store.thin_columns()
            target = folder / f"gen-{number}"
            target.mkdir()
            store.save_columns(target)
            store.commit()
            store.open_columns(target)
            reader = ChunkStore(folder / "store.db", store.generation)
            reader.open_columns(target)
            for condition in asked:
                held = (at for found, at in live.values() if holds(condition, found))
                expected = sorted(row for at in held for row in at)
                assert allowed(store, condition) == expected
                assert allowed(reader, condition) == expected
            reader.close()
            store.generation += 1
    store.close()


def build(folder, count, start=0):
    opened = Retriever.load if (folder / "manifest.json").exists() else None
    retriever = (
        opened(folder) if opened else Retriever.create(folder, encoder=None, analyzer="english")
    )
    with retriever:
        retriever.add(
            Document(f"d{n}", TEXT, metadata={"n": n, "even": n % 2 == 0, "in": {"list": [n, "x"]}})
            for n in range(start, start + count)
        )
        retriever.commit()


def reads(retriever):
    """The statements that read metadata or chunks for a mask, which columns in files spare."""
    statements = []
    retriever._search().store._db.set_trace_callback(statements.append)
    return statements


def test_a_reader_needs_no_metadata_from_the_store(tmp_path):
    build(tmp_path / "index", 10)
    with Retriever.load(tmp_path / "index") as reader:
        statements = reads(reader)
        mask = reader._search().store.allowed(parse_filter({"in.list": {"$gte": 7}}))
        assert mask.nonzero()[0].tolist() == [7, 8, 9]
        assert not [sql for sql in statements if "metadata" in sql or "chunks" in sql]
        hits = reader.search("words", k=10, filter={"even": True, "n": {"$lt": 5}})
    assert sorted(hit.doc_id for hit in hits) == ["d0", "d2", "d4"]


def test_a_folder_without_columns_is_read_from_the_store(tmp_path):
    build(tmp_path / "index", 4)
    manifest = json.loads((tmp_path / "index/manifest.json").read_text())
    for name in [name for name in manifest["files"] if "/metadata/" in name]:
        (tmp_path / "index" / name).unlink()
        del manifest["files"][name]
    (tmp_path / "index/gen-000001/metadata").rmdir()
    (tmp_path / "index/manifest.json").write_text(json.dumps(manifest))
    with Retriever.load(tmp_path / "index") as reader:
        assert [hit.doc_id for hit in reader.search("words", filter={"n": 2})] == ["d2"]
    build(tmp_path / "index", 2, start=4)
    with Retriever.load(tmp_path / "index") as reader:
        statements = reads(reader)
        assert [hit.doc_id for hit in reader.search("words", filter={"n": {"$gt": 4}})] == ["d5"]
        assert not [sql for sql in statements if sql.startswith("SELECT key, metadata")]


def inodes(folder):
    return {path.name: path.stat().st_ino for path in sorted(folder.glob("batch-*"))}


def test_batches_that_have_not_changed_are_linked(tmp_path, monkeypatch):
    index = tmp_path / "index"
    build(index, 40)
    with Retriever.load(index) as writer:
        writer.add([Document("more", TEXT, metadata={"n": -1})])
        writer._state.keep = 2
        writer.commit()
    before = inodes(index / "gen-000001/metadata")
    after = inodes(index / "gen-000002/metadata")
    assert before.items() < after.items()
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links")))
    with Retriever.load(index) as writer:
        writer.delete(["d3"])
        writer.commit()
    copied = inodes(index / "gen-000003/metadata")
    assert copied.keys() == after.keys()
    assert not {*copied.values()} & {*after.values()}
    for generation, found in ((2, ["d3"]), (3, [])):
        with Retriever.load(index, generation=generation) as reader:
            hits = reader.search("words", filter={"n": 3})
            assert [hit.doc_id for hit in hits] == found


def test_a_link_that_fails_halfway_leaves_the_older_file_as_it_was(tmp_path, monkeypatch):
    index = tmp_path / "index"
    build(index, 40)
    old = {path.name: path.read_bytes() for path in (index / "gen-000001/metadata").iterdir()}
    link = os.link

    def one_only(source, target):
        if str(target).endswith("batch-0000.json"):
            raise OSError("no more links")
        link(source, target)

    with Retriever.load(index) as writer:
        writer._state.keep = 2
        writer.add([Document("more", TEXT, metadata={"n": -1})])
        monkeypatch.setattr(os, "link", one_only)
        writer.commit()
    for name, content in old.items():
        assert (index / "gen-000001/metadata" / name).read_bytes() == content


def test_compacting_drops_what_dead_documents_held(tmp_path):
    index = tmp_path / "index"
    with Retriever.create(index, encoder=None, analyzer="english") as writer:
        for number in range(5):
            writer.add(
                Document(f"d{n}", TEXT, metadata={"url": f"{number}/{n}" * 50}) for n in range(50)
            )
            writer.commit()
        before = sum(path.stat().st_size for path in (folder_of(index)).iterdir())
        writer.compact()
        after = sum(path.stat().st_size for path in (folder_of(index)).iterdir())
        assert after < before / 3
        hits = writer.search("words", filter={"url": "4/7" * 50})
        assert [hit.doc_id for hit in hits] == ["d7"]


def folder_of(index):
    manifest = json.loads((index / "manifest.json").read_text())
    return index / f"gen-{manifest['generation']:06d}/metadata"


def facts_of(folder):
    return json.loads((folder / "batch-0000.json").read_text())


def change(folder, edit):
    facts = facts_of(folder)
    edit(facts)
    (folder / "batch-0000.json").write_text(json.dumps(facts))


def column(facts, name):
    (found,) = (one for one in facts["columns"] if one["names"] == [name])
    return found


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts: facts.update(first=0),
        lambda facts: facts.update(last=1 << 61, size=1 << 60),
        lambda facts: facts.update(last=1 << 31, size=1 << 31),
        lambda facts: facts.update(row=1 << 31),
        lambda facts: facts.update(columns={}),
        lambda facts: facts.update(columns=[{"names": []}]),
        lambda facts: facts.update(complete=None),
        lambda facts: facts.update(owners={"start": 0, "count": 1 << 39}),
        lambda facts: column(facts, "n").update(documents={"start": 7, "count": 10}),
        lambda facts: column(facts, "n")["codes"].update(count=1 << 50),
        lambda facts: column(facts, "n")["codes"].update(type="|O"),
        lambda facts: column(facts, "n")["codes"].update(start=1),
        lambda facts: column(facts, "n")["numbers"].update(count=3),
        lambda facts: column(facts, "n")["letters"].update(start=-8),
        lambda facts: column(facts, "n").update(starts=column(facts, "n")["letters"]),
        lambda facts: column(facts, "n").update(truths=[1, 0]),
        lambda facts: column(facts, "n").update(truths=[2]),
        lambda facts: column(facts, "n").update(none=-1),
        lambda facts: column(facts, "n").pop("moments"),
    ],
)
def test_damaged_columns_give_an_error(tmp_path, edit):
    build(tmp_path / "index", 10)
    folder = folder_of(tmp_path / "index")
    change(folder, edit)
    manifest = tmp_path / "index/manifest.json"
    values = json.loads(manifest.read_text())
    name = "gen-000001/metadata/batch-0000.json"
    values["files"][name]["bytes"] = (folder / "batch-0000.json").stat().st_size
    manifest.write_text(json.dumps(values))
    with Retriever.load(tmp_path / "index") as reader:
        assert len(reader.search("words", k=10)) == 10
        with pytest.raises(IndexFormatError, match="hybrid repair"):
            reader.search("words", filter={"n": 3})


def test_every_kind_of_value_comes_back_from_a_file(tmp_path):
    store = ChunkStore()
    mixed = [0, 1.5, 2**70, -(2**63), True, None, "猫", "2024-05-31", [], {"a": 1}, ["x", 3]]
    for number, value in enumerate(mixed):
        put(store, str(number), {"a": value, "b": number, "c": number / 2}, 1)
    store.save_columns(tmp_path)
    columns = open_batch(tmp_path / "batch-0000").columns
    expected = Values.of([*mixed[:-1], "x", 3])
    assert [list(some) for some in columns["a",].values.sections] == [
        list(some) for some in expected.sections
    ]
    assert columns["b",].values.sections[2].format == "l"
    assert columns["c",].values.sections[2].format == "d"
    assert columns["a",].moments.tolist()[0] == 1717113600000000
    assert np.asarray(columns["b",].documents).tolist() == list(range(1, len(mixed) + 1))
    store.close()


def test_names_of_files_stay_in_the_folder(tmp_path):
    build(tmp_path / "index", 3)
    folder = folder_of(tmp_path / "index")
    for name in ("../batch-0000", "/etc/passwd", "", 3):
        text = json.dumps({"batches": [name], "documents": 4})
        (folder / "metadata.json").write_text(text)
        store = ChunkStore(Path(tmp_path / "index/store.db"))
        store.open_columns(folder)
        with pytest.raises(IndexFormatError):
            store.allowed(parse_filter({"n": 1}))
        store.close()


def test_a_column_that_differs_from_the_store_is_told(tmp_path):
    build(tmp_path / "index", 10)
    with Retriever.load(tmp_path / "index") as reader:
        assert reader._search().store.differing_columns() == []
    folder = folder_of(tmp_path / "index")
    place = column(facts_of(folder), "n")["codes"]
    blob = np.load(folder / "batch-0000.npy")
    blob[place["start"] + 3] += 1
    np.save(folder / "batch-0000.npy", blob)
    with Retriever.load(tmp_path / "index") as reader:
        store = reader._search().store
        (line,) = store.differing_columns()
        assert [len(store.differing_columns(most)) for most in (10, 0)] == [1, 0]
    assert line == "the column of n differs from the metadata of document 4"
