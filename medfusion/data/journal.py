"""The journal of decisions about labels: a file that is only ever added to.

A line says what a person decided about the label of one row: what it was, what it is now, why.
Taking a decision back is a further line.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import filelock
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from medfusion.errors import CorrectionsError, StorageError

NAME = "corrections.jsonl"
"""End of a journal's name, behind that of its table."""

MOST_BYTES = 256 << 20
_LOCK_SECONDS = 10

T = TypeVar("T")

Action = Literal["relabel", "exclude", "flag", "keep"]
"""What can be decided: another label, leave the row out, look at it again, the label is right."""

ACTIONS: tuple[Action, ...] = ("relabel", "exclude", "flag", "keep")


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Head(_Line):
    """The first line: which table the journal is of."""

    journal: Literal["medfusion-corrections"] = "medfusion-corrections"
    version: Literal[1] = 1
    table: str
    """Name of the table's file."""
    id: str
    """Column of the ids."""


class Decision(_Line):
    """What was decided about one label of one row."""

    n: int = Field(ge=1)
    """Number of the line."""
    action: Action
    """What was decided."""
    id: str
    """The row."""
    column: str
    """The column of the label."""
    given: str | None = Field(alias="from")
    """What the table says there, None for an empty cell."""
    to: str | None
    """The label that holds from now on; other than `given` only where it was corrected."""
    reason: str = ""
    """Why."""
    run: str = ""
    """Name of the run that raised it."""
    who: str = ""
    """Who decided."""
    time: str = ""
    """When, in ISO 8601."""


class Step(_Line):
    """A decision taken back, or taken again."""

    n: int = Field(ge=1)
    """Number of the line."""
    action: Literal["undo", "redo"]
    """Whether it is taken back or taken again."""
    of: int = Field(ge=1)
    """Number of the decision."""
    who: str = ""
    """Who did it."""
    time: str = ""
    """When, in ISO 8601."""


_ENTRY: TypeAdapter[Decision | Step] = TypeAdapter(Decision | Step)


@dataclasses.dataclass(frozen=True, eq=False)
class Decisions:
    """The decisions of a journal as they stand.

    Attributes:
        path: The journal.
        head: Which table it is of; None of a journal without any line.
        done: Decisions that hold, in the order in which they were taken.
        undone: Decisions that can be taken again, the last of them first.
        lines: Number of the last line.
        sha256: Hash of the journal's whole lines.
    """

    path: Path
    head: Head | None = None
    done: tuple[Decision, ...] = ()
    undone: tuple[Decision, ...] = ()
    lines: int = 0
    sha256: str = ""

    @functools.cached_property
    def standing(self) -> dict[tuple[str, str], Decision]:
        """The last decision about each label, by id and column."""
        return {(one.id, one.column): one for one in self.done}


