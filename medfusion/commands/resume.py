"""`medfusion resume`: goes on with a run."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.commands.train import detach, work
from medfusion.runs import RunFolder


def execute(arguments: argparse.Namespace) -> Outcome:
    """Go on with a run, in this process or on its own."""
    run = RunFolder(arguments.run)
    return detach(run) if arguments.detach else work(run)
