"""A manifest is refused unless it is what a commit writes."""

import json

import pytest

import hybrid
from hybrid.errors import IndexFormatError
from hybrid.manifest_file import read_manifest


@pytest.fixture
def folder(tmp_path):
    with hybrid.Retriever.from_texts(["cats purr", "dogs bark"], encoder=None) as retriever:
        retriever.save(tmp_path / "index")
    return tmp_path / "index"


def test_what_a_commit_writes_is_read(folder):
    manifest = read_manifest(folder / "manifest.json")
    assert manifest.generation >= 1
    assert all(name.startswith("gen-") for name in manifest.files)


def changed(folder, change):
    path = folder / "manifest.json"
    values = json.loads(path.read_text("utf-8"))
    change(values)
    path.write_text(json.dumps(values), "utf-8")


def outside(name):
    def change(values):
        values["files"][name] = {"bytes": 1, "sha256": "0"}

    return change


def no_size(values):
    next(iter(values["files"].values())).pop("bytes")


def of_bm25(values):
    values["settings"]["bm25"] = {"k9": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(generation="7"),
        lambda values: values.update(generation=True),
        lambda values: values.update(generation=-1),
        lambda values: values.update(settings=[]),
        lambda values: values.update(files=[]),
        lambda values: values.update(more=1),
        lambda values: values.update(format=True),
        lambda values: values["settings"].pop("bm25"),
        lambda values: values["settings"].update(encoder="lsa"),
        lambda values: values["settings"].update(encoder={"kind": "lsa"}),
        lambda values: values["settings"].update(analyzer=None),
        lambda values: values["settings"]["analyzer"].update(latin="klingon"),
        outside("../secret"),
        outside("/etc/passwd"),
        outside("gen-000001/../../x"),
        outside("c:x"),
        no_size,
        of_bm25,
    ],
)
def test_anything_else_is_refused(folder, change):
    changed(folder, change)
    with pytest.raises(IndexFormatError, match="expected"):
        hybrid.Retriever.load(folder)


def test_a_link_is_no_file_of_an_index(folder):
    file = next(folder.glob("gen-*/bm25/settings.json"))
    elsewhere = folder.parent / "elsewhere.json"
    elsewhere.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(elsewhere)
    with pytest.raises(IndexFormatError, match=r"settings\.json"):
        hybrid.Retriever.load(folder)


def test_a_damaged_store_is_told(folder):
    (folder / "store.db").write_bytes(b"x" * 8192)
    with pytest.raises(hybrid.StoreError, match="chunk store"):
        hybrid.Retriever.load(folder).search("cats")
