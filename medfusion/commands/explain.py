"""`medfusion explain`: says honestly that it is not there."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.errors import InputError
from medfusion.runs.versions import find_run


def execute(arguments: argparse.Namespace) -> Outcome:
    """Refuse, after the run has been looked up.

    Raises:
        InputError: Always.
    """
    run = find_run(arguments.run)
    msg = f"{run.path}: this version of MedFusion cannot explain predictions"
    raise InputError(msg)
