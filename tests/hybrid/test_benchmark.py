"""The benchmark: its runs are those of the retriever, its measures those of ir-measures."""

import json
import random
import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybrid
from bench import recall
from fusion import METHODS, Arm, top_k
from hybrid.benchmark import timing
from hybrid.benchmark.collection import Collection, open_collection, sha256_of
from hybrid.benchmark.passing import Owners, ann_recall, answers, runs
from hybrid.benchmark.rankings import Rankings, sha256_of_run, unambiguous, write_trec
from hybrid.benchmark.remembered import Noted, remembering
from hybrid.benchmark.results import Latency
from hybrid.benchmark.running import MEASURES, Answered, Plan, measure
from hybrid.chunking import Chunker
from hybrid.documents import Document, ReadReport
from hybrid.errors import MissingDependency
from indexes.candidates import Candidates, top
from tests.hybrid.conftest import letters
from tests.hybrid.test_multivector import ALL

WORDS = ["cat", "dog", "purr", "bark", "kitten", "hound", "scent", "wood", "friend", "tail"]
QUERIES = {"q1": "cats purr", "q2": "a dog barks at the tail", "q3": "xyzzy", "q4": " "}
DEPTHS = [1, 7, 400]


def documents(count=330, seed=1):
    """Texts of some words: a third of them several chunks long, and some equal ones, which tie."""
    made = random.Random(seed)
    texts = [" ".join(made.choices(WORDS, k=made.choice([4, 8, 60]))) for _ in range(count)]
    return [Document(f"d{n:03}", texts[n % (count - 20)]) for n in range(count)]


def retriever_of(encoder, docs=None, path=None):
    made = hybrid.Retriever.create(path, encoder=encoder, chunker=Chunker(size=120), cache=False)
    made.add(documents() if docs is None else docs)
    if path is not None:
        made.commit()
    return made


@pytest.fixture(scope="module", params=["two indexes", "four indexes"])
def many(request):
    """A retriever of more chunks than late interaction is asked to score."""
    simple = hybrid.FunctionEncoder(letters, "letters", 27)
    with retriever_of(simple if request.param == "two indexes" else ALL) as made:
        assert len(made) > 400
        yield made


def plain(answer, names):
    numbers, scores = answer
    return list(zip([names[n] for n in numbers], scores.tolist(), strict=True))


def asked_of(retriever, queries=QUERIES):
    indexes = retriever._search().indexes
    return dict(zip(queries, indexes.arms(list(queries.values())), strict=True))


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_fusion_has_the_bits_of_the_retriever(many, depth):
    owners, methods = Owners.of(many._search().store), {"default": many.fusion, **METHODS}
    found = {q: answers(a, methods, owners, depth) for q, a in asked_of(many).items()}
    assert found["q4"] == {}  # a blank question is put to no index
    for name, method in methods.items():
        many.fusion = method
        expected = many.run(QUERIES, k=depth)
        for query in ("q1", "q2", "q3"):
            answer = plain(found[query][name], owners.names)
            assert answer == list(expected[query].items()), (name, query)
    many.fusion = methods["default"]


@pytest.mark.parametrize("depth", DEPTHS)
def test_an_index_alone_is_its_list_by_the_best_chunk(many, depth):
    store = many._search().store
    owners = Owners.of(store)
    for arms in asked_of(many).values():
        found = answers(arms, {}, owners, depth)
        assert list(found) == list(arms)
        for name, arm in arms.items():
            complete, best = arm.index.search(arm.query, len(many)), {}
            names = store.doc_ids(complete.rows.tolist())
            for document, score in zip(names, complete.scores.tolist(), strict=True):
                best.setdefault(document, score)
            assert plain(found[name], owners.names) == list(best.items())[:depth]


class Counting:
    """An index that notes what it is asked."""

    def __init__(self, index):
        self._index, self.asked = index, []

    def __getattr__(self, name):
        return getattr(self._index, name)

    def __len__(self):
        return len(self._index)

    def search(self, query, depth, allowed=None):
        self.asked.append(("search", depth))
        return self._index.search(query, depth, allowed)

    def score(self, query, rows):
        self.asked += [("score", row) for row in rows.tolist()]
        return self._index.score(query, rows)

    def ranks(self, query, rows, allowed=None):
        self.asked += [("rank", row) for row in rows.tolist()]
        return self._index.ranks(query, rows, allowed)


