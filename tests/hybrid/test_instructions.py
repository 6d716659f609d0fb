"""Which instructions a model gets, by its name, its own prompts and the user's wish."""

import pytest

from hybrid.encoders.instructions import Instructions, chosen, of_family, of_model

WEB = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/e5-base-v2", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", f"{WEB} ", ""),
        ("intfloat/e5-mistral-7b-instruct", f"{WEB} ", ""),
        ("Qwen/Qwen3-Embedding-0.6B", WEB, ""),
        ("/models/Qwen3-Embedding-0.6B", WEB, ""),
        (
            "BAAI/bge-small-en-v1.5",
            "Represent this sentence for searching relevant passages: ",
            "",
        ),
        ("BAAI/bge-large-zh", "为这个句子生成表示以用于检索相关文章：", ""),
        ("~/.cache/hub/models--intfloat--e5-small/snapshots/0a1b", "query: ", "passage: "),
        ("all-MiniLM-L6-v2", "", ""),
        ("BAAI/bge-m3", "", ""),
        ("/data/e5-base/minilm", "", ""),
        ("base5-small", "", ""),
    ],
)
def test_of_a_family(name, query, document):
    assert of_family(name) == Instructions(query, document)


def test_instructor_reads_its_instruction_and_does_not_pool_it():
    assert not of_family("hkunlp/instructor-large").pooled
    assert of_family("hkunlp/instructor-large").document.startswith("Represent the document")


@pytest.mark.parametrize(
    ("prompts", "default", "expected"),
    [
        ({"query": "", "document": None}, None, ("query: ", "passage: ")),
        ({"query": "q: ", "document": ""}, None, ("q: ", "")),
        ({"query": "q: ", "passage": "p: "}, None, ("q: ", "p: ")),
        ({"query": "q: ", "all": "a: "}, "all", ("q: ", "a: ")),
    ],
)
def test_the_models_own_come_before_those_of_its_family(prompts, default, expected):
    found = of_model("e5-base", prompts, default)
    assert (found.query, found.document) == expected


def test_the_users_come_first_also_when_they_are_empty():
    family = of_family("hkunlp/instructor-xl")
    assert chosen(family, "", None) == Instructions("", family.document, pooled=False)
    assert chosen(family, None, "d: ") == Instructions(family.query, "d: ", pooled=False)
