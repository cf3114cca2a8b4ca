"""`medfusion compare --modalities`: does fusing image and table pay?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from medfusion.commands.outcome import Outcome, interval
from medfusion.commands.train import short
from medfusion.commands.validate import read
from medfusion.data.display import table
from medfusion.errors import InputError
from medfusion.modalities.folder import ComparisonFolder, Settings
from medfusion.runs import atomic, process

_ENDINGS = (".html", ".htm", ".json")


def execute(arguments: argparse.Namespace) -> Outcome:
    """Make or open the folder of the comparison and work in it.

    Raises:
        InputError: Words that do not go together, or an experiment with nothing to compare.
    """
    if arguments.compared:
        msg = "give runs to compare, or --modalities EXPERIMENT.yaml, not both"
        raise InputError(msg)
    out = None if arguments.out is None else Path(arguments.out)
    if out is not None and out.suffix.lower() not in _ENDINGS:
        msg = f"{out}: results are written as .html or .json"
        raise InputError(msg)
    if out is not None and arguments.detach:
        msg = (
            "--out is written at the end: leave it out with --detach, `medfusion report` writes it"
        )
        raise InputError(msg)
    fusions = [] if arguments.fusions is None else arguments.fusions.split(",")
    settings = Settings(
        fusions=tuple(name.strip() for name in fusions if name.strip()),
        folds=arguments.folds,
        own_split=arguments.own_split,
        rivals=not arguments.no_rivals,
        complete_rows=arguments.complete_rows,
        smallest_gain=arguments.smallest_gain,
    )
    arguments.experiment = arguments.modalities
    comparison = ComparisonFolder.create(read(arguments), settings, arguments.runs)
    return detach(comparison) if arguments.detach else work(comparison, out)


def detach(comparison: ComparisonFolder) -> Outcome:
    """Work in a process of its own and return at once."""
    process.start(comparison.path)
    return Outcome(
        text=f"{comparison.path}\nruns by itself; `medfusion report` writes what came out",
        document={"comparison": str(comparison.path), "state": "running"},
        run=comparison.path,
    )


def work(comparison: ComparisonFolder, out: Path | None = None) -> Outcome:
    """Work here, with a line for each training and its progress bar, and return how it ended.

    Args:
        comparison: The comparison.
        out: Where the report or the results go.
    """
    from medfusion.modalities.execution import execute as compare
    from medfusion.training.terminal import TerminalProgress

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal

    compare(comparison.path, lambda: [TerminalProgress()], tell)
    outcome = summary(comparison)
    if out is None or outcome.document["state"] != "finished":
        return outcome
    if out.suffix.lower() == ".json":
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
        atomic.write_json(out.resolve(), outcome.document)
    else:
        from medfusion.report import write_comparison

        write_comparison(comparison, out)
    document = outcome.document | {"out": str(out.resolve())}
    return Outcome(f"{outcome.text}\n{out}", document, run=comparison.path, path=out.resolve())


def summary(comparison: ComparisonFolder) -> Outcome:
    """Return the verdict and the tables; of one that was stopped, how far it came."""
    state = comparison.status
    document: dict[str, Any] = {"comparison": str(comparison.path), "state": state.state}
    if state.state != "finished":
        lines = [
            f"{comparison.path}",
            f"{state.state} after {state.epoch} of {state.epochs} trainings",
            f"Go on with: medfusion resume {short(comparison.path)}",
        ]
        return Outcome(text="\n".join(lines), document=document, run=comparison.path)
    results = comparison.results
    folds = comparison.runs
    runs = [
        {"candidate": name, "fold": fold + 1, "run": str(run.path)}
        for (name, fold), run in folds.items()
    ]
    document |= results | {"runs": runs}
    return Outcome(text=_text(comparison, results), document=document, run=comparison.path)


def _text(comparison: ComparisonFolder, results: dict[str, Any]) -> str:
    metric = results["metric_name"]
    reference = results["chosen_on_validation"]["reference"]
    against = {item["first"]: item for item in results["gains"] if item["second"] == reference}
    rows = [
        [item["label"], interval(item["test"]), _gain(against.get(item["name"]))]
        for item in results["candidates"]
    ]
    names = [item["name"] for item in results["candidates"] if item["role"] == "fusion"]
    hidden = [
        [item["pattern"], *(interval(item["values"][name]) for name in names)]
        for item in results["robustness"]
    ]
    return "\n".join(
        [
            results["verdict"]["text"],
            *results["notes"],
            "",
            table(["", f"{metric} (n = {results['n']})", f"gain over {reference}"], rows),
            "",
            table(["seen at prediction", *names], hidden),
            "",
            f"{comparison.path}",
            f"Next: medfusion report {short(comparison.path)} --out verdict.html",
        ]
    )


def _gain(gain: dict[str, Any] | None) -> str:
    if gain is None or gain["value"] is None:
        return "-"
    p = gain["p"] if gain["p_holm"] is None else gain["p_holm"]
    chance = "" if p is None else f", p = {p:.3g}"
    ends = "" if gain["ci"] is None else f" ({gain['ci'][0]:+.3f} to {gain['ci'][1]:+.3f})"
    return f"{gain['value']:+.3f}{ends}{chance}"
