"""The rows of an experiment, ready for a model: features, images, split, target, checks."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medfusion.data import inventory, mask_stock
from medfusion.data import split as _split
from medfusion.data.cache import Cache
from medfusion.data.checks import Check, run_checks
from medfusion.data.corrections import LEFT_OUT, read_corrections
from medfusion.data.inventory import Inventory
from medfusion.data.mask_stock import MaskStock
from medfusion.data.preprocessing import Preprocessing
from medfusion.data.table import Table, read_table
from medfusion.data.targets import Outcome, outcomes, read_target
from medfusion.data.wording import listed
from medfusion.errors import SplitError, TableError, unknown
from medfusion.spec import Experiment
from medfusion.spec.data import TARGET_MASK, ColumnSplit, Data
from medfusion.spec.target import SurvivalTarget


@dataclasses.dataclass(frozen=True)
class Exclusion:
    """Rows that were left out, and why."""

    reason: str
    ids: list[str]


@dataclasses.dataclass(frozen=True)
class Subject:
    """One row in full: what a panel or an explanation shows."""

    id: str
    row: int
    images: dict[str, str | None]
    values: dict[str, str | None]
    group: str | None = None
    split: str | None = None
    label: str | float | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Cases:
    """Rows with features, without a target: what a trained model predicts.

    Attributes:
        spec: The data part of the experiment.
        table: The rows as text.
        preprocessing: What was fitted on the training rows.
        ids: One per row, no two alike.
        files: The image files.
        numeric: float32 [n, N], scaled; 0 where missing. Columns in the order of `spec.numeric`.
        numeric_present: bool [n, N].
        categorical: int64 [n, K]; 0 missing, 1 not seen in training, from 2 on known values.
        excluded: Rows that were left out, and why.
        classes: Classes of the target in order; empty for a regression.
        cache: Where decoded images are kept; None keeps none.
        masks: The mask files; empty for rows to predict, which need none.
    """

    spec: Data
    table: Table
    preprocessing: Preprocessing
    ids: list[str]
    files: Inventory
    numeric: NDArray[np.float32]
    numeric_present: NDArray[np.bool_]
    categorical: NDArray[np.int64]
    excluded: list[Exclusion]
    classes: tuple[str, ...]
    cache: Cache | None = None
    masks: MaskStock = dataclasses.field(default_factory=MaskStock)

    @classmethod
    def load(
        cls,
        data: Data,
        table_path: str | Path,
        preprocessing: Preprocessing,
        classes: Sequence[str] | None = None,
        *,
        root: str | Path | None = None,
    ) -> Self:
        """Read rows to predict. The target, group and split columns need not be there.

        Args:
            data: The data part of the experiment that the model was trained with.
            table_path: The new table.
            preprocessing: What was fitted in training.
            classes: Classes of the target; by default those of `preprocessing`.
            root: Folder from which image paths start; by default the table's own folder, or
                `data.root` where more of the paths exist there.

        Raises:
            TableError: The table cannot be read or lacks a column that the model needs.
            ImageReadError: Images that cannot be read, unless `data.skip_unreadable`.
            DataRootError: Image paths that leave the root.
        """
        table = read_table(table_path)
        table.require(_columns(data, features_only=True))
        ids = _ids(table, data.id)
        base = Path(root) if root is not None else inventory.likely_root(table, data)
        cache = Cache.default(data.cache_gigabytes)
        table, ids, files, excluded = _readable(table, data, ids, base, cache)
        return cls(
            **_features(data, table, preprocessing),
            cache=cache,
            ids=ids,
            files=files,
            excluded=excluded,
            classes=tuple(preprocessing.classes if classes is None else classes),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def image_paths(self) -> dict[str, list[str | None]]:
        """Absolute path per view and row, inside the data root; None where there is no image.

        Of a bag it is the folder, or its files joined by ";".
        """
        return self.files.paths

    @property
    def image_present(self) -> NDArray[np.bool_]:
        """Bool [n, V], views in the order of `spec.images`."""
        views = [[path is not None for path in cells] for cells in self.files.paths.values()]
        return np.array(views, dtype=bool).reshape(len(views), len(self)).T

    @property
    def table_present(self) -> NDArray[np.bool_]:
        """Bool [n]: any of the table's feature columns is there."""
        present: NDArray[np.bool_] = np.hstack([self.numeric_present, self.categorical > 0])
        return np.asarray(present.any(axis=1))

    def subject(self, row: int) -> Subject:
        """Return one row in full.

        >>> cohort.subject(0).images["photo"]  # doctest: +SKIP
        """
        return Subject(
            id=self.ids[row],
            row=row,
            images={name: cells[row] for name, cells in self.files.paths.items()},
            values={
                name: self.table.frame[name].iat[row]
                for name in (*self.spec.numeric, *self.spec.categorical)
            },
        )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Cohort(Cases):
    """All rows of an experiment with their target and split.

    Attributes:
        groups: Group of each row; the id where the experiment names no group.
        split: str [n] of "train", "val", "test".
        target: What `medfusion.data.targets` makes of its kind: [n], or [n, C].
        corrected: What was corrected by split and action, as cohort.json has it; None without
            `data.corrections`.

    Example:
        >>> cohort = Cohort.load(Experiment.from_yaml("skin.yaml"))  # doctest: +SKIP
        >>> {name: len(cohort.rows(name)) for name in ("train", "val", "test")}  # doctest: +SKIP
    """

    groups: list[str]
    split: NDArray[np.str_]
    target: NDArray[Any]
    corrected: dict[str, Any] | None = None

    @classmethod
    def load(  # type: ignore[override]
        cls,
        experiment: Experiment,
        *,
        split: Mapping[str, str] | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> Self:
        """Read the table and the images of an experiment, split them, fit the preprocessing.

        Args:
            experiment: What to read.
            split: Split by id as a run saved it, in place of a new draw.
            preprocessing: What a run fitted, in place of a new fit.

        Raises:
            TableError: The table, a column, the ids or the target.
            ImageReadError: Images that cannot be read, unless `data.skip_unreadable`.
            DataRootError: Image paths that leave the root.
            CorrectionsError: The journal of corrections was made for another table.
            SplitError: An empty or unknown split, a group in two splits, one class in training.
        """
        data = experiment.data
        table = read_table(experiment.folder / data.table)
        table.require(_columns(data))
        ids = _ids(table, data.id)
        journal = None
        if data.corrections is not None:
            journal = read_corrections(experiment.folder / data.corrections, data.target.columns)
            journal.check(table, data.id, ids)
        root = table.path.parent if data.root is None else experiment.folder / data.root
        cache = Cache.default(data.cache_gigabytes)
        table, ids, files, excluded = _readable(table, data, ids, root, cache)
        masks = mask_stock.take_stock(table, data, files.paths, ids, root, cache)
        unusable = mask_stock.unusable(masks, table, data, root)
        if unusable:
            excluded += [Exclusion(why, [ids[row] for row in rows]) for why, rows in unusable]
            gone = [row for _, rows in unusable for row in rows]
            kept = np.delete(np.arange(len(table)), gone)
            table, ids, files = table.take(kept), [ids[row] for row in kept], files.take(kept)
            masks = masks.take(kept)
        groups = _groups(table, data, ids)
        wanted = read_target(table, data.target, ids, masks.pixels.get(TARGET_MASK))
        if split is not None:
            # Rows that were left out are in no saved split.
            out = set() if journal is None else journal.excluded
            drawn = [name for name in ids if name in split or name not in out]
            known = dict(zip(drawn, _split.from_ids(split, drawn).tolist(), strict=True))
            side = np.array([known.get(name, "") for name in ids], dtype=str)
        elif isinstance(data.split, ColumnSplit):
            side = _split.read_column(data.split, table.text(data.split.column), table.where)
        else:
            side = _split.draw(data.split, groups, wanted.strata())
        corrected = None
        if journal is not None:
            # Last, so that the split is the one without corrections, whatever they say.
            applied = journal.apply(table, ids, side, test=data.correct_test)
            kept, corrected = applied.kept, applied.facts
            if applied.gone:
                excluded = [*excluded, Exclusion(LEFT_OUT, applied.gone)]
            table, files, masks = applied.table.take(kept), files.take(kept), masks.take(kept)
            ids, groups = [ids[row] for row in kept], [groups[row] for row in kept]
            side = side[kept]
            wanted = read_target(table, data.target, ids, masks.pixels.get(TARGET_MASK))
        _split.verify(side, groups)
        train = np.flatnonzero(side == "train")
        classes = wanted.classes(side == "train")
        if preprocessing is None:
            preprocessing = Preprocessing.fit(
                data,
                table,
                files.paths,
                train,
                classes,
                cache,
                files.bags,
                bins=experiment.model.numeric_bins,
            )
        return cls(
            **_features(data, table, preprocessing),
            cache=cache,
            ids=ids,
            files=files,
            masks=masks,
            excluded=excluded,
            classes=preprocessing.classes,
            groups=groups,
            split=side,
            target=wanted.encode(preprocessing.classes, ids),
            corrected=corrected,
        )

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of a split, ascending.

        Raises:
            SplitError: There is no such split.
        """
        if split not in _split.SPLITS:
            raise SplitError(unknown("split", split, _split.SPLITS))
        return np.flatnonzero(self.split == split)

    def subject(self, row: int) -> Subject:
        """Return one row in full, with group, split and label."""
        label = self._label(row)
        return dataclasses.replace(
            super().subject(row), group=self.groups[row], split=str(self.split[row]), label=label
        )

    def _label(self, row: int) -> str | float | None:
        """Return what is to be predicted for a row, in words where it has several parts."""
        spec = self.spec.target
        if isinstance(spec, SurvivalTarget):
            time, event = self.target[row]
            return f"{'event' if event else 'censored'} at {time:g} {spec.unit}"
        found: dict[str, str | float] = {}
        for part in self.outcomes:
            for value in part.of(np.array([row])).tolist():
                found[part.name] = part.classes[value] if part.classes else value
        if spec.kind not in ("multilabel", "multitask", "segmentation"):
            return found[spec.columns[0]]
        return ", ".join(f"{name}: {value}" for name, value in found.items()) or None

    @functools.cached_property
    def outcomes(self) -> list[Outcome]:
        """The target in simple parts."""
        return outcomes(self.spec.target, self.classes, self.target)

    @functools.cached_property
    def checks(self) -> list[Check]:
        """What the data checks found."""
        return run_checks(self)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table's bytes, of the columns in use and of the images' contents."""
        digest = hashlib.sha256(self.table.sha256.encode())
        names = [name for name, _ in _columns(self.spec)]
        used = {name: self.table.text(name) for name in names}
        digest.update(json.dumps([self.ids, used, self.files.hashes]).encode())
        if self.masks.hashes:
            digest.update(json.dumps(self.masks.hashes).encode())
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return what cohort.json says: flow, target, splits, Table 1, checks."""
        from medfusion.data.summary import summarise

        return summarise(self)


def _features(data: Data, table: Table, preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the fields of `Cases` that follow from a table and what was fitted."""
    numeric, present = preprocessing.numeric(table)
    return {
        "spec": data,
        "table": table,
        "preprocessing": preprocessing,
        "numeric": numeric,
        "numeric_present": present,
        "categorical": preprocessing.categorical(table),
    }


def _columns(data: Data, *, features_only: bool = False) -> list[tuple[str, str]]:
    """Return the columns that an experiment uses, with the keys that ask for them."""
    wanted = [(data.id, "data.id")]
    wanted += [(view.column, f"data.images.{name}.column") for name, view in data.images.items()]
    wanted += [(name, "data.numeric") for name in data.numeric]
    wanted += [(name, "data.categorical") for name in data.categorical]
    if not features_only:
        wanted += [(name, "data.target") for name in data.target.columns]
        wanted += [
            (view.mask.column, f"data.images.{name}.mask.column")
            for name, view in data.images.items()
            if view.mask
        ]
        if data.group is not None:
            wanted.append((data.group, "data.group"))
        if isinstance(data.split, ColumnSplit):
            wanted.append((data.split.column, "data.split.column"))
    return wanted


def _ids(table: Table, column: str) -> list[str]:
    cells = table.text(column)
    lost = [table.where(row) for row, cell in enumerate(cells) if cell is None]
    if lost:
        msg = f"{table.path}: the id {column!r} is empty in {listed(lost)}; name every row"
        raise TableError(msg)
    ids = [str(cell) for cell in cells]
    first: dict[str, int] = {}
    twice: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        if first.setdefault(name, row) != row:
            twice.setdefault(name, [first[name]]).append(row)
    if twice:
        shown = "; ".join(
            f"{name} in {', '.join(table.where(row) for row in rows[:5])}"
            for name, rows in list(twice.items())[:10]
        )
        msg = (
            f"{table.path}: {len(twice)} id(s) in column {column!r} occur more than once: {shown}. "
            "Give every row its own id; what rows have in common (patient, lesion) belongs in "
            "data.group"
        )
        raise TableError(msg)
    return ids


def _groups(table: Table, data: Data, ids: list[str]) -> list[str]:
    if data.group is None:
        return list(ids)
    cells = table.text(data.group)
    lost = [ids[row] for row, cell in enumerate(cells) if cell is None]
    if lost:
        msg = (
            f"{table.path}: the group {data.group!r} is empty for {len(lost)} row(s); ids: "
            f"{listed(lost)}. Without it these rows could end up on two sides of the split; "
            "fill it in, with the id where a row stands alone"
        )
        raise TableError(msg)
    return [str(cell) for cell in cells]


def _readable(
    table: Table, data: Data, ids: list[str], root: Path, cache: Cache | None
) -> tuple[Table, list[str], Inventory, list[Exclusion]]:
    """Leave out rows whose image cannot be read where that is wanted, else stop."""
    files = inventory.take_stock(table, data, root, cache)
    if not files.problems:
        return table, ids, files, []
    if not data.skip_unreadable:
        files.require_readable(table, root)
    bad = {row for row, _ in files.problems}
    kept = np.array([row for row in range(len(table)) if row not in bad], dtype=np.int64)
    if not len(kept):
        msg = f"{table.path}: not one row is left: no image of any can be read (root: {root})"
        raise TableError(msg)
    excluded = [Exclusion("image cannot be read", [ids[row] for row in sorted(bad)])]
    return table.take(kept), [ids[row] for row in kept], files.take(kept), excluded
