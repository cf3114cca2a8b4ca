"""Attention blocks that are put behind the stages of a convolutional image encoder."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfusion.spec.base import Int, Spec


class AttentionSpec(Spec):
    """Base of the specs of attention blocks."""

    family: ClassVar[str] = "attention"
    stages: tuple[Annotated[Int, Field(ge=1)], ...] | None = Field(None, min_length=1)
    """Stages that get a block behind them, counted from 1 without the stem; null: every stage."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if self.stages is not None and len(set(self.stages)) < len(self.stages):
            msg = f"stages {list(self.stages)} names a stage twice"
            raise ValueError(msg)
        return self


class CBAM(AttentionSpec):
    """Gates per channel, then per place (Woo et al. 2018, https://arxiv.org/abs/1807.06521)."""

    kind: Literal["cbam"] = "cbam"
    reduction: Int = Field(16, ge=1, le=1024)
    """The hidden layer has this fraction of the channels, at least one."""
    kernel: Int = Field(7, ge=1, le=31)
    """Side of the convolution that makes the gates per place; odd."""

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.kernel % 2 == 0:
            msg = f"kernel {self.kernel} must be odd, so that the gates stay in place"
            raise ValueError(msg)
        return self


class ECA(AttentionSpec):
    """Gates per channel from its neighbours (Wang et al. 2020, https://arxiv.org/abs/1910.03151)."""

    kind: Literal["eca"] = "eca"
    kernel: Int | None = Field(None, ge=1, le=255)
    """Channels that decide on a gate, odd; null: the paper's rule, larger with more channels."""

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.kernel is not None and self.kernel % 2 == 0:
            msg = f"kernel {self.kernel} must be odd, so that the gates stay in place"
            raise ValueError(msg)
        return self


class SqueezeExcite(AttentionSpec):
    """Gates per channel from all channels (Hu et al. 2018, https://arxiv.org/abs/1709.01507)."""

    kind: Literal["se"] = "se"
    reduction: Int = Field(16, ge=1, le=1024)
    """The hidden layer has this fraction of the channels, at least one."""


Attention = Annotated[CBAM | ECA | SqueezeExcite, Field(discriminator="kind")]
"""Union of attention blocks by `kind`."""
