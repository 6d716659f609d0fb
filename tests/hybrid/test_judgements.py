"""Questions and judgements in the forms that people have them."""

import pytest

from hybrid.judgements import read_qrels, read_queries


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "file.txt"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        'q2\tb \t c\n\nq1\t{"a"}\r\n',
        '{"_id": "q2", "text": "b \\t c", "metadata": {}}\n {"_id": "q1", "text": "{\\"a\\"}"}\n',
    ],
)
def test_questions(write, text):
    assert list(read_queries(write(text)).items()) == [("q2", "b \t c"), ("q1", '{"a"}')]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no tab", "object with _id and text, or an id, a tab and a text"),
        ("q1\tagain", "'q1' comes again"),
        ("\ttext", "a query id, not an empty one"),
        ('{"_id": "", "text": "x"}', "a query id, not an empty one"),
        ('{"_id": 1, "text": "x"}', "to be strings"),
    ],
)
def test_broken_questions_are_errors(write, line, message):
    with pytest.raises(ValueError, match=rf"file\.txt:2: expected .*{message}"):
        read_queries(write(f"q1\ta\n{line}\n"))


def test_judgements_in_json(write):
    rows = (
        '{"query_id": "q1", "doc_id": "a b", "relevance": 2}\n'
        '{"query-id": "q1", "corpus-id": "c", "score": 0}\n'
        '{"query_id": "q2", "doc_id": "a b", "relevance": -1}\n'
    )
    assert read_qrels(write(rows)) == {"q1": {"a b": 2, "c": 0}, "q2": {"a b": -1}}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "object with query_id, doc_id and relevance"),
        ('{"query_id": "q", "relevance": 1}', "object with query_id, doc_id and relevance"),
        ('{"query_id": 1, "doc_id": "d", "relevance": 1}', "to be strings"),
        ('{"query_id": "q", "doc_id": "d", "relevance": true}', "whole number, not 'True'"),
        ('{"query_id": "q", "doc_id": "d", "relevance": 0.5}', "whole number, not '0.5'"),
        ('{"query_id": "q1", "doc_id": "d", "relevance": 2}', "one relevance of 'd' for 'q1'"),
    ],
)
def test_broken_judgements_in_json_are_errors(write, row, message):
    with pytest.raises(ValueError, match=rf"file\.txt:2: expected .*{message}"):
        read_qrels(write(f'{{"query_id": "q1", "doc_id": "d", "relevance": 1}}\n{row}\n'))
