"""The command line: what it prints, where, and how it ends."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import hybrid
from hybrid import Retriever
from hybrid.cli import main
from hybrid.display import embedding_progress
from hybrid.encoders.cache import Embedded
from hybrid.settings import BM25
from tests.hybrid.conftest import letters

ROOT = Path(__file__).parents[2]
TEXTS = {
    "cats.md": "# Cats\n\nCats purr when they are content. A cat sleeps for most of the day.",
    "dogs.txt": "Dogs bark at night, and sleep by day. A \x1b[31mred\x1b[0m dog is rare.",
    "猫.txt": "猫咪打呼噜是因为满足。它每天都在睡觉。",
    "empty.txt": "",
    "table.jsonl": '{"id": "a", "text": "Birds sing in the morning.", "lang": "en"}\n',
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    for name, text in TEXTS.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def index(docs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "my index"
    result = run("index", docs, folder)
    assert result.exit_code == 0, result.stderr
    return folder


def one_line_error(result: Result) -> str:
    """Return the error of a command that failed as it should."""
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert result.stdout == ""
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert "Traceback" not in result.stderr
    return line


@pytest.mark.parametrize("name", [None, *main.commands])
def test_every_command_has_help_with_examples_that_parse(name):
    command = main if name is None else main.commands[name]
    result = run(*([] if name is None else [name]), "--help")
    assert result.exit_code == 0
    assert command.help.splitlines()[0] in result.stdout
    assert command.examples
    for example in command.examples:
        assert f"  {example}\n" in result.stdout
        program, called, *arguments = shlex.split(example.split(">")[0], comments=True)
        assert program == "hybrid"
        assert name in (None, called)
        with click.Context(main.commands[called]) as context:
            main.commands[called].parse_args(context, arguments)


def test_every_option_has_help():
    for command in main.commands.values():
        for option in command.params:
            assert isinstance(option, click.Argument) or option.help


def test_help_tells_the_real_defaults():
    told = run("index", "--help").stdout
    assert f"(default {hybrid.Chunker().size})" in told
    assert f"({BM25().k1})" in told
    assert f"({BM25().b})" in told


def test_the_version_is_told():
    assert run("--version").stdout == f"hybrid, version {hybrid.__version__}\n"


def test_indexing_tells_what_was_done_and_what_was_left_out(docs, tmp_path):
    out = tmp_path / "out"
    result = run("index", docs, out)
    assert "documents: 4 new; " in result.stdout
    assert f"{out} holds 4 chunks" in result.stdout
    assert f'hybrid search {out} "a question"' in result.stdout
    assert "skipped empty.txt: empty file" in result.stderr


def test_indexing_again_adds(tmp_path):
    docs, out = tmp_path / "docs", tmp_path / "out"
    docs.mkdir()
    (docs / "a.txt").write_text("One cat.")
    (docs / "b.txt").write_text("Two cats.")
    assert run("index", docs, out).exit_code == 0
    (docs / "b.txt").write_text("Three cats.")
    (docs / "c.txt").write_text("Four cats.")
    summary = json.loads(run("index", docs, out, "--json").stdout)
    assert summary["documents"] == {"added": 1, "replaced": 1, "unchanged": 1, "empty": []}
    assert summary["chunks"] == 3
    again = run("index", docs, out)
    assert "documents: 3 unchanged; " in again.stdout


def test_indexing_as_json(docs, tmp_path):
    result = run("index", docs, tmp_path / "out", "--json")
    summary = json.loads(result.stdout)
    assert set(summary) == {
        *("folder", "documents", "skipped", "chunks", "bytes", "seconds", "embedded")
    }
    assert summary["embedded"] == {"encoded": 0, "reused": 0}  # LSA is fitted, not asked
    assert summary["skipped"] == [{"path": "empty.txt", "reason": "empty file"}]
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert summary["bytes"] == size


def test_settings_are_kept_in_the_index(docs, tmp_path):
    out = tmp_path / "out"
    options = "--encoder none --language german --bm25-k1 0.9 --bm25-b 0.4 --chunk-size 30"
    assert (
        run("index", docs, out, *options.split(), "--overlap", "5", "--metric", "l2").exit_code == 0
    )
    settings = json.loads((out / "manifest.json").read_text("utf-8"))["settings"]
    assert settings["encoder"] is None
    assert settings["analyzer"]["latin"] == "german"
    assert (settings["bm25"]["k1"], settings["bm25"]["b"]) == (0.9, 0.4)
    assert (settings["chunker"]["size"], settings["chunker"]["overlap"]) == (30, 5)
    assert settings["dense"]["metric"] == "l2"


def test_documents_may_stay_whole(docs, tmp_path):
    out = tmp_path / "out"
    assert run("index", docs, out, "--no-split", "--encoder", "none").exit_code == 0
    assert (
        json.loads((out / "manifest.json").read_text("utf-8"))["settings"]["chunker"]["size"]
        is None
    )
    error = one_line_error(run("index", docs, tmp_path / "x", "--no-split", "--chunk-size", "9"))
    assert "expected either --no-split or" in error


def test_an_index_keeps_its_settings(docs, index):
    error = one_line_error(run("index", docs, index, "--metric", "l2", "--no-split"))
    assert "but got --no-split, --metric" in error
    assert (index / "manifest.json").exists()


def test_an_index_among_its_documents_is_refused(docs):
    error = one_line_error(run("index", docs, docs / "index"))
    assert f"try {docs / '.index'}" in error
    assert not (docs / "index").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bm25-b", "2"], "expected b from 0 to 1, not 2.0"),
        (["--chunk-size", "0"], "expected a size of 1 or more"),
        (["--language", "klingon"], "expected a language of"),
    ],
)
def test_settings_out_of_range_leave_nothing_behind(docs, tmp_path, options, message):
    assert message in one_line_error(run("index", docs, tmp_path / "out", *options))
    assert not (tmp_path / "out").exists()


def test_nothing_to_index_leaves_nothing_behind(tmp_path):
    (tmp_path / "docs").mkdir()
    assert "expected documents in" in one_line_error(
        run("index", tmp_path / "docs", tmp_path / "x")
    )
    assert not (tmp_path / "x").exists()


@pytest.fixture
def model(monkeypatch):
    """Stand in for a model, which fails when it is told to."""

    def embed(texts):
        if set(texts) & set(model.fails_on):
            raise model.error
        return letters(texts)

    model = hybrid.FunctionEncoder(embed, "letters", 27, batch_size=1)
    model.fails_on, model.error = [], ConnectionError("the service is gone")
    monkeypatch.setattr("hybrid.ingest.as_encoder", lambda name, analyzer: model)
    return model


@pytest.fixture
def many(tmp_path):
    """Make 600 documents in a file."""
    lines = (json.dumps({"id": str(n), "text": f"cat number {n}"}) for n in range(600))
    (tmp_path / "many.jsonl").write_text("\n".join(lines))
    return tmp_path / "many.jsonl"


def test_a_build_that_failed_goes_on_when_it_is_run_again(model, many, tmp_path):
    out = tmp_path / "out"
    model.fails_on = ["cat number 550"]
    result = run("index", many, out, "--encoder", "model")
    error = one_line_error(result)
    assert "failed after 1 try on texts 1 to 1 of those at hand" in error
    assert "the first of them 'cat number 550': ConnectionError: the service is gone" in error
    assert f"what was embedded is kept in {out}: the same command goes on" in result.stderr
    assert [path.name for path in out.iterdir()] == ["embeddings.db"]
    model.fails_on = []
    done = run("index", many, out, "--encoder", "model")
    assert "documents: 600 new; " in done.stdout
    assert "embeddings: 50 new, 550 from the cache" in done.stdout
    summary = json.loads((out / "manifest.json").read_text("utf-8"))
    assert not any("embeddings" in name for name in summary["files"])


def test_ctrl_c_keeps_what_was_embedded(model, many, tmp_path):
    model.fails_on, model.error = ["cat number 3"], KeyboardInterrupt()
    result = run("index", many, tmp_path / "out", "--encoder", "model")
    assert result.exit_code == 130
    assert result.stderr.startswith("what was embedded is kept in")
    model.fails_on = []
    again = run("index", many, tmp_path / "out", "--encoder", "model", "--json")
    assert json.loads(again.stdout)["embedded"] == {"encoded": 597, "reused": 3}


def test_a_model_that_never_worked_leaves_nothing_behind(model, many, tmp_path):
    model.fails_on = ["cat number 0"]
    error = one_line_error(run("index", many, tmp_path / "out", "--encoder", "model"))
    assert "cat number 0" in error
    assert not (tmp_path / "out").exists()


def test_no_cache_leaves_nothing_behind(model, many, tmp_path):
    model.fails_on = ["cat number 550"]
    one_line_error(run("index", many, tmp_path / "out", "--encoder", "model", "--no-cache"))
    assert not (tmp_path / "out").exists()
    model.fails_on = []
    assert run("index", many, tmp_path / "out", "--encoder", "model", "--no-cache").exit_code == 0
    assert not (tmp_path / "out" / "embeddings.db").exists()


@pytest.mark.parametrize(
    ("embedded", "total", "spent_s", "shown"),
    [
        (Embedded(0, 0), 10, 1.0, ""),
        (Embedded(3, 0), None, 2.0, "embedding 3 chunks, 1.5/s"),
        (Embedded(0, 7), 10, 2.0, "embedding 7/10 chunks, 7 from the cache"),
        (Embedded(1000, 0), 10_000, 10.0, "embedding 1,000/10,000 chunks, 100/s, 1:30 left"),
        (Embedded(10, 0), 100_000, 10.0, "embedding 10/100,000 chunks, 1.0/s, 27:46:30 left"),
        (Embedded(5, 6), 10, 1.0, "embedding 11/10 chunks, 5.0/s, 0:00 left, 6 from the cache"),
    ],
)
def test_progress_in_words(embedded, total, spent_s, shown):
    assert embedding_progress(embedded, total, spent_s) == shown


def test_progress_is_shown_on_a_terminal(model, many, tmp_path, monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=200)
    monkeypatch.setattr("hybrid.display.Console", lambda **options: terminal)
    result = run("index", many, tmp_path / "out", "--encoder", "model")
    assert result.exit_code == 0
    assert re.search(r"embedding 600/600 chunks, [\d,.]+/s, 0:00 left", screen.getvalue())


def test_search_shows_ranks_and_the_passage(index):
    result = run("search", index, "why do cats purr", "-k", "2")
    assert result.exit_code == 0
    assert result.stdout.split()[:5] == ["#", "score", "bm25", "dense", "hit"]
    assert "cats.md#0" in result.stdout
    assert "Cats purr when they are content." in result.stdout


def test_search_as_json_has_every_number(index):
    result = run("search", index, "why do cats purr", "--json", "-k", "2")
    found = json.loads(result.stdout)
    assert found["query"] == "why do cats purr"
    with Retriever.load(index) as retriever:
        hits = retriever.search("why do cats purr", 2)
    assert [hit["chunk_id"] for hit in found["hits"]] == [hit.chunk_id for hit in hits]
    best, expected = found["hits"][0], hits[0]
    assert set(best) == {
        *(
            "rank",
            "score",
            "chunk_id",
            "doc_id",
            "text",
            "title",
            "metadata",
            "start",
            "end",
            "parts",
            "proved",
        )
    }
    assert best["score"] == expected.score
    assert best["parts"]["bm25"] == {
        "rank": 1,
        "score": expected.parts["bm25"].score,
        "normalised": expected.parts["bm25"].normalised,
        "weight": 0.7,
        "contribution": expected.parts["bm25"].contribution,
    }


def test_chinese_is_searched_and_printed_as_it_is(index):
    as_table, as_json = (run("search", index, "猫咪打呼噜", *flag) for flag in ([], ["--json"]))
    assert "猫.txt#0" in as_table.stdout
    assert "猫咪打呼噜是因为满足" in as_table.stdout
    assert '"chunk_id": "猫.txt#0"' in as_json.stdout


def test_a_filter_is_applied(index):
    result = run("search", index, "birds cats dogs", "--filter", '{"lang": "en"}', "--json")
    assert [hit["text"] for hit in json.loads(result.stdout)["hits"]] == [
        "Birds sing in the morning."
    ]
    assert "operator" in one_line_error(run("search", index, "x", "--filter", '{"a": {"$no": 1}}'))


def test_escape_sequences_in_documents_do_not_reach_the_terminal(index):
    result = run("search", index, "red dog")
    assert "\x1b" not in result.stdout
    assert "�[31mred�[0m" in result.stdout


def test_long_ids_are_on_one_line_in_a_pipe(tmp_path):
    name = "a-very-long-name-" * 10
    (tmp_path / "docs.jsonl").write_text(json.dumps({"id": name, "text": "One cat."}))
    assert run("index", tmp_path / "docs.jsonl", tmp_path / "out").exit_code == 0
    assert f"{name}#0" in run("search", tmp_path / "out", "cat").stdout
    assert f"{name}#0" in run("explain", tmp_path / "out", "cat").stdout


@pytest.mark.parametrize("command", ["search", "explain", "context"])
def test_no_hits_are_no_error(index, command):
    result = run(command, index, "zebra", "--filter", '{"lang": "xx"}')
    assert result.exit_code == 0
    assert "nothing found" in result.stderr
    assert json.loads(run(command, index, "?", "--json").stdout)


def test_explain_adds_up(index):
    result = run("explain", index, "why do cats purr", "--json", "-k", "1")
    found = json.loads(result.stdout)
    assert found["query_terms"] == ["cat", "purr"]
    hit = found["hits"][0]["hit"]
    added = sum(part["contribution"] for part in hit["parts"].values())
    assert added == pytest.approx(hit["score"], rel=1e-6)
    assert found["certificate"]["exact"] is True
    assert set(found["hits"][0]["terms"]) == {"cat", "purr"}
    shown = run("explain", index, "why do cats purr", "-k", "1").stdout
    assert f"{hit['score']:.4f}" in shown
    first, impact = next(iter(found["hits"][0]["terms"].items()))
    assert f"matched: {first} {impact:.3f}" in shown
    assert "answer: exact" in shown


def test_context_prints_the_text_alone(index):
    result = run("context", index, "why do cats purr", "--max-tokens", "40")
    with Retriever.load(index) as retriever:
        expected = retriever.context("why do cats purr", 40)
    assert result.stdout == f"{expected.text}\n"
    assert "of 40 tokens" in result.stderr
    found = json.loads(run("context", index, "why do cats purr", "--json").stdout)
    assert set(found) == {"text", "citations", "receipt"}
    assert found["receipt"]["max_tokens"] == 1500


@pytest.mark.parametrize("command", ["search", "explain", "context"])
def test_errors_are_one_line(command, tmp_path):
    error = one_line_error(run(command, tmp_path / "none", "cats"))
    assert "expected an index folder, but there is none at" in error
    (tmp_path / "file.txt").write_text("")
    assert "has no manifest.json" in one_line_error(run(command, tmp_path, "cats"))


def test_a_traceback_is_there_for_the_asking(tmp_path):
    result = run("--debug", "search", tmp_path / "none", "cats")
    assert isinstance(result.exception, FileNotFoundError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "x"],
        ["search", "x", "cats", "-k", "0"],
        ["search", "x", "cats", "--filter", "{"],
        ["search", "x", "cats", "--filter", "[]"],
        ["context", "x", "cats", "--max-tokens", "0"],
        ["index", "x", "y", "--metric", "manhattan"],
        ["find", "x"],
    ],
)
def test_wrong_usage_ends_with_two(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


def test_demo_prints_answers_and_what_to_try(monkeypatch, tmp_path):
    library = tmp_path / "lib"
    library.mkdir()
    (library / "shutil.py").write_text('def rmtree(path):\n    "Delete a directory tree."\n')
    (library / "broken.py").write_text("def (")
    monkeypatch.setattr("hybrid.stdlib.stdlib_folder", lambda: library)
    result = run("demo", "delete a directory")
    assert result.exit_code == 0
    assert "shutil.rmtree(path)" in result.stdout
    assert "hybrid index FOLDER my-index" in result.stdout
    assert "skipped broken.py: not read as Python" in result.stderr
    kept = tmp_path / "kept"
    found = json.loads(run("demo", "delete a directory", "--keep", kept, "--json").stdout)
    assert found["answers"]["delete a directory"][0]["doc_id"] == "shutil.rmtree"
    assert run("search", kept, "delete a directory").exit_code == 0
    assert "has something in it" in one_line_error(run("demo", "--keep", kept))


def python(
    *arguments: str, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8")


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom hybrid.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "sys.exit(' '.join({'numpy', 'faiss', 'scipy', 'rich', 'regex'} & set(sys.modules)))"
    )
    result = python("-c", code)
    assert (result.returncode, result.stderr) == (1, "\n")
    assert "Examples:" in result.stdout


def test_it_runs_as_a_program_and_prints_json_alone(index):
    result = python("-m", "hybrid.cli", "search", str(index), "猫咪", "--json")
    assert result.returncode == 0
    assert result.stderr == ""
    assert json.loads(result.stdout)["hits"][0]["doc_id"] == "猫.txt"


def test_an_encoding_that_lacks_characters_is_no_error(index):
    poor = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    table, as_json = (
        python("-m", "hybrid.cli", "search", str(index), "猫咪打呼噜", *flag, env=poor)
        for flag in ([], ["--json"])
    )
    assert (table.returncode, table.stderr) == (0, "")
    assert "?.txt#0" in table.stdout
    assert "猫.txt#0" in as_json.stdout


def test_a_closed_pipe_is_quiet(index):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "hybrid.cli", "search", str(index), "cats", "--json"]
    result = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, b"")


def test_ctrl_c_is_quiet_and_leaves_no_folder(tmp_path, monkeypatch):
    def interrupted(source, *, report):
        yield hybrid.Document("a", "One of many cats.")
        raise KeyboardInterrupt

    monkeypatch.setattr("hybrid.building.open_source", interrupted)
    result = run("index", tmp_path / "many.jsonl", tmp_path / "out", "--encoder", "none")
    assert result.exit_code == 130
    assert result.stderr.strip() == result.stdout == ""
    assert not (tmp_path / "out").exists()
