"""verify finds each kind of damage that a manifest agrees with."""

import hashlib
import json

import numpy as np
import pytest

import hybrid
from bench.fuzz_cases import encoder_of
from hybrid.verifying import verify
from tests.hybrid.conftest import TEXTS
from tests.hybrid.test_metadata_columns import column


@pytest.fixture
def folder(tmp_path):
    metadata = [{"n": number} for number in range(len(TEXTS))]
    with hybrid.Retriever.from_texts(
        TEXTS, metadata=metadata, encoder=encoder_of("parts")
    ) as retriever:
        retriever.delete(["1"])
        retriever.save(tmp_path / "index")
    return tmp_path / "index"


def change(folder, name, edit):
    """Change an array or a JSON file, and have the manifest agree."""
    (path,) = (folder / "gen-000001").glob(name)
    if path.suffix == ".npy":
        array = np.array(np.load(path))
        edit(array)
        path.unlink()
        np.save(path, array)
    else:
        facts = json.loads(path.read_text())
        edit(facts)
        path.write_text(json.dumps(facts))
    manifest = json.loads((folder / "manifest.json").read_text())
    content = path.read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"][path.relative_to(folder).as_posix()] = facts
    (folder / "manifest.json").write_text(json.dumps(manifest))


def found(folder, **options):
    options = {"encoder": encoder_of("parts"), **options}
    return [(one.part, one.problem) for one in verify(folder, **options).findings]


def raise_first(array):
    array.reshape(-1)[0] += 1


def test_a_sound_index_is_sound(folder):
    assert found(folder) == []
    assert found(folder, encoder=None) == []


def test_document_frequencies_of_words(folder):
    change(folder, "bm25/dfs.npy", raise_first)
    ((part, problem),) = found(folder)
    assert part == "bm25"
    assert problem.startswith("term 0 is counted in")


def test_the_sum_of_lengths(folder):
    def longer(facts):
        facts["length"] += 3

    change(folder, "bm25/postings.json", longer)
    ((part, problem),) = found(folder)
    assert part == "bm25"
    assert "terms, expected" in problem


def test_the_length_of_a_row(folder):
    change(folder, "bm25/segment-0000/row_lengths.npy", raise_first)
    ((part, problem),) = found(folder)
    assert part == "bm25"
    assert problem.startswith("row 0 is")


def test_how_often_a_word_comes(folder):
    change(folder, "bm25/segment-0000/tfs.npy", raise_first)
    assert {part for part, _ in found(folder)} == {"bm25"}


def test_document_frequencies_of_weights(folder):
    def fewer(dfs):
        dfs[np.flatnonzero(dfs)[0]] = 0

    change(folder, "lexical/dfs.npy", fewer)
    ((part, problem),) = found(folder, encoder=None)
    assert part == "lexical"
    assert "is counted in 0 rows" in problem


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1.0])
def test_a_weight_that_is_none(folder, wrong):
    def spoil(weights):
        weights[0] = wrong

    change(folder, "lexical/segment-0000/payload.npy", spoil)
    ((part, problem),) = found(folder, encoder=None)
    assert part == "lexical"
    assert problem.startswith("a weight of row")


def test_a_token_vector_that_is_none(folder):
    def spoil(codes):
        codes[1] = 0

    change(folder, "multivector/block-0000/codes.npy", spoil)
    ((part, problem),) = found(folder, encoder=None)
    assert part == "multivector"
    assert problem == "a token vector of row 0 is 0 long"


@pytest.mark.parametrize(
    ("part", "file", "edit"),
    [
        ("dense", "dense/chunk-0000/vectors.npy", lambda a: a.__setitem__(0, a[2].copy())),
        ("lexical", "lexical/segment-0000/payload.npy", lambda a: a.__imul__(3)),
        ("multivector", "multivector/block-0000/codes.npy", lambda a: a.__setitem__(0, a[2])),
    ],
)
def test_what_the_encoder_would_not_make(folder, part, file, edit):
    change(folder, file, edit)
    assert found(folder, encoder=None) == []  # each is sound in itself
    assert found(folder, deep=False) == []
    ((where, problem),) = found(folder)
    assert where == part
    assert "expected of row 0 what the encoder makes of its text" in problem or part == "lexical"


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_storage_in_fewer_bytes_is_no_damage(tmp_path, storage, metric, encoder):
    choice = hybrid.Dense(storage=storage, metric=metric)
    with hybrid.Retriever.from_texts(TEXTS, encoder=encoder, dense=choice) as retriever:
        retriever.save(tmp_path / "index")
    assert found(tmp_path / "index", encoder=encoder) == []


def test_columns_of_metadata(folder):
    (path,) = (folder / "gen-000001" / "metadata").glob("batch-0000.json")
    codes = column(json.loads(path.read_text()), "n")["codes"]["start"]

    def other(blob):
        blob[codes + 2] += 1

    change(folder, "metadata/batch-0000.npy", other)
    ((part, problem),) = found(folder)
    assert part == "metadata"
    assert problem.startswith("the column of n differs")
