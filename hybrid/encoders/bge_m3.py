"""BGE-M3: dense vectors, lexical weights and a vector for each token, from one pass [1]_.

FlagEmbedding loads the model and its heads.  Its `encode` is not used: it runs the first batch
twice, takes any RuntimeError for a lack of memory, and fails on empty lists; what it computes is
computed here in the same way, which the tests compare.

References
----------
.. [1] Chen, Xiao, Zhang, Luo, Lian, Liu, "BGE M3-Embedding: Multi-Lingual, Multi-Functionality,
   Multi-Granularity Text Embeddings Through Self-Knowledge Distillation", ACL Findings 2024.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybrid.encoders.base import Embeddings, Vectors
from hybrid.encoders.batching import Batching
from hybrid.errors import EncoderError, MissingDependency
from indexes.multivector import TokenVectors

log = logging.getLogger(__name__)

_DEFAULT_LENGTH = 1024
_HEADS = ("colbert_linear.pt", "sparse_linear.pt")


class _Encoded(NamedTuple):
    """What one pass makes of one text."""

    dense: Vectors
    lexical: dict[int, float]
    tokens: Vectors | None


class BGEM3Encoder:
    """Dense vectors, lexical weights and token vectors from a BGE-M3 model.

    Chunks and questions are encoded alike: the model needs no instructions.  It runs on the first
    GPU in half precision, or else on the CPU in single precision.

    Parameters
    ----------
    name : str
        Name on a model hub, or the folder of a model.  A name that is not on this machine is
        downloaded by FlagEmbedding.
    revision : str, optional
        Branch, tag or commit of a model on a hub; a commit is the same model for ever.
    max_length : int, optional
        Longest input in tokens; longer texts are cut, which is logged once.  None is 1024, or what
        the model has positions for if that is less.
    batch_size : int, optional
        Texts in one pass; None counts tokens instead.  See `hybrid.encoders.batching`.
    tokens : bool
        Whether to return a vector for each token: 4 kB a token with the published model.

    Attributes
    ----------
    dimension : int
        Length of the dense vectors.
    cut : int
        How many of the texts so far were longer than `max_length`.

    Raises
    ------
    MissingDependency
        If FlagEmbedding is not installed.
    EncoderError
        If the model lacks the heads of BGE-M3: FlagEmbedding would make up random ones.
    ValueError
        If `max_length` or `batch_size` is out of range, or a folder is given with a revision.
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        max_length: int | None = None,
        batch_size: int | None = None,
        tokens: bool = True,
    ) -> None:
        self.name, self.revision, self.tokens, self.cut = str(name), revision, tokens, 0
        self._batching = Batching(self.name, size=batch_size)
        loaded = _loaded(self.name, revision)
        self._model, self._tokenizer = loaded.model, loaded.tokenizer
        self._device = loaded.target_devices[0]
        self._model.to(self._device).eval()
        config = self._model.model.config
        self.dimension, self._terms = int(config.hidden_size), int(config.vocab_size)
        most = int(config.max_position_embeddings) - 2  # XLM-R keeps two for padding
        self.max_length = min(_DEFAULT_LENGTH, most) if max_length is None else max_length
        if not 3 <= self.max_length <= most:
            raise ValueError(
                f"expected max_length from 3 to {most}, which is what {self.name!r} has positions "
                f"for, not {max_length}"
            )
        special = ("cls_token_id", "eos_token_id", "pad_token_id", "unk_token_id")
        self._unweighted = [getattr(self._tokenizer, kind) for kind in special]
        self._versions = {p: version(p) for p in ("FlagEmbedding", "torch", "transformers")}
        self._numbers([""])  # sets the tokenizer's length, which threads must not do at once

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks.

        Returns
        -------
        Embeddings
            dense : float32, shape (n, dimension), rows of length 1
            lexical : csr_matrix of float32, shape (n, size of the vocabulary), weights > 0, by
            token id; the highest where a token is repeated; none for special tokens
            tokens : rows of length 1, one for each token but the first, the end mark included; or
            None, as was chosen

        Raises
        ------
        EncoderError
            If there is no memory for one text alone.
        TypeError
            If `texts` is one text.
        """
        if isinstance(texts, str):
            raise TypeError("expected a list of texts, not one text: put it into a list")
        inputs = self._numbers(texts)
        found = self._batching.run(
            texts,
            [len(numbers) for numbers in inputs],
            lambda places: self._pass([inputs[place] for place in places]),
        )
        return Embeddings(
            np.array([text.dense for text in found], np.float32).reshape(-1, self.dimension),
            _as_matrix([text.lexical for text in found], self._terms),
            self._as_token_vectors(found) if self.tokens else None,
        )

    encode_queries = encode_documents

    def spelled(self, terms: Sequence[int]) -> list[str]:
        """Return the tokens that lexical weights are for, by their ids."""
        return [str(token) for token in self._tokenizer.convert_ids_to_tokens(list(terms))]

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides about the numbers."""
        return {
            "kind": "bge-m3",
            "name": self.name,
            "revision": self.revision,
            "dimension": self.dimension,
            "max_length": self.max_length,
            "pooling": "cls",
            "normalized": True,
            "tokens": self.tokens,
            "versions": dict(self._versions),
        }

    def _numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, cut to `max_length`."""
        if not texts:
            return []
        found = self._tokenizer(list(texts), truncation=True, max_length=self.max_length)
        cut = sum(bool(encoding.overflowing) for encoding in found.encodings)
        if cut and not self.cut:
            log.warning(
                "encoder %r cut %d of %d texts to max_length=%d tokens: what follows in them is "
                "not found by meaning; later cuts are counted, not logged",
                self.name,
                cut,
                len(texts),
                self.max_length,
            )
        self.cut += cut
        return list(found["input_ids"])

    def _pass(self, inputs: Sequence[Sequence[int]]) -> list[_Encoded]:
        """Run the model once over some texts."""
        import torch

        lengths = np.array([len(numbers) for numbers in inputs])
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self._tokenizer.pad_token_id, np.int64)
        ids[mask] = np.concatenate(inputs)
        features = {"input_ids": ids, "attention_mask": mask.astype(np.int64)}
        with torch.inference_mode():
            found = self._model(
                {key: torch.from_numpy(array).to(self._device) for key, array in features.items()},
                return_dense=True,
                return_sparse=True,
                return_colbert_vecs=self.tokens,
            )
            # half precision leaves lengths of 1 +- 0.001
            dense = torch.nn.functional.normalize(found["dense_vecs"].float(), dim=-1)
        dense, weights = dense.cpu().numpy(), found["sparse_vecs"][..., 0].float().cpu().numpy()
        weights[~mask | np.isin(ids, self._unweighted)] = 0
        tokens = found["colbert_vecs"].float().cpu().numpy() if self.tokens else None
        return [
            _Encoded(
                dense[row],
                _highest(ids[row], weights[row]),
                None if tokens is None else tokens[row, : length - 1],  # without the first, <s>
            )
            for row, length in enumerate(lengths)
        ]

    def _as_token_vectors(self, found: Sequence[_Encoded]) -> TokenVectors:
        width = self._model.colbert_linear.out_features
        lists = [text.tokens for text in found if text.tokens is not None]
        return TokenVectors(
            np.concatenate([np.empty((0, width), np.float32), *lists]),
            np.cumsum([0, *map(len, lists)], dtype=np.int64),
        )


def _loaded(name: str, revision: str | None) -> Any:
    """Return FlagEmbedding's BGEM3FlagModel on one device."""
    try:
        import torch
        from FlagEmbedding import BGEM3FlagModel
    except ImportError as error:
        raise MissingDependency("FlagEmbedding", "bge") from error
    if revision is not None:
        name = _at_revision(name, revision)
    on_gpu = torch.cuda.is_available()
    # One device: a list of several starts worker processes, which need a guarded main module.
    device = "cuda:0" if on_gpu else "cpu"
    with _without_bars():
        model = BGEM3FlagModel(name, use_fp16=on_gpu, devices=device)
    missing = [head for head in _HEADS if not _has(name, head)]
    if missing:
        raise EncoderError(
            f"expected a BGE-M3 model with the heads {' and '.join(_HEADS)}, but {name!r} has no "
            f"{' and no '.join(missing)}: other models are opened by SentenceTransformerEncoder"
        )
    return model


