"""The exact scan on other processors than this one: each finds the same rows, with the same bits.

Numba is told in the environment for which processor it compiles, so each one takes a process.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding

from indexes import DenseIndex, dense_kernels, dense_native

ROOT = Path(__file__).parents[2]
AVX2 = "avx avx2 bmi bmi2 f16c fma lzcnt popcnt sse4.2"
PROCESSORS = {"avx2": ("haswell", AVX2), "generic": ("generic", "")}
COUNT, DIMENSION, DEPTH = 2000, 70, 12


def made(kind, count, seed):
    """Return vectors: of any numbers, or of codes as large as they come, whose sums are exact."""
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((count, DIMENSION))
    if kind == "signs":
        vectors = np.where(vectors > -1, 1, -1)
    return vectors.astype(np.float32)


def answers():
    """Return rows and scores of searches, one query at a time and several together."""
    found = {}
    for kind, metric, storage in (
        ("normal", "ip", "float32"),
        ("normal", "l2", "float16"),
        ("normal", "cosine", "int8"),
        ("signs", "ip", "float32"),
        ("signs", "l2", "int8"),
    ):
        index = DenseIndex(DIMENSION, metric, "flat", storage)
        index.add(np.arange(COUNT), made(kind, COUNT, 1))
        queries = made(kind, 6, 2)
        many = index.search_many(queries, DEPTH)
        for number, query in enumerate(queries):
            for way, best in (("one", index.search(query, DEPTH)), ("many", many[number])):
                name = f"{kind} {metric} {storage} {number} {way}"
                found[f"{name} rows"], found[f"{name} scores"] = best.rows, best.scores
    return found


@pytest.fixture(scope="module")
def here():
    return answers()


def test_the_best_of_signs_are_those_of_sums_of_whole_numbers(here):
    vectors, queries = made("signs", COUNT, 1).astype(int), made("signs", 6, 2).astype(int)
    for number, products in enumerate(queries @ vectors.T):
        best = np.lexsort((np.arange(COUNT), -products))[:DEPTH]
        for way in ("one", "many"):
            name = f"signs ip float32 {number} {way}"
            assert here[f"{name} rows"].tolist() == best.tolist()
            assert here[f"{name} scores"].tolist() == products[best].tolist()


@pytest.mark.parametrize("processor", PROCESSORS)
def test_every_processor_gives_the_same_bits(processor, here, tmp_path):
    name, features = PROCESSORS[processor]
    able = binding.get_host_cpu_features()
    if not all(able.get(feature) for feature in features.split()):
        pytest.skip(f"this processor cannot do what {name} can")
    told = {
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in features.split()),
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "tests.indexes.test_flat", str(tmp_path / "found.npz")]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | told, timeout=300)
    with np.load(tmp_path / "found.npz", allow_pickle=False) as found:
        assert found["largest"] == (127 if processor == "generic" else 63)
        for key, expected in here.items():
            assert found[key].tobytes() == expected.tobytes(), key


@pytest.mark.parametrize("values", [[-0.0, 0.0], [-np.inf, 3, np.inf], [-2, -1e-45, 1e-45, 3e38]])
def test_best_of_takes_any_float(values):
    values = np.array(values, np.float32)
    for rank in range(1, len(values) + 1):
        assert dense_kernels.best_of(values, rank) == np.sort(values)[-rank]


if __name__ == "__main__":
    np.savez(sys.argv[1], largest=dense_native.largest_code(), **answers())
