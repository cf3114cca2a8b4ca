"""Resampling with what stands around it, in one pass over the new voxels.

`Orient`, `Resample`, then `Window` or `Clip`, then `ZScore` or `MinMax`: each but the resampling
may be absent. The turn is part of the map between the grids, clipping and measuring happen while a
new slice is in the cache, and scaling is a second pass over the result; no volume in between is
ever written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medfusion import _rust
from medfusion.data.transforms.base import VolumeTransform
from medfusion.data.transforms.orient import Orient, turn, turned
from medfusion.data.transforms.output import target, values_of
from medfusion.data.transforms.resample import Grid, Resample
from medfusion.data.transforms.scaling import MinMax, ZScore
from medfusion.data.transforms.window import Clip, Window
from medfusion.data.volume import Volume

Found = dict[str, Any]


def fusible(transforms: Sequence[Any]) -> int:
    """Return how many of the first transforms run as one; at least 1.

    Args:
        transforms: What is left of a pipeline.
    """
    at = int(isinstance(transforms[0], Orient))
    rest = transforms[at:]
    if not rest or not isinstance(rest[0], Resample) or rest[0].spec.interpolation != "linear":
        return 1
    at += 1
    for fits in (_cuts, _scales):
        if at < len(transforms) and fits(transforms[at]):
            at += 1
    return at


def run(
    group: Sequence[VolumeTransform[Any]], volumes: Mapping[str, Volume], threads: int
) -> tuple[dict[str, Volume], list[dict[str, Any]]]:
    """Apply a fusible group to the volumes of a sample.

    Args:
        group: What `fusible` counted.
        volumes: The volumes by name.
        threads: 0 for all cores.

    Returns:
        The results, and for each transform what it found, as a pipeline records it.
    """
    results: dict[str, Volume] = {}
    found: list[dict[str, Found]] = [{} for _ in group]
    for name, volume in volumes.items():
        fused = None if volume.labels else _fused(group, volume, threads)
        results[name], values = fused or _one_by_one(group, volume, threads)
        for entry, value in zip(found, values, strict=True):
            if value:
                entry[name] = value
    return results, [{"fitted": entry} if entry else {} for entry in found]


def _one_by_one(
    group: Sequence[VolumeTransform[Any]], volume: Volume, threads: int
) -> tuple[Volume, list[Found]]:
    values: list[Found] = []
    for step in group:
        applies = step.geometry or not volume.labels
        values.append(step.fit(volume, {"": volume}) if applies else {})
        if applies:
            volume = step.change(volume, values[-1], threads=threads)
    return volume, values


def _fused(
    group: Sequence[VolumeTransform[Any]], volume: Volume, threads: int
) -> tuple[Volume, list[Found]] | None:
    """Return the result of one pass, or None where the steps have to be taken one by one."""
    steps = {type(step): step for step in group}
    resample, old = steps[Resample], Grid(volume.affine, volume.size)
    assert isinstance(resample, Resample)  # noqa: S101 - for the type checker
    if Orient in steps:
        old = Grid(*turned(*old, *turn(volume.affine, steps[Orient].spec.axes)))
    scale = next((step for step in group if _scales(step)), None)
    if scale is not None and scale.spec.per_channel and volume.axes == "TCDHW":
        return None
    try:
        new = resample.grid(old.affine, old.size)
        if new is None:
            return None
        matrix = np.linalg.solve(volume.affine, new.affine)[:3]
    except np.linalg.LinAlgError:
        return None  # the single step says what is wrong
    cut = next((step for step in group if _cuts(step)), None)
    low, high = _range(cut)
    array = values_of(volume.array)
    result = target(None, (*array.shape[:-3], *new.size[::-1]), np.float32)
    outside = resample.spec.outside
    to = (scale.spec.low, scale.spec.high) if isinstance(scale, MinMax) else (0.0, 1.0)
    normalise = {ZScore: "z-score", MinMax: "min-max"}.get(type(scale))
    if scale is None and isinstance(cut, Window):
        normalise, to = "range", (cut.spec.low, cut.spec.high)
    measured = _rust.resample_volume(
        array.reshape(-1, *array.shape[-3:]),
        result.reshape(-1, *result.shape[-3:]),
        np.ascontiguousarray(matrix),
        outside=None if outside == "edge" else outside,
        clip=None if cut is None else (low, high),
        normalise=normalise,
        to=to,
        per_item=scale is not None and scale.spec.per_channel and volume.axes == "CDHW",
        threads=threads,
    )
    if any(not (np.isfinite(one) and np.isfinite(two)) for one, two in measured):
        return None  # the single step says what is wrong
    plain = scale is None and not isinstance(cut, Window)
    units = volume.units if plain else ""
    made = volume.replace(array=result, affine=new.affine, units=units)
    return made, [_fitted(step, measured, cut) if step is scale else {} for step in group]


def _fitted(step: Any, measured: list[tuple[float, float]], cut: Any) -> Found:
    """Return what the step would have found, in the values that the window would have given."""
    factor, shift = 1.0, 0.0
    if isinstance(cut, Window):
        low, high = cut.range
        factor = (cut.spec.high - cut.spec.low) / (high - low)
        shift = cut.spec.low - low * factor
    if not step.spec.per_channel:
        measured = measured[:1]
    first = [one * factor + shift for one, _ in measured]
    if isinstance(step, ZScore):
        return {"mean": first, "deviation": [two * factor for _, two in measured]}
    return {"low": first, "high": [two * factor + shift for _, two in measured]}


def _cuts(step: Any) -> bool:
    if isinstance(step, Window):
        low, high = step.range
        return step.spec.function != "sigmoid" and high > low
    return isinstance(step, Clip)


def _scales(step: Any) -> bool:
    if isinstance(step, ZScore):
        return not step.spec.nonzero and step.spec.mask is None
    return isinstance(step, MinMax)


def _range(cut: Any) -> tuple[float, float]:
    if isinstance(cut, Window):
        return cut.range
    return (cut.spec.low, cut.spec.high) if cut is not None else (0.0, 0.0)
