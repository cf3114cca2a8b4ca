"""The base of every part of an Experiment: frozen, no extra keys, no silent conversions."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Strict

Int = Annotated[int, Strict()]
"""A whole number; YAML's yes/no and text in quotes are refused."""

Real = Annotated[float, Strict()]
"""A number; YAML's yes/no and text in quotes are refused."""


class Spec(BaseModel):
    """One part of an Experiment.

    `family` names the registry family ("fusion", "optimizer", ...) of specs that are created by
    `medfusion.registry.create`; it is empty for plain groups of settings.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    family: ClassVar[str] = ""
