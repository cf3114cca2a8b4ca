"""Losses of survival times."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Int, Spec


class CoxLoss(Spec):
    """Cox's partial likelihood with Efron's ties; each batch is a risk set, so larger is better."""

    family: ClassVar[str] = "loss"
    targets: ClassVar[tuple[str, ...]] = ("survival",)
    kind: Literal["cox"] = "cox"


class DiscreteTimeLoss(Spec):
    """Likelihood of a hazard per interval (https://doi.org/10.7717/peerj.6257); any batch size."""

    family: ClassVar[str] = "loss"
    targets: ClassVar[tuple[str, ...]] = ("survival",)
    kind: Literal["discrete-time"] = "discrete-time"
    intervals: Int = Field(20, ge=2, le=200)
    """Intervals of time, cut at quantiles of the event times in training; fewer where those tie."""
