"""Fusion of candidates: what several indexes say together, exactly and explained."""

from fusion.exact import Arm, exact_top_k, fuse
from fusion.fused import Certificate, Fused, Parts
from fusion.methods import RRF, Method, Weighted
from fusion.rescored import top_k

__all__ = [
    "RRF",
    "Arm",
    "Certificate",
    "Fused",
    "Method",
    "Parts",
    "Weighted",
    "exact_top_k",
    "fuse",
    "top_k",
]
