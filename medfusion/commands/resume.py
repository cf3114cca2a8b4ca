"""`medfusion resume`: goes on with a run."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.commands.train import work
from medfusion.runs import RunFolder, process


def execute(arguments: argparse.Namespace) -> Outcome:
    """Go on with a run, in this process or on its own."""
    run = RunFolder(arguments.run)
    if arguments.detach:
        process.start(run.path)
        return Outcome(
            text=f"{run.path}\nruns by itself",
            document={"run": str(run.path), "state": "running"},
            run=run.path,
        )
    return work(run)
