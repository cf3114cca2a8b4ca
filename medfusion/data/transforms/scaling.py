"""Values brought to a common scale by what they are: range, moments or percentiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust, spec
from medfusion.data.transforms.base import VolumeTransform, describe
from medfusion.data.transforms.output import target, values_of
from medfusion.data.volume import Volume
from medfusion.errors import TransformError
from medfusion.registry import register

TINY = float(np.finfo(np.float32).tiny)


@register(spec.MinMax)
class MinMax(VolumeTransform[spec.MinMax]):
    """Scale so that the smallest value becomes `low` and the largest `high`.

    `(x - min) / (max - min) * (high - low) + low` in float32, with the range of the finite values;
    NaN stays NaN. Where all values are equal they become `low`. Labels are left alone.

    Example:
        >>> MinMax()(np.array([[0.0, 5.0, 10.0]])).tolist()
        [[0.0, 0.5, 1.0]]
    """

    def fit(self, volume: Volume, among: Mapping[str, Volume]) -> dict[str, Any]:
        """Return the smallest and the largest value of each channel, or of all."""
        del among
        found = [_rust.value_range(values) for values in parts(volume, self.spec.per_channel)]
        ranges = [_found(one, volume) for one in found]
        return {"low": [low for low, _ in ranges], "high": [high for _, high in ranges]}

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the scaled volume; see `VolumeTransform.__call__`."""
        lines = []
        for low, high in zip(fitted["low"], fitted["high"], strict=True):
            width = _width(low, high) or 1.0
            lines.append({"subtract": low, "divide": width, **_end(self.spec.low, self.spec.high)})
        return rescaled(volume, lines, out=out, threads=threads)


