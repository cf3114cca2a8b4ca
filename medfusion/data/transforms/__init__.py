"""Changes of volumes and images, each usable alone and written down as a spec."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfusion.data.transforms.base import SampleKey as SampleKey
    from medfusion.data.transforms.cast import Cast as Cast
    from medfusion.data.transforms.crop import Crop as Crop
    from medfusion.data.transforms.crop import CropForeground as CropForeground
    from medfusion.data.transforms.equalize import Equalize as Equalize
    from medfusion.data.transforms.histogram import MatchHistogram as MatchHistogram
    from medfusion.data.transforms.orient import Orient as Orient
    from medfusion.data.transforms.pad import Pad as Pad
    from medfusion.data.transforms.pipeline import Pipeline as Pipeline
    from medfusion.data.transforms.random_affine import RandomAffine as RandomAffine
    from medfusion.data.transforms.random_blur import RandomBlur as RandomBlur
    from medfusion.data.transforms.random_elastic import RandomElastic as RandomElastic
    from medfusion.data.transforms.random_flip import RandomFlip as RandomFlip
    from medfusion.data.transforms.random_intensity import RandomGamma as RandomGamma
    from medfusion.data.transforms.random_intensity import RandomIntensity as RandomIntensity
    from medfusion.data.transforms.random_noise import RandomNoise as RandomNoise
    from medfusion.data.transforms.random_patch import RandomPatch as RandomPatch
    from medfusion.data.transforms.resample import Resample as Resample
    from medfusion.data.transforms.resample import Resize as Resize
    from medfusion.data.transforms.scaling import MinMax as MinMax
    from medfusion.data.transforms.scaling import Percentile as Percentile
    from medfusion.data.transforms.scaling import ZScore as ZScore
    from medfusion.data.transforms.window import Clip as Clip
    from medfusion.data.transforms.window import Window as Window

_HOMES = {
    "Cast": "cast",
    "Clip": "window",
    "Crop": "crop",
    "CropForeground": "crop",
    "Equalize": "equalize",
    "MatchHistogram": "histogram",
    "MinMax": "scaling",
    "Orient": "orient",
    "Pad": "pad",
    "Percentile": "scaling",
    "Pipeline": "pipeline",
    "RandomAffine": "random_affine",
    "RandomBlur": "random_blur",
    "RandomElastic": "random_elastic",
    "RandomFlip": "random_flip",
    "RandomGamma": "random_intensity",
    "RandomIntensity": "random_intensity",
    "RandomNoise": "random_noise",
    "RandomPatch": "random_patch",
    "Resample": "resample",
    "Resize": "resample",
    "SampleKey": "base",
    "Window": "window",
    "ZScore": "scaling",
}

__all__ = [
    "Cast",
    "Clip",
    "Crop",
    "CropForeground",
    "Equalize",
    "MatchHistogram",
    "MinMax",
    "Orient",
    "Pad",
    "Percentile",
    "Pipeline",
    "RandomAffine",
    "RandomBlur",
    "RandomElastic",
    "RandomFlip",
    "RandomGamma",
    "RandomIntensity",
    "RandomNoise",
    "RandomPatch",
    "Resample",
    "Resize",
    "SampleKey",
    "Window",
    "ZScore",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
