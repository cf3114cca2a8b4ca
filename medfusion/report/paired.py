"""Two runs on the same cases: the difference of their main metric, with interval and p value."""

from __future__ import annotations

from typing import Any

from medfusion.errors import InputError
from medfusion.evaluation import compare
from medfusion.evaluation.layout import layout_of
from medfusion.evaluation.metric import Metric
from medfusion.runs import RunFolder
from medfusion.spec import MultitaskTarget, main_metric
from medfusion.spec.target import TargetSpec


def differences(first: RunFolder, second: RunFolder, split: str) -> list[dict[str, Any]]:
    """Return first minus second in the main metric, of several tasks in that of each.

    Args:
        first: A run.
        second: Another run that predicted the same cases of the split.
        split: "train", "val" or "test".

    Returns:
        For each task runs, metric, split, n, value, ci, method, p and text.

    Raises:
        InputError: They cannot be compared; the message says why.
    """
    if first.experiment.data.target.kind != second.experiment.data.target.kind:
        msg = f"{first.name} minus {second.name}: the runs predict different kinds of targets"
        raise InputError(msg)
    target = first.experiment.data.target
    sides = [
        {row["id"]: row for row in run.predictions if row["split"] == split}
        for run in (first, second)
    ]
    if not isinstance(target, MultitaskTarget):
        return [_difference(first, second, split, target, sides)]
    other = second.experiment.data.target
    if not isinstance(other, MultitaskTarget) or other.tasks.keys() != target.tasks.keys():
        msg = f"{first.name} and {second.name} have different tasks; they cannot be compared"
        raise InputError(msg)
    return [
        _difference(
            first, second, split, own, [rows_of_task(side, name, own) for side in sides], name
        )
        for name, own in target.tasks.items()
    ]


def rows_of_task(
    rows: dict[str, dict[str, str]], task: str, target: TargetSpec
) -> dict[str, dict[str, str]]:
    """Return the columns of a task, under their own names, of the rows that have its target."""
    start, form = f"{task}/", layout_of(target)
    own = {
        name: {c.removeprefix(start): cell for c, cell in row.items() if c.startswith(start)}
        for name, row in rows.items()
    }
    header = list(next(iter(own.values()), {}))
    wanted = form.targets(form.classes(header))
    return {name: row for name, row in own.items() if any(row.get(column) for column in wanted)}


def _difference(
    first: RunFolder,
    second: RunFolder,
    split: str,
    target: TargetSpec,
    rows: list[dict[str, dict[str, str]]],
    task: str = "",
) -> dict[str, Any]:
    """Return first minus second in the main metric over the rows that both have."""
    ids = sorted(rows[0].keys() & rows[1].keys())
    metric = main_metric(target)
    shown = f"{task}/{metric}" if task else metric
    head: dict[str, Any] = {
        "runs": [str(first.path), str(second.path)],
        "metric": shown,
        "split": split,
        "n": len(ids),
    }
    names = f"{first.name} minus {second.name}"
    if not ids:
        msg = f"{names}: no id is in the {split} split of both; these runs cannot be compared"
        raise InputError(msg)
    form = layout_of(target)
    headers = [list(found[ids[0]]) for found in rows]
    classes = form.classes(headers[0])
    if form.classes(headers[1]) != classes:
        msg = f"{names}: the runs have different classes; they cannot be compared"
        raise InputError(msg)
    chosen = [[found[name] for name in ids] for found in rows]
    targets = form.targets(classes)
    if any(one[c] != two[c] for one, two in zip(*chosen, strict=True) for c in targets):
        msg = f"{names}: the same ids have different targets; these runs cannot be compared"
        raise InputError(msg)
    groups = {row["id"]: row["group"] for row in first.split}
    one, other = (
        form.predictions(side, header) for side, header in zip(chosen, headers, strict=True)
    )
    found = compare(
        target.kind,
        metric,
        form.read(chosen[0], classes),
        one,
        other,
        [groups[name] for name in ids],
        settings=first.experiment.evaluation,
        classes=classes,
        seed=first.experiment.seed,
    )
    chance = "" if found.p is None else f", p = {found.p:.3g}"
    difference = found.difference.to_json()
    text = f"{shown} {names}: {_interval(found.difference)}{chance} (n = {len(ids)})"
    return head | difference | {"p": found.p, "text": text}


def _interval(difference: Metric) -> str:
    return "not estimable" if difference.value is None else str(difference)
