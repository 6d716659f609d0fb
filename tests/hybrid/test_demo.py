"""The demo on a small library."""

import sysconfig

import pytest

from hybrid.demo import QUESTIONS, ask, show
from hybrid.documents import Document, ReadReport
from hybrid.errors import HybridError
from hybrid.retriever import Retriever
from hybrid.stdlib import stdlib_documents, stdlib_folder

SHUTIL = '''\
"""Utility functions for files.

    An indented part.
End.
"""

# A comment block of a decent length is a document of its own,
#
#     with its indented parts, and the empty lines between them.
# ----------------------------------------------------------------

# too short
one = 1  # a comment after code is left out, also when it has more than eighty characters in it
text = """
# not a comment, although it looks like one and has many more than eighty characters in its line
"""

if text:
    def disk_usage(path):
        """Return disk usage statistics on POSIX."""
else:
    def disk_usage(path):
        """Return disk usage statistics on Windows."""

class Reader(dict, metaclass=type):
    """Read \\d things."""

    async def read(self, size: int = -1, /, *, flags=None):
        """Read one thing."""
        def inner():
            """Help to read."""

    def silent(self):
        pass
'''


@pytest.fixture
def library(tmp_path):
    """A standard library with all that the demo must cope with."""
    files = {
        "ast.py": '"""Trees."""',
        "shutil.py": SHUTIL,
        "json/__init__.py": '"""Encode and decode JSON."""',
        "json/decoder.py": "def decode(s):\n    'Decode a document.'",
        "json/decode.py": "",
        "latin.py": "# coding: latin-1\n'''Caf\xe9.'''",
        "broken.py": "def (:",
        "test/test_all.py": '"""Left out."""',
        "json/tests/test_json.py": '"""Left out."""',
        "site-packages/other.py": '"""Left out."""',
        "notes.txt": "Left out.",
    }
    for name, text in files.items():
        path = tmp_path / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    return tmp_path / "lib"


@pytest.fixture
def documents(library) -> dict[str, Document]:
    found = list(stdlib_documents(library, report=ReadReport()))
    by_id = {document.doc_id: document for document in found}
    assert len(by_id) == len(found)
    return by_id


def test_every_docstring_and_longer_comment_is_a_document(documents):
    assert list(documents) == [
        "ast",
        "json",
        "json.decoder.decode",
        "latin",
        "shutil",
        "shutil.disk_usage",
        "shutil.disk_usage~2",
        "shutil.Reader",
        "shutil.Reader.read",
        "shutil.Reader.read.inner",
        "shutil.py:7",
    ]


def test_titles_have_the_signature(documents):
    assert documents["shutil"].title == "shutil"
    assert documents["shutil.Reader"].title == "shutil.Reader(dict)"
    assert documents["shutil.Reader.read"].title == (
        "shutil.Reader.read(self, size: int=-1, /, *, flags=None)"
    )


def test_texts_are_clean(documents):
    assert documents["shutil"].text == "Utility functions for files.\n\n    An indented part.\nEnd."
    assert documents["shutil.py:7"].text == (
        "A comment block of a decent length is a document of its own,\n\n"
        "    with its indented parts, and the empty lines between them."
    )
    assert documents["latin"].text == "Café."


def test_metadata_say_where_it_is(documents):
    assert documents["shutil.disk_usage~2"].metadata == {
        "module": "shutil",
        "kind": "function",
        "path": "shutil.py",
        "line": 22,
    }
    kinds = {name: document.metadata["kind"] for name, document in documents.items()}
    assert kinds["json"] == "module"
    assert kinds["shutil.Reader"] == "class"
    assert kinds["shutil.Reader.read"] == "function"
    assert kinds["shutil.py:7"] == "comment"


def test_a_file_that_is_not_python_is_reported(library):
    report = ReadReport()
    assert list(stdlib_documents(library, report=report))
    assert [skipped.path for skipped in report.skipped] == ["broken.py"]
    assert report.skipped[0].reason.startswith("not read as Python: ")


def test_a_long_signature_is_cut(tmp_path):
    names = ", ".join(f"name{number}" for number in range(100))
    (tmp_path / "long.py").write_text(f'def f({names}):\n    "Do it."\n')
    (document,) = stdlib_documents(tmp_path, report=ReadReport())
    assert document.title.startswith("long.f(name0, name1")
    assert len(document.title) == 201
    assert document.title.endswith("…")


def test_the_library_of_this_python_is_found_or_missed(monkeypatch, tmp_path):
    assert (stdlib_folder() / "shutil.py").exists()
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(HybridError, match="expected the sources of the standard library in"):
        stdlib_folder()


def test_a_part_of_the_real_library_is_read():
    report = ReadReport()
    found = list(stdlib_documents(stdlib_folder() / "asyncio", report=report))
    names = [document.doc_id for document in found]
    assert not report.skipped
    assert len(names) == len(set(names)) >= 400  # 529 on Python 3.11
    assert "locks.Lock" in names


def test_questions_are_answered_with_times(library):
    found = ask(library, ["decode JSON", "read a thing"])
    assert found.answers["decode JSON"][0].doc_id.startswith("json")
    assert {"bm25", "dense"} == set(found.answers["read a thing"][0].parts)
    assert list(found.seconds) == ["read", "index", "fit LSA", "search"]
    assert found.documents.added == found.chunks == 11
    assert len(QUESTIONS) == 4


def test_an_index_that_is_kept_answers_the_same(library, tmp_path, capsys):
    kept = tmp_path / "kept index"
    found = ask(library, ["decode JSON"], keep=kept)
    with Retriever.load(kept) as retriever:
        assert retriever.search("decode JSON", 3) == found.answers["decode JSON"]
    show(found, kept)
    assert f"hybrid search '{kept}' 'decode JSON'" in capsys.readouterr().out


def test_nothing_is_left_of_a_demo_that_failed(library, tmp_path, monkeypatch):
    def full(retriever):
        raise OSError("no space left")

    monkeypatch.setattr(Retriever, "commit", full)
    with pytest.raises(OSError, match="no space left"):
        ask(library, ["decode JSON"], keep=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_what_a_demo_has_saved_stays_when_a_question_fails(library, tmp_path):
    with pytest.raises(TypeError, match="expected a question as text"):
        ask(library, [7], keep=tmp_path / "kept")
    with Retriever.load(tmp_path / "kept") as retriever:
        assert len(retriever) == 11
