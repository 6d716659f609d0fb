"""Learned lexical weights from a masked language model, and no dense vectors."""

import numpy as np
import pytest

import hybrid
from hybrid.analysis import Analyzer
from hybrid.encoders import as_encoder
from tests.models.conftest import TEXTS

pytestmark = pytest.mark.filterwarnings("default")  # those libraries warn about themselves

WORDS = sorted({word for text in TEXTS[:2] + TEXTS[3:] for word in text.split()})


def build_masked_bert(folder, seed=0):
    """Save a two-layer BERT with its head, which knows whole words only."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS, "##s"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("sentence_transformers", reason="the extra models is not installed")
    return build_masked_bert(tmp_path_factory.mktemp("splade") / "tiny-splade")


def test_weights_are_the_papers(model):
    """The highest ln(1 + relu(logit)) of each term over the tokens, as computed by hand."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForMaskedLM.from_pretrained(model)
    encoder = hybrid.SpladeEncoder(model, batch_size=2)
    texts = ["cats purr", "dogs bark at strangers in the night", "fox"]
    found = encoder.encode_documents(texts)
    assert found.dense is None
    assert found.lexical.dtype == np.float32
    for row, text in enumerate(texts):
        with torch.no_grad():
            logits = network(**tokenizer(text, return_tensors="pt")).logits[0]
        expected = torch.log1p(torch.relu(logits)).max(dim=0).values.numpy()
        assert found.lexical[row].toarray()[0] == pytest.approx(expected, abs=1e-5)
    assert encoder.encode_queries([]).lexical.shape == (0, found.lexical.shape[1])


def test_a_text_without_words_is_a_row_all_the_same(model):
    encoder = hybrid.SpladeEncoder(model)
    found = encoder.encode_documents(["", "cats purr", " "]).lexical
    assert found.shape[0] == 3
    assert np.isfinite(found.data).all()
    assert (found.data >= 0).all()
    alone = encoder.encode_documents(["cats purr"]).lexical.toarray()
    assert found[1].toarray() == pytest.approx(alone, abs=1e-5)


def test_an_index_has_bm25_and_lexical(model, tmp_path):
    with hybrid.Retriever.from_texts(TEXTS, encoder=model) as retriever:
        hits = retriever.search("cats purr", k=4)
        assert hits[0].text == TEXTS[0]
        assert set(hits[0].parts) == {"bm25", "lexical"}
        assert hits[0].parts["lexical"].rank is not None
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert opened.search("cats purr", k=4) == hits


def test_nothing_is_put_before_a_text(model, tmp_path):
    from sentence_transformers import SparseEncoder

    prompted = SparseEncoder(str(model), prompts={"query": "dogs ", "document": "fox "})
    prompted.save(str(tmp_path / "prompted"))
    plain, prompted = hybrid.SpladeEncoder(model), hybrid.SpladeEncoder(tmp_path / "prompted")
    for side in ("encode_queries", "encode_documents"):
        found = getattr(prompted, side)(["cats"]).lexical.toarray()
        assert (found == getattr(plain, side)(["cats"]).lexical.toarray()).all()


def test_it_is_recognised(model, tmp_path):
    from sentence_transformers import SparseEncoder

    SparseEncoder(str(model)).save(str(tmp_path / "saved"))
    for given in (model, tmp_path / "saved", f"splade:{model}"):
        assert isinstance(as_encoder(given, Analyzer()), hybrid.SpladeEncoder)
    forced = as_encoder(f"st:{model}", Analyzer())
    assert isinstance(forced, hybrid.SentenceTransformerEncoder)


def test_other_models_are_refused(model, tmp_path):
    from transformers import BertModel

    folder = tmp_path / "plain"
    BertModel.from_pretrained(model).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((model / name).read_bytes())
    with pytest.raises(ValueError, match="expected a SPLADE model"):
        hybrid.SpladeEncoder(folder)


def test_long_texts_are_cut_and_logged_once(model, caplog):
    encoder = hybrid.SpladeEncoder(model, max_length=4)
    for _ in range(2):
        found = encoder.encode_documents(["cats purr dogs bark", "cats purr"]).lexical.toarray()
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    messages = [record.getMessage() for record in caplog.records if record.name[:6] == "hybrid"]
    assert len(messages) == 1
    assert messages[0].startswith("1 of 2 texts are longer than the 4 tokens")
