"""Collections that are made on the spot from what every machine has.

    python -m bench.data stdlib-code OUT_FOLDER

``stdlib-code`` is a collection in BEIR layout of the functions of this Python's standard library:
the first paragraph of a docstring is the question, its function without any docstring the answer.
"""

import argparse
import ast
import json
import platform
import random
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hybrid.stdlib import sources, stdlib_folder

LEAST_WORDS = 5
QUERIES = 1_500
SEED = 20260101

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Pair(NamedTuple):
    """A function without docstrings, and what its own docstring says first."""

    code: str
    question: str


def function_pairs(source: str) -> Iterator[Pair]:
    """Yield the documented functions of a module, those of classes and functions too.

    A function that does nothing, such as an abstract method, is left out, and so is one whose
    docstring starts with fewer than `LEAST_WORDS` words.

    Raises
    ------
    SyntaxError, ValueError, RecursionError
        If the source is not Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in somebody else's source
        tree = ast.parse(source)
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for node in ast.walk(tree):
        text = ast.get_docstring(node) if isinstance(node, _Function) else None
        if text is None or not isinstance(node, _Function) or not _does_something(node):
            continue
        question = " ".join(text.partition("\n\n")[0].split())
        if len(question.split()) >= LEAST_WORDS:
            yield Pair(_without_docstrings(node, lines), question)


def _does_something(node: _Function) -> bool:
    """Whether there is more in a function than its docstring, ``pass``, ``...`` and ``raise``."""
    idle = ast.Pass | ast.Raise
    return any(
        not isinstance(step, idle)
        and not (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
        for step in node.body
    )


def _without_docstrings(node: _Function, lines: list[bytes]) -> str:
    """Return the source of a function, cut by the positions of the docstrings in it."""
    kept: list[bytes] = []
    line, column = node.lineno, node.col_offset
    for docstring in _docstrings(node):
        end_line, end_column = docstring.end_lineno or 0, docstring.end_col_offset or 0
        kept.append(_between(lines, line, column, docstring.lineno, docstring.col_offset))
        line, column = end_line, end_column
    last_line, last_column = node.end_lineno or 0, node.end_col_offset or 0
    kept.append(_between(lines, line, column, last_line, last_column))
    whole = b"".join(kept).decode()
    return "\n".join(text for text in whole.splitlines() if text.strip())


def _docstrings(node: _Function) -> list[ast.expr]:
    """Return the docstrings of a function and of all that is defined in it, in order."""
    found = [
        inner.body[0].value
        for inner in ast.walk(node)
        if isinstance(inner, _Documented)
        and isinstance(inner.body[0], ast.Expr)
        and ast.get_docstring(inner, clean=False) is not None
    ]
    return sorted(found, key=lambda text: (text.lineno, text.col_offset))


def _between(lines: list[bytes], line: int, column: int, last_line: int, last_column: int) -> bytes:
    """Return the bytes from one position to another; `ast` counts lines from 1, bytes from 0."""
    if line == last_line:
        return lines[line - 1][column:last_column]
    return b"".join(
        [lines[line - 1][column:], *lines[line : last_line - 1], lines[last_line - 1][:last_column]]
    )


def stdlib_pairs(folder: Path) -> list[Pair]:
    """Return the documented functions of a standard library, each code once, in a fixed order."""
    pairs: dict[str, Pair] = {}
    for path in sorted(sources(folder)):
        try:
            with tokenize.open(path) as file:
                found = list(function_pairs(file.read()))
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue  # not in this version of Python, such as a template
        for pair in found:
            pairs.setdefault(pair.code, pair)
    return list(pairs.values())


def write_stdlib_code(folder: Path, out: Path) -> dict[str, Any]:
    """Write the collection into a new folder, and return what ``meta.json`` says of it.

    Parameters
    ----------
    folder : Path
        The folder of a standard library.
    out : Path
        Gets ``corpus.jsonl``, ``queries.jsonl``, ``qrels/test.tsv`` and ``meta.json``.

    Notes
    -----
    A question that two functions share is none.  Questions and functions are numbered apart, so
    that no id tells the answer.
    """
    pairs = stdlib_pairs(folder)
    asked = Counter(pair.question for pair in pairs)
    single = [number for number, pair in enumerate(pairs) if asked[pair.question] == 1]
    chosen = random.Random(SEED).sample(single, min(QUERIES, len(single)))
    (out / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"f-{n}", "title": "", "text": pair.code} for n, pair in enumerate(pairs)]
    queries = [{"_id": f"q-{n}", "text": pairs[at].question} for n, at in enumerate(chosen)]
    _write_jsonl(out / "corpus.jsonl", corpus)
    _write_jsonl(out / "queries.jsonl", queries)
    judged = "".join(f"q-{n}\tf-{at}\t1\n" for n, at in enumerate(chosen))
    (out / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", "utf-8")
    meta = {
        "name": "stdlib-code",
        "source": f"standard library of Python {platform.python_version()}",
        "documents": len(corpus),
        "queries": len(queries),
        "seed": SEED,
    }
    (out / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", "utf-8")
    return meta


def _write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    """Write the collection that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=["stdlib-code"])
    parser.add_argument("out", type=Path, help="a new folder")
    arguments = parser.parse_args()
    print(json.dumps(write_stdlib_code(stdlib_folder(), arguments.out)))


if __name__ == "__main__":
    main()
