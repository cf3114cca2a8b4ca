"""The evaluation part of an Experiment: intervals and operating points."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Int, Real, Spec


class YoudenThreshold(Spec):
    """The threshold with the largest sensitivity + specificity on the validation split."""

    family: ClassVar[str] = "threshold"
    kind: Literal["youden"] = "youden"


class SensitivityThreshold(Spec):
    """The highest threshold that reaches the wanted sensitivity on the validation split."""

    family: ClassVar[str] = "threshold"
    kind: Literal["sensitivity"] = "sensitivity"
    at_least: Real = Field(0.9, gt=0, le=1)
    """The wanted sensitivity."""


class FixedThreshold(Spec):
    """A threshold given beforehand."""

    family: ClassVar[str] = "threshold"
    kind: Literal["fixed"] = "fixed"
    value: Real = Field(0.5, ge=0, le=1)
    """Probability from which a case counts as positive."""


Threshold = Annotated[
    YoudenThreshold | SensitivityThreshold | FixedThreshold, Field(discriminator="kind")
]


class Evaluation(Spec):
    """How predictions are judged."""

    confidence: Real = Field(0.95, gt=0.5, lt=1)
    """Coverage of the intervals."""
    bootstrap: Int = Field(2000, ge=100, le=100_000)
    """Bootstrap replicates; whole groups are drawn."""
    threshold: Threshold = YoudenThreshold()
    """How the operating point is chosen; never on the test split."""
    prevalence: Real | None = Field(None, gt=0, lt=1)
    """A prevalence for which PPV and NPV are given besides the observed one."""
