"""Cox's partial likelihood."""

from __future__ import annotations

import torch
from torch import Tensor


def log_partial_likelihood(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """Return the log partial likelihood of these rows, a scalar; 0 where there is no event.

    Each event is compared with all rows that were still observed at its time: Cox 1972,
    https://doi.org/10.1111/j.2517-6161.1972.tb00899.x. Of events at one time each leaves a part of
    the others out: Efron 1977, https://doi.org/10.1080/01621459.1977.10480613.

    Args:
        risk: Log hazard ratio, [B].
        time: Time of the event or of censoring, [B].
        event: 1 where it is the event, 0 where the row is censored, [B].

    Example:
        >>> risk, time = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([2.0, 1.0, 3.0])
        >>> log_partial_likelihood(risk, time, torch.tensor([1.0, 1.0, 0.0])).numpy().round(4)
        np.float32(-1.2446)
    """
    order = torch.argsort(time, descending=True, stable=True)
    risk, time, event = risk[order], time[order], event[order] > 0.5
    if not bool(event.any()):
        return risk.sum() * 0
    _, block, sizes = torch.unique_consecutive(time, return_inverse=True, return_counts=True)
    ends = sizes.cumsum(0) - 1
    own = risk[event]
    moments, of, count = torch.unique_consecutive(
        block[event], return_inverse=True, return_counts=True
    )
    observed = torch.logcumsumexp(risk, dim=0)[ends[moments]]
    peak = torch.full_like(observed, -torch.inf).scatter_reduce(0, of, own.detach(), "amax")
    tied = torch.zeros_like(observed).index_add(0, of, torch.exp(own - peak[of])).log() + peak
    place = torch.arange(len(of), device=of.device) - (count.cumsum(0) - count)[of]
    share = place.to(risk.dtype) / count[of]
    below = observed[of] + torch.log1p(-share * torch.exp(tied - observed)[of])
    return (own - below).sum()
