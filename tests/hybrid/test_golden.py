"""Index folders that older versions wrote open still, and answer as they did then.

They were made at commit fc4e791; `hits` are those that it found.  BM25's scores are the same to the
bit; those with LSA depend on the library of linear algebra in their last digits.
"""

import json
import zipfile
from pathlib import Path

import pytest

import hybrid
from hybrid.manifest_file import FORMAT

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(params=["plain", "lsa"])
def golden(request, tmp_path):
    """An unpacked folder, and its hits."""
    with zipfile.ZipFile(GOLDEN / f"format-3-{request.param}.zip") as archive:
        archive.extractall(tmp_path / "index")
    hits = json.loads((GOLDEN / f"format-3-{request.param}.json").read_text("utf-8"))
    return tmp_path / "index", hits, request.param == "plain"


def test_it_finds_what_it_found_then(golden):
    folder, expected, is_exact = golden
    with hybrid.Retriever.load(folder) as retriever:
        check(retriever, expected, is_exact)


def test_it_can_be_written_to(golden):
    folder, expected, is_exact = golden
    with hybrid.Retriever.load(folder) as retriever:
        retriever.add([hybrid.Document("new", "Cats purr."), hybrid.Document("other", "x")])
        retriever.commit()
        assert retriever.search("cats purr", k=1, filter={"n": 1})[0].doc_id == "d1"
        retriever.delete(["new", "other"])
        retriever.commit()
    with hybrid.Retriever.load(folder) as retriever:
        check(retriever, expected, is_exact)


def check(retriever, expected, is_exact):
    for question, found in expected.items():
        hits = retriever.search(question, k=9)
        told = [[hit.chunk_id, hit.text, dict(hit.metadata)] for hit in hits]
        assert told == [[name, text, metadata] for name, _, text, metadata in found]
        scores = [float.fromhex(score) for _, score, *_ in found]
        wanted = scores if is_exact else pytest.approx(scores, abs=1e-5)
        assert [hit.score for hit in hits] == wanted


@pytest.mark.parametrize("version", [1, 2, 4, None, "3"])
def test_another_format_is_refused_with_what_to_do(golden, version):
    folder, *_ = golden
    manifest = folder / "manifest.json"
    values = json.loads(manifest.read_text("utf-8")) | {"format": version}
    manifest.write_text(json.dumps(values), "utf-8")
    if version == FORMAT:
        pytest.skip("that is the format of today")
    with pytest.raises(hybrid.IndexFormatError, match="open it with the version"):
        hybrid.Retriever.load(folder)
