"""Encoders of the table's columns."""

from medfusion.models.tabular.mlp import MLPEncoder

__all__ = ["MLPEncoder"]
