"""Class-activation maps: where in its images a model finds what speaks for its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from medfusion.models.features import place


class ShownImages:
    """Features of the images of one size that were shown, inside the graph of a forward pass.

    Args:
        source: The encoder's features that maps are made of, in its own layout, [n, ...].
        shown: Which images they are of, bool [B, G], n in all, row after row.
        views: Names of the G views.
        to_map: Turns the features, or their gradient, into maps [n, c, h, w].
    """

    __slots__ = ("shown", "source", "to_map", "views")

    def __init__(
        self,
        source: Tensor,
        shown: Tensor,
        views: Sequence[str],
        to_map: Callable[[Tensor], Tensor],
    ) -> None:
        self.source, self.shown, self.views, self.to_map = source, shown, tuple(views), to_map

    def placed(self, maps: Tensor) -> dict[str, Tensor]:
        """Return maps [n, h, w] by view, [B, h, w], zero in rows that do not show it."""
        return dict(zip(self.views, place(maps, self.shown).unbind(dim=1), strict=True))


class Evidence:
    """What maps of a forward pass are worked out from; a model gives it where it is asked to.

    It is no tuple and no tensor, so that nothing that converts or hooks a model's outputs, such as
    mixed precision does, touches what is in it.

    Args:
        logits: The model's output, [B, outputs].
        images: The images that were shown, by size; empty where no row showed one.
        attention: How much a fusion attends to each token of the images, [B, T]; None unless asked
            for.
        grids: Height and width of class-activation maps by view, without views with instances.
        tokens: Height and width of each view's tokens, in their order; of one with instances their
            number.

    Attributes:
        shown: Which rows showed a view, bool [B] by view; views with instances are left out.
    """

    __slots__ = ("attention", "grids", "images", "logits", "shown", "tokens")

    def __init__(
        self,
        logits: Tensor,
        images: Sequence[ShownImages],
        *,
        shown: Mapping[str, Tensor],
        attention: Tensor | None = None,
        grids: Mapping[str, tuple[int, int]],
        tokens: Mapping[str, tuple[int, int] | int] = MappingProxyType({}),
    ) -> None:
        self.logits, self.images, self.attention = logits, tuple(images), attention
        self.shown, self.grids, self.tokens = dict(shown), dict(grids), dict(tokens)

    def activation(self, scores: Tensor, *, create_graph: bool = False) -> dict[str, Tensor]:
        """Return the Grad-CAM of each view before its negative part is cut off, float32 [B, h, w].

            L = sum_k a_k F_k,  a_k = mean over the positions of d score / d F_k

        Selvaraju et al. 2017, equations 1 and 2 (https://arxiv.org/abs/1610.02391); F is what
        `medfusion.models.backbones.map_source` finds. Where L is positive the image speaks for the
        score, where it is negative against it. Views that a row does not show have zeros.

        Args:
            scores: One number for each row, worked out from `logits`, [B].
            create_graph: Whether the maps are to be learnt from.
        """
        found = {
            name: self.logits.new_zeros(len(self.logits), *grid, dtype=torch.float32)
            for name, grid in self.grids.items()
        }
        if not self.images or not scores.requires_grad:
            return found
        gradients = torch.autograd.grad(
            scores.sum(),
            [shown.source for shown in self.images],
            create_graph=create_graph,
            retain_graph=True,
            allow_unused=True,
        )
        for shown, gradient in zip(self.images, gradients, strict=True):
            if gradient is None:
                continue
            weights = shown.to_map(gradient).float().mean(dim=(2, 3))
            # No product of matrices: autocast would make that of half precision.
            maps = (weights[..., None, None] * shown.to_map(shown.source).float()).sum(dim=1)
            found |= shown.placed(maps)
        return found

    def attended(self) -> dict[str, Tensor]:
        """Return how much the fusion attends to each position, by view, float32 [B, h, w].

        Raises:
            ValueError: The fusion was not asked, or does not attend to positions.
        """
        if self.attention is None:
            msg = "the fusion's attention was not kept"
            raise ValueError(msg)
        counts = [
            grid[0] * grid[1] if isinstance(grid, tuple) else grid for grid in self.tokens.values()
        ]
        parts = torch.split(self.attention.float(), counts, dim=1)
        return {
            name: part.reshape(len(part), *grid)
            for (name, grid), part in zip(self.tokens.items(), parts, strict=True)
            if isinstance(grid, tuple)
        }


def class_activation(
    model: Any, inputs: Mapping[str, Any], score: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return the Grad-CAM of each view: what speaks for a score, and how strongly.

    The model is in evaluation mode meanwhile; its gradients are not touched. See
    `Evidence.activation` for the formula; what is negative in it is zero here. Views with instances
    (slices, a bag) have no map.

    Args:
        model: A `MultimodalModel`.
        inputs: What its `forward` takes, by name.
        score: From logits [B, outputs] to one number for each row [B], such as the logit of a class.

    Returns:
        Maps by view, float32 [B, h, w] with the positions of `MapSource`, zero in rows without it.

    Example:
        >>> from pathlib import Path
        >>> from medfusion import spec
        >>> from medfusion.models import MultimodalModel
        >>> model = MultimodalModel(
        ...     spec.Model(), views={"photo": (3, 64, 64)}, numeric=0, categories=[], outputs=2,
        ...     folder=Path(),
        ... )
        >>> maps = class_activation(
        ...     model,
        ...     {
        ...         "images": {"photo": torch.zeros(4, 3, 64, 64)},
        ...         "image_present": torch.ones(4, 1).bool(),
        ...         "numeric": torch.zeros(4, 0),
        ...         "numeric_present": torch.zeros(4, 0).bool(),
        ...         "categorical": torch.zeros(4, 0).long(),
        ...     },
        ...     lambda logits: logits[:, 1],
        ... )
        >>> maps["photo"].shape
        torch.Size([4, 8, 8])
    """
    modes = [(module, module.training) for module in model.modules()]
    kept = model.keeps
    model.eval()
    model.keep_evidence()
    try:
        with torch.enable_grad():
            evidence = model(**inputs).evidence
            maps = evidence.activation(score(evidence.logits))
    finally:
        model.keep_evidence(*kept)
        for module, mode in modes:
            module.training = mode
    return {name: found.detach().relu() for name, found in maps.items()}
