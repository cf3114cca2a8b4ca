"""Attention blocks for the stages of convolutional encoders."""

from medfusion.models.attention.cbam import CBAM
from medfusion.models.attention.contract import Attended, AttentionBlock
from medfusion.models.attention.eca import ECA
from medfusion.models.attention.squeeze_excite import SqueezeExcite

__all__ = ["CBAM", "ECA", "Attended", "AttentionBlock", "SqueezeExcite"]
