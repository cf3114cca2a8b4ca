"""The label review: the cases a run is most sure are labelled wrong, and what a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medfusion.data.journal import Decision
from medfusion.errors import InputError
from medfusion.review import Review
from medfusion.review.row_pictures import RowPictures
from medfusion.review.suspects import Rank, Suspect
from medfusion.runs import RunFolder, process
from medfusion.spec import Experiment
from medfusion.widgets.draft_panel import word
from medfusion.widgets.panel import Panel, answers
from medfusion.widgets.run_panel import RunPanel

MOST_ROWS = 200
"""Rows that one question may ask for."""

WHICH = ("suspects", "all", "decided")
"""What can be listed: suspect labels, all of them, those decided upon."""


class LabelReview(Panel):
    """Shows the labels that a run contradicts most, with their images, and takes decisions.

    Relabel, exclude, flag and keep are written to a journal at once; undo and redo are lines of it.
    The panel keeps nothing of its own: a kernel started anew, another page and the command line
    (`medfusion review`) go on where the journal is. The table is never touched; the next run that
    names the journal in `data.corrections` learns from the labels as corrected.

    Args:
        run: A run with predictions, or the path of its folder. Where runs of the other folds of a
            grouped-kfold split lie beside it, every row is judged by the run that did not see it.
        journal: The journal; by default that of the run, else `<table>.corrections.jsonl` beside
            the experiment.
        who: Who decides, written beside each decision.
        rank: "margin" or "confidence".

    Raises:
        InputError: The target has no labels to review.
        RunError: The run has no predictions yet.
        CorrectionsError: The journal is damaged.
        TypeError: An argument that the panel does not have.

    Example:
        >>> review = LabelReview("runs/skin-20260101-120000")  # doctest: +SKIP
        >>> mf.train(review.experiment)  # doctest: +SKIP
    """

    def __init__(
        self,
        run: RunFolder | str | Path,
        *,
        journal: str | Path | None = None,
        who: str = "",
        rank: Rank = "margin",
        **arguments: Any,
    ) -> None:
        self._review = Review(run, journal, rank)
        self._pictures = RowPictures(self._review.run.experiment, self._review.table)
        self._who, self._named = who, journal
        self._started: RunPanel | None = None
        super().__init__("label_review", ["run", "journal", "who", "rank"], **arguments)
        findings = self._review.findings
        self.publish(
            run=self._review.run.name,
            path=str(self._review.run.path),
            table=self._review.table.path.name,
            journal=str(self._review.path),
            classes={column: list(names) for column, names in findings.classes.items()},
            noise=findings.noise,
            folds=findings.folds,
            sources=findings.sources,
            labels=len(findings.items),
            views=self._pictures.views,
            command=f"medfusion review {self._review.run.path}",
            yaml=f"data:\n  corrections: {self._review.path.name}\n",
            code=self.code,
            widget=self.model_id,
        )
        self._show()

    @property
    def review(self) -> Review:
        """The review, as Python has it."""
        return self._review

    @property
    def run(self) -> RunFolder | None:
        """The run that was started with these corrections; None before."""
        return None if self._started is None else self._started.run

    @property
    def experiment(self) -> Experiment:
        """The run's experiment with these corrections, ready to be trained."""
        return self._review.experiment

    @property
    def code(self) -> str:
        """The next run as Python."""
        named = "" if self._named is None else f", journal={str(self._review.path)!r}"
        return (
            "import medfusion as mf\n\n"
            f"review = mf.LabelReview({str(self._review.run.path)!r}{named})\n"
            "run = mf.train(review.experiment)\n"
        )

    # What the page asks ---------------------------------------------------------------------------

    @answers
    def suspects(
        self, start: int, count: int, which: str, held: bool = False, column: str = ""
    ) -> dict[str, Any]:
        """Return some rows of the list, and how many there are."""
        if not all(type(one) is int and one >= 0 for one in (start, count)) or which not in WHICH:
            msg = "say which rows: start, count and suspects, all or decided"
            raise InputError(msg)
        chosen = self._chosen(which, held=held is True, column=word(column))
        rows = chosen[start : start + min(count, MOST_ROWS)]
        return {"total": len(chosen), "start": start, "rows": [self._row(one) for one in rows]}

    @answers
    def thumbnails(self, ids: list[Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Return one small picture of each row, empty where there is none."""
        if not isinstance(ids, list) or len(ids) > MOST_ROWS:
            msg = f"at most {MOST_ROWS} rows have pictures at once"
            raise InputError(msg)
        rows = [self._review.row_of.get(word(name)) for name in ids]
        return {"ids": ids}, self._pictures.small(rows)

    @answers
    def subject(self, name: str, column: str) -> tuple[dict[str, Any], list[bytes]]:
        """Return a row in full: its images, its values, what was decided and why."""
        item = self._review.find(word(name), word(column))
        row = self._review.row_of.get(item.id)
        pictures = [] if row is None else self._pictures.large(row)
        table, data = self._review.table, self._review.run.experiment.data
        names = [name for name in (*data.numeric, *data.categorical) if name in table.columns]
        decision = self._review.decision(item)
        return {
            "row": self._row(item),
            "labels": list(self._review.labels(item)),
            "pictures": [
                {"view": one.view, "note": one.note, "there": bool(one.png)} for one in pictures
            ],
            "values": []
            if row is None
            else [[name, table.text(name)[row] or ""] for name in names],
            "reason": "" if decision is None else decision.reason,
            "who": "" if decision is None else decision.who,
            "time": "" if decision is None else decision.time,
        }, [one.png for one in pictures]

    @answers
    def decide(
        self, action: str, name: str, column: str, label: str | None = None, reason: str = ""
    ) -> None:
        """Decide about a label."""
        self._review.decide(
            word(action),
            word(name),
            label=None if label is None else word(label),
            column=word(column),
            reason=word(reason),
            who=self._who,
        )
        self._show()

    @answers
    def undo(self, which: str = "all", held: bool = False, column: str = "") -> dict[str, Any]:
        """Take the last decision back, and say where in the list the row is that it was about."""
        done = self._review.decisions.done
        self._review.undo(who=self._who)
        self._show()
        return self._place(done[-1:], which, held=held is True, column=word(column))

    @answers
    def redo(self, which: str = "all", held: bool = False, column: str = "") -> dict[str, Any]:
        """Take it again."""
        undone = self._review.decisions.undone
        self._review.redo(self._who)
        self._show()
        return self._place(undone[:1], which, held=held is True, column=word(column))

    @answers
    def look(self) -> None:
        """Read what others decided meanwhile."""
        if self._review.refresh():
            self._show()

    @answers
    def train(self) -> dict[str, Any]:
        """Start a run with these corrections beside the one that is reviewed."""
        if not self._review.decisions.done:
            msg = "nothing is decided yet"
            raise InputError(msg)
        run = RunFolder.create(self.experiment, self._review.run.path.parent)
        process.start(run.path)
        before, self._started = self._started, RunPanel(run)
        self.show_inside(run=self._started)
        if before is not None:
            before.close()
        return {"name": run.name}

    def _place(
        self, about: Sequence[Decision], which: str, *, held: bool, column: str
    ) -> dict[str, Any]:
        wanted = {(one.id, one.column) for one in about}
        chosen = self._chosen(which, held=held, column=column)
        places = [place for place, one in enumerate(chosen) if (one.id, one.column) in wanted]
        return {"place": places[0]} if places else {}

    def _chosen(self, which: str, *, held: bool, column: str) -> list[Suspect]:
        review = self._review
        return [
            one
            for one in review.findings.items
            if (which != "suspects" or one.suspect)
            and (which != "decided" or review.decision(one) is not None)
            and not (held and one.weak)
            and column in ("", one.column)
        ]

    def _row(self, one: Suspect) -> dict[str, Any]:
        decision = self._review.decision(one)
        return {
            "id": one.id,
            "column": one.column,
            "split": one.split,
            "source": one.source,
            "given": one.given,
            "suggested": one.suggested,
            "confidence": one.confidence,
            "probability": one.probability,
            "usual": one.usual,
            "distance": one.distance,
            "suspect": one.suspect,
            "decision": None if decision is None else decision.action,
            "to": None if decision is None else decision.to,
        }

    def _show(self) -> None:
        found = self._review.decisions
        self.publish(
            progress=self._review.progress,
            steps=[len(found.done), len(found.undone)],
            revision=found.lines,
        )

    def __repr__(self) -> str:
        return f"LabelReview({str(self._review.run.path)!r})"
