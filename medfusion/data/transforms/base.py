"""What a transform is: a spec that is applied to a volume, alone or in a chain.

A deterministic transform depends on the volume alone. A random one depends on a `SampleKey` too:
the same key gives the same result in any batch, order and number of threads, and what it drew can
be written down as JSON and applied again.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import (
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Protocol,
    TypeVar,
    get_args,
    runtime_checkable,
)

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from medfusion.data.volume import Axes, Volume
from medfusion.errors import SpecError, TransformError
from medfusion.spec import problems
from medfusion.spec.base import Spec

S = TypeVar("S", bound=Spec)
V = TypeVar("V", Volume, NDArray[Any])


class SampleKey(NamedTuple):
    """What the random numbers of one sample depend on, and nothing else."""

    seed: int
    """Seed of the run."""
    epoch: int
    """Epoch from 0."""
    sample: int
    """Position of the sample in the cohort (not in the batch)."""


@runtime_checkable
class Transform(Protocol):
    """A deterministic transform; `medfusion.registry.create(spec)` makes it."""

    spec: Spec

    def __call__(self, volume: Volume) -> Volume:
        """Return the transformed volume; the given one is left as it is."""
        ...


@runtime_checkable
class RandomTransform(Protocol):
    """A transform that draws; made by `medfusion.registry.create(spec)`."""

    spec: Spec

    def draw(self, key: SampleKey, size: tuple[int, int, int]) -> dict[str, Any]:
        """Return what is drawn for a sample of `size` voxels (i, j, k), as JSON values."""
        ...

    def apply(self, volume: Volume, drawn: Mapping[str, Any]) -> Volume:
        """Return the volume changed as drawn; the given one is left as it is."""
        ...


class Specified(Generic[S]):
    """Something made from a spec, or from the spec's settings.

    `Orient(spec.Orient(axes="RAS"))`, `Orient(axes="RAS")` and `Orient("RAS")` are the same.
    """

    spec: S
    spec_class: ClassVar[type[Spec]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Spec):
                    cls.spec_class = argument
                    # What help() and completion show.
                    cls.__signature__ = _signature(argument)  # type: ignore[attr-defined]

    def __init__(self, *values: Any, **settings: Any) -> None:
        wanted = self.spec_class
        if len(values) == 1 and not settings and isinstance(values[0], wanted):
            self.spec = values[0]  # type: ignore[assignment]
            return
        names = [name for name in wanted.model_fields if name != "kind"]
        if len(values) > len(names):
            msg = f"{type(self).__name__} takes at most {len(names)} values: {', '.join(names)}"
            raise SpecError(msg)
        try:
            given = wanted(**dict(zip(names, values, strict=False)), **settings)
        except ValidationError as error:
            text = problems.describe(error, wanted, type(self).__name__, {})
            raise SpecError(text) from None
        self.spec = given  # type: ignore[assignment]

    def __repr__(self) -> str:
        changed = self.spec.model_dump(exclude_defaults=True)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.spec == getattr(other, "spec", None)

    def __hash__(self) -> int:
        return hash((type(self), self.spec))


class VolumeTransform(Specified[S]):
    """Base of the deterministic transforms: what is found in the data, then the change.

    A subclass sets `geometry` and implements `change`, and `fit` where the change depends on the
    values (a mean, a box).
    """

    geometry: ClassVar[bool] = False
    """Whether the grid changes, and with it labels; else volumes of labels stay as they are."""

    def fit(self, volume: Volume, among: Mapping[str, Volume]) -> dict[str, Any]:
        """Return what the change depends on, as JSON values.

        Args:
            volume: What is to be changed. A change of the grid is the same for all volumes of a
                sample: it is fitted to the first one.
            among: All volumes of the sample by name.
        """
        del volume, among
        return {}

    def change(
        self,
        volume: Volume,
        fitted: Mapping[str, Any],
        *,
        out: NDArray[Any] | None = None,
        threads: int = 0,
    ) -> Volume:
        """Return the changed volume; see `__call__`."""
        raise NotImplementedError

    def __call__(self, volume: V, *, out: NDArray[Any] | None = None, threads: int = 0) -> V:
        """Return the transformed volume; the given one is left as it is.

        Args:
            volume: A volume; or, for changes of values alone, an array: `[H, W]`, `[D, H, W]`,
                `[C, D, H, W]` or `[T, C, D, H, W]`.
            out: C-contiguous array of the result's shape and type, which the result then lives
                in; `volume.array` itself for a change of values in place.
            threads: 0 for all cores; the result is the same for any number.

        Raises:
            TransformError: The transform does not apply to this volume.
        """
        if isinstance(volume, Volume):
            check(volume)
            if volume.labels and not self.geometry:
                return volume
            fitted = self.fit(volume, {"": volume})
            return self.change(volume, fitted, out=out, threads=threads)
        if self.geometry:
            msg = f"{type(self).__name__} needs a Volume, which knows its place: Volume(array, affine)"
            raise TransformError(msg)
        array = np.asarray(volume)
        wrapped = of_array(array)
        check(wrapped)
        target = None if out is None else out.reshape(wrapped.array.shape)
        result = self.change(wrapped, self.fit(wrapped, {"": wrapped}), out=target, threads=threads)
        return result.array.reshape(array.shape)


def check(volume: Volume) -> None:
    """Refuse what no transform can work on.

    Raises:
        TransformError: The volume is empty, or its values are no numbers.
    """
    array = volume.array
    if array.size == 0:
        msg = f"{describe(volume)} has no voxels (shape {array.shape}): check how it was read"
        raise TransformError(msg)
    if array.dtype.kind not in "buif":
        msg = f"{describe(volume)} holds {array.dtype}, not numbers: use its magnitude, or Cast"
        raise TransformError(msg)


def describe(volume: Volume) -> str:
    """Return what to call a volume in a message."""
    return volume.source.path or "the volume"


def of_array(array: NDArray[Any]) -> Volume:
    """Return a volume around an array of 2 to 5 axes, with unit spacing."""
    names: dict[int, Axes] = {2: "DHW", 3: "DHW", 4: "CDHW", 5: "TCDHW"}
    if array.ndim not in names:
        msg = f"an array must have 2 to 5 axes, not {array.ndim}: [H, W], [D, H, W], [C, D, H, W]"
        raise TransformError(msg)
    return Volume(array[None] if array.ndim == 2 else array, axes=names[array.ndim])


def _signature(spec: type[Spec]) -> inspect.Signature:
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD
            if index == 0
            else inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.is_required() else field.get_default(),
            annotation=field.annotation,
        )
        for index, (name, field) in enumerate(
            (name, field) for name, field in spec.model_fields.items() if name != "kind"
        )
    ]
    return inspect.Signature(parameters)
