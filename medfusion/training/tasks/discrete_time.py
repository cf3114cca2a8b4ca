"""Survival by a hazard for each interval of time."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medfusion.registry import register
from medfusion.spec import DiscreteTimeLoss
from medfusion.spec.loss import Loss
from medfusion.training import ensemble
from medfusion.training.losses.interval_hazards import intervals_of, log_interval_likelihood
from medfusion.training.tasks.survival import SurvivalTask


@dataclasses.dataclass(frozen=True)
class DiscreteTimeTask(SurvivalTask):
    """One output for each interval: log odds of the event there, from those of all training rows.

    Survival is the product of what the hazards leave, so it never rises. Within an interval it
    falls evenly, and after the last, where training saw no event, it stays. The risk
    is the time lost up to the last cut: the area above the predicted survival.

    Attributes:
        cuts: Last time of each interval, rising: quantiles of the event times in training.
        base: Log odds of the event in each interval among the training rows that reach it; an
            output of 0 stands for them, so that training begins at the survival of all.
    """

    standard: ClassVar[Loss] = DiscreteTimeLoss()
    cuts: tuple[float, ...] = ()
    base: tuple[float, ...] = ()

    @property
    def outputs(self) -> int:
        """One for each interval."""
        return len(self.cuts)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return minus the mean log likelihood.

        Args:
            logits: The model's output, [B, K].
            target: Time and event, [B, 2].
        """
        # In the precision of the times, so that an event at a cut stays on its side.
        cuts = torch.tensor(self.cuts, dtype=target.dtype, device=target.device)
        base = torch.tensor(self.base, dtype=logits.dtype, device=logits.device)
        time, event = target.unbind(1)
        return -log_interval_likelihood(logits + base, time, event, cuts).mean()

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the log odds of the mean of the members' survival."""
        base = torch.tensor(self.base, dtype=torch.float32, device=outputs.device)
        return -ensemble.of_steps(-(outputs.float() + base)) - base

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the risk and the survival at each time, [n, 1 + T]."""
        odds = logits.detach().to("cpu", torch.float64) + torch.tensor(
            self.base, dtype=torch.float64
        )
        steps = -functional.softplus(odds)
        left = np.exp(np.pad(steps.cumsum(1).numpy(), ((0, 0), (1, 0))))
        knots = np.concatenate([[0.0], self.cuts])
        times = np.minimum(self.times, knots[-1])
        after = np.clip(np.searchsorted(knots, times), 1, len(knots) - 1)
        share = (times - knots[after - 1]) / (knots[after] - knots[after - 1])
        survival = left[:, after - 1] * (1 - share) + left[:, after] * share
        lost = knots[-1] - np.trapezoid(left, knots, axis=1)
        return np.concatenate([lost[:, None], survival], axis=1)


@register(DiscreteTimeLoss)
def _discrete_time(
    settings: DiscreteTimeLoss,
    *,
    target: np.ndarray,
    times: tuple[float, ...],
    horizons: tuple[float, ...],
) -> DiscreteTimeTask:
    """A hazard for each interval."""
    seen = target[(target[:, 1] == 1) & (target[:, 0] > 0), 0]
    shares = np.arange(1, settings.intervals + 1) / settings.intervals
    cuts = np.unique(np.quantile(seen, shares, method="inverted_cdf"))
    time, event = torch.from_numpy(target).unbind(1)
    lived, died = (
        part.sum(0).double() for part in intervals_of(time, event, torch.from_numpy(cuts))
    )
    # Half a case on either side keeps the odds of a small interval finite.
    base = ((died + 0.5) / (lived + 0.5)).log()
    return DiscreteTimeTask(
        (),
        times=times,
        horizons=horizons,
        cuts=tuple(cuts.tolist()),
        base=tuple(base.tolist()),
        criterion=settings,
    )
