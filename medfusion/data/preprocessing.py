"""What is learnt from the training rows before training: scales, categories, image statistics.

It is fitted once, on the training split alone, saved with the run and used as it is for every
other row, so that nothing of validation, test or new patients flows into the model.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medfusion import _rust
from medfusion.data.cache import Cache
from medfusion.data.images import describe
from medfusion.data.instances import InstanceSamples, view_samples
from medfusion.data.table import Table
from medfusion.data.wording import in_order
from medfusion.errors import ImageReadError
from medfusion.spec.data import Data, Slices, View

MISSING_CODE = 0
UNSEEN_CODE = 1
FIRST_CODE = 2

STATISTICS_IMAGES = 512
"""Training images per view that mean and standard deviation are worked out from, at most."""
STATISTICS_VOLUMES = 64
"""Likewise of volumes; of each the slices count that a model sees outside training."""

_VERSION = 2
_DECODED_AT_ONCE = 32
_SMALLEST_STD = 1 / 255
_UNKNOWN_MEAN, _UNKNOWN_STD = 0.5, 0.25
_FARTHEST = 1e6
_NARROWEST = 1e-6


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What was fitted on the training rows.

    Attributes:
        medians: Median per numeric column; None where no training row has a value.
        means: Mean per numeric column, in the column's own unit; None as for `medians`.
        sds: Standard deviation (divisor n) per numeric column; 0 for a constant column.
        categories: Known values per categorical column, in the order of their codes.
        image_means: Mean per channel and view, of samples on the 0..1 scale.
        image_stds: Standard deviation per channel and view, likewise.
        classes: Classes of the target in order; empty for a regression.
        bins: Edges of the bins per numeric column, ascending, in the column's own unit; empty for
            a column without two different values, and none at all where no bins were asked for.

    Example:
        >>> made = Preprocessing(medians={"age": 61.0}, means={"age": 60.5}, sds={"age": 11.0})
        >>> Preprocessing.from_json(made.to_json()) == made
        True
    """

    medians: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    means: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    sds: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    image_means: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    image_stds: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    bins: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        data: Data,
        table: Table,
        image_paths: Mapping[str, Sequence[str | None]],
        train: NDArray[np.int64],
        classes: tuple[str, ...],
        cache: Cache | None = None,
        bags: Mapping[str, Sequence[tuple[str, ...]]] = MappingProxyType({}),
        bins: int = 0,
    ) -> Self:
        """Fit on the training rows.

        Args:
            data: Which columns and views there are.
            table: The table of all rows.
            image_paths: Path per view and row, None where missing.
            train: int64, the training rows; no other row is looked at.
            classes: Classes of the target in order.
            cache: Where decoded images are kept.
            bags: The files of each row, by view that is a bag.
            bins: Bins per numeric column, at most; 0 fits none.

        Raises:
            ImageReadError: An image that the statistics need cannot be read.
        """
        medians: dict[str, float | None] = {}
        means: dict[str, float | None] = {}
        sds: dict[str, float | None] = {}
        edges: dict[str, tuple[float, ...]] = {}
        for name in data.numeric:
            values = table.numbers(name)[train]
            values = values[~np.isnan(values)]
            known = len(values) > 0
            constant = known and values.min() == values.max()
            medians[name] = float(np.median(values)) if known else None
            means[name] = float(values.mean()) if known else None
            sds[name] = (0.0 if constant else float(values.std())) if known else None
            if bins > 0:
                edges[name] = _bin_edges(values, bins)
        categories = {}
        for name in data.categorical:
            cells = table.text(name)
            seen = {cell for row in train if (cell := cells[row]) is not None}
            categories[name] = tuple(in_order(seen))
        statistics = {}
        for name, view in data.images.items():
            if name in bags:
                files = [path for row in train for path in bags[name][row]]
            else:
                given = image_paths[name]
                files = [path for row in train if (path := given[row]) is not None]
            statistics[name] = _image_statistics(view, files, cache)
        return cls(
            medians,
            means,
            sds,
            categories,
            {name: mean for name, (mean, _) in statistics.items()},
            {name: std for name, (_, std) in statistics.items()},
            classes,
            edges,
        )

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of codes per categorical column: missing, unseen, and one per known value."""
        return tuple(FIRST_CODE + len(values) for values in self.categories.values())

    @property
    def scaled_bins(self) -> tuple[tuple[float, ...], ...]:
        """Edges of the bins of each numeric column on the scale of what `numeric` returns.

        Edges that cannot be told apart in 32 bits are one.
        """
        scaled = []
        for name, mean in self.means.items():
            edges, sd = self.bins.get(name, ()), self.sds[name]
            if mean is None or not sd:
                edges = ()
            else:
                far = np.clip((np.array(edges) - mean) / sd, -_FARTHEST, _FARTHEST)
                edges = tuple(_apart(far).tolist())
            scaled.append(edges)
        return tuple(scaled)

    def numeric(self, table: Table) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return scaled numbers, float32 [n, N] with 0 where missing, and presence, bool [n, N].

        A column that no training row has counts as missing everywhere: nothing was learnt of it.
        A column that is constant in training is 0 everywhere for the same reason.
        """
        scaled = np.zeros((len(table), len(self.means)), dtype=np.float32)
        present = np.zeros(scaled.shape, dtype=bool)
        for index, (name, mean) in enumerate(self.means.items()):
            values = table.numbers(name)
            sd = self.sds[name]
            if mean is None or sd is None:
                continue
            present[:, index] = ~np.isnan(values)
            if sd > 0:
                # A slip such as 1e300 must not become infinite in 32 bits.
                far = np.clip((values - mean) / sd, -_FARTHEST, _FARTHEST)
                scaled[:, index] = np.where(present[:, index], far, 0)
        return scaled, present

    def categorical(self, table: Table) -> NDArray[np.int64]:
        """Return codes, int64 [n, K]: 0 missing, 1 not seen in training, from 2 on the known."""
        codes = np.zeros((len(table), len(self.categories)), dtype=np.int64)
        for index, (name, values) in enumerate(self.categories.items()):
            code_of: dict[str | None, int] = {
                value: code for code, value in enumerate(values, start=FIRST_CODE)
            }
            code_of[None] = MISSING_CODE
            codes[:, index] = [code_of.get(cell, UNSEEN_CODE) for cell in table.text(name)]
        return codes

    def to_json(self) -> str:
        """Return JSON text from which `from_json` makes an equal Preprocessing, bit by bit."""
        document = {"version": _VERSION, **dataclasses.asdict(self)}
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no JSON, or not of this kind.
        """
        try:
            document = json.loads(text)
            version = document["version"]
            parts: dict[str, Any] = {
                name: _numbers(document[name]) for name in ("medians", "means", "sds")
            }
            if version == 1:  # before there were bins: such a run embeds numbers linearly
                document = {**document, "bins": {}}
            for name in ("categories", "image_means", "image_stds"):
                parts[name] = {key: tuple(values) for key, values in document[name].items()}
            parts["bins"] = {
                key: tuple(float(value) for value in values)
                for key, values in document["bins"].items()
            }
            made = cls(**parts, classes=tuple(document["classes"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"not a preprocessing document: {error}"
            raise ValueError(msg) from None
        if version not in (1, _VERSION):
            msg = f"not a preprocessing document: version {version!r} is not known"
            raise ValueError(msg)
        if not set(made.means) == set(made.sds) == set(made.medians):
            msg = "medians, means and sds name different columns"
            raise ValueError(msg)
        if not set(made.bins) <= set(made.means):
            msg = "bins name columns that means do not"
            raise ValueError(msg)
        return made


def _numbers(values: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: None if value is None else float(value) for name, value in values.items()}


def _bin_edges(values: NDArray[np.float64], bins: int) -> tuple[float, ...]:
    """Return the quantiles 0, 1/T, ..., 1 of values, each once; none for a constant column.

    T is `bins`, or one less than the number of values where that is fewer.
    """
    if len(values) < 2:
        return ()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, min(bins, len(values) - 1) + 1)))
    return tuple(edges.tolist()) if len(edges) > 1 else ()


def _apart(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ascending edges less those that nearly repeat the one before."""
    kept: list[float] = []
    for edge in edges.astype(np.float32).astype(np.float64):
        if not kept or edge - kept[-1] > _NARROWEST:
            kept.append(float(edge))
    return np.array(kept)


