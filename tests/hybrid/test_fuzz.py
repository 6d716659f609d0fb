"""A short version of `python -m bench.fuzz`: damaged files and hostile input, declared errors."""

import pytest

from bench.fuzz_cases import Files, Inputs


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    kinds = ("bm25", "lsa", "flat", "int8", "hnsw", "parts")
    return Files(tmp_path_factory.mktemp("fuzz"), kinds)


def outcomes_of(world, cases):
    outcomes = {}
    for case in cases:
        what = world.prepare(7, case)
        try:
            outcome = world.run()
        except world.declared as error:
            outcome = type(error).__name__
        except Exception as error:
            raise AssertionError(f"case {case} of seed 7 ({what})") from error
        finally:
            world.restore()
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def test_damaged_files_give_declared_errors(files):
    outcomes = outcomes_of(files, range(100))
    assert outcomes["IndexFormatError"] > 20
    assert outcomes["answered"] > 5


def test_hostile_input_gives_declared_errors(tmp_path):
    outcomes = outcomes_of(Inputs(tmp_path), range(100))
    assert outcomes["asked"]
    assert outcomes["added"]
