"""Repair without a manifest, of one index alone, and what can be saved of a damaged store."""

import hashlib
import json
import os

import pytest

import hybrid
from hybrid.errors import StoreError
from hybrid.repairing import repair
from hybrid.salvaging import salvage
from hybrid.verifying import verify
from tests.hybrid.conftest import TEXTS


def saved(folder, encoder, **choices):
    with hybrid.Retriever.create(folder, encoder=encoder, **choices) as retriever:
        retriever.add([hybrid.Document(f"d{n}", text) for n, text in enumerate(TEXTS)])
        retriever.commit()
        retriever.delete(["d1"])
        retriever.commit()
    return folder


def answer(folder, encoder):
    with hybrid.Retriever.load(folder, encoder=encoder) as retriever:
        return retriever.search("cats purr", k=9)


def state_of(folder):
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.mark.parametrize("state", ["sound", "cut", "no manifest", "read only"])
def test_verify_changes_nothing(tmp_path, encoder, state):
    folder = saved(tmp_path / "index", encoder)
    if state == "cut":
        os.truncate(next(folder.rglob("dfs.npy")), 100)
    if state == "no manifest":
        (folder / "manifest.json").write_text("{")
    if state == "read only":
        folder.chmod(0o500)
    before = state_of(folder)
    assert verify(folder, encoder=encoder).ok == (state in ("sound", "read only"))
    assert state_of(folder) == before
    folder.chmod(0o700)


@pytest.mark.parametrize("chosen", ["letters", "lsa", None])
@pytest.mark.parametrize("keep", [1, 2])
def test_a_manifest_that_cannot_be_read(tmp_path, encoder, chosen, keep):
    given = encoder if chosen == "letters" else chosen
    folder = saved(tmp_path / "index", given, keep=keep, analyzer="english")
    opened_with = given if chosen == "letters" else None
    before = answer(folder, opened_with)
    (folder / "manifest.json").write_text('{"format": 3')
    assert not verify(folder, encoder=opened_with).ok
    if keep == 1 and chosen is None:
        pytest.skip("without a manifest, no encoder means the default one")
    repaired = repair(folder, encoder=opened_with, analyzer="english")
    assert repaired.settings_from == ("" if keep == 1 else "manifest-000001.json")
    assert "manifest.json could not be read" in str(repaired)
    assert repaired.chunks == len(TEXTS) - 1
    assert verify(folder, encoder=opened_with).ok
    assert answer(folder, opened_with) == before


@pytest.mark.parametrize("way", ["flip", "cut", "gone"])
@pytest.mark.parametrize(
    ("file", "parts"),
    [("bm25/dfs.npy", ("bm25",)), ("dense/rows.npy", ("dense",))],
)
def test_only_what_is_broken_is_built(tmp_path, encoder, file, parts, way):
    folder = saved(tmp_path / "index", encoder)
    before = answer(folder, encoder)
    path = folder / "gen-000002" / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x40
    path.unlink()
    if way != "gone":
        path.write_bytes(content if way == "flip" else content[:-8])
    repaired = repair(folder, encoder=encoder)
    assert repaired.rebuilt == parts
    assert repaired.settings_from == "manifest.json"
    assert verify(folder, encoder=encoder).ok
    assert answer(folder, encoder) == before


def test_documents_are_saved_from_a_damaged_store(tmp_path):
    folder = tmp_path / "index"
    documents = [
        hybrid.Document(f"d{n}", f"cats {n} " * 2000, f"title {n}", {"n": n}) for n in range(30)
    ]
    with hybrid.Retriever.create(folder, encoder=None) as retriever:
        retriever.add(documents)
        retriever.delete(["d3"])
        retriever.commit()
    store = folder / "store.db"
    content = bytearray(store.read_bytes())
    at = content.index(b"cats 17 cats 17") // 4096 * 4096
    content[at : at + 4096] = b"\xff" * 4096
    store.write_bytes(content)
    done = salvage(folder, tmp_path / "out.jsonl")
    assert "d17" in done.lost
    assert "could not be read: " in str(done)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(lines) == done.documents == 29 - len(done.lost)
    assert {line["_id"] for line in lines} == {f"d{n}" for n in range(30)} - {"d3", *done.lost}
    for line in lines:
        number = int(line["_id"][1:])
        one = documents[number]
        assert line["text"] == one.text
        assert (line["title"], line["metadata"]) == (one.title, dict(one.metadata))
    with pytest.raises(FileExistsError):
        salvage(folder, tmp_path / "out.jsonl")


def test_a_store_that_is_none_cannot_be_saved(tmp_path):
    folder = saved(tmp_path / "index", None)
    (folder / "store.db").write_bytes(b"no database" * 999)
    with pytest.raises(StoreError):
        salvage(folder, tmp_path / "out.jsonl")


def test_a_folder_that_lost_its_manifest_is_not_made_anew(tmp_path):
    with hybrid.Retriever.create(tmp_path / "index", encoder=None) as made:
        for name in ("a", "b"):
            made.add([hybrid.Document(name, "cats purr")])
            made.commit()
    (tmp_path / "index" / "manifest.json").unlink()
    with pytest.raises(FileExistsError, match="expected a new or empty folder"):
        hybrid.Retriever.create(tmp_path / "index", encoder=None)
    hybrid.repair(tmp_path / "index", encoder=None)
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert len(opened) == 2


def test_a_folder_without_a_manifest_is_sent_to_repair(tmp_path):
    with hybrid.Retriever.from_texts(["cats purr"], encoder=None) as made:
        made.save(tmp_path / "index")
    (tmp_path / "index" / "manifest.json").unlink()
    with pytest.raises(hybrid.IndexFormatError, match="`hybrid repair` makes one"):
        hybrid.Retriever.load(tmp_path / "index")
    hybrid.repair(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert len(opened) == 1
