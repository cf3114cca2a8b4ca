"""The images of a subject, through one encoder, to the features of one modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from medfusion.models.activation import ShownImages
from medfusion.models.backbones.map_source import twice_differentiable
from medfusion.models.backbones.pyramid import Pyramid
from medfusion.models.features import Features, all_shown, place


class Seen(NamedTuple):
    """What the images of a batch show.

    Attributes:
        features: Of the modality "image".
        aux: What panels plot: "views/..." of the aggregator, "instances/<view>/..." of views with
            instances, "attention/..." of attention blocks in the encoder.
        maps: Maps of the view whose pixels are classed, from fine to coarse; empty for other heads.
    """

    features: Features
    aux: dict[str, Tensor]
    maps: list[Tensor]


class ImageViews:
    """Runs one encoder on the images that are there, and joins the views of a subject.

    Views of one size go through the encoder together. Absent images are never run: they neither
    cost time nor enter the statistics of batch norms. The parts belong to the model.

    Args:
        encoder: The image encoder.
        aggregate: Makes one of the views.
        instances: Makes one view of slices or a bag; None where there are none.
        sizes: Height and width of each view, in the order of `present`.
        instance_views: Views that stand for several instances.
        segmented: The view whose maps the head needs, to class its pixels; None for other heads.
        pyramid: The encoder's maps; None for other heads.
    """

    def __init__(
        self,
        encoder: Any,
        aggregate: Any,
        instances: Any,
        *,
        sizes: Mapping[str, tuple[int, int]],
        instance_views: tuple[str, ...],
        segmented: str | None,
        pyramid: Pyramid | None,
    ) -> None:
        self.encoder, self.aggregate, self.instances = encoder, aggregate, instances
        self.sizes, self.names = dict(sizes), tuple(sizes)
        self.instance_views = instance_views
        self.segmented, self.pyramid = segmented, pyramid

    def there(self, present: Tensor, instances: Mapping[str, Tensor]) -> Tensor:
        """Return which views a row has, [B, V]: one without any instance is absent."""
        columns = [
            present[:, v] & instances[name].any(dim=1)
            if name in self.instance_views
            else present[:, v]
            for v, name in enumerate(self.names)
        ]
        return torch.stack(columns, dim=1)

    def __call__(
        self,
        images: Mapping[str, Tensor],
        present: Tensor,
        instances: Mapping[str, Tensor],
        traced: list[ShownImages] | None = None,
    ) -> Seen:
        """Encode.

        Args:
            images: By view, float [B, C, H, W], or [B, S, C, H, W] of views with instances.
            present: Which views are shown, bool [B, V].
            instances: Which instances a row has, bool [B, S], by view with instances.
            traced: Takes what class-activation maps of single images are made of, where wanted.
        """
        vectors: dict[str, Tensor] = {}
        tokens: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        gates: dict[str, dict[str, Tensor]] = {}
        aux: dict[str, Tensor] = {}
        maps: list[Tensor] = []
        for name in self.instance_views:
            masks[name] = instances[name] & present[:, self.names.index(name), None]
            found = self.instances(name, self.encoder, images[name], masks[name])
            vectors[name], tokens[name] = found.vector, found.tokens
            aux |= {f"instances/{name}/{key}": value for key, value in found.aux.items()}
        plain = [v for v, name in enumerate(self.names) if name not in self.instance_views]
        for size in dict.fromkeys(self.sizes[self.names[v]] for v in plain):
            members = [v for v in plain if self.sizes[self.names[v]] == size]
            shown = present[:, members]
            with self._keeping() as kept:
                vector, token, gate = self._encode(
                    [images[self.names[v]] for v in members], shown, members, traced
                )
            for k, v in enumerate(members):
                name = self.names[v]
                if self.pyramid is not None and name == self.segmented:
                    maps += self.pyramid.of_view(kept, token[:, k], shown, k)
                vectors[name], tokens[name] = vector[:, k], token[:, k]
                masks[name] = shown[:, k, None].expand(token.shape[0], token.shape[2])
                gates[name] = {key: value[:, k] for key, value in gate.items()}
        with nullcontext() if traced is None else twice_differentiable():
            every = torch.stack([vectors[name] for name in self.names], dim=1)
            whole = self.aggregate(every, present)
        features = Features(
            vector=whole.vector,
            tokens=torch.cat([tokens[name] for name in self.names], dim=1),
            mask=torch.cat([masks[name] for name in self.names], dim=1),
        )
        aux |= {f"views/{name}": value for name, value in whole.aux.items()}
        return Seen(features, aux | _side_by_side(gates), maps)

    def map_grids(self) -> dict[str, tuple[int, int]]:
        """Return height and width of the class-activation maps of each view of single images."""
        found = self.encoder.map_source.grids
        return {
            name: found[size]
            for name, size in self.sizes.items()
            if name not in self.instance_views
        }

    def token_grids(self, instances: Mapping[str, Tensor]) -> dict[str, tuple[int, int] | int]:
        """Return height and width of each view's tokens, of one with instances their number."""
        return {
            name: instances[name].shape[1]
            if name in self.instance_views
            else self.encoder.grid(self.sizes[name])
            for name in self.names
        }

    def _keeping(self) -> AbstractContextManager[dict[str, Tensor]]:
        return nullcontext({}) if self.pyramid is None else self.pyramid.keeping()

    def _encode(
        self,
        images: list[Tensor],
        shown: Tensor,
        members: Sequence[int],
        traced: list[ShownImages] | None,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return vectors [B, G, d], tokens [B, G, T, c] and gates [B, G, ...] of G views.

        All are zero where a view is not shown.
        """
        rows, count = shown.shape
        complete = all_shown(shown)
        if complete and count == 1:
            chosen = images[0]
        else:
            stacked = torch.stack(images, dim=1)
            chosen = stacked.flatten(0, 1) if complete else stacked[shown]
        if len(chosen) == 0:
            size = tuple(chosen.shape[2:])
            width, positions = self.encoder.width, self.encoder.positions(size)
            return (
                chosen.new_zeros(rows, count, width.vector),
                chosen.new_zeros(rows, count, positions, width.tokens),
                {
                    name: chosen.new_zeros(rows, count, *shape)
                    for name, shape in self.encoder.gate_shapes(size).items()
                },
            )
        encoded = self.encoder(chosen)
        if traced is not None and encoded.source is not None:
            size = (chosen.shape[2], chosen.shape[3])
            views = [self.names[v] for v in members]
            to_map = partial(self.encoder.to_map, size=size)
            traced.append(ShownImages(encoded.source, shown, views, to_map))
        tokens = encoded.map.flatten(2).transpose(1, 2)
        if complete:
            vector = encoded.vector.reshape(rows, count, -1)
            gates = {k: v.reshape(rows, count, *v.shape[1:]) for k, v in encoded.gates.items()}
            return vector, tokens.reshape(rows, count, *tokens.shape[1:]), gates
        gates = {name: place(gate, shown) for name, gate in encoded.gates.items()}
        return place(encoded.vector, shown), place(tokens, shown), gates


def _side_by_side(gates: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the gates of attention blocks over all views, [B, V, ...].

    Where views differ in size, so do their gates per place: then each view has its own.
    """
    aux: dict[str, Tensor] = {}
    for key in next(iter(gates.values()), {}):
        found = {name: of_view[key] for name, of_view in gates.items()}
        if len({gate.shape for gate in found.values()}) == 1:
            aux[f"attention/{key}"] = torch.stack(list(found.values()), dim=1)
        else:
            aux |= {f"attention/{key}/{name}": gate for name, gate in found.items()}
    return aux
