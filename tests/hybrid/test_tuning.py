"""Tuning of a retriever: what is promised is what its search then does."""

import json

import numpy as np
import pytest

import hybrid
from fusion import Adaptive
from hybrid import tuning
from hybrid.evaluation import evaluate
from hybrid.tuned import Tuned
from tests.hybrid.test_multivector import Words

COUNT, QUESTIONS = 60, 40
WORDS = [f"word{chr(97 + number // 8)}{chr(97 + number % 8)}" for number in range(40)]


def made(seed=0):
    """Return texts, questions, judgements and vectors: of each side something is right."""
    rng = np.random.default_rng(seed)
    texts = {f"d{n}": " ".join(rng.choice(WORDS, rng.integers(3, 40))) for n in range(COUNT)}
    vectors = {text: rng.normal(size=8) for text in texts.values()}
    queries, qrels, asked = {}, {}, {}
    for number in range(QUESTIONS):
        target = f"d{rng.integers(COUNT)}"
        words = texts[target].split()[: 2 if number % 2 else 1]
        queries[f"q{number}"] = text = " ".join([*words, f"number{number}"])
        noise = rng.normal(size=8) * (2.5 if number % 2 else 1.2)
        asked[text] = vectors[texts[target]] + noise
        qrels[f"q{number}"] = {
            target: 2,
            f"d{rng.integers(COUNT)}": 1,
            "gone": 1,
            "lost": 2,
            "d0": -1,
        }
    return texts, queries, qrels, hybrid.Precomputed(vectors, asked, "made")


def retriever_of(texts, encoder, **choices):
    return hybrid.Retriever.from_texts(
        list(texts.values()), ids=list(texts), encoder=encoder, **choices
    )


@pytest.fixture(scope="module")
def world():
    return made()


@pytest.fixture(scope="module")
def found(world):
    texts, queries, qrels, encoder = world
    with retriever_of(texts, encoder) as retriever:
        return retriever.tune(queries, qrels, folds=4)


def test_what_is_promised_is_what_the_search_does(world, found, tmp_path):
    texts, queries, qrels, encoder = world
    assert found.report.verdict == "tuned"
    with retriever_of(texts, encoder) as retriever:
        before = evaluate(retriever.run(queries), qrels, ["nDCG@10"])["nDCG@10"]
        assert found.report.expected["default"] == pytest.approx(before, abs=1e-6)
        found.apply(retriever)
        after = evaluate(retriever.run(queries), qrels, ["nDCG@10"])["nDCG@10"]
        assert found.report.fitted == pytest.approx(after, abs=1e-6)
        assert (retriever.fusion, retriever.bm25) == (found.fusion, found.bm25)
        answers = retriever.run(queries)
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index", encoder=encoder) as opened:
        assert opened.run(queries) == answers
        assert opened.bm25 == found.bm25


def test_the_report(world, found):
    report = found.report
    assert report.questions == QUESTIONS
    assert report.certain == 1.0  # every row was read
    assert set(report.expected) == {"tuned", "default", "single"}
    gains = {gain.name: gain.difference for gain in report.gains}
    assert gains["tuned less default"] == pytest.approx(
        report.expected["tuned"] - report.expected["default"]
    )
    assert report.curve.index == "dense"
    assert report.curve.weights == pytest.approx(np.linspace(0, 1, 21))
    assert all(low <= high for low, high in zip(report.curve.lows, report.curve.highs, strict=True))
    assert 0 <= report.calibration_error <= 1
    text = str(found)
    assert f"{QUESTIONS} judged questions, nDCG@10." in text
    assert "Use what was tuned" in text


def test_probabilities_are_of_the_scores_that_a_search_gives(world, found):
    texts, queries, _, encoder = world
    with retriever_of(texts, encoder) as retriever:
        found.apply(retriever)
        wanted = found.calibration.probabilities[-1] / 2
        least = found.calibration.score_for(wanted)
        hits = retriever.search(queries["q0"], 10, min_score=least)
        assert all(found.calibration.of(hit.score) >= wanted - 1e-6 for hit in hits)


