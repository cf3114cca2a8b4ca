"""`medfusion review`: the labels that a run contradicts, and decisions about them."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from medfusion.commands.outcome import Outcome
from medfusion.data.display import table
from medfusion.data.journal import ACTIONS
from medfusion.errors import InputError
from medfusion.review.review import Review, parse_relabel
from medfusion.review.suspects import Suspect

DECIDED = {"relabel": "relabelled", "exclude": "excluded", "flag": "flagged", "keep": "kept"}
"""What was done, by action."""

SOURCES = {
    "fold": "other fold",
    "test": "test",
    "val": "validation",
    "train": "training (weaker)",
}
"""Whose prediction is judged, by source."""


def decides(arguments: argparse.Namespace) -> bool:
    """Whether the words of the command decide anything, or only look."""
    asked = any(getattr(arguments, action) for action in ACTIONS)
    return asked or arguments.undo is not None or arguments.redo


def execute(arguments: argparse.Namespace) -> Outcome:
    """Decide what is asked for, then list the labels that the run contradicts most.

    Raises:
        InputError: There is nothing to review, or a row or a label is unknown; what was decided
            before it in the same command is kept.
    """
    if arguments.most < 0:
        msg = f"--most {arguments.most}: give a number from 0"
        raise InputError(msg)
    review = Review(arguments.run, arguments.journal, arguments.rank)
    said = _decide(review, arguments) if decides(arguments) else []
    chosen = [one for one in review.findings.items if one.suspect][: arguments.most]
    document = _document(review, chosen) | {"done": said}
    lines = said or [_listing(review, chosen)]
    return Outcome(text="\n".join([*lines, *_next(review)]), document=document, run=review.run.path)


def _decide(review: Review, arguments: argparse.Namespace) -> list[str]:
    words = {"column": arguments.column, "reason": arguments.reason, "who": arguments.who}
    said = []
    if arguments.undo is not None:
        name = arguments.undo or None
        if not review.undo(name, arguments.column, arguments.who):
            msg = f"{review.path}: nothing to take back"
            raise InputError(msg)
        said.append("taken back" if name is None else f"{name}: taken back")
    if arguments.redo:
        if not review.redo(arguments.who):
            msg = f"{review.path}: nothing to take again"
            raise InputError(msg)
        said.append("taken again")
    for text in arguments.relabel:
        name, label = (text, None) if text in review.row_of else parse_relabel(text)
        found = review.decide("relabel", name, label=label, **words)
        said.append(f"{name}: relabelled from {found.given} to {found.to}")
    for action in ("exclude", "flag", "keep"):
        for name in getattr(arguments, action):
            review.decide(action, name, **words)
            said.append(f"{name}: {DECIDED[action]}")
    return said


def _listing(review: Review, chosen: list[Suspect]) -> str:
    findings = review.findings
    if not chosen:
        return f"{len(findings.items)} labels, none of them suspect"
    several = len(findings.classes) > 1
    rows = []
    for number, one in enumerate(chosen, start=1):
        decision = review.decision(one)
        label = f"{one.column}: " if several else ""
        rows.append(
            [
                str(number),
                one.id,
                SOURCES[one.source],
                f"{label}{one.given}",
                one.suggested,
                *_figures(one),
                "" if decision is None else DECIDED[decision.action],
            ]
        )
    header = ["", "id", "seen in", "label", "suggested", *_names(chosen), "decided"]
    noise = ", ".join(f"{name} {share:.1%}" for name, share in findings.noise.items())
    head = f"{findings.count} of {len(findings.items)} labels are suspect"
    if noise:
        head += f"; estimated share of wrong labels: {noise}"
    return f"{head}\n{table(header, rows)}"


def _names(chosen: list[Suspect]) -> list[str]:
    if all(one.distance is not None for one in chosen):
        return ["residual (robust SD)", ""]
    return ["p(label)", "p(suggested)"]


def _figures(one: Suspect) -> list[str]:
    if one.distance is not None:
        return [f"{one.distance:.1f}", ""]
    return [f"{one.confidence:.3f}", f"{one.probability:.3f}"]


def _next(review: Review) -> list[str]:
    if not review.decisions.done:
        return []
    return [
        f"Journal: {review.path}",
        f"Next: medfusion train EXPERIMENT.yaml --set data.corrections={review.path}",
    ]


def _document(review: Review, chosen: list[Suspect]) -> dict[str, Any]:
    findings = review.findings
    suspects = []
    for one in chosen:
        decision = review.decision(one)
        suspects.append(
            dataclasses.asdict(one)
            | {"weak": one.weak, "decision": None if decision is None else decision.action}
        )
    return {
        "run": str(review.run.path),
        "journal": str(review.path),
        "labels": len(findings.items),
        "noise": findings.noise,
        "folds": findings.folds,
        "progress": review.progress,
        "suspects": suspects,
    }
