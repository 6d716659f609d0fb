"""The index folder: one manifest, one store, and the immutable files of a generation.

A commit writes ``gen-000007/``, syncs it, and then replaces ``manifest.json``: whoever opens the
folder sees the old generation or the new one.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid.errors import IndexFormatError

FORMAT = 3
"""Of the index folder.  A folder of another format is refused."""

_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that an index folder says about itself.

    Attributes
    ----------
    generation : int
        The committed generation.
    settings : dict
        Encoder, analyzer, chunker, BM25, dense and fusion, as JSON values.
    files : dict of str to dict
        Size in bytes and sha256 of every file of the generation, by its path in the folder.
    format : int
        Version of the folder's layout.
    """

    generation: int
    settings: dict[str, Any]
    files: dict[str, dict[str, Any]]
    format: int = FORMAT


def store_file(folder: Path) -> Path:
    """Return where the chunk store is."""
    return folder / "store.db"


def generation_folder(folder: Path, generation: int) -> Path:
    """Return where the files of a generation are."""
    return folder / f"gen-{generation:06d}"


def read(folder: Path) -> Manifest:
    """Return the manifest of an index folder.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    IndexFormatError
        If it is not an index folder, of another format, or files are missing or cut short.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"expected an index folder, but there is none at {folder}")
    path = folder / _MANIFEST
    if not path.exists():
        raise IndexFormatError(
            f"expected an index folder, but {folder} has no {_MANIFEST}: "
            f"build one with `hybrid index` or Retriever.create, and commit it"
        )
    try:
        values = json.loads(path.read_text("utf-8"))
        version = values.get("format")
    except (ValueError, AttributeError) as error:
        raise IndexFormatError(f"expected JSON in {path}, but it is damaged: {error}") from error
    if version != FORMAT:
        raise IndexFormatError(
            f"expected an index folder of format {FORMAT}, but {folder} has format {version}: "
            f"open it with the version of hybrid-retrieval that wrote it, or build it again"
        )
    try:
        manifest = Manifest(**values)
    except TypeError as error:
        raise IndexFormatError(f"expected other entries in {path}: {error}") from error
    if not store_file(folder).exists():
        raise IndexFormatError(f"expected {store_file(folder).name} in {folder}, but it is missing")
    for name, facts in manifest.files.items():
        file = folder / name
        size = file.stat().st_size if file.exists() else None
        if size != facts["bytes"]:
            state = "missing" if size is None else f"{size} bytes long"
            raise IndexFormatError(
                f"expected {name} of {facts['bytes']} bytes in {folder}, but it is {state}"
            )
    return manifest


def write(
    folder: Path, generation: int, settings: dict[str, Any], save: Callable[[Path], None]
) -> None:
    """Write a generation and make it the one that counts.

    Parameters
    ----------
    folder : Path
        The index folder, which exists.
    generation : int
        Its number.
    settings : dict
        For the manifest.
    save : callable
        Writes the files into the empty folder that it is given.
    """
    target = generation_folder(folder, generation)
    shutil.rmtree(target, ignore_errors=True)  # left by a writer that was killed
    known = _known_facts(folder)
    target.mkdir()
    save(target)
    paths = sorted(path for path in target.rglob("*") if path.is_file())
    files = {
        path.relative_to(folder).as_posix(): known.get(path.stat().st_ino) or _facts(path)
        for path in paths
    }
    for path in [*paths, target, folder]:
        _sync(path)
    manifest = asdict(Manifest(generation, settings, files))
    fresh = folder / f"{_MANIFEST}.new"
    fresh.write_text(json.dumps(manifest, indent=2, ensure_ascii=False), "utf-8")
    _sync(fresh)
    os.replace(fresh, folder / _MANIFEST)
    _sync(folder)
    for old in folder.glob("gen-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, and put it in the place of `folder` when all went well.

    Raises
    ------
    FileExistsError
        If something other than an index is there.
    """
    if folder.exists() and not (folder / _MANIFEST).exists():
        if not folder.is_dir() or any(folder.iterdir()):
            raise FileExistsError(f"expected a new folder or an index, but {folder} is neither")
        folder.rmdir()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
    ) as beside:
        fresh = Path(beside) / "new"
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(Path(beside) / "old")
        fresh.rename(folder)


def verify(folder: Path) -> list[str]:
    """Return what is wrong with the files of an index folder, one line each; none if all is well.

    Raises
    ------
    FileNotFoundError, IndexFormatError
        As `read`.
    """
    return [
        f"{name}: expected sha256 {facts['sha256']}, but the content has changed"
        for name, facts in read(folder).files.items()
        if _facts(folder / name)["sha256"] != facts["sha256"]
    ]


def _known_facts(folder: Path) -> dict[int, dict[str, Any]]:
    """Return what is known of the files of the last generation, by inode.

    A file that is linked into the next generation is the same file, and is not read again.
    """
    if not (folder / _MANIFEST).exists():
        return {}
    paths = ((folder / name, facts) for name, facts in read(folder).files.items())
    return {path.stat().st_ino: facts for path, facts in paths}


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _sync(path: Path) -> None:
    """Have the operating system write a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
