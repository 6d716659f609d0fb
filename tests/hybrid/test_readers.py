"""Readers give every document they can, and report by name all they cannot."""

import builtins
import os
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from hybrid import decoding, formats
from hybrid.documents import Document, ReadReport, Skipped
from hybrid.readers import open_source, read_beir, read_file, read_folder, read_jsonl


def read(reader, path, **options):
    report = ReadReport()
    return list(reader(path, report=report, **options)), report


def folder_of(tmp_path, files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


def read_one(tmp_path, name, content):
    """Read a folder of one file, of which nothing must be skipped."""
    documents, report = read(read_folder, folder_of(tmp_path, {name: content}))
    assert report.skipped == []
    (document,) = documents
    return document


def skipped(tmp_path, name, content):
    """Read a folder of one file, of which all is skipped, and return why."""
    documents, report = read(read_folder, folder_of(tmp_path, {name: content}))
    assert documents == []
    (entry,) = report.skipped
    assert entry.path == name
    return entry.reason


def test_folder_is_read_in_the_order_of_paths(tmp_path):
    names = ["b/x.txt", "a.txt", "b.txt", "a/z.txt", "Ä.txt", "a/b/c.txt"]
    documents, report = read(read_folder, folder_of(tmp_path, dict.fromkeys(names, "text")))
    assert [document.doc_id for document in documents] == sorted(names)
    assert documents[0] == Document("a.txt", "text", "a.txt", {"path": "a.txt"})
    assert report == ReadReport()


def test_hidden_and_generated_files_are_left_out(tmp_path):
    names = [
        ".env",
        ".git/x.txt",
        "a/.b/c.txt",
        "__pycache__/x.txt",
        "node_modules/x.js",
        "a/d.txt",
    ]
    documents, _ = read(read_folder, folder_of(tmp_path, dict.fromkeys(names, "text")))
    assert [document.doc_id for document in documents] == ["a/d.txt"]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("*.md", ["a/b/c.md", "a/d.md", "e.md"]),
        ("**/*.md", ["a/b/c.md", "a/d.md", "e.md"]),
        ("a/**/*.md", ["a/b/c.md", "a/d.md"]),
        (["a/*", "*.txt"], ["a/b/c.md", "a/d.md", "f.txt"]),
        ("*.rst", []),
    ],
)
def test_patterns_choose_files(tmp_path, patterns, expected):
    folder = folder_of(tmp_path, dict.fromkeys(["a/b/c.md", "a/d.md", "e.md", "f.txt"], "text"))
    documents, _ = read(read_folder, folder, patterns=patterns)
    assert [document.doc_id for document in documents] == expected


def test_an_empty_folder_has_no_documents(tmp_path):
    assert read(read_folder, tmp_path) == ([], ReadReport())


@pytest.mark.parametrize("reader", [read_folder, read_file, read_jsonl, read_beir, open_source])
def test_a_missing_path_is_an_error_at_once(tmp_path, reader):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        reader(tmp_path / "nowhere", report=ReadReport())


def test_links_are_not_followed_out_of_the_folder(tmp_path):
    outside = folder_of(tmp_path / "outside", {"secret.txt": "secret"})
    folder = folder_of(tmp_path / "folder", {"a.txt": "text"})
    (folder / "b.txt").symlink_to(outside / "secret.txt")
    (folder / "c.txt").symlink_to("a.txt")
    (folder / "d").symlink_to(outside)
    (folder / "e").symlink_to(folder)
    (folder / "f.txt").symlink_to("f.txt")
    documents, report = read(read_folder, folder)
    assert [(document.doc_id, document.text) for document in documents] == [
        ("a.txt", "text"),
        ("c.txt", "text"),
    ]
    assert {entry.path: entry.reason.split(":")[0] for entry in report.skipped} == {
        "b.txt": "a link out of the folder",
        "d": "a link to a folder",
        "e": "a link to a folder",
        "f.txt": "cannot be read",
    }


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    _, report = read(read_folder, tmp_path)
    assert report.skipped == [Skipped("pipe.txt", "neither a file nor a folder")]


def test_unreadable_files_are_reported(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, {"a.txt": "text", "b.txt": "text", "c.txt": "text"})
    real = Path.read_bytes

    def refuse(path):
        if path.name == "b.txt":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    documents, report = read(read_folder, folder)
    assert [document.doc_id for document in documents] == ["a.txt", "c.txt"]
    assert report.skipped == [Skipped("b.txt", "cannot be read: Permission denied")]


def test_unlistable_folders_are_reported(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, {"a/x.txt": "text", "b/x.txt": "text"})
    real = os.scandir

    def refuse(path):
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    documents, report = read(read_folder, folder)
    assert [document.doc_id for document in documents] == ["b/x.txt"]
    assert report.skipped == [Skipped("a", "cannot be read: Permission denied")]


