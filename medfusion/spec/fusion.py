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
    initial_gate: Real | None = Field(None, gt=0, lt=1)
    """What every gate starts at, whatever the input; by default gates start near a half, at random."""


class AttentionFusion(_Fusion):
    """Additive attention over the modalities."""

    kind: Literal["attention"] = "attention"


class _AttentionLayers(_Fusion):
    heads: Int = Field(4, ge=1, le=64)
    """Attention heads; they divide `dim`."""

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> Self:
        if self.dim % self.heads:
            msg = f"dim {self.dim} is not divisible by {self.heads} heads"
            raise ValueError(msg)
        return self


class CrossAttentionFusion(_AttentionLayers):
    """Tokens of each modality attend to those of the others (https://arxiv.org/abs/1908.07490)."""

    kind: Literal["cross-attention"] = "cross-attention"
    layers: Int = Field(1, ge=1, le=12)
    """Number of cross-attention layers."""


class PerceiverFusion(_AttentionLayers):
    """Latents attend to each modality in turn, as in HealNet (https://arxiv.org/abs/2311.09115)."""

    kind: Literal["perceiver"] = "perceiver"
    latents: Int = Field(16, ge=1, le=1024)
    """Number of latents."""
    layers: Int = Field(2, ge=1, le=12)
    """How often the latents pass through all modalities; every pass has the same weights."""


class BilinearFusion(_Fusion):
    """Low-rank multimodal fusion (Liu et al. 2018, https://arxiv.org/abs/1806.00064)."""

    kind: Literal["bilinear"] = "bilinear"
    rank: Int = Field(8, ge=1, le=1024)
    """Rank of the outer product's weight."""


class KroneckerFusion(_Fusion):
    """Outer product of gated features, as in Pathomic Fusion (https://arxiv.org/abs/1912.08937)."""

    kind: Literal["kronecker"] = "kronecker"
    width: Int = Field(16, ge=1, le=32)
    """Width d of each modality's gated features; the product has (d + 1)^modalities entries."""


class MFBFusion(_Fusion):
    """Factorized bilinear pooling (Yu et al. 2017, https://arxiv.org/abs/1708.01471)."""

    kind: Literal["mfb"] = "mfb"
    factors: Int = Field(5, ge=1, le=64)
    """Products that are summed for each fused feature."""


class FiLMFusion(_Fusion):
    """The table scales and shifts the image's feature map (https://arxiv.org/abs/1709.07871)."""

    kind: Literal["film"] = "film"


class DAFTFusion(_Fusion):
    """Map and table together scale and shift the map (https://arxiv.org/abs/2107.05990)."""

    kind: Literal["daft"] = "daft"
    reduction: Int = Field(7, ge=1, le=64)
    """The bottleneck is this many times narrower than its input."""


class TabAttentionFusion(_Fusion):
    """Channel and spatial attention that the table takes part in (https://arxiv.org/abs/2310.18129)."""

    kind: Literal["tab-attention"] = "tab-attention"
    reduction: Int = Field(4, ge=1, le=64)
    """The hidden layer of the channel attention is this many times narrower than `dim`."""


class MixtureOfExpertsFusion(_Fusion):
    """A router picks the experts for each subject, as in FuseMoE (https://arxiv.org/abs/2402.03226)."""

    kind: Literal["mixture-of-experts"] = "mixture-of-experts"
    experts: Int = Field(4, ge=2, le=64)
    """Number of experts."""
    top_k: Int = Field(2, ge=2, le=64)
    """Experts that each subject gets; at least two, as with one the router would hear no error."""
    balance: Real = Field(0.01, ge=0, le=1)
    """Weight of the loss that keeps the experts equally busy."""

    @model_validator(mode="after")
    def _enough_experts(self) -> Self:
        if self.top_k > self.experts:
            msg = f"top_k {self.top_k} is more than there are experts ({self.experts})"
            raise ValueError(msg)
        return self


class LateFusion(_Fusion):
    """Every modality predicts alone, and the outputs are averaged with weights."""

    kind: Literal["late"] = "late"
    weights: Literal["learned", "equal"] = "learned"
    """Whether the weights of the modalities are learned; those of absent ones go to the others."""


class ProductOfExpertsFusion(_Fusion):
    """Each modality is a Gaussian, their product the whole (https://arxiv.org/abs/1802.05335)."""

    kind: Literal["product-of-experts"] = "product-of-experts"
    kl: Real = Field(0.001, ge=0, le=10)
    """Weight of the divergence from the prior; with 0 training does not sample either."""


Fusion = Annotated[
    ConcatenateFusion
    | GatedFusion
    | AttentionFusion
    | CrossAttentionFusion
    | PerceiverFusion
    | BilinearFusion
    | KroneckerFusion
    | MFBFusion
    | FiLMFusion
    | DAFTFusion
    | TabAttentionFusion
    | MixtureOfExpertsFusion
    | LateFusion
    | ProductOfExpertsFusion,
    Field(discriminator="kind"),
]
