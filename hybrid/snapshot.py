"""The index folder: one manifest, one store, and the immutable files of a generation.

A commit writes ``gen-000007/``, syncs it, and then replaces ``manifest.json``: whoever opens the
folder sees the old generation or the new one.  The manifest of an older generation that is kept has
its number in its name: ``manifest-000006.json``.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hybrid.errors import IndexFormatError
from hybrid.locking import Lease, removing
from hybrid.manifest_file import Manifest, read_manifest

log = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_PATIENCE = 100  # times that a folder is looked at anew, because a commit came between two looks


def store_file(folder: Path) -> Path:
    """Return where the chunk store is."""
    return folder / "store.db"


def generation_folder(folder: Path, generation: int) -> Path:
    """Return where the files of a generation are."""
    return folder / f"gen-{generation:06d}"


def columns_of(folder: Path, generation: int) -> Path:
    """Return where a generation has columns of metadata; one from before November 2026 has none."""
    return generation_folder(folder, generation) / "metadata"


def read(folder: Path, generation: int | None = None) -> Manifest:
    """Return the manifest of an index folder: the newest, or that of an older generation.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    IndexFormatError
        If it is not an index folder, of another format, or files are missing or cut short.
    ValueError
        If the generation is not kept.
    """
    manifest = parsed(folder, generation)
    _check_files(folder, manifest)
    return manifest


def read_and_hold(folder: Path, generation: int | None = None) -> tuple[Manifest, Lease]:
    """Return `read`, with a hold on the generation: its files stay until that is released."""
    for _ in range(_PATIENCE):
        manifest = parsed(folder, generation)
        lease = Lease.take(generation_folder(folder, manifest.generation))
        if lease is not None:
            _check_files(folder, manifest)
            return manifest, lease
    raise IndexFormatError(
        f"expected {generation_folder(folder, manifest.generation)}, but it is missing"
    )


def newest(folder: Path) -> int:
    """Return the committed generation of an index folder."""
    return parsed(folder, None).generation


def kept(folder: Path) -> list[int]:
    """Return the generations that can be opened, ascending."""
    there = {parsed(folder, None).generation}
    there |= {_number(path) for path in folder.glob("manifest-*.json")}
    return sorted(one for one in there if generation_folder(folder, one).is_dir())


def parsed(folder: Path, generation: int | None) -> Manifest:
    """Return a manifest, without a look at the files that it names."""
    if not folder.is_dir():
        raise FileNotFoundError(f"expected an index folder, but there is none at {folder}")
    path = folder / _MANIFEST
    if not path.exists():
        advice = "build one with `hybrid index` or Retriever.create, and commit it"
        if store_file(folder).exists():
            advice = "was it committed? Then `hybrid repair` makes one from its documents"
        raise IndexFormatError(
            f"expected an index folder, but {folder} has no {_MANIFEST}: {advice}"
        )
    manifest = read_manifest(path)
    if generation in (None, manifest.generation):
        return manifest
    try:
        return read_manifest(_manifest_of(folder, int(generation or 0)))
    except FileNotFoundError as error:
        known = ", ".join(map(str, kept(folder)))
        raise ValueError(
            f"expected a generation of {known}, not {generation}: no other is kept in {folder}"
        ) from error


def _check_files(folder: Path, manifest: Manifest) -> None:
    """Raise IndexFormatError unless all files are there, in their size."""
    if not store_file(folder).exists():
        raise IndexFormatError(f"expected {store_file(folder).name} in {folder}, but it is missing")
    for name, facts in manifest.files.items():
        file = folder / name
        size = file.lstat().st_size if file.is_file() and not file.is_symlink() else None
        if size != facts["bytes"]:
            state = "missing" if size is None else f"{size} bytes long"
            raise IndexFormatError(
                f"expected {name} of {facts['bytes']} bytes in {folder}, but it is {state}"
            )


def write(
    folder: Path, generation: int, settings: dict[str, Any], save: Callable[[Path], None]
) -> None:
    """Write a generation and make it the one that counts; those before it stay, see `prune`.

    When that fails, nothing has changed, unless the manifest was replaced already and only the last
    sync failed.

    Parameters
    ----------
    folder : Path
        The index folder, which exists.
    generation : int
        Its number, which no folder has.
    settings : dict
        For the manifest.
    save : callable
        Writes the files into the empty folder that it is given.
    """
    target, fresh = generation_folder(folder, generation), folder / f"{_MANIFEST}.new"
    known = _known_facts(folder)
    target.mkdir()
    try:
        save(target)
        manifest = Manifest(generation, settings, _synced_files(folder, target, known))
        fresh.write_text(json.dumps(asdict(manifest), indent=2, ensure_ascii=False), "utf-8")
        _sync(fresh)
        _name_last(folder)
        os.replace(fresh, folder / _MANIFEST)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)  # what it may have in part is not linked to
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    _sync(folder)


def prune(folder: Path, keep: int) -> None:
    """Remove all but the last `keep` generations, and those that somebody reads."""
    for generation in kept(folder)[:-keep]:
        with removing(generation_folder(folder, generation)) as free:
            if free:
                _manifest_of(folder, generation).unlink(missing_ok=True)
                shutil.rmtree(generation_folder(folder, generation), ignore_errors=True)


def leftovers(folder: Path) -> list[Path]:
    """Return what a writer that was stopped left: only its own lock says that it was stopped."""
    there = kept(folder)
    parts = [path for path in folder.glob("gen-*") if _number(path) not in there]
    parts += [path for path in folder.glob("manifest-*.json") if _number(path) not in there]
    return [*parts, *folder.glob(f"{_MANIFEST}.new")]


def clean(folder: Path) -> None:
    """Remove what is left over, and say so in the log.  The caller holds the writer's lock."""
    for path in leftovers(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        log.warning("removed %s from %s: its writer was stopped", path.name, folder)


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


def _manifest_of(folder: Path, generation: int) -> Path:
    """Return where the manifest of a generation is that is not the newest."""
    return folder / f"manifest-{generation:06d}.json"


def _number(path: Path) -> int:
    """Return the generation in the name of a file or folder; -1 where there is none."""
    digits = path.stem.partition("-")[2]
    return int(digits) if digits.isdecimal() else -1


def _name_last(folder: Path) -> None:
    """Give the manifest that will be replaced a name of its own."""
    try:
        name = _manifest_of(folder, newest(folder))
    except IndexFormatError:  # there is none, or none that can be opened: see `hybrid.repairing`
        return
    name.unlink(missing_ok=True)
    try:
        os.link(folder / _MANIFEST, name)
    except OSError:  # a disk that knows no links
        shutil.copyfile(folder / _MANIFEST, name)
        _sync(name)


def _known_facts(folder: Path) -> dict[int, dict[str, Any]]:
    """Return what is known of the files of the last generation, by inode.

    A file that is linked into the next generation is the same file, and is not read again.
    """
    try:
        files = parsed(folder, None).files
    except IndexFormatError:  # there is none, or none that can be opened
        return {}
    paths = ((folder / name, facts) for name, facts in files.items())
    return {path.stat().st_ino: facts for path, facts in paths if path.is_file()}


def _synced_files(
    folder: Path, target: Path, known: dict[int, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Have the disk take the files of a generation, and return what the manifest says of them."""
    files, folders = {}, [target, folder]
    for path in sorted(target.rglob("*")):
        if path.is_dir():
            folders.append(path)
            continue
        facts = known.get(path.stat().st_ino)
        if facts is None:
            facts = _facts(path)
            _sync(path)
        files[path.relative_to(folder).as_posix()] = facts
    for path in folders:
        _sync(path)
    return files


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
