"""`medfusion compare`: runs beside each other, and the difference of each to the first."""

from __future__ import annotations

import argparse
import itertools
from typing import Any

from medfusion.commands.outcome import Outcome, interval
from medfusion.data.display import table
from medfusion.errors import InputError, RunError
from medfusion.runs import RunFolder
from medfusion.runs.differences import Difference, configuration, environment
from medfusion.runs.versions import find_run


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
    runs = [find_run(word) for word in arguments.compared]
    kinds = {run.experiment.data.target.kind for run in runs}
    if len(kinds) > 1:
        msg = f"these runs predict different kinds of targets: {', '.join(sorted(kinds))}"
        raise InputError(msg)
    from medfusion.report.paired import differences

    metrics = [_metrics(run, arguments.split) for run in runs]
    names = [name for name in metrics[0] if all(name in found for found in metrics)]
    rows = [[name, *(interval(found[name]) for found in metrics)] for name in names]
    found = [
        difference
        for first, second in itertools.combinations(runs, 2)
        for difference in differences(first, second, arguments.split)
    ]
    lines = [table([arguments.split, *(run.name for run in runs)], rows), ""]
    lines += [item["text"] for item in found]
    fields, places = configuration(runs), environment(runs)
    lines += _listed("the experiment", fields, runs) + _listed("the environment", places, runs)
    return Outcome(
        text="\n".join(lines),
        document={
            "split": arguments.split,
            "runs": [
                {"run": str(run.path), "metrics": own}
                for run, own in zip(runs, metrics, strict=True)
            ],
            "differences": found,
            "configuration": [item.to_json() for item in fields],
            "environment": [item.to_json() for item in places],
        },
    )


def _listed(what: str, found: list[Difference], runs: list[RunFolder]) -> list[str]:
    if not found:
        return ["", f"No difference in {what}."]
    rows = [[item.field, *(item.words)] for item in found]
    return ["", table([f"differs in {what}", *(run.name for run in runs)], rows)]


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
