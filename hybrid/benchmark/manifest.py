"""What a benchmark depends on and what came out: written down, and compared when it runs again."""

import json
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import hybrid
from hybrid.benchmark.collection import Collection
from hybrid.benchmark.rankings import sha256_of_run
from hybrid.benchmark.results import Result

FORMAT = 1
"""Of the manifest.  Another one is refused."""

_PACKAGES = ("numpy", "scipy", "numba", "faiss-cpu", "ir-measures")
_COMPARED = ("data", "index", "settings", "runs", "measures")


def manifest_of(
    result: Result,
    collection: Collection,
    settings: Mapping[str, Any],
    index: Mapping[str, Any],
) -> dict[str, Any]:
    """Return all that is needed to run a benchmark again, and what it found, as JSON values.

    Parameters
    ----------
    result : Result
        What was found.
    collection : Collection
        What was measured on.
    settings : mapping
        How it was measured: `hybrid.benchmark.command.Asked` as JSON values.
    index : mapping
        How it was indexed: encoder, analyzer, chunker, indexes, fusion.

    Returns
    -------
    dict
        format; versions; settings with the seed; index; data, sha256 of corpus (or index), queries
        and qrels; size; measures, the means by way; runs, sha256 of each way's run.
    """
    queries = list(result.queries)
    own = {"python": platform.python_version(), "hybrid-retrieval": hybrid.__version__}
    manifest = {
        "format": FORMAT,
        "collection": result.collection,
        "encoder": result.encoder,
        "versions": own | {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "settings": dict(settings),
        "index": dict(index),
        "data": dict(collection.hashes),
        "questions": len(queries),
        "questions_without_text": collection.without_text,
        "documents": result.size.documents,
        "chunks": result.size.chunks,
        "measures": {
            way.name: {name: way.mean(name) for name in way.measures} for way in result.ways
        },
        "runs": {way.name: sha256_of_run(way.run, queries) for way in result.ways},
    }
    plain: dict[str, Any] = json.loads(json.dumps(manifest))  # as it will be read
    return plain


def write_manifest(manifest: Mapping[str, Any], path: Path) -> None:
    """Write a manifest."""
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a manifest that `write_manifest` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a manifest of this format.
    """
    try:
        manifest: Any = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"expected the JSON of a manifest in {path}: {error}") from error
    known = isinstance(manifest, dict) and manifest.get("format") == FORMAT
    if not known or not {"versions", *_COMPARED} <= manifest.keys():
        raise ValueError(
            f"expected a manifest of format {FORMAT} that `hybrid bench --manifest` wrote, but "
            f"{path} is none: make a new one"
        )
    found: dict[str, Any] = manifest
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return where a benchmark and its repetition differ, a line each; versions do not count.

    Parameters
    ----------
    before, now : mapping
        The manifests of both.
    """
    return [line for part in _COMPARED for line in _differing(before[part], now[part], part)]


def other_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return which versions differ, a line each: they may be the reason for other results."""
    return list(_differing(before["versions"], now["versions"], "versions"))


def _differing(before: Any, now: Any, place: str) -> Iterator[str]:
    """Yield what differs within two JSON values."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in [*before, *(name for name in now if name not in before)]:
            yield from _differing(before.get(name), now.get(name), f"{place}: {name}")
    elif before != now:
        yield f"{place}: was {before}, is {now}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
