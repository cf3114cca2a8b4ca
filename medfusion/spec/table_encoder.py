"""Encoders of the table's columns."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Int, Real, Spec


class MLPEncoder(Spec):
    """A multilayer perceptron over embedded columns with missing indicators."""

    family: ClassVar[str] = "table"
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[Int, Field(ge=1, le=8192)], ...] = Field((64, 32), min_length=1)
    """Widths of the hidden layers."""
    embedding: Int = Field(8, ge=1, le=1024)
    """Width of one column's embedding."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout after each hidden layer."""


TableEncoder = MLPEncoder
"""Union of table encoders by `kind`."""
