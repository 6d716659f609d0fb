"""BGE-M3 through FlagEmbedding: three kinds of numbers from one pass, and nobody else's weights."""

import json
import logging
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import hybrid
from hybrid.encoders.bge_m3 import BGEM3Encoder
from tests.models.conftest import TEXTS, build_bge_m3

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("default")  # those libraries warn about themselves

ODD = ["", " ", "cats", "</s> marks <pad> in <unk> text", "cats purr " * 200, "\x00 𝔘𝔫 ☃"]


@pytest.fixture(scope="module")
def encoder(bge_m3):
    return BGEM3Encoder(str(bge_m3))


@pytest.fixture(scope="module")
def flag_embedding(bge_m3):
    """Return what FlagEmbedding itself makes of texts."""
    from FlagEmbedding import BGEM3FlagModel

    model = BGEM3FlagModel(str(bge_m3), use_fp16=False, devices="cpu")
    return lambda texts: model.encode(
        texts, max_length=128, return_dense=True, return_sparse=True, return_colbert_vecs=True
    )


def token_lists(tokens):
    """Return the token vectors of each text."""
    bounds = zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
    return [tokens.vectors[start:end] for start, end in bounds]


def close(one, other):
    """Compare all numbers of two embeddings, up to rounding."""
    assert one.tokens.offsets.tolist() == other.tokens.offsets.tolist()
    for mine, yours in (
        (one.dense, other.dense),
        (one.lexical.toarray(), other.lexical.toarray()),
        (one.tokens.vectors, other.tokens.vectors),
    ):
        np.testing.assert_allclose(mine, yours, atol=1e-5)


def counted(monkeypatch, encoder, memory=10**9):
    """Count the texts of each pass through the model; more than `memory` texts do not fit."""
    import torch

    passes, forward = [], encoder._model.model.forward

    def body(input_ids, **rest):
        passes.append(len(input_ids))
        if len(input_ids) > memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(input_ids=input_ids, **rest)

    monkeypatch.setattr(encoder._model.model, "forward", body)
    return passes


def test_all_numbers_are_those_of_flag_embedding(encoder, flag_embedding):
    texts = TEXTS + ODD
    mine, theirs = encoder.encode_documents(texts), flag_embedding(texts)
    np.testing.assert_allclose(mine.dense, theirs["dense_vecs"], atol=1e-5)
    assert mine.lexical.shape == (len(texts), encoder._terms)
    for row, weights in enumerate(theirs["lexical_weights"]):
        found = mine.lexical[[row]]
        assert found.indices.tolist() == sorted(int(token) for token in weights)
        np.testing.assert_allclose(
            found.data, [weights[str(token)] for token in found.indices], atol=1e-5
        )
    assert mine.lexical.nnz > len(TEXTS)
    for found, vectors in zip(token_lists(mine.tokens), theirs["colbert_vecs"], strict=True):
        np.testing.assert_allclose(found, vectors, atol=1e-5)


def test_shapes_types_and_lengths(encoder):
    found = encoder.encode_queries(TEXTS + ODD)
    assert found.dense.shape == (len(TEXTS + ODD), encoder.dimension) == (10, 64)
    assert found.tokens.vectors.shape == (found.tokens.offsets[-1], 64)
    assert len(found.tokens) == 10
    assert found.tokens.offsets.dtype == np.int64
    assert found.lexical.has_sorted_indices
    for vectors in (found.dense, found.tokens.vectors):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_everything_comes_from_one_pass(encoder, monkeypatch):
    passes = counted(monkeypatch, encoder)
    encoder.encode_documents(TEXTS)
    assert passes == [len(TEXTS)]
    monkeypatch.setattr(encoder._batching, "size", 3)
    encoder.encode_queries(TEXTS)
    assert passes == [4, 3, 1]


