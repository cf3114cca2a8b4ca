"""What is left when something is missing: parts hidden at prediction, and gaps the data have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medfusion.data import Batch, Cohort
from medfusion.evaluation import Metric
from medfusion.evaluation.sample import FEWEST_CASES
from medfusion.modalities.candidates import Candidate
from medfusion.modalities.folds import Folds
from medfusion.modalities.gain import NO_RANKING, Judge
from medfusion.modalities.pooling import Floats, Pooled
from medfusion.runs import RunFolder


@dataclasses.dataclass(frozen=True)
class Pattern:
    """What is hidden at prediction.

    Attributes:
        label: What reports call it.
        views: Names of the hidden views.
        table: Whether the table is hidden.
    """

    label: str
    views: tuple[str, ...] = ()
    table: bool = False


def patterns(views: Sequence[str]) -> list[Pattern]:
    """Return what is hidden in turn: nothing, the table, the images, each view, everything.

    Args:
        views: Names of the views.

    Example:
        >>> [pattern.label for pattern in patterns(["photo"])]
        ['All as they are', 'Image only', 'Table only', 'Nothing']
    """
    images = "Image only" if len(views) == 1 else "Images only"
    found = [
        Pattern("All as they are"),
        Pattern(images, table=True),
        Pattern("Table only", tuple(views)),
    ]
    if len(views) > 1:
        found += [Pattern(f"Without {view}", (view,)) for view in views]
    return [*found, Pattern("Nothing", tuple(views), table=True)]


def hide(views: Sequence[str], pattern: Pattern) -> Callable[[Batch], Batch]:
    """Return what hides views or the table of a batch; a model never reads what is absent.

    Args:
        views: Names of all views, in the order of `Batch.image_present`.
        pattern: What is hidden.
    """
    shown = torch.tensor([view not in pattern.views for view in views], dtype=torch.bool)

    def change(batch: Batch) -> Batch:
        found: dict[str, Any] = {"image_present": batch.image_present & shown}
        if pattern.table:
            found["numeric"] = torch.zeros_like(batch.numeric)
            found["numeric_present"] = torch.zeros_like(batch.numeric_present)
            found["categorical"] = torch.zeros_like(batch.categorical)
        return dataclasses.replace(batch, **found)

    return change


def hidden_predictions(
    folds: Folds,
    fusions: Sequence[Candidate],
    runs: Mapping[tuple[str, int], RunFolder],
    width: int,
) -> dict[tuple[str, str], Floats]:
    """Return what every fusion predicts for the pooled test rows with parts hidden.

    Args:
        folds: The folds.
        fusions: The fusions.
        runs: Their finished runs by name and fold.
        width: How many columns of a prediction are judged.

    Returns:
        Predictions [n, columns] by name of the fusion and label of the pattern; "All as they are"
        is left out, since that is what the runs predicted already.
    """
    from medfusion.training.prediction import predict_rows, saved_split, trained_model

    views = list(folds.cohort.spec.images)
    parts: dict[tuple[str, str], list[Floats]] = {}
    for fold in range(len(folds)):
        cohort: Cohort | None = None
        for one in fusions:
            run = runs[one.name, fold]
            model, preprocessing, task = trained_model(run)
            experiment = run.experiment
            if cohort is None or cohort.preprocessing != preprocessing:
                cohort = Cohort.load(
                    experiment, split=saved_split(run), preprocessing=preprocessing
                )
            rows = cohort.rows("test")
            for pattern in patterns(views)[1:]:
                change = hide(views, pattern)
                found = predict_rows(model, task, cohort, rows, experiment, change)
                parts.setdefault((one.name, pattern.label), []).append(
                    found.reshape(len(rows), -1)[:, :width]
                )
    return {key: np.concatenate(values) for key, values in parts.items()}


def robustness(
    folds: Folds,
    fusions: Sequence[Candidate],
    hidden: Mapping[tuple[str, str], Floats],
    pooled: Pooled,
    judge: Judge,
) -> list[dict[str, Any]]:
    """Return the metric of every fusion for every subset of what it may see.

    All are worked out on the same test rows; what a row lacks anyway stays missing.

    Args:
        folds: The folds.
        fusions: The fusions.
        hidden: As `hidden_predictions` gives them.
        pooled: The pooled test rows.
        judge: Works out the metric.
    """
    shown = folds.present[pooled.row]
    found = []
    for pattern in patterns(list(folds.cohort.spec.images)):
        left = [view not in pattern.views for view in folds.cohort.spec.images]
        left.append(not pattern.table)
        something = (shown & left).any(axis=1)
        values = {}
        for one in fusions:
            prediction = hidden.get((one.name, pattern.label), pooled.predictions[one.name])
            metric = judge.measure(pooled, prediction)
            if not any(left):
                metric = _without_anything(judge, pooled, prediction)
            values[one.name] = metric.to_json()
        found.append(
            {
                "pattern": pattern.label,
                "hidden": [*pattern.views, *(["table"] if pattern.table else [])],
                "left": int(something.sum()),
                "n": len(pooled),
                "values": values,
            }
        )
    return found


def gaps(
    folds: Folds, candidates: Sequence[Candidate], pooled: Pooled, judge: Judge
) -> list[dict[str, Any]]:
    """Return the metric of every candidate on the test rows that lack the same things.

    Args:
        folds: The folds.
        candidates: The candidates.
        pooled: The pooled test rows.
        judge: Works out the metric.
    """
    present = folds.present[pooled.row]
    kinds, kind_of, counts = np.unique(present, axis=0, return_inverse=True, return_counts=True)
    kind_of = kind_of.reshape(-1)
    found = []
    for index in np.lexsort((-counts, -kinds.sum(axis=1))):
        rows: NDArray[np.int64] = np.flatnonzero(kind_of == index)
        lacking = [part for part, there in zip(folds.parts, kinds[index], strict=True) if not there]
        label = f"Without {' and '.join(lacking)}" if lacking else "Complete"
        values = {}
        for one in candidates:
            metric = (
                judge.measure(pooled, pooled.predictions[one.name], rows)
                if len(rows) >= FEWEST_CASES
                else Metric.not_estimable(f"only {len(rows)} cases", len(rows))
            )
            values[one.name] = metric.to_json()
        found.append({"pattern": label, "n": len(rows), "values": values})
    return found


def _without_anything(judge: Judge, pooled: Pooled, prediction: Floats) -> Metric:
    """Return the metric of one and the same prediction for all cases of a fold."""
    mean = prediction.mean(axis=0)
    said = ""
    if len(pooled.classes) == len(mean):
        last = len(mean) - 1
        share = float((pooled.target == last).mean()) if pooled.target.ndim == 1 else float("nan")
        if pooled.kind == "binary":
            said = f"mean prediction {mean[last]:.3f}, prevalence {share:.3f}"
    metric = judge.measure(pooled, np.tile(mean, (len(pooled), 1)))
    if metric.value is None and judge.metric in NO_RANKING:
        return Metric(0.5, None, "by definition", len(pooled), said or "all predictions are equal")
    return dataclasses.replace(metric, note=said) if said and metric.value is not None else metric
