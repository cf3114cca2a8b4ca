"""Heads: from fused features to outputs."""

from medfusion.models.heads.linear import LinearHead

__all__ = ["LinearHead"]
