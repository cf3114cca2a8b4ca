"""What is to be predicted."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medfusion.spec.base import Int, Real, Spec
from medfusion.spec.mask import ClassNames, MaskFiles, check_classes


class TargetSpec(Spec):
    """Base of all targets."""

    family: ClassVar[str] = "target"
    kind: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is read from."""
        raise NotImplementedError


class _OneColumn(TargetSpec):
    column: str = Field(min_length=1)
    """Column that holds it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it is read from."""
        return (self.column,)


class BinaryTarget(_OneColumn):
    """Two classes, one of which is the event."""

    kind: Literal["binary"] = "binary"
    positive: str | None = None
    """The value that counts as the event; by default the second of the two in sorted order."""


class MulticlassTarget(_OneColumn):
    """One of several classes without order."""

    kind: Literal["multiclass"] = "multiclass"
    classes: tuple[str, ...] | None = Field(None, min_length=2)
    """The classes in the order wanted; by default the sorted values of the training split."""


class RegressionTarget(_OneColumn):
    """A number."""

    kind: Literal["regression"] = "regression"
    unit: str = ""
    """Its unit, shown on axes and in tables."""


class SegmentationTarget(_OneColumn):
    """The class of every pixel of an image; the column holds the paths of the masks."""

    kind: Literal["segmentation"] = "segmentation"
    view: str | None = None
    """The view whose pixels are classed; by default the only one."""
    classes: ClassNames = ("background", "lesion")
    """The classes in the order of their values 0, 1, ... in the masks; the first is the background. Two classes may also be stored as 0 and 255."""
    ignore: Int | None = Field(None, ge=0, le=65_535)
    """Value of pixels of which nothing is known: neither learnt from nor judged."""
    spacing: tuple[Annotated[Real, Field(gt=0)], Annotated[Real, Field(gt=0)]] | None = None
    """Height and width in mm of a pixel of the image files, for distances in mm in place of pixels."""

    @property
    def masks(self) -> MaskFiles:
        """The files that it is read from."""
        return MaskFiles(column=self.column, classes=self.classes, ignore=self.ignore)

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        check_classes(self.classes, self.ignore)
        return self


class SurvivalTarget(TargetSpec):
    """The time until an event, censored where the event was not seen."""

    kind: Literal["survival"] = "survival"
    time: str = Field(min_length=1)
    """Column with the time from the start to the event or to the end of observation."""
    event: str = Field(min_length=1)
    """Column that says whether the event was seen."""
    event_value: Annotated[
        str | None,
        BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    ] = None
    """The value that means the event, any other is censoring; by default guessed where it cannot be mistaken (0/1, no/yes, false/true, alive/dead, censored/event)."""
    unit: str = "days"
    """Unit of the time, shown on axes and in tables."""
    horizons: tuple[Annotated[Real, Field(gt=0)], ...] | None = Field(None, min_length=1)
    """Times for which survival is predicted and judged; by default the quartiles of the event times in training."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Time and event."""
        return (self.time, self.event)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.time == self.event:
            msg = f"time and event are the same column, {self.time!r}; name one column for each"
            raise ValueError(msg)
        if self.horizons is not None and list(self.horizons) != sorted(set(self.horizons)):
            msg = "horizons must rise, each given once"
            raise ValueError(msg)
        return self


Target = Annotated[
    BinaryTarget | MulticlassTarget | RegressionTarget | SegmentationTarget | SurvivalTarget,
    Field(discriminator="kind"),
]
