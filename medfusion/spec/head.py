"""From fused features to outputs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Int, Real, Spec


class LinearHead(Spec):
    """One linear layer from fused features to outputs."""

    family: ClassVar[str] = "head"
    kind: Literal["linear"] = "linear"
    dropout: Real = Field(0.0, ge=0, lt=1)
    """Dropout before the layer."""


class MLPHead(Spec):
    """Hidden layers with GELU between fused features and outputs."""

    family: ClassVar[str] = "head"
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[Int, Field(ge=1, le=65_536)], ...] = Field((64,), min_length=1)
    """Width of each hidden layer."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout after each hidden layer."""


class SegmentationHead(Spec):
    """A decoder from the encoder's maps to the class of every pixel, led by the fused features."""

    family: ClassVar[str] = "head"
    kind: Literal["segmentation"] = "segmentation"
    width: Int = Field(16, ge=2, le=1024)
    """Channels at the image's own size; each coarser level has twice as many."""
    widest: Int = Field(256, ge=2, le=4096)
    """Channels of a level at most."""
    modulate: bool = True
    """Scale and shift the coarsest map by the fused features, so that the table can help; without it only the image counts."""
    dropout: Real = Field(0.0, ge=0, lt=1)
    """Dropout of whole channels of the coarsest map."""


Head = Annotated[LinearHead | MLPHead | SegmentationHead, Field(discriminator="kind")]
"""Heads by `kind`."""
