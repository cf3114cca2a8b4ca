"""What is done to a volume before a model sees it, one spec a change.

Lengths are in mm, sizes in voxels, both along i, j, k: columns, rows, slices (see
`medfusion.data.volume`). An intensity change leaves volumes of labels as they are.
"""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from medfusion.spec.base import Int, Real, Spec
from medfusion.spec.random_transform import AnyRandomTransform

Voxels = Annotated[Int, Field(ge=1, le=65_536)]
Width = Annotated[Int, Field(ge=0, le=65_536)]
Length = Annotated[Real, Field(gt=0)]
Size = tuple[Voxels, Voxels, Voxels]
Row = tuple[Real, Real, Real, Real]
Matrix = tuple[Row, Row, Row, Row]


class TransformSpec(Spec):
    """Base of the specs of transforms."""

    family: ClassVar[str] = "transform"


S = TypeVar("S", bound=TransformSpec)


class Orient(TransformSpec):
    """Axes flipped and swapped so that i, j, k run to the named directions; values stay."""

    kind: Literal["orient"] = "orient"
    axes: str = "LPS"
    """Where i, j and k run to: one each of L/R, P/A and S/I, such as "RAS"."""

    @field_validator("axes")
    @classmethod
    def _one_of_48(cls, axes: str) -> str:
        pairs = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}
        if sorted(pairs.get(letter, 3) for letter in axes.upper()) != [0, 1, 2]:
            msg = f"{axes!r} must name one each of L/R, P/A and S/I, such as RAS"
            raise ValueError(msg)
        return axes.upper()


class Resample(TransformSpec):
    """Values on another grid: of a spacing, or of an affine and a size.

    With `spacing` the grid starts at the centre of a corner voxel of the old one and has
    `round((n - 1) * old / new) + 1` voxels along each axis.
    """

    kind: Literal["resample"] = "resample"
    spacing: tuple[Length, Length, Length] | None = None
    """Distance of neighbouring voxels along i, j, k, in mm; within 0.001 mm the old one is kept."""
    affine: Matrix | None = None
    """Rows of the new grid's affine, voxel (i, j, k, 1) to LPS in mm; with `size`."""
    size: Size | None = None
    """Voxels of the new grid along i, j, k; with `affine`."""
    interpolation: Literal["linear", "nearest"] = "linear"
    """Of images. Labels are always taken from the nearest voxel."""
    outside: Literal["edge"] | Real = "edge"
    """Value more than half a voxel beyond the outermost centres: "edge" continues the border."""

    @model_validator(mode="after")
    def _one_grid(self) -> Self:
        if (self.affine is None) != (self.size is None):
            msg = "affine and size describe a grid together: give both or neither"
            raise ValueError(msg)
        if (self.spacing is None) == (self.affine is None):
            msg = "give either spacing, or affine with size"
            raise ValueError(msg)
        return self


class Resize(TransformSpec):
    """A number of voxels over the same extent: edges, not centres, of the outer voxels stay.

    There is no smoothing before a reduction; see `Resample` for a grid of a spacing.
    """

    kind: Literal["resize"] = "resize"
    size: Size
    """Voxels along i, j, k. A single image has one slice: (width, height, 1)."""
    interpolation: Literal["linear", "nearest"] = "linear"
    """Of images. Labels are always taken from the nearest voxel."""


class Crop(TransformSpec):
    """A box cut out: at a place, or around the middle. Axes shorter than `size` are kept whole."""

    kind: Literal["crop"] = "crop"
    size: Size
    """Voxels kept along i, j, k."""
    start: tuple[Width, Width, Width] | None = None
    """First voxel of the box; by default the box is in the middle."""


class Pad(TransformSpec):
    """Voxels added evenly on both sides; axes that are long enough are left alone."""

    kind: Literal["pad"] = "pad"
    size: Size | None = None
    """Voxels along i, j, k that are reached at least."""
    multiple: Voxels | Size | None = None
    """Sizes become multiples of it: one number for all axes, or one each for i, j, k."""
    mode: Literal["constant", "edge", "reflect"] = "constant"
    """What is added: `value`, the border voxel, or the mirror image about the border voxel."""
    value: Real = 0.0
    """Added with mode "constant"; labels always get 0."""

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if (self.size is None) == (self.multiple is None):
            msg = "give either size or multiple"
            raise ValueError(msg)
        return self


class CropForeground(TransformSpec):
    """The smallest box around all values above a threshold."""

    kind: Literal["crop-foreground"] = "crop-foreground"
    above: Real = 0.0
    """Voxels with a greater value are foreground, in the volume's units."""
    margin: Width = 0
    """Voxels kept around the foreground, where there are any."""
    by: str | None = None
    """Name of the volume that decides, such as "mask"; by default the first one."""


