"""Volumes read and prepared once, then taken from the cache.

What is cached is as much of the preparation as can be named: reading, and the transforms of a
`Pipeline` up to the first that draws at random. The rest (random transforms, or a function of the
user's, whose content nobody can know) is done for each batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.cache import Cache, Item
from medfusion.data.content import Contents
from medfusion.data.transforms.base import RandomTransform, SampleKey
from medfusion.data.transforms.pipeline import Pipeline
from medfusion.data.volume import Source, Volume

_RECIPE = 1
"""Goes up when the same file gives another volume than before."""

Prepare = Callable[[Any], Any]
"""Takes a volume, or volumes by name where a sample has several, and returns the same."""


class VolumeSamples:
    """Reads and prepares the volumes of a sample; what the cache holds is not read again.

    Args:
        transform: A `Pipeline`, or any function of a volume (of volumes by name where a sample
            has several).
        labels: Names of volumes whose values are classes.
        cache: Where prepared volumes are kept; None keeps nothing.

    Example:
        >>> samples = VolumeSamples(Pipeline([ZScore()]))  # doctest: +SKIP
        >>> samples.fetch({"image": "ct.nii.gz"}, SampleKey(0, 0, 0))  # doctest: +SKIP
        {'image': Volume(ct.nii.gz: DHW 128 x 256 x 256 float32, 1 x 1 x 2 mm, LPS)}
    """

    def __init__(
        self,
        transform: Prepare | None,
        *,
        labels: frozenset[str] = frozenset(),
        cache: Cache | None = None,
    ) -> None:
        self._first, self._rest = _parts(transform)
        self._labels = labels
        self._cache = cache
        self._contents = None if cache is None else Contents(cache)
        specs = [] if self._first is None else self._first.specs
        described = [[type(spec).__name__, spec.model_dump(mode="json")] for spec in specs]
        versions = [_RECIPE, _rust.__version__]
        self._recipe = json.dumps({"volumes": versions, "transforms": described}).encode()

    def fetch(self, sources: Mapping[str, str | Volume], key: SampleKey) -> dict[str, Volume]:
        """Return the volumes of one sample by name.

        Args:
            sources: File or folder of each volume, or the volume itself.
            key: What random transforms draw from.
        """
        volumes = self._prepared(sources)
        if self._rest is None:
            return volumes
        if isinstance(self._rest, Pipeline):
            return self._rest(volumes, key=key, threads=1)
        # A function of the user's may write into what it is given.
        own = {name: one.replace(array=np.array(one.array)) for name, one in volumes.items()}
        if len(own) > 1:
            return dict(self._rest(own))
        ((name, volume),) = own.items()
        return {name: self._rest(volume)}

    def _prepared(self, sources: Mapping[str, str | Volume]) -> dict[str, Volume]:
        paths = [source for source in sources.values() if isinstance(source, str)]
        if self._cache is None or self._contents is None or len(paths) < len(sources):
            return self._made(sources)
        contents = self._contents.look(paths)
        keys = {}
        for name in sources:
            digest = hashlib.sha256(self._recipe)
            # A transform may look at one volume to change another, so all are in the key of each.
            for other, content in zip(sources, contents, strict=True):
                if content is None:  # let reading say what is wrong
                    return self._made(sources)
                digest.update(json.dumps([other, other in self._labels]).encode() + content.digest)
            digest.update(b"for " + name.encode())
            keys[name] = digest.digest()
        found = self._kept(keys)
        if found is not None:
            return found
        volumes = self._made(sources)
        if all(self._contents.unchanged(contents)) and set(volumes) == set(sources):
            items = []
            for name, volume in volumes.items():
                slot = hashlib.sha256(
                    self._recipe + name.encode() + os.fsencode(str(sources[name]))
                )
                for part, array in (("array", volume.array), ("about", _about(volume))):
                    place = hashlib.sha256(slot.digest() + part.encode()).digest()[:16]
                    items.append(Item(_key(keys[name], part), place, array))
            self._cache.put(items)
        return volumes

    def _made(self, sources: Mapping[str, str | Volume]) -> dict[str, Volume]:
        volumes = {name: self._read(name, source) for name, source in sources.items()}
        if self._first is not None:
            volumes = self._first(volumes, threads=1)
        return {name: one.replace(array=_plain(one.array)) for name, one in volumes.items()}

    def _read(self, name: str, source: str | Volume) -> Volume:
        if isinstance(source, Volume):
            return source
        from medfusion.data.reading import read_volume

        if name in self._labels:
            return read_volume(source, dtype="native").replace(labels=True)
        return read_volume(source)

    def _kept(self, keys: Mapping[str, bytes]) -> dict[str, Volume] | None:
        """Return the volumes when the cache has all of them."""
        if self._cache is None:
            return None
        parts = [_key(key, part) for key in keys.values() for part in ("array", "about")]
        arrays = self._cache.get(parts)
        found = {}
        for name, array, about in zip(keys, arrays[::2], arrays[1::2], strict=True):
            if array is None or about is None:
                return None
            facts = json.loads(about.tobytes())
            source: dict[str, Any] = {
                field: tuple(value) if isinstance(value, list) else value
                for field, value in facts.pop("source").items()
            }
            affine = np.array(facts.pop("affine"))
            found[name] = Volume(array, affine, source=Source(**source), **facts)
        return found


def _parts(transform: Prepare | None) -> tuple[Pipeline | None, Prepare | None]:
    """Return what can be cached and what is done for each batch."""
    if not isinstance(transform, Pipeline):
        return None, transform
    steps = transform.transforms
    drawn = [place for place, step in enumerate(steps) if isinstance(step, RandomTransform)]
    cut = drawn[0] if drawn else len(steps)
    first = Pipeline(steps[:cut]) if cut else None
    return first, Pipeline(steps[cut:]) if cut < len(steps) else None


def _about(volume: Volume) -> NDArray[np.uint8]:
    """Return all of a volume but its array, as JSON; its numbers come back bit by bit."""
    facts = {
        "affine": volume.affine.tolist(),
        "axes": volume.axes,
        "units": volume.units,
        "labels": volume.labels,
        "interval": volume.interval,
        "source": dataclasses.asdict(volume.source),
    }
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array C-contiguous and in this machine's byte order."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _key(key: bytes, part: str) -> bytes:
    return hashlib.sha256(key + part.encode()).digest()
