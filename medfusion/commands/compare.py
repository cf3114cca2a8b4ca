"""`medfusion compare`: runs beside each other, and the difference of each to the first."""

from __future__ import annotations

import argparse
import itertools
from typing import Any

from medfusion.commands.outcome import Outcome, interval
from medfusion.data.display import table
from medfusion.errors import InputError, RunError
from medfusion.runs import RunFolder
from medfusion.spec import MultitaskTarget, main_metric
from medfusion.spec.target import TargetSpec


def execute(arguments: argparse.Namespace) -> Outcome:
    """Compare the metrics of runs on one split; differences are paired over the same rows.

    Raises:
        InputError: Fewer than two runs, or runs that cannot be compared.
    """
    if arguments.modalities is not None:
        from medfusion.commands import compare_modalities

        return compare_modalities.execute(arguments)
    _refuse_options(arguments)
    if len(arguments.compared) < 2:
        msg = "give two runs or more to compare (RUN RUN ...), or --modalities EXPERIMENT.yaml"
        raise InputError(msg)
    runs = [RunFolder(path) for path in arguments.compared]
    kinds = {run.experiment.data.target.kind for run in runs}
    if len(kinds) > 1:
        msg = f"these runs predict different kinds of targets: {', '.join(sorted(kinds))}"
        raise InputError(msg)
    metrics = [_metrics(run, arguments.split) for run in runs]
    names = [name for name in metrics[0] if all(name in found for found in metrics)]
    rows = [[name, *(interval(found[name]) for found in metrics)] for name in names]
    differences = [
        difference
        for first, second in itertools.combinations(runs, 2)
        for difference in _differences(first, second, arguments.split)
    ]
    lines = [table([arguments.split, *(run.name for run in runs)], rows), ""]
    lines += [item["text"] for item in differences]
    return Outcome(
        text="\n".join(lines),
        document={
            "split": arguments.split,
            "runs": [
                {"run": str(run.path), "metrics": found}
                for run, found in zip(runs, metrics, strict=True)
            ],
            "differences": differences,
        },
    )


def _refuse_options(arguments: argparse.Namespace) -> None:
    """Refuse what would be ignored without --modalities."""
    given = {
        "--fusions": arguments.fusions,
        "--folds": arguments.folds,
        "--own-split": arguments.own_split,
        "--smallest-gain": arguments.smallest_gain,
        "--complete-rows": arguments.complete_rows,
        "--no-rivals": arguments.no_rivals,
        "--out": arguments.out,
        "--detach": arguments.detach,
        "--set": arguments.changes,
        "--skip-unreadable": arguments.skip_unreadable,
    }
    unused = [name for name, value in given.items() if value not in (None, False, [])]
    if unused:
        msg = f"{', '.join(unused)}: only with --modalities EXPERIMENT.yaml"
        raise InputError(msg)


def _metrics(run: RunFolder, split: str) -> dict[str, Any]:
    found = run.metrics
    if split not in found:
        msg = f"{run.path / 'metrics.json'}: damaged (it has no split {split!r})"
        raise RunError(msg)
    return found[split]


def _differences(first: RunFolder, second: RunFolder, split: str) -> list[dict[str, Any]]:
    """Return first minus second in the main metric, of several tasks in that of each."""
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
        _difference(first, second, split, own, [_of_task(side, name, own) for side in sides], name)
        for name, own in target.tasks.items()
    ]


def _of_task(
    rows: dict[str, dict[str, str]], task: str, target: TargetSpec
) -> dict[str, dict[str, str]]:
    """Return the columns of a task, under their own names, of the rows that have its target."""
    from medfusion.evaluation.layout import layout_of

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
    from medfusion.evaluation import compare
    from medfusion.evaluation.layout import layout_of

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
    text = f"{shown} {names}: {interval(difference)}{chance} (n = {len(ids)})"
    return head | difference | {"p": found.p, "text": text}
