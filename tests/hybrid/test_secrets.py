"""No key that an encoder's client quotes in its errors gets into ours, or into the log."""

import json
import logging
from functools import partial

import pytest

import hybrid
from hybrid import Document
from hybrid.exporting import export
from hybrid.importing import import_index
from hybrid.secrets import without_secrets
from hybrid.syncing import sync

SECRET = "Zx81aBcD99"


@pytest.mark.parametrize(
    "message",
    [
        f"401 for url: https://api.example.com/v1?api_key={SECRET}&model=m",
        f"cannot reach https://me:{SECRET}@host/v1",
        f"headers {{'Authorization': 'Bearer {SECRET}'}}",
        f'{{"token": "{SECRET}", "model": "m"}}',
        f"Incorrect API key provided: sk-{SECRET}",
        f"OPENAI_API_KEY={SECRET}",
        f"password: {SECRET}",
    ],
)
def test_a_failing_encoder_tells_no_secret(message, caplog):
    def embed(texts):
        raise ConnectionError(message)

    encoder = hybrid.FunctionEncoder(embed, "service", 4)
    with pytest.raises(hybrid.EncoderError) as caught:
        hybrid.Retriever.from_texts(["cats"], encoder=encoder)
    assert SECRET not in str(caught.value)
    assert "***" in str(caught.value)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "message", ["no answer within 3 s", "the key to it is patience", "HTTP 503: try later", ""]
)
def test_other_messages_stay(message):
    assert without_secrets(message) == message


def test_an_encoder_shows_no_arguments_of_its_functions():
    def embed(texts, key):
        return [[1.0, 0.0] for _ in texts]

    keyed = partial(embed, key=SECRET)
    encoder = hybrid.FunctionEncoder(keyed, "service", 2, embed_queries=keyed)
    retriever = hybrid.Retriever.from_texts(["cats"], encoder=encoder)
    for shown in (encoder, retriever, retriever._state, retriever._state.indexes.encoder):
        assert SECRET not in repr(shown)
    assert "'service'" in repr(encoder)


def test_the_log_of_a_life_tells_nothing_of_what_is_in_an_index(tmp_path, monkeypatch, caplog):
    """No text, question, metadata or variable of the environment, at INFO and above."""
    caplog.set_level(logging.INFO, logger="hybrid")
    monkeypatch.setenv("HYBRID_TEST_KEY", "inenvironment")
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("intext")
    (folder / "bad.jsonl").write_text('{"id": "a", "text": "intext", }\n')
    (folder / "twice.jsonl").write_text('{"id": "a", "text": "intext", "x": "inmetadata"}\n' * 2)
    with hybrid.Retriever.create(tmp_path / "index", encoder=None, keep=2) as retriever:
        sync(retriever, folder)
        retriever.commit()
        retriever.add([Document("id", "intext", metadata={"inmetadata": "inmetadata"})])
        retriever.search("inquestion", filter={"inmetadata": "inquestion"})
        retriever.upsert([Document("other", "intext")], commit_every=1)
        export(retriever, tmp_path / "index.jsonl")
        retriever.compact()
    import_index(tmp_path / "index.jsonl", tmp_path / "imported")
    hybrid.verify(tmp_path / "index")
    hybrid.Retriever.from_folder(folder, encoder=None).close()
    told = json.dumps([vars(record) for record in caplog.records], default=repr)
    assert "exported" in told
    for word in ("intext", "inquestion", "inmetadata", "inenvironment"):
        assert word not in told