def test_an_index_is_asked_nothing_twice(many):
    arms = {
        name: Arm(Counting(arm.index), arm.query, arm.rescores)
        for name, arm in asked_of(many)["q2"].items()
    }
    answers(arms, dict(METHODS), Owners.of(many._search().store), 50)
    for arm in arms.values():
        depths = [depth for what, depth in arm.index.asked if what == "search"]
        assert depths == sorted(set(depths))
        assert len(set(arm.index.asked)) == len(arm.index.asked)
    assert ("search", 1000) in arms["bm25"].index.asked


def test_an_index_whose_list_has_ended_is_not_searched_again(many):
    counting = Counting(asked_of(many)["q1"]["bm25"].index)
    query = asked_of(many)["q1"]["bm25"].query
    remembered = Noted(counting, query)
    complete = remembered.search(query, len(many))
    assert 0 < len(complete) < len(many)
    remembered.search(query, 10 * len(many))
    assert counting.asked == [("search", len(many))]


def test_memory_is_of_one_query_without_a_filter(many):
    arms, others = asked_of(many)["q1"], asked_of(many)["q2"]
    allowed = np.zeros(200, np.bool_)
    allowed[::3] = True
    rows = np.array([5, 3, 5, 9], np.int64)
    for name, arm in remembering(arms).items():
        real, other = arms[name].index, others[name].query
        for query in (arm.query, other, arm.query):
            for mask in (None, allowed, None):
                for depth in (5, 3, 9):
                    found, expected = (i.search(query, depth, mask) for i in (arm.index, real))
                    np.testing.assert_array_equal(found.rows, expected.rows)
                    np.testing.assert_array_equal(found.scores, expected.scores)
                ranks = [index.ranks(query, rows, mask).tolist() for index in (arm.index, real)]
                assert ranks[0] == ranks[1]
            scores = [index.score(query, rows).tolist() for index in (arm.index, real)]
            assert scores[0] == scores[1]
            assert arm.index.statistics(query) == real.statistics(query)
            assert arm.index.unranked(query) == real.unranked(query)
        found = arm.index.search_many([arm.query, other], 4)
        assert [c.rows.tolist() for c in found] == [
            real.search(query, 4).rows.tolist() for query in (arm.query, other)
        ]
        assert (len(arm.index), arm.index.exact) == (len(real), real.exact)
        assert arm.index.scans == real.scans


falling = st.lists(
    st.floats(-1e30, 1e30, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-12]),
    max_size=40,
).map(lambda values: np.sort(np.array(values, np.float64))[::-1])


@given(falling)
def test_scores_fall_and_hardly_change(scores):
    found = unambiguous(scores)
    assert found.dtype == np.float32
    assert (np.diff(found) < 0).all()
    plainly, last = [], np.float32(np.inf)
    for score in scores:
        last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
        plainly.append(last)
    np.testing.assert_array_equal(found, np.array(plainly, np.float32))


def test_a_run_from_elsewhere_is_put_in_order():
    run = Rankings.of({"q2": {"a": 1.0, "b": 2.0, "c": 1.0}, "q1": {}})
    assert list(run) == ["q2", "q1"]
    assert list(run["q2"]) == ["b", "a", "c"]
    assert run["q2"]["a"] == 1.0 > run["q2"]["c"] > 0.999999
    assert len(run) == 2
    assert run["q1"] == {}
    with pytest.raises(ValueError, match="finite scores for query 'q1'"):
        Rankings.of({"q1": {"a": float("nan")}})


def test_the_hash_of_a_run_sees_order_scores_and_names():
    base = {"q1": {"a": 2.0, "b": 1.0}, "q2": {}}
    others = [
        {"q1": {"b": 1.0, "a": 2.0}, "q2": {}},
        {"q1": {"a": 2.0, "b": 1.0000001}, "q2": {}},
        {"q1": {"a": 2.0, "c": 1.0}, "q2": {}},
        {"q1": {"a": 2.0}, "q2": {"b": 1.0}},
    ]
    hashes = {sha256_of_run(run, ["q1", "q2"]) for run in [base, *others]}
    assert len(hashes) == 5
    assert sha256_of_run({"q1": base["q1"]}, ["q1", "q2"]) == sha256_of_run(base, ["q1", "q2"])


