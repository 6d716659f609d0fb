"""The cache of embeddings: nothing is encoded twice, nothing false is used, nothing is lost."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hybrid
from hybrid import Document
from hybrid.encoders import cache_file
from hybrid.encoders.base import Embeddings
from hybrid.encoders.cache import CachedEncoder, Embedded
from hybrid.encoders.cache_file import KEPT_DAYS, CacheFile
from hybrid.encoders.canaries import CANARIES
from hybrid.encoders.lsa import LSAEncoder
from hybrid.encoders.packing import Packed, pack, unpack
from hybrid.unfinished import is_unfinished
from indexes.multivector import TokenVectors
from tests.hybrid.conftest import TEXTS, letters

ROOT = Path(__file__).parents[2]


class Counting:
    """Makes all there is of letter counts, and remembers what it was asked."""

    def __init__(self, *, name="counting", sign=1, versions=None, at_once=None, fails_on=None):
        self.name, self.sign, self.versions, self.at_once = name, sign, versions, at_once
        self.fails_on = fails_on
        self.dimension = 27
        self.texts, self.questions = [], []

    def encode_documents(self, texts):
        if self.fails_on in texts:
            raise ConnectionError("the service is gone")
        self.texts += [text for text in texts if text not in CANARIES]
        return self._embeddings(texts)

    def encode_queries(self, texts):
        self.questions += texts
        return self._embeddings(texts)

    def _embeddings(self, texts):
        vectors = self.sign * letters(texts) / np.float32(3)
        return Embeddings(vectors, sp.csr_matrix(abs(vectors)), tokens_of(texts))

    def fingerprint(self):
        return {"kind": "test", "name": self.name, "dimension": 27, "versions": self.versions}


def tokens_of(texts):
    words = [text.split() or ["-"] for text in texts]
    vectors = letters([word for own in words for word in own])[:, :4]
    offsets = np.concatenate([[0], np.cumsum([len(own) for own in words])])
    return TokenVectors(vectors, offsets)


def assert_equal(one, two):
    assert (one.dense == two.dense).all()
    assert one.lexical.shape == two.lexical.shape
    assert (one.lexical != two.lexical).nnz == 0
    assert (one.tokens.offsets == two.tokens.offsets).all()
    assert (
        one.tokens.vectors == two.tokens.vectors
    ).all()  # whole numbers: exact in half precision


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.db"


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_what_was_encoded_is_not_encoded_again(path):
    one, two = Counting(), Counting()
    first = CachedEncoder(one, path)
    assert_equal(first.encode_documents(TEXTS), Counting().encode_documents(TEXTS))
    assert first.embedded == Embedded(8, 0)
    first.close()
    second = CachedEncoder(two, path)
    texts = [TEXTS[5], "new", TEXTS[0], "new"]
    assert_equal(second.encode_documents(texts), Counting().encode_documents(texts))
    assert (one.texts, two.texts) == (TEXTS, ["new"])
    assert second.embedded == Embedded(1, 3)


def test_without_a_file_nothing_is_kept():
    encoder = CachedEncoder(Counting())
    for _ in range(2):
        assert_equal(encoder.encode_documents(TEXTS), Counting().encode_documents(TEXTS))
    assert encoder.encoder.texts == TEXTS * 2


def test_no_text_is_no_work(path):
    assert CachedEncoder(Counting(), path).encode_queries([]).dense.shape == (0, 27)
    assert CachedEncoder(Counting(), path).encode_documents([]).dense.shape == (0, 27)
    assert not path.exists()


finite = st.floats(-100, 100, width=16)  # exact in every precision


@settings(max_examples=60, deadline=None)
@given(
    dense=st.lists(st.lists(finite, min_size=3, max_size=3), min_size=1, max_size=5),
    data=st.data(),
    half=st.booleans(),
)
def test_packing_gives_back_every_number(dense, data, half):
    count = len(dense)
    weights = data.draw(
        st.lists(st.lists(finite.map(abs), min_size=7, max_size=7), min_size=count, max_size=count)
    )
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    numbers = np.arange(2 * sum(sizes), dtype=np.float32).reshape(-1, 2)
    tokens = TokenVectors(numbers, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    lexical = sp.csr_matrix(np.array(weights, np.float32))
    kind = "<f2" if half else "<f4"
    found = unpack(pack(Embeddings(np.array(dense, np.float32), lexical, tokens), kind), kind)
    assert found.dense.tolist() == dense
    assert (found.lexical.toarray() == np.array(weights, np.float32)).all()
    assert (found.tokens.vectors == numbers).all()
    assert found.tokens.offsets.tolist() == tokens.offsets.tolist()


def test_parts_that_are_not_made_stay_out():
    for parts in ({"dense": letters(TEXTS)}, {"lexical": sp.csr_matrix(letters(TEXTS))}):
        found = unpack(pack(Embeddings(**parts)))
        assert {name for name in Embeddings.__slots__ if getattr(found, name) is not None} == {
            *parts
        }


def test_another_encoder_does_not_see_them(path):
    CachedEncoder(Counting(), path).encode_documents(TEXTS)
    other = Counting(name="other", sign=-1)
    assert_equal(CachedEncoder(other, path).encode_documents(TEXTS), other._embeddings(TEXTS))
    assert other.texts == TEXTS


def test_another_library_version_does(path):
    CachedEncoder(Counting(versions={"torch": "1"}), path).encode_documents(TEXTS)
    newer = Counting(versions={"torch": "2"})
    CachedEncoder(newer, path).encode_documents(TEXTS)
    assert newer.texts == []


def test_embeddings_of_weights_that_were_replaced_are_dropped(path, caplog):
    CachedEncoder(Counting(), path).encode_documents(TEXTS)
    replaced = Counting(sign=-1)
    found = CachedEncoder(replaced, path).encode_documents(TEXTS[:2])
    assert_equal(found, replaced._embeddings(TEXTS[:2]))
    (message,) = warnings(caplog)
    assert "are not used, because encoder 'counting' gives others now" in message
    assert "cosine -1.0000" in message
    again = Counting(sign=-1)
    CachedEncoder(again, path).encode_documents(TEXTS)
    assert again.texts == TEXTS[2:]


def test_what_comes_before_a_failure_is_kept(path):
    failing = Counting(at_once=3, fails_on=TEXTS[7])
    encoder = CachedEncoder(failing, path)
    with pytest.raises(ConnectionError) as raised:
        encoder.encode_documents(TEXTS)
    assert raised.value.__notes__ == [
        f"{6 + len(CANARIES)} embeddings are kept in {path}: run it again to go on"
    ]
    again = Counting(at_once=3)
    assert_equal(CachedEncoder(again, path).encode_documents(TEXTS), again._embeddings(TEXTS))
    assert again.texts == TEXTS[6:]


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_vectors_that_cannot_be_indexed_are_not_kept(path, value):
    def broken(texts):
        return np.where([[text == TEXTS[1]] for text in texts], value, letters(texts))

    with pytest.raises(hybrid.EncoderError, match="for the text 'Dogs bark"):
        CachedEncoder(hybrid.FunctionEncoder(broken, "f", 27), path).encode_documents(TEXTS)
    repaired = CachedEncoder(hybrid.FunctionEncoder(letters, "f", 27), path)
    assert (repaired.encode_documents(TEXTS).dense == letters(TEXTS)).all()
    assert repaired.embedded == Embedded(8, 0)


def test_an_encoder_that_is_fitted_is_refused(path):
    with pytest.raises(ValueError, match="not fitted to the corpus"):
        CachedEncoder(LSAEncoder(hybrid.Analyzer()), path)


def damage_header(path):
    path.write_bytes(b"not a database at all" * 100)


def damage_middle(path):
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)


def damage_version(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("damage", [damage_header, damage_middle, damage_version])
def test_a_damaged_file_is_set_aside(path, damage, caplog):
    CachedEncoder(Counting(), path).encode_documents(TEXTS)
    damage(path)
    found = CachedEncoder(Counting(), path).encode_documents(TEXTS)
    assert_equal(found, Counting()._embeddings(TEXTS))
    assert path.with_name("cache.db.damaged").exists()
    assert any("is damaged" in message for message in warnings(caplog))
    after = Counting()
    CachedEncoder(after, path).encode_documents(TEXTS)
    assert after.texts == []


@pytest.mark.parametrize("column", ["dense", "ids", "weights", "tokens"])
def test_a_damaged_entry_is_encoded_again(path, column):
    CachedEncoder(Counting(), path).encode_documents(TEXTS)
    with closing(sqlite3.connect(path)) as db, db:
        sql = f"UPDATE embeddings SET {column} = x'0000c03f' WHERE rowid = ?"
        db.execute(sql, (len(CANARIES) + 3,))
    repaired = Counting()
    found = CachedEncoder(repaired, path).encode_documents(TEXTS)
    assert_equal(found, repaired._embeddings(TEXTS))
    assert repaired.texts == [TEXTS[2]]
    after = Counting()
    CachedEncoder(after, path).encode_documents(TEXTS)
    assert after.texts == []


def test_a_file_that_cannot_be_opened_is_told_once(tmp_path, caplog):
    encoder = CachedEncoder(Counting(at_once=2), tmp_path / "nowhere" / "cache.db")
    assert_equal(encoder.encode_documents(TEXTS), Counting()._embeddings(TEXTS))
    (message,) = warnings(caplog)
    assert "embeddings are not kept in" in message


def test_many_threads_share_one_file(path):
    encoder = CachedEncoder(Counting(at_once=2), path)
    expected = Counting()._embeddings(TEXTS)
    wrong = []

    def work():
        try:
            for _ in range(5):
                assert_equal(encoder.encode_documents(TEXTS), expected)
                assert_equal(encoder.encode_queries(TEXTS), expected)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_last_questions_are_remembered_in_memory_only(path):
    counting = Counting()
    encoder = CachedEncoder(counting, path, questions=2)
    for asked, encoded in (
        (["a"], ["a"]),
        (["b", "a", "b"], ["b"]),
        (["a"], []),
        (["c"], ["c"]),  # pushes out b
        (["a", "c"], []),
        (["b"], ["b"]),
    ):
        counting.questions.clear()
        assert_equal(encoder.encode_queries(asked), Counting()._embeddings(asked))
        assert counting.questions == encoded
    assert not path.exists()


def test_a_folder_has_its_cache_in_it_and_can_do_without(tmp_path):
    folder = tmp_path / "index"
    counting = Counting()
    with hybrid.Retriever.create(folder, encoder=counting) as retriever:
        retriever.add([Document("a", TEXTS[0]), Document("b", TEXTS[1])])
        retriever.commit()
        assert retriever.embedded == Embedded(2, 0)
    assert "embeddings.db" not in (folder / "manifest.json").read_text("utf-8")
    counting.texts.clear()
    with hybrid.Retriever.load(folder, encoder=counting) as retriever:
        retriever.add([Document("a", TEXTS[2]), Document("c", TEXTS[1])])
        retriever.commit()
        assert retriever.embedded == Embedded(1, 1)
        expected = retriever.search("cats", k=9)
    assert counting.texts == [TEXTS[2]]
    (folder / "embeddings.db").unlink()
    with hybrid.Retriever.load(folder, encoder=counting) as retriever:
        assert retriever.search("cats", k=9) == expected
        retriever.add([Document("d", TEXTS[1])])
        assert retriever.embedded == Embedded(1, 0)
    assert not (folder / "embeddings.db").exists()


def test_where_embeddings_are_kept(tmp_path):
    def files_after(folder, **choices):
        with hybrid.Retriever.create(folder, **choices) as retriever:
            retriever.add([Document("a", TEXTS[0])])
            if folder is not None:
                retriever.commit()
        return sorted(path.name for path in tmp_path.rglob("*.db"))

    assert files_after(None, encoder=Counting()) == []
    assert files_after(tmp_path / "1", encoder=Counting(), cache=False) == ["store.db"]
    assert files_after(tmp_path / "2", encoder="lsa") == ["store.db"] * 2
    vectors = dict(zip(TEXTS, letters(TEXTS), strict=True))
    known = hybrid.Precomputed(vectors, {}, "known")
    assert files_after(tmp_path / "3", encoder=known) == ["store.db"] * 3
    found = files_after(tmp_path / "4", encoder=Counting(), cache=tmp_path / "shared.db")
    assert found == ["shared.db", *["store.db"] * 4]
    again = Counting()
    files_after(None, encoder=again, cache=tmp_path / "shared.db")
    assert again.texts == []


BUILD = """
import os, signal, sys
import hybrid
from tests.hybrid.conftest import letters

