"""The data checks: what makes results wrong without making anything crash.

Duplicate ids and groups in two splits stop the loading itself (`TableError`, `SplitError`); the
rest is shown and recorded, and the user decides.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medfusion.data import leakage, likeness, time_leakage
from medfusion.data.corrections import LEFT_OUT
from medfusion.data.identifiers import are_dates, is_identifier
from medfusion.data.split import SPLITS
from medfusion.spec.data import ColumnSplit

if TYPE_CHECKING:
    from medfusion.data.cohort import Cohort

Outcome = Literal["PASS", "WARN", "FAIL"]

ROWS = 50
SMALL_CLASS = 10
RARE_CLASS = 0.05
MOSTLY_MISSING = 0.5
LOOKED_AT = 20_000
"""Images that are compared by their looks; each is decoded for it."""
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Check:
    """What one data check found.

    Attributes:
        name: The check.
        outcome: "PASS", "WARN" or "FAIL".
        message: What was found and what to do.
        count: How many rows, columns or groups it concerns.
        rows: The first ids concerned.
        columns: The columns that would be taken out to mend it.
    """

    name: str
    outcome: Outcome
    message: str
    count: int = 0
    rows: list[str] = dataclasses.field(default_factory=list)
    columns: list[str] = dataclasses.field(default_factory=list)


def run_checks(cohort: Cohort) -> list[Check]:
    """Run every check on a cohort.

    Example:
        >>> [c.message for c in run_checks(cohort) if c.outcome != "PASS"]  # doctest: +SKIP
    """
    return [
        Check("duplicate ids", "PASS", f"{len(cohort)} rows, no id twice"),
        _group_overlap(cohort),
        _leakage(cohort),
        _unused_leaks(cohort),
        _images_across_splits(cohort),
        _images_within_splits(cohort),
        _alike_across_splits(cohort),
        _unreadable(cohort),
        _constant(cohort),
        _missing(cohort),
        _unseen(cohort),
        _identifiers(cohort),
        _class_balance(cohort),
        _classes_per_split(cohort),
        *([] if cohort.corrected is None else [_corrections(cohort.corrected)]),
        *([_known_targets(cohort)] if len(cohort.outcomes) > 1 else []),
        *([_times(cohort)] if cohort.spec.target.kind == "survival" else []),
    ]


def _corrections(applied: dict[str, Any]) -> Check:
    """Say how many labels were corrected, and warn where that changes the judge."""
    name, splits = "label corrections", applied["splits"]

    def count(*actions: str, only: Sequence[str] = SPLITS) -> int:
        return sum(splits.get(side, {}).get(action, 0) for side in only for action in actions)

    said = f"{count('relabel')} corrected, {count('exclude')} left out"
    test = count("relabel", "exclude", only=["test"])
    if not test:
        return Check(name, "PASS", f"{said}, none of these in the test split")
    return Check(
        name,
        "WARN",
        f"{said}; {test} of these in the test split, which changes the judge: results cannot be "
        "compared with those on other labels (data.correct_test: false leaves them as they were)",
        test,
    )


def _group_overlap(cohort: Cohort) -> Check:
    name = "group overlap"
    if cohort.spec.group is None:
        return Check(name, "PASS", "no group column is named: every row is its own group")
    groups = len(set(cohort.groups))
    return Check(name, "PASS", f"{groups} groups, none in two splits")


def _leaks(cohort: Cohort, columns: Iterable[str]) -> list[leakage.Leak]:
    train = cohort.rows("train")
    several = len(cohort.outcomes) > 1
    found = []
    for name in columns:
        cells = cohort.table.text(name)
        for outcome in cohort.outcomes:
            known = outcome.rows[np.isin(outcome.rows, train)]
            values = outcome.of(known)
            leak = leakage.find(name, [cells[row] for row in known], values, outcome.classes)
            if leak is not None:
                finding = f"{leak.finding} ({outcome.name})" if several else leak.finding
                own = [int(known[row]) for row in leak.rows]
                found.append(dataclasses.replace(leak, finding=finding, rows=own))
        if cohort.spec.target.kind == "segmentation":  # how large the region is
            area = cohort.target[train, 1:].sum(axis=1).astype(np.float64)
            leak = leakage.find(name, [cells[row] for row in train], area, ())
            if leak is not None:
                own = [int(train[row]) for row in leak.rows]
                found.append(dataclasses.replace(leak, rows=own))
        if cohort.spec.target.kind == "survival":
            time, event = cohort.target[train].T
            late = time_leakage.find(name, [cells[row] for row in train], time, event == 1)
            if late is not None:
                own = [int(train[row]) for row in late.rows]
                found.append(dataclasses.replace(late, rows=own))
    return found


def _leakage(cohort: Cohort) -> Check:
    name = "target leakage"
    leaks = _leaks(cohort, (*cohort.spec.numeric, *cohort.spec.categorical))
    if not leaks:
        return Check(name, "PASS", "no single column gives the target away")
    shown = "; ".join(f"{leak.column}: {leak.finding}" for leak in leaks)
    message = (
        f"{shown}. Is this known before the target is? If not, take the column out of "
        "data.numeric or data.categorical"
    )
    columns = [leak.column for leak in leaks]
    return Check(name, "FAIL", message, len(leaks), _ids(cohort, leaks[0].rows), columns)


def _unused_leaks(cohort: Cohort) -> Check:
    name = "leaks among unused columns"
    spec = cohort.spec
    used = {spec.id, spec.group, *spec.target.columns, *spec.numeric, *spec.categorical}
    used |= {view.column for view in spec.images.values()}
    used |= {masks.column for _, masks in spec.masks.values()}
    if isinstance(spec.split, ColumnSplit):
        used.add(spec.split.column)
    unused = [
        column
        for column in cohort.table.columns
        if column not in used and not is_identifier(cohort.table.text(column))
    ]
    leaks = _leaks(cohort, unused)
    if not leaks:
        return Check(name, "PASS", f"{len(unused)} unused columns, none gives the target away")
    shown = "; ".join(f"{leak.column}: {leak.finding}" for leak in leaks)
    message = f"would give the target away, and is rightly not a feature: {shown}"
    return Check(name, "PASS", message, len(leaks))


def _same_images(cohort: Cohort) -> list[list[int]]:
    """Return the rows of each image content that occurs in more than one row."""
    rows_of: dict[str, set[int]] = defaultdict(set)
    for _, row, _, content in cohort.files.each():
        if content is not None:
            rows_of[content].add(row)
    return [sorted(rows) for rows in rows_of.values() if len(rows) > 1]


def _images_across_splits(cohort: Cohort) -> Check:
    name = "identical images across splits"
    across = [rows for rows in _same_images(cohort) if len({cohort.split[r] for r in rows}) > 1]
    if not across:
        return Check(name, "PASS", "no image content is in two splits")
    shown = "; ".join(_pair(cohort, rows) for rows in across[:_NAMED])
    message = (
        f"{len(across)} image(s) with the same bytes are in more than one split: {shown}. "
        "Take the copies out, or give both rows one group"
    )
    return Check(name, "FAIL", message, len(across), _ids(cohort, [r for s in across for r in s]))


def _images_within_splits(cohort: Cohort) -> Check:
    name = "identical images within a split"
    within = []
    for rows in _same_images(cohort):
        sides = [str(cohort.split[row]) for row in rows]
        if len(sides) > len(set(sides)):
            within.append(rows)
    if not within:
        return Check(name, "PASS", "no image content occurs twice in a split")
    shown = "; ".join(_pair(cohort, rows) for rows in within[:_NAMED])
    message = f"{len(within)} image(s) occur more than once in a split: {shown}"
    return Check(name, "WARN", message, len(within), _ids(cohort, [r for s in within for r in s]))


def _alike_across_splits(cohort: Cohort) -> Check:
    name = "images that look alike across splits"
    if len(set(cohort.split)) < 2:
        return Check(name, "PASS", "there is only one split")
    first: dict[str, tuple[int, str]] = {}
    for view, row, path, content in cohort.files.each():
        if content is not None and view not in cohort.files.volumes:
            first.setdefault(content, (row, path))
    # Test and validation first: where not all can be looked at, training rows are left out.
    order = {split: place for place, split in enumerate(reversed(SPLITS))}
    images = sorted(first.values(), key=lambda image: order[str(cohort.split[image[0]])])
    looked = images[:LOOKED_AT]
    scope = (
        f"{len(looked)} images" if looked == images else f"{len(looked)} of {len(images)} images"
    )
    across = [
        pair
        for pair in likeness.near_duplicates([path for _, path in looked])
        if cohort.split[looked[pair.first][0]] != cohort.split[looked[pair.second][0]]
    ]
    measure = (
        f"perceptual hashes within {likeness.BITS} of 64 bits, and thumbnails that correlate "
        f"by {likeness.CORRELATION} or more"
    )
    if not across:
        message = f"no image looks like one of another split: {scope}, {measure}"
        return Check(name, "PASS", message)
    rows = [(looked[pair.first][0], looked[pair.second][0]) for pair in across]
    shown = "; ".join(
        f"{_pair(cohort, both)} ({pair.correlation:.3f})"
        for both, pair in zip(rows[:_NAMED], across, strict=False)
    )
    message = (
        f"{len(across)} pair(s) of images in different splits look alike: {shown}. Look at them; "
        f"copies of one image belong in one group ({scope}, {measure})"
    )
    return Check(name, "WARN", message, len(across), _ids(cohort, [r for b in rows for r in b]))


def _pair(cohort: Cohort, rows: Sequence[int]) -> str:
    return " = ".join(f"{cohort.ids[row]} ({cohort.split[row]})" for row in rows[:4])


def _unreadable(cohort: Cohort) -> Check:
    name = "unreadable files"
    lost = [exclusion for exclusion in cohort.excluded if exclusion.reason != LEFT_OUT]
    ids = [name for exclusion in lost for name in exclusion.ids]
    if ids:
        message = f"{len(ids)} row(s) are left out because an image of theirs cannot be read"
        return Check(name, "WARN", message, len(ids), ids[:ROWS])
    files = sum(1 for _ in cohort.files.each())
    return Check(name, "PASS", f"{files} image files, all can be read")


def _constant(cohort: Cohort) -> Check:
    name = "constant columns"
    train = cohort.rows("train")
    flat: dict[str, str] = {}
    for column in cohort.spec.numeric:
        if cohort.preprocessing.means[column] is None:
            flat[column] = "no value"
        elif cohort.preprocessing.sds[column] == 0:
            flat[column] = "one value"
    for column in cohort.spec.categorical:
        cells = cohort.table.text(column)
        values = {cells[row] for row in train}
        if len(values) == 1:
            flat[column] = "no value" if None in values else "one value"
    if not flat:
        return Check(name, "PASS", "every feature column varies in training")
    shown = ", ".join(f"{column} ({why})" for column, why in flat.items())
    message = f"nothing can be learnt from {shown}; take such columns out"
    return Check(name, "WARN", message, len(flat), columns=list(flat))


def _missing(cohort: Cohort) -> Check:
    name = "missing values"
    shares = {
        column: float(np.mean([cell is None for cell in cohort.table.text(column)]))
        for column in (*cohort.spec.numeric, *cohort.spec.categorical)
    }
    shares |= {
        f"images of {view}": float(np.mean([path is None for path in cells]))
        for view, cells in cohort.image_paths.items()
    }
    many = {column: share for column, share in shares.items() if share > MOSTLY_MISSING}
    if many:
        shown = ", ".join(f"{column} ({share:.0%})" for column, share in many.items())
        features = {*cohort.spec.numeric, *cohort.spec.categorical}
        columns = [column for column in many if column in features]
        return Check(name, "WARN", f"mostly missing: {shown}", len(many), columns=columns)
    some = sum(share > 0 for share in shares.values())
    return Check(name, "PASS", f"{some} columns have gaps, none of more than half the rows")


def _unseen(cohort: Cohort) -> Check:
    name = "unseen categories"
    found: list[str] = []
    rows: list[int] = []
    for index, column in enumerate(cohort.spec.categorical):
        strange = np.flatnonzero(cohort.categorical[:, index] == 1)
        if len(strange):
            cells = cohort.table.text(column)
            values = sorted({str(cells[row]) for row in strange})
            more = ", ..." if len(values) > _NAMED else ""
            found.append(
                f"{column}: {', '.join(map(repr, values[:_NAMED]))}{more} ({len(strange)} rows)"
            )
            rows += strange.tolist()
    if not found:
        return Check(name, "PASS", "every category of val and test occurs in training")
    message = f"categories that training does not know are one category, unseen: {'; '.join(found)}"
    return Check(name, "WARN", message, len(set(rows)), _ids(cohort, rows))


def _identifiers(cohort: Cohort) -> Check:
    name = "id-like columns"
    found: dict[str, str] = {}
    for column in (*cohort.spec.numeric, *cohort.spec.categorical):
        cells = cohort.table.text(column)
        if are_dates(cells):
            found[column] = "dates"
        elif is_identifier(cells):
            found[column] = "a value of its own in nearly every row"
    if not found:
        return Check(name, "PASS", "no feature column looks like an identifier or a date")
    shown = ", ".join(f"{column} ({why})" for column, why in found.items())
    message = f"{shown}: such a column names the row and does not carry over to new ones"
    return Check(name, "WARN", message, len(found), columns=list(found))


def _class_balance(cohort: Cohort) -> Check:
    name = "class balance"
    classed = [part for part in cohort.outcomes if part.classes]
    if not classed:
        return Check(name, "PASS", "the target is a number")
    said: list[str] = []
    rare: list[str] = []
    small = 0
    for part in classed:
        counts = np.bincount(part.of(cohort.rows("train")), minlength=len(part.classes))
        rare_ones = (counts < SMALL_CLASS) | (counts < RARE_CLASS * counts.sum())
        if part.kind == "segmentation":  # that a class is in every image is no lack
            rare_ones = rare_ones[1:]
        few = int(rare_ones.sum())
        shown = ", ".join(
            f"{label} {count}" for label, count in zip(part.classes, counts.tolist(), strict=True)
        )
        (rare if few else said).append(
            f"{part.name}: {shown}" if len(cohort.outcomes) > 1 else shown
        )
        small += few
    if small:
        message = (
            f"few training rows in {small} class(es): {'; '.join(rare)}. Consider class_weights"
        )
        return Check(name, "WARN", message, small)
    return Check(name, "PASS", f"training rows per class: {'; '.join(said)}")


def _classes_per_split(cohort: Cohort) -> Check:
    name = "classes per split"
    classed = [part for part in cohort.outcomes if part.classes]
    if not classed:
        return Check(name, "PASS", "the target is a number")
    lacking = []
    for split in SPLITS:
        for part in classed:
            held = np.unique(part.of(cohort.rows(split))).tolist()
            gone = [label for code, label in enumerate(part.classes) if code not in held]
            if part.kind == "segmentation":  # every image may show the class
                gone = [] if 1 in held else ["image with it"]
            if gone:
                of = "" if len(cohort.outcomes) == 1 else f" of {part.name}"
                lacking.append(f"{split} has no {', '.join(gone)}{of}")
    if not lacking:
        return Check(name, "PASS", "every split holds every class")
    message = f"{'; '.join(lacking)}: what needs all classes is not estimable there"
    return Check(name, "WARN", message, len(lacking))


def _known_targets(cohort: Cohort) -> Check:
    name = "missing targets"
    counts = {part.name: len(part.rows) for part in cohort.outcomes}
    having = np.zeros(len(cohort), dtype=bool)
    for part in cohort.outcomes:
        having[part.rows] = True
    without = np.flatnonzero(~having)
    if len(without):
        message = f"{len(without)} row(s) have no target at all: nothing is learnt from them"
        return Check(name, "WARN", message, len(without), _ids(cohort, without.tolist()))
    few = {part: n for part, n in counts.items() if n < (1 - MOSTLY_MISSING) * len(cohort)}
    if few:
        shown = ", ".join(f"{part} ({n} of {len(cohort)})" for part, n in few.items())
        return Check(name, "WARN", f"known in less than half of the rows: {shown}", len(few))
    shown = ", ".join(f"{part} {n}" for part, n in counts.items())
    return Check(name, "PASS", f"rows with a target: {shown}")


def _times(cohort: Cohort) -> Check:
    name = "survival times"
    time, event = cohort.target.T
    begun = np.flatnonzero(time == 0)
    if len(begun):
        died = int(event[begun].sum())
        message = (
            f"{len(begun)} row(s) have a time of 0, {died} of them with the event. Was the event "
            "known before observation began? Such rows belong out of the table"
        )
        return Check(name, "WARN", message, len(begun), _ids(cohort, begun.tolist()))
    lasts = {split: float(time[cohort.rows(split)].max()) for split in SPLITS}
    shown = ", ".join(f"{split} {last:g}" for split, last in lasts.items())
    return Check(name, "PASS", f"all times are above 0; longest follow-up: {shown}")


def _ids(cohort: Cohort, rows: Iterable[int]) -> list[str]:
    return [cohort.ids[row] for row in list(dict.fromkeys(rows))[:ROWS]]