@register(spec.ZScore)
class ZScore(VolumeTransform[spec.ZScore]):
    """Scale so that the mean becomes 0 and the standard deviation 1.

    `(x - mean) / sd` in float32; mean and population standard deviation (divided by n) of the
    finite values, summed in double precision in blocks of fixed size, so that they don't depend on
    the number of threads. NaN stays NaN. Where all values are equal they become 0. With `nonzero`
    voxels of value 0 neither count nor change; with `mask` those count where the labels of that
    name are not 0, and all change. Labels are left alone.

    Example:
        >>> ZScore()(np.array([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]
    """

    def fit(self, volume: Volume, among: Mapping[str, Volume]) -> dict[str, Any]:
        """Return mean and standard deviation of each channel, or of all."""
        masks: Iterator[NDArray[Any] | None] = iter(lambda: None, 0)
        if self.spec.mask is not None:
            masks = parts(_mask(self.spec.mask, volume, among), self.spec.per_channel)
        found = [
            _rust.value_moments(values, mask, nonzero=self.spec.nonzero)
            for values, mask in zip(parts(volume, self.spec.per_channel), masks, strict=False)
        ]
        moments = [_found(one, volume) for one in found]
        return {"mean": [one[1] for one in moments], "deviation": [one[2] for one in moments]}

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the scaled volume; see `VolumeTransform.__call__`."""
        lines = [
            {
                "subtract": mean,
                "divide": deviation if np.float32(deviation) > 0 else 1.0,
                "keep_zero": self.spec.nonzero,
            }
            for mean, deviation in zip(fitted["mean"], fitted["deviation"], strict=True)
        ]
        return rescaled(volume, lines, out=out, threads=threads)


@register(spec.Percentile)
class Percentile(VolumeTransform[spec.Percentile]):
    """Scale so that two percentiles become `low` and `high`.

    `(x - p) / (q - p) * (high - low) + low` in float32. The percentiles p and q of the finite
    values are exact, with linear interpolation between two values (method 7 of Hyndman and Fan
    1996, https://doi.org/10.1080/00031305.1996.10473566; NumPy's default), in linear time on any
    values. NaN stays NaN. Where p = q, lower and equal values become `low`, greater ones `high`.
    Labels are left alone.

    Example:
        >>> values = np.arange(101, dtype=np.float32).reshape(1, 101)
        >>> Percentile(10, upper=90)(values)[0, [0, 10, 50, 90, 100]].tolist()
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """

    def fit(self, volume: Volume, among: Mapping[str, Volume]) -> dict[str, Any]:
        """Return both percentiles of each channel, or of all."""
        del among
        fractions = (self.spec.lower / 100, self.spec.upper / 100)
        found = [
            _found(_rust.value_quantiles(values, fractions), volume)
            for values in parts(volume, self.spec.per_channel)
        ]
        return {"lower": [one[0] for one in found], "upper": [one[1] for one in found]}

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the scaled volume; see `VolumeTransform.__call__`."""
        lines = []
        for lower, upper in zip(fitted["lower"], fitted["upper"], strict=True):
            width = _width(lower, upper)
            if width == 0 and not self.spec.clip:
                msg = (
                    f"both percentiles of {describe(volume)} are {lower:g}: there is no line through "
                    "one value; ask for others, or set clip to true"
                )
                raise TransformError(msg)
            lines.append(
                {
                    "subtract": lower,
                    "divide": width or TINY,
                    "clamp": (0.0, 1.0) if self.spec.clip else None,
                    **_end(self.spec.low, self.spec.high),
                }
            )
        return rescaled(volume, lines, out=out, threads=threads)


def parts(volume: Volume, per_channel: bool) -> Iterator[NDArray[Any]]:
    """Yield the values that are measured together: all, or each channel's.

    Args:
        volume: The volume.
        per_channel: Whether each channel is measured for itself.
    """
    for index in _indices(volume, per_channel):
        yield values_of(volume.array[index])


def rescaled(
    volume: Volume,
    lines: list[dict[str, Any]],
    *,
    out: NDArray[Any] | None = None,
    threads: int = 0,
) -> Volume:
    """Return a volume with each part along a line, in float32.

    Args:
        volume: The volume.
        lines: Arguments of the line (`_rust.rescale_values`), one for all or one a channel.
        out: The caller's array, the volume's own for a change in place, or None.
        threads: 0 for all cores.

    Raises:
        TransformError: A number of the line does not fit single precision.
    """
    array = volume.array
    result = target(out, array.shape, np.float32)
    inside = out is not None and np.may_share_memory(out, array)
    if inside and not (array.dtype == np.float32 and array.ctypes.data == result.ctypes.data):
        msg = "out shares memory with the volume: give its own float32 array, or another one"
        raise TransformError(msg)
    for index, line in zip(_indices(volume, len(lines) > 1), lines, strict=True):
        with np.errstate(over="ignore"):
            fits = all(
                np.isfinite(np.float32(line.get(name, 0))) for name in ("subtract", "divide")
            )
        if not fits:
            msg = f"{describe(volume)} spans more than single precision holds: use Clip before"
            raise TransformError(msg)
        part = result[index]
        if part.flags.c_contiguous:
            values = None if inside else values_of(array[index])
            if values is None:
                _rust.rescale_values(part, None, **line, threads=threads)
            else:
                _rust.rescale_values(values, part, **line, threads=threads)
        else:
            # A channel of a series in time lies in pieces.
            piece = np.empty(part.shape, np.float32)
            _rust.rescale_values(values_of(array[index]), piece, **line, threads=threads)
            part[...] = piece
    return volume.replace(array=result, units="")


def _indices(volume: Volume, per_channel: bool) -> list[Any]:
    at = volume.axes.find("C")
    if not per_channel or at < 0:
        return [...]
    before = (slice(None),) * at
    return [(*before, channel) for channel in range(volume.array.shape[at])]


def _end(low: float, high: float) -> dict[str, float]:
    return {"multiply": _width(low, high), "add": low}


def _width(low: float, high: float) -> float:
    # As the core subtracts: in single precision.
    with np.errstate(over="ignore"):
        return float(np.float32(high) - np.float32(low))


def _found(found: Any, volume: Volume) -> Any:
    if found is None:
        msg = f"{describe(volume)} has no finite value that counts: check how it was read, or the mask"
        raise TransformError(msg)
    return found


def _mask(name: str, volume: Volume, among: Mapping[str, Volume]) -> Volume:
    if name not in among:
        msg = (
            f"there is no volume {name!r} to take as mask; given: {', '.join(filter(None, among))}"
        )
        raise TransformError(msg)
    mask = among[name]
    inside = np.not_equal(mask.array, 0)
    if inside.shape[-3:] != volume.array.shape[-3:]:
        msg = f"the mask {name!r} has size {mask.size}, but the image {volume.size}: resample first"
        raise TransformError(msg)
    if inside.ndim > 3 and inside.shape != volume.array.shape:
        inside = inside.any(axis=tuple(range(inside.ndim - 3)))
    spread = np.broadcast_to(inside, volume.array.shape)
    return volume.replace(array=spread.astype(np.uint8))
