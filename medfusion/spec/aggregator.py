"""How several views of one subject become one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Spec


class MeanViews(Spec):
    """The mean over the views that a subject has."""

    family: ClassVar[str] = "views"
    kind: Literal["mean"] = "mean"


class MaxViews(Spec):
    """The maximum over the views that a subject has, per feature."""

    family: ClassVar[str] = "views"
    kind: Literal["max"] = "max"


Views = Annotated[MeanViews | MaxViews, Field(discriminator="kind")]
