"""Other engines get what ours has, and each finds what it should; absent ones are skipped."""

import json
import sys
from functools import partial

import numpy as np
import pytest

import hybrid
from bench.peers import __main__ as command
from bench.peers import entrants, lancedb, versions
from bench.peers.answering import answers
from bench.peers.content import of_retriever
from bench.peers.entrants import PEERS
from bench.peers.recipe import Nearest, Recipe, Words
from hybrid.benchmark.running import Answered, Plan, measure
from indexes import Candidates
from indexes.terms import TermBatch
from tests import oracles

TEXTS = {
    "cats": "Cats purr. Cats sleep.",
    "dogs": "Dogs bark at cats.",
    "birds": "Birds sing songs in trees.",
    "fish": "Fish swim in C++ seas, don't they?",
    "cows": "Cows eat grass. Müller's cows, too.",
    "bees": "Bees make honey from flowers.",
    "ants": "Ants carry leaves along roads.",
    "owls": "Owls hunt mice at night.",
    "blank": "...",
}
QUERIES = {
    "q0": "sleeping cats",
    "q1": "do birds sing",
    "q2": "müller",
    "q3": "honey bee",
    "q4": " ",
}
BEST = {"q0": "cats", "q1": "birds", "q2": "cows", "q3": "bees"}
AXES = dict(zip(TEXTS, np.eye(9, 12, dtype=np.float32), strict=True))


def encoder():
    """Return an encoder whose questions lie close to their best document, then to ants."""
    near = {
        QUERIES[query]: 3 * AXES[best] + 0.3 * AXES["ants"] + np.float32(0.01)
        for query, best in BEST.items()
    }
    documents = {text: 2 * AXES[name] for name, text in TEXTS.items()}
    return hybrid.Precomputed(documents, near, "made up")


@pytest.fixture
def retriever():
    """Return an index with a history: one document came twice, another went."""
    with hybrid.Retriever.create(encoder=encoder(), analyzer="english") as made:
        made.add([hybrid.Document("gone", TEXTS["owls"]), hybrid.Document("cats", TEXTS["bees"])])
        made.add(hybrid.Document(name, text) for name, text in TEXTS.items())
        made.delete(["gone"])
        yield made


def ask(name, retriever, queries=QUERIES, k=4):
    """Return what a peer answers, by the names of its engines; skip when it is not installed."""
    absent = set(PEERS[name].needed) - set(versions(PEERS[name].needed))
    if absent:
        pytest.skip(f"{', '.join(sorted(absent))} not installed")
    return {answered.name: answered for answered in answers(retriever, queries, k, [name])}


def test_others_get_the_terms_and_vectors_that_ours_has(retriever):
    chunks, asking = of_retriever(retriever)
    names = [chunks.owners.names[number] for number in chunks.owners.numbers]
    assert sorted(names) == sorted(TEXTS)
    lists = dict(zip(names, chunks.terms.lists(), strict=True))
    assert lists["birds"] == ["bird", "sing", "song", "in", "tree"]
    assert lists["blank"] == []
    vectors = dict(zip(names, chunks.vectors, strict=True))
    assert all((vectors[name] == AXES[name]).all() for name in TEXTS)  # of length 1
    assert chunks.embedded.all()
    with_vectors, without = (asking.questions(["honey bee"], vectors=v)[0] for v in (True, False))
    assert with_vectors.terms == without.terms == ["honey", "bee"]
    assert with_vectors.vector.argmax() == list(TEXTS).index("bees")
    assert without.vector is None


def test_a_retriever_without_an_encoder_has_terms_only(capsys):
    with hybrid.Retriever.create(encoder=None) as made:
        made.add([hybrid.Document("a", "cats")])
        chunks, asking = of_retriever(made)
        assert chunks.vectors.shape == (1, 0)
        assert not chunks.embedded.any()
        assert asking.questions(["cats"], vectors=True)[0].vector is None
        installed = dict.fromkeys(PEERS["langchain"].needed, "1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(entrants, "versions", lambda names: installed)
            assert not [*answers(made, {"q": "cats"}, names=["langchain"])]
    assert "langchain is left out: the retriever has no dense vectors" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["bm25s", "rank-bm25", "tantivy"])
def test_engines_of_words_find_what_has_the_words(name, retriever):
    (answered,) = ask(name, retriever).values()
    assert isinstance(answered, Answered)
    assert {query: next(iter(answered.run[query])) for query in BEST} == BEST
    assert list(answered.run["q0"]) == ["cats", "dogs"]  # and no others
    assert "q4" not in answered.run
    assert answered.settings["same as ours"] == "terms"
    assert answered.latency.p50_ms > 0


def test_bm25s_has_the_scores_of_ours(retriever):
    run = ask("bm25s", retriever)["bm25s"].run
    lists = dict(zip(TEXTS, retriever.analyzer.batch(list(TEXTS.values())).lists(), strict=True))
    for query in BEST:
        asked = retriever.analyzer.query_terms(QUERIES[query])
        expected = oracles.bm25(list(TEXTS), list(lists.values()), asked)
        assert run[query] == pytest.approx({n: s for n, s in expected.items() if s > 0}, rel=1e-5)


