"""`medfusion demo`: the whole way on phantom data, whose best possible AUC is known."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from medfusion.commands.outcome import Outcome, interval
from medfusion.commands.train import work
from medfusion.runs import RunFolder
from medfusion.spec import Experiment


def execute(arguments: argparse.Namespace) -> Outcome:
    """Generate, train, evaluate, report; say where everything is and how good it could be."""
    from medfusion.data.phantom import write_phantom
    from medfusion.report import write_report

    started = time.monotonic()
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    phantom = write_phantom(folder / "data")
    experiment = Experiment.from_yaml(folder / "data" / "experiment.yaml")
    run = RunFolder.create(experiment, folder / "runs")
    ended = work(run, hint=False)
    if ended.document["state"] != "finished":
        return ended
    report = write_report(run, folder / "report.html")
    auc = run.metrics["test"]["auc"]
    seconds = time.monotonic() - started
    lines = [
        ended.text,
        "",
        f"Test AUC          {interval(auc)}",
        f"Best possible     {phantom.bayes_auc:.3f}  (Bayes AUC of the phantom: image and table)",
        f"Image alone       {phantom.bayes_auc_image:.3f}",
        f"Table alone       {phantom.bayes_auc_table:.3f}",
        f"Time              {seconds:.0f} s",
        f"Report            {report.resolve()}",
    ]
    return Outcome(
        text="\n".join(lines),
        document={
            "run": str(run.path),
            "report": str(report.resolve()),
            "auc": auc,
            "bayes_auc": phantom.bayes_auc,
            "bayes_auc_image": phantom.bayes_auc_image,
            "bayes_auc_table": phantom.bayes_auc_table,
            "seconds": round(seconds, 1),
        },
        run=run.path,
        path=report,
    )
