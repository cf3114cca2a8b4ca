"""`medfusion report`: one HTML file that opens offline."""

from __future__ import annotations

import argparse
from pathlib import Path

from medfusion.commands.outcome import Outcome
from medfusion.errors import InputError
from medfusion.modalities.folder import ComparisonFolder, is_comparison
from medfusion.runs import RunFolder
from medfusion.runs.versions import find_run


def execute(arguments: argparse.Namespace) -> Outcome:
    """Write the report.

    Raises:
        InputError: The file's ending is not .html, or the run is damaged.
    """
    out = Path(arguments.out)
    if out.suffix.lower() not in (".html", ".htm"):
        msg = f"{out}: this version of MedFusion writes reports as .html"
        raise InputError(msg)
    found: ComparisonFolder | RunFolder
    if is_comparison(arguments.run):
        from medfusion.report import write_comparison

        found = ComparisonFolder(arguments.run)
        path = write_comparison(found, out)
    else:
        from medfusion.report import write_report

        found = find_run(arguments.run)
        path = write_report(found, out)
    return Outcome(
        text=f"{path}",
        document={"run": str(found.path), "out": str(path), "bytes": path.stat().st_size},
        run=found.path,
        path=path,
    )
