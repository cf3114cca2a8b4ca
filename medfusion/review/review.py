"""The review of a run's labels: its suspects, and the journal of what is decided about them."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

from medfusion.data.corrections import same_cell
from medfusion.data.journal import ACTIONS, NAME, Decision, Decisions, Journal, read_journal
from medfusion.data.numbers import are_numbers
from medfusion.data.table import Table, read_table
from medfusion.errors import InputError, RunError, unknown
from medfusion.review.predicted import NO_YES
from medfusion.review.suspects import Findings, Rank, Suspect, find_suspects
from medfusion.runs import RunFolder
from medfusion.runs import folder as files
from medfusion.spec import Experiment

MOST_REASON = 2000
"""Characters of a reason."""


class Review:
    """Decides about the labels of a run; the journal is the truth, the table is never touched.

    Args:
        run: A run with predictions, or the path of its folder.
        journal: The journal; by default the one that the run was trained with, else
            `<table>.corrections.jsonl` beside the experiment.
        rank: What labels are ranked by.

    Raises:
        InputError: The target has no labels to review, or the table is not there any more.
        RunError: The run has no predictions yet.
        CorrectionsError: The journal is damaged.

    Example:
        >>> review = Review("runs/skin-20260101-120000")  # doctest: +SKIP
        >>> first = review.findings.items[0]  # doctest: +SKIP
        >>> review.decide("relabel", first.id, label=first.suggested)  # doctest: +SKIP
        >>> run = mf.train(review.experiment)  # doctest: +SKIP
    """

    def __init__(
        self, run: RunFolder | str | Path, journal: str | Path | None = None, rank: Rank = "margin"
    ) -> None:
        self.run = run if isinstance(run, RunFolder) else RunFolder(run)
        self.findings: Findings = find_suspects(self.run, rank)
        self._executed = self.run.experiment
        data = self._executed.data
        path = Path(journal).resolve() if journal is not None else self._usual()
        if (path.parent / files.EXPERIMENT).is_file() and path.name == files.CORRECTIONS:
            msg = f"{path}: is the copy of a run, which must stay as it is; name another file"
            raise InputError(msg)
        self.journal = Journal(path, Path(data.table).name, data.id)
        self.decisions: Decisions = self.journal.read()
        self._stamp = self._on_disk()
        self._item = {(one.id, one.column): one for one in self.findings.items}

    @property
    def path(self) -> Path:
        """The journal."""
        return self.journal.path

    @property
    def experiment(self) -> Experiment:
        """The run's experiment with these corrections, ready to be trained."""
        data = self._executed.data.model_copy(update={"corrections": str(self.path)})
        return self._executed.model_copy(update={"data": data})

    @property
    def progress(self) -> dict[str, int]:
        """Number of labels that are suspect, of those decided upon, and of decisions by action."""
        standing = self.decisions.standing
        suspects = [one for one in self.findings.items if one.suspect]
        counts = Counter(one.action for one in standing.values())
        return {
            "suspects": len(suspects),
            "reviewed": sum((one.id, one.column) in standing for one in suspects),
            **{action: counts[action] for action in ACTIONS},
        }

    def decision(self, item: Suspect) -> Decision | None:
        """Return what stands about a label."""
        return self.decisions.standing.get((item.id, item.column))

    def find(self, name: str, column: str | None = None) -> Suspect:
        """Return the label of a row.

        Args:
            name: The row's id.
            column: Column of the label; needed where a row has several.

        Raises:
            InputError: There is no such row or column, or the column has to be said.
        """
        columns = list(self.findings.classes)
        if column is None and len(columns) > 1:
            msg = f"{name}: say which label: {', '.join(columns)}"
            raise InputError(msg)
        if column is not None and column not in columns:
            raise InputError(unknown("label", column, columns))
        chosen = column or columns[0]
        found = self._item.get((name, chosen))
        if found is None:
            near = unknown("id", name, {one.id for one in self.findings.items}).partition(" Known:")
            msg = f"{near[0]} It has no prediction of {chosen!r} in {self.run.path}"
            raise InputError(msg)
        return found

    def decide(
        self,
        action: str,
        name: str,
        *,
        label: str | None = None,
        column: str | None = None,
        reason: str = "",
        who: str = "",
    ) -> Decision:
        """Decide about a label; the decision is on disk when this returns.

        Args:
            action: relabel, exclude, flag or keep.
            name: The row's id.
            label: The label that it gets; of a relabelling, by default the suggested one.
            column: Column of the label; needed where a row has several.
            reason: Why.
            who: Who decides.

        Raises:
            InputError: The action, the row or the label is unknown, or the label is the given one.
            StorageError: The journal cannot be written.
        """
        if action not in ACTIONS:
            raise InputError(unknown("decision", action, ACTIONS))
        if len(reason) > MOST_REASON:
            msg = f"the reason has {len(reason)} characters; {MOST_REASON} are kept at most"
            raise InputError(msg)
        item = self.find(name, column)
        source = self._cell(item)
        chosen = self._label(item, label) if action == "relabel" else self._as_seen(item)
        self.decisions = self.journal.decide(
            action=action,
            id=item.id,
            column=item.column,
            given=source,
            to=source if same_cell(source, chosen) else chosen,
            reason=reason.strip(),
            run=self.run.name,
            who=who,
        )
        self._stamp = self._on_disk()
        return self.decisions.standing[item.id, item.column]

    def undo(self, name: str | None = None, column: str | None = None, who: str = "") -> bool:
        """Take back the last decision, or what stands about a row; return whether there was one.

        Raises:
            InputError: Nothing stands about that row.
            StorageError: The journal cannot be written.
        """
        number = None
        if name is not None:
            self.refresh()
            mine = [
                one
                for one in self.decisions.done
                if one.id == name and (column is None or one.column == column)
            ]
            if not mine:
                msg = f"{name}: nothing was decided about it in {self.path}"
                raise InputError(msg)
            number = mine[-1].n
        found = self.journal.undo(number, who)
        return self._took(found)

    def redo(self, who: str = "") -> bool:
        """Take the decision that was taken back last again; return whether there was one.

        Raises:
            StorageError: The journal cannot be written.
        """
        return self._took(self.journal.redo(who))

    def refresh(self) -> bool:
        """Read the journal again where somebody else added to it; return whether."""
        now = self._on_disk()
        if now == self._stamp:
            return False
        self.decisions, self._stamp = self.journal.read(), now
        return True

    def labels(self, item: Suspect) -> tuple[str, ...]:
        """Return the labels that a row can get; empty for numbers."""
        return self.findings.classes[item.column]

    @functools.cached_property
    def table(self) -> Table:
        """The table as it is in its file.

        Raises:
            TableError: It is not there any more, or lacks the id or the target.
        """
        data = self._executed.data
        found = read_table(self._executed.folder / data.table)
        found.require(
            [(data.id, "data.id"), *((one, "data.target") for one in data.target.columns)]
        )
        return found

    @functools.cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each id in the table."""
        cells = self.table.text(self._executed.data.id)
        return {str(cell): row for row, cell in enumerate(cells)}

    # How labels are written in the table ----------------------------------------------------------

    def _cell(self, item: Suspect) -> str | None:
        row = self.row_of.get(item.id)
        if row is None:
            msg = f"{self.table.path}: has no row {item.id!r} any more; review a newer run"
            raise RunError(msg)
        return self._cells[item.column][row]

    @functools.cached_property
    def _cells(self) -> dict[str, list[str | None]]:
        return {name: self.table.text(name) for name in self.findings.classes}

    @functools.cached_property
    def _seen(self) -> dict[tuple[str, str], str | None]:
        """What the run's own copy of the journal made of labels, by id and column."""
        if self._executed.data.corrections is None:
            return {}
        standing = read_journal(self._executed.folder / self._executed.data.corrections).standing
        return {key: one.to for key, one in standing.items()}

    @functools.cached_property
    def _spelled(self) -> dict[str, dict[str, str]]:
        """How each class is written in its column, by the cells of the rows that have it."""
        counts: dict[str, dict[str, Counter[str]]] = {}
        for one in self.findings.items:
            row = self.row_of.get(one.id)
            cell = None if row is None else self._cells[one.column][row]
            if cell is not None and (one.id, one.column) not in self._seen:
                own = counts.setdefault(one.column, {})
                own.setdefault(one.given, Counter())[cell] += 1
        return {
            column: {name: found.most_common(1)[0][0] for name, found in own.items()}
            for column, own in counts.items()
        }

    def _as_seen(self, item: Suspect) -> str | None:
        """Return the label of a row as the run saw it."""
        key = (item.id, item.column)
        return self._seen[key] if key in self._seen else self._cell(item)

    def _label(self, item: Suspect, label: str | None) -> str:
        chosen = item.suggested if label is None else label
        classes = self.labels(item)
        if not classes:
            if label is None or not are_numbers([label]):
                msg = f"{item.id}: say the number that is right; {item.suggested} is a prediction"
                raise InputError(msg)
            return label
        if chosen not in classes:
            raise InputError(unknown("label", chosen, classes))
        if chosen == item.given:
            msg = f"{item.id}: is labelled {chosen!r} already; keep it instead"
            raise InputError(msg)
        fallback = dict(zip(NO_YES, ("0", "1"), strict=True)) if classes == NO_YES else {}
        return self._spelled.get(item.column, {}).get(chosen, fallback.get(chosen, chosen))

    # Where the journal is -------------------------------------------------------------------------

    def _usual(self) -> Path:
        facts: dict[str, Any] = self.run.environment
        named = facts.get("corrections")
        if isinstance(named, dict) and isinstance(named.get("file"), str):
            return Path(named["file"])
        table = self._executed.folder / self._executed.data.table
        folder = Path(str(facts.get("experiment_folder", table.parent)))
        if not folder.is_dir() or (folder / files.ENVIRONMENT).is_file():
            folder = table.parent
        return folder / f"{table.stem}.{NAME}"

    def _took(self, found: Decisions | None) -> bool:
        self.decisions = self.journal.read() if found is None else found
        self._stamp = self._on_disk()
        return found is not None

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


def parse_relabel(text: str) -> tuple[str, str | None]:
    """Return id and label of `ID=LABEL`; without a label the suggested one is meant.

    >>> parse_relabel("P7=benign"), parse_relabel("P7")
    (('P7', 'benign'), ('P7', None))
    """
    name, sign, label = text.rpartition("=")
    return (name, label) if sign else (text, None)
