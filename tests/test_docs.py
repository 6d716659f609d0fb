"""Every code block of the README and of docs/ runs, and prints what stands behind it."""

import contextlib
import io
import re
import shlex
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from hybrid.cli import main

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page="README.md"):
    return BLOCK.findall((ROOT / page).read_text("utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("images"))
    (tmp_path / "questions.tsv").write_text("q1\thow is an index committed?\n")
    (tmp_path / "judgements.tsv").write_text("q1 0 adr/0006-generations.md 1\n")
    monkeypatch.chdir(tmp_path)


def test_python_and_console_blocks_run_in_order(here):
    """One session for all blocks; the text block after a Python block is its output."""
    session, printed, checked = {}, None, 0
    for kind, code in blocks():
        if kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, "README.md", "exec"), session)
            printed = output.getvalue()
        elif kind == "console":
            Path("my-index").rename("earlier-index")  # the shell session starts afresh
            for line in code.strip().splitlines():
                run_command(line)
            printed = None
        elif kind == "text" and printed is not None:
            assert printed == code
            printed, checked = None, checked + 1
    assert checked >= 4


def test_the_blocks_of_fusion_run_in_order():
    session, checked = {}, 0
    for kind, code in blocks("docs/fusion.md"):
        if kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, "fusion.md", "exec"), session)
        else:
            assert output.getvalue() == code
            checked += 1
    assert checked == 2


def test_the_blocks_of_tuning_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = {}
    for kind, code in blocks("docs/tuning.md"):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(code, "tuning.md", "exec"), session)
    assert session["again"] == session["found"]
    assert len(session["probability"]) == 10


def test_the_blocks_of_a_living_index_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracer = Mock()
    trace = Mock(get_tracer=Mock(return_value=tracer))
    monkeypatch.setitem(sys.modules, "opentelemetry", Mock(trace=trace))
    session, printed, checked = {}, None, 0
    for kind, code in blocks("docs/living.md"):
        if kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, "living.md", "exec"), session)
            printed = output.getvalue()
        elif kind == "text":
            assert printed == code
            checked += 1
    assert checked >= 3
    spans = [call.args[0] for call in tracer.start_span.call_args_list]
    assert spans[-1] == "hybrid.search"
    assert tracer.start_span.return_value.end.call_count == len(spans) == 6


def run_command(line):
    program, *arguments = shlex.split(line)
    assert program == "hybrid"
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, f"{line}\n{done.output}"
    assert done.output.strip()


def test_the_shell_blocks_are_what_ci_runs():
    """`.ci/run` takes them from here by their order: install and demo first, tests second."""
    shell = [code for kind, code in blocks() if kind == "sh"]
    assert shell[0].split() == ["pip", "install", ".", "hybrid", "demo"]
    assert shell[1:] == ["pip install -e '.[test]'\npytest\n"]


def test_links_in_the_docs_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_map_names_every_file():
    """ARCHITECTURE.md tells what each module is for."""
    told = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for package in ("hybrid", "indexes", "fusion"):
        for module in (ROOT / package).glob("*.py"):
            assert module.name == "__init__.py" or module.name in told, module.name
