"""Attention supervision: losses on where a model looks, beside the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfusion.errors import unknown
from medfusion.spec.base import Real, Spec

if TYPE_CHECKING:
    from medfusion.spec.data import Data
    from medfusion.spec.model import Model

ATTENDING = ("cross-attention", "perceiver", "tab-attention")
"""Kinds of fusion that attend to the positions of images."""

Map = Literal["cam", "attention"]


class _Supervision(Spec):
    family: ClassVar[str] = "supervision"
    weight: Real = Field(0.5, gt=0, le=1000)
    """Weight of the loss, once it has risen."""
    start: Real = Field(0.0, ge=0)
    """Epochs before the loss begins to count."""
    ramp: Real = Field(0.0, ge=0)
    """Epochs over which the weight rises from 0 once it counts; 0 gives it its full value at once."""
    rise: Literal["linear", "cosine"] = "linear"
    """How it rises: evenly, or along half a cosine."""
    views: tuple[str, ...] | None = Field(None, min_length=1)
    """Views that are looked at; by default all that can be. Those with instances (slices, a bag) cannot."""


class MaskSupervision(_Supervision):
    """Where the model looks is drawn to the masks of the images (https://arxiv.org/abs/1703.03717)."""

    kind: Literal["mask"] = "mask"
    map: Map = "cam"
    """What says where the model looks: its class-activation map, or the attention of the fusion to positions of the image."""
    match: Literal["overlap", "cover", "inside"] = "overlap"
    """"cover" asks the model to look at all of the mask alike, "inside" lets it choose where inside the mask to look, if only at a single spot; "overlap" asks for both."""
    evidence: Literal["for", "both"] = "for"
    """Of a class-activation map, draw what speaks for the answer to the mask, or also what speaks against it."""
    regions: tuple[str, ...] | None = Field(None, min_length=1)
    """Classes of the masks that are to be looked at; by default all but the first, the background."""


class ClassActivationSupervision(_Supervision):
    """Self-guidance without masks: an image whose activated region is erased no longer tells the class (https://arxiv.org/abs/1802.10171)."""

    kind: Literal["class-activation"] = "class-activation"
    weight: Real = Field(0.2, gt=0, le=1000)
    """Weight of the loss, once it has risen."""
    threshold: Real = Field(0.5, gt=0, lt=1)
    """Activation, as a share of the map's largest, at which half of a pixel is erased."""
    steepness: Real = Field(10.0, gt=0, le=1000)
    """How sharp the border of what is erased is; larger is sharper."""


class ConsistencySupervision(_Supervision):
    """The map of a turned image is the turned map (https://arxiv.org/abs/2004.04581)."""

    kind: Literal["consistency"] = "consistency"
    weight: Real = Field(0.1, gt=0, le=1000)
    """Weight of the loss, once it has risen. Where it is too large the map becomes flat, which is consistent too."""
    map: Map = "cam"
    """What says where the model looks: its class-activation map, or the attention of the fusion to positions of the image."""
    flip: bool = True
    """Mirror images along either axis, at random. Switch it off where left and right matter."""
    rotate: bool = True
    """Turn images by a random number of right angles; those that are not square by 180 degrees only."""
    scale: Real = Field(0.0, ge=0, le=4)
    """Enlarge a random part of the images, by up to this share; 0 does not."""
    outputs: Real = Field(0.0, ge=0)
    """Weight, inside the loss, of the squared difference of the two predictions (https://arxiv.org/abs/1610.02242)."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.flip and not self.rotate and self.scale == 0:
            msg = (
                "flip, rotate and scale are all off, so there is nothing to compare: switch one on"
            )
            raise ValueError(msg)
        return self


Supervision = Annotated[
    MaskSupervision | ClassActivationSupervision | ConsistencySupervision,
    Field(discriminator="kind"),
]
"""Supervision of attention by `kind`."""

_NAMED = ("binary", "multiclass", "multilabel")


def misfit(supervision: tuple[Supervision, ...], data: Data, model: Model) -> str:
    """Return why supervision of attention is not possible; empty where it is, or is idle.

    Args:
        supervision: What is asked for.
        data: Without images, none of it has anything to do.
        model: The model.
    """
    if not data.images:
        slip = supervision and "images" not in data.model_fields_set
        return "training.supervision is unused: it needs data.images" if slip else ""
    for place, one in enumerate(supervision):
        reason = _misfit(one, data, model)
        if reason:
            return f"training.supervision.{place}: {reason}"
    return ""


def supervised_views(one: Supervision, data: Data) -> tuple[str, ...]:
    """Return the views that a supervision looks at."""
    return tuple(
        name
        for name, view in data.images.items()
        if view.instances is None
        and (one.views is None or name in one.views)
        and (view.mask is not None or not isinstance(one, MaskSupervision))
    )


def _misfit(one: Supervision, data: Data, model: Model) -> str:
    if data.segmented is not None:
        return "the target is the class of every pixel already: leave supervision out"
    reason = _views_misfit(one, data)
    if not reason and isinstance(one, MaskSupervision):
        reason = _regions_misfit(one, data)
    if (
        not reason
        and isinstance(one, ClassActivationSupervision)
        and data.target.kind not in _NAMED
    ):
        reason = (
            f"class-activation erases what tells a class, and a {data.target.kind} target has none "
            f"of its own; targets that fit: {', '.join(_NAMED)}"
        )
    return reason or _map_misfit(one, data, model)


def _views_misfit(one: Supervision, data: Data) -> str:
    masked = isinstance(one, MaskSupervision)
    for name in one.views or ():
        if name not in data.images:
            return f"views: {unknown('view', name, data.images)}"
        if data.images[name].instances is not None:
            return f"views: {name} stands for several images, which have no map: leave it out"
        if masked and data.images[name].mask is None:
            return f"views: {name} has no masks: give data.images.{name}.mask"
    if supervised_views(one, data):
        return ""
    if masked:
        return "it needs masks: give a view's mask, such as data.images.NAME.mask: {column: ...}"
    return "every view stands for several images (slices or a bag), which have no map"


def _regions_misfit(one: MaskSupervision, data: Data) -> str:
    for view in supervised_views(one, data):
        mask = data.images[view].mask
        classes = () if mask is None else mask.classes
        for name in one.regions or ():
            if name not in classes:
                return f"regions: {unknown('class', name, classes)} (of data.images.{view}.mask)"
    return ""


def _map_misfit(one: Supervision, data: Data, model: Model) -> str:
    if getattr(one, "map", "cam") == "attention":
        if model.fusion.kind not in ATTENDING:
            return (
                f"map: the fusion {model.fusion.kind} does not attend to positions of the image; "
                f"fusions that do: {', '.join(ATTENDING)} (or map: cam)"
            )
        if model.fusion.kind == "tab-attention" and not (data.numeric or data.categorical):
            return (
                "map: tab-attention attends to positions only where there is a table: use map: cam"
            )
        return ""
    if model.image is not None and model.image.trainable == "none":
        return (
            "the image encoder is frozen (model.image.trainable: none), so that its maps cannot "
            "learn: train some of its stages, or leave supervision out"
        )
    return ""
