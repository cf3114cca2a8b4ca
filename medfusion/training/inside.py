"""What goes on inside a model while it is judged: gates, attention weights, load of experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

LOW, HIGH = 0.1, 0.9
"""Quantiles over the rows that are recorded beside the mean."""
MOST = 40
"""Series that are recorded at most; the first of them."""


class Inside:
    """Folds what a model gives beside its outputs into means and quantiles over rows.

    Args:
        modalities: Names of the modalities, in the model's order.
        views: Names of the views.

    Example:
        >>> inside = Inside(["image", "table"], [])
        >>> inside.add({"weights": torch.tensor([[0.25, 0.75], [0.75, 0.25]])})
        >>> inside.summary()["weights/image"]["mean"]
        0.5
    """

    def __init__(self, modalities: Sequence[str], views: Sequence[str]) -> None:
        self._modalities, self._views = list(modalities), list(views)
        self._rows: dict[str, list[Tensor]] = {}

    @classmethod
    def of(cls, model: Any) -> Inside:
        """Make an empty one for a model."""
        return cls(getattr(model, "modalities", ()), getattr(model, "views", ()))

    def add(self, aux: Mapping[str, Tensor]) -> None:
        """Take what the model gave for a batch; the first axis of each tensor is rows."""
        for key, value in aux.items():
            if value.ndim == 0 or not value.is_floating_point():
                continue
            found = value.detach().float()
            if key.startswith("instances/") and key.endswith("/weights"):
                self._keep(f"{key}/largest", found.flatten(1).amax(dim=1))
                continue
            names = self._names(key, found)
            if names is None:
                self._keep(key, found.flatten(1).mean(dim=1) if found.ndim > 1 else found)
                continue
            for place, name in enumerate(names):
                own = found[:, place]
                self._keep(f"{key}/{name}", own.flatten(1).mean(dim=1) if own.ndim > 1 else own)

    def summary(self) -> dict[str, dict[str, float]]:
        """Return mean, low and high of each series over all rows, and forget the rows."""
        found = {}
        for name, parts in list(self._rows.items())[:MOST]:
            rows = torch.cat(parts)
            rows = rows[torch.isfinite(rows)]
            if len(rows) == 0:
                continue
            low, high = _quantiles(rows)
            found[name] = {
                which: round(float(value), 6)
                for which, value in (("mean", rows.mean()), ("low", low), ("high", high))
            }
        self._rows = {}
        return found

    def _keep(self, name: str, rows: Tensor) -> None:
        self._rows.setdefault(name, []).append(rows.cpu())

    def _names(self, key: str, value: Tensor) -> list[str] | None:
        """Return names of the second axis, where it has a meaning of its own."""
        width = value.shape[1] if value.ndim > 1 else 0
        if key in ("weights", "gates") and width == len(self._modalities):
            return self._modalities
        if key == "weights" and width == len(self._modalities) + 1:
            return [*self._modalities, "prior"]
        if key in ("load", "router"):
            return [f"expert {number + 1}" for number in range(width)]
        if key == "views/weights" and width == len(self._views):
            return self._views
        return None


def _quantiles(rows: Tensor) -> tuple[Tensor, Tensor]:
    ordered = rows.sort().values
    last = len(ordered) - 1
    return ordered[round(LOW * last)], ordered[round(HIGH * last)]


def gradient_norms(model: Any, scale: float = 1.0) -> dict[str, float]:
    """Return the norm of the gradient of each part of a model that has one, before clipping.

    Args:
        model: The model; its children are the parts.
        scale: What the loss was multiplied by, in mixed precision.

    Example:
        >>> layer = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
        >>> layer(torch.tensor([[3.0, 4.0]])).sum().backward()
        >>> gradient_norms(layer)
        {'0': 5.0}
    """
    found = {}
    for name, part in model.named_children():
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        if gradients:
            norms = torch.stack([torch.linalg.vector_norm(g.float()) for g in gradients])
            value = float(torch.linalg.vector_norm(norms)) / scale
            if value == value and abs(value) != float("inf"):  # noqa: PLR0124 - NaN is no JSON
                found[name] = round(value, 8)
    return found
