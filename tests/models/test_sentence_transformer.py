"""Any sentence-transformers model from a folder, and plain encoders."""

import numpy as np
import pytest

import hybrid
from hybrid.encoders import reopen
from tests.models.conftest import TEXTS, build_xlm_roberta

pytestmark = pytest.mark.filterwarnings("default")  # those libraries warn about themselves


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    pytest.importorskip("sentence_transformers", reason="the extra models is not installed")
    folder = tmp_path_factory.mktemp("plain") / "tiny"
    build_xlm_roberta(folder, seed=0)
    return folder


@pytest.fixture(scope="module")
def model(plain):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    word = Transformer(str(plain), max_seq_length=64)
    made = SentenceTransformer(modules=[word, Pooling(64), Normalize()])
    made.prompts = {"query": "query: ", "document": "passage: "}
    made.save(str(plain.parent / "model"))
    return plain.parent / "model"


def test_a_folder_is_indexed_saved_and_opened(model, tmp_path):
    with hybrid.Retriever.from_texts(TEXTS, encoder=model) as retriever:
        assert retriever.search("cats purr", k=1)[0].text == TEXTS[0]
        hits = retriever.search("dogs", k=4)
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert opened.search("dogs", k=4) == hits


def test_the_models_prompts_or_the_users(model, plain):
    encoder = hybrid.SentenceTransformerEncoder(model)
    stored = encoder.fingerprint()
    assert (stored["query_instruction"], stored["document_instruction"]) == ("query: ", "passage: ")
    bare = hybrid.SentenceTransformerEncoder(model, query_instruction="", document_instruction="x ")
    stored = bare.fingerprint()
    assert (stored["query_instruction"], stored["document_instruction"]) == ("", "x ")
    expected = encoder.encode_queries(["cats"]).dense
    assert bare.encode_queries(["query: cats"]).dense == pytest.approx(expected, abs=1e-6)
    assert bare.encode_queries(["cats"]).dense != pytest.approx(expected, abs=1e-3)
    expected = bare.encode_queries(["x cats"]).dense
    assert bare.encode_documents(["cats"]).dense == pytest.approx(expected, abs=1e-6)


def test_the_familys_instructions_where_the_model_has_none(plain):
    folder = plain.with_name("e5-small-tiny")
    if not folder.exists():
        folder.symlink_to(plain)
    encoder = hybrid.SentenceTransformerEncoder(folder)
    expected = hybrid.SentenceTransformerEncoder(plain).encode_queries(["passage: cats"]).dense
    assert encoder.encode_documents(["cats"]).dense == pytest.approx(expected, abs=1e-6)


def test_a_shorter_vector_is_the_beginning_brought_to_length_one(model):
    full = hybrid.SentenceTransformerEncoder(model).encode_queries(TEXTS).dense[:, :16]
    encoder = hybrid.SentenceTransformerEncoder(model, dimension=16)
    found = encoder.encode_queries(TEXTS).dense
    expected = full / np.linalg.norm(full, axis=1, keepdims=True)
    assert found == pytest.approx(expected, abs=1e-6)
    assert encoder.fingerprint()["dimension"] == 16
    assert encoder.encode_queries([]).dense.shape == (0, 16)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"dimension": 65}, "dimension of 1 to 64, .* not 65"),
        ({"dimension": 0}, "dimension of 1 to 64, .* not 0"),
        ({"max_length": 129}, "max_length of 1 to 128 tokens, .* not 129"),
        ({"pooling": "cls"}, "says itself how, and that is 'mean'"),
        ({"pooling": "max"}, "a pooling of mean, cls, last, not 'max'"),
    ],
)
def test_what_a_model_cannot_do(model, choice, message):
    with pytest.raises(ValueError, match=message):
        hybrid.SentenceTransformerEncoder(model, **choice)


@pytest.mark.parametrize(("pooling", "token"), [("cls", 0), ("last", -1)])
def test_a_plain_model_is_pooled_as_wanted(plain, pooling, token):
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder = hybrid.SentenceTransformerEncoder(plain, pooling=pooling)
    tokenizer, network = AutoTokenizer.from_pretrained(plain), AutoModel.from_pretrained(plain)
    found = encoder.encode_documents(["cats purr", "dogs bark at strangers"]).dense
    for row, text in zip(found, ["cats purr", "dogs bark at strangers"], strict=True):
        with torch.no_grad():
            states = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        assert row == pytest.approx(states[token].numpy(), abs=1e-5)
    assert encoder.fingerprint()["pooling"] == pooling
    assert not encoder.fingerprint()["normalized"]


def test_a_plain_model_takes_no_more_tokens_than_it_has_positions(plain, caplog):
    """Its tokenizer knows no limit; RoBERTa's positions begin after that of padding."""
    encoder = hybrid.SentenceTransformerEncoder(plain)
    assert encoder.max_length == 128
    assert np.isfinite(encoder.encode_documents(["cats purr " * 300] * 2).dense).all()
    encoder.encode_documents(["cats purr " * 300])
    messages = [record.getMessage() for record in caplog.records if record.name[:6] == "hybrid"]
    assert len(messages) == 1
    assert messages[0].startswith("2 of 2 texts are longer than the 128 tokens")


def test_an_index_opens_its_model_with_the_same_choices(plain, tmp_path):
    encoder = hybrid.SentenceTransformerEncoder(
        plain, dimension=32, query_instruction="q ", pooling="cls", max_length=20
    )
    again = reopen(encoder.fingerprint(), None, tmp_path, None)
    assert again.fingerprint() == encoder.fingerprint()
    assert reopen(encoder.fingerprint(), plain, tmp_path, None).fingerprint()["pooling"] == "cls"
    with pytest.raises(hybrid.EncoderMismatch, match="dimension: index 32, given 64"):
        reopen(encoder.fingerprint(), hybrid.SentenceTransformerEncoder(plain), tmp_path, None)
