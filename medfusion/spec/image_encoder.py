"""Encoders of images."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfusion.spec.attention import Attention
from medfusion.spec.base import Int, Real, Spec


class TimmEncoder(Spec):
    """Any image encoder of the timm library, by name."""

    family: ClassVar[str] = "image"
    kind: Literal["timm"] = "timm"
    name: str = Field("resnet18", min_length=1)
    """The architecture's name in timm, with or without a weight tag."""
    pretrained: bool = False
    """Start from published weights: from `weights` where given, else from the hub."""
    weights: str | None = None
    """A local safetensors file with weights, relative to the YAML's own folder."""
    trainable: Literal["all", "none"] | Int = "all"
    """"all", "none", or how many of the last stages are trained."""
    drop_rate: Real = Field(0.0, ge=0, lt=1)
    """Dropout on the encoder's pooled features."""
    attention: Attention | None = None
    """Attention blocks behind stages of a convolutional encoder."""

    @model_validator(mode="after")
    def _weights_mean_pretrained(self) -> Self:
        if self.weights is not None and not self.pretrained:
            msg = "weights is unused while pretrained is false: set pretrained to true"
            raise ValueError(msg)
        if isinstance(self.trainable, int) and (
            isinstance(self.trainable, bool) or self.trainable < 1
        ):
            msg = 'trainable is "all", "none" or a number of last stages from 1 on'
            raise ValueError(msg)
        return self


ImageEncoder = TimmEncoder
"""Union of image encoders by `kind`."""