@pytest.mark.parametrize("name", ["lancedb", "recipe", "langchain"])
def test_engines_of_hybrid_search_fuse_words_and_vectors(name, retriever):
    found = ask(name, retriever, k=9)
    depths = {"recipe": [100]}.get(name, [10, 9])
    assert list(found) == [f"{name}-{depth}" for depth in depths]
    for answered in found.values():
        assert {query: next(iter(answered.run[query])) for query in BEST} == BEST
        # first of both lists; second of the words; second of the vectors, which list all
        assert next(iter(answered.run["q0"].values())) == pytest.approx(2 / 61)
        assert answered.run["q0"]["ants"] == pytest.approx(1 / 62)
        assert answered.run["q0"]["dogs"] > answered.run["q0"]["ants"]
        assert set(answered.run["q2"]) == set(TEXTS)  # no word in common, but vectors
        assert "q4" not in answered.run
        assert answered.settings["same as ours"] == "terms, vectors"


@pytest.mark.parametrize("name", ["lancedb", "recipe", "langchain"])
def test_a_question_without_words_is_put_to_the_vectors(name, retriever):
    retriever._search().indexes.encoder._queries["?"] = AXES["owls"]
    for answered in ask(name, retriever, {"q": "?"}).values():
        assert next(iter(answered.run["q"])) == "owls"


def test_lancedb_is_put_a_question_without_a_vector(tmp_path):
    pytest.importorskip("lancedb")
    layout, vectors = lancedb.Layout(graph=False, analysed=True), np.eye(2, dtype=np.float32)
    texts = ["C++ the Cats", "dog"]
    table = lancedb.Lance(texts, vectors, layout, tmp_path)
    for asked, rows in (("C++", [0]), ("the", [0]), ("Cats", [0]), ("cat", []), ("dog", [1])):
        found = lancedb.read(table.search(asked, None, 5, "row"))
        assert found.rows.tolist() == rows
        assert found.scores.tolist() == pytest.approx([1 / 61] * len(rows))
    with pytest.raises(ValueError, match=r"expected 1 rows in .*, not 2 and 2"):
        lancedb.Lance(texts[:1], vectors[:1], layout, tmp_path)


def test_depth_is_what_an_engine_is_asked_for(retriever, monkeypatch):
    monkeypatch.setattr(entrants, "HITS", 2)
    found = ask("lancedb", retriever, k=3)
    assert {name: len(answered.run["q0"]) for name, answered in found.items()} == {
        "lancedb-2": 2,
        "lancedb-3": 3,
    }


@pytest.mark.parametrize("name", ["lancedb", "recipe", "langchain"])
def test_chunks_without_a_vector_are_found_by_words_alone(name):
    with hybrid.Retriever.create(encoder="lsa", analyzer="english") as made:
        made.add(hybrid.Document(doc_id, text) for doc_id, text in TEXTS.items())
        chunks, _ = of_retriever(made)
        assert chunks.embedded.sum() == len(TEXTS) - 1  # LSA knows no vector of no words
        for answered in ask(name, made, {"q": "purring cats"}, k=9).values():
            assert next(iter(answered.run["q"])) == "cats"
            assert "blank" not in answered.run["q"]


def test_long_documents_score_as_their_best_chunk():
    words = ["cat", "dog", "bird", "fish", "cow", "bee", "ant", "owl"]
    text = "\n\n".join(f"{word} " * 40 for word in words)
    with hybrid.Retriever.create(
        encoder=None, analyzer="english", chunker=hybrid.Chunker(size=200)
    ) as made:
        made.add([hybrid.Document("long", text), hybrid.Document("short", "one owl")])
        made.add(hybrid.Document(f"d{number}", "other things") for number in range(5))
        lists = of_retriever(made)[0].terms.lists()
        assert len(made) == len(lists) > 10
        (answered,) = ask("bm25s", made, {"q": "owl"}, k=2).values()
    scores = oracles.bm25(range(len(lists)), lists, ["owl"])
    best = max(score for row, score in scores.items() if lists[row] != ["one", "owl"])
    short = scores[lists.index(["one", "owl"])]
    assert answered.run["q"] == pytest.approx({"long": best, "short": short}, rel=1e-5)


def test_an_engine_that_is_absent_or_too_slow_is_named(retriever, monkeypatch, capsys):
    monkeypatch.setattr(entrants, "versions", lambda names: {"rank-bm25": "1", "faiss-cpu": "1"})
    monkeypatch.setattr(entrants, "LOOPED", 10)
    slow = {"rank-bm25": entrants.Entrant(PEERS["rank-bm25"].build, ("rank-bm25",), False, 10)}
    monkeypatch.setitem(PEERS, "rank-bm25", slow["rank-bm25"])
    assert not [*answers(retriever, QUERIES, names=["tantivy", "rank-bm25"])]
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "tantivy is left out: not installed: pip install tantivy",
        "rank-bm25 is left out: 9 chunks and 5 questions would take it too long",
    ]


