"""Sentences that show whether an encoder still gives the numbers that an index was built with.

They are encoded when an index is saved, and again when it is opened: a fingerprint says which model
it should be, the canaries whether it is.
"""

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from hybrid.damaged import told_as_damage
from hybrid.encoders.base import Embeddings, Encoder, Vectors
from hybrid.errors import EncoderMismatch
from indexes.opened import check, opened, rising

CANARIES = (
    "The quick brown fox jumps over the lazy dog.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "def fibonacci(n): return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)",
    "In 1969 drei Menschen flogen zum Mond; две вернулись; عاد الثالث أيضا.",
)

_LEAST_COSINE = 0.999  # other hardware and half precision stay above it
_CSR = ("data", "indices", "indptr")

Scores = NDArray[np.float64]
Parts = dict[str, "Vectors | sp.csr_matrix"]


def canaries_of(encoder: Encoder) -> Parts:
    """Return what the encoder makes of the canaries, a row for each: dense, lexical, tokens."""
    return parts_of(encoder.encode_queries(CANARIES))


def parts_of(embeddings: Embeddings) -> Parts:
    """Return embeddings as matrices with a row for each text; of token vectors, their sum."""
    parts: Parts = {}
    if embeddings.dense is not None:
        parts["dense"] = np.asarray(embeddings.dense, np.float32)
    if embeddings.lexical is not None:
        parts["lexical"] = sp.csr_matrix(embeddings.lexical, dtype=np.float32)
    if embeddings.tokens is not None:
        ends = np.cumsum(embeddings.tokens.vectors, axis=0, dtype=np.float64)
        upto = np.concatenate([np.zeros((1, ends.shape[1])), ends])[embeddings.tokens.offsets]
        parts["tokens"] = np.diff(upto, axis=0).astype(np.float32)
    return parts


def save_canaries(encoder: Encoder, folder: Path) -> None:
    """Write the canaries as npy files into a folder that exists."""
    for name, part in canaries_of(encoder).items():
        if isinstance(part, np.ndarray):
            np.save(_file(folder, name), part, allow_pickle=False)
        else:
            for field in _CSR:
                array = getattr(part, field)
                np.save(_file(folder, f"{name}-{field}"), array, allow_pickle=False)


def check_canaries(folder: Path, encoder: Encoder, differing_versions: str = "") -> None:
    """Raise EncoderMismatch when the canaries come out differently than when they were saved.

    Parameters
    ----------
    folder : Path
        Where `save_canaries` wrote; without such files nothing is checked.
    encoder : Encoder
        The one at hand.
    differing_versions : str
        In which library versions it differs from the one of the index, for the message.
    """
    with told_as_damage(folder):
        stored = _saved(folder)
    if not stored:
        return
    difference = difference_of(stored, canaries_of(encoder))
    if difference:
        versions = f"; library versions differ: {differing_versions}" if differing_versions else ""
        raise EncoderMismatch(
            f"encoder {encoder.fingerprint().get('name')!r} has the right name, but gives other "
            f"vectors than when the index was built: {difference}{versions}: were its weights "
            f"replaced? Build the index again, or open it all the same with allow_mismatch=True"
        )


def difference_of(stored: Parts, found: Parts) -> str:
    """Return where canaries differ by more than rounding, in words; "" when nowhere."""
    worst = (_LEAST_COSINE, "")
    for name, part in stored.items():
        given = found.get(name)
        if given is None or not _comparable(part, given):
            shape = None if given is None else given.shape
            return f"expected canary vectors of shape {part.shape} ({name}), not {shape}"
        cosines = _cosines(part, given)
        place = int(np.argmin(cosines))
        if cosines[place] < worst[0]:
            worst = float(cosines[place]), f"{name} vector of canary {CANARIES[place]!r}"
    if not worst[1]:
        return ""
    return f"the {worst[1]} has cosine {worst[0]:.4f} to the stored one, not {_LEAST_COSINE}"


def _comparable(stored: "Vectors | sp.csr_matrix", given: "Vectors | sp.csr_matrix") -> bool:
    """Return whether shapes agree; the terms that no canary has are not stored."""
    terms = not isinstance(stored, np.ndarray) and not isinstance(given, np.ndarray)
    return given.shape == stored.shape or (terms and given.shape[0] == stored.shape[0])


def _cosines(one: "Vectors | sp.csr_matrix", two: "Vectors | sp.csr_matrix") -> Scores:
    """Return the cosine of each pair of rows: 1 when both are zero, 0 when one of them is."""
    width = max(one.shape[1], two.shape[1])
    a, b = _of_width(one, width), _of_width(two, width)
    with np.errstate(invalid="ignore", divide="ignore"):
        a_squared, b_squared = _sums(a.multiply(a)), _sums(b.multiply(b))
        lengths = np.sqrt(a_squared) * np.sqrt(b_squared)
        both_zero = (a_squared == 0) & (b_squared == 0)
        cosines = np.where(lengths == 0, both_zero, _sums(a.multiply(b)) / lengths)
    found: Scores = np.nan_to_num(cosines, nan=-1.0)  # NaN is no number to agree with
    return found


def _of_width(part: "Vectors | sp.csr_matrix", width: int) -> sp.csr_matrix:
    matrix = sp.csr_matrix(part, dtype=np.float64)
    shape = matrix.shape[0], width
    wide = sp.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape, copy=True)
    wide.sum_duplicates()  # in order; without that scipy takes memory for every column
    return wide


def _sums(matrix: sp.csr_matrix) -> Scores:
    """Return the sum of each row; scipy's takes memory for every column, too."""
    owners = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(owners, matrix.data, matrix.shape[0]).astype(np.float64)


def _saved(folder: Path) -> Parts:
    parts: Parts = {
        name: opened(_file(folder, name), "<f4", (len(CANARIES), None), mode=None)
        for name in ("dense", "tokens")
        if _file(folder, name).exists()
    }
    if _file(folder, "lexical-data").exists():
        parts["lexical"] = _saved_weights(folder)
    return parts


def _saved_weights(folder: Path) -> sp.csr_matrix:
    data = opened(_file(folder, "lexical-data"), "<f4", (None,), mode=None)
    kinds = "<i4 <i8"  # scipy's choice
    indices = opened(_file(folder, "lexical-indices"), kinds, (len(data),), mode=None)
    starts = opened(_file(folder, "lexical-indptr"), kinds, (len(CANARIES) + 1,), mode=None)
    check(rising(starts, 0, len(data)), "weights of one canary behind those of another")
    inside = indices.min(initial=0) >= 0 and indices.max(initial=0) < 1 << 31
    check(inside, "the numbers of terms")
    return sp.csr_matrix((data, indices, starts))


def _file(folder: Path, name: str) -> Path:
    return folder / ("canaries.npy" if name == "dense" else f"canaries-{name}.npy")
