"""`medfusion evaluate`: predicts and judges a run's splits anew."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome, interval
from medfusion.data.display import table
from medfusion.errors import RunError
from medfusion.runs.versions import find_run


def execute(arguments: argparse.Namespace) -> Outcome:
    """Predict every split with the best weights and judge it.

    Raises:
        RunError: The run is at work or has no weights yet.
    """
    from medfusion.training.prediction import evaluate_run

    run = find_run(arguments.run)
    if run.status.active:
        msg = f"{run.path}: is running; evaluate it when it has stopped"
        raise RunError(msg)
    metrics = evaluate_run(run)
    shown = {arguments.split: metrics[arguments.split]} if arguments.split else metrics
    names = list(dict.fromkeys(name for split in shown.values() for name in split))
    rows = [[name, *(interval(split.get(name)) for split in shown.values())] for name in names]
    return Outcome(
        text=table(["metric", *shown], rows),
        document={"run": str(run.path), "metrics": shown},
        run=run.path,
    )
