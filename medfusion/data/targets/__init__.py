"""Targets: the column or columns that are to be predicted, one module for each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from medfusion.data.table import Table
from medfusion.data.targets import classes, labels, number, survival, tasks
from medfusion.data.targets.contract import Target
from medfusion.data.targets.outcome import Outcome, outcomes
from medfusion.data.targets.pixels import PixelTarget
from medfusion.spec.target import SegmentationTarget, TargetSpec

READERS: dict[str, Callable[..., Target]] = {
    "binary": classes.read,
    "multiclass": classes.read,
    "multilabel": labels.read,
    "ordinal": classes.read,
    "regression": number.read,
    "survival": survival.read,
    "multitask": lambda table, spec, ids: tasks.read(table, spec, ids, read_target),
}
"""Who reads a target of each kind from the table; a segmentation's stands in the mask files."""

__all__ = ["READERS", "Outcome", "Target", "outcomes", "read_target"]


def read_target(
    table: Table,
    spec: TargetSpec,
    ids: Sequence[str],
    pixels: NDArray[np.int64] | None = None,
) -> Target:
    """Read the target and check it.

    Args:
        table: The table.
        spec: What is to be predicted.
        ids: One per row, for messages.
        pixels: Pixels of each class in the masks of a segmentation, int64 [n, K].

    Raises:
        TableError: Missing values (with their ids), or values that do not fit the kind.
    """
    if isinstance(spec, SegmentationTarget) and pixels is not None:
        return PixelTarget(spec, pixels)
    return READERS[spec.kind](table, spec, ids)
