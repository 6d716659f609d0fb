"""CSV, JSON and JSONL files, BEIR collections, queries and judgements."""

import json

import pytest

from hybrid.documents import Document, ReadReport, Skipped
from hybrid.judgements import read_beir_queries, read_qrels
from hybrid.readers import open_source, read_beir, read_file, read_folder, read_jsonl


def read(reader, path):
    report = ReadReport()
    return list(reader(path, report=report)), report


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_csv_rows_are_documents(write):
    path = write("a.csv", 'id,title,city\r\n7,Tom,"Rome,\r\nItaly"\r\n\r\n,Ann,\r\n')
    documents, report = read(read_file, path)
    assert documents == [
        Document(
            "a.csv:7",
            "id: 7\ntitle: Tom\ncity: Rome,\r\nItaly",
            "Tom",
            {"path": "a.csv", "row": 1, "id": "7", "title": "Tom", "city": "Rome,\r\nItaly"},
        ),
        Document(
            "a.csv:2",
            "title: Ann",
            "Ann",
            {"path": "a.csv", "row": 2, "id": "", "title": "Ann", "city": ""},
        ),
    ]
    assert report == ReadReport()


def test_tsv_rows_of_uneven_length_lose_nothing(write):
    documents, _ = read(read_file, write("a.tsv", "x\tx\t\n1\t2\t3\t4\n5\n"))
    assert [document.text for document in documents] == [
        "x: 1\nx: 2\ncolumn 3: 3\ncolumn 4: 4",
        "x: 5",
    ]


def test_csv_with_a_huge_cell_is_read_up_to_it(write):
    documents, report = read(read_file, write("a.csv", f"x\n1\n{'y' * 200_000}\n2\n"))
    assert [document.text for document in documents] == ["x: 1"]
    assert report.skipped[0].path == "a.csv"
    assert report.skipped[0].reason.startswith("line 3: field larger than field limit")


def test_csv_without_rows_and_repeated_ids_are_reported(write):
    assert read(read_file, write("a.csv", "id,x\n"))[1].skipped[0].reason.startswith("no rows")
    documents, report = read(read_file, write("a.csv", "id,x\n1,a\n1,b\n"))
    assert [document.text for document in documents] == ["id: 1\nx: a"]
    assert report.skipped == [Skipped("a.csv", "a second document with the id 'a.csv:1'")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"_id": "a", "id": "b", "text": "x"}, Document("a", "x", "", {"id": "b"})),
        ({"id": 0, "contents": "x"}, Document("0", "x")),
        ({"doc_id": "a", "body": "x", "title": "T"}, Document("a", "x", "T")),
        ({"id": None, "content": "x"}, Document("f.jsonl:1", "x", "", {"id": None})),
        ({"text": None, "body": "x"}, Document("f.jsonl:1", "x", "", {"text": None})),
        (
            {"text": "x", "metadata": {"y": 1, "z": 2}, "z": 3},
            Document("f.jsonl:1", "x", "", {"y": 1, "z": 3}),
        ),
        ({"text": "x", "metadata": 5}, Document("f.jsonl:1", "x", "", {"metadata": 5})),
        ({"text": ""}, Document("f.jsonl:1", "")),
        ({"猫": 1}, Document("f.jsonl:1", '{\n  "猫": 1\n}', "", {"猫": 1})),
    ],
)
def test_fields_of_json_records(write, record, expected):
    documents, report = read(read_jsonl, write("f.jsonl", json.dumps(record)))
    assert documents == [expected]
    assert report == ReadReport()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "x"', "not JSON: Expecting ',' delimiter at column 13"),
        (b"[1]", "expected a JSON object, not list"),
        (b'{"text": "x", "n": NaN}', "expected the metadata of document"),
        (b'{"text": "\xff"}', "lone surrogate"),
        (b'{"text": "\\ud800"}', "lone surrogate"),
        (b'{"id": 1.5, "text": "x"}', "expected an id that is text or a whole number, not 1.5"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"id": "a", "text": "x"}', "a second document with the id 'a'"),
    ],
)
@pytest.mark.parametrize("reader", [read_jsonl, open_source])
def test_broken_lines_are_reported_and_the_others_read(write, reader, line, reason):
    good = [b'{"id": "a", "text": "1"}', b"", b'{"id": "b", "text": "2"}\r']
    documents, report = read(reader, write("f.jsonl", b"\n".join([*good[:2], line, good[2]])))
    assert documents == [Document("a", "1"), Document("b", "2")]
    (entry,) = report.skipped
    assert entry.path == "f.jsonl"
    assert reason in entry.reason
    assert "second" in reason or entry.reason.startswith("line 3: ")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_jsonl_with_a_byte_order_mark(write, encoding):
    lines = '{"id": "a", "text": "猫\u2028"}\n{"id": "b", "text": "2"}\n'
    documents, report = read(read_jsonl, write("f.jsonl", lines.encode(encoding)))
    assert documents == [Document("a", "猫\u2028"), Document("b", "2")]
    assert report == ReadReport()


