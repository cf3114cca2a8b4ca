"""The metrics of a segmentation: overlap, distance and area, image by image.

Every metric is a mean over the images on which it is defined; where an image counts and where it
does not is the same for every run, and said in the metric's note:

- Dice and IoU: images in which the class is in the reference or in the prediction. A region that is
  predicted where there is none counts 0; an image that is rightly left empty does not count.
- Sensitivity and area differences: images in whose reference the class is.
- Precision (ppv): images in whose prediction the class is.
- Distance (hd95): images in which both have the class.

Without a class in brackets a metric is the mean over the classes but the background.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medfusion.evaluation.bootstrap import Statistic, Weights
from medfusion.evaluation.sample import Floats, Sample
from medfusion.evaluation.scorecard import Entry, impossible

AREA, OVERLAP, DISTANCE = 0, 1, 2
"""Place of each score of a class among its three: pixels predicted, of these in the reference, hd95."""

SCORES = ("area", "overlap", "hd95")
"""Names of these scores."""

_Formula = Callable[[Floats, Floats, Floats], Floats]

_FORMULAS: dict[str, _Formula] = {
    "dice": lambda area, overlap, truth: 2 * overlap / (area + truth),
    "iou": lambda area, overlap, truth: overlap / (area + truth - overlap),
    "sensitivity": lambda _area, overlap, truth: overlap / truth,
    "ppv": lambda area, overlap, _truth: overlap / area,
    "area_difference": lambda area, _overlap, truth: np.where(
        truth > 0, (area - truth) / truth, np.nan
    ),
    "area_error": lambda area, _overlap, truth: np.where(
        truth > 0, np.abs(area - truth) / truth, np.nan
    ),
}

_DEFINED = {
    "dice": "in the reference or the prediction",
    "iou": "in the reference or the prediction",
    "sensitivity": "in the reference",
    "ppv": "in the prediction",
    "area_difference": "in the reference",
    "area_error": "in the reference",
    "hd95": "in both",
}


def scores_of(sample: Sample) -> dict[str, Floats]:
    """Return each metric of each image and class but the background, [n, K - 1], NaN where undefined.

    Args:
        sample: Its target is the pixels of each class in the reference, [n, K]; its prediction
            has area, overlap and hd95 of each class but the first, [n, 3 (K - 1)].
    """
    truth = sample.target[:, 1:].astype(np.float64)
    area, overlap, distance = (sample.prediction[:, place::3] for place in range(3))
    with np.errstate(all="ignore"):
        found = {name: formula(area, overlap, truth) for name, formula in _FORMULAS.items()}
    found["hd95"] = np.where(np.isfinite(distance), distance, np.nan)
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in found.items()}


def mean_dice(sample: Sample) -> Floats:
    """Return the mean Dice of each image over its classes, [n]; NaN where it rightly has none."""
    dice = scores_of(sample)["dice"]
    known = np.isfinite(dice)
    total = np.where(known, dice, 0.0).sum(axis=1)
    mean: Floats = np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
    return mean


def entries(sample: Sample) -> dict[str, Entry]:
    """Return the metrics of a segmentation, each class by itself and their mean."""
    names = sample.classes[1:]
    scores = scores_of(sample)
    found: dict[str, Entry] = {}
    for metric, values in scores.items():
        each: list[Statistic] = [_mean(column) for column in values.T]
        used = np.isfinite(values)
        found[metric] = _entry(
            _mean_of(each), np.asarray(used.any(axis=1)), metric, "a class is {}"
        )
        if len(names) == 1:
            found[metric] = _entry(each[0], used[:, 0], metric, f"{names[0]} is {{}}")
        for place, name in enumerate(names):
            found[f"{metric}[{name}]"] = _entry(
                each[place], used[:, place], metric, f"{name} is {{}}"
            )
    return impossible(found, sample.too_few)


def _entry(statistic: Statistic, used: np.ndarray, metric: str, when: str) -> Entry:
    count = int(used.sum())
    condition = when.format(_DEFINED[metric])
    reason = "" if count else f"in no image {condition}"
    note = "" if count == len(used) else f"over the {count} images in which {condition}"
    return Entry(statistic, count, reason, note=note)


def _mean(values: Floats) -> Statistic:
    used = np.isfinite(values)
    columns = np.stack([np.where(used, values, 0.0), used.astype(np.float64)], axis=1)

    def mean(weights: Weights) -> Floats:
        total, count = weights.sums(columns).T
        share: Floats = total / np.where(count > 0, count, np.nan)
        return share

    return mean


def _mean_of(each: list[Statistic]) -> Statistic:
    def mean(weights: Weights) -> Floats:
        values = np.stack([statistic(weights) for statistic in each])
        known = np.isfinite(values)
        total = np.where(known, values, 0.0).sum(axis=0)
        share: Floats = total / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
        return share

    return mean
