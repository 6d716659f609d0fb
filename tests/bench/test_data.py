"""The collection of functions and their docstrings."""

import json

from bench.data import function_pairs, write_stdlib_code

SOURCE = '''
class Reader:
    """A class with a long enough docstring is none."""

    def read(self, size=-1):
        """Return at most so many bytes.

        The rest of the docstring is not part of the question.
        """
        def inner():
            """Say the answer in a docstring within."""
            return "é"; x = 1
        return inner()

    def abstract(self):
        """Do what the subclass has to do."""
        raise NotImplementedError

    def short(self):
        """Too short."""
        return 1

def one(): "Return one, and nothing else ever."; return 1

def silent(): return 2
'''


def test_functions_lose_their_docstrings_and_nothing_else():
    pairs = {pair.question: pair.code for pair in function_pairs(SOURCE)}
    assert set(pairs) == {
        "Return at most so many bytes.",
        "Say the answer in a docstring within.",
        "Return one, and nothing else ever.",
    }
    code = " ".join(pairs["Return at most so many bytes."].split())
    assert code == 'def read(self, size=-1): def inner(): return "é"; x = 1 return inner()'
    assert pairs["Return one, and nothing else ever."] == "def one(): ; return 1"


def test_the_collection_is_written_the_same_every_time(tmp_path):
    library = tmp_path / "lib"
    (library / "test").mkdir(parents=True)
    (library / "a.py").write_text(SOURCE, "utf-8")
    (library / "b.py").write_text(SOURCE.replace("read", "write"), "utf-8")
    (library / "broken.py").write_text("def f(:", "utf-8")
    (library / "test" / "c.py").write_text(SOURCE.replace("read", "test"), "utf-8")
    meta = write_stdlib_code(library, tmp_path / "out")
    write_stdlib_code(library, tmp_path / "again")
    names = ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "meta.json"]
    first, second = (
        [(tmp_path / folder / name).read_text("utf-8") for name in names]
        for folder in ("out", "again")
    )
    assert first == second
    corpus, queries = ([json.loads(line) for line in text.splitlines()] for text in first[:2])
    assert meta["documents"] == len(corpus) == 4  # the code of inner and one is in both files
    assert meta["queries"] == len(queries) == 2  # two functions share the question of read
    assert not {row["_id"] for row in corpus} & {row["_id"] for row in queries}
    assert not any("docstring" in row["text"] for row in corpus)
