"""A whole model's shapes and costs, worked out on the meta device: no data, no weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medfusion import spec
from medfusion.models.backbones.metering import ROWS, RealKernels, Share, measure_parts
from medfusion.models.backbones.timm_encoder import ImageFeatures, TimmEncoder
from medfusion.models.multimodal import MultimodalModel

PARTS = {
    "image": "image",
    "attention": "image.attention",
    "instances": "instances",
    "views": "aggregate",
    "table": "table",
    "fusion": "fusion",
    "head": "head",
    "members": "members",
    "auxiliary": "auxiliary",
    "alignment": "align",
}
"""Parts of a model, by the module of `MultimodalModel` that each is."""

_CONTAINERS = ("attention", "auxiliary")
"""Parts that are not called themselves, only what they hold."""


@dataclass(frozen=True)
class Inputs:
    """What goes into a model, and how wide its answer is.

    Attributes:
        views: Channels, height and width by view.
        instances: Views of several images, and of how many.
        places: Those of them whose images have fixed places: the slices of a volume.
        edges: Edges of bins of each numeric column, for encoders that embed numbers by them.
        categories: Codes of each categorical column: 0 is missing, 1 unseen, then the known values.
        outputs: Outputs of the head.
        segmented: The view whose pixels are classed; None for other targets.
    """

    views: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    edges: Sequence[int] = ()
    categories: Sequence[int] = ()
    outputs: int = 1
    segmented: str | None = None


@dataclass(frozen=True)
class Part:
    """What a part of a model is and costs.

    Attributes:
        parameters: Number of weights.
        trained: Those of them that training changes.
        multiply_adds: For one subject, forwards: convolutions, matrix products, attention.
        shapes: What it gives for one subject, by name: "vector", "tokens", "map" and so on.
    """

    parameters: int
    trained: int
    multiply_adds: int
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Blueprint:
    """A model's parts and what the whole costs, for subjects that have all views and columns.

    Attributes:
        parts: Parts by name, see `PARTS`; those that the model has.
        parameters: Number of weights.
        trained: Those of them that training changes.
        multiply_adds: For one subject, forwards.
        fixed_bytes: Memory of training whatever the batch: weights, with gradients and moments of
            the optimizer where they are trained.
        subject_bytes: Memory of training for each subject of a batch: the inputs, and what is
            kept for the way back.
        image_bytes: The same for each image of `several`.
        several: Numbers of images of views that stand for several.
        at_once: The encoder takes at most so many of these at once.
        notes: What a person should know about the choice, in sentences.
    """

    parts: Mapping[str, Part]
    parameters: int
    trained: int
    multiply_adds: int
    fixed_bytes: int
    subject_bytes: int
    image_bytes: int
    several: tuple[int, ...]
    at_once: int
    notes: tuple[str, ...]

    def training_bytes(self, batch: int) -> int:
        """Return an estimate of the memory that training takes, in 32 bits.

        It is what tensors take; workspaces of kernels and the framework itself come on top. Of
        more images than the encoder takes at once, one part is kept at a time.

        Args:
            batch: Subjects at once.
        """
        images = [batch * count for count in self.several]
        small = sum(count for count in images if count <= self.at_once)
        parts = self.at_once if any(count > self.at_once for count in images) else 0
        return self.fixed_bytes + batch * self.subject_bytes + (small + parts) * self.image_bytes

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def blueprint(settings: spec.Model, inputs: Inputs, *, moments: int = 2) -> Blueprint:
    """Return what a model is made of and costs, without making or loading its weights.

    It is built and run forwards on torch's meta device, where tensors have shapes and no numbers.
    What was worked out of an image encoder is kept, so that a change of another part is answered
    faster.

    Args:
        settings: The model part of an experiment.
        inputs: What goes in and comes out.
        moments: Numbers that the optimizer keeps for each weight: 2 for AdamW.

    Raises:
        InputError: There is neither a view nor a column, or parts do not fit together.
        UnknownNameError: The image encoder's name is unknown.

    Example:
        >>> inputs = Inputs(views={"photo": (3, 64, 64)}, edges=[9, 9], categories=[4])
        >>> found = blueprint(spec.Model(), inputs)
        >>> found.parts["image"].shapes["map"], found.parts["fusion"].shapes["z"]
        ((512, 2, 2), (128,))
        >>> found.training_bytes(64) - found.training_bytes(32) == 32 * found.subject_bytes
        True
    """
    encoder: nn.Module | None = None
    alone: _Encoder | None = None
    if inputs.views:
        image = settings.image or spec.TimmEncoder()
        # Published weights are not looked for: what they weigh does not hang on their values.
        image = image.model_copy(update={"pretrained": False, "weights": None})
        channels = max(shape[0] for shape in inputs.views.values())
        sizes = tuple(dict.fromkeys((shape[1], shape[2]) for shape in inputs.views.values()))
        if inputs.segmented is None:
            alone = _encoder(image, channels, sizes)
            encoder = _Outline(alone.encoder)
        else:  # a decoder needs the encoder's own maps
            encoder = _made(image, channels, sizes)
    with torch.device("meta"), RealKernels():
        model = MultimodalModel(
            # All at once: that the encoder takes images in parts is a matter of memory alone.
            settings.model_copy(update={"instances_at_once": 1 << 40, "modality_dropout": 0.0}),
            views=inputs.views,
            numeric=len(inputs.edges),
            categories=inputs.categories,
            outputs=inputs.outputs,
            folder=Path(),
            instances={
                name: count if name in inputs.places else None
                for name, count in inputs.instances.items()
            },
            bins=[list(map(float, range(count))) for count in inputs.edges],
            segmented=inputs.segmented,
            encoder=encoder,
        )
        batch = _batch(inputs)
    _, shares, given = measure_parts(model, lambda: model(**batch), _called(model))
    parts = {
        name: _part(model.get_submodule(path), shares[name], given.get(name, []))
        for name, path in PARTS.items()
        if _is_there(model, path) and (name in given or name in _CONTAINERS)
    }
    whole = Share().plus(Share(0, sum(tensor.nbytes for tensor in _tensors(batch)) // ROWS))
    for share in shares.values():
        whole = whole.plus(share)
    image_bytes = 0
    if alone is not None:
        counts = _images(inputs, single=True) + _images(inputs, single=False)
        parts = alone.parts(counts) | {k: v for k, v in parts.items() if k != "image"}
        for size, share in alone.whole.items():
            # What views of several images keep hangs on how many the encoder takes at once.
            rows = share._replace(multiply_adds=0)
            whole = whole.plus(rows, _images(inputs, single=True)[size])
            if _images(inputs, single=False)[size]:
                image_bytes = max(image_bytes, share.row_bytes)
    parameters = sum(part.parameters for part in parts.values())
    trained = sum(part.trained for part in parts.values())
    return Blueprint(
        parts=parts,
        parameters=parameters,
        trained=trained,
        multiply_adds=sum(part.multiply_adds for part in parts.values()),
        fixed_bytes=4 * (parameters + (1 + moments) * trained) + whole.fixed_bytes,
        subject_bytes=whole.row_bytes,
        image_bytes=image_bytes,
        several=tuple(inputs.instances.values()),
        at_once=settings.instances_at_once,
        notes=tuple(getattr(encoder, "notes", ())),
    )


# The image encoder --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Encoder:
    """An image encoder with the cost of one image, by size."""

    encoder: TimmEncoder
    image: Mapping[tuple[int, int], Share]
    attention: Mapping[tuple[int, int], Share]

    @property
    def whole(self) -> dict[tuple[int, int], Share]:
        """Encoder and attention blocks together."""
        return {size: share.plus(self.attention[size]) for size, share in self.image.items()}

    def parts(self, images: Mapping[tuple[int, int], int]) -> dict[str, Part]:
        """Return the parts for subjects with so many images of each size."""
        encoder, size = self.encoder, next(iter(self.image))
        map_ = (encoder.width.tokens, *encoder.grid(size))
        attention = encoder.attention
        found = {"image": _part(encoder, _times(self.image, images), [])}
        shapes = {"vector": (encoder.width.vector,), "map": map_}
        if attention is not None:
            gates = {name: tuple(shape) for name, shape in encoder.gate_shapes(size).items()}
            found["attention"] = _part(attention, _times(self.attention, images), [])
            found["attention"] = replace(found["attention"], shapes=gates)
            found["image"] = _less(found["image"], found["attention"])
        return found | {"image": replace(found["image"], shapes=shapes)}


class _Outline(nn.Module):
    """The shapes of an image encoder without its layers, so that a run costs nothing."""

    def __init__(self, encoder: TimmEncoder) -> None:
        super().__init__()
        self.width, self.notes = encoder.width, encoder.notes
        self.grid, self.positions = encoder.grid, encoder.positions
        self.gate_shapes = encoder.gate_shapes

    def forward(self, images: Tensor) -> ImageFeatures:
        """Return features of the encoder's shapes."""
        count, size = len(images), (images.shape[2], images.shape[3])

        def made(*shape: int) -> Tensor:
            return torch.zeros(count, *shape, device=images.device, requires_grad=True)

        positions = made(self.width.tokens, *self.grid(size))
        gates = {name: made(*shape) for name, shape in self.gate_shapes(size).items()}
        return ImageFeatures(positions, positions, made(self.width.vector), gates)


