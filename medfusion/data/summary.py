"""The cohort in figures: who is in it, how it is split, how alike the splits are (Table 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data.split import SPLITS
from medfusion.data.targets.outcome import outcomes, task_columns
from medfusion.data.targets.survival import median_follow_up
from medfusion.data.wording import in_order
from medfusion.spec.target import MultitaskTarget, SurvivalTarget, TargetSpec

if TYPE_CHECKING:
    from medfusion.data.cohort import Cohort

SHOWN_IDS = 50


def summarise(cohort: Cohort) -> dict[str, Any]:
    """Return the content of cohort.json; JSON has no NaN, so what cannot be known is None."""
    spec = cohort.spec
    excluded: list[dict[str, Any]] = [
        {"reason": item.reason, "count": len(item.ids), "ids": item.ids[:SHOWN_IDS]}
        for item in cohort.excluded
    ]
    left_out = sum(item["count"] for item in excluded)
    parts = {"all": np.arange(len(cohort))} | {name: cohort.rows(name) for name in SPLITS}
    return {
        "flow": {"rows": len(cohort) + left_out, "excluded": excluded, "analysed": len(cohort)},
        "target": {
            "column": ", ".join(spec.target.columns),
            "kind": spec.target.kind,
            "classes": list(cohort.classes),
            "unit": getattr(spec.target, "unit", ""),
        },
        "splits": [_split(cohort, name) for name in SPLITS],
        "table1": [
            *(_numeric(name, cohort.table.numbers(name), parts) for name in spec.numeric),
            *(_categorical(name, cohort.table.text(name), parts) for name in spec.categorical),
        ],
        "checks": [
            {
                "name": check.name,
                "outcome": check.outcome,
                "message": check.message,
                "count": check.count,
                "rows": check.rows,
            }
            for check in cohort.checks
        ],
        **({} if cohort.corrected is None else {"corrections": cohort.corrected}),
    }


def _split(cohort: Cohort, name: str) -> dict[str, Any]:
    rows = cohort.rows(name)
    target, unknown = _target(cohort.spec.target, cohort.classes, cohort.target[rows])
    missing = {
        view: int((~cohort.image_present[rows, index]).sum())
        for index, view in enumerate(cohort.image_paths)
    }
    if cohort.spec.numeric or cohort.spec.categorical:
        missing["table"] = int((~cohort.table_present[rows]).sum())
    return {
        "split": name,
        "subjects": len(rows),
        "groups": len({cohort.groups[row] for row in rows}),
        "target": target,
        "missing": missing,
        **({"unknown": unknown} if any(unknown.values()) else {}),
    }


def _target(
    spec: TargetSpec, classes: Sequence[str], target: NDArray[Any]
) -> tuple[dict[str, float | None], dict[str, int]]:
    """Return counts of classes (of labels: where they hold) or moments, and who has no target.

    Where the target has several tasks, the names begin with "<task>/".
    """
    found: dict[str, float | None] = {}
    unknown: dict[str, int] = {}
    if isinstance(spec, MultitaskTarget):
        for name, own, labels, columns in task_columns(spec, classes, target):
            figures, lost = _target(own, labels, columns)
            found |= {f"{name}/{figure}": value for figure, value in figures.items()}
            several = own.kind == "multilabel"
            unknown |= {f"{name}/{one}" if several else name: n for one, n in lost.items()}
        return found, unknown
    if isinstance(spec, SurvivalTarget):
        known = target[~np.isnan(target).any(axis=1)]
        return _survival(known), {spec.event: len(target) - len(known)}
    for part in outcomes(spec, classes, target):
        unknown[part.name] = len(target) - len(part.values)
        if part.kind in ("multilabel", "segmentation"):
            found[part.name] = int((part.values == 1).sum())
        elif part.classes:
            counts = np.bincount(part.values, minlength=len(part.classes)).tolist()
            found |= dict(zip(part.classes, counts, strict=True))
        else:
            there = len(part.values) > 0
            found |= {
                "mean": float(part.values.mean()) if there else None,
                "sd": _sd(part.values),
                "min": float(part.values.min()) if there else None,
                "max": float(part.values.max()) if there else None,
            }
    return found, unknown


def _survival(target: NDArray[np.float64]) -> dict[str, float | None]:
    """Return counts of events and censored, and how long rows were followed."""
    time, event = target[:, 0], target[:, 1] == 1
    return {
        "censored": int((~event).sum()),
        "event": int(event.sum()),
        "median_follow_up": median_follow_up(time, event),
        "min": float(time.min()) if len(time) else None,
        "max": float(time.max()) if len(time) else None,
    }


def _numeric(
    column: str, values: NDArray[np.float64], parts: dict[str, NDArray[np.int64]]
) -> dict[str, Any]:
    known = {name: values[rows][~np.isnan(values[rows])] for name, rows in parts.items()}
    return {
        "column": column,
        "kind": "numeric",
        "splits": {name: _moments(known[name], len(rows)) for name, rows in parts.items()},
        "smd": {name: mean_difference(known[name], known["train"]) for name in ("val", "test")},
    }


def _moments(values: NDArray[np.float64], rows: int) -> dict[str, Any]:
    found: dict[str, Any] = {"n": len(values), "missing": rows - len(values)}
    if not len(values):
        return found | dict.fromkeys(("mean", "sd", "median", "q1", "q3", "min", "max"))
    q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return found | {
        "mean": float(values.mean()),
        "sd": _sd(values),
        "median": median,
        "q1": q1,
        "q3": q3,
        "min": float(values.min()),
        "max": float(values.max()),
    }


def _categorical(
    column: str, cells: Sequence[str | None], parts: dict[str, NDArray[np.int64]]
) -> dict[str, Any]:
    levels = in_order({cell for cell in cells if cell is not None})
    code_of: dict[str | None, int] = {level: code for code, level in enumerate(levels)}
    codes = np.array([code_of.get(cell, -1) for cell in cells], dtype=np.int64)
    counts = {
        name: np.bincount(codes[rows][codes[rows] >= 0], minlength=len(levels))
        for name, rows in parts.items()
    }
    return {
        "column": column,
        "kind": "categorical",
        "levels": levels,
        "splits": {
            name: {
                "n": int(counts[name].sum()),
                "missing": len(rows) - int(counts[name].sum()),
                "counts": counts[name].tolist(),
            }
            for name, rows in parts.items()
        },
        "smd": {name: share_difference(counts[name], counts["train"]) for name in ("val", "test")},
    }


def mean_difference(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float | None:
    """Return the standardised mean difference, None where it cannot be known.

    Difference of the means over the root of the mean of both variances
    (https://doi.org/10.1002/sim.3697).

    >>> mean_difference(np.array([1.0, 3.0]), np.array([0.0, 2.0]))
    0.7071067811865475
    """
    if min(len(values), len(reference)) < 2:
        return None
    spread = math.sqrt((float(values.var(ddof=1)) + float(reference.var(ddof=1))) / 2)
    return float(values.mean() - reference.mean()) / spread if spread > 0 else None


def share_difference(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> float | None:
    """Return the standardised difference of two distributions over the same categories.

    The Mahalanobis distance between the shares of all but one category under the mean of both
    multinomial covariances (Yang & Dalton, SAS Global Forum 2012, paper 335); it is never
    negative. None where it cannot be known.

    >>> share_difference(np.array([5, 5]), np.array([5, 5]))
    0.0
    """
    if not counts.sum() or not reference.sum():
        return None
    there = (counts + reference) > 0
    first, second = (c[there] / c.sum() for c in (counts, reference))
    first, second = first[1:], second[1:]
    if not len(first):
        return 0.0
    spread = sum(np.diag(p) - np.outer(p, p) for p in (first, second)) / 2
    distance = first - second
    try:
        squared = float(distance @ np.linalg.solve(spread, distance))
    except np.linalg.LinAlgError:
        return None
    return math.sqrt(max(squared, 0.0)) if math.isfinite(squared) else None


def _sd(values: NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None
