"""The base of every part of an Experiment: frozen, no extra keys, no silent conversions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

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

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - pydantic's own signature
        """Count the kind as said: what is written down of a part must say which one it is."""
        if "kind" in type(self).model_fields:
            self.__pydantic_fields_set__.add("kind")
