"""Fusions: one signature for all, see `medfusion.models.fusion.contract`."""

from medfusion.models.fusion.attention import AttentionFusion
from medfusion.models.fusion.bilinear import BilinearFusion
from medfusion.models.fusion.concatenate import ConcatenateFusion
from medfusion.models.fusion.contract import Fusion
from medfusion.models.fusion.cross_attention import CrossAttentionFusion
from medfusion.models.fusion.daft import DAFTFusion
from medfusion.models.fusion.film import FiLMFusion
from medfusion.models.fusion.gated import GatedFusion
from medfusion.models.fusion.kronecker import KroneckerFusion
from medfusion.models.fusion.late import LateFusion
from medfusion.models.fusion.mfb import MFBFusion
from medfusion.models.fusion.mixture_of_experts import MixtureOfExpertsFusion
from medfusion.models.fusion.perceiver import PerceiverFusion
from medfusion.models.fusion.product_of_experts import ProductOfExpertsFusion
from medfusion.models.fusion.tab_attention import TabAttentionFusion

__all__ = [
    "AttentionFusion",
    "BilinearFusion",
    "ConcatenateFusion",
    "CrossAttentionFusion",
    "DAFTFusion",
    "FiLMFusion",
    "Fusion",
    "GatedFusion",
    "KroneckerFusion",
    "LateFusion",
    "MFBFusion",
    "MixtureOfExpertsFusion",
    "PerceiverFusion",
    "ProductOfExpertsFusion",
    "TabAttentionFusion",
]
