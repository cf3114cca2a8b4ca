"""Logistic regression on one variable, for many replicates at once, by Newton's method.

No step moves the fit further than a bounded way, so that a flat start cannot throw it off; a
replicate whose classes are separated has no finite solution and gives NaN.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from medfusion.evaluation.sample import Floats

_STEPS = 60
_TOLERANCE = 1e-10
_FARTHEST = 2.0  # on the logit scale, for x of unit spread


def fit(x: Floats, target: Floats, weights: Floats, start: Floats | None = None) -> Floats:
    """Fit logit P(target = 1) = intercept + slope * x in each replicate.

    Args:
        x: The variable, [n].
        target: 0 or 1, [n].
        weights: How often each case counts, [B, n].
        start: Intercept and slope to begin with, [2].

    Returns:
        Intercept and slope, [B, 2]; NaN where there is no finite solution.
    """
    centre, spread = x.mean(), x.std()
    found = np.full((len(weights), 2), np.nan)
    if not spread > 0:
        return found
    z = (x - centre) / spread
    z2 = z * z
    rows = _mixed(target, weights)
    beta = np.zeros((len(rows), 2))
    if start is not None:
        beta[:] = start[0] + start[1] * centre, start[1] * spread
    w = weights[rows]
    for _ in range(_STEPS):
        p = expit(beta[:, :1] + beta[:, 1:] * z)
        residual = w * (target - p)
        g0, g1 = residual.sum(axis=1), residual @ z
        v = w * p * (1 - p)
        h0, h1, h2 = v.sum(axis=1), v @ z, v @ z2
        determinant = h0 * h2 - h1 * h1
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = np.stack([h2 * g0 - h1 * g1, h0 * g1 - h1 * g0], axis=1) / determinant[:, None]
        size = np.abs(step).max(axis=1)
        beta += step * np.minimum(1, _FARTHEST / np.maximum(size, _TOLERANCE))[:, None]
        done = size < _TOLERANCE
        found[rows[done]] = beta[done]
        going = ~done & np.isfinite(size)
        if not going.any():
            break
        if not going.all():
            rows, beta, w = rows[going], beta[going], w[going]
    slope = found[:, 1] / spread
    return np.stack([found[:, 0] - slope * centre, slope], axis=1)


def fit_intercept(offset: Floats, target: Floats, weights: Floats) -> Floats:
    """Fit logit P(target = 1) = intercept + offset in each replicate, as `fit`; returns [B]."""
    found = np.full(len(weights), np.nan)
    rows = _mixed(target, weights)
    intercept = np.zeros(len(rows))
    w = weights[rows]
    for _ in range(_STEPS):
        p = expit(intercept[:, None] + offset)
        gradient = (w * (target - p)).sum(axis=1)
        curvature = (w * p * (1 - p)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = np.clip(gradient / curvature, -_FARTHEST, _FARTHEST)
        intercept += step
        done = np.abs(step) < _TOLERANCE
        found[rows[done]] = intercept[done]
        going = ~done & np.isfinite(step)
        if not going.any():
            break
        if not going.all():
            rows, intercept, w = rows[going], intercept[going], w[going]
    return found


def standard_errors(x: Floats, intercept: float, slope: float) -> tuple[float, float]:
    """Return the standard errors of intercept and slope at a fit to cases x [n]; NaN without one."""
    p = expit(intercept + slope * x)
    v = p * (1 - p)
    h0, h1, h2 = v.sum(), v @ x, v @ (x * x)
    determinant = h0 * h2 - h1 * h1
    if not determinant > 0:
        return float("nan"), float("nan")
    return float(np.sqrt(h2 / determinant)), float(np.sqrt(h0 / determinant))


def intercept_error(offset: Floats, intercept: float) -> float:
    """Return the standard error of the intercept of `fit_intercept` to cases; NaN without one."""
    p = expit(intercept + offset)
    information = (p * (1 - p)).sum()
    return float(1 / np.sqrt(information)) if information > 0 else float("nan")


def _mixed(target: Floats, weights: Floats) -> np.ndarray:
    """Return the numbers of the replicates in which both classes occur."""
    positive = weights @ target
    return np.flatnonzero((positive > 0) & (positive < weights.sum(axis=1)))