def test_token_vectors_can_be_left_out(bge_m3, encoder, monkeypatch):
    without = BGEM3Encoder(str(bge_m3), tokens=False, batch_size=2)
    monkeypatch.setattr(without._model, "_colbert_embedding", None)  # not computed either
    one, other = without.encode_documents(TEXTS), encoder.encode_documents(TEXTS)
    assert one.tokens is None
    np.testing.assert_allclose(one.dense, other.dense, atol=1e-5)
    np.testing.assert_allclose(one.lexical.toarray(), other.lexical.toarray(), atol=1e-5)
    differing = hybrid.settings.differences(without.fingerprint(), encoder.fingerprint())
    assert differing == "tokens: index False, given True"


def test_every_text_is_nearest_to_itself_by_its_tokens(encoder):
    lists = token_lists(encoder.encode_documents(TEXTS).tokens)
    for place, query in enumerate(token_lists(encoder.encode_queries(TEXTS).tokens)):
        sums = [(query @ tokens.T).max(axis=1).mean() for tokens in lists]
        assert np.argmax(sums) == place
        assert sums[place] == pytest.approx(1)


def test_a_text_has_the_same_numbers_in_any_company(encoder):
    together = encoder.encode_documents(TEXTS + ODD)
    for place, text in enumerate(TEXTS + ODD):
        alone = encoder.encode_documents([text])
        np.testing.assert_allclose(alone.dense[0], together.dense[place], atol=1e-5)
        np.testing.assert_allclose(
            alone.tokens.vectors, token_lists(together.tokens)[place], atol=1e-5
        )


def test_no_text_and_empty_text(encoder):
    nothing = encoder.encode_documents([])
    assert nothing.dense.shape == (0, 64)
    assert nothing.dense.dtype == np.float32
    assert nothing.lexical.shape == (0, encoder._terms)
    assert nothing.tokens.vectors.shape == (0, 64)
    assert nothing.tokens.offsets.tolist() == [0]
    empty = encoder.encode_documents([""])
    assert empty.dense.any()
    assert empty.lexical.nnz == 0
    assert empty.tokens.offsets.tolist() == [0, 1]  # the end mark


def test_one_text_is_no_list(encoder):
    with pytest.raises(TypeError, match="expected a list of texts, not one text"):
        encoder.encode_queries("cats")


def test_length_has_a_default_and_a_limit(bge_m3, encoder):
    assert encoder.max_length == 128  # less than 1024, since the model has no more positions
    assert BGEM3Encoder(str(bge_m3), max_length=128).max_length == 128
    for length in (129, 8192, 2, 0):
        with pytest.raises(ValueError, match=f"from 3 to 128, .* not {length}"):
            BGEM3Encoder(str(bge_m3), max_length=length)


def test_cut_texts_are_counted_and_logged_once(bge_m3, caplog):
    encoder = BGEM3Encoder(str(bge_m3), max_length=8)
    texts = [" ".join(["cats"] * count) for count in range(14)]
    lengths = [len(encoder._tokenizer(text)["input_ids"]) for text in texts]
    assert 8 in lengths  # just not cut
    cut = sum(length > 8 for length in lengths)
    with caplog.at_level(logging.WARNING, "hybrid"):
        encoder.encode_documents(["cats"])
        assert not caplog.records
        found = encoder.encode_documents(texts)
        encoder.encode_queries(texts)
    assert [record.getMessage() for record in caplog.records] == [
        f"encoder {str(bge_m3)!r} cut {cut} of 14 texts to max_length=8 tokens: what follows in "
        "them is not found by meaning; later cuts are counted, not logged"
    ]
    assert encoder.cut == 2 * cut
    assert np.diff(found.tokens.offsets).tolist() == [min(length, 8) - 1 for length in lengths]


