"""Sentence-transformers models as int8 numbers on the CPU, through ONNX Runtime.

A model is exported once: transformer, pooling and all that follows as one graph, with weights of 8
bits and a scale for each output channel (one for a whole matrix does not keep the vectors close).
Then neither torch nor sentence-transformers is needed.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.encoders.canaries import CANARIES
from hybrid.encoders.instructions import Instructions, chosen, of_family
from hybrid.encoders.sentence_models import (
    check_dimension,
    check_length,
    choices_in,
    dense_fingerprint,
    log_long,
    positions_of,
)
from hybrid.encoders.sentence_transformer import SentenceTransformerEncoder
from hybrid.errors import EncoderError, MissingDependency

_CACHE = Path("~/.cache/hybrid-retrieval/onnx-int8")
_LEAST_COSINE = 0.9  # MiniLM has 0.995, and 0.955 with a scale for a whole matrix
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(kw_only=True, eq=False)
class OnnxEncoder:
    """Dense vectors from a sentence-transformers model in int8: quicker on a CPU, nearly the same.

    Texts are encoded one by one: the scale of the 8-bit numbers is taken from all that goes through
    the graph at once.  With nothing to pad it is also the quickest; several run side by side.

    Parameters
    ----------
    name, revision, dimension, query_instruction, document_instruction, pooling, max_length
        As for `hybrid.encoders.sentence_transformer.SentenceTransformerEncoder`.
    cache_folder : str or Path, optional
        Where exported models are kept, each in a folder of its own; without it
        ``~/.cache/hybrid-retrieval/onnx-int8``.

    Attributes
    ----------
    normalized : bool
        Whether the vectors are scaled to length 1.

    Raises
    ------
    EncoderError
        If the model gives other vectors in int8.
    MissingDependency
        If onnxruntime is not installed, or, to export, sentence-transformers or onnx.
    """

    name: str = field(kw_only=False)
    revision: str | None = None
    dimension: int | None = None
    query_instruction: str | None = None
    document_instruction: str | None = None
    pooling: str | None = None
    max_length: int | None = None
    cache_folder: str | Path | None = None
    normalized: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingDependency("onnxruntime", "onnx") from error
        self.name = str(self.name)  # a path, too
        folder, exact = self._exported()
        self._read(_settings(folder))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if self.max_length is not None:
            self._tokenizer.enable_truncation(self.max_length)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = _cpus()  # more than there are halve the speed
        # threads that wait would burn what other texts, and other programs, could use
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._warned = False
        if exact is not None and self._least_cosine(exact) < _LEAST_COSINE:
            shutil.rmtree(folder)
            raise EncoderError(
                f"expected vectors in int8 close to those of {self.name!r}, but the least cosine "
                f"is {self._least_cosine(exact):.3f}: use SentenceTransformerEncoder"
            )

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""
        return Embeddings(dense=self._encode(texts, self._instructions.document))

    def encode_queries(self, texts: Sequence[str]) -> Embeddings:
        """Encode questions."""
        return Embeddings(dense=self._encode(texts, self._instructions.query))

    def fingerprint(self) -> dict[str, Any]:
        """Return all that decides about the vectors."""
        packages = ("onnxruntime", "tokenizers")
        found = dense_fingerprint("onnx-int8", self, self._instructions, packages)
        return found | {"precision": "int8"}

    @classmethod
    def from_fingerprint(cls, fingerprint: Mapping[str, Any]) -> Self:
        """Return the encoder that gave this fingerprint."""
        return cls(str(fingerprint["name"]), **choices_in(fingerprint))

    def _exported(self) -> tuple[Path, SentenceTransformerEncoder | None]:
        """Return the folder of the exported model, and the model when it was exported just now."""
        state = _state_of(Path(self.name))
        for pooling in (None, self.pooling):  # the model's own may be the one that is wanted
            folder = self._folder(pooling)
            kept = _settings(folder) if (folder / "settings.json").exists() else {}
            if state is None or state == kept.get("state"):
                if kept and self.pooling in (None, kept["pooling"]):
                    return folder, None
            elif kept and pooling == self.pooling:
                shutil.rmtree(folder)  # the model that it was made of has been changed
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            made = Path(place) / "made"
            made.mkdir()
            exact = SentenceTransformerEncoder(
                self.name, revision=self.revision, pooling=self.pooling
            )
            _export(exact, made, state)
            made.rename(folder)
        return folder, exact

    def _folder(self, pooling: str | None) -> Path:
        identity = json.dumps([self.name, self.revision, pooling])
        label = re.sub(r"[^\w.-]+", "-", self.name)[-60:].strip("-")
        digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
        return Path(self.cache_folder or _CACHE.expanduser()) / f"{label}-{digest}"

    def _read(self, settings: Mapping[str, Any]) -> None:
        """Check what was chosen against what was exported, and complete it."""
        full, positions = int(settings["full"]), settings["positions"]
        self.pooling = settings["pooling"]
        self.dimension = self.dimension if self.dimension is not None else settings["dimension"]
        check_dimension(self.dimension, full, self.name)
        self.normalized = settings["normalized"] or self.dimension < full
        self.max_length = self.max_length if self.max_length is not None else settings["max_length"]
        check_length(self.max_length, positions, self.name)
        default = Instructions(settings["query_instruction"], settings["document_instruction"])
        self._instructions = chosen(default, self.query_instruction, self.document_instruction)

    def _least_cosine(self, exact: SentenceTransformerEncoder) -> float:
        """Return how far the vectors of the canary sentences are from the exact ones, at worst."""
        width = min(self.dimension or 0, exact.dimension or 0)
        pairs = (
            (exact.encode_queries(CANARIES).dense, exact.instructions.query),
            (exact.encode_documents(CANARIES).dense, exact.instructions.document),
        )
        cosines = []
        for expected, instruction in pairs:
            found = self._encode(CANARIES, instruction)[:, :width]
            wanted = np.asarray(expected)[:, :width]
            lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
            cosines.append((found * wanted).sum(axis=1) / lengths)
        return float(np.min(cosines))

    def _encode(self, texts: Sequence[str], instruction: str) -> Vectors:
        encodings = self._tokenizer.encode_batch([instruction + text for text in texts])
        cut = sum(bool(each.overflowing) for each in encodings)
        if cut and not self._warned:
            self._warned = True
            log_long(cut, len(texts), self.max_length, self.name)
        vectors = np.empty((len(texts), self.dimension or 0), np.float32)
        # several texts at once keep the processors busier than one text can
        with ThreadPoolExecutor(_cpus()) as pool:
            for row, vector in enumerate(pool.map(self._vector, encodings)):
                vectors[row] = vector
        if self.normalized:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(lengths > 0, lengths, 1)
        return vectors

    def _vector(self, encoding: Any) -> Vectors:
        """Run the graph for one text, which has nothing to pad."""
        found = (encoding.ids, encoding.attention_mask, encoding.type_ids)
        given = dict(zip(_INPUTS, found, strict=True))
        feed = {name: np.array([given[name]], np.int64) for name in self._inputs}
        vector: Vectors = self._session.run(None, feed)[0][0, : self.dimension]
        return vector


def _cpus() -> int:
    """Return on how many CPUs this process may run, where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _settings(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "settings.json").read_text("utf-8")))


