"""The report card of one split, and the few figures that are followed epoch by epoch."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

import numpy.typing as npt

from medfusion.evaluation import binary, multiclass, multilabel, ordinal, pixels, regression
from medfusion.evaluation.follow_up import FollowUp
from medfusion.evaluation.metric import Metric
from medfusion.evaluation.sample import Sample, check
from medfusion.evaluation.scorecard import Entry, card, values
from medfusion.evaluation.survival import metrics as survival
from medfusion.evaluation.threshold import Choice
from medfusion.spec import METRICS, Evaluation, FixedThreshold

AnyThreshold = Metric | Choice | float | None
"""A threshold as `choose_threshold` gives it, as a number, or as the metric "threshold"."""

EPOCH_THRESHOLD = 0.5
"""Where epoch metrics call a case positive: none is chosen while training."""

_AT_THRESHOLD = frozenset(
    {"accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"}
    | {"ppv_at_prevalence", "npv_at_prevalence"}
)
_OPTIMISTIC = "optimistic: the threshold was chosen on these cases"


def evaluate(
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    kind: str,
    settings: Evaluation,
    classes: Sequence[str] = (),
    groups: Iterable[Hashable] | None = None,
    threshold: AnyThreshold = None,
    chosen_here: bool = False,
    follow_up: FollowUp | None = None,
    seed: int = 0,
) -> dict[str, Metric]:
    """Judge the predictions of one split.

    Where each case is its own group, intervals are DeLong's for an AUC, Wilson's for a proportion
    and Wald's for calibration slope and intercept; where groups have several cases, and for all
    other metrics, they are percentile bootstrap intervals over whole groups.
    What cannot be estimated has no value and a note that says why.

    Args:
        target: Class index or value per case, [n], time and event [n, 2], labels [n, L] with NaN
            where unknown, or pixels of each class [n, K].
        prediction: Probabilities [n, 2] or [n, K] in the order of `classes`, values [n], risk and
            survival at the times of `follow_up` [n, 1 + T], or the scores of
            `medfusion.evaluation.pixels`.
        kind: "binary", "multiclass", "multilabel", "ordinal", "regression", "segmentation" or
            "survival".
        settings: Level, replicates, prevalence; its threshold is used where it is fixed.
        classes: Class names.
        groups: The group of each case (patient, lesion), [n]; by default each is its own.
        threshold: The operating point of a binary target, chosen on validation.
        chosen_here: The threshold was chosen on these very cases: marked as optimistic.
        follow_up: Times and censoring of survival; without it only the C-index is given.
        seed: Seed of the bootstrap.

    Returns:
        Metric by name.

    Raises:
        InputError: As `medfusion.evaluation.sample.check`.

    Example:
        >>> target, value = range(12), [0, 1, 2, 4, 4, 5, 7, 7, 8, 9, 9, 11]
        >>> found = evaluate(target, value, kind="regression", settings=Evaluation())
        >>> round(found["mae"].value, 3)
        0.25
    """
    sample = check(kind, target, prediction, classes, groups, follow_up)
    value, how = _threshold(threshold, settings)
    found = _entries(sample, value, how, settings.prevalence)
    cards = card(found, sample, settings.confidence, settings.bootstrap, seed)
    if kind == "binary":
        if chosen_here and how != _FIXED:
            marked = {name: _marked(cards[name]) for name in cards if name in _AT_THRESHOLD}
            cards |= marked
        cards["threshold"] = (
            Metric.not_estimable(sample.too_few or how, sample.n)
            if value is None or sample.too_few
            else Metric(value, None, how, sample.n)
        )
    return cards


def epoch_metrics(kind: str, target: npt.ArrayLike, prediction: npt.ArrayLike) -> dict[str, float]:
    """Return the metrics of `medfusion.spec.METRICS[kind]` but the loss, without intervals.

    A binary case is called positive from a probability of 0.5. What is not estimable is left out.

    Args:
        kind: "binary", "multiclass", "multilabel", "ordinal", "regression" or "survival".
        target: Class index or value per case, [n], or time and event [n, 2].
        prediction: Probabilities [n, 2] or [n, K], values [n], or risks [n].

    Raises:
        InputError: As `medfusion.evaluation.sample.check`.

    Example:
        >>> found = epoch_metrics("regression", range(12), range(1, 13))
        >>> found["rmse"], found["mae"]
        (1.0, 1.0)
    """
    sample = check(kind, target, prediction)
    found = _entries(sample, EPOCH_THRESHOLD, "", None)
    return values({name: found[name] for name in METRICS[kind] if name in found}, sample.n)


def entries_at(sample: Sample, threshold: AnyThreshold, settings: Evaluation) -> dict[str, Entry]:
    """Return every metric of a sample before it is worked out."""
    return _entries(sample, *_threshold(threshold, settings), settings.prevalence)


def _entries(
    sample: Sample, threshold: float | None, how: str, prevalence: float | None
) -> dict[str, Entry]:
    if sample.kind == "binary":
        return binary.entries(sample, threshold, how, prevalence)
    return _ENTRIES[sample.kind](sample)


_ENTRIES = {
    "multiclass": multiclass.entries,
    "multilabel": multilabel.entries,
    "ordinal": ordinal.entries,
    "regression": regression.entries,
    "segmentation": pixels.entries,
    "survival": survival.entries,
}
"""The metrics of every kind that needs no operating point."""


_FIXED = "fixed beforehand"


def _threshold(threshold: AnyThreshold, settings: Evaluation) -> Choice:
    if threshold is None and isinstance(settings.threshold, FixedThreshold):
        return settings.threshold.value, _FIXED
    if threshold is None:
        return None, "no threshold was chosen on validation"
    if isinstance(threshold, Metric):
        return threshold.value, threshold.method if threshold.value is not None else threshold.note
    if isinstance(threshold, tuple):
        return threshold
    return float(threshold), "given"


def _marked(metric: Metric) -> Metric:
    if metric.value is None:
        return metric
    note = f"{metric.note}; {_OPTIMISTIC}" if metric.note else _OPTIMISTIC
    return replace(metric, note=note)
