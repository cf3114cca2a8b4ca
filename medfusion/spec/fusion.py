"""How the modalities become one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfusion.spec.base import Int, Real, Spec


class _Fusion(Spec):
    family: ClassVar[str] = "fusion"
    dim: Int = Field(128, ge=1, le=8192)
    """Width of the fused features."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout inside the fusion."""


class ConcatenateFusion(_Fusion):
    """Projected features side by side, then one hidden layer."""

    kind: Literal["concatenate"] = "concatenate"


class GatedFusion(_Fusion):
    """Gated multimodal units (Arevalo et al. 2017, https://arxiv.org/abs/1702.01992)."""

    kind: Literal["gated"] = "gated"


class AttentionFusion(_Fusion):
    """Additive attention over the modalities."""

    kind: Literal["attention"] = "attention"


class CrossAttentionFusion(_Fusion):
    """Tokens of each modality attend to those of the others (https://arxiv.org/abs/1908.07490)."""

    kind: Literal["cross-attention"] = "cross-attention"
    heads: Int = Field(4, ge=1, le=64)
    """Attention heads; they divide `dim`."""
    layers: Int = Field(1, ge=1, le=12)
    """Number of cross-attention layers."""

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> Self:
        if self.dim % self.heads:
            msg = f"dim {self.dim} is not divisible by {self.heads} heads"
            raise ValueError(msg)
        return self


class BilinearFusion(_Fusion):
    """Low-rank multimodal fusion (Liu et al. 2018, https://arxiv.org/abs/1806.00064)."""

    kind: Literal["bilinear"] = "bilinear"
    rank: Int = Field(8, ge=1, le=1024)
    """Rank of the outer product's weight."""


Fusion = Annotated[
    ConcatenateFusion | GatedFusion | AttentionFusion | CrossAttentionFusion | BilinearFusion,
    Field(discriminator="kind"),
]