def test_a_file_makes_it_again(found, tmp_path):
    found.save(tmp_path / "tuned.json")
    assert Tuned.load(tmp_path / "tuned.json") == found


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"format": 9}', '{"format": 1}', "\udcff",
     '{"format": 1, "calibration": null, "fusion": {"method": "none"}}'],
)  # fmt: skip
def test_another_file_is_refused(content, tmp_path):
    path = tmp_path / "tuned.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"expected a file of `hybrid tune`.*tuned\.json"):
        Tuned.load(path)


def test_a_file_of_which_a_part_is_missing_is_refused(found, tmp_path):
    path = tmp_path / "tuned.json"
    found.save(path)
    whole = json.loads(path.read_text("utf-8"))
    for part in ("fusion", "bm25", "report", "calibration", "provenance"):
        path.write_text(json.dumps({k: v for k, v in whole.items() if k != part}), "utf-8")
        with pytest.raises(ValueError, match="expected a file of `hybrid tune`"):
            Tuned.load(path)


def bm25_scores(retriever, queries):
    return {
        query: {hit.doc_id: hit.parts["bm25"].score for hit in retriever.search(query, 50)}
        for query in queries
    }


def test_another_formula_is_that_of_a_fresh_index(world, tmp_path):
    texts, queries, _, _ = world
    choice, asked = hybrid.BM25(k1=0.3, b=0.1), list(queries.values())
    some = dict(list(texts.items())[:50])
    with (
        retriever_of(some, None) as changed,
        retriever_of(some, None, bm25=choice) as fresh,
    ):
        before = bm25_scores(changed, asked)
        changed.bm25 = choice
        assert changed.bm25 == choice
        assert bm25_scores(changed, asked) == bm25_scores(fresh, asked) != before
        changed.save(tmp_path / "index")
        with hybrid.Retriever.load(tmp_path / "index") as opened:
            assert bm25_scores(opened, asked) == bm25_scores(fresh, asked)
            opened.bm25 = hybrid.BM25()
            opened.commit()
        with hybrid.Retriever.load(tmp_path / "index") as opened:
            assert opened.bm25 == hybrid.BM25()
            assert bm25_scores(opened, asked) == before
        new = [hybrid.Document(name, texts[name]) for name in list(texts)[50:]]
        for one in (changed, fresh):
            one.add(new)
            one.delete(["d3", "d51"])
        assert bm25_scores(changed, asked) == bm25_scores(fresh, asked)
        with pytest.raises(TypeError, match=r"expected hybrid\.BM25"):
            changed.bm25 = {"k1": 1}


def test_tuning_changes_nothing(world):
    texts, queries, qrels, encoder = world
    with retriever_of(texts, encoder) as retriever:
        before = retriever.run(queries), retriever.fusion, retriever.bm25
        retriever.tune(queries, qrels)
        assert (retriever.run(queries), retriever.fusion, retriever.bm25) == before


def test_words_alone(world):
    texts, queries, qrels, _ = world
    with retriever_of(texts, None) as retriever:
        found = retriever.tune(queries, qrels, "R@5")
        found.apply(retriever)
        assert found.report.curve is None
        assert found.report.certain == 1.0
        if found.report.verdict == "tuned":
            after = evaluate(retriever.run(queries), qrels, ["R@5"])["R@5"]
            assert found.report.fitted == pytest.approx(after, abs=1e-6)


@pytest.mark.parametrize(
    "parts", [("lexical",), ("multivector",), ("dense", "lexical", "multivector")]
)
def test_whatever_the_encoder_makes(parts, world):
    texts, queries, qrels, _ = world
    with retriever_of(texts, Words(*parts)) as retriever:
        found = retriever.tune(queries, qrels, "RR", bm25=False)
        places = {  # ir-measures has an order of its own for equal scores
            query: {name: -float(place) for place, name in enumerate(answer)}
            for query, answer in retriever.run(queries).items()
        }
        default = evaluate(places, qrels, ["RR"])["RR"]
        assert found.report.expected["default"] == pytest.approx(default, abs=1e-6)
        assert set(found.fusion.weights) == {"bm25", *parts}
        assert found.bm25 == hybrid.BM25()


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_scores_without_a_lowest_value(metric, world):
    texts, queries, qrels, encoder = world
    with retriever_of(texts, encoder, dense=hybrid.Dense(metric=metric)) as retriever:
        found = retriever.tune(queries, qrels, bm25=False)
        default = evaluate(retriever.run(queries), qrels, ["nDCG@10"])["nDCG@10"]
        assert found.report.expected["default"] == pytest.approx(default, abs=1e-6)