def read_journal(path: str | Path) -> Decisions:
    """Read a journal; one that is not there yet holds nothing.

    A last line that was cut off in the middle was never agreed upon and does not count.

    Args:
        path: The journal.

    Raises:
        CorrectionsError: It cannot be read, is no journal, or a line of it is damaged.

    Example:
        >>> read_journal("cohort.corrections.jsonl").standing
        {}
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            msg = f"{path}: larger than {MOST_BYTES >> 20} MiB; that is no journal of corrections"
            raise CorrectionsError(msg)
        content = path.read_bytes()
    except FileNotFoundError:
        return Decisions(path)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise CorrectionsError(msg) from None
    return _parse(path, content)


class Journal:
    """Adds to a journal; several processes may do so in turn.

    Args:
        path: The journal; begun with its first line.
        table: Name of the table's file.
        id_column: Column of the ids.

    Example:
        >>> journal = Journal("cohort.corrections.jsonl", "cohort.csv", "patient")
        >>> journal.decide(action="relabel", id="P7", column="sick", given="1", to="0")  # doctest: +SKIP
    """

    def __init__(self, path: str | Path, table: str, id_column: str) -> None:
        self.path = Path(path)
        self._head = Head(table=table, id=id_column)

    def read(self) -> Decisions:
        """Return the decisions as they stand.

        Raises:
            CorrectionsError: As `read_journal`, or it names rows by another column.
        """
        found = read_journal(self.path)
        if found.head is not None and found.head.id != self._head.id:
            msg = (
                f"{self.path}: names rows by the column {found.head.id!r}, not by "
                f"{self._head.id!r}; give another file"
            )
            raise CorrectionsError(msg)
        return found

    def decide(self, **said: Any) -> Decisions:
        """Add a decision.

        Args:
            said: Fields of `Decision`, but its number and time.

        Raises:
            CorrectionsError: The journal is damaged.
            StorageError: It cannot be written.
        """
        given = {"from": said.pop("given"), **said}
        return self._add(lambda _: given)

    def undo(self, of: int | None = None, who: str = "") -> Decisions | None:
        """Take a decision back: the last one, or the one of a number.

        Returns:
            What stands then; None where there is nothing to take back.

        Raises:
            CorrectionsError: There is no such decision that holds.
            StorageError: It cannot be written.
        """
        found = self.read()
        if not found.done:
            return None
        number = found.done[-1].n if of is None else of
        return self._add(lambda now: _step("undo", number, now.done, who))

    def redo(self, who: str = "") -> Decisions | None:
        """Take the decision that was taken back last again.

        Returns:
            What stands then; None where there is nothing to take again.

        Raises:
            CorrectionsError: Somebody else decided meanwhile.
            StorageError: It cannot be written.
        """
        found = self.read()
        if not found.undone:
            return None
        number = found.undone[0].n
        return self._add(lambda now: _step("redo", number, now.undone, who))

    def _add(self, make: Callable[[Decisions], dict[str, Any]]) -> Decisions:
        if not self.path.parent.is_dir():
            msg = f"{self.path}: cannot be written: there is no such folder"
            raise StorageError(msg)
        lock = filelock.FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            with lock.acquire(timeout=_LOCK_SECONDS):
                now = self.read()
                time = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
                entry = {"n": now.lines + 1, **make(now), "time": time}
                _ENTRY.validate_python(entry)
                self._append(entry, begin=now.head is None)
        except filelock.Timeout:
            msg = f"{self.path}: another process writes to it; try again"
            raise StorageError(msg) from None
        except OSError as error:
            msg = f"{self.path}: cannot be written ({error.strerror or error})"
            raise StorageError(msg) from error
        return self.read()

    def _append(self, entry: dict[str, Any], *, begin: bool) -> None:
        text = "".join(
            json.dumps(line, ensure_ascii=False) + "\n"
            for line in ([self._head.model_dump(), entry] if begin else [entry])
        )
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            content = self.path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):  # cut off when a process was killed
                os.ftruncate(handle, whole)
            with os.fdopen(os.dup(handle), "ab") as file:
                file.write(text.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        if begin and os.name != "nt":  # Windows has no handles on folders
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _step(action: str, number: int, among: Sequence[Decision], who: str) -> dict[str, Any]:
    if number not in {one.n for one in among}:
        msg = f"decision {number} cannot be {'taken back' if action == 'undo' else 'taken again'}"
        raise CorrectionsError(msg)
    return {"action": action, "of": number, "who": who}


def _parse(path: Path, content: bytes) -> Decisions:
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if not lines:
        return Decisions(path)
    head = _line(path, 1, lines[0], TypeAdapter(Head))
    done: dict[int, Decision] = {}
    undone: dict[int, Decision] = {}
    last = 0
    for place, line in enumerate(lines[1:], start=2):
        entry = _line(path, place, line, _ENTRY)
        if entry.n <= last:
            msg = f"{path}: line {place}: number {entry.n} does not follow {last}; lines were moved"
            raise CorrectionsError(msg)
        last = entry.n
        if isinstance(entry, Decision):
            done[entry.n] = entry
            undone.clear()  # what was taken back before is past
            continue
        source, goal = (done, undone) if entry.action == "undo" else (undone, done)
        if entry.of not in source:
            msg = f"{path}: line {place}: there is no decision {entry.of} to {entry.action}"
            raise CorrectionsError(msg)
        goal[entry.of] = source.pop(entry.of)
    return Decisions(
        path,
        head,
        tuple(done[number] for number in sorted(done)),
        tuple(reversed(undone.values())),
        last,
        hashlib.sha256(whole).hexdigest(),
    )


def _line(path: Path, place: int, line: bytes, schema: TypeAdapter[T]) -> T:
    try:
        return schema.validate_python(json.loads(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        msg = f"{path}: line {place}: {where}: {first['msg']}"
    except ValueError as error:
        msg = f"{path}: line {place}: damaged ({error})"
    msg += "; a journal of corrections has one decision a line"
    raise CorrectionsError(msg) from None
