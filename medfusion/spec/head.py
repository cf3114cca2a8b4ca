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


Head = Annotated[LinearHead | MLPHead, Field(discriminator="kind")]
"""Heads by `kind`."""
