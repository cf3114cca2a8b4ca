"""What is to be predicted."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Spec


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


Target = Annotated[BinaryTarget | MulticlassTarget | RegressionTarget, Field(discriminator="kind")]
