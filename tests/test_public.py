"""The package's face: its names, its price at import, and what it may not import."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hybrid

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "numba", "pandas", "sklearn", "transformers", "faiss", "scipy", "FlagEmbedding")


def modules_after(code):
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == ""
    return set(json.loads(done.stdout))


def test_import_is_light_and_silent():
    assert not modules_after("import hybrid") & {*HEAVY, "numpy"}


def test_no_module_imports_a_model_library_or_the_benchmarks():
    packages = ("hybrid", "fusion", "indexes")
    files = [path for name in packages for path in (ROOT / name).rglob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    found = modules_after("\n".join(f"import {name}" for name in names))
    assert len(names) > 40
    assert not found & {"torch", "transformers", "sentence_transformers", "sklearn", "pandas"}
    assert not found & {"FlagEmbedding", "bench", "tests", "markitdown"}


def test_a_search_needs_no_heavy_package():
    code = "import hybrid; hybrid.Retriever.from_texts(['cats'], encoder=None).search('cats')"
    assert not modules_after(code) & {"torch", "pandas", "sklearn", "transformers"}


def test_all_public_names_are_sorted_there_and_documented():
    names = hybrid.__all__
    assert len(set(names)) == len(names)
    assert set(dir(hybrid)) == set(names)
    for name in names:
        assert getattr(hybrid, name).__doc__, name


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Retreiver'"):
        _ = hybrid.Retreiver


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project.get("version", hybrid.__version__) == hybrid.__version__
