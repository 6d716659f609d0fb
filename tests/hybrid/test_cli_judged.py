"""The commands about judged questions, as a shell runs them."""

import json

import pytest
from click.testing import CliRunner

import hybrid
from hybrid.cli import main
from hybrid.tune_command import drawn
from hybrid.tuned import Curve

ANIMALS = [("cats", "purr"), ("dogs", "bark"), ("birds", "sing"), ("cows", "moo")]
COUNT = 24


@pytest.fixture
def place(tmp_path):
    """An index with questions and judgements beside it."""
    texts, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for number in range(COUNT):
        animal, sound = ANIMALS[number % 4]
        texts.append(f"{animal} of breed b{number} {sound} " + "and eat " * (number % 5))
        queries.append({"_id": f"q{number}", "text": f"do {animal} of breed b{number} {sound}?"})
        qrels.append(f"q{number}\t{number}\t1")
    with hybrid.Retriever.from_texts(texts) as retriever:
        retriever.save(tmp_path / "index")
    lines = "".join(json.dumps(query) + "\n" for query in queries)
    (tmp_path / "queries.jsonl").write_text(lines)
    (tmp_path / "qrels.tsv").write_text("\n".join(qrels) + "\n")
    (tmp_path / "log.txt").write_text("\n".join(query["text"] for query in queries))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def judged(place):
    return "--queries", place / "queries.jsonl", "--qrels", place / "qrels.tsv"


def test_tune_says_what_to_use_and_writes_it(place):
    done = run("tune", place / "index", *judged(place), "--out", place / "t.json", "--folds", 3)
    assert done.exit_code == 0, done.output
    assert f"{COUNT} judged questions, nDCG@10." in done.output
    assert "by the weight of dense" in done.output
    found = hybrid.Tuned.load(place / "t.json")
    assert found.report.questions == COUNT
    with hybrid.Retriever.load(place / "index") as retriever:
        assert retriever.fusion != hybrid.RRF()  # nothing was applied
        assert retriever.bm25 == hybrid.BM25()


def test_what_is_applied_lasts(place):
    options = "--measure", "RR@10", "--apply", "--json"
    done = run("tune", place / "index", *judged(place), *options)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    with hybrid.Retriever.load(place / "index") as retriever:
        assert retriever.bm25.k1 == found["bm25"]["k1"]
        assert dict(retriever.fusion.weights) == found["fusion"]["weights"]
    assert found["report"]["measure"] == "RR@10"


def test_without_judgements(place):
    done = run("tune", place / "index", "--unlabelled", "--log", place / "log.txt", "--apply")
    assert done.exit_code == 0, done.output
    assert "Experimental" in done.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "expected --queries FILE and --qrels FILE"),
        (("--log", "x.txt"), "--unlabelled, which alone takes --log"),
        (("--unlabelled", "--measure", "AP"), "expected no measure with --unlabelled"),
    ],
)
def test_what_cannot_be_together(place, options, told):
    done = run("tune", place / "index", *options)
    assert done.exit_code == 1
    assert told in done.stderr


def test_a_curve_is_plotted(place):
    pytest.importorskip("matplotlib")
    done = run("tune", place / "index", *judged(place), "--plot", place / "curve.svg", "--no-bm25")
    assert done.exit_code == 0, done.output
    assert "<svg" in (place / "curve.svg").read_text()


def test_bars_stand_where_the_values_are():
    weights = tuple(step / 20 for step in range(21))
    means = tuple(0.5 + 0.01 * step for step in range(21))
    curve = Curve("nDCG@10", "dense", weights, means, means, means, 0.9)
    lines = drawn(curve)[1:]
    assert [line.index("o") for line in lines] == [6 + 4 * step for step in range(11)]
    assert [line.endswith("<") for line in lines] == [step == 9 for step in range(11)]
