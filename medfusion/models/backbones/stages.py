"""Where an image encoder's maps are: its stages, found by running it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from timm.models import group_parameters
from torch import Tensor, nn

from medfusion.errors import InputError

OWN_ATTENTION = frozenset(
    {
        "CbamModule",
        "CecaModule",
        "EcaModule",
        "EffectiveSEModule",
        "GatherExcite",
        "GlobalContext",
        "LightCbamModule",
        "SEModule",
        "SEWithNorm",
        "SelectiveKernel",
        "SplitAttn",
        "SqueezeExcite",
        "SqueezeExciteCl",
    }
)
"""Classes of timm that gate channels or places, as the blocks of `spec.Attention` do."""


class Stage(NamedTuple):
    """A stage of a convolutional encoder, seen from its end.

    Attributes:
        number: From 1; a stem does not count.
        module: Name of the module whose output is the stage's map.
        channels: C of the map.
        height: Height of the map for the size it was asked for.
        width: Width of the map.
        own: Attention that the architecture has inside this stage already, by class.
    """

    number: int
    module: str
    channels: int
    height: int
    width: int
    own: tuple[str, ...]


@torch.no_grad()
def map_stages(body: Any, images: Tensor) -> list[Stage]:
    """Return the stages of a timm model whose outputs are maps [n, C, h, w], first to last.

    They are timm's levels of features without the stem: layer1 to layer4 of a ResNet, the last
    block of each resolution of an EfficientNet. The model is run once, since only that shows what
    a module really gives. Transformers that compute tokens, or maps with channels last, have none.

    Args:
        body: A timm model in evaluation mode.
        images: What to run it on, [n, channels, H, W]; on the meta device this costs nothing.

    Example:
        >>> import timm
        >>> body = timm.create_model("resnet18", num_classes=0).eval()
        >>> [stage.module for stage in map_stages(body, torch.zeros(1, 3, 32, 32))]
        ['layer1', 'layer2', 'layer3', 'layer4']
    """
    info = getattr(body, "feature_info", None)
    levels = [] if info is None else list(getattr(info, "info", info))
    if str(getattr(body, "output_fmt", "NCHW")).upper() == "NHWC":
        return []
    modules = dict(body.named_modules())
    names = list(dict.fromkeys(level.get("module") for level in levels))
    names = [name for name in names if name in modules]
    seen: dict[str, list[Any]] = {name: [] for name in names}
    used: list[str] = []  # modules with parameters of their own, as they are called
    before: dict[str, set[str]] = {}
    handles = [
        module.register_forward_hook(_noting(used, name))
        for name, module in modules.items()
        if next(module.parameters(recurse=False), None) is not None
    ]
    handles += [
        modules[name].register_forward_hook(_keeping(seen[name], before, used, name))
        for name in names
    ]
    try:
        body.forward_features(images)
    finally:
        for handle in handles:
            handle.remove()
    stem = _stem(body)
    found: list[Stage] = []
    last = ""
    for name in names:
        if len(seen[name]) != 1 or not isinstance(seen[name][0], torch.Size):
            continue
        shape = seen[name][0]
        if len(shape) != 4 or (stem and before[name] <= stem):
            continue
        inside = before[name] - before.get(last, set())
        own = {type(modules[path]).__name__ for path in _holders(inside)} & OWN_ATTENTION
        found.append(Stage(len(found) + 1, name, shape[1], shape[2], shape[3], tuple(sorted(own))))
        last = name
    return found


def end_of(body: nn.Module, name: str) -> nn.Module:
    """Return the module that is called last in a stage and whose output is the stage's.

    Gradient checkpointing calls the members of a sequence, not the sequence.
    """
    module = body.get_submodule(name)
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    return module


def check_stages(name: str, stages: list[Stage], wanted: tuple[int, ...] | None) -> list[Stage]:
    """Return the stages that are wanted, all for None.

    Raises:
        InputError: There are no stages, or not these.
    """
    if not stages:
        msg = (
            f"model.image.attention: image encoder {name!r} has no convolutional stages with maps "
            "to weigh: choose a convolutional encoder such as resnet18, or set attention to null"
        )
        raise InputError(msg)
    missing = [number for number in wanted or () if number > len(stages)]
    if missing:
        listed = ", ".join(f"{s.number} ({s.module}, {s.channels} channels)" for s in stages)
        msg = (
            f"model.image.attention.stages: image encoder {name!r} has no stage "
            f"{' and '.join(map(str, missing))}. It has {listed}"
        )
        raise InputError(msg)
    return [stage for stage in stages if wanted is None or stage.number in wanted]


def _noting(used: list[str], name: str) -> Any:
    def note(*_: Any) -> None:
        used.append(name)

    return note


def _keeping(shapes: list[Any], before: dict[str, set[str]], used: list[str], name: str) -> Any:
    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        shapes.append(output.shape if isinstance(output, Tensor) else None)
        before[name] = set(used)

    return keep


def _stem(body: Any) -> set[str]:
    """Return the modules of what timm counts as the stem; none where it does not say."""
    try:
        groups = group_parameters(body, body.group_matcher(coarse=True))
    except (AttributeError, AssertionError):
        return set()
    return {name.rpartition(".")[0] for name in groups[min(groups)]}


def _holders(paths: set[str]) -> set[str]:
    """Return modules and all that hold them."""
    return {
        ".".join(parts[:k])
        for path in paths
        for parts in [path.split(".")]
        for k in range(1, len(parts) + 1)
    }
