"""The linear Cox model by Newton's method: what a network on the same columns has to beat.

Cox 1972, https://doi.org/10.1111/j.2517-6161.1972.tb00899.x; ties after Efron 1977,
https://doi.org/10.1080/01621459.1977.10480613.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medfusion.errors import InputError

Floats = npt.NDArray[np.float64]

_STEPS = 100
_DECREMENT = 1e-10


class CoxFit(NamedTuple):
    """A fitted model.

    Attributes:
        coefficients: Log hazard ratio for each column, [p].
        errors: Their standard errors, [p].
        log_likelihood: Partial log-likelihood, without the penalty.
    """

    coefficients: Floats
    errors: Floats
    log_likelihood: float


def fit_cox(
    columns: npt.ArrayLike, time: npt.ArrayLike, event: npt.ArrayLike, ridge: float = 0.0
) -> CoxFit:
    """Fit the coefficients; the risk of a row is its columns times them.

    Args:
        columns: Numbers without gaps, [n, p].
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        ridge: Half of it times the sum of squared coefficients is taken from the likelihood.

    Raises:
        InputError: The fit has no end (a column separates the events, or columns depend on each
            other); a small `ridge` helps.

    Example:
        >>> found = fit_cox([[0], [1], [0], [1], [1]], [5, 2, 4, 3, 6], [1, 1, 0, 1, 1])
        >>> found.coefficients.round(3).tolist()
        [0.564]
    """
    x = np.asarray(columns, dtype=np.float64)
    times, seen = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64)
    x = x - x.mean(axis=0)  # no figure changes, and exponents stay small
    ties = _Ties(times, seen)
    beta = np.zeros(x.shape[1])
    value, slope, curve = _penalised(x, beta, ties, ridge)
    for _ in range(_STEPS):
        step = _solve(curve, slope)
        decrement = float(slope @ step)
        if decrement < _DECREMENT:
            error = np.sqrt(np.diag(np.linalg.inv(curve)))
            penalty = ridge / 2 * float(beta @ beta)
            return CoxFit(beta, error, value + penalty)
        size = 1.0
        while size > 1e-8:
            trial = _penalised(x, beta + size * step, ties, ridge)
            if np.isfinite(trial[0]) and trial[0] >= value - 1e-12 * abs(value):
                break
            size /= 2
        beta = beta + size * step
        value, slope, curve = trial
    raise InputError(_ENDLESS)


_ENDLESS = (
    "the Cox model cannot be fitted: a column separates the events, or columns depend on each "
    "other; leave such a column out, or give a small ridge"
)


class _Ties:
    """Rows from the latest time to the earliest, in blocks of one time."""

    def __init__(self, time: Floats, event: Floats) -> None:
        self.order = np.argsort(-time, kind="stable")
        ordered = time[self.order]
        self.event = event[self.order] == 1
        ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
        self.block = np.searchsorted(ends, np.arange(len(time)))
        self.died = np.bincount(self.block, self.event, len(ends))
        places = np.flatnonzero(self.event)
        self.of = self.block[places]
        self.last = ends[self.of]
        first = np.concatenate([[True], np.diff(self.of) != 0])
        began = np.maximum.accumulate(np.where(first, np.arange(len(places)), 0))
        self.share = (np.arange(len(places)) - began) / np.maximum(self.died[self.of], 1)


def _penalised(x: Floats, beta: Floats, ties: _Ties, ridge: float) -> tuple[float, Floats, Floats]:
    """Return value, gradient and negative Hessian of the penalised log-likelihood."""
    rows = x[ties.order]
    score = rows @ beta
    with np.errstate(over="ignore", invalid="ignore"):
        weight = np.exp(score - score.max())
        moment = weight[:, None] * rows
        tied = ties.event * weight
        total = weight.cumsum()[ties.last]
        at_tie = np.bincount(ties.block, tied, len(ties.died))[ties.of]
        below = total - ties.share * at_tie
        first = moment.cumsum(axis=0)[ties.last]
        sums = np.zeros((len(ties.died), x.shape[1]))
        np.add.at(sums, ties.block, tied[:, None] * rows)
        mean = (first - ties.share[:, None] * sums[ties.of]) / below[:, None]
        value = score[ties.event].sum() - (np.log(below) + score.max()).sum()
        slope = rows[ties.event].sum(axis=0) - mean.sum(axis=0)
        # Each row's share in all risk sets at once: no [n, p, p] array is needed.
        inverse = np.bincount(ties.last, 1 / below, len(weight))[::-1].cumsum()[::-1]
        less = np.bincount(ties.of, ties.share / below, len(ties.died))[ties.block]
        second = rows.T @ (rows * (weight * inverse - tied * less)[:, None]) - mean.T @ mean
    penalty = ridge / 2 * float(beta @ beta)
    size = len(beta)
    return float(value) - penalty, slope - ridge * beta, second + ridge * np.eye(size)


def _solve(curve: Floats, slope: Floats) -> Floats:
    try:
        factor = np.linalg.cholesky(curve)
    except np.linalg.LinAlgError:
        raise InputError(_ENDLESS) from None
    return np.asarray(np.linalg.solve(factor.T, np.linalg.solve(factor, slope)))
