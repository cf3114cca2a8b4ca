"""The model part of an Experiment: encoders, fusion, head."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

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


class MLPEncoder(Spec):
    """A multilayer perceptron over embedded columns with missing indicators."""

    family: ClassVar[str] = "table"
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[Int, Field(ge=1, le=8192)], ...] = Field((64, 32), min_length=1)
    """Widths of the hidden layers."""
    embedding: Int = Field(8, ge=1, le=1024)
    """Width of one column's embedding."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout after each hidden layer."""


TableEncoder = MLPEncoder
"""Union of table encoders by `kind`."""


class MeanViews(Spec):
    """The mean over the views that a subject has."""

    family: ClassVar[str] = "views"
    kind: Literal["mean"] = "mean"


class MaxViews(Spec):
    """The maximum over the views that a subject has, per feature."""

    family: ClassVar[str] = "views"
    kind: Literal["max"] = "max"


Views = Annotated[MeanViews | MaxViews, Field(discriminator="kind")]


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


class LinearHead(Spec):
    """One linear layer from fused features to outputs."""

    family: ClassVar[str] = "head"
    kind: Literal["linear"] = "linear"
    dropout: Real = Field(0.0, ge=0, lt=1)
    """Dropout before the layer."""


Head = LinearHead
"""Union of heads by `kind`."""


class Model(Spec):
    """One encoder per kind of input, a fusion, a head."""

    image: ImageEncoder | None = None
    """Encoder of images, shared by all views; resnet18 by default where there are images."""
    views: Views = MeanViews()
    """How several views of one subject become one."""
    table: TableEncoder | None = None
    """Encoder of the table's columns; an MLP by default where there are columns."""
    fusion: Fusion = GatedFusion()
    """How the modalities become one."""
    head: Head = LinearHead()
    """From fused features to outputs."""
    modality_dropout: Real = Field(0.1, ge=0, lt=1)
    """Chance that a present modality is hidden from a subject while training; never all of them."""
