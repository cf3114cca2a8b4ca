"""What is to be predicted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medfusion.errors import unknown
from medfusion.spec.base import Int, Real, Spec
from medfusion.spec.mask import ClassNames, MaskFiles, check_classes


def _as_text(value: Any) -> Any:
    """Return a number of YAML as text, as the cells of a table are."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if number else value


class TargetSpec(Spec):
    """Base of all targets."""

    family: ClassVar[str] = "target"
    kind: str

    if TYPE_CHECKING:  # at run time some have a field of this name, which would shadow it

        @property
        def columns(self) -> tuple[str, ...]:
            """The columns that it is read from."""


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
    def unit(self) -> str:
        """Unit of distances."""
        return "pixels" if self.spacing is None else "mm"

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


class MultilabelTarget(TargetSpec):
    """Several labels, each of which holds or does not; any of them may be unknown."""

    kind: Literal["multilabel"] = "multilabel"
    columns: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    """One column for each label, with two values; an empty cell is unknown."""
    positive: Annotated[str | None, BeforeValidator(_as_text)] = None
    """The value that means that a label holds, others mean that it does not; by default the second of the two in sorted order, which is 1 of 0 and 1."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            msg = f"columns holds {', '.join(twice)} more than once"
            raise ValueError(msg)
        return self


class OrdinalTarget(_OneColumn):
    """One of several classes in order, such as grades."""

    kind: Literal["ordinal"] = "ordinal"
    classes: tuple[Annotated[str, BeforeValidator(_as_text)], ...] | None = Field(
        None, min_length=2
    )
    """The classes from the lowest to the highest; may be left out where all are numbers."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            msg = "classes names a class more than once"
            raise ValueError(msg)
        return self


SingleTarget = Annotated[
    BinaryTarget
    | MulticlassTarget
    | MultilabelTarget
    | OrdinalTarget
    | RegressionTarget
    | SurvivalTarget,
    Field(discriminator="kind"),
]
"""What one task of a multitask target may be, by `kind`."""


class MultitaskTarget(TargetSpec):
    """Several targets of one model; a row may lack any of them."""

    kind: Literal["multitask"] = "multitask"
    tasks: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")], SingleTarget] = Field(
        min_length=1
    )
    """Targets by the name of their task."""
    weights: dict[str, Annotated[Real, Field(gt=0)]] | Literal["uncertainty"] = Field(
        default_factory=dict
    )
    """Weight of each task's loss, 1 where none is given; "uncertainty" learns them (https://arxiv.org/abs/1705.07115)."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all tasks, each once."""
        return tuple(dict.fromkeys(name for task in self.tasks.values() for name in task.columns))

    @model_validator(mode="after")
    def _weights_have_tasks(self) -> Self:
        for name in self.weights if isinstance(self.weights, dict) else ():
            if name not in self.tasks:
                msg = f"weights: {unknown('task', name, self.tasks)}"
                raise ValueError(msg)
        return self


Target = Annotated[
    BinaryTarget
    | MulticlassTarget
    | MultilabelTarget
    | OrdinalTarget
    | RegressionTarget
    | SegmentationTarget
    | SurvivalTarget
    | MultitaskTarget,
    Field(discriminator="kind"),
]


def of_task(names: Iterable[str], task: str) -> tuple[str, ...]:
    """Return what a task calls its own among the names of all tasks, such as classes or columns.

    >>> of_task(["death/no", "death/yes", "grade/1"], "death")
    ('no', 'yes')
    """
    start = f"{task}/"
    return tuple(name.removeprefix(start) for name in names if name.startswith(start))
