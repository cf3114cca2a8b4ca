"""How the phantom's label comes about, and the best AUC that any model can reach on it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

STRENGTH = 2.0
"""Log-odds per standard deviation of a signal of weight 1."""

AGE_WEIGHT = MARKER_WEIGHT = 0.6
STAGE_WEIGHT = (1 - AGE_WEIGHT**2 - MARKER_WEIGHT**2) ** 0.5
STAGES = ("I", "II", "III", "IV")
STAGE_SHARES = np.array([0.35, 0.30, 0.20, 0.15])

_FARTHEST = 7.0
_STEEPNESS = 3.0
_SMALLEST = 1e-9


def stage_scores() -> NDArray[np.float64]:
    """Return what each stage counts: evenly spaced, with mean 0 and standard deviation 1."""
    steps = np.arange(len(STAGES), dtype=float)
    mean = STAGE_SHARES @ steps
    scores: NDArray[np.float64] = (steps - mean) / np.sqrt(STAGE_SHARES @ (steps - mean) ** 2)
    return scores


def table_signal(
    age: NDArray[np.float64], marker: NDArray[np.float64], stage: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the table's signal v from standardised age and marker and the stage's position."""
    signal: NDArray[np.float64] = AGE_WEIGHT * age + MARKER_WEIGHT * marker
    signal += STAGE_WEIGHT * stage_scores()[stage]
    return signal


@dataclasses.dataclass(frozen=True)
class Truth:
    """log-odds = image * u + table * v + interaction * u * v + intercept.

    u, the image's signal, is standard normal; v, the table's, is a normal part (age, marker) plus
    a discrete one (stage), with mean 0 and standard deviation 1. The two are independent.

    With `crossed` the label hangs on both together and on neither alone:

        chance = p + crossed * min(p, 1 - p) * f(u) * g(v),  p = 1 / (1 + exp(-intercept))

    f(u) = tanh(3 u) and g(v), tanh(3 v) less its mean and scaled into -1..1, have mean 0, so that
    the chance given the image alone is p for every image, and likewise for the table. The three
    weights are 0 then.
    """

    image: float
    table: float
    interaction: float
    intercept: float = 0.0
    crossed: float = 0.0

    def log_odds(self, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-odds of the event."""
        if self.crossed:
            share = float(_logistic(np.array(self.intercept)))
            middle = _table_middle()
            product = np.tanh(_STEEPNESS * u) * (np.tanh(_STEEPNESS * v) - middle)
            chance = share + self.crossed * min(share, 1 - share) * product / (1 + abs(middle))
            chance = np.clip(chance, _SMALLEST, 1 - _SMALLEST)
            odds: NDArray[np.float64] = np.log(chance) - np.log1p(-chance)
            return odds
        return self.image * u + self.table * v + self.interaction * u * v + self.intercept

    def with_prevalence(self, prevalence: float) -> Truth:
        """Return the same truth with the intercept that gives a share of events."""
        if self.crossed:
            return dataclasses.replace(self, intercept=float(np.log(prevalence / (1 - prevalence))))
        u, v, weight = _grid(301)
        low, high = -60.0, 60.0
        for _ in range(80):
            middle = (low + high) / 2
            share = (
                weight.ravel()
                @ _logistic(dataclasses.replace(self, intercept=middle).log_odds(u, v)).ravel()
            )
            low, high = (middle, high) if share < prevalence else (low, middle)
        return dataclasses.replace(self, intercept=(low + high) / 2)

    def bayes_auc(self, points: int = 601) -> tuple[float, float, float]:
        """Return the AUC of the true probability given image and table, image only, table only.

        Worked out by quadrature over both signals; with the default grid the error is below 1e-4.

        Args:
            points: Points along each signal.
        """
        u, v, weight = _grid(points)
        chance = _logistic(self.log_odds(u, v))
        of_u, of_v = weight.sum(axis=1), weight.sum(axis=0)
        given_u = (weight * chance).sum(axis=1) / of_u
        given_v = (weight * chance).sum(axis=0) / of_v
        return (
            _auc(chance.ravel(), weight.ravel()),
            _auc(given_u, of_u),
            _auc(given_v, of_v),
        )


def _grid(
    points: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return u [points, 1], v [1, points] and the probability of each pair [points, points]."""
    places = np.linspace(-_FARTHEST, _FARTHEST, points)
    of_u = np.exp(-(places**2) / 2)
    sd = (AGE_WEIGHT**2 + MARKER_WEIGHT**2) ** 0.5
    middles = STAGE_WEIGHT * stage_scores()
    of_v = np.exp(-(((places[:, None] - middles) / sd) ** 2) / 2) @ STAGE_SHARES
    weight = np.outer(of_u / of_u.sum(), of_v / of_v.sum())
    return places[:, None], places[None, :], weight


@functools.cache
def _table_middle() -> float:
    """Return the mean of tanh(3 v)."""
    _, v, weight = _grid(2001)
    return float(weight.sum(axis=0) @ np.tanh(_STEEPNESS * v[0]))


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def _auc(chance: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return P(a case's chance is above a control's) plus half of ties, for weighted points."""
    order = np.argsort(chance, kind="stable")
    cases = (weight * chance)[order]
    controls = (weight * (1 - chance))[order]
    below = np.cumsum(controls) - controls
    # Equal chances are one point of the curve: the controls among them count half.
    value = chance[order]
    first = np.concatenate([[True], value[1:] != value[:-1]])
    run = np.cumsum(first) - 1
    tied_controls = np.bincount(run, weights=controls)[run]
    before = below[first][run]
    total = float(cases @ (before + tied_controls / 2))
    return total / float(cases.sum() * controls.sum())
