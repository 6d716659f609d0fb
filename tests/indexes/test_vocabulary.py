"""Terms and their numbers."""

from hypothesis import given
from hypothesis import strategies as st

from indexes import vocabulary
from indexes.vocabulary import Vocabulary

words = st.text(alphabet=st.characters(exclude_categories=()), max_size=4)  # surrogates too


def saved(terms, folder):
    folder.mkdir()
    terms.save(folder)
    return Vocabulary.load(folder)


@given(batches=st.lists(st.lists(words, max_size=8), max_size=8), data=st.data())
def test_like_a_dict_whatever_is_saved_and_opened(batches, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("terms")
    terms, model = Vocabulary(), {}
    for step, batch in enumerate(batches):
        expected = [model.setdefault(term, len(model)) for term in batch]
        assert terms.numbers(batch).tolist() == expected
        if data.draw(st.booleans()):
            terms = saved(terms, folder / str(step))
    terms = saved(terms, folder / "last")
    assert len(terms) == len(model)
    for term, number in model.items():
        assert terms.number(term) == number
    assert terms.number("a term that is longer than four characters") is None


def test_terms_of_one_hash_are_told_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(vocabulary, "_hash", lambda spelling: len(spelling))
    terms = Vocabulary()
    names = [f"{number:03d}" for number in range(50)]
    assert terms.numbers(names).tolist() == list(range(50))
    opened = saved(terms, tmp_path / "one")
    assert [opened.number(name) for name in names] == list(range(50))
    assert opened.number("050") is None


def test_parts_stay_few(tmp_path):
    terms = Vocabulary()
    for step in range(40):
        terms.numbers([f"{step}-{number}" for number in range(3)])
        terms = saved(terms, tmp_path / str(step))
    assert len(list((tmp_path / "39").glob("terms-*"))) <= 7
    assert terms.number("0-0") == 0
    assert terms.number("39-2") == 119


def test_terms_are_written_once(tmp_path):
    terms = Vocabulary()
    terms.numbers(["cat", "dog"])
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        terms.save(tmp_path / name)
    one, two = (tmp_path / name / "terms-00" / "hashes.npy" for name in ("one", "two"))
    assert one.stat().st_ino == two.stat().st_ino
    assert not (tmp_path / "two" / "terms-01").exists()