def test_jsonl_in_a_folder_has_ids_with_its_path(write, tmp_path):
    write("f.jsonl", '{"id": "a", "text": "1"}\n\n{"text": "2", "line": "own"}\n')
    documents, _ = read(read_folder, tmp_path)
    assert documents == [
        Document("f.jsonl:a", "1", "", {"path": "f.jsonl", "line": 1}),
        Document("f.jsonl:3", "2", "", {"path": "f.jsonl", "line": "own"}),
    ]


def test_json_files(write, tmp_path):
    write("a.json", '[{"id": "x", "text": "1"}, {"text": "2"}, {"id": [], "text": "3"}]')
    write("b.json", '{"text": "one", "n": 1}')
    write("c.json", "[1,2]")
    write("d.json", "{\n")
    documents, report = read(read_folder, tmp_path)
    assert documents == [
        Document("a.json:x", "1", "", {"path": "a.json", "record": 1}),
        Document("a.json:2", "2", "", {"path": "a.json", "record": 2}),
        Document("b.json", "one", "b.json", {"path": "b.json", "n": 1}),
        Document("c.json", "[1,2]", "c.json", {"path": "c.json"}),
    ]
    assert [entry.path for entry in report.skipped] == ["a.json", "d.json"]
    assert report.skipped[0].reason.startswith("record 3: expected an id")
    assert report.skipped[1].reason.startswith("not JSON: ")


def test_beir_corpus(write, tmp_path):
    write(
        "corpus.jsonl",
        '{"_id": "1", "title": "T", "text": "x", "metadata": {"url": "u"}}\n'
        '{"title": "no id", "text": "x"}\n{"_id": "3", "title": "no text"}\nnot json\n',
    )
    write("other.txt", "not a part of the corpus")
    for reader in (read_beir, open_source):
        documents, report = read(reader, tmp_path)
        assert documents == [Document("1", "x", "T", {"url": "u"})]
        assert [entry.path for entry in report.skipped] == ["corpus.jsonl"] * 3
        starts = [entry.reason[:7] for entry in report.skipped]
        assert starts == ["line 2:", "line 3:", "line 4:"]


def test_beir_queries(write, tmp_path):
    write(
        "queries.jsonl", '{"_id": "2", "text": "b", "metadata": {}}\n\n{"_id": "1", "text": "a"}\n'
    )
    assert list(read_beir_queries(tmp_path).items()) == [("2", "b"), ("1", "a")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "_id and text"),
        ('{"_id": "2"}', "_id and text"),
        ("[]", "_id and text"),
        ('{"_id": 2, "text": "x"}', "to be strings"),
        ('{"_id": "1", "text": "x"}', "'1' comes again"),
    ],
)
def test_broken_queries_are_errors(write, tmp_path, line, message):
    write("queries.jsonl", '{"_id": "1", "text": "a"}\n' + line)
    with pytest.raises(ValueError, match=rf"queries\.jsonl:2: expected .*{message}"):
        read_beir_queries(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [
        "query-id\tcorpus-id\tscore\nq1\ta b\t2\nq1\tc\t0\nq2\ta b\t-1\n",
        "q1\ta b\t2\r\nq1\tc\t0\r\nq1\tc\t0\r\nq2\ta b\t-1",
        "q1\t0\ta b\t2\nq1\t0\tc\t0\n\nq2\t0\ta b\t-1\n",
    ],
)
def test_qrels(write, rows):
    assert read_qrels(write("test.tsv", rows)) == {"q1": {"a b": 2, "c": 0}, "q2": {"a b": -1}}


def test_qrels_of_trec_with_spaces(write):
    assert read_qrels(write("qrels.txt", "1 0  d7   1\n")) == {"1": {"d7": 1}}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("q2\td", r"expected 3 columns \(BEIR\) or 4 \(TREC\), not 2"),
        ("q2\td\tx", "whole number, not 'x'"),
        ("q2\td\t0.5", "whole number, not '0.5'"),
        ("\td\t1", "not an empty one"),
        ("q1\td\t2", "one relevance of 'd' for 'q1', not 1 and 2"),
        ("query-id\tcorpus-id\tscore", "not 'score'"),
    ],
)
def test_broken_judgements_are_errors(write, row, message):
    with pytest.raises(ValueError, match=rf"qrels\.tsv:2: .*{message}"):
        read_qrels(write("qrels.tsv", f"q1\td\t1\n{row}\n"))
