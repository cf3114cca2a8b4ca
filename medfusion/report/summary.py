"""The head of a report: what to know when nothing else is read."""

from __future__ import annotations

import dataclasses
import datetime as dt

from medfusion.report.blocks import KeyNumber
from medfusion.report.evidence import Evidence, tasks
from medfusion.report.metric_names import IN_TARGET_UNITS, label
from medfusion.report.numbers import counted, decimal, duration, interval, listed
from medfusion.report.theme import SPLIT_NAMES
from medfusion.spec import METRICS

_KEY = {
    "binary": ("auc", "sensitivity", "specificity", "calibration_slope"),
    "multiclass": ("auc", "balanced_accuracy", "accuracy", "f1"),
    "multilabel": ("auc", "auc_micro", "average_precision", "f1"),
    "ordinal": ("quadratic_kappa", "rank_mae", "accuracy", "within_one"),
    "regression": ("mae", "rmse", "r2", "bias"),
    "segmentation": ("dice", "iou", "hd95", "area_difference"),
    "survival": ("c_index", "c_index_uno", "auc_mean", "ibs"),
}


def facts(evidence: Evidence) -> list[str]:
    """Return when the run took place and how far it got."""
    history, status = evidence.history, evidence.status
    said = []
    times = [
        event["time"]
        for event in (history.start, *history.epochs, *history.messages)
        if isinstance(event.get("time"), int | float)
    ]
    if times:
        began, ended = min(times), max(times)
        day = dt.datetime.fromtimestamp(began, tz=dt.UTC)
        said.append(f"{day.day} {day:%B %Y, %H:%M} UTC")
        if ended - began >= 1:
            said.append(f"took {duration(ended - began)}")
    if status.epochs:
        said.append(f"epoch {status.epoch} of {status.epochs}")
    return said


def alert(evidence: Evidence) -> str:
    """Return what must be known first about a run that did not end as it should."""
    status = evidence.status
    error = status.error or {}
    reason = f" {error.get('type', '')}: {error.get('message', '')}" if error else ""
    said = {
        "created": "The run has not started yet.",
        "running": "The run is still training; this report shows it as it stands.",
        "paused": "The run is paused; this report shows it as it stands.",
        "evaluating": "The run is being evaluated; this report shows it as it stands.",
        "stopped": "The run was stopped before its end; it can be resumed.",
        "failed": f"The run failed.{reason}",
        "interrupted": "The run's process ended before its work was done; it can be resumed.",
        "finished": "",
    }[status.state]
    failed = [check.name for check in evidence.checks if check.outcome == "FAIL"]
    if failed:
        what = "A data check failed" if len(failed) == 1 else f"{len(failed)} data checks failed"
        said += f" {what}: {listed(failed)}. Do not rely on the results before this is cleared up."
    return said.strip()


def sentence(evidence: Evidence) -> str:
    """Return the main result in a sentence."""
    split = _reported(evidence)
    if split is None:
        return "The model has not been evaluated yet."
    if parts := tasks(evidence):
        return " ".join(f"{name}: {sentence(own)}" for name, own in parts.items())
    main = METRICS[evidence.kind][1]
    unit = getattr(evidence.experiment.data.target, "unit", None)
    found = evidence.metric(split, main)
    prediction = evidence.prediction(split)
    size = f"n = {found.n if found else 0}"
    if evidence.kind == "binary" and prediction is not None:
        size += f", {counted(int((prediction.target == 1).sum()), 'event')}"
    if evidence.kind == "survival" and prediction is not None:
        size += f", {counted(int(prediction.target[:, 1].sum()), 'event')}"
    if found is None or found.value is None:
        why = f" ({found.note})" if found and found.note else ""
        return f"On the {SPLIT_NAMES[split].lower()} split ({size}), {label(main)} cannot be given{why}."
    value = decimal(found.value)
    if found.ci:
        value += f" ({evidence.confidence} CI {decimal(found.ci[0])} to {decimal(found.ci[1])})"
    if unit and main in IN_TARGET_UNITS:
        value += f" {unit}"
    name = label(main, kind=evidence.kind)
    return f"On the {SPLIT_NAMES[split].lower()} split ({size}) the model reached {name} {value}."


def numbers(evidence: Evidence) -> list[KeyNumber]:
    """Return the few metrics to read first."""
    split = _reported(evidence)
    if split is None:
        return []
    if parts := tasks(evidence):
        first = {name: numbers(own)[:1] for name, own in parts.items()}
        return [
            dataclasses.replace(number, label=f"{name}: {number.label}")
            for name, found in first.items()
            for number in found
        ]
    unit = getattr(evidence.experiment.data.target, "unit", None)
    found = []
    for name in _KEY[evidence.kind]:
        estimate = evidence.metric(split, name)
        if estimate is None:
            continue
        text = interval(estimate.value, None)
        note = ""
        if estimate.value is not None and estimate.ci:
            note = f"{decimal(estimate.ci[0])} to {decimal(estimate.ci[1])}"
        found.append(
            KeyNumber(label(name, kind=evidence.kind, unit=unit), text, note, estimate.value)
        )
    return found


def _reported(evidence: Evidence) -> str | None:
    metrics = evidence.metrics or {}
    return next((split for split in ("test", "val") if split in metrics), None)
