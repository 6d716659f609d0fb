"""BGE-M3 through FlagEmbedding: dense vectors and lexical weights from one pass [1]_.

References
----------
.. [1] Chen, Xiao, Zhang, Luo, Lian, Liu, "BGE M3-Embedding: Multi-Lingual, Multi-Functionality,
   Multi-Granularity Text Embeddings Through Self-Knowledge Distillation", ACL Findings 2024.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from hybrid.encoders.base import Embeddings
from hybrid.errors import MissingDependency


class BGEM3Encoder:
    """Dense vectors and lexical weights from a BGE-M3 model.

    Parameters
    ----------
    name : str
        Name on a model hub, or the folder of a model.  A name that is not on this machine is
        downloaded by FlagEmbedding.
    max_length : int
        Longest input in tokens; longer texts are cut.  At most what the model has positions for.
    batch_size : int
        Texts in one pass.
    """

    def __init__(self, name: str, *, max_length: int = 1024, batch_size: int = 16) -> None:
        try:
            import torch
            from FlagEmbedding import BGEM3FlagModel
        except ImportError as error:
            raise MissingDependency("FlagEmbedding", "bge") from error
        self.name, self.batch_size = name, batch_size
        on_gpu = torch.cuda.is_available()
        # One device: a list of several starts worker processes, which need a guarded main module.
        device = "cuda:0" if on_gpu else "cpu"
        self._model = BGEM3FlagModel(name, use_fp16=on_gpu, devices=device)
        config = self._model.model.model.config
        self._terms = int(config.vocab_size)
        self.dimension = int(config.hidden_size)
        positions = int(config.max_position_embeddings) - 2  # XLM-R keeps two for padding
        if max_length > positions:
            max_length = positions  # beyond it FlagEmbedding fails with an unrelated error
        self.max_length = max_length

    def encode_documents(self, texts: Sequence[str]) -> Embeddings:
        """Encode the texts of chunks."""
        if not texts:  # FlagEmbedding raises AttributeError on an empty list
            return Embeddings(
                np.empty((0, self.dimension), np.float32), _as_matrix([], self._terms)
            )
        found = self._model.encode(
            list(texts),
            batch_size=self.batch_size,
            max_length=self.max_length,
            return_dense=True,
            return_sparse=True,
            return_colbert_vecs=False,
        )
        dense = np.asarray(found["dense_vecs"], np.float32)
        return Embeddings(dense, _as_matrix(found["lexical_weights"], self._terms))

    encode_queries = encode_documents

    def fingerprint(self) -> dict[str, Any]:
        """Return name, dimension and longest input."""
        return {
            "kind": "bge-m3",
            "name": self.name,
            "dimension": self.dimension,
            "max_length": self.max_length,
        }


def _as_matrix(weights: Sequence[dict[str, float]], terms: int) -> sp.csr_matrix:
    """Return FlagEmbedding's dicts of {token id as text: weight} as one sparse matrix."""
    ids = [int(token) for found in weights for token in found]
    values = np.array([float(v) for found in weights for v in found.values()], np.float32)
    offsets = np.concatenate([[0], np.cumsum([len(found) for found in weights])])
    return sp.csr_matrix((values, np.array(ids, np.int64), offsets), (len(weights), terms))
