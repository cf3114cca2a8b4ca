"""The map of a turned image is the turned map."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from medfusion import spec
from medfusion.data.batch import Batch
from medfusion.models import ModelOutput
from medfusion.models.backbones.freezing import still_statistics
from medfusion.registry import register
from medfusion.training.objective import forward
from medfusion.training.supervision.contract import SupervisionTerm, evidence_of, mean_over


class Turn(NamedTuple):
    """A change of place that images and maps can both undergo.

    Attributes:
        quarters: Right angles to turn by, counterclockwise.
        flip: Whether to mirror left and right, after that.
        zoom: What to enlarge by, 1 or more, after that.
        place: Where the part lies that is enlarged, down and across, each in 0..1.
    """

    quarters: int
    flip: bool
    zoom: float = 1.0
    place: tuple[float, float] = (0.5, 0.5)

    def __call__(self, images: Tensor) -> Tensor:
        """Return images, or maps, [..., H, W] after the change.

        Example:
            >>> Turn(1, flip=False)(torch.tensor([[[1, 2], [3, 4]]])).tolist()
            [[[2, 4], [1, 3]]]
        """
        turned = torch.rot90(images, self.quarters, dims=(-2, -1))
        if self.flip:
            turned = turned.flip(-1)
        if self.zoom == 1:
            return turned
        flat = turned.reshape(1, -1, *turned.shape[-2:])
        free = 1 - 1 / self.zoom
        down, across = (free * (2 * place - 1) for place in self.place)
        theta = flat.new_tensor([[1 / self.zoom, 0, across], [0, 1 / self.zoom, down]])[None]
        grid = functional.affine_grid(theta, list(flat.shape), align_corners=False)
        part = functional.grid_sample(
            flat, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return part.reshape(turned.shape)


def draw_turn(settings: spec.ConsistencySupervision, *, square: bool) -> Turn:
    """Draw a change that is none of nothing, from torch's global generator on the processor.

    Args:
        settings: What may be drawn.
        square: Whether all images are; otherwise only half turns keep their shape.
    """
    quarters = (0, 1, 2, 3) if square else (0, 2)
    turns = [
        Turn(q, flip)
        for q in (quarters if settings.rotate else (0,))
        for flip in ((False, True) if settings.flip else (False,))
    ]
    if settings.flip and not settings.rotate:
        turns.append(Turn(2, flip=True))  # upside down
    if settings.scale == 0:
        turns = turns[1:]  # the first changes nothing
    chosen = turns[int(torch.randint(len(turns), ()))]
    if settings.scale == 0:
        return chosen
    zoom, down, across = torch.rand(3).tolist()
    return chosen._replace(zoom=1 + settings.scale * zoom, place=(down, across))


@register(spec.ConsistencySupervision)
class ConsistencyTerm(SupervisionTerm):
    """Equivariant maps (SEAM, Wang et al. 2020, https://arxiv.org/abs/2004.04581).

    A change g is drawn for the batch: one of the eight ways to lay a square image down, and a part
    of it enlarged where `scale` allows. With A(x) the map of the image x divided by its largest
    absolute value,

        loss = mean |g(A(x)) - A(g(x))| + outputs * mean (chance(x) - chance(g(x)))^2

    where both maps are of the same score, with their signs, and both learn. The second part is that
    of Laine and Aila 2017 (https://arxiv.org/abs/1610.02242), on probabilities, or on outputs as
    they are where the target has no classes. Batch norms norm the turned images by themselves and
    do not learn from them.
    """

    def measure(self, model: Any, batch: Batch, output: ModelOutput) -> Tensor:
        """Return the mean loss over the images that count; see `SupervisionTerm.measure`."""
        evidence = evidence_of(output)
        sizes = [batch.images[name].shape[-2:] for name in self.views]
        turn = draw_turn(self.settings, square=all(height == width for height, width in sizes))
        turned = {name: turn(batch.images[name]) for name in self.views}
        with still_statistics(model):
            other = forward(model, dataclasses.replace(batch, images={**batch.images, **turned}))
        again = evidence_of(other)
        own, others = self.maps(evidence, batch), self.maps(again, batch)
        losses, counts = [], []
        for name in self.views:
            first, some = _scaled(turn(own[name]))
            second, any_ = _scaled(others[name])
            losses.append((first - second).abs().mean(dim=(1, 2)))
            counts.append(some & any_ & evidence.shown[name] & again.shown[name])
        loss = mean_over(torch.cat(losses), torch.cat(counts))
        if self.settings.outputs:
            both = torch.stack(
                [evidence.shown[name] & again.shown[name] for name in self.views], dim=1
            ).any(dim=1)
            chances = [self.task.chances(one.logits.float()) for one in (output, other)]
            apart = (chances[0] - chances[1]).square().mean(dim=1)
            loss = loss + self.settings.outputs * mean_over(apart, both)
        return loss


def _scaled(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return maps divided by their largest absolute value, and which have one."""
    most = maps.abs().amax(dim=(1, 2))
    return maps / torch.where(most > 0, most, 1.0)[:, None, None], most > 0
