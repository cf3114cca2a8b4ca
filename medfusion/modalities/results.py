"""From predictions to what comparison.json says: metrics, paired gains, the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfusion.evaluation import Metric
from medfusion.evaluation.multiplicity import holm
from medfusion.modalities.candidates import Candidate
from medfusion.modalities.folder import Settings
from medfusion.modalities.folds import Folds
from medfusion.modalities.gain import Gain, Judge
from medfusion.modalities.pooling import Floats, Pooled
from medfusion.modalities.robustness import gaps, robustness
from medfusion.modalities.verdict import Names, Verdict, judge, lead_of
from medfusion.spec import SMALLER_IS_BETTER, main_metric
from medfusion.spec.target import TargetSpec

SMALLEST_GAIN = 0.01
"""Smallest gain of interest, where none was given; of a metric in target units this share of it."""

_SHOWN = {
    "auc": "AUC",
    "rmse": "RMSE",
    "mae": "MAE",
    "c_index": "C-index",
    "r2": "R\N{SUPERSCRIPT TWO}",
}
_IN_TARGET_UNITS = frozenset({"rmse", "mae"})


def work_out(
    folds: Folds,
    candidates: Sequence[Candidate],
    val: Pooled,
    test: Pooled,
    hidden: Mapping[tuple[str, str], Floats],
    settings: Settings,
) -> dict[str, Any]:
    """Return the results of a comparison as plain values.

    Args:
        folds: The folds.
        candidates: What was compared.
        val: Pooled validation rows: what is chosen is chosen on them.
        test: Pooled test rows: what is judged is judged on them.
        hidden: Predictions with parts hidden.
        settings: What was asked for.
    """
    target = folds.experiment.data.target
    metric = main_metric(target)
    arbiter = Judge(metric, folds.experiment.evaluation, folds.experiment.seed)
    judged = {
        one.name: (
            arbiter.measure(val, val.predictions[one.name]),
            arbiter.measure(test, test.predictions[one.name]),
        )
        for one in candidates
    }
    order = {
        name: -float("inf") if found.value is None else arbiter.sign * found.value
        for name, (found, _) in judged.items()
    }
    by_role = {role: [c for c in candidates if c.role == role] for role in ("single", "fusion")}
    rivals = [one for one in candidates if one.role == "rival"]
    primary = _best(by_role["fusion"], order)
    reference = _best([*by_role["single"], *rivals], order)
    smallest = _smallest(settings, metric, judged[reference.name][1])
    names = names_of(candidates, metric, target)

    family = [arbiter.gain(test, one.name, reference.name) for one in by_role["fusion"]]
    family = _adjusted(family)
    lead = _lead(
        arbiter, test, primary, reference, by_role["single"], rivals, order, smallest, names
    )
    verdict = judge(
        family,
        primary.name,
        smallest,
        names,
        confidence=arbiter.settings.confidence,
        lead=lead,
    )
    pairs = _pairs(candidates, primary, reference)
    gains = family + [arbiter.gain(test, first, second) for first, second in pairs]
    by_fold = {
        one.name: [
            arbiter.value(test, test.predictions[one.name], np.flatnonzero(test.fold == fold))
            for fold in range(len(folds))
        ]
        for one in candidates
    }
    return {
        "metric": metric,
        "metric_name": names.metric + names.unit,
        "smaller_is_better": arbiter.sign < 0,
        "confidence": arbiter.settings.confidence,
        "n": len(test),
        "groups": len(set(test.groups)),
        "smallest_gain": smallest,
        "chosen_on_validation": {"fusion": primary.name, "reference": reference.name},
        "verdict": verdict.to_json(),
        "notes": _notes(folds, candidates, by_fold, verdict, arbiter),
        "candidates": [
            {
                "name": one.name,
                "label": one.label,
                "role": one.role,
                "inputs": list(one.inputs),
                "validation": judged[one.name][0].to_json(),
                "test": judged[one.name][1].to_json(),
                "folds": by_fold[one.name],
            }
            for one in candidates
        ],
        "gains": [gain.to_json() for gain in gains],
        "robustness": robustness(folds, by_role["fusion"], hidden, test, arbiter),
        "missing": gaps(folds, candidates, test, arbiter),
        "folds": [_fold(folds, fold) for fold in range(len(folds))],
    }


def names_of(candidates: Sequence[Candidate], metric: str, target: TargetSpec) -> Names:
    """Return how the candidates and the metric are called in sentences."""
    called = {}
    for one in candidates:
        if one.role == "single":
            called[one.name] = f"the {one.inputs[0]} alone"
        elif one.role == "rival":
            called[one.name] = f"{one.label.partition(' (')[0].lower()} on the table alone"
        elif one.role == "complete":
            called[one.name] = "fusion of complete rows alone"
        else:
            called[one.name] = one.name
    unit = getattr(target, "unit", "") if metric in _IN_TARGET_UNITS else ""
    return Names(
        metric=_SHOWN.get(metric, metric.replace("_", " ")),
        candidates=called,
        unit=f" {unit}" if unit else "",
        smaller=metric in SMALLER_IS_BETTER,
    )


def _best(candidates: Sequence[Candidate], order: Mapping[str, float]) -> Candidate:
    return max(candidates, key=lambda one: order[one.name])


def _smallest(settings: Settings, metric: str, reference: Metric) -> float:
    if settings.smallest_gain is not None:
        return settings.smallest_gain
    if metric in _IN_TARGET_UNITS and reference.value:
        return SMALLEST_GAIN * abs(reference.value)
    return SMALLEST_GAIN


def _adjusted(gains: Sequence[Gain]) -> list[Gain]:
    tested = [gain.p for gain in gains if gain.p is not None]
    adjusted = iter(holm(tested))
    return [
        gain if gain.p is None else dataclasses.replace(gain, p_holm=next(adjusted))
        for gain in gains
    ]


def _lead(
    arbiter: Judge,
    test: Pooled,
    primary: Candidate,
    reference: Candidate,
    singles: Sequence[Candidate],
    rivals: Sequence[Candidate],
    order: Mapping[str, float],
    smallest: float,
    names: Names,
) -> str:
    if not rivals:
        return ""
    rival = _best(rivals, order)
    single = _best(singles, order)
    over = [arbiter.gain(test, one, rival.name) for one in (primary.name, single.name, "table")]
    return lead_of(rival.name, over[0], over[1], over[2], smallest, names, told=rival is reference)


def _pairs(
    candidates: Sequence[Candidate], primary: Candidate, reference: Candidate
) -> list[tuple[str, str]]:
    """Return what else is compared: the chosen fusion with all others, rivals with the network."""
    pairs = [
        (primary.name, one.name)
        for one in candidates
        if one is not primary and one is not reference
    ]
    pairs += [(one.name, "table") for one in candidates if one.role == "rival"]
    pairs.append(("image", "table"))
    return pairs


def _notes(
    folds: Folds,
    candidates: Sequence[Candidate],
    by_fold: Mapping[str, Sequence[float | None]],
    verdict: Verdict,
    arbiter: Judge,
) -> list[str]:
    said = []
    if not any(one.role == "rival" for one in candidates):
        kind = folds.experiment.data.target.kind
        said.append(f"No rivals from scikit-learn were fitted (target: {kind}).")
    ones = [by_fold[name] for name in (verdict.fusion, verdict.reference)]
    pairs = [(a, b) for a, b in zip(*ones, strict=True) if a is not None and b is not None]
    value = verdict.gain.value
    if len(folds) > 1 and len(pairs) == len(folds) and value is not None:
        mean = arbiter.sign * float(np.mean([a - b for a, b in pairs]))
        if mean * value < 0 and max(abs(mean), abs(value)) >= verdict.smallest_gain:
            said.append(
                f"Averaged over the folds the gain is {mean:+.3f}, of the pooled predictions "
                f"{value:+.3f}: the folds' models are not on one scale; trust neither sign."
            )
    excluded = sum(len(item.ids) for item in folds.cohort.excluded)
    if excluded:
        said.append(f"{excluded} rows were left out since an image of theirs cannot be read.")
    return said


def _fold(folds: Folds, fold: int) -> dict[str, Any]:
    rows = {side: folds.rows(fold, side) for side in ("train", "val", "test")}
    found: dict[str, Any] = {"fold": fold + 1}
    found |= {side: len(part) for side, part in rows.items()}
    if folds.experiment.data.target.kind == "binary":
        target = folds.cohort.target
        found["events"] = {side: int((target[part] == 1).sum()) for side, part in rows.items()}
    return found
