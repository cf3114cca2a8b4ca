"""The loss of training, by kind."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from medfusion.spec.survival_loss import CoxLoss, DiscreteTimeLoss

Loss = Annotated[CoxLoss | DiscreteTimeLoss, Field(discriminator="kind")]
"""Union of losses by `kind`; each says in `targets` which kinds of targets it is for."""
