"""Slices of volumes and images of bags: which are taken, and where they are got from.

While training, slices and images of large bags are drawn anew in each epoch. What a subject gets
depends on the seed, the epoch and the row alone (a counter-based generator, Philox,
https://doi.org/10.1145/2063384.2063405), so it is the same in any batch, with any number of
threads, and after a resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfusion.data.cache import Cache
from medfusion.data.images import ImageFailure
from medfusion.data.samples import ImageSamples
from medfusion.data.stacks import StackSamples
from medfusion.spec.data import Bag, Slices, View

ABSENT = -1
_STREAM = 2
_MOVED = 4
"""Neighbouring slices are moved by up to one part in so many of their number."""


class Draw(NamedTuple):
    """What random choices of a view depend on, besides the row."""

    seed: int
    epoch: int
    view: int

    def numbers(self, row: int, count: int) -> NDArray[np.float64]:
        """Return random numbers of a row, float64 [count] in [0, 1)."""
        key = np.array([self.seed, _STREAM], dtype=np.uint64)
        counter = np.array([0, row, self.epoch, self.view], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=counter).random_raw(count)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Fetched(NamedTuple):
    """Instances of some rows of a view.

    Attributes:
        samples: Of each row S images `[1 or C, H, W]`, None where a row has none at this place.
        failures: What could no longer be read; its position is that of the row.
    """

    samples: list[list[NDArray[Any] | None]]
    failures: list[ImageFailure]


def view_samples(view: View, cache: Cache | None, threads: int) -> ImageSamples:
    """Return what decodes the files of a view.

    Args:
        view: The view.
        cache: Where samples are kept; None keeps nothing.
        threads: Threads that decode; 0 takes all cores.
    """
    if isinstance(view.instances, Slices):
        return StackSamples(view, cache, threads)
    return ImageSamples(view.size, view.channels, cache, threads, view.transforms)


class InstanceSamples:
    """Fetches the instances of rows.

    Args:
        view: A view with instances.
        samples: What `view_samples` gave for it.

    Example:
        >>> instances = InstanceSamples(view, view_samples(view, None, 1))  # doctest: +SKIP
        >>> instances.fetch([("ct.nii.gz",)], [0]).samples[0][0].shape  # doctest: +SKIP
        (1, 224, 224)
    """

    def __init__(self, view: View, samples: ImageSamples) -> None:
        self.settings: Slices | Bag = view.instances  # type: ignore[assignment]
        self.samples = samples

    def fetch(
        self, sources: Sequence[tuple[str, ...]], rows: Sequence[int], draw: Draw | None = None
    ) -> Fetched:
        """Return the instances of rows.

        Args:
            sources: Of each row the files of its bag, or its volume; empty where it has none.
            rows: Position of each row, for what is drawn.
            draw: What random choices depend on; None takes what is taken outside training.
        """
        if isinstance(self.settings, Slices):
            return self._slices(self.settings, sources, rows, draw)
        return self._bags(self.settings, sources, rows, draw)

    def _slices(
        self,
        settings: Slices,
        sources: Sequence[tuple[str, ...]],
        rows: Sequence[int],
        draw: Draw | None,
    ) -> Fetched:
        there = [place for place, files in enumerate(sources) if files]
        stacks, failures = self.samples.fetch([sources[place][0] for place in there])
        found: list[list[NDArray[Any] | None]] = [[None] * settings.count for _ in sources]
        for place, stack in zip(there, stacks, strict=True):
            if stack is None:
                continue
            numbers = None
            if draw is not None and settings.jitter:
                numbers = draw.numbers(rows[place], settings.count)
            chosen = choose_slices(settings, len(stack), numbers)
            found[place] = [_slice(stack, at, settings) for at in chosen.tolist()]
        return Fetched(found, [one._replace(position=there[one.position]) for one in failures])

    def _bags(
        self,
        settings: Bag,
        sources: Sequence[tuple[str, ...]],
        rows: Sequence[int],
        draw: Draw | None,
    ) -> Fetched:
        wanted: list[tuple[int, str]] = []
        for place, files in enumerate(sources):
            numbers = None
            if draw is not None and len(files) > settings.most:
                numbers = draw.numbers(rows[place], len(files))
            chosen = choose_images(len(files), settings.most, numbers)
            wanted += [(place, files[at]) for at in chosen.tolist()]
        samples, failures = self.samples.fetch([path for _, path in wanted])
        found: list[list[NDArray[Any] | None]] = [[] for _ in sources]
        for (place, _), sample in zip(wanted, samples, strict=True):
            found[place].append(sample)
        largest = max([1, *map(len, found)])
        return Fetched(
            [images + [None] * (largest - len(images)) for images in found],
            [one._replace(position=wanted[one.position][0]) for one in failures],
        )


def choose_slices(
    settings: Slices, depth: int, numbers: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Return which slice stands at each place, int64 [count]; -1 where there is none.

    "even" cuts the volume into `count` parts and takes the middle slice of each, or with random
    numbers any one; "middle" takes neighbouring slices. No slice is taken twice, and their order is
    kept, so that a volume with fewer slices leaves places empty.

    Args:
        settings: How slices are chosen.
        depth: Slices of the volume.
        numbers: Random numbers in [0, 1), float64 [count], where slices are drawn.

    Example:
        >>> choose_slices(Slices(count=4), 40).tolist()
        [5, 15, 25, 35]
        >>> choose_slices(Slices(count=4, choose="middle"), 40).tolist()
        [18, 19, 20, 21]
        >>> choose_slices(Slices(count=4), 2).tolist()
        [-1, 0, -1, 1]
    """
    count = settings.count
    if settings.choose == "even":
        bounds = np.arange(count + 1) * depth // count
        sizes = np.diff(bounds)
        inside = np.full(count, 0.5) if numbers is None else numbers
        chosen = bounds[:-1] + np.floor(inside * sizes).astype(np.int64)
        return np.where(sizes > 0, chosen, ABSENT)
    first = (depth - count) // 2
    if numbers is not None and first > 0:
        most = min(count // _MOVED, first, depth - count - first)
        first += int(numbers[0] * (2 * most + 1)) - most
    chosen = first + np.arange(count)
    return np.where((chosen >= 0) & (chosen < depth), chosen, ABSENT)


def choose_images(
    count: int, most: int, numbers: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Return which images of a bag are taken, int64, ascending.

    Args:
        count: Images of the bag.
        most: Images that are taken at most.
        numbers: Random numbers in [0, 1), float64 [count], where images are drawn; else they are
            spread evenly.

    Example:
        >>> choose_images(10, 4).tolist()
        [1, 3, 6, 8]
    """
    if count <= most:
        return np.arange(count)
    if numbers is None:
        return np.floor((np.arange(most) + 0.5) * count / most).astype(np.int64)
    return np.sort(np.argsort(numbers, kind="stable")[:most])


def _slice(stack: NDArray[Any], at: int, settings: Slices) -> NDArray[Any] | None:
    """Return one slice `[1 or C, H, W]`, with its neighbours as channels where that is asked for."""
    if at == ABSENT:
        return None
    around = np.clip([at - 1, at, at + 1], 0, len(stack) - 1)
    taken: NDArray[Any] = stack[around, 0] if settings.neighbours else stack[at]
    return taken
