"""The metrics of a binary target, each defined once: for one sample and for its replicates."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
from scipy.special import ndtri

from medfusion import _rust
from medfusion.evaluation import calibration, logistic
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.discrimination import (
    delong_interval,
    replicated_auc,
    replicated_average_precision,
)
from medfusion.evaluation.operating_point import Confusion, npv_at, ppv_at, wilson
from medfusion.evaluation.sample import Floats, Ints, Sample
from medfusion.evaluation.scorecard import Ends, Entry, impossible
from medfusion.evaluation.threshold import inseparable

Counts = Callable[[Floats, Floats, Floats, Floats], Floats]


def entries(
    sample: Sample, threshold: float | None, reason: str = "", prevalence: float | None = None
) -> dict[str, Entry]:
    """Return the metrics of a binary sample.

    Args:
        sample: The cases, `kind` binary.
        threshold: A case is called positive when its probability is at or above it.
        reason: Why there is no threshold, where there is none.
        prevalence: Where PPV and NPV are wanted besides.
    """
    stuck = inseparable(sample)
    one_class = bool(sample.n) and bool((sample.target == sample.target[0]).all())
    ranked = impossible(_ranking(sample), stuck)
    likely = impossible(_likelihood(sample), sample.too_few or (stuck if one_class else ""))
    likely |= impossible({"calibration_slope": likely["calibration_slope"]}, stuck)
    decided = _decisions(sample, 0.5 if threshold is None else threshold, prevalence)
    no_threshold = reason or "no threshold was chosen"
    decided = impossible(decided, stuck or (no_threshold if threshold is None else ""))
    shares = {"prevalence": _prevalence(sample)}
    if one_class and not sample.too_few and threshold is not None:
        # What rests on the one class that occurs stands without the other.
        name = "sensitivity" if sample.target[0] else "specificity"
        decided[name] = _decisions(sample, threshold, None)[name]
    shares = impossible(shares, sample.too_few)
    order = ("auc", "average_precision", *decided)
    return {name: (ranked | decided)[name] for name in order} | likely | shares


def _ranking(sample: Sample) -> dict[str, Entry]:
    truth, prob = _truth(sample), sample.prediction
    return {
        "auc": Entry(
            partial(replicated_auc, truth, prob),
            sample.n,
            interval=partial(delong_interval, truth, prob),
            interval_name="DeLong",
            replicates=partial(rust_auc, sample, truth, prob),
        ),
        "average_precision": Entry(partial(replicated_average_precision, truth, prob), sample.n),
    }


def rust_auc(
    sample: Sample,
    truth: Floats,
    score: Floats,
    replicates: int,
    seed: int,
    group: Ints | None = None,
) -> Floats:
    """Return bootstrap replicates of the AUC, [replicates]; the same seed draws the same groups.

    Args:
        sample: The cases, for their groups.
        truth: 0 or 1, [m].
        score: Score, [m].
        replicates: How many.
        seed: Seed of the draws.
        group: Group of each entry, [m], where the entries are not the cases of the sample.
    """
    return _rust.bootstrap_auc(
        truth.astype(np.uint8),
        np.ascontiguousarray(score),
        sample.group if group is None else group,
        replicates,
        seed,
    )


def _decisions(sample: Sample, threshold: float, prevalence: float | None) -> dict[str, Entry]:
    truth = _truth(sample)
    called = (sample.prediction >= threshold).astype(np.float64)
    columns = np.stack(
        [truth * called, (1 - truth) * called, (1 - truth) * (1 - called), truth * (1 - called)],
        axis=1,
    )

    def counted(formula: Counts) -> Callable[[Weights], Floats]:
        return lambda weights: formula(*weights.sums(columns).T)

    counts = Confusion.at(truth, sample.prediction, threshold)
    found = {}
    for name, (count, n) in counts.proportions().items():
        found[name] = Entry(
            counted(FORMULAS[name]),
            n,
            reason="" if n else _nobody(name),
            interval=partial(wilson, count, n),
            interval_name="Wilson",
        )
    for name in ("balanced_accuracy", "f1"):
        found[name] = Entry(counted(FORMULAS[name]), sample.n)
    if prevalence is not None:
        note = f"at a prevalence of {prevalence:g}"
        for name, at in (("ppv", ppv_at), ("npv", npv_at)):
            found[f"{name}_at_prevalence"] = Entry(
                counted(
                    lambda *counts, at=at: at(
                        _sensitivity(*counts), _specificity(*counts), prevalence
                    )
                ),
                sample.n,
                reason=found[name].reason,
                note=note,
            )
    order = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")
    return {name: found[name] for name in order} | found


def _likelihood(sample: Sample) -> dict[str, Entry]:
    truth, prob = _truth(sample), sample.prediction
    x = calibration.logit(prob)

    whole = cache(lambda: logistic.fit(x, truth, Weights.once(sample.n).rows())[0])

    def slope(weights: Weights) -> Floats:
        return logistic.fit(x, truth, weights.rows(), whole())[:, 1]

    def intercept(weights: Weights) -> Floats:
        return logistic.fit_intercept(x, truth, weights.rows())

    fitted = cache(lambda: calibration.calibration_fit(truth, prob))

    def wald(value: str, error: str, confidence: float) -> Ends:
        # Unlike the percentile bootstrap of a slope it holds its level at a hundred cases.
        centre, half = getattr(fitted(), value), ndtri((1 + confidence) / 2)
        half *= getattr(fitted(), error)
        return float(centre - half), float(centre + half)

    return {
        "brier": Entry(mean_of(calibration.squared_errors(truth, prob)), sample.n),
        "log_loss": Entry(mean_of(calibration.log_losses(truth, prob)), sample.n),
        "calibration_slope": Entry(
            slope,
            sample.n,
            interval=partial(wald, "slope", "slope_error"),
            interval_name="Wald",
            failing="the fit has no end, the score separates the classes",
        ),
        "calibration_intercept": Entry(
            intercept,
            sample.n,
            interval=partial(wald, "intercept", "intercept_error"),
            interval_name="Wald",
            failing="the fit does not settle, the probabilities are too extreme",
        ),
        "ece": Entry(partial(calibration.replicated_ece, truth, prob), sample.n),
    }


def _prevalence(sample: Sample) -> Entry:
    truth = _truth(sample)
    return Entry(
        mean_of(truth),
        sample.n,
        interval=partial(wilson, int(truth.sum()), sample.n),
        interval_name="Wilson",
    )


def mean_of(column: Floats) -> Callable[[Weights], Floats]:
    """Return the mean over the cases of a column [n], as a statistic."""
    columns = np.stack([column, np.ones(len(column))], axis=1)

    def mean(weights: Weights) -> Floats:
        sums = weights.sums(columns)
        return sums[:, 0] / sums[:, 1]

    return mean


def _sensitivity(tp: Floats, _fp: Floats, _tn: Floats, fn: Floats) -> Floats:
    return tp / (tp + fn)


def _specificity(_tp: Floats, fp: Floats, tn: Floats, _fn: Floats) -> Floats:
    return tn / (tn + fp)


def _balanced(*counts: Floats) -> Floats:
    return (_sensitivity(*counts) + _specificity(*counts)) / 2


FORMULAS: dict[str, Counts] = {
    "accuracy": lambda tp, fp, tn, fn: (tp + tn) / (tp + fp + tn + fn),
    "balanced_accuracy": _balanced,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "ppv": lambda tp, fp, _tn, _fn: tp / (tp + fp),
    "npv": lambda _tp, _fp, tn, fn: tn / (tn + fn),
    "f1": lambda tp, fp, _tn, fn: 2 * tp / (2 * tp + fp + fn),
}


def _nobody(name: str) -> str:
    return {"ppv": "no case is called positive", "npv": "no case is called negative"}.get(
        name, "no case to count"
    )


def _truth(sample: Sample) -> Floats:
    return sample.target.astype(np.float64)
