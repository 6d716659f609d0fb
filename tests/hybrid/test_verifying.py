"""What is wrong with an index is found, and mended from its documents."""

import sqlite3

import numpy as np
import pytest

import hybrid
from hybrid.errors import IndexFormatError, StoreError
from hybrid.repairing import repair
from hybrid.verifying import verify
from tests.hybrid.conftest import TEXTS


@pytest.fixture(params=[None, "lsa", "letters"])
def saved(request, tmp_path, encoder):
    chosen = encoder if request.param == "letters" else request.param
    with hybrid.Retriever.from_texts(TEXTS, encoder=chosen) as retriever:
        retriever.delete(["1"])
        retriever.save(tmp_path / "index")
    return tmp_path / "index", encoder if request.param == "letters" else None


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.unlink()
    path.write_bytes(data)


def test_a_sound_index_is_sound(saved):
    folder, encoder = saved
    for deep in (True, False):
        found = verify(folder, encoder=encoder, deep=deep)
        assert found.ok, str(found)
        assert found.chunks == len(TEXTS) - 1
        assert {"files", "store", "bm25"} <= set(found.checked)
    assert repair(folder, encoder=encoder).rebuilt == ()


@pytest.mark.parametrize("name", ["rows.npy", "payload.npy", "terms.npy", "live.npy", "dfs.npy"])
def test_a_flipped_bit_is_found_and_mended(saved, name):
    folder, encoder = saved
    with hybrid.Retriever.load(folder, encoder=encoder) as retriever:
        before = retriever.search("cats purr", k=9)
    flip(next((folder / "gen-000001" / "bm25").rglob(name)))
    found = verify(folder, encoder=encoder)
    assert not found.ok
    assert name in str(found)
    repaired = repair(folder, encoder=encoder)
    assert "bm25" in repaired.rebuilt
    assert verify(folder, encoder=encoder).ok
    with hybrid.Retriever.load(folder, encoder=encoder) as retriever:
        assert retriever.search("cats purr", k=9) == before


def test_a_row_that_only_the_store_has_is_found(saved):
    folder, encoder = saved
    db = sqlite3.connect(folder / "store.db")
    db.execute(
        "INSERT INTO documents (doc_id, title, text, metadata, format, hash, born) "
        "VALUES ('x', '', CAST('more' AS BLOB), '{}', 'text', 'h', 1)"
    )
    key = db.execute("SELECT key FROM documents WHERE doc_id = 'x'").fetchone()[0]
    db.execute("INSERT INTO chunks VALUES (99, ?, 0, 0, 4, 0, 4)", (key,))
    db.commit()
    db.close()
    found = verify(folder, encoder=encoder)
    assert any(finding.part == "bm25" and "99" in finding.problem for finding in found.findings)


def test_a_store_that_is_no_database_cannot_be_mended(saved):
    folder, encoder = saved
    (folder / "store.db").write_bytes(b"no database" * 999)
    assert any(f.part == "store" for f in verify(folder, encoder=encoder).findings)
    with pytest.raises(StoreError, match="from a copy"):
        repair(folder, encoder=encoder)


def test_a_vector_that_is_not_finite_is_found(tmp_path, encoder):
    folder = tmp_path / "index"
    with hybrid.Retriever.from_texts(TEXTS, encoder=encoder) as retriever:
        retriever.save(folder)
    vectors = next(folder.rglob("vectors.npy"))
    array = np.load(vectors)
    array[3, 5] = np.nan
    vectors.unlink()
    np.save(vectors, array)
    parts = {f.part for f in verify(folder, encoder=encoder, deep=False).findings}
    assert parts == {"dense"}


def test_what_is_no_index_is_not_called_damaged(tmp_path):
    (tmp_path / "notes.txt").write_text("cats")
    with pytest.raises(IndexFormatError, match="expected an index folder"):
        verify(tmp_path)
