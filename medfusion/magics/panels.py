"""Verbs that open a panel in a notebook, where a terminal would print."""

from __future__ import annotations

from typing import Any

from medfusion.commands import parser


def opened(verb: str, words: list[str]) -> Any:
    """Return the panel that the words of the command line open; None where they open none.

    Args:
        verb: The first of the words.
        words: All of them.

    Raises:
        UsageError: The verb does not know them.
    """
    opener = _OPENERS.get(verb)
    return None if opener is None else opener(words)


def _build(words: list[str]) -> Any:
    from medfusion.widgets.builder import Builder

    return Builder(parser().parse_args(words).experiment)


def _browse(words: list[str]) -> Any:
    from medfusion.widgets.data_browser import DataBrowser

    return DataBrowser(parser().parse_args(words).file)


def _review(words: list[str]) -> Any:
    from medfusion.commands.review import decides

    asked = parser().parse_args(words)
    if decides(asked) or asked.json:
        return None
    from medfusion.widgets.label_review import LabelReview

    return LabelReview(asked.run, journal=asked.journal, who=asked.who, rank=asked.rank)


def _runs(words: list[str]) -> Any:
    asked = parser().parse_args(words)
    if words not in (["runs"], ["runs", "--runs", asked.runs]):
        return None
    from medfusion.widgets.runs_table import RunsTable

    return RunsTable(asked.runs)


def _compare(words: list[str]) -> Any:
    asked = parser().parse_args(words)
    if asked.json or asked.modalities is not None or len(asked.compared) < 2:
        return None
    from medfusion.widgets.comparison import ComparisonPanel

    return ComparisonPanel(*asked.compared, split=asked.split)


def _workflow(words: list[str]) -> Any:
    if words[1:2] != ["edit"]:
        return None
    from medfusion.widgets.workflow_editor import WorkflowEditor

    return WorkflowEditor(parser().parse_args(words).file)


_OPENERS = {
    "browse": _browse,
    "build": _build,
    "compare": _compare,
    "review": _review,
    "runs": _runs,
    "workflow": _workflow,
}