def test_an_unknown_peer_is_refused(retriever):
    with pytest.raises(ValueError, match=r"expected peers of bm25s, .*, not lucene"):
        next(answers(retriever, QUERIES, names=["lucene"]))


def test_an_engine_that_answers_nothing_is_not_measured(retriever, monkeypatch):
    engine = entrants.Engine(lambda question, k: None, lambda found: Candidates.none(), "nothing")
    mute = entrants.Entrant(lambda chunks, folder, k: {"mute": engine}, (), by_vectors=False)
    monkeypatch.setitem(PEERS, "mute", mute)
    with pytest.raises(RuntimeError, match="mute: expected answers, but no question has one"):
        next(answers(retriever, QUERIES, names=["mute"]))


class Listed:
    """Words that find the same rows for everything."""

    def search(self, terms, k):
        return [3, 1, 2][:k]

    def read(self, found):
        return Candidates(np.array(found), np.ones(len(found), np.float32))


def test_the_recipe_adds_up_reciprocal_ranks():
    pytest.importorskip("faiss")
    nearest = Nearest(np.eye(3, dtype=np.float32), graph=False, rows=np.array([1, 7, 9]))
    recipe = Recipe(Listed(), nearest, depth=2)
    vector = np.array([0.5, 1, 0.1], np.float32)
    found = recipe.search(["a"], vector, 10)
    assert [row for row, _ in found] == [1, 3, 7]  # 3 and 7 tie, and words come first
    assert [score for _, score in found] == [1 / 62 + 1 / 62, 1 / 61, 1 / 61]
    assert recipe.search(["a"], None, 1) == [(3, 1 / 61)]


def test_kept_vectors_must_be_as_many(tmp_path):
    pytest.importorskip("faiss")
    vectors = np.eye(4, dtype=np.float32)
    kept = tmp_path / "kept.faiss"
    assert Nearest(vectors, graph=True, kept=kept).search(vectors[2], 1) == [2]
    assert Nearest(vectors, graph=True, kept=kept).search(vectors[1], 1) == [1]
    with pytest.raises(ValueError, match=r"expected 3 vectors in .*, not 4"):
        Nearest(vectors[:3], graph=True, kept=kept)


def test_engines_are_not_asked_for_unknown_words(tmp_path):
    class Known:
        def build(self, content, folder):
            pass

        def search(self, query, k):
            return query

        def tune(self, queries, k, exact):
            self.tuned = queries

    peer = Known()
    words = Words(peer, TermBatch.of([["cat"], ["dog", "cat"]]), tmp_path)
    assert words.search(["bird", "cat", "cat"], 3) == ["cat", "cat"]
    assert words.search(["bird"], 3) is None
    assert not len(words.read(None))
    words.tune([["bird"], ["dog", "bird"]], 3)
    assert peer.tuned == [["dog"]]


def test_answers_stand_beside_ours_in_a_benchmark(retriever, tmp_path):
    pytest.importorskip("bm25s")
    folder = written(tmp_path)
    collection = command.open_collection(str(folder))
    plan = Plan(fusions=("rrf",), depth=5, more=partial(answers, k=5, names=["bm25s"]))
    result = measure(collection, retriever, None, plan)
    assert [way.name for way in result.ways if way.kind == "peer"] == ["bm25s"]
    assert result.way("bm25s").mean("nDCG@10") == result.way("bm25").mean("nDCG@10") == 1


def written(place):
    """Write the texts as a collection."""
    folder = place / "small"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": name, "title": "", "text": text} for name, text in TEXTS.items()]
    queries = [{"_id": name, "text": QUERIES[name]} for name in BEST]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")
    judged = "".join(f"{query}\t{best}\t1\n" for query, best in BEST.items())
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", "utf-8")
    return folder


def test_the_command_prints_ours_and_theirs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("bm25s")
    folder, asked = written(tmp_path), ["q0", "q1", "q2"]
    vectors = np.stack([AXES[BEST[query]] for query in asked])
    arrays = {"D": np.stack(list(AXES.values())), "Q": vectors}
    names = {"ids": np.array(list(TEXTS)), "qids": np.array(asked)}
    np.savez(tmp_path / "small.npz", **arrays, **names)
    out = tmp_path / "out.jsonl"
    monkeypatch.setattr(command, "one_thread", lambda module: None)
    options = ["--vectors", str(tmp_path), "--peers", "bm25s", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["peers", str(folder), *options])
    command.main()
    records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {record["way"] for record in records} == {"bm25", "dense", "rrf", "default", "bm25s"}
    assert {record["nDCG@10"] for record in records} == {1.0}
    assert {record["queries"] for record in records} == {3}
    assert "| small | 9 | 3 | bm25s | 1.000 | 1.000 |" in capsys.readouterr().out
