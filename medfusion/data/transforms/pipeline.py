"""Transforms one after another, with a record from which the result can be made again."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, overload

import yaml
from pydantic import ValidationError

from medfusion.data.transforms.base import (
    RandomTransform,
    SampleKey,
    Transform,
    VolumeTransform,
    check,
)
from medfusion.data.volume import Volume
from medfusion.errors import SpecError, TransformError
from medfusion.registry import create
from medfusion.spec import problems
from medfusion.spec.base import Spec
from medfusion.spec.transform import TransformChain

Volumes = dict[str, Volume]
Step = Transform | RandomTransform
VERSION = 1
_SOLE = "image"
_GOLDEN = 0x9E3779B97F4A7C15


class Applied(NamedTuple):
    """What a pipeline made of one sample."""

    volumes: Volumes
    """The results by name."""
    record: dict[str, Any]
    """What was applied, found and drawn, as JSON values; `Pipeline.replay` takes it."""


class Pipeline:
    """Transforms in order, applied to a volume or to the volumes of one sample.

    Of several volumes (image and mask), changes of the grid take all alike, labels by the nearest
    voxel; changes of values take each volume for itself and leave labels alone. A resampling and
    what may stand around it (`Orient`; `Window` or `Clip`; `ZScore` or `MinMax`) runs as one pass
    over the voxels, equal to the single steps within rounding (1e-6 of the largest value).

    Args:
        transforms: Transforms, specs, or mappings with a `kind`; or a YAML text with such a list.

    Raises:
        SpecError: A spec that does not follow the schema.

    Example:
        >>> import numpy as np
        >>> from medfusion.data.transforms import Clip, Orient, Pipeline, Resample, ZScore
        >>> ct = Volume(np.arange(64, dtype=np.int16).reshape(4, 4, 4), np.diag([2, 2, 2, 1]))
        >>> prepare = Pipeline([Orient("RAS"), Resample((1, 1, 1)), Clip(10, 50), ZScore()])
        >>> prepare(ct)
        Volume(DHW 7 x 7 x 7 float32, 1 x 1 x 1 mm, RAS)
        >>> again = Pipeline.replay(prepare.record, ct)
        >>> bool((again.array == prepare(ct).array).all())
        True
    """

    def __init__(self, transforms: Sequence[Step | Spec | Mapping[str, Any]] | str = ()) -> None:
        self.transforms: tuple[Step, ...] = _made(transforms)
        self._plan = _plan(self.transforms)
        self._last = threading.local()

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The spec of each transform."""
        return tuple(transform.spec for transform in self.transforms)

    @property
    def record(self) -> dict[str, Any]:
        """The record of this thread's last call; `apply` returns it with the result.

        Raises:
            TransformError: The pipeline was not applied yet in this thread.
        """
        found: dict[str, Any] | None = getattr(self._last, "record", None)
        if found is None:
            msg = "there is no record yet: apply the pipeline to a volume first"
            raise TransformError(msg)
        return found

    @overload
    def __call__(
        self, volume: Volume, *, key: SampleKey | None = None, threads: int = 0
    ) -> Volume: ...
    @overload
    def __call__(
        self, volume: Mapping[str, Volume], *, key: SampleKey | None = None, threads: int = 0
    ) -> Volumes: ...

    def __call__(
        self,
        volume: Volume | Mapping[str, Volume],
        *,
        key: SampleKey | None = None,
        threads: int = 0,
    ) -> Volume | Volumes:
        """Return the transformed volume or volumes; the given ones are left as they are.

        Args:
            volume: A volume, or the volumes of one sample by name.
            key: What random transforms draw from; needed where there are any.
            threads: 0 for all cores; the result is the same for any number.

        Raises:
            TransformError: A transform does not apply, or a key is missing.
        """
        applied = self.apply(volume, key=key, threads=threads)
        self._last.record = applied.record
        return applied.volumes[_SOLE] if isinstance(volume, Volume) else applied.volumes

    def apply(
        self,
        volume: Volume | Mapping[str, Volume],
        *,
        key: SampleKey | None = None,
        threads: int = 0,
    ) -> Applied:
        """Return the results and the record; a single volume is named "image".

        Args:
            volume: As for a call.
            key: As for a call.
            threads: As for a call.
        """
        return self._run(volume, key, None, threads)

    def batch(
        self,
        volumes: Sequence[Volume] | Sequence[Mapping[str, Volume]],
        *,
        keys: Sequence[SampleKey] | None = None,
        threads: int = 0,
    ) -> list[Applied]:
        """Apply the pipeline to many samples side by side, one thread a sample.

        Args:
            volumes: The samples.
            keys: The key of each.
            threads: 0 for all cores.
        """
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        given: Sequence[Volume | Mapping[str, Volume]] = volumes
        workers = min(threads or cores or 1, max(len(volumes), 1))
        drawn: Sequence[SampleKey | None] = keys if keys is not None else [None] * len(volumes)
        if len(drawn) != len(volumes):
            msg = f"{len(volumes)} samples, but {len(drawn)} keys"
            raise TransformError(msg)
        if workers == 1:
            return [
                self.apply(one, key=key, threads=1) for one, key in zip(given, drawn, strict=True)
            ]
        with ThreadPoolExecutor(workers) as pool:
            return list(
                pool.map(lambda one, key: self.apply(one, key=key, threads=1), given, drawn)
            )

    @classmethod
    def replay(
        cls,
        record: Mapping[str, Any],
        volume: Volume | Mapping[str, Volume],
        *,
        threads: int = 0,
    ) -> Any:
        """Make again what a record says: equal bit by bit on the same volumes.

        What was drawn is taken from the record; what was found in the data (a mean, a box) is
        found again, and stands in the record for information.

        Args:
            record: What `record` gave, also after a way through JSON.
            volume: As for the call that was recorded.
            threads: 0 for all cores.

        Raises:
            SpecError: The record is not one of this version.
        """
        if record.get("version") != VERSION:
            msg = (
                f"the record has version {record.get('version')!r}: this MedFusion reads {VERSION}"
            )
            raise SpecError(msg)
        entries = record["transforms"]
        pipeline = cls([entry["spec"] for entry in entries])
        key = SampleKey(*record["key"]) if record.get("key") is not None else None
        applied = pipeline._run(volume, key, entries, threads)
        return applied.volumes[_SOLE] if isinstance(volume, Volume) else applied.volumes

    def _run(
        self,
        given: Volume | Mapping[str, Volume],
        key: SampleKey | None,
        entries: Sequence[Mapping[str, Any]] | None,
        threads: int,
    ) -> Applied:
        volumes = {_SOLE: given} if isinstance(given, Volume) else dict(given)
        if not volumes:
            msg = "there are no volumes to transform"
            raise TransformError(msg)
        for volume in volumes.values():
            check(volume)
        done: list[dict[str, Any]] = []
        for group in self._plan:
            at = len(done)
            if isinstance(group[0], VolumeTransform):
                volumes, found = _deterministic(group, volumes, threads)
            elif isinstance(group[0], RandomTransform):
                before = entries[at]["drawn"] if entries is not None else None
                volumes, found = _random(group[0], volumes, key, at, before)
            else:
                volumes = {name: group[0](volume) for name, volume in volumes.items()}
                found = [{}]
            done += [
                {"spec": step.spec.model_dump(mode="json"), **entry}
                for step, entry in zip(group, found, strict=True)
            ]
        record = {
            "version": VERSION,
            "key": None if key is None else list(key),
            "transforms": done,
        }
        return Applied(volumes, record)

    def __repr__(self) -> str:
        return f"Pipeline([{', '.join(map(repr, self.transforms))}])"