def test_a_trec_file_cannot_hold_blanks(tmp_path):
    with pytest.raises(ValueError, match="ids without blanks in a TREC run, not 'a b'"):
        write_trec({"q": {"a b": 1.0}}, ["q"], tmp_path / "x.trec")


class Half:
    """An approximate index: it finds every second of the best rows."""

    exact, scans, dimension = False, True, 27

    def __init__(self, index):
        self.whole = index

    def search(self, query, depth, allowed=None):
        found = self.whole.search(query, 2 * depth)
        return Candidates(found.rows[::2], found.scores[::2])

    def __getattr__(self, name):
        return getattr(self.whole, name)


def test_ann_recall_is_held_against_all_scores(many):
    indexes, rows = many._search().indexes, Owners.of(many._search().store).rows
    assert ann_recall(indexes, list(QUERIES.values()), rows, (10, 100)) == {}
    exact, indexes.dense = indexes.dense, Half(indexes.dense)
    try:
        found = ann_recall(indexes, [QUERIES["q1"], " ", QUERIES["q2"]], rows, (10, 100))
    finally:
        indexes.dense = exact
    shares = {10: [], 100: []}
    for query in ("q1", "q2"):
        arm = asked_of(many)[query]["dense"]
        order = top(rows, exact.score(arm.query, rows), 1000).rows.tolist()
        for cutoff, parts in shares.items():
            parts.append(len(set(order[::2][:cutoff]) & set(order[:cutoff])) / cutoff)
    assert found == {"dense": {k: pytest.approx(np.mean(v)) for k, v in shares.items()}}
    assert found["dense"][10] == 0.5


def test_latency_of_a_clock_that_is_known(monkeypatch):
    ticks = iter(np.repeat(np.arange(1, 101) * 2_000_000, 2).cumsum().tolist())
    monkeypatch.setattr(timing.time, "perf_counter_ns", lambda: next(ticks))
    asked = []
    found = timing.latency(asked.append, [str(n) for n in range(100)])
    taken = np.arange(1, 101) * 2.0
    assert asked == [*map(str, range(20)), *map(str, range(100))]
    assert (found.p50_ms, found.p95_ms) == tuple(np.percentile(taken, (50, 95)))
    assert found.p99_ms == pytest.approx(np.percentile(taken, 99))
    assert found.per_second == pytest.approx(1000 / taken.mean())


def test_questions_are_encoded_anew_when_they_are_timed():
    encoded = []

    def counting(texts):
        encoded.extend(texts)
        return letters(texts)

    with retriever_of(hybrid.FunctionEncoder(counting, "letters", 27), documents(30)) as made:
        made.search("cats")
        encoded.clear()
        timed = timing.latencies(made._search(), {"default": made.fusion}, ["cats", "dogs"])
        assert encoded == ["cats", "dogs"] * 4  # by "dense" and "default", warming up and timed
        made.search("cats")
        assert len(encoded) == 8  # the retriever itself still remembers
    assert list(timed) == ["bm25", "dense", "default"]
    assert all(isinstance(one, Latency) and 0 < one.p50_ms <= one.p99_ms for one in timed.values())


def test_a_sample_is_drawn_by_the_seed_in_order():
    questions = [f"{n:03}" for n in range(500)]
    drawn = timing.sample(questions, 7)
    assert drawn == timing.sample(questions, 7) == sorted(set(drawn))
    assert len(drawn) == 200
    assert drawn != timing.sample(questions, 8)
    assert timing.sample(questions[:5], 7) == questions[:5]


def collection_of(docs, queries=QUERIES):
    qrels = {q: {f"d{n:03}": n % 3 for n in range(5 * i, 5 * i + 9)} for i, q in enumerate(queries)}
    return Collection("made", "made", queries, qrels, lambda report: iter(docs), {})


