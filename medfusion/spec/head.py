"""From fused features to outputs."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Real, Spec


class LinearHead(Spec):
    """One linear layer from fused features to outputs."""

    family: ClassVar[str] = "head"
    kind: Literal["linear"] = "linear"
    dropout: Real = Field(0.0, ge=0, lt=1)
    """Dropout before the layer."""


Head = LinearHead
"""Union of heads by `kind`."""
