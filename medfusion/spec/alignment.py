"""Losses that bring the modalities' features together, beside the task."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medfusion.spec.base import Int, Real, Spec


class ContrastiveAlignment(Spec):
    """Image and table of one subject attract, those of two repel (https://arxiv.org/abs/2303.14080)."""

    family: ClassVar[str] = "alignment"
    kind: Literal["contrastive"] = "contrastive"
    weight: Real = Field(0.1, gt=0, le=100)
    """Weight of the loss."""
    temperature: Real = Field(0.1, gt=0, le=10)
    """What similarities are divided by; smaller is stricter."""
    dim: Int = Field(128, ge=1, le=8192)
    """Width of the space in which the features are compared."""


Alignment = ContrastiveAlignment
"""Union of alignments by `kind`."""


class AuxiliaryHeads(Spec):
    """A head for each modality's own features, trained on the same target beside the fused one."""

    weight: Real = Field(0.3, gt=0, le=100)
    """Weight of each head's loss."""
