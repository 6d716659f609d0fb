"""File formats: a suffix → the function that reads such files.

Every other file is read as plain text, unless it turns out to be binary.
"""

import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from hybrid.decoding import check_size, read_text, well_formed
from hybrid.documents import Document, ReadReport
from hybrid.records import read_csv, read_filed_lines, read_json, read_tsv

FileReader = Callable[[Path, str, ReadReport], Iterator[Document]]
"""From a file, its name in ids and in the report, and the report, to documents.

Raises OSError or ValueError when the file, or what is left of it, cannot be read.
"""

LANGUAGES = {
    ".bash": "bash",
    ".c": "c",
    ".cc": "cpp",
    ".clj": "clojure",
    ".cpp": "cpp",
    ".cs": "c_sharp",
    ".css": "css",
    ".cxx": "cpp",
    ".dart": "dart",
    ".erl": "erlang",
    ".ex": "elixir",
    ".exs": "elixir",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".hs": "haskell",
    ".java": "java",
    ".jl": "julia",
    ".js": "javascript",
    ".jsx": "javascript",
    ".kt": "kotlin",
    ".lua": "lua",
    ".mjs": "javascript",
    ".ml": "ocaml",
    ".php": "php",
    ".pl": "perl",
    ".ps1": "powershell",
    ".py": "python",
    ".pyi": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sh": "bash",
    ".sql": "sql",
    ".swift": "swift",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".zig": "zig",
}

MOST_ENTRIES, LARGEST_UNPACKED = 20_000, 2**30
"""Files in an office document, and their bytes when unpacked, at most."""

_NEVER = r"(?!)"
_MARKDOWN_TITLE = r"^#[ \t]+(.+)$"
_RST_TITLE = r"^(\S.*)\n([=\-~#*^\"'])\2{2,}[ \t]*$"


def written(format: str, title: str = _NEVER) -> FileReader:
    """Return a reader of files whose text is taken as it stands.

    Parameters
    ----------
    format : str
        Of the documents.
    title : str
        A regular expression of which the first group is the title; else the file's name is.
    """
    heading = re.compile(title, re.MULTILINE)

    def read(path: Path, name: str, report: ReadReport) -> Iterator[Document]:
        text = read_text(path, name, report)
        found = heading.search(text)
        yield _filed(name, text, found[1] if found else "", format)

    return read


def read_html(path: Path, name: str, report: ReadReport) -> Iterator[Document]:
    """Yield an HTML file as Markdown."""
    from bs4 import BeautifulSoup, ProcessingInstruction
    from markdownify import MarkdownConverter

    text = read_text(path, name, report)
    with warnings.catch_warnings():
        # It warns of markup that looks like XML, or like the name of a file.
        warnings.simplefilter("ignore")
        soup = BeautifulSoup(text, "html.parser")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for element in soup(["head", "script", "style", "template"]):
        element.decompose()
    for instruction in soup(string=lambda text: isinstance(text, ProcessingInstruction)):
        instruction.extract()  # markdownify takes <?xml ...?> for text
    try:
        markdown = str(MarkdownConverter(heading_style="atx").convert_soup(soup))
    except RecursionError:
        # Old pages that never close their <p> nest thousands deep; their words are still there.
        markdown = soup.get_text("\n")
    if not markdown.strip():
        raise ValueError("no text in the page")
    yield _filed(name, markdown, title, "markdown")


def read_office(path: Path, name: str, report: ReadReport) -> Iterator[Document]:
    """Yield a PDF or office file as Markdown."""
    check_size(path)
    _check_archive(path)
    try:
        converter = _markitdown()
    except ImportError:
        raise ValueError(
            f"reading {path.suffix} needs markitdown: pip install 'hybrid-retrieval[files]'"
        ) from None
    try:
        markdown = str(converter.convert_local(path).markdown)
    except Exception as error:  # a converter of foreign files may raise anything at all
        raise ValueError(f"cannot be converted: {_last_line(error)}") from error
    # Fonts of formulas make PDFs yield halves of surrogate pairs.
    markdown = well_formed(markdown)
    if not markdown.strip():
        raise ValueError("no text in the file: are its pages scanned?")
    found = re.search(_MARKDOWN_TITLE, markdown, re.MULTILINE)
    yield _filed(name, markdown, found[1] if found else "", "markdown")


def _check_archive(path: Path) -> None:
    """Raise a ValueError for an archive that would fill the memory; others are not looked at."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = [entry.file_size for entry in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"not a sound archive: {error}") from error
    if len(sizes) > MOST_ENTRIES or sum(sizes) > LARGEST_UNPACKED:
        raise ValueError(
            f"expected an archive of at most {MOST_ENTRIES} files and {LARGEST_UNPACKED} bytes, "
            f"not of {len(sizes)} files and {sum(sizes)} bytes"
        )


def _filed(name: str, text: str, title: str, format: str) -> Document:
    return Document(name, text, title.strip() or PurePosixPath(name).name, {"path": name}, format)


@cache
def _markitdown() -> Any:
    from markitdown import MarkItDown, converters

    # With all of its converters, markitdown reads a damaged .docx as if it were plain text.
    converter = MarkItDown(enable_builtins=False, enable_plugins=False)
    for kind in ("Pdf", "Docx", "Pptx", "Xlsx", "Epub", "Ipynb"):
        converter.register_converter(getattr(converters, f"{kind}Converter")())
    return converter


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip(" -")


READERS: dict[str, FileReader] = {
    **{suffix: written(language) for suffix, language in LANGUAGES.items()},
    **dict.fromkeys((".md", ".markdown", ".mdx"), written("markdown", _MARKDOWN_TITLE)),
    **dict.fromkeys((".html", ".htm", ".xhtml"), read_html),
    **dict.fromkeys((".pdf", ".docx", ".pptx", ".xlsx", ".epub", ".ipynb"), read_office),
    **dict.fromkeys((".jsonl", ".ndjson"), read_filed_lines),
    ".adoc": written("text", r"^= (.+)$"),
    ".csv": read_csv,
    ".json": read_json,
    ".org": written("text", r"(?i)^#\+title:(.+)$"),
    ".rst": written("text", _RST_TITLE),
    ".tsv": read_tsv,
}

PLAIN = written("text")
