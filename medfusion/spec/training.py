"""The training part of an Experiment: optimizer, schedule, precision, stopping."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from medfusion.spec.base import Int, Real, Spec
from medfusion.spec.loss import Loss
from medfusion.spec.supervision import Supervision


class _Optimizer(Spec):
    family: ClassVar[str] = "optimizer"
    lr: Real = Field(0.001, gt=0)
    """Learning rate."""
    encoder_lr_scale: Real = Field(1.0, gt=0)
    """Factor on the learning rate of the image encoder, below 1 to fine-tune gently."""


class AdamW(_Optimizer):
    """Adam with decoupled weight decay (https://arxiv.org/abs/1711.05101)."""

    kind: Literal["adamw"] = "adamw"
    weight_decay: Real = Field(0.05, ge=0)
    """Weight decay, on matrices only (not on biases and norms)."""
    betas: tuple[Annotated[Real, Field(ge=0, lt=1)], Annotated[Real, Field(ge=0, lt=1)]] = (
        0.9,
        0.999,
    )
    """Decay rates of the running averages of the gradient and of its square."""


class Adam(_Optimizer):
    """Adam (https://arxiv.org/abs/1412.6980)."""

    kind: Literal["adam"] = "adam"
    betas: tuple[Annotated[Real, Field(ge=0, lt=1)], Annotated[Real, Field(ge=0, lt=1)]] = (
        0.9,
        0.999,
    )
    """Decay rates of the running averages of the gradient and of its square."""


class SGD(_Optimizer):
    """Stochastic gradient descent with Nesterov momentum."""

    kind: Literal["sgd"] = "sgd"
    momentum: Real = Field(0.9, ge=0, lt=1)
    """Momentum; above 0 it is Nesterov's."""
    weight_decay: Real = Field(0.0001, ge=0)
    """Weight decay, on matrices only."""


Optimizer = Annotated[AdamW | Adam | SGD, Field(discriminator="kind")]


class _Schedule(Spec):
    family: ClassVar[str] = "schedule"
    warmup: Real = Field(0.0, ge=0)
    """Epochs over which the learning rate rises linearly from 1 % to its value."""


class ConstantSchedule(_Schedule):
    """The learning rate stays."""

    kind: Literal["constant"] = "constant"


class CosineSchedule(_Schedule):
    """Half a cosine from the learning rate to `final` times it, step by step."""

    kind: Literal["cosine"] = "cosine"
    final: Real = Field(0.01, ge=0, le=1)
    """Last learning rate as a fraction of the first."""


class StepSchedule(_Schedule):
    """The learning rate is multiplied by `gamma` every `every` epochs."""

    kind: Literal["step"] = "step"
    every: Int = Field(10, ge=1)
    """Epochs between two drops."""
    gamma: Real = Field(0.1, gt=0, lt=1)
    """Factor of a drop."""


class PlateauSchedule(_Schedule):
    """The learning rate drops when the monitored value has not improved for `patience` epochs."""

    kind: Literal["plateau"] = "plateau"
    patience: Int = Field(3, ge=0)
    """Epochs without improvement before a drop."""
    gamma: Real = Field(0.3, gt=0, lt=1)
    """Factor of a drop."""


class OneCycleSchedule(Spec):
    """Up and down again once (https://arxiv.org/abs/1708.07120)."""

    family: ClassVar[str] = "schedule"
    kind: Literal["one-cycle"] = "one-cycle"
    rise: Real = Field(0.3, gt=0, lt=1)
    """Share of all steps over which the learning rate rises."""


Schedule = Annotated[
    ConstantSchedule | CosineSchedule | StepSchedule | PlateauSchedule | OneCycleSchedule,
    Field(discriminator="kind"),
]


class EarlyStopping(Spec):
    """Stop when the monitored value no longer improves."""

    monitor: str | None = None
    """For instance "val/auc" or "val/loss"; by default the target's main metric on val."""
    patience: Int = Field(5, ge=1)
    """Epochs without improvement before the end."""
    min_delta: Real = Field(0.0, ge=0)
    """Smallest change that counts as improvement."""


class EffectiveNumber(Spec):
    """Weights inverse to the effective number of cases of a class (https://arxiv.org/abs/1901.05555)."""

    kind: Literal["effective-number"] = "effective-number"
    beta: Real = Field(0.999, ge=0, lt=1)
    """0 weighs no class; towards 1 the weights become those of "balanced"."""


class Record(Spec):
    """What is recorded while training, besides what always is."""

    gradients: Int | None = Field(None, ge=1)
    """Every how many steps the norm of the gradient of each part of the model is recorded; null never."""


class Training(Spec):
    """How the model is trained."""

    epochs: Int = Field(20, ge=1, le=100_000)
    """Passes over the training split at most."""
    batch_size: Int = Field(32, ge=1, le=65_536)
    """Subjects per step and device."""
    optimizer: Optimizer = AdamW()
    """Optimizer and learning rate."""
    schedule: Schedule = CosineSchedule()
    """How the learning rate moves."""
    early_stopping: EarlyStopping | None = None
    """When to end early; null trains all epochs. The best epoch's weights are used in either case."""
    loss: Loss | None = None
    """What is made small; null is the target's own: cross-entropy for classes and labels, corn for ordered classes, mse for a number, cox for survival."""
    class_weights: (
        Literal["none", "balanced"] | tuple[Annotated[Real, Field(gt=0)], ...] | EffectiveNumber
    ) = "none"
    """Weight of each class in the loss: "balanced" is inverse to its frequency in training, effective-number milder. Labels have one number each, the weight of their positive cases."""
    supervision: tuple[Supervision, ...] = ()
    """Losses on where the model looks, beside the task: by masks, by erasing what it looked at, by consistency between two versions of an image."""
    accumulate: Int = Field(1, ge=1)
    """Batches whose gradients are summed before a step of the optimizer."""
    clip_norm: Real | None = Field(None, gt=0)
    """Largest norm of the gradient; null does not clip."""
    gradient_checkpointing: bool = False
    """Save memory by computing the image encoder's activations twice."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; "auto" takes a GPU when there is one."""
    precision: Annotated[
        Literal["32", "bf16-mixed", "16-mixed"],
        BeforeValidator(lambda value: "32" if value == 32 else value),
    ] = "32"
    """Mixed precision; refused where the machine has no hardware for it."""
    deterministic: bool = True
    """The same seed gives the same weights, on the same machine and number of threads."""
    threads: Int | None = Field(None, ge=1)
    """Processor threads; by default all."""
    record: Record = Record()
    """What is recorded besides losses and metrics."""
    checkpoint_minutes: Real = Field(5.0, gt=0)
    """A checkpoint is written after each epoch and, within long epochs, this often."""
