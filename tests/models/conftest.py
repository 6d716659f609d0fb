"""Tiny models of the real shapes, with random weights, built on the spot."""

import shutil

import pytest

TEXTS = [
    "cats purr when they are content and warm",
    "dogs bark at strangers in the night",
    "猫咪为什么会打呼噜",
    "the quick brown fox jumps over the lazy dog",
]


def build_xlm_roberta(folder, seed):
    """Save a two-layer XLM-RoBERTa with a tokenizer trained on a few sentences."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 20, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    names = ("bos_token", "pad_token", "eos_token", "unk_token")
    fast = XLMRobertaTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(names, special, strict=True)),
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<unk>",
    )
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = XLMRobertaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=130,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
    )
    XLMRobertaModel(config).save_pretrained(folder)


def build_bge_m3(folder, seed=0):
    """Save a model with the heads of BGE-M3."""
    import torch

    build_xlm_roberta(folder, seed)
    torch.save(torch.nn.Linear(64, 64).state_dict(), folder / "colbert_linear.pt")
    torch.save(torch.nn.Linear(64, 1).state_dict(), folder / "sparse_linear.pt")
    return folder


@pytest.fixture(scope="session")
def bge_m3(tmp_path_factory):
    pytest.importorskip("FlagEmbedding", reason="the extra bge is not installed")
    return build_bge_m3(tmp_path_factory.mktemp("tiny-m3"))


@pytest.fixture(scope="session")
def hub(bge_m3, tmp_path_factory):
    """Return a hub's cache with two revisions of the model ``tiny/m3``, as a download leaves it."""
    cache = tmp_path_factory.mktemp("hub")
    repository = cache / "models--tiny--m3"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "refs").mkdir()
    shutil.copytree(bge_m3, repository / "snapshots" / "newer")
    build_bge_m3(repository / "snapshots" / "older", seed=1)
    (repository / "refs" / "main").write_text("newer")
    (repository / "refs" / "old").write_text("older")
    return cache
