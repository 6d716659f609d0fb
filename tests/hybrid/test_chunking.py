"""Chunks hold all of the text, where they say, in any script."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import chunking
from hybrid.chunking import Chunk, Chunker
from hybrid.documents import Document
from hybrid.errors import HybridError

characters = st.sampled_from(
    [
        *"abc.!? \n\t\r\0#*->|`(){}[]:=\"'\\",
        *"你好猫世界。かなカ🙂é\u0301שלוםمرحبا",
        *"\u200b\u200d\ufeff\x1c\x85\u2028\U0010ffff",
        "\r\n",
        "\n\n",
        "```\n",
        "def f(x):\n    ",
        "| a | b |\n|---|---|\n",
        "👨‍👩‍👧",
    ]
)
texts = st.lists(characters, max_size=120).map("".join)
formats = st.sampled_from(["text", "markdown", "python", "rust"])
sizes = st.integers(1, 60)


def split(text, size=2000, overlap=0, format="text", **settings_):
    return Chunker(size, overlap, **settings_).split(Document("d", text, format=format))


def check(text, chunks):
    """Check everything that is promised of chunks but their size."""
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    covered = set()
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip()
        covered.update(range(chunk.start, chunk.end))
    assert all(i in covered or character.isspace() for i, character in enumerate(text))
    for before, after in pairwise(chunks):
        assert before.start < after.start
        assert before.end < after.end


@settings(max_examples=400, deadline=None)
@given(texts, sizes, formats)
def test_chunks_hold_all_text_and_do_not_overlap(text, size, format):
    chunks = split(text, size, format=format)
    check(text, chunks)
    assert all(len(chunk.text) <= size for chunk in chunks)
    assert all(a.end <= b.start for a, b in pairwise(chunks))


@settings(max_examples=400, deadline=None)
@given(texts, st.data(), formats)
def test_overlapping_chunks_hold_all_text(text, data, format):
    size = data.draw(st.integers(2, 60))
    overlap = data.draw(st.integers(1, size - 1))
    chunks = split(text, size, overlap, format=format)
    check(text, chunks)
    for before, after in pairwise(chunks):
        assert len(after.text) <= size
        assert before.end - after.start <= overlap


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), sizes, formats)
def test_any_unicode(text, size, format):
    check(text, split(text, size, format=format))


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(4, 30))
def test_tokens(text, size):
    check(text, split(text, size, size // 2, unit="tokens"))


def test_overlap_repeats_the_end_of_the_chunk_before():
    text = "One cat. Two dogs. Three owls. Four ants."
    assert [chunk.text for chunk in split(text, 40, 12)] == [
        "One cat. Two dogs.",
        "Two dogs. Three owls. Four ants.",
    ]


def test_white_space_has_no_chunks():
    assert split("") == split(" \n\t\r\n\x1c\u2028 ") == []


def test_chunk_id():
    assert Chunk("guide.md", 3, "x", 0, 1).chunk_id == "guide.md#3"


def test_none_leaves_a_document_whole():
    text = "  a long text \n" * 1000
    assert split(text, None) == [Chunk("d", 0, text, 0, len(text))]
    assert split(" \n", None) == []


def test_markdown_is_split_at_headings():
    text = "# Cats\n\nThey purr.\n\n# Dogs\n\nThey bark. They run."
    assert [c.text for c in split(text, 40, format="markdown")] == [
        "# Cats\n\nThey purr.",
        "# Dogs\n\nThey bark. They run.",
    ]


def test_python_is_split_at_statements_and_other_languages_as_text():
    text = "def f():\n    a = 1\n\n\n    return a\n\ndef g():\n    return 2\n"
    python = [chunk.text for chunk in split(text, 45, format="python")]
    assert python == [text[: text.index("def g")].strip(), text[text.index("def g") :].strip()]
    plain = [chunk.text for chunk in split(text, 45)]
    assert plain == [chunk.text for chunk in split(text, 45, format="rust")] != python


def test_a_line_without_spaces_does_not_take_minutes():
    text = "".join(chr(0x4E00 + i * 7919 % 20000) for i in range(100_000))
    start = time.perf_counter()
    check(text, split(text, 200))
    assert time.perf_counter() - start < 5  # 0.8 s here; 16 s without the cut of long lines


@pytest.mark.parametrize("format", ["text", "markdown", "python"])
def test_a_long_line_is_cut_after_a_space(format):
    text = "meowing, " * 1000
    chunks = split(text, 30, format=format)
    assert {word for chunk in chunks for word in chunk.text.split()} == {"meowing,"}


def test_deep_brackets_do_not_take_minutes():
    text = "x = " + "[\n" * 6000 + "]\n" * 6000
    start = time.perf_counter()
    check(text, split(text, format="python"))
    assert time.perf_counter() - start < 5  # as Python, more than a minute


def test_lost_text_is_an_error(monkeypatch):
    class Lossy:
        def chunk_indices(self, text):
            return [(0, "one"), (8, "three")]

    monkeypatch.setattr(chunking, "_splitter", lambda *settings: Lossy())
    with pytest.raises(HybridError, match=r"document 'd' to hold all of its text.*character 8"):
        split("one two three")


def test_shifted_text_is_an_error(monkeypatch):
    class Shifted:
        def chunk_indices(self, text):
            return [(1, "one two three")]

    monkeypatch.setattr(chunking, "_splitter", lambda *settings: Shifted())
    with pytest.raises(HybridError, match="around character 1"):
        split("one two three")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size of 1 or more, or None, not 0"),
        ({"size": 5, "overlap": 5}, "not 5 with the size 5"),
        ({"overlap": -1}, "overlap from 0"),
        ({"size": None, "overlap": 1}, "not 1 with the size None"),
        ({"unit": "words"}, '"chars" or "tokens", not \'words\''),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Chunker(**arguments)


@pytest.mark.parametrize("tokenizer", ["no-such-model", "/no/such/tokenizer.json"])
def test_an_unknown_tokenizer_is_named(tokenizer):
    with pytest.raises(ValueError, match=f"tokenizer.json, not '{tokenizer}'"):
        split("text", unit="tokens", tokenizer=tokenizer)


def test_a_tokenizer_file_counts_without_truncation_and_padding(tmp_path):
    words = {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}
    cut = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    model = {
        "version": "1.0",
        "truncation": cut,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": words,
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(model))
    chunks = split("a b c d e f g", 3, unit="tokens", tokenizer=str(path))
    assert [chunk.text for chunk in chunks] == ["a b c", "d e f", "g"]


def test_settings_are_json_and_come_back():
    chunker = Chunker(300, 30, "tokens", "gpt-4")
    assert Chunker.from_settings(json.loads(json.dumps(chunker.settings()))) == chunker
