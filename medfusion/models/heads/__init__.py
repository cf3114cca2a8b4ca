"""Heads: from fused features to outputs."""

from medfusion.models.heads.linear import LinearHead
from medfusion.models.heads.mlp import MLPHead
from medfusion.models.heads.segmentation import SegmentationHead

__all__ = ["LinearHead", "MLPHead", "SegmentationHead"]