@pytest.mark.parametrize("suffix", [".txt", ".bin", ".md", ".csv", ".json", ""])
def test_binary_files_are_reported(tmp_path, suffix):
    data = random.Random(0).randbytes(5000)
    assert skipped(tmp_path, "a" + suffix, data) == "binary file"
    without_zeros = data.replace(b"\0", b"\1")
    assert skipped(tmp_path, "a" + suffix, without_zeros) == "undecodable bytes"


@pytest.mark.parametrize("content", ["", " \n\t\n", b"\xef\xbb\xbf"])
def test_empty_files_are_reported(tmp_path, content):
    assert skipped(tmp_path, "a.md", content) == "empty file"


def test_too_large_files_are_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "LARGEST_BYTES", 10)
    folder = folder_of(tmp_path, {"a.txt": "x" * 11, "b.jsonl": '{"text": "longer than it"}'})
    documents, report = read(read_folder, folder)
    assert [document.text for document in documents] == ["longer than it"]
    assert [entry.path for entry in report.skipped] == ["a.txt"]
    assert "at most 10 bytes, not 11" in report.skipped[0].reason


@pytest.mark.parametrize(
    ("name", "content", "title", "format"),
    [
        ("a.md", "intro\n\n# The title \n\n# Other\n", "The title", "markdown"),
        ("a.MD", "## Second level\n", "a.MD", "markdown"),
        ("a.rst", "=====\nTitle\n=====\n\nSection\n-------\n", "Title", "text"),
        ("a.adoc", "= Title\n", "Title", "text"),
        ("a.org", "#+TITLE: Title\n", "Title", "text"),
        ("src/a.py", "x = 1\n", "a.py", "python"),
        ("a.rs", "fn main() {}\n", "a.rs", "rust"),
        ("a.toml", "x = 1\n", "a.toml", "text"),
        ("Makefile", "all:\n", "Makefile", "text"),
        ("a.unknown", "text\n", "a.unknown", "text"),
    ],
)
def test_titles_and_formats(tmp_path, name, content, title, format):
    document = read_one(tmp_path, name, content)
    assert document == Document(name, content, title, {"path": name}, format)


def test_html_becomes_markdown(tmp_path):
    page = """<html><head><title>Cats &amp;\n dogs</title><style>p {}</style></head><body>
        <script>x()</script><h1>Cats</h1><p>They <b>purr</b>.</p></body></html>"""
    document = read_one(tmp_path, "a.html", page)
    assert (document.title, document.format) == ("Cats & dogs", "markdown")
    assert document.text.split("\n\n") == ["# Cats", "They **purr**."]


def test_html_in_a_declared_encoding(tmp_path):
    page = '<meta charset="ISO-8859-2">\n<p>Zażółć</p>'.encode("iso8859-2")
    assert read_one(tmp_path, "a.html", page).text == "Zażółć"


def test_html_that_is_never_closed_keeps_its_words(tmp_path):
    document = read_one(tmp_path, "a.html", "".join(f"<p>word{i} " for i in range(3000)))
    assert document.text.split() == [f"word{i}" for i in range(3000)]


def test_html_without_text_is_reported(tmp_path):
    assert skipped(tmp_path, "a.xhtml", "<?xml version='1.0'?><p> </p>") == "no text in the page"
    assert skipped(tmp_path, "a.xhtml", "<head><title>only</title></head>") == "no text in the page"


def test_pdf_without_markitdown_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "markitdown":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    formats._markitdown.cache_clear()
    assert "pip install 'hybrid-retrieval[files]'" in skipped(tmp_path, "a.pdf", b"%PDF-1.4")


def test_office_files_are_converted(tmp_path, monkeypatch):
    markdown = "# Cats\n\nThey \ud83d\ude3a purr \ud83d."
    convert = {"a.docx": lambda: SimpleNamespace(markdown=markdown), "b.pdf": lambda: 1 / 0}
    fake = SimpleNamespace(convert_local=lambda path: convert[path.name]())
    monkeypatch.setattr(formats, "_markitdown", lambda: fake)
    documents, report = read(read_folder, folder_of(tmp_path, {"a.docx": b"PK", "b.pdf": b"%PDF"}))
    assert documents == [
        Document("a.docx", "# Cats\n\nThey 😺 purr \ufffd.", "Cats", {"path": "a.docx"}, "markdown")
    ]
    assert report.skipped == [Skipped("b.pdf", "cannot be converted: division by zero")]


def test_file_names_that_are_not_utf8_are_escaped(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    except OSError:
        pytest.skip("this file system takes no such names")
    documents, report = read(read_folder, tmp_path)
    assert [document.doc_id for document in documents] == ["caf\\udce9.txt"]
    assert report == ReadReport()


def test_a_file_is_read_alone(tmp_path):
    folder = folder_of(tmp_path, {"a.txt": "text", "b.txt": "text"})
    expected = [Document("a.txt", "text", "a.txt", {"path": "a.txt"})]
    for reader in (read_file, read_folder, open_source):
        assert read(reader, folder / "a.txt") == (expected, ReadReport())
