"""What training makes small for a target."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from medfusion.spec.base import Real, Spec
from medfusion.spec.survival_loss import CoxLoss, DiscreteTimeLoss


class LossSpec(Spec):
    """Base of all losses."""

    family: ClassVar[str] = "loss"
    kind: str
    targets: ClassVar[tuple[str, ...]]
    """Kinds of target that it fits."""


class CrossEntropyLoss(LossSpec):
    """Cross-entropy: minus the logarithm of the probability of what is true."""

    targets: ClassVar[tuple[str, ...]] = (
        "binary",
        "multiclass",
        "multilabel",
        "ordinal",
        "segmentation",
    )
    kind: Literal["cross-entropy"] = "cross-entropy"
    label_smoothing: Real = Field(0.0, ge=0, lt=1)
    """Share of each target spread evenly over all classes (https://arxiv.org/abs/1512.00567)."""


class FocalLoss(LossSpec):
    """Cross-entropy in which easy cases count little (https://arxiv.org/abs/1708.02002)."""

    targets: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "multilabel", "segmentation")
    kind: Literal["focal"] = "focal"
    gamma: Real = Field(2.0, ge=0)
    """How much less easy cases count; 0 is the cross-entropy."""
    alpha: Real | None = Field(None, gt=0, lt=1)
    """Weight of positive cases, 1 - alpha that of negative ones; null weighs none. Several classes have training.class_weights in its place."""


class AsymmetricLoss(LossSpec):
    """Focal loss with a focus of its own for negative labels (https://arxiv.org/abs/2009.14119)."""

    targets: ClassVar[tuple[str, ...]] = ("multilabel",)
    kind: Literal["asymmetric"] = "asymmetric"
    gamma_positive: Real = Field(0.0, ge=0)
    """How much less easy positive labels count."""
    gamma_negative: Real = Field(4.0, ge=0)
    """How much less easy negative labels count."""
    clip: Real = Field(0.05, ge=0, lt=1)
    """Negative labels with a probability below this do not count."""


class CornLoss(LossSpec):
    """Chance of each next class given that the one before is reached (https://arxiv.org/abs/2111.08851)."""

    targets: ClassVar[tuple[str, ...]] = ("ordinal",)
    kind: Literal["corn"] = "corn"


class CoralLoss(LossSpec):
    """One score and a bias for each step between classes (https://arxiv.org/abs/1901.07884)."""

    targets: ClassVar[tuple[str, ...]] = ("ordinal",)
    kind: Literal["coral"] = "coral"


class SquaredLoss(LossSpec):
    """Mean squared error, in standard deviations of the target in training."""

    targets: ClassVar[tuple[str, ...]] = ("regression",)
    kind: Literal["mse"] = "mse"


class HuberLoss(LossSpec):
    """Squared for small errors, linear for large ones (https://doi.org/10.1214/aoms/1177703732)."""

    targets: ClassVar[tuple[str, ...]] = ("regression",)
    kind: Literal["huber"] = "huber"
    delta: Real = Field(1.0, gt=0)
    """Where large errors begin, in standard deviations of the target in training."""


class AbsoluteLoss(LossSpec):
    """Mean absolute error, in standard deviations of the target in training."""

    targets: ClassVar[tuple[str, ...]] = ("regression",)
    kind: Literal["l1"] = "l1"


class DiceLoss(LossSpec):
    """1 minus the soft Dice coefficient of each image and class (https://arxiv.org/abs/1606.04797)."""

    targets: ClassVar[tuple[str, ...]] = ("segmentation",)
    kind: Literal["dice"] = "dice"
    background: bool = False
    """Whether the first class counts too."""
    smooth: Real = Field(1e-5, gt=0)
    """Pixels added above and below the fraction bar. A small number leaves images without the class to the cross-entropy; one pixel or more urges the net to predict nothing."""
    batch: bool = False
    """Add up the pixels of all images of a batch before dividing, for slices of which many do not show a class."""


class DiceCrossEntropyLoss(LossSpec):
    """Soft Dice and cross-entropy added up (https://arxiv.org/abs/1809.10486)."""

    targets: ClassVar[tuple[str, ...]] = ("segmentation",)
    kind: Literal["dice-cross-entropy"] = "dice-cross-entropy"
    dice: Real = Field(1.0, ge=0)
    """Weight of the Dice loss."""
    cross_entropy: Real = Field(1.0, ge=0)
    """Weight of the cross-entropy, the mean over the pixels."""
    background: bool = False
    """Whether the first class counts in the Dice loss too."""
    smooth: Real = Field(1e-5, gt=0)
    """Pixels added above and below the fraction bar. A small number leaves images without the class to the cross-entropy; one pixel or more urges the net to predict nothing."""
    batch: bool = False
    """Add up the pixels of all images of a batch before dividing, for slices of which many do not show a class."""


_OfOneTarget = (
    CrossEntropyLoss
    | FocalLoss
    | AsymmetricLoss
    | CornLoss
    | CoralLoss
    | SquaredLoss
    | HuberLoss
    | AbsoluteLoss
    | CoxLoss
    | DiscreteTimeLoss
)


TaskLoss = Annotated[_OfOneTarget, Field(discriminator="kind")]
"""Losses of one target, by `kind`."""


class PerTaskLoss(LossSpec):
    """A loss for each task of a multitask target; tasks that are not named have their default."""

    targets: ClassVar[tuple[str, ...]] = ("multitask",)
    kind: Literal["per-task"] = "per-task"
    losses: dict[str, TaskLoss] = Field(min_length=1)
    """Loss by the name of the task."""


Loss = Annotated[
    _OfOneTarget | PerTaskLoss | DiceLoss | DiceCrossEntropyLoss, Field(discriminator="kind")
]
"""Losses by `kind`; each says in `targets` which kinds of target it fits."""


def losses_for(target: str) -> list[str]:
    """Return the kinds of loss that fit a kind of target.

    >>> losses_for("regression")
    ['mse', 'huber', 'l1']
    """
    members = get_args(get_args(Loss)[0])
    return [m.model_fields["kind"].default for m in members if target in m.targets]


def misfit(loss: Loss, target: str, path: str = "training.loss") -> str:
    """Return why a loss does not fit a kind of target; empty where it does.

    >>> misfit(CornLoss(), "regression")
    'training.loss: corn does not fit a regression target; losses that fit: mse, huber, l1'
    """
    if target in loss.targets:
        if target in ("multiclass", "segmentation") and getattr(loss, "alpha", None) is not None:
            return (
                f"{path}.alpha: weighs yes against no, this target has classes; "
                "use training.class_weights"
            )
        return ""
    fitting = ", ".join(losses_for(target)) or "none but its own (leave the loss out)"
    return f"{path}: {loss.kind} does not fit a {target} target; losses that fit: {fitting}"
