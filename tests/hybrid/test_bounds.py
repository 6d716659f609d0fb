"""Readers take no more than they should from files that are made to hurt."""

import zipfile

import numpy as np
import pytest

from hybrid import BM25, Dense, FunctionEncoder, Retriever, formats, records
from hybrid.analysis import Analyzer
from hybrid.documents import Document, ReadReport
from hybrid.errors import IndexFormatError
from hybrid.indexing import Indexes
from hybrid.readers import open_source


def reasons(path):
    report = ReadReport()
    assert list(open_source(path, report=report)) == []
    return [skipped.reason for skipped in report.skipped]


def test_an_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LARGEST_UNPACKED", 100_000)
    file = tmp_path / "bomb.docx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 200_000)
    (reason,) = reasons(file)
    assert "not of 1 files and 200000 bytes" in reason


def test_a_line_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LONGEST_LINE", 50)
    file = tmp_path / "long.jsonl"
    file.write_text('{"text": "' + "x" * 100)
    (reason,) = reasons(file)
    assert reason == "line 1: more than 50 characters; the rest was not read"


def test_an_empty_file_of_lines_is_noted(tmp_path):
    (tmp_path / "none.jsonl").write_text("\n \n")
    assert reasons(tmp_path) == ["empty file"]


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return {"deep": value}


def test_metadata_that_is_nested_too_deeply():
    Document("d", "cats", metadata=nested(99))
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        Document("d", "cats", metadata=nested(100))
    with pytest.raises(ValueError, match="document 'd'"):
        Document("d", "cats", metadata=nested(100_000))


def test_rows_that_the_store_never_gave(tmp_path):
    with Retriever.from_texts(["cats", "dogs", "owls"], encoder=None) as retriever:
        retriever.save(tmp_path / "index")
    files = tmp_path / "index" / "gen-000001"
    indexes = Indexes(Analyzer(), None, BM25(), Dense())
    indexes.load(files, 0, 3)
    with pytest.raises(IndexFormatError, match="rows below 2"):
        indexes.load(files, 0, 2)


def test_rows_that_must_have_a_vector_and_have_none(tmp_path):
    encoder = FunctionEncoder(lambda texts: [[len(text), 1.0] for text in texts], "lengths", 2)
    folder = tmp_path / "index"
    dense = Dense(metric="l2")
    with Retriever.from_texts(["cats", "dogs"], encoder=encoder, dense=dense) as retriever:
        retriever.save(folder)
    live = folder / "gen-000001" / "dense" / "live.npy"
    flags = np.load(live)
    flags[1] = False
    np.save(live, flags)
    with pytest.raises(IndexFormatError, match="vectors of 2 rows, not of 1"):
        Retriever.load(folder, encoder=encoder)


def test_rows_of_documents_that_were_compacted_are_never_refused(tmp_path):
    folder = tmp_path / "index"
    with Retriever.create(folder, encoder=None) as retriever:
        retriever.add([Document(str(number), "cats") for number in range(5)])
        retriever.commit()
        retriever.delete(["3", "4"])
        retriever.commit()
        retriever.compact()
    with Retriever.load(folder) as retriever:
        assert len(retriever.search("cats", k=9)) == 3
