"""Fusion of candidates: what several indexes say together, exactly and explained."""

from fusion.adaptive import Adaptive
from fusion.batches import fuse_many
from fusion.catalogue import METHODS, method_named
from fusion.exact import Limit, exact_top_k
from fusion.fused import Certificate, Fused, Parts
from fusion.lists import fuse
from fusion.methods import RRF, AnyMethod, Bayes, ByRank, Comb, Condorcet, Method, Weighted
from fusion.rescored import top_k
from fusion.sources import Arm

__all__ = [
    "METHODS",
    "RRF",
    "Adaptive",
    "AnyMethod",
    "Arm",
    "Bayes",
    "ByRank",
    "Certificate",
    "Comb",
    "Condorcet",
    "Fused",
    "Limit",
    "Method",
    "Parts",
    "Weighted",
    "exact_top_k",
    "fuse",
    "fuse_many",
    "method_named",
    "top_k",
]
