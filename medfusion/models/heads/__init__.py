"""Heads: from fused features to outputs."""

from medfusion.models.heads.linear import LinearHead
from medfusion.models.heads.mlp import MLPHead

__all__ = ["LinearHead", "MLPHead"]