def _made(
    settings: spec.TimmEncoder, channels: int, sizes: Sequence[tuple[int, int]]
) -> TimmEncoder:
    with torch.device("meta"), RealKernels():
        return TimmEncoder(settings, channels=channels, sizes=list(sizes), folder=Path())


@lru_cache(maxsize=64)
def _encoder(
    settings: spec.TimmEncoder, channels: int, sizes: tuple[tuple[int, int], ...]
) -> _Encoder:
    encoder = _made(settings, channels, sizes)
    blocks = [] if encoder.attention is None else list(encoder.attention.values())
    image, attention = {}, {}
    for size in sizes:
        with torch.device("meta"):
            images = torch.zeros(ROWS, channels, *size)
        run = partial(encoder, images)
        _, shares, _ = measure_parts(encoder, run, {"attention": blocks})
        image[size], attention[size] = shares[""], shares["attention"]
    return _Encoder(encoder, image, attention)


def _images(inputs: Inputs, *, single: bool) -> Counter[tuple[int, int]]:
    """Return how many images a subject has, by size: those of single ones, or of the others."""
    found: Counter[tuple[int, int]] = Counter()
    for name, (_, height, width) in inputs.views.items():
        if (name in inputs.instances) is not single:
            found[height, width] += inputs.instances.get(name, 1)
    return found


