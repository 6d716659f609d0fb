"""Models in int8: exported once, close to the exact vectors, the same for any company."""

import json
import shutil

import numpy as np
import pytest

import hybrid
from hybrid.analysis import Analyzer
from hybrid.encoders import as_encoder, onnx_int8
from tests.models.conftest import TEXTS, build_xlm_roberta

pytestmark = pytest.mark.filterwarnings("default")  # those libraries warn about themselves


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a plain model, and the one in which it was exported."""
    for package in ("sentence_transformers", "onnxruntime", "onnx", "onnxscript"):
        pytest.importorskip(package, reason="the extra onnx is not installed")
    folder = tmp_path_factory.mktemp("onnx")
    build_xlm_roberta(folder / "tiny", seed=0)
    hybrid.OnnxEncoder(folder / "tiny", cache_folder=folder / "cache")
    return folder / "tiny", folder / "cache"


@pytest.fixture
def no_export(monkeypatch):
    def fail(*_):
        raise AssertionError("exported again")

    monkeypatch.setattr(onnx_int8, "_export", fail)


def cosines(one, two):
    return (one * two).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)


@pytest.mark.usefixtures("no_export")
def test_vectors_are_close_and_do_not_depend_on_their_company(made):
    encoder = hybrid.OnnxEncoder(made[0], cache_folder=made[1])
    texts = [*TEXTS, "cats " * 300]
    found = encoder.encode_documents(texts).dense
    exact = hybrid.SentenceTransformerEncoder(made[0]).encode_documents(texts).dense
    assert cosines(found, exact).min() > 0.98
    assert (found != exact).any()
    assert (encoder.encode_documents(texts[1:2]).dense[0] == found[1]).all()
    assert encoder.encode_queries([]).dense.shape == (0, 64)


@pytest.mark.usefixtures("no_export")
@pytest.mark.parametrize("cpus", [1, 3])
def test_texts_that_run_side_by_side_come_back_in_order(made, monkeypatch, cpus):
    monkeypatch.setattr(onnx_int8, "_cpus", lambda: cpus)
    encoder = hybrid.OnnxEncoder(made[0], cache_folder=made[1])
    texts = ["", *TEXTS * 5, "cats " * 300]
    expected = [encoder.encode_documents([text]).dense[0] for text in texts]
    assert (encoder.encode_documents(texts).dense == expected).all()


@pytest.mark.usefixtures("no_export")
def test_choices_are_those_of_the_model(made):
    choice = {"dimension": 16, "query_instruction": "dogs ", "max_length": 6}
    encoder = hybrid.OnnxEncoder(made[0], cache_folder=made[1], **choice)
    exact = hybrid.SentenceTransformerEncoder(made[0], **choice)
    differing = {"kind", "versions", "precision"}
    stored, other = encoder.fingerprint(), exact.fingerprint()
    assert stored["precision"] == "int8"
    assert {k: v for k, v in stored.items() if k not in differing} == {
        k: v for k, v in other.items() if k not in differing
    }
    found = encoder.encode_queries(TEXTS).dense
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert cosines(found, exact.encode_queries(TEXTS).dense).min() > 0.97
    with pytest.raises(ValueError, match=r"dimension of 1 to 64, .* not 65"):
        hybrid.OnnxEncoder(made[0], cache_folder=made[1], dimension=65)
    with pytest.raises(ValueError, match=r"max_length of 1 to 128 tokens, .* not 129"):
        hybrid.OnnxEncoder(made[0], cache_folder=made[1], max_length=129)


def test_an_index_finds_the_model_again(made, tmp_path, monkeypatch, no_export):
    monkeypatch.setattr(onnx_int8, "_CACHE", made[1])
    encoder = as_encoder(f"onnx:{made[0]}", Analyzer())
    with hybrid.Retriever.from_texts(TEXTS, encoder=encoder) as retriever:
        hits = retriever.search("dogs", k=4)
        retriever.save(tmp_path / "index")
    with hybrid.Retriever.load(tmp_path / "index") as opened:
        assert opened.search("dogs", k=4) == hits


def test_a_changed_model_is_exported_again(made, tmp_path):
    model, cache = shutil.copytree(made[0], tmp_path / "copied"), tmp_path / "cache"
    hybrid.OnnxEncoder(model, cache_folder=cache)
    (settings,) = cache.glob("*copied-*/settings.json")
    before = json.loads(settings.read_text("utf-8"))["state"]
    (model / "README.md").write_text("changed")
    hybrid.OnnxEncoder(model, cache_folder=cache)
    assert json.loads(settings.read_text("utf-8"))["state"] != before


def test_vectors_that_are_not_close_are_refused(made, tmp_path, monkeypatch):
    def upside_down(exact, path):
        import onnx

        graph = onnx.load(exact)
        for weight in graph.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) == 2:
                values = onnx.numpy_helper.to_array(weight)
                weight.CopyFrom(onnx.numpy_helper.from_array(-values[::-1].copy(), weight.name))
        onnx.save(graph, path)

    monkeypatch.setattr(onnx_int8, "_quantize", upside_down)
    with pytest.raises(hybrid.EncoderError, match="the least cosine is"):
        hybrid.OnnxEncoder(made[0], cache_folder=tmp_path)
    assert not list(tmp_path.glob("*/settings.json"))
