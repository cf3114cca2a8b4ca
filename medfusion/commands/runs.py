"""`medfusion runs`: the runs in a folder; tags, notes, deletion."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from medfusion.commands.outcome import Outcome, interval
from medfusion.data.display import table
from medfusion.errors import InputError, RunError, SpecError, unknown
from medfusion.runs import RunFolder, list_runs
from medfusion.runs.deletion import delete
from medfusion.runs.overview import Facts, Overview
from medfusion.runs.versions import find_run
from medfusion.spec import main_metrics


def execute(arguments: argparse.Namespace) -> Outcome:
    """List the runs, the newest first, or change what is said about some of them.

    Raises:
        InputError: A run is not there, or cannot be changed so.
    """
    edits = any((arguments.tag, arguments.untag, arguments.note is not None, arguments.delete))
    if edits and not arguments.chosen:
        msg = (
            "say which runs: medfusion runs RUN [RUN ...] --tag TAG (or --untag, --note, --delete)"
        )
        raise InputError(msg)
    if arguments.delete:
        return _delete(arguments)
    if edits:
        return _change(arguments)
    return _list(arguments)


def _change(arguments: argparse.Namespace) -> Outcome:
    runs = [find_run(word, arguments.runs) for word in arguments.chosen]
    made = [
        run.notes.changed(tag=arguments.tag, untag=arguments.untag, note=arguments.note)
        for run in runs
    ]
    for run, notes in zip(runs, made, strict=True):
        notes.write(run.path)
    rows = [[run.name, ", ".join(n.tags), n.note] for run, n in zip(runs, made, strict=True)]
    return Outcome(
        text=table(["run", "tags", "note"], rows),
        document={
            "runs": [
                {"run": str(run.path), "tags": list(notes.tags), "note": notes.note}
                for run, notes in zip(runs, made, strict=True)
            ]
        },
    )


def _delete(arguments: argparse.Namespace) -> Outcome:
    if arguments.tag or arguments.untag or arguments.note is not None:
        msg = "--delete: not together with --tag, --untag or --note"
        raise InputError(msg)
    # The words as they stand: a link in the runs folder is refused, not followed.
    paths = [_path(word, arguments.runs) for word in arguments.chosen]
    for path in paths:
        RunFolder(path)
    if not arguments.yes:
        names = ", ".join(str(path) for path in paths)
        msg = f"this deletes for good: {names}; say it again with --yes"
        raise InputError(msg)
    for path in paths:
        delete(path)
    return Outcome(
        text="\n".join(f"{path}: deleted" for path in paths),
        document={"deleted": [str(path) for path in paths]},
    )


def _path(word: str, runs: str) -> Path:
    path = Path(word)
    return path if path.exists() or path.name != word else Path(runs) / word


def _list(arguments: argparse.Namespace) -> Outcome:
    overview = Overview(arguments.runs)
    overview.update()
    chosen = {find_run(word, arguments.runs).path for word in arguments.chosen}
    found = [
        _describe(RunFolder(facts.path), facts, arguments.metric)
        for facts in overview.facts()
        if (not chosen or facts.path.resolve() in chosen)
        and (arguments.state is None or facts.state == arguments.state)
        and (arguments.tagged is None or arguments.tagged in facts.tags)
        and (arguments.text is None or mentions(facts, arguments.text))
    ]
    rows = [
        [
            item["name"],
            item["state"],
            f"{item['epoch']}/{item['epochs']}",
            f"{item['metric'] or ''} {interval(item['test']) if item['test'] else ''}".strip(),
            ", ".join(item["tags"]),
        ]
        for item in found
    ]
    header = ["run", "state", "epochs", "test", "tags"]
    return Outcome(
        text=table(header, rows) if rows else _nothing(arguments), document={"runs": found}
    )


def _nothing(arguments: argparse.Namespace) -> str:
    return "no such run" if list_runs(arguments.runs) else "no runs here"


def mentions(facts: Facts, text: str) -> bool:
    """Return whether a run's name, tags, note or model has all words of a text."""
    said = " ".join((facts.name, *facts.tags, facts.note, facts.model, facts.data)).casefold()
    return all(word in said for word in text.casefold().split())


def _describe(run: RunFolder, facts: Facts, metric: str | None) -> dict[str, Any]:
    item: dict[str, Any] = {
        "run": str(run.path),
        "name": facts.name,
        "state": facts.state,
        "epoch": facts.epoch,
        "epochs": facts.epochs,
        "metric": None,
        "test": None,
        "tags": list(facts.tags),
        "note": facts.note,
        "start": facts.start,
        "seconds": facts.seconds,
        "model": facts.model,
        "data": facts.data,
    }
    try:
        if facts.state == "finished":
            item["metric"] = metric or main_metrics(run.experiment.data.target)[0]
            test = run.metrics["test"]
            if metric is not None and metric not in test:
                raise InputError(unknown(f"metric of {facts.name}", metric, test))
            item["test"] = test.get(item["metric"])
    except (RunError, SpecError, KeyError) as error:
        item |= {"state": "damaged", "error": str(error)}
    if facts.trouble:
        item["error"] = facts.trouble
    return item
