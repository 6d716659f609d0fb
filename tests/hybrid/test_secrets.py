"""No key that an encoder's client quotes in its errors gets into ours, or into the log."""

import pytest

import hybrid
from hybrid.secrets import without_secrets

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
