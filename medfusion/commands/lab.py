"""`medfusion lab`: JupyterLab, opened at the quickstart where it is at hand."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import medfusion
from medfusion.commands.outcome import Outcome

QUICKSTART = Path("notebooks") / "01_quickstart.ipynb"


def execute(arguments: argparse.Namespace) -> Outcome:
    """Start JupyterLab on this machine only and wait until it ends."""
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={arguments.port}"]
    if arguments.no_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # containers run as root; it listens on this machine only
    # In a clone the notebooks lie beside the package; elsewhere the working directory is opened.
    clone = Path(medfusion.__file__).parent.parent
    for folder in (Path.cwd(), clone):
        if (folder / QUICKSTART).is_file():
            command += [
                f"--ServerApp.root_dir={folder}",
                f"--LabApp.default_url=/lab/tree/{QUICKSTART.as_posix()}",
            ]
            break
    try:
        code = subprocess.run(command, check=False).returncode  # noqa: S603 - fixed words
    except KeyboardInterrupt:
        code = 0
    return Outcome(code=1 if code else 0)