def test_results_are_complete_and_of_ir_measures(many, tmp_path):
    import ir_measures

    collection = collection_of(documents())
    other = Answered("other", {"q1": {"d001": 1.0, "d002": 1.0}}, None, {"k": 1})
    result = measure(collection, many, 1.5, Plan(timed=False, more=lambda *_: [other]))
    names = many._search().indexes.names()
    assert [way.name for way in result.ways] == [*names, "default", *METHODS, "other"]
    kinds = [way.kind for way in result.ways]
    assert kinds == ["index"] * len(names) + ["fusion"] * (len(METHODS) + 1) + ["peer"]
    for way in result.ways:
        assert tuple(way.measures) == MEASURES
        expected = hybrid.evaluate(way.run, collection.qrels, MEASURES)
        assert {name: way.mean(name) for name in MEASURES} == pytest.approx(expected)
        path = tmp_path / f"{way.name}.trec"
        write_trec(way.run, result.queries, path)
        read = {}
        for scored in ir_measures.read_trec_run(str(path)):
            read.setdefault(scored.query_id, {})[scored.doc_id] = scored.score
        assert hybrid.evaluate(read, collection.qrels, MEASURES) == expected
        assert way.measures["AP"][list(QUERIES).index("q4")] == 0  # nobody is asked a blank
    assert result.way("bm25").mean("R@1000") > 0
    assert result.way("other").measures["Success@1"].tolist() == [1, 0, 0, 0]
    assert (result.size.documents, result.size.build_s) == (330, 1.5)
    assert result.size.peak_bytes > 10_000_000


def test_one_index_has_no_fusions_but_the_default():
    with retriever_of(None, documents(30)) as made:
        result = measure(collection_of(documents(30)), made, None, Plan(timed=False))
    assert [way.name for way in result.ways] == ["bm25", "default"]
    assert result.encoder == "none"
    assert list(result.way("default").run["q1"]) == list(result.way("bm25").run["q1"])


def test_runs_name_documents_by_row():
    with retriever_of(None, documents(30)) as made:
        made.delete(["d003"])
        made.add([Document("new", "cat cat cat cat")])
        owners = Owners.of(made._search().store)
        found = runs(asked_of(made).items(), {}, owners, 1000)["bm25"]
        assert "d003" not in owners.names
        assert list(found) == ["q1", "q2", "q3"]
        assert list(found["q1"]) == list(made.run({"q1": "cats purr"}, 1000)["q1"])


