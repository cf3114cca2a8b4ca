"""Fusions: one signature for all, see `medfusion.models.fusion.contract`."""

from medfusion.models.fusion.attention import AttentionFusion
from medfusion.models.fusion.bilinear import BilinearFusion
from medfusion.models.fusion.concatenate import ConcatenateFusion
from medfusion.models.fusion.contract import Fusion
from medfusion.models.fusion.cross_attention import CrossAttentionFusion
from medfusion.models.fusion.gated import GatedFusion

__all__ = [
    "AttentionFusion",
    "BilinearFusion",
    "ConcatenateFusion",
    "CrossAttentionFusion",
    "Fusion",
    "GatedFusion",
]
