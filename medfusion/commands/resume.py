"""`medfusion resume`: goes on with a run."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.commands.train import detach, work
from medfusion.modalities.folder import ComparisonFolder, is_comparison
from medfusion.runs.versions import find_run
from medfusion.workflow import WorkflowFolder, is_workflow


def execute(arguments: argparse.Namespace) -> Outcome:
    """Go on with a run, a comparison or a workflow, in this process or on its own."""
    if is_workflow(arguments.run):
        from medfusion.commands import workflow

        found = WorkflowFolder(arguments.run)
        return workflow.detach(found) if arguments.detach else workflow.work(found)
    if is_comparison(arguments.run):
        from medfusion.commands import compare_modalities

        comparison = ComparisonFolder(arguments.run)
        if arguments.detach:
            return compare_modalities.detach(comparison)
        return compare_modalities.work(comparison)
    run = find_run(arguments.run)
    return detach(run) if arguments.detach else work(run)
