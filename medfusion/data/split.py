"""How rows are divided into train, val and test so that no group is on two sides.

Drawn splits are exact in what they promise: whole groups, shares that are off by less than one
group where groups are small, the same seed gives the same split on every machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.wording import listed
from medfusion.errors import SplitError
from medfusion.spec.data import (
    ColumnSplit,
    GroupedKFoldSplit,
    GroupedSplit,
    StratifiedGroupedSplit,
)

SPLITS = ("train", "val", "test")
"""Names of the splits, in the order in which they are shown."""

SHOWN = 10

SplitSpec = ColumnSplit | GroupedSplit | StratifiedGroupedSplit | GroupedKFoldSplit


def draw(
    spec: SplitSpec, groups: Sequence[str], strata: NDArray[np.int64] | None = None
) -> NDArray[np.str_]:
    """Divide rows by whole groups.

    Args:
        spec: A grouped, stratified-grouped or grouped-kfold split.
        groups: Group of each row.
        strata: Class of each row int64 [n], or 0 and 1 for each of several labels int64 [n, S],
            for the stratified kinds.

    Returns:
        str [n] of "train", "val", "test".

    Raises:
        SplitError: Fewer groups than splits or folds.

    Example:
        >>> draw(GroupedSplit(fractions=(0.5, 0.25, 0.25)), ["a", "a", "b", "c", "d"]).tolist()
        ['val', 'val', 'train', 'train', 'test']
    """
    names, group_of = np.unique(np.array(groups, dtype=object), return_inverse=True)
    if isinstance(spec, GroupedKFoldSplit):
        needed, what = spec.folds, f"{spec.folds} folds"
    else:
        needed, what = 3, "train, val and test"
    if len(names) < needed:
        msg = (
            f"{len(names)} groups cannot be divided into {what}: a group is never torn apart. "
            "Give more data, fewer folds, or another data.group"
        )
        raise SplitError(msg)
    if isinstance(spec, ColumnSplit):
        msg = "a column split is read, not drawn"
        raise TypeError(msg)
    rng = np.random.Generator(np.random.Philox(spec.seed))
    if isinstance(spec, GroupedSplit):
        of_group = _cut(np.bincount(group_of), spec.fractions, rng)
    elif isinstance(spec, StratifiedGroupedSplit):
        counts = _counts(group_of, strata)
        of_group = _balance(counts, np.array(spec.fractions), rng)
    else:
        counts = _counts(group_of, strata if spec.stratify else None)
        fold = _balance(counts, np.full(spec.folds, 1 / spec.folds), rng)
        distance = (fold - spec.fold) % spec.folds  # 0 is the test fold, the next one validation
        of_group = np.where(distance == 0, 2, np.where(distance == 1, 1, 0))
    return np.array(SPLITS)[of_group[group_of]]


def read_column(
    spec: ColumnSplit, cells: Sequence[str | None], where: Callable[[int], str]
) -> NDArray[np.str_]:
    """Return the split of each row as the table's column says.

    Args:
        spec: Which words mean which split; upper and lower case are alike.
        cells: The column.
        where: Gives the place of a row in words.

    Raises:
        SplitError: Empty cells or unknown words, with their rows.
    """
    meaning: dict[str, str] = {}
    for name in SPLITS:
        for word in getattr(spec, name):
            if meaning.setdefault(word.casefold(), name) != name:
                msg = (
                    f"data.split: {word!r} is given for both {meaning[word.casefold()]} and {name}"
                )
                raise SplitError(msg)
    found = [None if cell is None else meaning.get(cell.casefold()) for cell in cells]
    bad = [row for row, name in enumerate(found) if name is None]
    if bad:
        words = Counter(cells[row] or "(empty)" for row in bad)
        shown = ", ".join(f"{word!r} ({count} rows)" for word, count in words.most_common(SHOWN))
        msg = (
            f"column {spec.column!r} holds {shown}, first in {where(bad[0])}; known are "
            f"{', '.join(meaning)}. Correct the cells, take the rows out, or name the words "
            "under data.split (train, val, test)"
        )
        raise SplitError(msg)
    return np.array(found, dtype=str)


def from_ids(saved: Mapping[str, str], ids: Sequence[str]) -> NDArray[np.str_]:
    """Return the split of each row from a saved one, as in a run's split.csv.

    Raises:
        SplitError: Rows that the saved split does not know, or the other way round.
    """
    new = [name for name in ids if name not in saved]
    gone = sorted(set(saved) - set(ids))
    if new or gone:
        parts = [f"rows that it does not know: {listed(new)}"] if new else []
        parts += [f"rows that are gone: {listed(gone)}"] if gone else []
        msg = f"the table no longer fits the saved split; {'; '.join(parts)}. Start a new run"
        raise SplitError(msg)
    split = np.array([saved[name] for name in ids], dtype=str)
    strange = sorted(set(split.tolist()) - set(SPLITS))
    if strange:
        msg = f"the saved split names {', '.join(strange)}; known are {', '.join(SPLITS)}"
        raise SplitError(msg)
    return split


def verify(split: NDArray[np.str_], groups: Sequence[str]) -> None:
    """Check what every split must keep: nothing empty, no group on two sides.

    Raises:
        SplitError: Empty splits, or groups in two splits, by name.
    """
    sides: dict[str, set[str]] = {}
    for group, name in zip(groups, split.tolist(), strict=True):
        sides.setdefault(group, set()).add(name)
    torn = {group: names for group, names in sides.items() if len(names) > 1}
    if torn:
        shown = "; ".join(
            f"{group} in {' and '.join(name for name in SPLITS if name in names)}"
            for group, names in sorted(torn.items())[:SHOWN]
        )
        more = f" and {len(torn) - SHOWN} more" if len(torn) > SHOWN else ""
        msg = (
            f"{len(torn)} group(s) are in more than one split: {shown}{more}. The same patient in "
            "training and test makes results too good; correct the split column, or let MedFusion "
            "draw the split (kind: stratified-grouped)"
        )
        raise SplitError(msg)
    empty = [name for name in SPLITS if not (split == name).any()]
    if empty:
        have = ", ".join(f"{name} {int((split == name).sum())}" for name in SPLITS)
        msg = (
            f"the {' and the '.join(empty)} split has no rows ({have}). All three are needed: "
            "training learns, validation picks the best epoch and the threshold, test judges"
        )
        raise SplitError(msg)


def _cut(
    sizes: NDArray[np.int64], fractions: Sequence[float], rng: np.random.Generator
) -> NDArray[np.int64]:
    # Groups in random order on a line, cut where the wanted shares end: first val, then test.
    order = rng.permutation(len(sizes))
    ends = np.cumsum(sizes[order])
    total = ends[-1]
    val_end = 1 + int(np.argmin(np.abs(ends[:-2] - fractions[1] * total)))
    rest = ends[val_end:-1] - ends[val_end - 1]
    test_end = val_end + 1 + int(np.argmin(np.abs(rest - fractions[2] * total)))
    of_group = np.zeros(len(sizes), dtype=np.int64)
    of_group[order[:val_end]] = 1
    of_group[order[val_end:test_end]] = 2
    return of_group


def _counts(group_of: NDArray[np.int64], strata: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return [groups, 1 + classes]: rows of each group, in all and of each class."""
    groups = int(group_of.max()) + 1
    total = np.bincount(group_of, minlength=groups)[:, None].astype(float)
    if strata is None:
        return total
    if strata.ndim == 2:
        classes = np.zeros((groups, strata.shape[1]))
        np.add.at(classes, group_of, strata)
    else:
        classes = np.zeros((groups, int(strata.max()) + 1))
        np.add.at(classes, (group_of, strata), 1)
    return np.hstack([total, classes[:, classes.any(axis=0)]])


def _balance(
    counts: NDArray[np.float64], fractions: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    # Large groups first, each to the part where it lowers the chi-square distance between what
    # the parts hold and their wanted share of every class the most.
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order, 0], kind="stable")]
    wanted = fractions[:, None] * counts.sum(axis=0)
    weight = 1 / wanted
    held = np.zeros_like(wanted)
    of_group = np.zeros(len(counts), dtype=np.int64)
    empty = set(range(len(fractions)))
    for place, group in enumerate(order):
        row = counts[group]
        change = ((2 * (held - wanted) + row) * row * weight).sum(axis=1)
        if len(empty) >= len(order) - place:  # the last groups go where there is none yet
            part = min(empty, key=lambda index: change[index])
        else:
            part = int(np.argmin(change))
        empty.discard(part)
        held[part] += row
        of_group[group] = part
    return of_group
