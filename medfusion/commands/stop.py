"""`medfusion stop`: asks a run to save and end."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.modalities.folder import ComparisonFolder, is_comparison
from medfusion.runs import RunFolder, process
from medfusion.runs.versions import find_run
from medfusion.workflow import WorkflowFolder, is_workflow

PATIENCE_SECONDS = 60.0


def execute(arguments: argparse.Namespace) -> Outcome:
    """Ask the run to stop and wait until it has; evaluation at the end of a run is let finish."""
    run: ComparisonFolder | RunFolder | WorkflowFolder
    if is_workflow(arguments.run):
        run = WorkflowFolder(arguments.run)
    elif is_comparison(arguments.run):
        run = ComparisonFolder(arguments.run)
    else:
        run = find_run(arguments.run)
    if run.status.active:
        run.stop()
        try:
            process.wait(run.path, timeout=PATIENCE_SECONDS)
        except TimeoutError:
            return Outcome(
                text=f"{run.path}\nwas asked to stop and is still at work",
                document={"run": str(run.path), "state": run.status.state},
                run=run.path,
            )
    state = run.status.state
    return Outcome(
        text=f"{run.path}\n{state}", document={"run": str(run.path), "state": state}, run=run.path
    )
