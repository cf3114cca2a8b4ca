"""The cases that a run is most wrong about, with small pictures, for the page."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from medfusion.errors import InputError, MedFusionError
from medfusion.runs import RunFolder
from medfusion.runs.folder import MISTAKES, PREDICTIONS
from medfusion.spec import MultitaskTarget
from medfusion.spec.target import of_task
from medfusion.widgets.panel import answers

SIDE = 96
"""Pixels of the longer side of a small picture."""
SPLITS = ("val", "test")
"""Splits of a finished run that are looked at: of training rows every model is right."""


class WrongCases:
    """Answers which cases the runs of a panel are most wrong about.

    A finished run's are read from its predictions, those of a run at work from the validation of
    its best epoch so far. Nothing of it imports torch.

    Args:
        runs: The panel's runs.
    """

    def __init__(self, runs: Sequence[RunFolder]) -> None:
        self._runs = runs
        self._known: dict[int, tuple[tuple[str, int], dict[str, Any], list[bytes]]] = {}
        self._paths: dict[int, dict[str, str]] = {}

    @answers
    def wrong_cases(self, run: int) -> tuple[dict[str, Any], list[bytes]]:
        """Return the cases, the worst first, and a picture (PNG) of each that has one.

        Args:
            run: Which of the panel's runs.

        Raises:
            InputError: There is no such run, or its files are damaged.
        """
        if type(run) is not int or not 0 <= run < len(self._runs):
            msg = f"this panel has no run {run!r}"
            raise InputError(msg)
        folder = self._runs[run]
        stamp = _stamp(folder)
        known = self._known.get(run)
        if known is None or known[0] != stamp:
            found = _of_finished(folder) if stamp[0] == PREDICTIONS else _of_best_epoch(folder)
            pictures = self._add_pictures(run, found["cases"])
            known = self._known[run] = (stamp, found, pictures)
        return known[1], known[2]

    def _add_pictures(self, run: int, cases: list[dict[str, Any]]) -> list[bytes]:
        """Give each case that has a picture the place of its buffer; return the buffers."""
        try:
            paths = self._image_paths(run) if cases else {}
        except (MedFusionError, OSError) as error:
            # The table may have moved since: the cases are there all the same.
            for case in cases:
                case["note"] = str(error)[:200]
            return []
        buffers: list[bytes] = []
        for case in cases:
            path = paths.get(case["id"])
            if path is None:
                continue
            try:
                picture = small_picture(path)
            except (MedFusionError, OSError) as error:
                case["note"] = str(error)[:200]
            else:
                case["picture"] = len(buffers)
                buffers.append(picture)
        return buffers

    def _image_paths(self, run: int) -> dict[str, str]:
        """Return the file of the first view by id; of views of several images there are none."""
        if run not in self._paths:
            from medfusion.data import read_table
            from medfusion.data.paths import resolve

            experiment = self._runs[run].experiment
            data = experiment.data
            views = [view for view in data.images.values() if view.instances is None]
            if not views:
                self._paths[run] = {}
                return {}
            table = read_table(experiment.folder / data.table)
            root = table.path.parent if data.root is None else experiment.folder / data.root
            column = views[0].column
            found = resolve(table.text(column), root, column, table.where)
            ids = table.text(data.id)
            self._paths[run] = {
                name: path for name, path in zip(ids, found, strict=True) if name and path
            }
        return self._paths[run]


def small_picture(path: str) -> bytes:
    """Return an image file as a small PNG.

    Args:
        path: The file.

    Raises:
        ImageReadError: It cannot be read.
    """
    import numpy as np

    from medfusion.data import png, read_image

    pixels = read_image(path)
    if pixels.dtype != np.uint8:
        whole = pixels.astype(np.float64)
        span = max(1.0, float(whole.max() - whole.min()))
        pixels = ((whole - whole.min()) / span * 255).astype(np.uint8)
    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / SIDE)
    # Means of blocks: nothing is left out of a large picture.
    lines = np.linspace(0, height, max(1, round(height / scale)) + 1).astype(np.int64)
    across = np.linspace(0, width, max(1, round(width / scale)) + 1).astype(np.int64)
    sums = np.add.reduceat(pixels.astype(np.uint32), lines[:-1], axis=0)
    sums = np.add.reduceat(sums, across[:-1], axis=1)
    counts = np.diff(lines)[:, None, None] * np.diff(across)[None, :, None]
    small = (sums // counts).astype(np.uint8)
    return png.encode(small[..., 0] if small.shape[2] == 1 else small, 6)


def _stamp(folder: RunFolder) -> tuple[str, int]:
    for name in (PREDICTIONS, MISTAKES):
        path = folder.path / name
        if path.is_file():
            return name, path.stat().st_mtime_ns
    return "", 0


def _of_best_epoch(folder: RunFolder) -> dict[str, Any]:
    path = folder.path / MISTAKES
    if not path.is_file():
        return {"epoch": None, "cases": []}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cases = [_checked(case) for case in document["cases"]]
        return {"epoch": int(document["epoch"]), "cases": cases}
    except (ValueError, KeyError, TypeError, OSError) as error:
        msg = f"{path}: damaged ({error})"
        raise InputError(msg) from None


def _checked(case: dict[str, Any]) -> dict[str, Any]:
    texts = {name: str(case[name]) for name in ("id", "split", "truth", "said", "task")}
    return {**texts, "wrong": float(case["wrong"]), "number": bool(case.get("number", False))}


def _of_finished(folder: RunFolder) -> dict[str, Any]:
    from medfusion.evaluation.layout import layout_of
    from medfusion.evaluation.mistakes import most_wrong

    target = folder.experiment.data.target
    path = folder.path / PREDICTIONS
    tasks = target.tasks if isinstance(target, MultitaskTarget) else {"": target}
    cases: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if row["split"] in SPLITS]
            header = list(reader.fieldnames or ())
        for task, own in tasks.items():
            start = f"{task}/" if task else ""
            names = list(of_task(header, task)) if task else header
            mine = [{name: row[f"{start}{name}"] for name in names if name} for row in rows]
            form = layout_of(own)
            classes = form.classes(names)
            known = [
                place
                for place, row in enumerate(mine)
                if any(row[name] for name in form.targets(classes))
            ]
            mine = [mine[place] for place in known]
            found = most_wrong(
                own.kind,
                classes,
                [rows[place]["id"] for place in known],
                [rows[place]["split"] for place in known],
                form.read(mine, classes),
                form.predictions(mine, names),
                task=task,
            )
            number = own.kind == "regression"
            cases += [dataclasses.asdict(one) | {"number": number} for one in found]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, IndexError) as error:
        msg = f"{path}: damaged ({error})"
        raise InputError(msg) from None
    return {"epoch": None, "cases": cases}
