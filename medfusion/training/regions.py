"""Predicted masks of a trained run: judged, saved as files, and drawn for the report."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medfusion.data import Cases, Cohort, png
from medfusion.data.batch import Batch
from medfusion.data.masks import IGNORE, MaskSamples, image_size
from medfusion.data.outlines import colours_of, draw_outlines
from medfusion.evaluation.pixels import mean_dice, scores_of
from medfusion.evaluation.sample import check
from medfusion.evaluation.surface import hausdorff95
from medfusion.runs import atomic
from medfusion.training.objective import target_of
from medfusion.training.tasks import Task

EXAMPLES = "examples"
"""Folder in a run with the pictures that its report shows."""

FACTS = "examples.json"
"""File in it that says what they show."""

_LONGEST = 120
_EACH = 3

Outputs = Iterator[tuple[Batch, Tensor]]
"""Batches with the logits of their pixels, [B, K, H, W]."""


def judge(task: Task, outputs: Outputs, spacing: np.ndarray | None) -> np.ndarray:
    """Return the scores of each row, [n, 3 (K - 1)]; see `medfusion.evaluation.pixels`.

    Images are counted batch by batch and let go; none of them stays in memory.

    Args:
        task: The task.
        outputs: Rows with a reference.
        spacing: Height and width of a pixel in mm, [n, 2] by row; None measures in pixels.
    """
    found = []
    for batch, logits in outputs:
        target = target_of(batch)
        kept, _ = task.keep(logits, target)
        scores = task.predictions(kept)
        labels, truth = logits.argmax(dim=1).cpu().numpy(), target.cpu().numpy()
        for place, row in enumerate(batch.row.tolist()):
            pixel = None if spacing is None else tuple(spacing[row].tolist())
            known = truth[place] != IGNORE
            scores[place, 2::3] = [
                hausdorff95((labels[place] == k) & known, truth[place] == k, pixel)
                for k in range(1, len(task.classes))
            ]
        found.append(scores)
    return np.concatenate(found)


def areas(task: Task, outputs: Outputs, view: int) -> np.ndarray:
    """Return the predicted pixels of each class but the first, [n, K - 1]; NaN without an image.

    Args:
        task: The task.
        outputs: What the model gives.
        view: Place of the segmented view.
    """
    found = []
    for batch, logits in outputs:
        labels = logits.argmax(dim=1)
        counts = [(labels == k).sum(dim=(1, 2)) for k in range(1, len(task.classes))]
        there = batch.image_present[:, view, None].to(labels.device)
        found.append(torch.where(there, torch.stack(counts, dim=1).double(), torch.nan).cpu())
    return torch.cat(found).numpy()


def save_masks(task: Task, outputs: Outputs, cases: Cases, folder: Path) -> Outputs:
    """Write the mask of each image as `file_name(id)` while outputs pass, and hand them on.

    The values are class indices, shown in colours by a palette. A mask has the size of its image
    file, from logits enlarged bilinearly; where the view's transforms change the grid, the view's.

    Args:
        task: The task.
        outputs: What the model gives.
        cases: The rows.
        folder: Where to write; made if need be.

    Raises:
        StorageError: The folder cannot be written to.
    """
    view = cases.spec.segmented or ""
    masks = cases.spec.target.masks  # type: ignore[union-attr]
    moves = MaskSamples(masks, cases.spec.images[view]).moves
    with atomic.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    palette = colours_of(len(task.classes))
    for batch, logits in outputs:
        for place, row in enumerate(batch.row.tolist()):
            path = cases.image_paths[view][row]
            if path is None:
                continue
            large = logits[place : place + 1]
            if not moves:
                size = image_size(path)
                large = functional.interpolate(large, size=size, mode="bilinear")
            labels = large[0].argmax(dim=0).to("cpu", torch.uint8).numpy()
            content = png.encode(labels, 6, palette)
            atomic.write_bytes(folder / file_name(cases.ids[row]), content)
        yield batch, logits


def file_name(case: str) -> str:
    """Return the name of a case's mask file; no two ids have the same, and none leads elsewhere.

    >>> file_name("P1"), file_name("a/b c")
    ('P1.png', 'a%2Fb%20c.png')
    """
    name = quote(case, safe="")
    if len(name) > _LONGEST or name.startswith("."):
        name = name.lstrip(".")[:_LONGEST] + "-" + hashlib.sha256(case.encode()).hexdigest()[:16]
    return f"{name}.png"


def dice_cells(task: Task, target: np.ndarray, scores: np.ndarray) -> dict[str, list[str]]:
    """Return the columns `dice_<class>` of predictions.csv, empty where a class is rightly absent.

    Args:
        task: Names the classes.
        target: Pixels of each class in the reference, [n, K].
        scores: What `judge` returned.
    """
    dice = scores_of(check("segmentation", target, scores, task.classes))["dice"]
    return {
        f"dice_{name}": [repr(value) if np.isfinite(value) else "" for value in column]
        for name, column in zip(task.classes[1:], dice.T.tolist(), strict=True)
    }


def choose_examples(
    task: Task, cohort: Cohort, scores: np.ndarray
) -> tuple[list[tuple[str, int]], np.ndarray]:
    """Return rows of the test split (of val where it is empty) with what they are, and all Dice.

    They are the best, the middle and the worst by the mean Dice over the classes, at most three of
    each.

    Args:
        task: Names the classes.
        cohort: The rows.
        scores: What `judge` returned.
    """
    dice = mean_dice(check("segmentation", cohort.target, scores, task.classes))
    rows = next((rows for split in ("test", "val") if len(rows := cohort.rows(split))), None)
    if rows is None:
        return [], dice
    order = rows[np.argsort(-dice[rows], kind="stable")]
    order = order[np.isfinite(dice[order])].tolist()
    each = min(_EACH, len(order) // 3)
    if each == 0:
        return [("worst", row) for row in order], dice
    middle = (len(order) - each) // 2
    parts = {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}
    return [(what, row) for what, part in parts.items() for row in part], dice


def write_examples(
    folder: Path,
    cohort: Cohort,
    outputs: Outputs,
    chosen: Sequence[tuple[str, int]],
    dice: np.ndarray,
) -> None:
    """Write pictures of rows with the outlines of reference and prediction, and what they show.

    Args:
        folder: The run's folder.
        cohort: The rows.
        outputs: What the model gives for the chosen rows, in their order.
        chosen: What each is, and its row.
        dice: Of each row of the cohort.

    Raises:
        StorageError: The folder cannot be written to.
    """
    place = folder / EXAMPLES
    with atomic.storage_errors(place):
        shutil.rmtree(place, ignore_errors=True)
        if chosen:
            place.mkdir()
    if not chosen:
        return
    view = cohort.spec.segmented or ""
    mean, std = (
        np.array(found[view], dtype=np.float32)[:, None, None]
        for found in (cohort.preprocessing.image_means, cohort.preprocessing.image_stds)
    )
    facts: list[dict[str, Any]] = []
    pairs = ((batch, logits, k) for batch, logits in outputs for k in range(len(batch)))
    for number, ((batch, logits, k), (what, row)) in enumerate(zip(pairs, chosen, strict=True)):
        picture = draw_outlines(
            batch.images[view][k].cpu().numpy() * std + mean,
            target_of(batch)[k].to("cpu", torch.uint8).numpy(),
            logits[k].argmax(dim=0).to("cpu", torch.uint8).numpy(),
        )
        name = f"{number + 1}.png"
        content = png.encode(picture, 6)
        atomic.write_bytes(place / name, content)
        split = str(cohort.split[row])
        facts.append(
            {"file": name, "id": cohort.ids[row], "split": split, "what": what}
            | {"dice": float(dice[row])}
        )
    atomic.write_json(place / FACTS, facts)