class Window(TransformSpec):
    """A range of values spread over `low` to `high`; values outside it take the nearer end.

    Functions as in DICOM PS3.3 C.11.2.1.2 (LINEAR, LINEAR_EXACT, SIGMOID).
    """

    kind: Literal["window"] = "window"
    center: Real
    """Middle of the range, such as 40 HU."""
    width: Length
    """Its width, such as 400 HU; at least 1 for "linear"."""
    function: Literal["linear-exact", "linear", "sigmoid"] = "linear-exact"
    """"linear-exact" maps center - width / 2 to `low` and center + width / 2 to `high`."""
    low: Real = 0.0
    """Result at the lower end."""
    high: Real = 1.0
    """Result at the upper end."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.function == "linear" and self.width < 1:
            msg = f"width {self.width:g} must be at least 1 for the function linear"
            raise ValueError(msg)
        return _ordered(self, self.low, self.high)


class Clip(TransformSpec):
    """Values below `low` become `low`, values above `high` become `high`."""

    kind: Literal["clip"] = "clip"
    low: Real
    """Smallest value of the result, in the volume's units."""
    high: Real
    """Largest value of the result."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        return _ordered(self, self.low, self.high)


class MinMax(TransformSpec):
    """The smallest value becomes `low`, the largest `high`."""

    kind: Literal["min-max"] = "min-max"
    low: Real = 0.0
    """What the smallest finite value becomes; all do where all are equal."""
    high: Real = 1.0
    """What the largest finite value becomes."""
    per_channel: bool = False
    """Each channel for itself."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        return _ordered(self, self.low, self.high)


class ZScore(TransformSpec):
    """The mean becomes 0, the (population) standard deviation 1."""

    kind: Literal["z-score"] = "z-score"
    nonzero: bool = False
    """Voxels of value 0 are background: not counted, and left at 0."""
    mask: str | None = None
    """Name of the labels within which mean and deviation are taken (all voxels are changed)."""
    per_channel: bool = False
    """Each channel for itself."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.nonzero and self.mask is not None:
            msg = "give either nonzero or mask"
            raise ValueError(msg)
        return self


class Percentile(TransformSpec):
    """Two percentiles become `low` and `high`; values beyond them are clipped."""

    kind: Literal["percentile"] = "percentile"
    lower: Real = Field(0.5, ge=0, le=100)
    """Percentile that becomes `low`."""
    upper: Real = Field(99.5, ge=0, le=100)
    """Percentile that becomes `high`."""
    low: Real = 0.0
    """Result at the lower percentile."""
    high: Real = 1.0
    """Result at the upper percentile."""
    clip: bool = True
    """Values beyond the percentiles become `low` and `high`; else they go on along the line."""
    per_channel: bool = False
    """Each channel for itself."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.lower >= self.upper:
            msg = f"lower {self.lower:g} must be less than upper {self.upper:g}"
            raise ValueError(msg)
        return _ordered(self, self.low, self.high)


class MatchHistogram(TransformSpec):
    """The distribution of a reference, by matching cumulative histograms."""

    kind: Literal["match-histogram"] = "match-histogram"
    values: tuple[Real, ...] = Field(min_length=1, max_length=65_536)
    """Values of the reference, rising; `MatchHistogram.to(volume)` of the transform fills them."""
    quantiles: tuple[Annotated[Real, Field(gt=0, le=1)], ...] = Field(min_length=1)
    """Fraction of the reference at or below each of `values`, rising."""
    per_channel: bool = False
    """Each channel for itself."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if len(self.values) != len(self.quantiles):
            msg = f"values has {len(self.values)} numbers, but quantiles {len(self.quantiles)}"
            raise ValueError(msg)
        for name in ("values", "quantiles"):
            if any(b <= a for a, b in itertools.pairwise(getattr(self, name))):
                msg = f"{name} must rise from each number to the next"
                raise ValueError(msg)
        return self


class Equalize(TransformSpec):
    """Contrast-limited adaptive histogram equalisation (CLAHE), slice by slice, to 0..1.

    Zuiderveld 1994, Graphics Gems IV, https://doi.org/10.1016/B978-0-12-336156-1.50061-6.
    """

    kind: Literal["equalize"] = "equalize"
    tiles: tuple[Voxels, Voxels] = (8, 8)
    """Tiles along i and j, at most one a voxel."""
    clip: Real = Field(2.0, ge=0)
    """Largest bin of a tile's histogram, as a multiple of the mean bin; 0 is no limit."""
    bins: Int = Field(256, ge=2, le=65_536)
    """Grey levels that are told apart."""
    low: Real | None = None
    """Value of the lowest level, in the volume's units; by default the smallest of the volume."""
    high: Real | None = None
    """Value of the highest level; by default the largest of the volume."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.low is not None and self.high is not None:
            return _ordered(self, self.low, self.high)
        return self


class Cast(TransformSpec):
    """Values in another number type; whole numbers are rounded, half to even."""

    kind: Literal["cast"] = "cast"
    dtype: Literal[
        "float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "int32", "uint32",
    ] = "float32"  # fmt: skip
    """NumPy's name of the type. Values that it cannot hold are refused."""


def _ordered(spec: S, low: float, high: float) -> S:
    if low >= high:
        msg = f"low {low:g} must be less than high {high:g}"
        raise ValueError(msg)
    return spec


DeterministicTransform = (
    Orient
    | Resample
    | Resize
    | Crop
    | Pad
    | CropForeground
    | Window
    | Clip
    | MinMax
    | ZScore
    | Percentile
    | MatchHistogram
    | Equalize
    | Cast
)

FixedTransform = Annotated[DeterministicTransform, Field(discriminator="kind")]
"""Union of the transforms that draw nothing, by `kind`."""

Transform = Annotated[DeterministicTransform | AnyRandomTransform, Field(discriminator="kind")]
"""Union of all transforms by `kind`."""


class TransformChain(Spec):
    """Transforms in the order in which they are applied."""

    transforms: tuple[Transform, ...] = ()
    """Each with its `kind` and settings."""
