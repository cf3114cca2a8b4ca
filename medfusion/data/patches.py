"""Patches of volumes for training: drawn, augmented and written into a batch in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from medfusion import _rust, spec
from medfusion.data import transforms
from medfusion.data.patch_source import ClassRows, PatchSource, Path, open_source
from medfusion.data.transforms.base import SampleKey, describe
from medfusion.data.transforms.gather import DisplacementField, Size, Step, moved
from medfusion.data.transforms.random_change import RandomChange
from medfusion.data.transforms.random_patch import RandomPatch
from medfusion.data.volume import Volume
from medfusion.errors import SpecError, TransformError
from medfusion.registry import create
from medfusion.spec import problems
from medfusion.spec.base import Spec

VERSION = 1
_BALANCE = 100
_APART = 0.1
"""Voxels that labels may lie beside their image: headers are rounded."""
_GOLDEN = 0x9E3779B97F4A7C15


class PatchBatch(NamedTuple):
    """Patches of one batch."""

    images: NDArray[np.float32]
    """[B, C, d, h, w]."""
    labels: NDArray[Any] | None
    """[B, 1, d, h, w], where the sampler has labels."""
    affines: NDArray[np.float64]
    """[B, 4, 4], from voxel (i, j, k, 1) of the patch to LPS in mm, without displacements."""
    records: list[dict[str, Any]]
    """What was drawn for each, as JSON values; `PatchSampler.replay` takes them."""


class PatchSampler:
    """Patches from random places of volumes, augmented.

    Where a patch lies, how it is turned and deformed, and the change of its values are one gather
    from the whole volume into the batch: a turned patch shows in its corners what lies there. What
    a patch is depends on its key alone, not on batch, order or threads.

    The grid's transforms are applied in the given order, a deformation last; those of values after
    them, in their order. Means, minima and maxima are those of the patch.

    Args:
        images: Volumes, or what `read_volume` takes; one kind of channels throughout. An
            uncompressed NIfTI file is mapped into memory and read where patches are.
        patch: Its size along i, j, k, or a `RandomPatch`.
        transforms: Random transforms, `Window` ("linear-exact") or `Clip`, as transforms, specs or
            mappings with a `kind`. `outside` beyond the volume is that of `patch`.
        labels: Volumes of classes on the grids of the images, or None.
        balance: Shares of classes, such as {0: 1, 1: 2}: a class is drawn in this ratio, then one
            of its voxels, which the patch has in its middle (nearer to the edge of the volume the
            patch stays within it). A class that a volume lacks leaves its share to the others.
            None draws every place alike.
        per_volume: Patches of a volume in an epoch: sample n is of volume n // per_volume.
        keep_open: Volumes that are kept open; the one unused for longest is closed.
        label_type: "uint8", "int16" or "int64", type of the batch's labels.
        threads: 0 for all cores; the result is the same for any number.

    Raises:
        SpecError: A transform that does not follow the schema.
        TransformError: A transform that is not fused, or settings that do not fit each other.

    Example:
        >>> ramp = Volume(np.arange(1000, dtype=np.int16).reshape(10, 10, 10))
        >>> sampler = PatchSampler([ramp], (4, 4, 4), [{"kind": "random-flip"}])
        >>> batch = sampler.sample([SampleKey(seed=1, epoch=0, sample=0)])
        >>> batch.images.shape
        (1, 1, 4, 4, 4)
        >>> bool((sampler.replay(batch.records).images == batch.images).all())
        True
    """

    def __init__(
        self,
        images: Sequence[Volume | Path],
        patch: Size | spec.RandomPatch,
        transforms: Sequence[Any] = (),
        *,
        labels: Sequence[Volume | Path] | None = None,
        balance: Mapping[int, float] | None = None,
        per_volume: int = 1,
        keep_open: int = 64,
        label_type: str = "uint8",
        threads: int = 0,
    ) -> None:
        if labels is not None and len(labels) != len(images):
            msg = f"{len(images)} images, but {len(labels)} volumes of labels"
            raise TransformError(msg)
        if balance is not None and labels is None:
            msg = "balance needs labels"
            raise TransformError(msg)
        shares = {} if balance is None else dict(balance)
        if any(not 0 <= share < np.inf for share in shares.values()) or (
            balance is not None and not sum(shares.values()) > 0
        ):
            msg = f"balance {shares} must hold shares of at least 0, not all of them 0"
            raise TransformError(msg)
        if per_volume < 1 or keep_open < 1:
            msg = f"per_volume {per_volume} and keep_open {keep_open} must be at least 1"
            raise TransformError(msg)
        if label_type not in {"uint8", "int16", "int64"}:
            msg = f"label_type {label_type!r} must be uint8, int16 or int64"
            raise TransformError(msg)
        self.patch = RandomPatch(patch if isinstance(patch, spec.RandomPatch) else tuple(patch))
        self.transforms = [_made(one, at) for at, one in enumerate(transforms)]
        self.threads = threads
        self._images, self._labels = list(images), None if labels is None else list(labels)
        self._shares = shares
        self._per_volume, self._keep, self._label_type = per_volume, keep_open, label_type
        self._open: dict[int, tuple[PatchSource, PatchSource | None]] = {}
        self._rows: dict[int, ClassRows] = {}

    def __len__(self) -> int:
        """Return the samples of an epoch."""
        return len(self._images) * self._per_volume

    def sample(
        self,
        keys: Sequence[SampleKey],
        *,
        out: NDArray[np.float32] | None = None,
        labels_out: NDArray[Any] | None = None,
    ) -> PatchBatch:
        """Return the patches of some keys.

        Args:
            keys: One for each patch; `key.sample` is below `len(self)`.
            out: C-contiguous float32 `[B, C, d, h, w]` to write into.
            labels_out: C-contiguous `[B, 1, d, h, w]` of the labels' type to write into.

        Raises:
            VolumeReadError: A volume cannot be read.
            TransformError: A volume does not fit its labels or the batch.
        """
        return self._cut([self._draw(key) for key in keys], out, labels_out)

    def replay(
        self,
        records: Sequence[Mapping[str, Any]],
        *,
        out: NDArray[np.float32] | None = None,
        labels_out: NDArray[Any] | None = None,
    ) -> PatchBatch:
        """Return the patches of some records again, equal bit by bit on the same volumes.

        Args:
            records: What `sample` gave, also after a way through JSON.
            out: As for `sample`.
            labels_out: As for `sample`.

        Raises:
            SpecError: A record of another version or of other transforms.
        """
        for record in records:
            if record.get("version") != VERSION:
                found = record.get("version")
                msg = f"the record has version {found!r}: this MedFusion reads {VERSION}"
                raise SpecError(msg)
            wanted = [one.spec.model_dump(mode="json") for one in (self.patch, *self.transforms)]
            if [entry["spec"] for entry in record["transforms"]] != wanted:
                msg = "the record is that of a sampler with other transforms"
                raise SpecError(msg)
        return self._cut([dict(record) for record in records], out, labels_out)

    def _draw(self, key: SampleKey) -> dict[str, Any]:
        if not 0 <= key.sample < len(self):
            msg = f"sample {key.sample} is not below the number of samples, {len(self)}"
            raise TransformError(msg)
        position = key.sample // self._per_volume
        size = self._source(position)[0].volume.size
        placed = self._placed(key, position, size) if self._shares else self.patch.draw(key, size)
        entries = [{"spec": self.patch.spec.model_dump(mode="json"), "drawn": placed}]
        for at, one in enumerate(self.transforms, 1):
            # Two transforms of one kind must not draw the same numbers.
            stream = key._replace(seed=(key.seed + at * _GOLDEN) % 2**64)
            drawn = one.draw(stream, self.patch.spec.size) if isinstance(one, RandomChange) else {}
            entries.append({"spec": one.spec.model_dump(mode="json"), "drawn": drawn})
        return {
            "version": VERSION,
            "key": list(key),
            "volume": position,
            "transforms": entries,
        }

    def _placed(self, key: SampleKey, position: int, size: Size) -> dict[str, Any]:
        """Return a place about a voxel of a class that is drawn by the shares."""
        rows = self._class_rows(position)
        shares = {
            label: share for label, share in self._shares.items() if share and rows.total[label]
        }
        if not shares:
            labels = self._source(position)[1]
            name = describe(labels.volume) if labels is not None else "the volume"
            wanted = ", ".join(str(label) for label, share in self._shares.items() if share)
            msg = f"{name} holds no voxel of the balanced classes ({wanted}): leave the sample out"
            raise TransformError(msg)
        stream = _rust.random_stream(key.seed % 2**64, key.epoch, key.sample, _BALANCE)
        which, where = _rust.random_uniform(stream, 2).tolist()
        ends = np.cumsum(list(shares.values()))
        at = int(np.searchsorted(ends, which * ends[-1], side="right"))
        label = list(shares)[min(at, len(shares) - 1)]
        voxel = rows.voxel(label, int(where * rows.total[label]))
        return {**self.patch.around(voxel, size), "class": label}

    def _cut(
        self,
        records: list[dict[str, Any]],
        out: NDArray[np.float32] | None,
        labels_out: NDArray[Any] | None,
    ) -> PatchBatch:
        sources = [self._source(record["volume"]) for record in records]
        plans = [
            self._plan(record, image) for record, (image, _) in zip(records, sources, strict=True)
        ]
        channels = sources[0][0].channels if sources else 1
        for image, _ in sources:
            if image.channels != channels:
                msg = (
                    f"{describe(image.volume)} has {image.channels} channels, but the batch "
                    f"{channels}: all volumes of a sampler must have the same"
                )
                raise TransformError(msg)
        maps = np.array([plan.matrix[:3] for plan in plans]).reshape(-1, 3, 4)
        fields = [None if plan.field is None else moved(plan.field, plan.matrix) for plan in plans]
        sides = self.patch.spec.size[::-1]
        images = self._target(out, (len(records), channels, *sides), np.dtype(np.float32))
        beyond = self.patch.outside
        outside = [
            None if beyond == "edge" else (beyond - image.intercept) / (image.slope or 1.0)
            for image, _ in sources
        ]
        arrays = [image.samples.array for image, _ in sources]
        steps = [plan.steps for plan in plans]
        _rust.cut_patches(arrays, images, maps, steps, fields, outside, self.threads)
        masks = None
        if self._labels is not None:
            masks = self._target(labels_out, (len(records), 1, *sides), np.dtype(self._label_type))
            arrays = [mask.samples.array for _, mask in sources if mask is not None]
            zeros = [None if beyond == "edge" else 0 for _ in arrays]
            try:
                _rust.cut_label_patches(arrays, masks, maps, fields, zeros, self.threads)
            except ValueError as error:
                msg = f"labels of the batch: {error}"
                raise TransformError(msg) from None
        affines = np.array(
            [
                image.volume.affine @ plan.matrix
                for plan, (image, _) in zip(plans, sources, strict=True)
            ]
        ).reshape(-1, 4, 4)
        return PatchBatch(images, masks, affines, records)

    def _plan(self, record: Mapping[str, Any], image: PatchSource) -> _Plan:
        """Return the map, the field and the steps of a record, fused."""
        spacing, size = image.volume.spacing, self.patch.spec.size
        steps: list[Step] = []
        if (image.slope, image.intercept) != (1.0, 0.0):
            steps.append(("linear", [image.slope, image.intercept]))
        matrix, field = np.eye(4), None
        changes = (self.patch, *self.transforms)
        for one, entry in zip(changes, record["transforms"], strict=True):
            if not isinstance(one, RandomChange):
                steps += one.steps
                continue
            drawn = entry["drawn"]
            if not drawn:
                continue
            grid = one.geometry(drawn, size, spacing)
            if grid is None:
                steps += one.steps(drawn, size, spacing)
            elif field is not None:
                msg = "a deformation must be the last change of the grid: move it behind the others"
                raise TransformError(msg)
            else:
                matrix, field = matrix @ grid.matrix, grid.field
        return _Plan(matrix, field, steps)

    def _source(self, position: int) -> tuple[PatchSource, PatchSource | None]:
        # Taken out and put in again: the first of a dict is then the one unused for longest.
        found = self._open.pop(position, None)
        if found is None:
            image = open_source(self._images[position])
            mask = None
            if self._labels is not None:
                mask = open_source(self._labels[position], labels=True)
                _on_one_grid(image, mask)
            found = image, mask
        self._open[position] = found
        while len(self._open) > self._keep:
            oldest = next(iter(self._open))
            self._open.pop(oldest, None)
            self._rows.pop(oldest, None)
        return found

    def _class_rows(self, position: int) -> ClassRows:
        rows = self._rows.get(position)
        if rows is None:
            mask = self._source(position)[1]
            assert mask is not None  # noqa: S101 - shares are refused without labels
            rows = self._rows[position] = ClassRows(mask, list(self._shares))
        return rows

    @staticmethod
    def _target(
        out: NDArray[Any] | None, shape: tuple[int, ...], kind: np.dtype[Any]
    ) -> NDArray[Any]:
        if out is None:
            return np.empty(shape, kind)
        if out.shape != shape or out.dtype != kind or not out.flags.c_contiguous:
            msg = f"out must be C-contiguous {kind} {shape}, not {out.dtype} {out.shape}"
            raise TransformError(msg)
        return out


def _on_one_grid(image: PatchSource, mask: PatchSource) -> None:
    name, size = describe(mask.volume), image.volume.size
    if mask.volume.size != size or mask.channels != 1:
        msg = (
            f"{name} has {mask.channels} x {mask.volume.size} voxels, but its image {size}: labels "
            "have one channel on the grid of the image"
        )
        raise TransformError(msg)
    corners = np.array([[*np.unravel_index(at, (2, 2, 2)), 1] for at in range(8)], dtype=float)
    corners[:, :3] *= np.array(size) - 1
    apart = np.abs(corners @ (image.volume.affine - mask.volume.affine).T).max()
    if apart > _APART * min(image.volume.spacing):
        msg = (
            f"{name} lies up to {apart:.3g} mm away from its image: resample it to the grid of the "
            "image"
        )
        raise TransformError(msg)


class _Plan(NamedTuple):
    matrix: NDArray[np.float64]
    field: DisplacementField | None
    steps: list[Step]


def _made(given: Any, position: int) -> Any:
    """Return a transform that can be fused, from a transform, a spec or a mapping."""
    for name in transforms.__all__:
        if name.startswith("Random"):
            getattr(transforms, name)
    one = given
    if isinstance(given, Mapping):
        try:
            one = spec.TransformChain.model_validate({"transforms": [given]}).transforms[0]
        except ValidationError as error:
            name = f"transform {position + 1}"
            text = problems.describe(error, spec.TransformChain, name, {})
            raise SpecError(text.replace("transforms.0.", "").replace("transforms.0", "")) from None
    fixed = getattr(one, "spec", one)
    if isinstance(fixed, spec.Window | spec.Clip):
        return _Fixed(fixed, _value_steps(fixed))
    if isinstance(one, Spec):
        one = create(one)
    if not isinstance(one, RandomChange) or isinstance(one, RandomPatch):
        msg = (
            f"transform {position + 1}, {given!r}, is not fused with the cutting of patches: give "
            "random transforms, Window or Clip, and prepare the volumes before"
        )
        raise TransformError(msg)
    return one


class _Fixed(NamedTuple):
    """A change of values without chance."""

    spec: spec.Window | spec.Clip
    steps: list[Step]


def _value_steps(given: spec.Window | spec.Clip) -> list[Step]:
    if isinstance(given, spec.Clip):
        return [("clamp", [given.low, given.high])]
    if given.function != "linear-exact":
        msg = f"the window's function {given.function!r} is not fused: use linear-exact"
        raise TransformError(msg)
    scale = (given.high - given.low) / given.width
    shift = given.low - (given.center - given.width / 2) * scale
    return [("linear", [scale, shift]), ("clamp", [given.low, given.high])]
