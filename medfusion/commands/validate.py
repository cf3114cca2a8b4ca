"""`medfusion validate`: the experiment, then its data."""

from __future__ import annotations

import argparse
import dataclasses

from medfusion.commands.outcome import Outcome
from medfusion.data.display import table
from medfusion.spec import Experiment, override


def read(arguments: argparse.Namespace) -> Experiment:
    """Return the experiment that the words name, with their changes.

    Raises:
        SpecError: It does not follow the schema.
    """
    changes = list(arguments.changes)
    if arguments.skip_unreadable:
        changes.append("data.skip_unreadable=true")
    return override.apply(Experiment.from_yaml(arguments.experiment), changes)


def execute(arguments: argparse.Namespace) -> Outcome:
    """Check the experiment and its data; a failed check of the data is shown, not hidden."""
    from medfusion.data import Cohort

    experiment = read(arguments)
    cohort = Cohort.load(experiment)
    counts = {name: len(cohort.rows(name)) for name in ("train", "val", "test")}
    marks = [[check.outcome, check.name, check.message] for check in cohort.checks]
    lines = [
        f"{experiment.name}: valid",
        ", ".join(f"{name} {count}" for name, count in counts.items()),
        *experiment.idle,
        "",
        table(["outcome", "check", "finding"], marks),
    ]
    return Outcome(
        text="\n".join(lines),
        document={
            "valid": True,
            "name": experiment.name,
            "hash": experiment.hash,
            "splits": counts,
            "idle": experiment.idle,
            "checks": [dataclasses.asdict(check) for check in cohort.checks],
        },
    )