def _export(encoder: SentenceTransformerEncoder, folder: Path, state: str | None) -> None:
    """Write a model as int8, its tokenizer and what must be known of it."""
    model = encoder._model.to("cpu").eval()
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None or not of_family(encoder.name).pooled:
        raise ValueError(
            f"expected a model with a fast tokenizer that pools all tokens, not {encoder.name!r}: "
            f"use SentenceTransformerEncoder"
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    full, exact = _graph(model, folder / "exact.onnx")
    _quantize(exact, folder / "model.onnx")
    exact.unlink()
    settings = {
        **encoder.fingerprint(),
        "full": full,
        "positions": positions_of(model),
        "state": state,
    }
    (folder / "settings.json").write_text(json.dumps(settings, ensure_ascii=False), "utf-8")


def _graph(model: Any, path: Path) -> tuple[int, Path]:
    """Export a model for one text of any length; return how long its vectors are, and the file."""
    import torch

    class Pipeline(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, inputs: Sequence[str]) -> None:
            super().__init__()
            self.model, self.inputs = model, inputs

        def forward(self, *values: Any) -> Any:
            return self.model(dict(zip(self.inputs, values, strict=True)))["sentence_embedding"]

    features = model.preprocess([CANARIES[0]])
    names = [name for name in _INPUTS if name in features]
    example = tuple(features[name] for name in names)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is absent
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            Pipeline(names).eval(),
            example,
            path,
            input_names=names,
            output_names=["vectors"],
            dynamic_shapes=(tuple({1: torch.export.Dim.DYNAMIC} for _ in names),),
            external_data=False,
            verbose=False,
        )
        return int(model(dict(features))["sentence_embedding"].shape[1]), path


def _quantize(exact: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic

    ready = path.with_name("ready.onnx")
    quant_pre_process(exact, ready, skip_symbolic_shape=True)  # it fails on what torch exports
    quantize_dynamic(ready, path, per_channel=True, weight_type=QuantType.QInt8)
    ready.unlink()


def _state_of(folder: Path) -> str | None:
    """Return a digest of when the files of a model were changed; None when it is no folder."""
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    seen = [
        (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
    ]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()
