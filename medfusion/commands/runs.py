"""`medfusion runs`: the runs in a folder."""

from __future__ import annotations

import argparse
from typing import Any

from medfusion.commands.outcome import Outcome, interval
from medfusion.data.display import table
from medfusion.errors import RunError, SpecError
from medfusion.runs import RunFolder, list_runs
from medfusion.spec import main_metrics


def execute(arguments: argparse.Namespace) -> Outcome:
    """List the runs, the newest first; a damaged one is listed as such."""
    found = [_describe(run) for run in list_runs(arguments.runs)]
    rows = [
        [
            item["name"],
            item["state"],
            f"{item['epoch']}/{item['epochs']}",
            f"{item['metric'] or ''} {interval(item['test']) if item['test'] else ''}".strip(),
        ]
        for item in found
    ]
    text = table(["run", "state", "epochs", "test"], rows) if rows else "no runs here"
    return Outcome(text=text, document={"runs": found})


def _describe(run: RunFolder) -> dict[str, Any]:
    item: dict[str, Any] = {
        "run": str(run.path),
        "name": run.name,
        "state": "damaged",
        "epoch": 0,
        "epochs": 0,
        "metric": None,
        "test": None,
    }
    try:
        status = run.status
        item |= {"state": status.state, "epoch": status.epoch, "epochs": status.epochs}
        if status.state == "finished":
            item["metric"] = main_metrics(run.experiment.data.target)[0]
            item["test"] = run.metrics["test"].get(item["metric"])
    except (RunError, SpecError, KeyError) as error:
        item["error"] = str(error)
    return item
