"""What is saved comes back, elsewhere and later, or is refused with a reason."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hybrid
from hybrid import RRF, Document, EncoderMismatch, IndexFormatError, Weighted, snapshot
from tests.hybrid.conftest import TEXTS, letters

ROOT = Path(__file__).parents[2]
QUESTIONS = ["why do cats purr", "dogs and strangers", "猫咪", "warm afternoon", "unheard"]

PROGRAM = """
import json, sys
import hybrid
if sys.argv[1] == "build":
    texts = json.load(open(sys.argv[3]))
    r = hybrid.Retriever.from_texts(texts, encoder="lsa")
else:
    r = hybrid.Retriever.load(sys.argv[2])
hits = r.search_many(json.loads(sys.argv[4]), k=20)
print(json.dumps([[(h.chunk_id, h.score.hex(), h.parts["dense"].score.hex()) for h in one]
                  for one in hits]))
"""


def in_another_process(*arguments, seed="0", threads="2"):
    environment = os.environ | {
        "PYTHONHASHSEED": seed,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments), json.dumps(QUESTIONS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def as_json(answers):
    return [
        [[hit.chunk_id, hit.score.hex(), hit.parts["dense"].score.hex()] for hit in hits]
        for hits in answers
    ]


def test_another_process_finds_the_same_bits(tmp_path):
    texts = [f"{text} {TEXTS[(n * 3) % 8]} number {n}" for n, text in enumerate(TEXTS * 30)]
    source = tmp_path / "texts.json"
    source.write_text(json.dumps(texts), "utf-8")
    with hybrid.Retriever.from_texts(texts, encoder="lsa") as retriever:
        expected = as_json(retriever.search_many(QUESTIONS, k=20))
        retriever.save(tmp_path / "index")
    for seed, threads in (("1", "1"), ("77", "4")):
        setting = {"seed": seed, "threads": threads}
        assert in_another_process("load", tmp_path / "index", source, **setting) == expected
        assert in_another_process("build", tmp_path / "index", source, **setting) == expected


def test_load_gives_back_everything(retriever, encoder, tmp_path):
    retriever.fusion = RRF(k=10)
    retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index", encoder=encoder) as opened:
        assert opened.fusion == RRF(k=10)
        assert len(opened) == len(retriever)
        for question in QUESTIONS:
            assert opened.search(question, k=9) == retriever.search(question, k=9)
        assert opened.search("cats", filter={"n": 3}) == retriever.search("cats", filter={"n": 3})


def test_only_a_commit_lasts(tmp_path, encoder):
    folder = tmp_path / "index"
    with hybrid.Retriever.create(folder, encoder=encoder) as writer:
        writer.add([Document("a", "cats purr"), Document("b", "dogs bark")])
        writer.commit()
        writer.add([Document("c", "birds sing")])
        writer.delete(["a"])
        assert {hit.doc_id for hit in writer.search("cats birds", k=9)} == {"b", "c"}
    with hybrid.Retriever.load(folder, encoder=encoder) as opened:
        assert {hit.doc_id for hit in opened.search("cats birds", k=9)} == {"a", "b"}
        opened.add([Document("c", "fish swim")])
        opened.commit()
    with hybrid.Retriever.load(folder, encoder=encoder) as opened:
        assert {hit.doc_id for hit in opened.search("cats birds", k=9)} == {"a", "b", "c"}
    assert [path.name for path in sorted(folder.glob("gen-*"))] == ["gen-000002"]


def test_what_a_broken_commit_left_behind_is_not_seen(tmp_path, encoder, monkeypatch):
    folder = tmp_path / "index"
    with hybrid.Retriever.create(folder, encoder=encoder) as writer:
        writer.add([Document("a", "cats purr"), Document("b", "dogs bark")])
        writer.commit()
    with hybrid.Retriever.load(folder, encoder=encoder) as writer:
        writer.delete(["a"])
        writer.add([Document("c", "birds sing")])
        with monkeypatch.context() as patch:
            patch.setattr(snapshot, "_sync", broken_disk)
            with pytest.raises(OSError, match="disk full"):
                writer.commit()
    with hybrid.Retriever.load(folder, encoder=encoder) as opened:
        assert {hit.doc_id for hit in opened.search("cats", k=9)} == {"a", "b"}
        opened.add([Document("d", "fish swim")])
        assert {hit.doc_id for hit in opened.search("cats", k=9)} == {"a", "b", "d"}
        opened.commit()
    with hybrid.Retriever.load(folder, encoder=encoder) as opened:
        assert {hit.doc_id for hit in opened.search("cats", k=9)} == {"a", "b", "d"}


def broken_disk(path):
    raise OSError("disk full")


def test_save_replaces_an_index_but_nothing_else(retriever, tmp_path, encoder):
    retriever.save(tmp_path / "index")
    retriever.delete(["d0"])
    retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index", encoder=encoder) as opened:
        assert len(opened) == 7
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious.txt").write_text("do not touch")
    with pytest.raises(FileExistsError, match="a new folder or an index"):
        retriever.save(tmp_path / "other")
    with pytest.raises(FileExistsError, match=r"open an index with Retriever\.load"):
        hybrid.Retriever.create(tmp_path / "index")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["precious.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "other"]


def test_an_index_in_memory_has_nowhere_to_commit_to(retriever):
    with pytest.raises(hybrid.StoreError, match="this index is in memory"):
        retriever.commit()


@pytest.fixture
def saved(retriever, tmp_path):
    retriever.save(tmp_path / "index")
    return tmp_path / "index"


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is none at"):
        hybrid.Retriever.load(tmp_path / "nowhere")


def test_a_folder_that_is_no_index(tmp_path):
    with pytest.raises(IndexFormatError, match=r"has no manifest\.json"):
        hybrid.Retriever.load(tmp_path)


def test_a_folder_of_another_format(saved):
    manifest = saved / "manifest.json"
    values = json.loads(manifest.read_text("utf-8")) | {"format": 99}
    manifest.write_text(json.dumps(values), "utf-8")
    with pytest.raises(IndexFormatError, match=r"format 3, but .* has format 99"):
        hybrid.Retriever.load(saved)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1, "extra": 2}'])
def test_a_damaged_manifest(saved, content):
    (saved / "manifest.json").write_text(content, "utf-8")
    with pytest.raises(IndexFormatError):
        hybrid.Retriever.load(saved)


def test_a_manifest_that_lacks_a_setting(saved, encoder):
    manifest = saved / "manifest.json"
    values = json.loads(manifest.read_text("utf-8"))
    del values["settings"]["chunker"]
    manifest.write_text(json.dumps(values), "utf-8")
    with pytest.raises(IndexFormatError, match="expected 'chunker' in the manifest"):
        hybrid.Retriever.load(saved, encoder=encoder)


def test_a_file_cut_short_or_missing(saved):
    vectors = next(saved.rglob("vectors.npy"))
    vectors.write_bytes(vectors.read_bytes()[:-8])
    with pytest.raises(IndexFormatError, match=r"vectors\.npy of \d+ bytes .* but it is \d+ bytes"):
        hybrid.Retriever.load(saved)
    vectors.unlink()
    with pytest.raises(IndexFormatError, match="but it is missing"):
        hybrid.Retriever.load(saved)


def test_verify_names_a_file_whose_content_changed(saved):
    assert snapshot.verify(saved) == []
    vectors = next(saved.rglob("vectors.npy"))
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\x7f")
    (line,) = snapshot.verify(saved)
    assert "vectors.npy" in line


def test_a_folder_without_its_store(saved, encoder):
    (saved / "store.db").unlink()
    with pytest.raises(IndexFormatError, match=r"expected store\.db"):
        hybrid.Retriever.load(saved, encoder=encoder)


def test_no_pickle_in_the_folder(saved):
    kinds = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".npy", ".db", ".faiss"}
    for path in saved.rglob("*.npy"):
        assert np.load(path, allow_pickle=False) is not None


def other(texts):
    return letters(texts)[:, ::-1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "the encoder 'letters' .* open the index with encoder="),
        ("lsa", "the encoder 'letters'"),
        (hybrid.FunctionEncoder(letters, "words", 27), "name: index 'letters', given 'words'"),
        (hybrid.FunctionEncoder(letters, "letters", 9), "dimension: index 27, given 9"),
        (hybrid.FunctionEncoder(other, "letters", 27), "right name, but gives other vectors"),
        (hybrid.Precomputed({}, {"a": [1.0]}, "letters"), "kind: index 'function'"),
    ],
)
def test_another_encoder_is_refused(saved, given, message):
    with pytest.raises(EncoderMismatch, match=message):
        hybrid.Retriever.load(saved, encoder=given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (hybrid.FunctionEncoder(letters, "words", 27), "name: index 'letters', given 'words'"),
        (hybrid.FunctionEncoder(other, "letters", 27), r"vector of canary .* has cosine 0\."),
    ],
)
def test_another_encoder_is_taken_when_asked_for_and_that_is_told(saved, given, message, caplog):
    with hybrid.Retriever.load(saved, encoder=given, allow_mismatch=True) as opened:
        assert opened.search("cats", k=1)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert re.search(f"opened in spite of a mismatch.*{message}", record.getMessage())


def test_a_mismatch_that_cannot_be_allowed(saved, encoder, caplog):
    short = hybrid.FunctionEncoder(lambda texts: letters(texts)[:, :9], "letters", 9)
    with pytest.raises(EncoderMismatch, match="an encoder of 27 dimensions, not 9"):
        hybrid.Retriever.load(saved, encoder=short, allow_mismatch=True)
    with pytest.raises(EncoderMismatch, match="open the index with encoder="):
        hybrid.Retriever.load(saved, allow_mismatch=True)
    with hybrid.Retriever.load(saved, encoder=encoder, allow_mismatch=True):
        assert caplog.records == []


class Versioned(hybrid.FunctionEncoder):
    """An encoder of some library."""

    def fingerprint(self):
        return super().fingerprint() | {"versions": {"library": self.version}}


def versioned(embed, version):
    made = Versioned(embed, "letters", 27)
    made.version = version
    return made


def test_another_library_version_is_named_when_it_gives_other_vectors(tmp_path):
    with hybrid.Retriever.from_texts(TEXTS, encoder=versioned(letters, "1")) as retriever:
        retriever.save(tmp_path / "index")
    hybrid.Retriever.load(tmp_path / "index", encoder=versioned(letters, "2")).close()
    with pytest.raises(EncoderMismatch, match="versions differ: library: index '1', given '2'"):
        hybrid.Retriever.load(tmp_path / "index", encoder=versioned(other, "2"))


def test_an_encoder_for_an_index_without_one_is_refused(tmp_path, encoder):
    with hybrid.Retriever.from_texts(TEXTS, encoder=None) as retriever:
        retriever.save(tmp_path / "index")
    with pytest.raises(EncoderMismatch, match="built with encoder=None"):
        hybrid.Retriever.load(tmp_path / "index", encoder=encoder)


def test_another_analyzer_is_refused(saved, encoder):
    german = hybrid.Analyzer(latin="german")
    with pytest.raises(hybrid.AnalyzerMismatch, match="latin: index"):
        hybrid.Retriever.load(saved, encoder=encoder, analyzer=german)


def test_precomputed_vectors_come_back(tmp_path):
    vectors = dict(zip(TEXTS, letters(TEXTS), strict=True))
    known = hybrid.Precomputed(vectors, {"cats": letters(["cats"])[0]}, "letters")
    with hybrid.Retriever.from_texts(TEXTS, encoder=known) as retriever:
        retriever.fusion = Weighted({"bm25": 0.5, "dense": 0.5})
        retriever.save(tmp_path / "index")
        expected = retriever.search("cats")
    with hybrid.Retriever.load(tmp_path / "index", encoder=known) as opened:
        assert opened.search("cats") == expected
        with pytest.raises(hybrid.EncoderError, match="queries= of 'letters' has none for 'dogs'"):
            opened.search("dogs")


def test_a_copied_folder_is_the_same_index(saved, encoder, tmp_path):
    shutil.copytree(saved, tmp_path / "copy")
    with (
        hybrid.Retriever.load(saved, encoder=encoder) as one,
        hybrid.Retriever.load(tmp_path / "copy", encoder=encoder) as two,
    ):
        assert one.search("cats", k=9) == two.search("cats", k=9)
