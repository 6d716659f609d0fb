"""The chunk store: what goes in comes out, at every generation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import Chunker, Document, StoreError
from hybrid.store import ChunkStore

CHUNKER = Chunker(size=12, overlap=4)


def put(store, doc_id, text, **rest):
    document = Document(doc_id, text, **rest)
    return store.put(document, CHUNKER.split(document))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4))
@settings(max_examples=60)
def test_chunks_come_back_exactly(texts):
    """Through bytes and back, with NUL, emoji and overlapping chunks."""
    store = ChunkStore()
    for number, text in enumerate(texts):
        put(store, f"d{number}", text, title="t", metadata={"n": number, "ü": ["猫"]})
    for chunk in store.chunks(store.rows()):
        number = int(chunk.doc_id[1:])
        assert chunk.text == texts[number][chunk.start : chunk.end]
        assert chunk.metadata == {"n": number, "ü": ["猫"]}
    assert len(store) == sum(len(CHUNKER.split(Document("d", text))) for text in texts)
    store.close()


def test_rows_are_never_reused():
    store = ChunkStore()
    first = put(store, "a", "one two three four five")
    again = put(store, "a", "six")
    assert again.removed == first.added
    assert min(again.added) > max(first.added)
    assert store.rows().tolist() == list(again.added)
    store.close()


def test_chunks_keep_the_order_that_was_asked_for():
    store = ChunkStore()
    added = put(store, "a", "alpha beta gamma delta epsilon zeta").added
    wanted = [added[2], added[0], added[1]]
    assert [chunk.row for chunk in store.chunks(wanted)] == wanted
    assert store.doc_ids(wanted) == ["a"] * 3
    assert [chunk.chunk_id for chunk in store.chunks(added[:2])] == ["a#0", "a#1"]
    store.close()


def test_a_row_that_is_gone_is_an_error():
    store = ChunkStore()
    (row, *_) = put(store, "a", "alpha").added
    store.remove("a")
    with pytest.raises(StoreError, match=f"expected row {row} in the store"):
        store.chunks([row])
    store.close()


def test_the_indexes_see_the_title_and_the_text():
    store = ChunkStore()
    put(store, "a", "alpha", title="On letters")
    put(store, "b", "beta")
    store.remove("none")
    assert store.texts(store.rows()[::-1]) == ["beta", "On letters\nalpha"]
    assert store.count_documents() == 2
    store.close()


def test_a_reader_keeps_its_generation(tmp_path):
    path = tmp_path / "store.db"
    writer = ChunkStore(path, generation=1)
    put(writer, "a", "old")
    put(writer, "b", "stays")
    writer.commit()
    reader = ChunkStore(path, generation=1)
    writer.generation = 2
    put(writer, "a", "new")
    writer.remove("b")
    writer.commit()
    assert [chunk.text for chunk in reader.chunks(reader.rows())] == ["old", "stays"]
    assert [chunk.text for chunk in writer.chunks(writer.rows())] == ["new"]
    reader.close()
    writer.close()


def test_what_was_not_committed_can_be_discarded(tmp_path):
    path = tmp_path / "store.db"
    writer = ChunkStore(path, generation=1)
    put(writer, "a", "old")
    writer.generation = 2
    put(writer, "a", "new")
    writer.commit()
    writer.close()
    opened = ChunkStore(path, generation=1)
    opened.discard(1)
    opened.generation = 2
    assert [chunk.text for chunk in opened.chunks(opened.rows())] == ["old"]
    assert put(opened, "b", "more").added == (1,)
    opened.close()


def test_a_file_that_is_no_database_is_an_error(tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, but long enough to be one" * 100)
    with pytest.raises(StoreError, match="cannot open the chunk store"):
        ChunkStore(path)
