"""The time until an event as target, censored where the event was not seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.numbers import are_numbers
from medfusion.data.table import Table
from medfusion.data.targets.contract import Target, complete
from medfusion.data.wording import SHOWN, in_order, listed
from medfusion.errors import SplitError, TableError, nearest
from medfusion.spec.target import SurvivalTarget

_PARTS = 3

_MEANINGS = (
    ("0.0", "1.0"),
    ("false", "true"),
    ("no", "yes"),
    ("n", "y"),
    ("alive", "dead"),
    ("alive", "deceased"),
    ("alive", "died"),
    ("living", "dead"),
    ("living", "deceased"),
    ("censored", "dead"),
    ("censored", "death"),
    ("censored", "event"),
    ("censored", "died"),
    ("censored", "deceased"),
    ("censored", "uncensored"),
)
"""Pairs of words whose meaning needs no guess: censored, event."""


@dataclasses.dataclass(frozen=True, eq=False)
class TimeTarget(Target):
    """Time, float64 [n], and whether it ends in the event, bool [n]."""

    spec: SurvivalTarget
    time: NDArray[np.float64]
    event: NDArray[np.bool_]

    def strata(self) -> NDArray[np.int64]:
        """Return event or not, by the third of the times among those."""
        found = np.zeros(len(self.time), dtype=np.int64)
        for code, rows in enumerate((np.flatnonzero(~self.event), np.flatnonzero(self.event))):
            if len(rows):
                cuts = np.quantile(self.time[rows], np.linspace(0, 1, _PARTS + 1)[1:-1])
                found[rows] = _PARTS * code + np.searchsorted(cuts, self.time[rows])
        return found

    def classes(self, train: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return nothing, once it is sure that there is something to learn.

        Raises:
            SplitError: The training split holds no event, or no two times.
        """
        events = int(self.event[train].sum())
        if not events:
            msg = (
                f"the training split holds no event ({self.spec.event!r} is censored in all of "
                f"its {int(train.sum())} rows); nothing can be learnt from it. Choose another split"
            )
            raise SplitError(msg)
        if len(np.unique(self.time[train])) < 2:
            msg = (
                f"all times of the training split are the same ({self.spec.time!r}); there is no "
                "order to learn from it. Choose another split"
            )
            raise SplitError(msg)
        return ()

    def encode(self, classes: Sequence[str], ids: Sequence[str]) -> NDArray[np.float64]:
        """Return time and event (1, or 0 where censored), float64 [n, 2]."""
        del classes, ids
        return np.stack([self.time, self.event.astype(np.float64)], axis=1)


def read(table: Table, spec: SurvivalTarget, ids: Sequence[str]) -> TimeTarget:
    """Read time and event.

    Raises:
        TableError: Missing values or negative times (with their ids), text where a number is
            needed, no event at all, or an event column whose meaning is not certain.
    """
    complete(table, spec.time, ids)
    cells = complete(table, spec.event, ids)
    time = table.numbers(spec.time)
    negative = [ids[row] for row in np.flatnonzero(time < 0).tolist()]
    if negative:
        msg = (
            f"{table.path}: the survival time {spec.time!r} is negative in {len(negative)} row(s); "
            f"ids: {listed(negative)}. Time counts from the start of observation; correct the cells"
        )
        raise TableError(msg)
    if len(np.unique(time)) < 2:
        msg = (
            f"{table.path}: the survival time {spec.time!r} is {time[0]:g} in every row; "
            "there is no order to learn"
        )
        raise TableError(msg)
    return TimeTarget(spec, time, _events(table, spec, cells))


def median_follow_up(time: NDArray[np.float64], event: NDArray[np.bool_]) -> float | None:
    """Return the median follow-up by the reverse Kaplan-Meier method, None where not reached.

    Censoring takes the place of the event: Schemper and Smith,
    https://doi.org/10.1016/0197-2456(96)00075-X. Events at a time come before censorings.

    Args:
        time: Time of the event or of censoring, [n].
        event: Whether it is an event, [n].

    Example:
        >>> median_follow_up(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, False]))
        3.0
    """
    moments, place = np.unique(time, return_inverse=True)
    events = np.bincount(place, event, len(moments))
    censored = np.bincount(place, ~event, len(moments))
    rows = events + censored
    at_risk = rows[::-1].cumsum()[::-1] - events
    left = np.cumprod(1 - censored / np.maximum(at_risk, 1))
    reached = np.flatnonzero(left <= 0.5 + 1e-12)
    return float(moments[reached[0]]) if len(reached) else None


def _events(table: Table, spec: SurvivalTarget, cells: list[str]) -> NDArray[np.bool_]:
    words = [_canonical(cell) for cell in cells]
    names = in_order(set(cells))
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    where = f"{table.path}: the event {spec.event!r}"
    if spec.event_value is not None:
        meant = _canonical(spec.event_value)
        if meant not in words:
            near = nearest(spec.event_value, names)
            hint = f"; did you mean {near!r}?" if near else ""
            msg = (
                f"{where} holds {shown}, but data.target.event_value is {spec.event_value!r}{hint}"
            )
            raise TableError(msg)
    else:
        meant = _guess(where, shown, set(words))
    event = np.array([word == meant for word in words])
    if not event.any():
        msg = f"{where} is censored in every row ({shown}); there is nothing to learn"
        raise TableError(msg)
    return event


def _guess(where: str, shown: str, words: set[str]) -> str:
    """Return the word that means the event, where no reader could take it otherwise."""
    meant = {event for censored, event in _MEANINGS if words <= {censored, event}}
    if len(meant) == 1:
        return meant.pop()
    msg = (
        f"{where} holds {shown}; say which value means that the event was seen: "
        "data.target.event_value (all others count as censored)"
    )
    raise TableError(msg)


def _canonical(cell: str) -> str:
    """Return what two spellings of one value have in common: "1.0" of "1", "true" of "TRUE"."""
    cell = cell.strip()
    return repr(float(cell.replace(",", "."))) if are_numbers([cell]) else cell.casefold()
