"""Attention supervision: losses on where a model looks, one module for each kind."""

from __future__ import annotations

from typing import Any

from medfusion.errors import InputError
from medfusion.registry import create
from medfusion.spec import Experiment, MaskSupervision
from medfusion.spec.mask import MaskFiles
from medfusion.spec.supervision import supervised_views
from medfusion.training.supervision import consistency, erasing, mask
from medfusion.training.supervision.contract import SupervisionTerm, weight_at
from medfusion.training.tasks import Task

FAMILIES = (consistency, erasing, mask)
"""The modules whose import fills the registry."""

__all__ = ["SupervisionTerm", "supervision_terms", "weight_at"]


def supervision_terms(experiment: Experiment, model: Any, task: Task) -> list[SupervisionTerm]:
    """Return the terms that an experiment asks for, and let the model hand out what they need.

    Their names are "supervision/<kind>", with a number from the second of a kind on.

    Args:
        experiment: Asks for them in `training.supervision`.
        model: A `MultimodalModel`.
        task: The task.

    Raises:
        InputError: The image encoder has no maps, maps of a single position, or such as cannot be
            differentiated.
    """
    asked, data = experiment.training.supervision, experiment.data
    if not asked or not data.images:
        return []
    attention = any(getattr(one, "map", "cam") == "attention" for one in asked)
    model.keep_evidence(attention=attention)
    if experiment.training.gradient_checkpointing and model.image.map_source.name:
        msg = (
            f"training.supervision: the maps of {model.image.name} are taken inside it, which "
            "training.gradient_checkpointing does not keep: set it to false"
        )
        raise InputError(msg)
    terms: list[SupervisionTerm] = []
    kinds: dict[str, int] = {}
    for one in asked:
        kinds[one.kind] = number = kinds.get(one.kind, 0) + 1
        name = f"supervision/{one.kind}" + (f"-{number}" if number > 1 else "")
        views = supervised_views(one, data)
        _require_positions(model.image, experiment, views)
        needs: dict[str, Any] = {"task": task, "views": views, "name": name}
        if isinstance(one, MaskSupervision):
            masks = {view: data.images[view].mask for view in views}
            needs["regions"] = {view: _labels(one, files) for view, files in masks.items() if files}
        terms.append(create(one, **needs))
    return terms


def _require_positions(encoder: Any, experiment: Experiment, views: tuple[str, ...]) -> None:
    """Refuse maps of a single position: there is nowhere else to look."""
    for view in views:
        size = experiment.data.images[view].size
        if encoder.map_source.grids[size] == (1, 1):
            msg = (
                f"training.supervision: {encoder.name} makes a map of a single position of {view} "
                f"({size[0]} x {size[1]} pixels): enlarge data.images.{view}.size, or choose an "
                "encoder with a finer map"
            )
            raise InputError(msg)


def _labels(settings: MaskSupervision, files: MaskFiles) -> tuple[int, ...]:
    """Return the labels of the regions to be looked at."""
    classes = files.classes
    return tuple(classes.index(name) for name in settings.regions or classes[1:])
