"""Encoders of the table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medfusion.spec.base import Int, Real, Spec

Hidden = tuple[Annotated[Int, Field(ge=1, le=8192)], ...]


class _Columns(Spec):
    """How every table encoder embeds the columns."""

    family: ClassVar[str] = "table"
    embeddings: Literal["ple", "linear"] = "ple"
    """How a number is embedded: "ple" is piecewise linear over quantile bins of the training rows, which follows effects that rise and fall (https://arxiv.org/abs/2203.05556); "linear" is one slope per column."""
    bins: Int = Field(16, ge=2, le=1024)
    """Bins per numeric column with "ple"; a column with few distinct values has fewer."""


class MLPEncoder(_Columns):
    """A multilayer perceptron over embedded columns with missing indicators."""

    kind: Literal["mlp"] = "mlp"
    hidden: Hidden = Field((64, 32), min_length=1)
    """Widths of the hidden layers."""
    embedding: Int = Field(16, ge=1, le=1024)
    """Width of one column's embedding."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout after each hidden layer."""


class FTTransformerEncoder(_Columns):
    """A transformer whose tokens are the columns (https://arxiv.org/abs/2106.11959)."""

    kind: Literal["ft-transformer"] = "ft-transformer"
    embedding: Int = Field(64, ge=1, le=1024)
    """Width of one column's token and of the summary."""
    layers: Int = Field(2, ge=1, le=24)
    """Number of transformer layers."""
    heads: Int = Field(4, ge=1, le=64)
    """Attention heads; they divide `embedding`."""
    attention_dropout: Real = Field(0.2, ge=0, lt=1)
    """Dropout of the attention weights."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout inside the feed-forward layers."""

    @model_validator(mode="after")
    def _heads_divide_the_embedding(self) -> Self:
        if self.embedding % self.heads:
            msg = f"embedding {self.embedding} is not divisible by {self.heads} heads"
            raise ValueError(msg)
        return self


class TabMEncoder(_Columns):
    """Many perceptrons in one that share most weights (https://arxiv.org/abs/2410.24210).

    Each member is trained by a loss of its own. For a table alone the prediction is the mean of
    the members' predictions, and `model.fusion` has nothing to do; in a fusion the table's summary
    is the mean of the members' features.
    """

    kind: Literal["tabm"] = "tabm"
    members: Int = Field(32, ge=1, le=512)
    """Number of members."""
    hidden: Hidden = Field((64, 64), min_length=1)
    """Widths of the hidden layers."""
    embedding: Int = Field(16, ge=1, le=1024)
    """Width of one column's embedding."""
    dropout: Real = Field(0.1, ge=0, lt=1)
    """Dropout after each hidden layer."""
    member_loss: Real = Field(0.3, ge=0)
    """Weight of the mean of the members' own losses beside the loss of a fusion; a table alone is trained by that mean only."""


def _mlp_by_default(value: Any) -> Any:
    # There was one encoder before there were several: an experiment need not name it.
    if isinstance(value, Mapping) and "kind" not in value:
        return {"kind": "mlp", **value}
    return value


TableEncoder = Annotated[
    Annotated[
        MLPEncoder | FTTransformerEncoder | TabMEncoder,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_mlp_by_default),
]
"""Union of table encoders by `kind`; the MLP where no kind is given."""
