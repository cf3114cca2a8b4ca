"""Survival by Cox's partial likelihood, with Breslow's baseline."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from medfusion.registry import register
from medfusion.spec import CoxLoss
from medfusion.spec.loss import Loss
from medfusion.training.losses.partial_likelihood import log_partial_likelihood
from medfusion.training.tasks.survival import SurvivalTask


@dataclasses.dataclass(frozen=True)
class CoxTask(SurvivalTask):
    """One output, the log hazard ratio.

    A batch is a risk set of its own: its events are compared with its rows only, so larger batches
    learn from more comparisons, and one batch of all rows has the likelihood of the textbook.

    The survival of a row is exp(-H(t) exp(risk)). The baseline H is Breslow's, of the training
    rows under the best weights (https://doi.org/10.1111/j.2517-6161.1972.tb00900.x); there is none
    until training is over.

    Attributes:
        centre: Mean output over the training rows, which has the risk 0.
        moments: Distinct times of events in training, rising.
        log_hazard: Log of the cumulative baseline hazard at each of them.
    """

    standard: ClassVar[Loss] = CoxLoss()
    centre: float = 0.0
    moments: tuple[float, ...] = ()
    log_hazard: tuple[float, ...] = ()

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    @property
    def ready(self) -> bool:
        """Whether the baseline is there."""
        return bool(self.moments)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return minus the log partial likelihood divided by the number of rows.

        It is worked out on the processor in double precision, whatever the device.

        Args:
            logits: The model's output, [B, 1].
            target: Time and event, [B, 2].
        """
        rows = target.to("cpu", torch.float64)
        found = log_partial_likelihood(logits[:, 0].to("cpu", torch.float64), *rows.unbind(1))
        return (-found / len(rows)).to(logits)

    def after_training(self, logits: Tensor, target: np.ndarray) -> Self:
        """Return the task with the baseline of the training rows."""
        risk = _numbers(logits)
        centre = float(risk.mean())
        moments, log = breslow(risk - centre, *np.asarray(target, dtype=np.float64).T)
        return dataclasses.replace(
            self, centre=centre, moments=tuple(moments.tolist()), log_hazard=tuple(log.tolist())
        )

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the risk and, with a baseline, the survival at each time, [n, 1 + T]."""
        risk = _numbers(logits) - self.centre
        if not self.ready:
            return risk[:, None]
        place = np.searchsorted(self.moments, self.times, side="right")
        log = np.concatenate([[-np.inf], self.log_hazard])[place]
        with np.errstate(over="ignore"):
            survival = np.exp(-np.exp(log + risk[:, None]))
        return np.concatenate([risk[:, None], survival], axis=1)


def breslow(risk: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct times of events and the log of the cumulative baseline hazard at each.

    Args:
        risk: Log hazard ratio, [n].
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].

    Example:
        >>> times, log = breslow(np.zeros(3), np.array([1.0, 2.0, 3.0]), np.array([1, 0, 1]))
        >>> np.exp(log).round(3)
        array([0.333, 1.333])
    """
    order = np.argsort(-time, kind="stable")
    # Sums of exponentials as logarithms: no risk is too large or too small for them.
    observed = np.logaddexp.accumulate(risk[order])
    moments, events = np.unique(time[event == 1], return_counts=True)
    last = np.searchsorted(-time[order], -moments, side="right") - 1
    return moments, np.logaddexp.accumulate(np.log(events) - observed[last])


@register(CoxLoss)
def _cox(
    settings: CoxLoss, *, target: np.ndarray, times: tuple[float, ...], horizons: tuple[float, ...]
) -> CoxTask:
    """Cox's partial likelihood."""
    del target
    return CoxTask((), times=times, horizons=horizons, criterion=settings)


def _numbers(logits: Tensor) -> np.ndarray:
    return logits.detach().to("cpu", torch.float64)[:, 0].numpy()
