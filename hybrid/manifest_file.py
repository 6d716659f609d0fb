"""The manifest of a generation: what an index folder says about itself, checked when it is read."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hybrid.errors import IndexFormatError

FORMAT = 3
"""Of the index folder.  A folder of another format is refused."""


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


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IndexFormatError
        If it is damaged, of another format, or names files that are not in the folder.
    """
    folder = path.parent
    try:
        values = json.loads(path.read_text("utf-8"))
        version = values.get("format")
    except (ValueError, AttributeError, RecursionError) as error:
        raise IndexFormatError(f"expected JSON in {path}, but it is damaged: {error}") from error
    if version != FORMAT or isinstance(version, bool):
        raise IndexFormatError(
            f"expected an index folder of format {FORMAT}, but {folder} has format {version}: "
            f"open it with the version of hybrid-retrieval that wrote it, or build it again"
        )
    try:
        manifest = Manifest(**values)
    except TypeError as error:
        raise IndexFormatError(f"expected other entries in {path}: {error}") from error
    wrong = _what_is_wrong(manifest)
    if wrong:
        raise IndexFormatError(f"expected {wrong} in {path}: it is damaged")
    return manifest


def _what_is_wrong(manifest: Manifest) -> str:
    """Return what should be there instead of what is; "" if all is well."""
    if not _is_count(manifest.generation):
        return f"a number of a generation, not {manifest.generation!r},"
    parts: tuple[object, object] = manifest.settings, manifest.files
    if not all(isinstance(part, dict) for part in parts):
        return "settings and files as JSON objects"
    for name, facts in manifest.files.items():
        if not _is_inside(name):
            return f"files inside the folder, not {name!r},"
        if not isinstance(facts, dict) or not _is_count(facts.get("bytes")):
            return f"the size of {name}"
        if not isinstance(facts.get("sha256"), str):
            return f"the sha256 of {name}"
    return _wrong_setting(manifest.settings)


def _wrong_setting(settings: dict[str, Any]) -> str:
    """Return what should be there in place of a setting of another type; "" if all is well."""
    for name in ("analyzer", "bm25", "dense", "chunker"):
        if not isinstance(settings.get(name, {}), dict):
            return f"{name} as a JSON object"
    encoder = settings.get("encoder")
    if encoder is None:
        return ""
    named = isinstance(encoder, dict) and (encoder.get("kind"), encoder.get("name"))
    if not named or not all(isinstance(one, str) for one in named):
        return "null or kind and name of an encoder"
    return ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name
    )
