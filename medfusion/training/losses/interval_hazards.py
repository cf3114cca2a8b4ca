"""The likelihood of discrete hazards: the chance of the event in each interval of time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def log_interval_likelihood(logits: Tensor, time: Tensor, event: Tensor, cuts: Tensor) -> Tensor:
    """Return the log likelihood of each row, [B].

    A row contributes the chance of living through each interval that it was observed in, and, with
    an event, the hazard of the interval that this falls in. A censored row counts as having lived
    through an interval whose middle it reached: Gensheimer and Narasimhan 2019,
    https://doi.org/10.7717/peerj.6257.

    Args:
        logits: Log odds of the hazard in each interval, [B, K].
        time: Time of the event or of censoring, [B].
        event: 1 where it is the event, 0 where the row is censored, [B].
        cuts: Last time of each interval, rising, [K]; the first begins at 0.

    Example:
        >>> logits, cuts = torch.zeros(2, 2), torch.tensor([1.0, 2.0])
        >>> time, event = torch.tensor([1.5, 0.4]), torch.tensor([1.0, 0.0])
        >>> log_interval_likelihood(logits, time, event, cuts)
        tensor([-1.3863,  0.0000])
    """
    lived, died = intervals_of(time, event, cuts)
    survival, hazard = -functional.softplus(logits), -functional.softplus(-logits)
    return torch.where(lived, survival, 0).sum(1) + torch.where(died, hazard, 0).sum(1)


def intervals_of(time: Tensor, event: Tensor, cuts: Tensor) -> tuple[Tensor, Tensor]:
    """Return which intervals each row lived through, and in which it had the event, bool [B, K].

    Args:
        time: Time of the event or of censoring, [B].
        event: 1 where it is the event, 0 where the row is censored, [B].
        cuts: Last time of each interval, rising, [K]; the first begins at 0.
    """
    moment, seen = time[:, None], event[:, None] > 0.5
    starts = torch.cat([torch.zeros_like(cuts[:1]), cuts[:-1]])
    lived = torch.where(seen, moment > cuts, moment >= (starts + cuts) / 2)
    # An event at time 0 falls in the first interval.
    begun = (moment > starts) | (starts == 0)
    return lived, seen & begun & (moment <= cuts)
