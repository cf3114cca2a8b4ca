"""`medfusion versions`: models with names, such as skin@2."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome, interval
from medfusion.data.display import table
from medfusion.runs import versions
from medfusion.runs.versions import Version


def execute(arguments: argparse.Namespace) -> Outcome:
    """Name a run's model, list the versions, show or remove one.

    Raises:
        InputError: There is no such run or version, or its weights have changed.
    """
    if arguments.action == "add":
        run = versions.find_run(arguments.run, arguments.runs)
        return _shown(versions.add(arguments.name, run, arguments.note), "named")
    if arguments.action == "remove":
        return _shown(versions.remove(arguments.version, arguments.runs), "removed; the run stays")
    if arguments.action == "show":
        run = versions.load(arguments.version, arguments.runs)
        found = versions.find(arguments.version, arguments.runs)
        outcome = _shown(found, "its weights are those that were named")
        lines = [
            f"  test {name}  {interval(one)}"
            for name, one in found.metrics.get("test", {}).items()
            if "[" not in name
        ]
        return Outcome(
            text="\n".join([outcome.text, *lines]), document=outcome.document, run=run.path
        )
    found_all = versions.list_versions(arguments.runs, arguments.name)
    rows = [[one.reference, one.run, one.date, one.note] for one in found_all]
    return Outcome(
        text=table(["version", "run", "named", "note"], rows) if rows else "no versions here",
        document={"versions": [one.to_json() for one in found_all]},
    )


def _shown(version: Version, what: str) -> Outcome:
    note = f"\n  {version.note}" if version.note else ""
    text = f"{version.reference}: run {version.run}, {what}{note}\n  SHA-256 {version.sha256}"
    return Outcome(text=text, document={"version": version.to_json()})
