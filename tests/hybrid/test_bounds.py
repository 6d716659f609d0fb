"""Readers take no more than they should from files that are made to hurt."""

import zipfile

from hybrid import formats, records
from hybrid.documents import ReadReport
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
