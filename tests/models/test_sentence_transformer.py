"""Any sentence-transformers model from a folder."""

import pytest

import hybrid
from tests.models.conftest import TEXTS, build_xlm_roberta

pytestmark = pytest.mark.filterwarnings("default")  # those libraries warn about themselves


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    package = pytest.importorskip(
        "sentence_transformers", reason="the extra models is not installed"
    )
    folder = tmp_path_factory.mktemp("tiny")
    build_xlm_roberta(folder / "base", seed=0)
    from sentence_transformers.models import Pooling, Transformer

    word = Transformer(str(folder / "base"), max_seq_length=64)
    made = package.SentenceTransformer(modules=[word, Pooling(64)])
    made.prompts = {"query": "query: ", "document": "passage: "}
    made.save(str(folder / "model"))
    return folder / "model"


def test_a_folder_is_indexed_saved_and_opened(model, tmp_path):
    with hybrid.Retriever.from_texts(TEXTS, encoder=model) as retriever:
        assert retriever.search("cats purr", k=1)[0].text == TEXTS[0]
        hits = retriever.search("dogs", k=4)
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert opened.search("dogs", k=4) == hits


def test_prompts_are_part_of_the_fingerprint(model):
    from hybrid.encoders.sentence_transformer import SentenceTransformerEncoder

    encoder = SentenceTransformerEncoder(str(model))
    assert encoder.fingerprint()["prompts"] == {"query": "query: ", "document": "passage: "}
    query, document = encoder.encode_queries(["cats"]), encoder.encode_documents(["cats"])
    assert (query.dense != document.dense).any()
