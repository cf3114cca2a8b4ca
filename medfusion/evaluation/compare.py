"""Two predictions on the same cases: the difference of a metric with its interval and p value."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medfusion.errors import InputError, unknown
from medfusion.evaluation.bootstrap import percentile, replicate
from medfusion.evaluation.discrimination import delong_test, permutation_test
from medfusion.evaluation.evaluate import AnyThreshold, entries_at
from medfusion.evaluation.follow_up import FollowUp
from medfusion.evaluation.metric import Metric
from medfusion.evaluation.sample import Floats, Sample, check
from medfusion.evaluation.scorecard import Entry, describe, values
from medfusion.spec import Evaluation


@dataclass(frozen=True)
class Comparison:
    """A metric of two predictions on the same cases.

    Attributes:
        metric: Its name.
        first: Its value for the first prediction, None where not estimable.
        second: Its value for the second.
        difference: First minus second, with its paired interval.
        p: Two-sided p value of no difference, None where there is none.
        z: Test statistic, for DeLong's test only.
    """

    metric: str
    first: float | None
    second: float | None
    difference: Metric
    p: float | None = None
    z: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "metric": self.metric,
            "first": self.first,
            "second": self.second,
            "difference": self.difference.to_json(),
            "p": self.p,
            "z": self.z,
        }


def compare_auc(
    target: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    test: Literal["delong", "permutation"] = "delong",
    permutations: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two AUCs on the same independent cases by a paired test.

    Args:
        target: 0 or 1 per case, [n].
        first: First prediction: probabilities of class 1 [n].
        second: Second prediction.
        confidence: Level of the interval, which is DeLong's for either test.
        test: "delong", or "permutation" (https://doi.org/10.1002/sim.2149), which needs no large
            sample: the predictions are swapped in a random half of the cases.
        permutations: How many, for the permutation test.
        seed: Seed of the permutations.

    Raises:
        InputError: As `compare`.

    Example:
        >>> target = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
        >>> first = [0.1, 0.2, 0.3, 0.4, 0.6, 0.5, 0.7, 0.8, 0.9, 0.95]
        >>> second = [0.6, 0.2, 0.3, 0.8, 0.1, 0.5, 0.4, 0.7, 0.9, 0.2]
        >>> print(compare_auc(target, first, second).difference)
        0.300 (-0.120 to 0.720)
    """
    found = compare(
        "binary", "auc", target, first, second, settings=Evaluation(confidence=confidence)
    )
    if test == "delong" or found.difference.value is None:
        return found
    pair = [check("binary", target, prediction) for prediction in (first, second)]
    _, p = permutation_test(
        pair[0].target,
        pair[0].prediction,
        pair[1].prediction,
        permutations=permutations,
        seed=seed,
    )
    note = f"p value of a paired permutation test ({permutations} permutations)"
    return replace(found, p=p, z=None, difference=replace(found.difference, note=note))


def compare(
    kind: str,
    metric: str,
    target: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    groups: Iterable[Hashable] | None = None,
    *,
    settings: Evaluation,
    classes: Sequence[str] = (),
    thresholds: tuple[AnyThreshold, AnyThreshold] = (None, None),
    follow_ups: tuple[FollowUp | None, FollowUp | None] = (None, None),
    seed: int = 0,
) -> Comparison:
    """Compare any metric of two predictions on the same cases.

    An AUC of independent cases is compared by DeLong's test, anything else by a bootstrap that
    draws whole groups, the same for both; its p value is twice the share of replicates on the
    other side of no difference.

    Args:
        kind: "binary", "multiclass", "regression" or "survival".
        metric: Any name that `evaluate` gives but "threshold" and "prevalence".
        target: Class index or value per case, [n], or time and event [n, 2].
        first: First prediction, as for `evaluate`.
        second: Second prediction of the same cases in the same order.
        groups: The group of each case, [n]; by default each is its own.
        settings: Level and replicates.
        classes: Class names.
        thresholds: Operating point of each prediction, where the metric needs one.
        follow_ups: Times and censoring of each survival prediction, where the metric needs them.
        seed: Seed of the bootstrap.

    Raises:
        InputError: As `medfusion.evaluation.sample.check`, or the metric is unknown.

    Example:
        >>> target, near = list(range(12)), [0, 1, 2, 4, 4, 5, 7, 7, 8, 9, 9, 11]
        >>> far = [value + 3 for value in near]
        >>> found = compare("regression", "mae", target, near, far, settings=Evaluation())
        >>> round(found.difference.value, 2)
        -2.83
    """
    group = None if groups is None else list(groups)
    a = check(kind, target, first, classes, group, follow_ups[0])
    b = check(kind, target, second, classes, group, follow_ups[1])
    known = [entries_at(s, t, settings) for s, t in zip((a, b), thresholds, strict=True)]
    names = sorted(known[0].keys() - {"prevalence"})
    if metric not in names:
        raise InputError(unknown(f"metric of a {kind} target", metric, names))
    pair = {"first": known[0][metric], "second": known[1][metric]}
    found = values(pair, a.n)
    for side, entry in pair.items():
        if side not in found:
            reason = f"{side} prediction: {entry.reason or entry.failing}"
            missing = Metric.not_estimable(reason, entry.n)
            return Comparison(metric, found.get("first"), found.get("second"), missing)
    if kind == "binary" and metric == "auc" and not a.repeated:
        return _by_delong(a, b, found, settings.confidence)
    return _by_bootstrap(metric, a, pair, found, settings, seed)


def _by_delong(a: Sample, b: Sample, found: Mapping[str, float], confidence: float) -> Comparison:
    test = delong_test(a.target, a.prediction, b.prediction, confidence)
    level = f"{100 * confidence:g} %"
    if not np.isfinite(test.z):
        note = "no interval and no p value: the difference does not vary"
        difference = Metric(test.difference, None, "", a.n, note)
        return Comparison("auc", found["first"], found["second"], difference)
    difference = Metric(test.difference, test.ci, f"paired DeLong, {level}", a.n)
    return Comparison("auc", found["first"], found["second"], difference, test.p, test.z)


def _by_bootstrap(
    metric: str,
    sample: Sample,
    pair: Mapping[str, Entry],
    found: Mapping[str, float],
    settings: Evaluation,
    seed: int,
) -> Comparison:
    value = found["first"] - found["second"]
    n = max(entry.n for entry in pair.values())
    level = f"{100 * settings.confidence:g} %"
    replicates = _replicates(pair, sample, settings.bootstrap, seed)
    interval = percentile(replicates, settings.confidence)
    if sample.groups < 2 or interval.ci is None or interval.ci[0] == interval.ci[1]:
        note = "no interval and no p value: the difference does not vary over the groups"
        return Comparison(metric, found["first"], found["second"], Metric(value, None, "", n, note))
    finite = replicates[np.isfinite(replicates)]
    # With 1 added to both a p value is never 0: the data themselves are one more replicate.
    tail = min(int((finite <= 0).sum()), int((finite >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(finite) + 1))
    method = f"paired {describe(interval, sample, level)}"
    difference = Metric(value, interval.ci, method, n)
    return Comparison(metric, found["first"], found["second"], difference, p)


def _replicates(pair: Mapping[str, Entry], sample: Sample, count: int, seed: int) -> Floats:
    first, second = pair["first"], pair["second"]
    if first.replicates is not None and second.replicates is not None:
        return first.replicates(count, seed) - second.replicates(count, seed)
    both = {name: entry.of for name, entry in pair.items()}
    drawn = replicate(both, sample.group, sample.groups, count, seed)
    return drawn["first"] - drawn["second"]
