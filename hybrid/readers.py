"""Readers: a folder, a file, JSON lines or a BEIR collection → a stream of documents.

What cannot be read is noted in the report and left out; only a path that is not there is an error.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath

from hybrid.documents import Document, ReadReport
from hybrid.formats import PLAIN, READERS, FileReader
from hybrid.records import beir_document, read_lines, unrepeated, with_own_id

_IGNORED_FOLDERS = {"__pycache__", "node_modules"}
_BEIR_CORPUS = "corpus.jsonl"


def open_source(path: str | os.PathLike[str], *, report: ReadReport) -> Iterator[Document]:
    """Read a path with the reader that suits it.

    Parameters
    ----------
    path : path
        A folder with ``corpus.jsonl`` (BEIR), another folder, a ``.jsonl`` file, or another file.
    report : ReadReport
        Where it is noted what could not be read.

    Returns
    -------
    iterator of Document
        Streamed; nothing is read ahead.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    """
    path = Path(path)
    if path.is_dir():
        read = read_beir if (path / _BEIR_CORPUS).is_file() else read_folder
        return read(path, report=report)
    read_single = read_jsonl if path.suffix.lower() in {".jsonl", ".ndjson"} else read_file
    return read_single(path, report=report)


def read_folder(
    path: str | os.PathLike[str], *, report: ReadReport, patterns: str | Sequence[str] = "*"
) -> Iterator[Document]:
    """Read all files of a folder and of the folders in it, in the order of their paths.

    Parameters
    ----------
    path : path
        The folder; a file is read alone.
    report : ReadReport
        Where it is noted what could not be read.
    patterns : str or sequence of str
        Which files: ``*.md`` is every Markdown file, ``guide/*`` everything below ``guide``.

    Returns
    -------
    iterator of Document
        The id is the path within the folder, with ``/``.  A table, JSON list or JSONL file gives
        one document per record, with the id ``path:id``, or ``path:number`` without an id of its
        own.  Hidden files, ``__pycache__`` and ``node_modules`` are left out, and links out of the
        folder are not followed.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    """
    root = _existing(path)
    if not root.is_dir():
        return read_file(root, report=report)
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    return _folder(root, wanted, report)


def read_file(path: str | os.PathLike[str], *, report: ReadReport) -> Iterator[Document]:
    """Read one file; its name is the document's id, as in `read_folder`.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    """
    file = _existing(path)
    return _file(file, file.name, report)


def read_jsonl(path: str | os.PathLike[str], *, report: ReadReport) -> Iterator[Document]:
    """Read a file with one JSON object a line.

    Parameters
    ----------
    path : path
        The file, in UTF-8, or in UTF-16 with a byte order mark.
    report : ReadReport
        Where broken lines are noted, by their number.

    Returns
    -------
    iterator of Document
        The text is the first of ``text``, ``contents``, ``content``, ``body``, else the whole
        object as JSON; the id is the first of ``_id``, ``id``, ``doc_id``, else ``file:line``; all
        but these and ``title`` is metadata.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    """
    file = _existing(path)
    reader = partial(read_lines, make=with_own_id(file.name))
    return _file(file, file.name, report, reader)


def read_beir(folder: str | os.PathLike[str], *, report: ReadReport) -> Iterator[Document]:
    """Read the ``corpus.jsonl`` of a BEIR collection: ``_id``, ``title``, ``text``, ``metadata``.

    Raises
    ------
    FileNotFoundError
        If the folder holds no ``corpus.jsonl``.
    """
    file = _existing(Path(folder) / _BEIR_CORPUS)
    return _file(file, file.name, report, partial(read_lines, make=beir_document))


def files_of(
    root: Path, *, report: ReadReport, patterns: Sequence[str] = ("*",)
) -> Iterator[tuple[str, Path]]:
    """Yield name and path of every file that `read_folder` reads, in its order."""
    real_root = Path(os.path.realpath(root))
    for relative in sorted(_walk(root, report)):
        path, name = root / relative, _printable(relative)
        if not any(_matches(relative, pattern) for pattern in patterns):
            continue
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real_root):
            report.skip(name, "a link out of the folder")
        else:
            yield name, path


def read_named(path: Path, name: str, *, report: ReadReport) -> Iterator[Document]:
    """Read one of the files of a folder, under the name that it has there."""
    return _file(path, name, report)


def _existing(path: str | os.PathLike[str]) -> Path:
    # Before the first document is asked for, so that the mistake shows where it was made.
    found = Path(path)
    if not found.exists():
        raise FileNotFoundError(f"expected a file or folder at {found}, but nothing is there")
    return found


def _file(
    path: Path, name: str, report: ReadReport, reader: FileReader | None = None
) -> Iterator[Document]:
    reader = reader or READERS.get(path.suffix.lower(), PLAIN)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("neither a file nor a folder")  # reading a pipe would wait for ever
        yield from unrepeated(reader(path, name, report), name, report)
    except OSError as error:
        report.skip(name, f"cannot be read: {error.strerror or error}")
    except ValueError as error:
        report.skip(name, str(error))


def _folder(root: Path, patterns: list[str], report: ReadReport) -> Iterator[Document]:
    for name, path in files_of(root, report=report, patterns=patterns):
        yield from read_named(path, name, report=report)


def _walk(root: Path, report: ReadReport) -> Iterator[str]:
    """Yield the POSIX paths of files below a folder, relative to it."""

    def cannot_list(error: OSError) -> None:
        name = _printable(Path(error.filename).relative_to(root).as_posix())
        report.skip(name, f"cannot be read: {error.strerror}")

    for folder, folders, files in os.walk(root, onerror=cannot_list):
        below = Path(folder).relative_to(root)
        for name in _shown(folders):
            if os.path.islink(os.path.join(folder, name)):  # which os.walk does not follow
                report.skip(_printable((below / name).as_posix()), "a link to a folder")
        folders[:] = _shown(folders)
        yield from ((below / name).as_posix() for name in _shown(files))


def _shown(names: list[str]) -> list[str]:
    return sorted(
        name for name in names if not name.startswith(".") and name not in _IGNORED_FOLDERS
    )


def _matches(relative: str, pattern: str) -> bool:
    # `*` crosses folders here; `**/` may stand for no folder at all.
    return fnmatchcase(relative, pattern) or fnmatchcase(relative, pattern.replace("**/", ""))


def _printable(relative: str) -> str:
    """Return a path as Unicode: bytes of file names that are not UTF-8 are escaped."""
    return str(PurePosixPath(relative)).encode("utf-8", "backslashreplace").decode()
