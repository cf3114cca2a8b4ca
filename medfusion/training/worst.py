"""Writes down which validation cases the best epoch so far is most wrong about."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from medfusion.data import Cohort
from medfusion.evaluation.mistakes import most_wrong
from medfusion.runs import atomic
from medfusion.runs import folder as files
from medfusion.training.callbacks import Callback, EpochReport

KINDS = frozenset({"binary", "multiclass", "ordinal", "multilabel", "regression"})


class WorstCases(Callback):
    """Keeps mistakes.json beside the weights of the best epoch.

    Args:
        folder: The run folder.
        cohort: Names the cases.
    """

    def __init__(self, folder: Path, cohort: Cohort) -> None:
        self._path = folder / files.MISTAKES
        self._cohort = cohort

    def on_epoch_end(self, engine: Any, report: EpochReport) -> None:
        """Write the worst cases of a new best epoch."""
        task = engine.task
        if not report.best or engine.judged is None or task.kind not in KINDS:
            return
        logits, target = engine.judged
        rows = engine.val_loader.rows
        cases = []
        predictions = task.predictions(logits)
        for part in task.judged(target.numpy(), predictions):
            own = rows[part.rows]
            found = most_wrong(
                part.task.kind,
                part.task.classes,
                [self._cohort.ids[row] for row in own],
                ["val"] * len(own),
                part.target,
                part.predictions,
                task=part.prefix.rstrip("/"),
            )
            number = part.task.kind == "regression"
            cases += [dataclasses.asdict(one) | {"number": number} for one in found]
        atomic.write_json(self._path, {"epoch": report.epoch, "cases": cases})