def _image_statistics(
    view: View, there: Sequence[str], cache: Cache | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if view.mean is not None and view.std is not None:
        return view.mean, view.std
    if not there:
        return (_UNKNOWN_MEAN,) * view.channels, (_UNKNOWN_STD,) * view.channels
    slices = isinstance(view.instances, Slices)
    most = STATISTICS_VOLUMES if slices else STATISTICS_IMAGES
    at_once = 1 if slices else _DECODED_AT_ONCE
    if len(there) > most:
        chosen = np.linspace(0, len(there) - 1, most).astype(int)
        there = [there[index] for index in chosen]
    samples = view_samples(view, cache, 0)
    total = np.zeros(view.channels)
    squares = np.zeros(view.channels)
    images = 0
    nought, one = [0.0] * view.channels, [1.0] * view.channels
    for start in range(0, len(there), at_once):
        batch = there[start : start + at_once]
        if slices:
            instances, failures = InstanceSamples(view, samples).fetch([(batch[0],)], [0])
            fetched = instances[0]
        else:
            fetched, failures = samples.fetch(batch)
        if failures:
            raise ImageReadError(describe(failures))
        found = [image for image in fetched if image is not None]
        pixels = np.empty((len(found), view.channels, *view.size), dtype=np.float32)
        _rust.normalise_samples(found, pixels, nought, one)
        total += pixels.sum(axis=(0, 2, 3), dtype=np.float64)
        squares += np.square(pixels).sum(axis=(0, 2, 3), dtype=np.float64)
        images += len(found)
    count = images * view.size[0] * view.size[1]
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0)
    std = np.maximum(np.sqrt(variance), _SMALLEST_STD)  # one flat grey must not divide by zero
    return tuple(mean.tolist()), tuple(std.tolist())