def test_a_function_as_measure(world, found):
    texts, queries, qrels, encoder = world

    def reciprocal(relevance, ideal):
        places = np.flatnonzero(relevance)
        return 1 / (places[0] + 1) if len(places) else 0.0

    with retriever_of(texts, encoder) as retriever:
        ours = retriever.tune(queries, qrels, reciprocal, bm25=False)
        named = retriever.tune(queries, qrels, "RR", bm25=False)
        assert (ours.fusion, ours.report.expected) == (named.fusion, named.report.expected)
        assert ours.report.measure == "reciprocal"
        with pytest.raises(TypeError, match="by name or a function"):
            retriever.tune(queries, qrels, 3)


def test_questions_that_say_nothing_are_left_out(world):
    texts, queries, qrels, encoder = world
    odd = {**qrels, "unknown": {"d1": 1}, "q0": {"d1": 0, "d2": -2}, "blank": {"d1": 1}}
    with retriever_of(texts, encoder) as retriever:
        asked = {**queries, "blank": "  ", "unjudged": "word"}
        assert retriever.tune(asked, odd, bm25=False).report.questions == QUESTIONS - 1
        for none in ({}, {"q0": {"d1": 0}}, {"other": {"d1": 1}}):
            with pytest.raises(ValueError, match="no query has a text and a relevant document"):
                retriever.tune(queries, none)
        with pytest.raises(TypeError, match=r"expected options of .*, not fold"):
            retriever.tune(queries, qrels, fold=3)
    with (
        hybrid.Retriever.create(encoder=encoder) as empty,
        pytest.raises(ValueError, match="the index is empty"),
    ):
        empty.tune(queries, qrels)


def test_a_sample_of_many_questions(world, monkeypatch):
    texts, queries, qrels, encoder = world
    monkeypatch.setattr(tuning, "MOST", 15)
    told = []
    with retriever_of(texts, encoder) as retriever:
        first, again, other = (
            retriever.tune(
                queries, qrels, seed=seed, bm25=False, progress=lambda *n: told.append(n)
            )
            for seed in (1, 1, 2)
        )
    assert first == again
    assert first.provenance["questions_sha256"] != other.provenance["questions_sha256"]
    assert first.report.questions == 15
    assert told[:15] == [(place, 15) for place in range(1, 16)]


def test_few_questions(world):
    texts, queries, qrels, encoder = world
    with retriever_of(texts, encoder) as retriever:
        found = retriever.tune(queries, dict(list(qrels.items())[:4]))
        assert (found.report.verdict, found.fusion) == ("default", retriever.fusion)
        assert found.report.gains == ()
        assert found.calibration is None
        assert "the default, which nothing beats" in str(found)


def test_weights_for_each_question(world, found, tmp_path):
    texts, queries, qrels, encoder = world
    groups = {name: number // 2 for number, name in enumerate(queries)}
    with retriever_of(texts, encoder) as retriever:
        adapted = retriever.tune(queries, qrels, adaptive=True, groups=groups, bm25=False)
        names = [gain.name for gain in adapted.report.gains]
        assert "adaptive" not in adapted.report.expected or "adaptive less tuned" in names
        shape = 2 * 6 + 1 + 2
        method = Adaptive(
            "zscore",
            {"bm25": 0.5, "dense": 0.5},
            ({"bm25": 1.0, "dense": 0.0}, {"bm25": 0.0, "dense": 1.0}),
            [0.0] * shape, [1.0] * shape, [0.0, 1.0], [[0.0, 0.0]] * shape,
        )  # fmt: skip
        retriever.fusion = method
        asked = retriever.run(queries)
        retriever.save(tmp_path / "index")
        retriever.fusion = hybrid.Weighted({"bm25": 0, "dense": 1})
        assert retriever.run(queries) == asked
    with hybrid.Retriever.load(tmp_path / "index", encoder=encoder) as opened:
        assert opened.fusion == method
        assert opened.run(queries) == asked