@pytest.fixture
def beir(tmp_path):
    """Write a tiny collection in BEIR layout."""
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": d.doc_id, "title": "", "text": d.text} for d in documents(60)]
    asked = [{"_id": "q1", "text": "cat purr"}, {"_id": "q2", "text": "dog"}]
    for name, rows in (("corpus", corpus), ("queries", asked)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
    judged = "query-id\tcorpus-id\tscore\nq1\td001\t1\nq1\td002\t2\nq9\td001\t1\n"
    (folder / "qrels" / "test.tsv").write_text(judged, "utf-8")
    return folder


def test_a_folder_in_beir_layout(beir):
    found = open_collection(str(beir))
    assert found.queries == {"q1": "cat purr"}
    assert found.qrels == {"q1": {"d001": 1, "d002": 2}}
    assert found.without_text == 1
    assert found.index is None
    assert list(found.documents(ReadReport())) == documents(60)
    assert found.hashes == {
        "corpus": sha256_of(beir / "corpus.jsonl"),
        "queries": sha256_of(beir / "queries.jsonl"),
        "qrels": sha256_of(beir / "qrels" / "test.tsv"),
    }


def test_an_index_needs_questions_and_judgements(beir, tmp_path):
    retriever_of(None, documents(30), tmp_path / "index").close()
    with pytest.raises(ValueError, match="expected --queries and --qrels with"):
        open_collection(str(tmp_path / "index"))
    (tmp_path / "q.tsv").write_text("q1\tcat\tpurr\n", "utf-8")
    (tmp_path / "r.txt").write_text("q1 0 d001 1\n", "utf-8")
    files = {"queries": tmp_path / "q.tsv", "qrels": tmp_path / "r.txt"}
    found = open_collection(str(tmp_path / "index"), **files)
    assert found.queries == {"q1": "cat\tpurr"}
    assert found.index == tmp_path / "index"
    assert set(found.hashes) == {"index", "queries", "qrels"}
    with pytest.raises(FileNotFoundError, match="found nothing"):
        open_collection(str(tmp_path / "nowhere"))
    (tmp_path / "r.txt").write_text("q7 0 d001 1\n", "utf-8")
    with pytest.raises(ValueError, match="none of the 1 questions is among the 1"):
        open_collection(str(tmp_path / "index"), **files)


def test_a_folder_of_files_has_a_hash_of_names_and_contents(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    first = sha256_of(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    second = sha256_of(tmp_path)
    (tmp_path / "b.txt").write_text("b")
    assert len({first, second, sha256_of(tmp_path)}) == 3


class Record(types.SimpleNamespace):
    def default_text(self):
        return f"{self.text} and all"


class Dataset:
    text = "dog"

    def docs_iter(self):
        yield types.SimpleNamespace(doc_id="1", title="T", text="cat")
        yield types.SimpleNamespace(doc_id="2", title=None, text=self.text)
        yield Record(doc_id="3", text=None)

    def queries_iter(self):
        yield types.SimpleNamespace(query_id="q1", text="cat")
        yield Record(query_id="q2", text="dog")

    def qrels_iter(self):
        yield types.SimpleNamespace(query_id="q1", doc_id="1", relevance=1)
        yield types.SimpleNamespace(query_id="q2", doc_id="2", relevance=2)


def test_a_collection_of_ir_datasets(monkeypatch):
    library = types.ModuleType("ir_datasets")
    library.load = {"some/name": Dataset()}.__getitem__
    monkeypatch.setitem(sys.modules, "ir_datasets", library)
    found = open_collection("irds:some/name")
    assert (found.name, found.source) == ("some/name", "irds:some/name")
    texts = [(d.doc_id, d.title, d.text) for d in found.documents(ReadReport())]
    assert texts == [("1", "T", "cat"), ("2", "", "dog"), ("3", "", "None and all")]
    assert found.queries == {"q1": "cat", "q2": "dog and all"}
    assert found.qrels == {"q1": {"1": 1}, "q2": {"2": 2}}
    before = found.hashes
    monkeypatch.setattr(Dataset, "text", "hound")
    after = open_collection("irds:some/name").hashes
    assert after["corpus"] != before["corpus"]
    assert {**after, "corpus": ""} == {**before, "corpus": ""}
    with pytest.raises(ValueError, match="id of a collection of ir_datasets, not 'other'"):
        open_collection("irds:other")


def test_ir_datasets_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(MissingDependency, match=r"ir-datasets.*hybrid-retrieval\[bench\]"):
        open_collection("irds:some/name")


def test_the_table_over_collections(beir, monkeypatch, capsys, tmp_path):
    out = tmp_path / "out.jsonl"
    monkeypatch.setattr(sys, "argv", ["recall", str(beir), str(beir), "--whole"])
    recall.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| collection | chunks | queries | BM25 | lsa | RRF k=60 | default |"
    assert lines[2].startswith("| tiny | 60 | 1 | ")
    assert lines[3] == lines[2]
    assert lines[4].split("|")[4:] == lines[2].split("|")[4:]  # the mean of twice the same
    monkeypatch.setattr(sys, "argv", ["recall", str(beir), "--encoder", "none", "--json", str(out)])
    recall.main()
    found = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [one["method"] for one in found] == ["bm25", "default"]
    assert lines[2].split("|")[4].strip().startswith(f"{found[0]['nDCG@10']:.3f} / ")


def test_oracle_top_k_is_what_is_remembered(many):
    """The proxy serves `top_k` as an index does, also when it is asked in another order."""
    for query, arms in asked_of(many).items():
        kept = remembering(arms)
        for k in (30, 2, 80):
            for method in METHODS.values():
                if arms:
                    found, expected = top_k(kept, method, k), top_k(arms, method, k)
                    assert found.rows.tolist() == expected.rows.tolist(), query
                    assert found.scores.tolist() == expected.scores.tolist(), query
                    assert found.certificate.exact == expected.certificate.exact
