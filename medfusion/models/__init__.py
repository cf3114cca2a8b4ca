"""Models: encoders per kind of input, view aggregators, fusions, heads, and their one assembly.

The names here are loaded on first use: importing this package does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfusion.models.backbones.catalogue import list_architectures as list_architectures
    from medfusion.models.backbones.catalogue import search_catalogue as search_catalogue
    from medfusion.models.backbones.catalogue import weight_licence as weight_licence
    from medfusion.models.backbones.facts import EncoderFacts as EncoderFacts
    from medfusion.models.backbones.facts import facts as facts
    from medfusion.models.features import Features as Features
    from medfusion.models.features import FusionOutput as FusionOutput
    from medfusion.models.features import Width as Width
    from medfusion.models.multimodal import ModelOutput as ModelOutput
    from medfusion.models.multimodal import MultimodalModel as MultimodalModel

_HOME = {
    "EncoderFacts": "backbones.facts",
    "Features": "features",
    "FusionOutput": "features",
    "ModelOutput": "multimodal",
    "MultimodalModel": "multimodal",
    "Width": "features",
    "facts": "backbones.facts",
    "list_architectures": "backbones.catalogue",
    "search_catalogue": "backbones.catalogue",
    "weight_licence": "backbones.catalogue",
}

__all__ = [
    "EncoderFacts",
    "Features",
    "FusionOutput",
    "ModelOutput",
    "MultimodalModel",
    "Width",
    "facts",
    "list_architectures",
    "search_catalogue",
    "weight_licence",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