def _at_revision(name: str, revision: str) -> str:
    """Return the folder of one revision: FlagEmbedding itself knows only the newest."""
    if Path(name).exists():
        raise ValueError(
            f"expected no revision with the folder {name!r}, not {revision!r}: "
            f"a folder has one state only"
        )
    hub = import_module("huggingface_hub")
    others = ["flax_model.msgpack", "rust_model.ot", "tf_model.h5", "onnx/*"]
    return str(hub.snapshot_download(name, revision=revision, ignore_patterns=others))


def _has(name: str, file: str) -> bool:
    """Return whether a model that was just loaded has a file."""
    if Path(name).exists():
        return (Path(name) / file).exists()
    hub = import_module("huggingface_hub")
    return isinstance(hub.try_to_load_from_cache(name, file, os.getenv("HF_HUB_CACHE")), str)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Switch off the bars of loading; those of downloads stay, and all is as it was afterwards."""
    hub = import_module("huggingface_hub.utils")
    transformers = import_module("transformers.utils.logging")
    loading, downloads = (
        transformers.is_progress_bar_enabled(),
        not hub.are_progress_bars_disabled(),
    )
    transformers.disable_progress_bar()  # switches those of downloads as well
    try:
        if downloads:
            hub.enable_progress_bars()
        yield
    finally:
        if loading:
            transformers.enable_progress_bar()
        if not downloads:
            hub.disable_progress_bars()


def _highest(ids: NDArray[np.int64], weights: NDArray[np.float32]) -> dict[int, float]:
    """Return the highest weight of each token that has one above zero."""
    ascending = np.argsort(weights)
    ascending = ascending[weights[ascending] > 0]
    # of a repeated key, a dict keeps the last value
    return dict(zip(ids[ascending].tolist(), weights[ascending].tolist(), strict=True))


def _as_matrix(weights: Sequence[Mapping[Any, float]], terms: int) -> sp.csr_matrix:
    """Return dicts of {token id: weight} as one sparse matrix, its columns in order."""
    ids = [int(token) for found in weights for token in found]
    values = np.array([float(v) for found in weights for v in found.values()], np.float32)
    offsets = np.concatenate([[0], np.cumsum([len(found) for found in weights])])
    shape = (len(weights), terms)
    matrix = sp.csr_matrix((values, np.array(ids, np.int64), offsets), shape)
    matrix.sort_indices()
    return matrix
