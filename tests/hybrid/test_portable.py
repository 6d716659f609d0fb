"""An exported index comes back with every bit, and a broken file leaves nothing behind."""

import json

import numpy as np
import pytest

import hybrid
from hybrid import BM25, Dense, Document, IndexFormatError, MissingDependency
from hybrid.exporting import export
from hybrid.importing import import_index
from hybrid.portable import FORMAT
from tests.hybrid.conftest import TEXTS, letters
from tests.hybrid.test_multivector import ALL, Words

QUESTIONS = ["why do cats purr", "dogs and strangers", "猫咪", "warm afternoon", "unheard", "n17"]


def never(*_):
    raise AssertionError("an encoder was called")


def grown(**choices):
    """Return an index with a history."""
    texts = [f"{text} {TEXTS[(n * 3) % 8]} n{n}" for n, text in enumerate(TEXTS * 4)]
    made = hybrid.Retriever.from_texts(
        texts, titles=[f"title {n % 3}" * (n % 2) for n in range(32)], **choices
    )
    made.add([Document("e", ""), Document("m", "cats " * 30, "", {"a": [1, None, {"b": "é"}]})])
    made.delete([str(n) for n in range(0, 32, 3)])
    made.add([Document("1", "Dogs bark, and cats purr.", "new", {"n": 1.5}, "markdown")])
    return made


def answers(retriever):
    return [
        [
            (
                *(hit.chunk_id, hit.score.hex(), hit.text, hit.start, hit.title, hit.metadata),
                *(part.score.hex() for part in hit.parts.values()),
            )
            for hit in retriever.search(question, k=40)
        ]
        for question in QUESTIONS
    ]


def function(storage, metric):
    return {
        "encoder": hybrid.FunctionEncoder(letters, "letters", 27),
        "dense": Dense(storage=storage, metric=metric),
    }


KINDS = {
    "words": {"encoder": None, "bm25": BM25(k1=0.9, method="bm25+")},
    "lsa": {"encoder": "lsa", "chunker": hybrid.Chunker(80)},
    "cosine": function("float32", "cosine"),
    "bytes": function("int8", "cosine"),
    "half": function("float16", "l2"),
    "ip": function("float32", "ip"),
    "all": {"encoder": ALL},
    "sparse": {"encoder": Words("lexical")},
}