def test_too_little_memory_halves_the_batch(bge_m3, monkeypatch, caplog):
    expected = BGEM3Encoder(str(bge_m3)).encode_documents(TEXTS * 2)
    encoder = BGEM3Encoder(str(bge_m3), batch_size=8)
    passes = counted(monkeypatch, encoder, memory=3)
    with caplog.at_level(logging.WARNING, "hybrid"):
        close(encoder.encode_documents(TEXTS * 2), expected)
        close(encoder.encode_documents(TEXTS * 2), expected)
    assert passes[:2] == [8, 4]
    assert max(passes[2:]) <= 3
    assert len(caplog.records) == 1


def test_no_memory_for_one_text_names_it(bge_m3, monkeypatch):
    encoder = BGEM3Encoder(str(bge_m3))
    counted(monkeypatch, encoder, memory=0)
    with pytest.raises(hybrid.EncoderError, match="on the text 'cats'"):
        encoder.encode_documents(["cats"])


def test_other_errors_of_the_model_are_not_swallowed(bge_m3, monkeypatch):
    encoder = BGEM3Encoder(str(bge_m3))

    def broken(**_):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(encoder._model.model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        encoder.encode_documents(["cats"])


def test_half_precision_gives_float32_of_length_one(bge_m3, encoder):
    half = BGEM3Encoder(str(bge_m3))
    half._model.half()  # as on a GPU
    one, other = half.encode_documents(TEXTS + ODD), encoder.encode_documents(TEXTS + ODD)
    for mine, exact in ((one.dense, other.dense), (one.tokens.vectors, other.tokens.vectors)):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(mine, axis=1), 1, atol=1e-5)
        assert (mine * exact).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(one.lexical.toarray(), other.lexical.toarray(), atol=0.01)


def test_threads_do_not_disturb_each_other(encoder):
    expected = [encoder.encode_queries([text]).dense for text in TEXTS * 4]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: encoder.encode_queries([text]).dense, TEXTS * 4))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_fingerprint_is_json_and_keeps_versions_apart(bge_m3, encoder):
    fingerprint = encoder.fingerprint()
    versions = fingerprint.pop("versions")
    assert set(versions) == {"FlagEmbedding", "torch", "transformers"}
    assert fingerprint == {
        "kind": "bge-m3",
        "name": str(bge_m3),
        "revision": None,
        "dimension": 64,
        "max_length": 128,
        "pooling": "cls",
        "normalized": True,
        "tokens": True,
    }
    assert json.loads(json.dumps(versions)) == versions


