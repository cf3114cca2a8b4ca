"""`medfusion train`: a new run, in this process or on its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from medfusion.commands.outcome import Outcome, interval
from medfusion.commands.validate import read
from medfusion.data.display import table
from medfusion.runs import RunFolder, process


def execute(arguments: argparse.Namespace) -> Outcome:
    """Make the run folder and train in it."""
    experiment = read(arguments)
    run = RunFolder.create(experiment, arguments.runs)
    return detach(run) if arguments.detach else work(run)


def detach(run: RunFolder) -> Outcome:
    """Train a run in a process of its own and return at once."""
    process.start(run.path)
    return Outcome(
        text=f"{run.path}\nruns by itself; `medfusion runs` lists it",
        document={"run": str(run.path), "state": "running"},
        run=run.path,
    )


def work(run: RunFolder, *, hint: bool = True) -> Outcome:
    """Train a run here, with a progress bar, and return how it ended.

    Args:
        run: The run.
        hint: Say what one could do next.
    """
    from medfusion.training import execute as train
    from medfusion.training.terminal import TerminalProgress

    train(run.path, [TerminalProgress()])
    return summary(run, hint=hint)


def summary(run: RunFolder, *, hint: bool = True) -> Outcome:
    """Return the state of a run and, when it has finished, its metrics."""
    state = run.status
    document = {
        "run": str(run.path),
        "state": state.state,
        "epoch": state.epoch,
        "step": state.step,
    }
    lines = [f"{run.path}", f"{state.state} after {state.epoch} of {state.epochs} epochs"]
    if state.state == "finished":
        metrics = run.metrics
        document["metrics"] = metrics
        names = [name for name in metrics["test"] if "[" not in name]
        rows = [
            [name, *(interval(metrics[split].get(name)) for split in metrics)] for name in names
        ]
        lines += ["", table(["metric", *metrics], rows)]
        if hint:
            lines += ["", f"Next: medfusion report {short(run.path)} --out report.html"]
    elif state.state == "stopped":
        lines.append(f"Go on with: medfusion resume {short(run.path)}")
    return Outcome(text="\n".join(lines), document=document, run=run.path)


def short(path: Path) -> str:
    """Return a path as one would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