calls, texts = 0, 0

def embed(batch):
    global calls, texts
    calls, texts = calls + 1, texts + len(batch)
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return letters(batch)

encoder = hybrid.FunctionEncoder(embed, "letters", 27, batch_size=10)
documents = [hybrid.Document(str(n), f"cat number {n}") for n in range(600)]
with hybrid.Retriever.create(sys.argv[1], encoder=encoder, analyzer="english") as retriever:
    retriever.add(documents)
    retriever.commit()
    print(texts, retriever.embedded.encoded, retriever.embedded.reused, len(retriever))
"""


def build(folder, dies_at):
    command = [sys.executable, "-c", BUILD, str(folder), str(dies_at)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_build_that_was_killed_goes_on_where_it_was(tmp_path):
    """The second time it dies in its second batch of 500 documents, whose first is in the store."""
    folder = tmp_path / "index"
    for dies_at, kept in ((8, 60), (52, 560)):  # the first call has the canaries
        assert build(folder, dies_at).returncode == -signal.SIGKILL
        assert is_unfinished(folder)
        with closing(sqlite3.connect(folder / "embeddings.db")) as db:
            (count,) = db.execute("SELECT count(*) FROM embeddings").fetchone()
        assert count == len(CANARIES) + kept
    done = build(folder, 0)
    texts = 40 + 2 * len(CANARIES)  # once for the cache, once for the index
    assert (done.stdout, done.stderr) == (f"{texts} 40 560 600\n", "")
    encoder = hybrid.FunctionEncoder(letters, "letters", 27)
    documents = [Document(str(n), f"cat number {n}") for n in range(600)]
    with (
        hybrid.Retriever.load(folder, encoder=encoder) as resumed,
        hybrid.Retriever.create(encoder=encoder, analyzer="english") as fresh,
    ):
        fresh.add(documents)
        assert resumed.search("cat 77", k=50) == fresh.search("cat 77", k=50)


def test_an_encoder_that_raises_in_the_middle_loses_nothing(tmp_path):
    documents = [Document(str(n), f"cat number {n}") for n in range(700)]
    failing = Counting(at_once=10, fails_on="cat number 650")
    with hybrid.Retriever.create(tmp_path / "index", encoder=failing) as retriever:
        with pytest.raises(ConnectionError):
            retriever.add(documents)
        assert len(retriever) == 500  # the batches before it
        assert retriever.search("number 499", k=1)[0].doc_id == "499"
        failing.fails_on = None
        failing.texts.clear()
        done = retriever.add(documents)
        assert (done.added, done.unchanged) == (200, 500)
        assert len(failing.texts) == 50
        retriever.commit()
    with hybrid.Retriever.load(tmp_path / "index", encoder=failing) as opened:
        assert len(opened) == 700


def test_a_folder_is_only_started_afresh_when_all_in_it_is_from_a_build(tmp_path, encoder):
    folder = tmp_path / "index"
    hybrid.Retriever.create(folder, encoder=encoder).close()
    assert is_unfinished(folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="has something in it"):
        hybrid.Retriever.create(folder, encoder=encoder)
    assert (folder / "notes.txt").exists()
    assert (folder / "store.db").exists()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for content in (b"text", None):
        (foreign / "store.db").unlink(missing_ok=True)
        if content:
            (foreign / "store.db").write_bytes(content * 999)
        else:
            with closing(sqlite3.connect(foreign / "store.db")) as db:
                db.execute("CREATE TABLE goods (name)")
        with pytest.raises(FileExistsError, match="has something in it"):
            hybrid.Retriever.create(foreign, encoder=encoder)
        assert (foreign / "store.db").exists()


def test_a_build_that_goes_on_is_left_alone(tmp_path, encoder):
    with hybrid.Retriever.create(tmp_path / "index", encoder=encoder) as writer:
        writer.add([Document("a", "cats purr")])
        with pytest.raises(hybrid.StoreError, match="an index is being built in"):
            hybrid.Retriever.create(tmp_path / "index", encoder=encoder)
        writer.commit()
    with hybrid.Retriever.load(tmp_path / "index", encoder=encoder) as opened:
        assert len(opened) == 1


def test_settings_know_nothing_of_the_cache(tmp_path, encoder):
    with hybrid.Retriever.create(tmp_path / "index", encoder=encoder) as retriever:
        retriever.commit()
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text("utf-8"))
    assert manifest["settings"]["encoder"] == encoder.fingerprint()


class Halved(Counting):
    """Leaves parts out of what it makes of questions."""

    def __init__(self, *missing, **choices):
        super().__init__(**choices)
        self.missing = missing

    def encode_queries(self, texts):
        return replace(super().encode_queries(texts), **dict.fromkeys(self.missing))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (["lexical"], "but lexical weights did not come"),
        (["tokens"], "but token vectors did not come"),
        (["lexical", "tokens"], "but lexical weights and token vectors did not come"),
        (["dense"], "expected 1 vectors of 27 dimensions .* no dense vectors came"),
    ],
)
def test_questions_that_lack_what_chunks_have(missing, message, tmp_path):
    folder = tmp_path / "index"
    with hybrid.Retriever.create(folder, encoder=Halved(*missing)) as retriever:
        retriever.add([Document("a", TEXTS[0])])
        with pytest.raises(hybrid.EncoderError, match=message):
            retriever.search("cats")
        with pytest.raises(hybrid.EncoderError, match=message.replace("1 ", "4 ")):
            retriever.commit()
    with hybrid.Retriever.create(folder, encoder=Counting()) as retriever:
        retriever.add([Document("a", TEXTS[0])])
        retriever.commit()
    with pytest.raises((hybrid.EncoderError, hybrid.EncoderMismatch)):
        hybrid.Retriever.load(folder, encoder=Halved(*missing))


def test_more_for_questions_than_for_chunks_is_let_be():
    encoder = CachedEncoder(Halved("tokens"))
    assert encoder.encode_queries(["cats"]).tokens is None  # before any chunk


class Tokens:
    """Gives the token vectors that it is told, and nothing else."""

    dimension = None

    def __init__(self, made):
        self.made = made

    def encode_documents(self, texts):
        vectors = [np.asarray(self.made.get(text, [[1, 0]]), np.float32) for text in texts]
        offsets = np.concatenate([[0], np.cumsum([len(own) for own in vectors])])
        return Embeddings(tokens=TokenVectors(np.concatenate(vectors), offsets))

    encode_queries = encode_documents

    def fingerprint(self):
        return {"kind": "test", "name": "tokens"}


@pytest.mark.parametrize(
    ("vectors", "message"),
    [([[1e5, 0]], "of length 1, not with numbers like 100000"), ([[0, 0]], "other than zero")],
)
def test_token_vectors_that_cannot_be_indexed_are_not_kept(vectors, message, path):
    with pytest.raises(hybrid.EncoderError, match=message):
        CachedEncoder(Tokens({"b": vectors}), path).encode_documents(["a", "b"])
    repaired = CachedEncoder(Tokens({"b": [[0, 1]]}), path).encode_documents(["a", "b"])
    assert repaired.tokens.vectors.tolist() == [[1, 0], [0, 1]]


def test_parts_that_differ_from_text_to_text_are_told(path):
    encoder = CachedEncoder(Tokens({"b": [[1, 2, 3]]}), path)
    encoder.encode_documents(["a"])
    encoder.encode_documents(["b"])
    message = "made token vectors of 2 dimensions of one and token vectors of 3 dimensions of"
    with pytest.raises(hybrid.EncoderError, match=message):
        encoder.encode_documents(["a", "b"])


def test_what_is_returned_belongs_to_the_caller(path):
    encoder = CachedEncoder(Counting(), path)
    for encode in (encoder.encode_documents, encoder.encode_queries):
        found = encode(TEXTS)
        for array in (found.dense, found.lexical.data, found.tokens.vectors):
            array[:] = -1
        assert_equal(encode(TEXTS), Counting()._embeddings(TEXTS))


def test_the_encoders_own_matrix_is_left_alone():
    twice = sp.csr_matrix(
        (np.array([1, 2], np.float32), np.array([3, 3]), np.array([0, 2])), (1, 5)
    )
    assert unpack(pack(Embeddings(lexical=twice))).lexical.toarray().tolist() == [[0, 0, 0, 3, 0]]
    assert twice.data.tolist() == [1, 2]


def test_more_texts_than_a_statement_takes(path, caplog):
    texts = [str(number) for number in range(40_000)]
    with closing(CacheFile(path, {"name": "one"})) as file:
        known = Packed(b"1234", None, None, None, None, None)
        file.put({"7": known, "39999": known})
        assert file.get(texts) == {"7": known, "39999": known}
    assert warnings(caplog) == []


def test_a_number_of_questions_that_makes_no_sense():
    with pytest.raises(ValueError, match="questions of at least 0, not -1"):
        CachedEncoder(Counting(), questions=-1)


@pytest.fixture
def day(monkeypatch):
    """Set which day it is, and have few embeddings that no chunk has count."""
    days = [100]
    monkeypatch.setattr(cache_file, "_today", lambda: days[0])
    monkeypatch.setattr(cache_file, "_FEW", 0)
    return days


def kept(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT count(*) FROM embeddings").fetchone()[0] - len(CANARIES)


def built(folder, texts, encoder=None, **choices):
    """Make an index of texts, or bring one to them, and return how many texts were encoded."""
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    encoder = encoder or Counting()
    if (folder / "manifest.json").exists():
        retriever = hybrid.Retriever.load(folder, encoder=encoder)
    else:
        retriever = hybrid.Retriever.create(folder, encoder=encoder, **choices)
    with retriever:
        retriever.add(documents)
        retriever.delete(str(number) for number in range(len(texts), 99))
        retriever.commit()
    return len(getattr(encoder, "encoder", encoder).texts)


def test_embeddings_that_no_chunk_has_are_dropped_after_a_while(tmp_path, day):
    folder = tmp_path / "index"
    path = folder / "embeddings.db"
    texts = [f"cat number {n}" for n in range(60)]
    assert built(folder, texts) == 60
    size = path.stat().st_size
    day[0] += KEPT_DAYS
    built(folder, texts[:9])
    assert kept(path) == 60  # young: a build that was stopped may go on with them
    day[0] += 1
    built(folder, texts[:29])
    assert kept(path) == 60  # 64 with the canaries are not more than twice 33
    built(folder, texts[:9])
    assert kept(path) == 9
    assert path.stat().st_size < size
    assert built(folder, texts[:29]) == 20
    built(folder, texts[:4])
    assert kept(path) == 29  # 20 are new, and nothing says any more how old the others are


def test_embeddings_of_other_encoders_are_dropped_with_them(tmp_path, day):
    folder = tmp_path / "index"
    other = CachedEncoder(Counting(name="other"), tmp_path / "embeddings.db")
    other.encode_documents([f"cat number {n}" for n in range(60)])
    other.close()
    folder.mkdir()
    (tmp_path / "embeddings.db").rename(folder / "embeddings.db")
    day[0] += KEPT_DAYS + 1
    assert built(folder, TEXTS) == len(TEXTS)
    assert kept(folder / "embeddings.db") == len(TEXTS)
    assert built(folder, TEXTS) == 0
    again = CachedEncoder(Counting(name="other"), folder / "embeddings.db")
    again.encode_documents(TEXTS)
    assert again.embedded == Embedded(len(TEXTS), 0)


def test_what_is_written_after_a_pruning_is_young(tmp_path, day):
    """Numbers of rows are given anew: those of old embeddings say nothing any more."""
    path = tmp_path / "cache.db"
    with closing(CacheFile(path, {"name": "one"})) as file:
        known = Packed(b"1234", None, None, None, None, None)
        file.put({str(number): known for number in range(50)})
        day[0] += KEPT_DAYS + 1
        assert file.prune(1, lambda: ["7"]) == 49
        file.put({str(number): known for number in range(100, 140)})
        day[0] += KEPT_DAYS
        assert file.prune(1, lambda: ["7"]) == 0
        file.forget()
        file.put({str(number): known for number in range(40)})
        day[0] += 1
        assert file.prune(1, lambda: ["7"]) == 0
        assert len(file) == 40


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lots=st.lists(st.sets(st.integers(0, 30), min_size=1), max_size=6),
    needed=st.sets(st.integers(0, 30)),
    pauses=st.lists(st.integers(0, 5), min_size=6, max_size=6),
)
def test_a_pruning_keeps_what_is_young_or_needed_and_nothing_else(lots, needed, pauses, day):
    known = Packed(b"1234", None, None, None, None, None)
    written = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cache.db"
        with (
            closing(CacheFile(path, {"name": "one"})) as file,
            closing(CacheFile(path, {"name": "two"})) as other,
        ):
            for place, (lot, pause) in enumerate(zip(lots, pauses, strict=False)):
                day[0] += pause
                (file, other)[place % 2].put({str(number): known for number in lot})
                written |= {(place % 2, number): day[0] for number in lot}
            old = {key for key, on in written.items() if on < day[0] - KEPT_DAYS}
            dead = {key for key in old if key[0] == 1 or key[1] not in needed}
            if len(old) <= 2 * len(needed):
                dead = set()
            assert file.prune(len(needed), lambda: map(str, needed)) == len(dead)
            texts = [str(number) for number in range(31)]
            left = {(0, int(text)) for text in file.get(texts)}
            left |= {(1, int(text)) for text in other.get(texts)}
            assert left == set(written) - dead


def test_a_shared_file_is_not_pruned(tmp_path, day):
    shared = tmp_path / "shared.db"
    texts = [f"cat number {n}" for n in range(60)]
    for name, own in (("one", texts), ("two", texts[:3])):
        built(tmp_path / name, own, cache=shared)
        day[0] += KEPT_DAYS + 1
    built(tmp_path / "two", texts[:2], CachedEncoder(Counting(), shared))
    assert kept(shared) == 60


def test_a_file_that_was_deleted_is_not_made_to_prune_it(tmp_path, day):
    folder = tmp_path / "index"
    built(folder, TEXTS)
    with hybrid.Retriever.load(folder, encoder=Counting()) as retriever:
        (folder / "embeddings.db").unlink()
        retriever.delete(["0"])
        retriever.commit()
    assert not (folder / "embeddings.db").exists()


def test_a_commit_succeeds_while_another_process_reads_the_cache(
    tmp_path, day, monkeypatch, caplog
):
    folder = tmp_path / "index"
    built(folder, [f"cat number {n}" for n in range(60)])
    day[0] += KEPT_DAYS + 1
    monkeypatch.setattr(cache_file, "_PATIENCE_S", 0.01)
    with closing(sqlite3.connect(folder / "embeddings.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM encoders").fetchone()
        built(folder, TEXTS[:3])
    assert "database is locked" in warnings(caplog)[-1]
    with hybrid.Retriever.load(folder, encoder=Counting()) as opened:
        assert len(opened) == 3
    assert kept(folder / "embeddings.db") == 60
    built(folder, TEXTS[:2])
    assert kept(folder / "embeddings.db") == 0
