"""The metrics of classes in order.

A case is called the class in which its probabilities, summed from the lowest class on, pass one
half: the median of its distribution, which is what CORN and CORAL call. Macro averages are over
the classes that occur.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from medfusion.evaluation import multiclass
from medfusion.evaluation.binary import mean_of
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.operating_point import wilson
from medfusion.evaluation.sample import Floats, Ints, Sample
from medfusion.evaluation.scorecard import Entry, impossible


def called_rank(probabilities: npt.ArrayLike) -> Ints:
    """Return the class at the median of each case's probabilities, [n].

    Args:
        probabilities: [n, K].

    Example:
        >>> called_rank([[0.4, 0.3, 0.3], [0.6, 0.2, 0.2]])
        array([1, 0])
    """
    prob = np.asarray(probabilities, dtype=np.float64)
    # Summed from the top, as the chance of being above a class is what was learnt.
    above = prob[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    called: Ints = (above > 0.5).sum(axis=1).astype(np.int64)
    return called


def entries(sample: Sample) -> dict[str, Entry]:
    """Return the metrics of an ordinal sample."""
    stuck = multiclass.stuck(sample)
    found = _agreement(sample)
    shared = multiclass.discrimination(sample)
    found |= {"auc": shared["auc"], "log_loss": multiclass.log_loss(sample)}
    found["ranked_probability_score"] = _ranked_probability(sample)
    found |= {name: entry for name, entry in shared.items() if name.startswith("auc[")}
    return impossible(found, stuck)


def kappa(target: npt.ArrayLike, called: npt.ArrayLike, classes: int, power: int = 2) -> float:
    """Return Cohen's kappa weighted by the distance of the classes.

    Cohen, https://doi.org/10.1037/h0026256: one minus the mean of |distance|^power over what it
    would be if target and call were unrelated; NaN where that is nought.

    Args:
        target: Class index, [n].
        called: Called class index, [n].
        classes: K, number of classes.
        power: 2 is quadratic, 1 linear.

    Example:
        >>> kappa([0, 1, 2, 2], [0, 1, 1, 2], 3)
        0.8
    """
    truth, said = np.asarray(target, dtype=np.int64), np.asarray(called, dtype=np.int64)
    columns = _columns(truth, said, classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(_kappa(Weights.once(len(truth)), columns, classes, power)[0])


def _columns(truth: Ints, said: Ints, classes: int) -> Floats:
    """Return both distances, and which class each case is of and is called, [n, 2 + 2 K]."""
    ranks = np.arange(classes)
    distance = np.abs(truth - said).astype(np.float64)
    return np.concatenate(
        [
            np.stack([distance, distance**2], axis=1),
            truth[:, None] == ranks,
            said[:, None] == ranks,
        ],
        axis=1,
    ).astype(np.float64)


def _kappa(weights: Weights, columns: Floats, classes: int, power: int) -> Floats:
    sums = weights.sums(columns)
    seen, said = sums[:, 2 : 2 + classes], sums[:, 2 + classes :]
    ranks = np.arange(classes)
    distance = np.abs(ranks[:, None] - ranks).astype(np.float64) ** power
    expected = np.einsum("bi,ij,bj->b", seen, distance, said) / seen.sum(axis=1)
    value: Floats = 1 - sums[:, power - 1] / np.where(expected > 0, expected, np.nan)
    return value


def _agreement(sample: Sample) -> dict[str, Entry]:
    n, classes = sample.n, len(sample.classes)
    truth = sample.target.astype(np.int64)
    said = called_rank(sample.prediction) if n else truth
    columns = _columns(truth, said, classes)
    distance = np.abs(truth - said)
    constant = "every case is of one class and called so"

    def share(hit: npt.NDArray[np.bool_], note: str = "") -> Entry:
        ends = partial(wilson, int(hit.sum()), n)
        return Entry(
            mean_of(hit.astype(np.float64)), n, interval=ends, interval_name="Wilson", note=note
        )

    def weighted(power: int) -> Callable[[Weights], Floats]:
        return partial(_kappa, columns=columns, classes=classes, power=power)

    return {
        "quadratic_kappa": Entry(weighted(2), n, failing=constant),
        "linear_kappa": Entry(weighted(1), n, failing=constant),
        "rank_mae": Entry(mean_of(distance.astype(np.float64)), n),
        "accuracy": share(distance == 0, "called is the median class"),
        "within_one": share(distance <= 1),
    }


def _ranked_probability(sample: Sample) -> Entry:
    """Return the ranked probability score (https://doi.org/10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2)."""
    steps = np.arange(len(sample.classes) - 1)
    upto = sample.prediction.cumsum(axis=1)[:, :-1]
    seen = sample.target[:, None] <= steps
    score = ((upto - seen) ** 2).sum(axis=1) / max(1, len(steps))
    return Entry(mean_of(score), sample.n)
