"""`medfusion report`: one HTML file that opens offline."""

from __future__ import annotations

import argparse
from pathlib import Path

from medfusion.commands.outcome import Outcome
from medfusion.errors import InputError
from medfusion.runs import RunFolder


def execute(arguments: argparse.Namespace) -> Outcome:
    """Write the report.

    Raises:
        InputError: The file's ending is not .html, or the run is damaged.
    """
    out = Path(arguments.out)
    if out.suffix.lower() not in (".html", ".htm"):
        msg = f"{out}: this version of MedFusion writes reports as .html"
        raise InputError(msg)
    run = RunFolder(arguments.run)
    from medfusion.report import write_report

    path = write_report(run, out)
    return Outcome(
        text=f"{path}",
        document={"run": str(run.path), "out": str(path), "bytes": path.stat().st_size},
        run=run.path,
        path=path,
    )