@pytest.fixture(params=[".jsonl", ".parquet"])
def suffix(request):
    if request.param == ".parquet":
        pytest.importorskip("pyarrow")
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_as_the_exported_one(kind, suffix, tmp_path):
    choices = KINDS[kind]
    encoder = choices["encoder"]
    with grown(**choices) as retriever:
        done = export(retriever, tmp_path / f"out{suffix}")
        expected, length = answers(retriever), len(retriever)
    imported = import_index(tmp_path / f"out{suffix}", tmp_path / "index")
    assert (imported.documents, imported.chunks) == (done.documents, done.chunks) == (23, length)
    given = None if encoder in (None, "lsa") else encoder
    with hybrid.Retriever.load(tmp_path / "index", encoder=given) as opened:
        assert answers(opened) == expected
        opened.add([Document("later", "Cats purr at dogs.")])  # and it lives on
        assert "later" in {hit.doc_id for hit in opened.search("cats purr", k=40)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", f"out{suffix}"]


def test_no_encoder_is_called_to_import(tmp_path):
    with grown(**function("float32", "cosine")) as retriever:
        export(retriever, tmp_path / "out.jsonl")
    import_index(tmp_path / "out.jsonl", tmp_path / "index")
    silent = hybrid.FunctionEncoder(letters, "letters", 27, embed_queries=letters)
    silent.embed = never
    with hybrid.Retriever.load(tmp_path / "index", encoder=silent) as opened:
        assert opened.search("cats", k=1)


def test_what_is_exported_twice_is_the_same_file(suffix, tmp_path):
    with grown(encoder="lsa") as retriever:
        export(retriever, tmp_path / f"one{suffix}")
    import_index(tmp_path / f"one{suffix}", tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        export(opened, tmp_path / f"two{suffix}")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_an_empty_index(suffix, tmp_path):
    with hybrid.Retriever.create(encoder=None) as retriever:
        export(retriever, tmp_path / f"out{suffix}")
    import_index(tmp_path / f"out{suffix}", tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert len(opened) == 0


def test_many_documents_go_through_in_lots(tmp_path):
    with hybrid.Retriever.from_texts([f"cat n{n}" for n in range(1203)], encoder=None) as retriever:
        export(retriever, tmp_path / "out.jsonl")
        expected = answers(retriever)
    assert import_index(tmp_path / "out.jsonl", tmp_path / "index").chunks == 1203
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert answers(opened) == expected


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "out.jsonl"
    with grown(encoder=ALL) as retriever:
        export(retriever, path)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def place_of(lines, kind, number=0):
    return [place for place, one in enumerate(lines) if one["kind"] == kind][number]


def refused(lines, tmp_path, raw=None):
    """Return the message with which a file is refused, and check that nothing is left of it."""
    path = tmp_path / "bad.jsonl"
    path.write_text(raw or "".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    with pytest.raises(IndexFormatError) as caught:
        import_index(path, tmp_path / "index")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.jsonl"]
    return str(caught.value)


BROKEN = {
    "document": [
        ({"doc_id": 5}, "doc_id of document 5 to be a str"),
        ({"doc_id": ""}, "a doc_id of one character"),
        ({"text": None}, "text of document"),
        ({"metadata": "no"}, "Expecting value"),
        ({"metadata": [1]}, "to be a mapping"),
        ({"chunks": -1}, "'chunks' as a whole number"),
        ({"chunks": True}, "'chunks' as a whole number"),
        ({"chunks": 10**30}, "'chunks' as a whole number"),
        ({"chunks": 10**9}, "expected chunk"),
        ({"kind": "other"}, "expected a document here, not 'other'"),
    ],
    "chunk": [
        ({"doc_id": "stranger"}, "expected chunk 0 of document"),
        ({"ordinal": 7}, "expected chunk 0 of document"),
        ({"start": -1}, "'start' as a whole number"),
        ({"end": 10**12}, "as the chunk's text"),
        ({"text": "another"}, "as the chunk's text"),
        ({"dense": [1.0]}, "a vector of 27 numbers, not 1"),
        ({"dense": ["1"] * 27}, "'dense' as a list of numbers"),
        ({"dense": [[1.0]] * 27}, "'dense' as a list of numbers"),
        ({"dense": [1e300] * 27}, "finite numbers in 'dense'"),
        ({"dense": [10**400] + [0] * 26}, "list of numbers"),
        ({"dense": [0.0] * 27}, "vectors with a direction"),
        ({"dense": [3.0] * 27}, "vectors of length 1"),
        ({"dense": {"a": 1}}, "'dense' as a list of numbers"),
        ({"terms": [2, 1], "weights": [1.0, 1.0]}, "ascending 'terms'"),
        ({"terms": [1.5], "weights": [1.0]}, "'terms' as a list of numbers"),
        ({"terms": [1 << 40], "weights": [1.0]}, "'terms' from 0 to below"),
        ({"terms": [1], "weights": [-1.0]}, "a weight of 0 or more"),
        ({"terms": [1, 2], "weights": [1.0]}, "a weight of 0 or more for each"),
        ({"terms": None}, "'terms' as a list of numbers"),
        ({"codes": "!"}, "'codes' in base64"),
        ({"codes": ""}, "16 codes for each scale"),
        ({"scales": 5}, "'scales' in base64"),
    ],
    "file": [
        ({"name": "../../evil.npy"}, "the name of a file of an encoder"),
        ({"name": "evil.pkl"}, "the name of a file of an encoder"),
        ({"data": 3}, "'data' in base64"),
    ],
    "header": [
        ({"format": FORMAT + 1}, f"format {FORMAT}, but it is of format {FORMAT + 1}"),
        ({"kind": "chunk"}, "there is no header"),
        ({"settings": []}, "'settings' as dict"),
        ({"settings": {}}, "'analyzer' in the settings"),
        ({"documents": "many"}, "'documents' as a whole number"),
        ({"documents": 22}, "expected 22 documents"),
        ({"dense": 10**9}, "'dense' from 1 to"),
        ({"lexical": 1}, "'lexical' as bool"),
        ({"token_storage": "float64"}, "'token_storage' of"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "change", "told"), [(kind, *one) for kind, some in BROKEN.items() for one in some]
)
def test_what_is_wrong_is_named_with_its_line(kind, change, told, lines, tmp_path):
    place = place_of(lines, kind)
    broken = [line | change if at == place else line for at, line in enumerate(lines)]
    message = refused(broken, tmp_path)
    assert told in message
    if kind in ("chunk", "file") or (kind == "document" and "chunks" not in change):
        assert f"bad.jsonl, line {place + 1}: " in message


@pytest.mark.parametrize("name", ["analyzer", "bm25", "changed_since_fit", "chunker", "dense"])
@pytest.mark.parametrize("value", [None, -3, [], {"a": 1}, "x"])
def test_settings_of_another_kind(name, value, lines, tmp_path):
    header = lines[0] | {"settings": lines[0]["settings"] | {name: value}}
    if (name, value) == ("analyzer", {"a": 1}):
        (tmp_path / "bad.jsonl").write_text(json.dumps(header))
        with pytest.raises(hybrid.AnalyzerMismatch):
            import_index(tmp_path / "bad.jsonl", tmp_path / "index")
    else:
        refused([header, *lines[1:]], tmp_path)


def test_the_same_document_twice(lines, tmp_path):
    place = place_of(lines, "document", 5)
    count = lines[place]["chunks"]
    again = lines[place : place + 1 + count]
    assert f"line {len(lines) + 1}: expected each document once" in refused(
        [*lines, *again], tmp_path
    )


def test_a_file_that_was_cut_short(lines, tmp_path):
    assert "was the file cut short?" in refused(lines[: place_of(lines, "document", -1)], tmp_path)
    place = place_of(lines, "chunk", -1)
    assert "expected chunk" in refused(lines[:place], tmp_path)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("{", "line 1: "),
        ("[]\n", "line 1: expected a JSON object, not list"),
        ("[" * 100_000, "nested too deeply"),
        ('{"kind": NaN}', "which has no NaN"),
        ("\x00", "line 1: "),
        ('{"kind": 1' + "0" * 5000 + "}", "line 1: "),
    ],
)
def test_no_json_lines(raw, told, tmp_path):
    assert told in refused([], tmp_path, raw)


def test_an_empty_file_and_bytes_that_are_no_text(tmp_path):
    for content in (b"", b"\xff\xfe\xff\n"):
        (tmp_path / "bad.jsonl").write_bytes(content)
        with pytest.raises(IndexFormatError):
            import_index(tmp_path / "bad.jsonl", tmp_path / "index")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.jsonl"]


def test_nothing_is_replaced(retriever, tmp_path):
    (tmp_path / "out.jsonl").write_text("precious")
    with pytest.raises(FileExistsError, match="expected a new file"):
        export(retriever, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "precious"
    export(retriever, tmp_path / "other.jsonl")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "precious.txt").write_text("x")
    with pytest.raises(FileExistsError, match="new or empty folder"):
        import_index(tmp_path / "other.jsonl", tmp_path / "index")


def test_a_failed_export_leaves_no_file(retriever, tmp_path, monkeypatch):
    monkeypatch.setattr("hybrid.exporting.document_record", never)
    with pytest.raises(AssertionError):
        export(retriever, tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_another_ending(retriever, tmp_path):
    with pytest.raises(ValueError, match=r"\.jsonl or \.parquet, not out\.csv"):
        export(retriever, tmp_path / "out.csv")
    with pytest.raises(ValueError, match=r"\.jsonl or \.parquet, not out\.csv"):
        import_index(tmp_path / "out.csv", tmp_path / "index")


def test_parquet_without_pyarrow_names_the_extra(retriever, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"hybrid-retrieval\[parquet\]"):
        export(retriever, tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_hostile_parquet(retriever, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    export(retriever, tmp_path / "good.parquet")
    good = (tmp_path / "good.parquet").read_bytes()
    rng = np.random.default_rng(0)
    files = [b"", b"PAR1", good[:-9], good[: len(good) // 2]]
    for _ in range(40):
        bent = bytearray(good)
        bent[rng.integers(len(bent))] ^= 1 << rng.integers(8)
        files.append(bytes(bent))
    for number, content in enumerate(files):
        (tmp_path / "bad.parquet").write_bytes(content)
        try:
            import_index(tmp_path / "bad.parquet", tmp_path / f"index-{number}")
        except hybrid.HybridError:
            assert not (tmp_path / f"index-{number}").exists()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(IndexFormatError, match="there is no header"):
        import_index(tmp_path / "other.parquet", tmp_path / "index")


def clouds(texts):
    """Vectors that lie together in some groups, by the numbers in the texts."""
    numbers = [int("".join(filter(str.isdecimal, text)) or 0) for text in texts]
    centers = np.random.default_rng(1).normal(size=(40, 16))
    return [centers[n % 40] + 0.6 * np.random.default_rng(n).normal(size=16) for n in numbers]


@pytest.mark.parametrize("kind", ["hnsw", "ivf", "ivf-pq"])
def test_what_is_learnt_of_vectors_is_learnt_the_same_way_again(kind, tmp_path, monkeypatch):
    """Two imports are equal, and equal to an index without a history; a copy is always equal."""
    monkeypatch.setattr("indexes.finders.LEAST_LISTED", 500)
    encoder = hybrid.FunctionEncoder(clouds, "clouds", 16)
    questions = [f"which {n}" for n in range(0, 2400, 40)]

    def found(retriever):
        hits = retriever.search_many(questions, 10)
        return [[(hit.chunk_id, hit.score.hex()) for hit in some] for some in hits]

    texts = [f"number {n}" for n in range(1200)]
    with hybrid.Retriever.from_texts(texts, encoder=encoder, dense=Dense(kind=kind)) as made:
        assert made._search().indexes.dense.exact is False
        export(made, tmp_path / "fresh.jsonl")
        expected = found(made)
        made.delete([str(n) for n in range(0, 1200, 7)])
        made.add(Document(f"late {n}", f"number {n}") for n in range(1200, 1400))
        export(made, tmp_path / "old.jsonl")
        made.save(tmp_path / "copy")
        with hybrid.Retriever.load(tmp_path / "copy", encoder=encoder) as copy:
            assert found(copy) == found(made) != expected
    answers = {}
    for name in ("fresh", "old", "old again"):
        import_index(tmp_path / f"{name.split()[0]}.jsonl", tmp_path / name)
        with hybrid.Retriever.load(tmp_path / name, encoder=encoder) as opened:
            answers[name] = found(opened)
    assert answers["fresh"] == expected
    assert answers["old"] == answers["old again"]


def test_no_folder_for_an_export(retriever, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a folder for x\.jsonl"):
        export(retriever, tmp_path / "none" / "x.jsonl")


def test_two_imports_into_one_folder_at_once(retriever, tmp_path, monkeypatch):
    """The second to end finds an index there, and leaves it."""
    export(retriever, tmp_path / "x.jsonl")
    save = hybrid.Retriever.save
    check = "hybrid.importing._check_free"
    real = hybrid.importing._check_free
    calls = []

    def other_first(folder):
        calls.append(folder)
        if len(calls) == 2:
            save(retriever, folder)
        real(folder)

    monkeypatch.setattr(check, other_first)
    with pytest.raises(FileExistsError, match="something in it"):
        import_index(tmp_path / "x.jsonl", tmp_path / "index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "x.jsonl"]
