"""verify finds what SQLite calls sound: texts that were changed, chunks that do not fit them."""

import sqlite3

import pytest

import hybrid
from hybrid.errors import StoreError
from hybrid.repairing import repair
from hybrid.store import ChunkStore
from hybrid.store_checks import wrong_documents
from hybrid.verifying import verify
from tests.hybrid.conftest import TEXTS


@pytest.fixture
def folder(tmp_path):
    long = "猫が好き。 Ein Satz über Füchse.\n\n" * 400
    metadata = [{"n": n, "years": {10: "a", 2: "b"}} for n in range(9)]
    with hybrid.Retriever.from_texts([*TEXTS, long], metadata=metadata, encoder=None) as made:
        made.delete(["1"])
        made.save(tmp_path / "index")
    return tmp_path / "index"


def changed(folder, sql):
    with sqlite3.connect(folder / "store.db") as db:
        assert db.execute(sql).rowcount
    db.close()


def problems(folder):
    return [f.problem for f in verify(folder).findings if f.part == "store"]


def test_documents_that_are_sound(folder):
    store = ChunkStore(folder / "store.db", 1, read_only=True)
    assert list(wrong_documents(store)) == []
    assert max(store.read("SELECT max(ordinal) FROM chunks")[0]) > 1  # the long one has several
    store.close()
    assert verify(folder).ok


def test_a_flipped_bit_in_a_text_is_found_and_not_built_into_the_index(folder):
    store = folder / "store.db"
    store.write_bytes(store.read_bytes().replace(b"Dogs bark", b"Dogs park").replace(
        b"The kitten slept", b"The mitten slept"))  # fmt: skip
    (problem,) = problems(folder)
    assert problem.startswith("document '2' differs from what was stored")
    with pytest.raises(StoreError, match="--salvage"):
        repair(folder)


@pytest.mark.parametrize(
    "edit",
    [
        "first_byte = first_byte + 1",
        "bytes = bytes - 1",
        "start = start + 1",
        "end = end + 100000",
        "start = -5",
    ],
)
@pytest.mark.parametrize("ordinal", [0, 1])
def test_chunks_that_do_not_fit_are_found(folder, edit, ordinal):
    which = "SELECT max(document) FROM chunks"
    changed(folder, f"UPDATE chunks SET {edit} WHERE document = ({which}) AND ordinal = {ordinal}")
    (problem,) = problems(folder)
    assert problem.startswith("document '8' is cut into chunks that do not fit its text")


def test_titles_and_metadata_count(folder):
    changed(folder, "UPDATE documents SET metadata = '{}' WHERE doc_id IN ('3', '4')")
    changed(folder, "UPDATE documents SET title = 'x' WHERE doc_id = '5'")
    (problem,) = problems(folder)
    assert problem.startswith("document '3' ")
    assert problem.endswith("and so with 3 documents in all")