def _times(shares: Mapping[tuple[int, int], Share], images: Mapping[tuple[int, int], int]) -> Share:
    total = Share()
    for size, share in shares.items():
        total = total.plus(share, images[size])
    return total


# All others ---------------------------------------------------------------------------------------


def _batch(inputs: Inputs) -> dict[str, Any]:
    """Return the arguments of the model's forward, on the device that holds."""

    def images(name: str, shape: tuple[int, int, int]) -> Tensor:
        several = (inputs.instances[name],) if name in inputs.instances else ()
        return torch.zeros(ROWS, *several, *shape)

    numeric = len(inputs.edges)
    return {
        "images": {name: images(name, shape) for name, shape in inputs.views.items()},
        "image_present": torch.ones(ROWS, len(inputs.views), dtype=torch.bool),
        "numeric": torch.zeros(ROWS, numeric),
        "numeric_present": torch.ones(ROWS, numeric, dtype=torch.bool),
        "categorical": torch.zeros(ROWS, len(inputs.categories), dtype=torch.int64),
        "instance_present": {
            name: torch.ones(ROWS, count, dtype=torch.bool)
            for name, count in inputs.instances.items()
        },
    }


def _tensors(batch: Mapping[str, Any]) -> Iterable[Tensor]:
    for value in batch.values():
        yield from value.values() if isinstance(value, Mapping) else (value,)


def _called(model: MultimodalModel) -> dict[str, list[nn.Module]]:
    """Return the modules whose calls are those of each part."""
    found = {}
    for name, path in PARTS.items():
        module = model.get_submodule(path) if _is_there(model, path) else None
        inner = list(module.children()) if name in _CONTAINERS and module is not None else [module]
        found[name] = [one for one in inner if one is not None]
    return found


def _is_there(model: nn.Module, path: str) -> bool:
    here: Any = model
    for name in path.split("."):
        here = getattr(here, name, None)
    if isinstance(here, nn.Identity):
        return False
    return isinstance(here, nn.Module)


def _part(module: nn.Module, share: Share, given: Sequence[Any]) -> Part:
    weights = list(module.parameters())
    return Part(
        parameters=sum(weight.numel() for weight in weights),
        trained=sum(weight.numel() for weight in weights if weight.requires_grad),
        multiply_adds=share.multiply_adds,
        shapes=_shapes(given[-1]) if given else {},
    )


def _less(part: Part, inner: Part) -> Part:
    """Return a part without the weights of another that it holds."""
    return replace(
        part,
        parameters=part.parameters - inner.parameters,
        trained=part.trained - inner.trained,
    )


def _shapes(output: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what a part gave, without the batch."""
    if isinstance(output, Tensor):
        return {"vector": tuple(output.shape[1:])}
    fields = output._asdict() if hasattr(output, "_asdict") else {}
    return {
        name: tuple(value.shape[1:])
        for name, value in fields.items()
        if isinstance(value, Tensor) and name not in ("raw", "mask", "source")
    }