def _deterministic(
    group: Sequence[Any], volumes: Volumes, threads: int
) -> tuple[Volumes, list[dict[str, Any]]]:
    """Apply a transform, or a fused group of them, to all volumes of a sample."""
    if len(group) > 1:
        from medfusion.data.transforms import prepare

        return prepare.run(group, volumes, threads)
    step: VolumeTransform[Any] = group[0]
    if step.geometry:
        fitted = step.fit(next(iter(volumes.values())), volumes)
        changed = {
            name: step.change(volume, fitted, threads=threads) for name, volume in volumes.items()
        }
        return changed, [{"fitted": fitted} if fitted else {}]
    found = {
        name: step.fit(volume, volumes) for name, volume in volumes.items() if not volume.labels
    }
    changed = {
        name: volume if volume.labels else step.change(volume, found[name], threads=threads)
        for name, volume in volumes.items()
    }
    return changed, [{"fitted": found} if any(found.values()) else {}]


def _random(
    step: RandomTransform,
    volumes: Volumes,
    key: SampleKey | None,
    position: int,
    drawn: Mapping[str, Any] | None,
) -> tuple[Volumes, list[dict[str, Any]]]:
    if drawn is None:
        if key is None:
            msg = f"{step!r} draws: call the pipeline with key=SampleKey(seed, epoch, sample)"
            raise TransformError(msg)
        first = next(iter(volumes.values()))
        if any(volume.size != first.size for volume in volumes.values()):
            sizes = ", ".join(f"{name} {volume.size}" for name, volume in volumes.items())
            msg = f"the volumes of a sample must have one size ({sizes}): resample them first"
            raise TransformError(msg)
        # Two transforms of one kind in a chain must not draw the same numbers.
        stream = key._replace(seed=(key.seed + position * _GOLDEN) % 2**64)
        drawn = step.draw(stream, first.size)
    changed = {name: step.apply(volume, drawn) for name, volume in volumes.items()}
    return changed, [{"drawn": dict(drawn)}]


def _made(transforms: Sequence[Step | Spec | Mapping[str, Any]] | str) -> tuple[Step, ...]:
    given: Any = yaml.safe_load(transforms) if isinstance(transforms, str) else transforms
    if isinstance(given, Mapping) and set(given) == {"transforms"}:
        given = given["transforms"]
    if not isinstance(given, Sequence) or isinstance(given, str):
        msg = "a pipeline is a list of transforms, such as - {kind: orient, axes: RAS}"
        raise SpecError(msg)
    _load()
    made: list[Step] = []
    for position, one in enumerate(given):
        if isinstance(one, Spec):
            made.append(create(one))
        elif isinstance(one, Mapping):
            made.append(create(_spec(one, position)))
        elif isinstance(one, (RandomTransform, Transform)):
            made.append(one)
        else:
            msg = f"transform {position + 1} is {one!r}: give a transform, a spec or a mapping"
            raise SpecError(msg)
    return tuple(made)


def _spec(given: Mapping[str, Any], position: int) -> Spec:
    try:
        return TransformChain.model_validate({"transforms": [given]}).transforms[0]
    except ValidationError as error:
        text = problems.describe(error, TransformChain, f"transform {position + 1}", {})
        raise SpecError(text.replace("transforms.0.", "").replace("transforms.0: ", "")) from None


def _load() -> None:
    """Let every transform register itself."""
    from medfusion.data import transforms

    for name in transforms.__all__:
        getattr(transforms, name)


def _plan(transforms: Sequence[Step]) -> list[Sequence[Any]]:
    """Return the transforms in groups, each of which runs in one pass."""
    from medfusion.data.transforms import prepare

    plan: list[Sequence[Any]] = []
    at = 0
    while at < len(transforms):
        length = prepare.fusible(transforms[at:])
        plan.append(transforms[at : at + length])
        at += length
    return plan
