"""Encoders of the table's columns."""

from medfusion.models.tabular.ft_transformer import FTTransformerEncoder
from medfusion.models.tabular.mlp import MLPEncoder
from medfusion.models.tabular.tabm import TabMEncoder

__all__ = ["FTTransformerEncoder", "MLPEncoder", "TabMEncoder"]
