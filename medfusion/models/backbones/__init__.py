"""Image encoders."""

from medfusion.models.backbones.timm_encoder import ImageFeatures, TimmEncoder

__all__ = ["ImageFeatures", "TimmEncoder"]
