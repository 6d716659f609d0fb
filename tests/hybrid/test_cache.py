"""The cache of embeddings: nothing is encoded twice, nothing false is used, nothing is lost."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid
from hybrid import Document
from hybrid.encoders.base import Embeddings
from hybrid.encoders.cache import CachedEncoder, Embedded
from hybrid.encoders.canaries import CANARIES
from hybrid.encoders.lsa import LSAEncoder
from hybrid.encoders.packing import pack, unpack
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
