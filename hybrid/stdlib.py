"""The docstrings and comments of Python's standard library: a collection that every machine has."""

import ast
import inspect
import io
import os
import re
import sysconfig
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hybrid.documents import Document, ReadReport
from hybrid.errors import HybridError

_LEFT_OUT = {
    "__phello__",
    "__pycache__",
    "dist-packages",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
}
_LEAST_COMMENT = 80  # characters; shorter ones explain a line, and make no sense without it
_LONGEST_TITLE = 200
_RULER = re.compile(r"([^\w\s])\1{3,}")  # lines such as ---- and ====

_Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def stdlib_folder() -> Path:
    """Return the folder with the sources of the standard library of this Python.

    Raises
    ------
    HybridError
        If this Python came without them.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    if not (folder / "ast.py").is_file():
        raise HybridError(
            f"expected the sources of the standard library in {folder}, but this Python came "
            f"without them: index a folder of your own with `hybrid index FOLDER OUT`"
        )
    return folder


def stdlib_documents(folder: Path, *, report: ReadReport) -> Iterator[Document]:
    """Read the docstrings and the longer comments of all modules below a folder.

    Parameters
    ----------
    folder : Path
        The folder of a standard library; its tests and third-party packages are left out.
    report : ReadReport
        Where it is noted which file could not be read.

    Returns
    -------
    iterator of Document
        The id is ``shutil.rmtree`` for a docstring and ``shutil.py:123`` for a comment; a name
        that is defined again gets ``~2``.  The title is the name with its signature.  The
        metadata is ``module``, ``kind``, ``path`` and ``line``.
    """
    names: Counter[str] = Counter()
    for path in sorted(sources(folder)):
        relative = path.relative_to(folder)
        try:
            source = _Source.read(path, relative)
            documents = [*source.docstrings(), *source.comments()]
        except (OSError, SyntaxError, ValueError, RecursionError, tokenize.TokenError) as error:
            report.skip(relative.as_posix(), f"not read as Python: {error}")
        else:
            for document in documents:
                yield _renamed(document, names)


def sources(folder: Path) -> Iterator[Path]:
    """Yield the files of a standard library, without tests and third-party packages."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        yield from (Path(parent, name) for name in files if name.endswith(".py"))


@dataclass(frozen=True, slots=True)
class _Source:
    text: str
    module: str
    path: str

    @classmethod
    def read(cls, path: Path, relative: Path) -> "_Source":
        with tokenize.open(path) as file:
            text = file.read()
        parts = relative.with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)
        return cls(text, module, relative.as_posix())

    def docstrings(self) -> Iterator[Document]:
        """Yield the docstrings of the module, its classes and functions, from the outside in."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in somebody else's source
            tree = ast.parse(self.text)
        if text := ast.get_docstring(tree):
            yield self._document(self.module, text, self.module, "module", 1)
        yield from self._below(tree, self.module)

    def _below(self, parent: ast.AST, qualifier: str) -> Iterator[Document]:
        for node in ast.iter_child_nodes(parent):
            if not isinstance(node, _Named):
                if not isinstance(node, ast.expr):  # such as `if` and `try`
                    yield from self._below(node, qualifier)
                continue
            name = f"{qualifier}.{node.name}"
            if text := ast.get_docstring(node):
                kind = "class" if isinstance(node, ast.ClassDef) else "function"
                yield self._document(name, text, _title(name, node), kind, node.lineno)
            yield from self._below(node, name)

    def comments(self) -> Iterator[Document]:
        """Yield the blocks of comment lines."""
        block: list[str] = []
        first = last = 0
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type != tokenize.COMMENT or token.line[: token.start[1]].strip():
                continue
            if token.start[0] != last + 1:
                yield from self._comment(block, first)
                block, first = [], token.start[0]
            block.append(token.string.lstrip("#!:"))
            last = token.start[0]
        yield from self._comment(block, first)

    def _comment(self, block: list[str], line: int) -> Iterator[Document]:
        text = inspect.cleandoc("\n".join(["", *block]))
        text = _RULER.sub("", text).strip()
        if len(text) >= _LEAST_COMMENT:
            yield self._document(f"{self.path}:{line}", text, self.module, "comment", line)

    def _document(self, doc_id: str, text: str, title: str, kind: str, line: int) -> Document:
        place = {"module": self.module, "kind": kind, "path": self.path, "line": line}
        return Document(doc_id, text, title, place)


def _title(name: str, node: _Named) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        title = f"{name}({bases})" if bases else name
    else:
        title = f"{name}({ast.unparse(node.args)})"
    return title if len(title) <= _LONGEST_TITLE else f"{title[:_LONGEST_TITLE]}…"


def _renamed(document: Document, names: Counter[str]) -> Document:
    """Return the document under a name that is not among the names so far."""
    names[document.doc_id] += 1
    times = names[document.doc_id]
    return document if times == 1 else replace(document, doc_id=f"{document.doc_id}~{times}")
