"""Regions of images, as files say them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from medfusion.spec.base import Int, Spec

ClassNames = Annotated[tuple[str, ...], Field(min_length=2, max_length=255)]
"""Names of the classes of pixels, in the order of their values in a mask; the first is the background."""


class MaskFiles(Spec):
    """What the pixels of an image are, from a file of its own."""

    column: str = Field(min_length=1)
    """Column with the mask's path, relative to the data root. An empty cell is a row without a mask."""
    classes: ClassNames = ("background", "lesion")
    """The classes in the order of their values 0, 1, ... in the files; the first is the background. Two classes may also be stored as 0 and 255."""
    ignore: Int | None = Field(None, ge=0, le=65_535)
    """Value of pixels of which nothing is known: neither learnt from nor judged."""

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        check_classes(self.classes, self.ignore)
        return self


def check_classes(classes: tuple[str, ...], ignore: int | None) -> None:
    """Refuse class names that occur twice, and an ignored value that is a class.

    Raises:
        ValueError: What is wrong.
    """
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        msg = f"classes named twice: {', '.join(twice)}"
        raise ValueError(msg)
    if ignore is not None and ignore < len(classes):
        msg = f"ignore is {ignore}, which is the value of the class {classes[ignore]!r}"
        raise ValueError(msg)
