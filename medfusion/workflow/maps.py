"""Where a model looks: class-activation maps of some cases, as images in a folder."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data import Cohort, Loader, png
from medfusion.runs import RunFolder, atomic
from medfusion.training.prediction import saved_split, trained_model

MOST = 8
"""Cases that are shown."""

_SPAN = 0.999


def write_maps(run: RunFolder, folder: Path, most: int = MOST) -> list[dict[str, Any]]:
    """Write the images and the maps over them of cases of the test split, half of each outcome.

    The map is the Grad-CAM of the score of what truly holds
    (`medfusion.models.activation.class_activation`). Files are numbered: no name of a patient
    becomes the name of a file.

    Args:
        run: A trained run.
        folder: Where the PNG files go; there is maps.json beside them.
        most: Cases at most.

    Returns:
        For each image id, view and file; empty where there is nothing to show.
    """
    from torch.nn import functional

    from medfusion.models.activation import class_activation

    model, preprocessing, task = trained_model(run)
    experiment = run.experiment
    shown = [name for name, view in experiment.data.images.items() if view.instances is None]
    if not shown or task.kind == "segmentation":
        return []
    cohort = Cohort.load(experiment, split=saved_split(run), preprocessing=preprocessing)
    rows = _chosen(cohort, most)
    loader = Loader(cohort, rows, batch_size=len(rows), shuffle=False, seed=0, augment=False)
    written: list[dict[str, Any]] = []
    with atomic.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for batch in loader.epoch(0):
        inputs = {
            "images": batch.images,
            "image_present": batch.image_present,
            "numeric": batch.numeric,
            "numeric_present": batch.numeric_present,
            "categorical": batch.categorical,
            "instance_present": batch.instance_present,
        }
        target = batch.target
        if target is None:
            continue
        found = class_activation(model, inputs, functools.partial(task.score, target=target))
        for place, row in enumerate(batch.row):
            for view in shown:
                present = batch.image_present[place, list(experiment.data.images).index(view)]
                if view not in found or not bool(present):
                    continue
                image = batch.images[view][place]
                heat = functional.interpolate(
                    found[view][place][None, None].float(),
                    size=image.shape[1:],
                    mode="bilinear",
                    align_corners=False,
                )[0, 0]
                name = f"{len(written) + 1:02d}-{view}.png"
                picture = _beside(image.numpy(), heat.numpy())
                atomic.write_bytes(folder / name, png.encode(picture, level=6))
                written.append({"id": cohort.ids[int(row)], "view": view, "file": name})
    atomic.write_json(folder / "maps.json", {"maps": written})
    return written


def _chosen(cohort: Cohort, most: int) -> NDArray[np.int64]:
    """Return rows of the test split, spread over the values of the target."""
    rows = cohort.rows("test")
    if cohort.target.ndim == 1:
        rows = rows[np.argsort(cohort.target[rows], kind="stable")]
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return np.sort(rows[np.unique(places)])


def _beside(image: NDArray[np.float32], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the image, and beside it the same with its map laid over it, [H, 2 W, 3]."""
    low, high = np.quantile(image, [1 - _SPAN, _SPAN])
    plain = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    plain = np.repeat(plain, 3, axis=0) if len(plain) == 1 else plain[:3]
    plain = plain.transpose(1, 2, 0)
    strength = (heat / max(float(heat.max()), 1e-12))[..., None]
    colour = np.concatenate([np.ones_like(strength), 1 - strength / 2, 1 - strength], axis=2)
    over = plain * (1 - 0.6 * strength) + colour * 0.6 * strength
    joined = np.concatenate([plain, over], axis=1)
    return (joined * 255).round().astype(np.uint8)
