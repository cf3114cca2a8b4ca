"""How several views of one subject, slices of a volume or images of a bag become one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfusion.spec.base import Int, Real, Spec


class MeanViews(Spec):
    """The mean over the views that a subject has."""

    family: ClassVar[str] = "views"
    kind: Literal["mean"] = "mean"


class MaxViews(Spec):
    """The maximum over the views that a subject has, per feature."""

    family: ClassVar[str] = "views"
    kind: Literal["max"] = "max"


class TopMeanViews(Spec):
    """The mean of the largest values over the views, per feature: between maximum and mean."""

    family: ClassVar[str] = "views"
    kind: Literal["top-mean"] = "top-mean"
    top: Int = Field(4, ge=1, le=4096)
    """Views that count per feature, the largest first; all of them where there are fewer."""


class LearnedWeightViews(Spec):
    """A learned weight for each place (view or slice), the same for all subjects."""

    family: ClassVar[str] = "views"
    kind: Literal["learned-weight"] = "learned-weight"


class AttentionViews(Spec):
    """Additive attention: weights from what each view holds (https://arxiv.org/abs/1802.04712)."""

    family: ClassVar[str] = "views"
    kind: Literal["attention"] = "attention"
    hidden: Int = Field(128, ge=1, le=4096)
    """Width of the hidden layer that rates a view."""


class GatedAttentionViews(Spec):
    """Gated attention of multiple-instance learning (ABMIL, https://arxiv.org/abs/1802.04712)."""

    family: ClassVar[str] = "views"
    kind: Literal["gated-abmil"] = "gated-abmil"
    hidden: Int = Field(128, ge=1, le=4096)
    """Width of the two hidden layers that rate a view."""


class CrossViewAttention(Spec):
    """Views attend to one another in one transformer layer, then their mean is taken."""

    family: ClassVar[str] = "views"
    kind: Literal["cross-view"] = "cross-view"
    heads: Int = Field(4, ge=1, le=64)
    """Attention heads."""
    embeddings: bool = True
    """Tell the places (views or slices) apart by a learned vector each; false for bags."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout inside the layer."""


class TransMILViews(Spec):
    """TransMIL: two transformer layers with a class token (https://arxiv.org/abs/2106.00908)."""

    family: ClassVar[str] = "views"
    kind: Literal["transmil"] = "transmil"
    dim: Int = Field(256, ge=8, le=4096)
    """Width inside; a multiple of `heads`."""
    heads: Int = Field(8, ge=1, le=64)
    """Attention heads."""
    landmarks: Int = Field(128, ge=2, le=4096)
    """Landmarks of the Nystrom approximation of attention."""
    exact_up_to: Int = Field(512, ge=0, le=65_536)
    """Bags of at most so many instances get exact attention, larger ones the approximation."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout behind each attention."""

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> Self:
        if self.dim % self.heads:
            msg = f"dim {self.dim} is not divisible by {self.heads} heads"
            raise ValueError(msg)
        return self


Views = Annotated[
    MeanViews
    | MaxViews
    | TopMeanViews
    | LearnedWeightViews
    | AttentionViews
    | GatedAttentionViews
    | CrossViewAttention
    | TransMILViews,
    Field(discriminator="kind"),
]