@pytest.fixture
def offline(hub, monkeypatch):
    """Have the hub's clients look into the prepared cache, and nowhere else."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def test_a_name_and_its_revisions(offline, encoder):
    newest = BGEM3Encoder("tiny/m3")
    old = BGEM3Encoder("tiny/m3", revision="old")
    close(newest.encode_documents(TEXTS), encoder.encode_documents(TEXTS))  # a copy
    assert abs(old.encode_documents(TEXTS).dense - newest.encode_documents(TEXTS).dense).max() > 0.1
    assert newest.fingerprint()["revision"] is None
    assert old.fingerprint()["revision"] == "old"
    with pytest.raises(hybrid.EncoderMismatch, match="revision: index 'old', given None"):
        hybrid.encoders.base.check_same(old.fingerprint(), newest)


def test_a_folder_has_no_revisions(bge_m3):
    with pytest.raises(ValueError, match=r"expected no revision with the folder .* not 'main'"):
        BGEM3Encoder(str(bge_m3), revision="main")


def test_a_model_without_heads_is_refused(bge_m3, tmp_path):
    """FlagEmbedding would go on with random heads."""
    model = shutil.copytree(bge_m3, tmp_path / "model")
    (model / "sparse_linear.pt").unlink()
    with pytest.raises(hybrid.EncoderError, match=r"has no sparse_linear\.pt"):
        BGEM3Encoder(str(model))


@pytest.mark.parametrize("loading", [True, False])
@pytest.mark.parametrize("downloads", [True, False])
def test_nothing_is_printed_and_bars_are_left_as_they_were(bge_m3, capfd, loading, downloads):
    from huggingface_hub import utils as hub
    from transformers.utils import logging as transformers

    before = transformers.is_progress_bar_enabled(), hub.are_progress_bars_disabled()
    try:
        (transformers.enable_progress_bar if loading else transformers.disable_progress_bar)()
        (hub.enable_progress_bars if downloads else hub.disable_progress_bars)()
        BGEM3Encoder(str(bge_m3), batch_size=2).encode_documents(TEXTS)
        assert capfd.readouterr() == ("", "")
        assert transformers.is_progress_bar_enabled() == loading
        assert hub.are_progress_bars_disabled() != downloads
    finally:
        (transformers.enable_progress_bar if before[0] else transformers.disable_progress_bar)()
        (hub.disable_progress_bars if before[1] else hub.enable_progress_bars)()


def test_three_indexes_from_one_model(bge_m3, tmp_path):
    with hybrid.Retriever.from_texts(TEXTS, encoder=bge_m3) as retriever:
        hits = retriever.search("why do cats purr", k=4)
        assert hits[0].text == TEXTS[0]
        assert set(hits[0].parts) == {"bm25", "dense", "lexical", "multivector"}
        assert hits[0].parts["lexical"].rank == 1
        assert sum(part.weight for part in hits[0].parts.values()) == pytest.approx(1)
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert [hit.doc_id for hit in opened.search("why do cats purr", k=4)] == [
            hit.doc_id for hit in hits
        ]


def test_other_weights_under_the_same_name_are_refused(bge_m3, tmp_path):
    model = shutil.copytree(bge_m3, tmp_path / "model")
    with hybrid.Retriever.from_texts(TEXTS, encoder=model) as retriever:
        retriever.save(tmp_path / "index")
    other = build_bge_m3(tmp_path / "other", seed=1)
    with pytest.raises(hybrid.EncoderMismatch, match="name: index"):
        hybrid.Retriever.load(tmp_path / "index", encoder=other)
    shutil.rmtree(model)
    other.rename(model)
    with pytest.raises(hybrid.EncoderMismatch, match="were its weights replaced"):
        hybrid.Retriever.load(tmp_path / "index")


def test_long_and_empty_input(bge_m3):
    with hybrid.Retriever.create(encoder=bge_m3) as retriever:
        retriever.add([hybrid.Document("long", "cats purr " * 2000), hybrid.Document("blank", " ")])
        assert retriever.search("cats", k=1)[0].doc_id == "long"
        assert retriever.search(" ") == []


KILLED = """
import os, signal, sys
import hybrid
from hybrid.encoders.bge_m3 import BGEM3Encoder

folder, model, dies_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
whole, seen = BGEM3Encoder.encode_documents, 0

def encode(self, texts):
    global seen
    if len(texts) > 4 and seen >= dies_at:  # not the canaries
        os.kill(os.getpid(), signal.SIGKILL)
    seen += len(texts)
    return whole(self, texts)

BGEM3Encoder.encode_documents = encode
documents = [hybrid.Document(str(n), f"cats purr number {n}") for n in range(600)]
with hybrid.Retriever.create(folder, encoder=model) as retriever:
    retriever.add(documents)
    retriever.commit()
    print(retriever.embedded.encoded, retriever.embedded.reused)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_build_that_was_killed_goes_on_with_all_three_indexes(bge_m3, tmp_path):
    def build(dies_at):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "index"), str(bge_m3), str(dies_at)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    assert build(256).returncode == -signal.SIGKILL
    again = build(10_000)
    assert again.returncode == 0, again.stderr
    encoded, reused = map(int, again.stdout.split())
    assert (encoded, reused) == (600 - 256, 256)
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert len(opened) == 600
        (hit,) = opened.search("cats purr number 17", k=1)
        assert set(hit.parts) == {"bm25", "dense", "lexical", "multivector"}
        hit = opened.search("number 599", k=1)[0]  # encoded by the second process
        assert hit.doc_id == "599"
