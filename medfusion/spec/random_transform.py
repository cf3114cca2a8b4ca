"""Random changes of training volumes, one spec a change.

Lengths are in mm, sizes in voxels, both along i, j, k: columns, rows, slices (see
`medfusion.data.volume`). What a sample gets depends on seed, epoch and sample alone. A volume of
one slice stays in its plane. Changes of values leave volumes of labels as they are.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from medfusion.spec.base import Int, Real, Spec

Probability = Annotated[Real, Field(ge=0, le=1)]
Amount = Annotated[Real, Field(ge=0)]
Triple = tuple[Amount, Amount, Amount]
Side = Annotated[Int, Field(ge=1, le=65_536)]
Outside = Literal["edge"] | Real

FOLD = 0.4
"""Displacements below this share of the distance of control points fold no tissue over itself."""


S = TypeVar("S", bound=Spec)


class _Random(Spec):
    family: ClassVar[str] = "transform"


class RandomFlip(_Random):
    """Axes turned round, each for itself."""

    kind: Literal["random-flip"] = "random-flip"
    axes: tuple[Literal["i", "j", "k"], ...] = Field(("i",), min_length=1)
    """Axes of the voxels; which is left and right is told by the volume's orientation."""
    probability: Probability = 0.5
    """Of each axis."""

    @field_validator("axes")
    @classmethod
    def _once(cls, axes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(axes)) != len(axes):
            msg = f"{list(axes)} names an axis twice"
            raise ValueError(msg)
        return axes


class RandomAffine(_Random):
    """Turned, scaled, sheared and moved about the centre, in mm: unequal spacing is honoured."""

    kind: Literal["random-affine"] = "random-affine"
    rotate: Triple = (10.0, 10.0, 10.0)
    """Largest angle about i, j and k, in degrees either way."""
    scale: tuple[
        Annotated[Real, Field(ge=0, lt=1)],
        Annotated[Real, Field(ge=0, lt=1)],
        Annotated[Real, Field(ge=0, lt=1)],
    ] = (0.1, 0.1, 0.1)
    """Largest change of size along i, j and k: 0.1 is a factor of 0.9 to 1.1."""
    shear: Triple = (0.0, 0.0, 0.0)
    """Largest shear of i by j, i by k and j by k, as a tangent."""
    translate: Triple = (0.0, 0.0, 0.0)
    """Farthest move along i, j and k, in mm."""
    outside: Outside = "edge"
    """Value beyond the volume: "edge" continues the border. Labels get 0 for any other."""
    probability: Probability = 1.0
    """Of a change at all."""


class RandomElastic(_Random):
    """Smoothly deformed: a cubic B-spline over random control points.

    Free-form deformation (Rueckert et al. 1999, https://doi.org/10.1109/42.796284). Displacements
    stay below 0.4 of the distance of the points, where the map cannot fold (Choi and Lee 2000,
    https://doi.org/10.1006/gmod.2000.0531).
    """

    kind: Literal["random-elastic"] = "random-elastic"
    spacing: Annotated[Real, Field(gt=0)] = 32.0
    """Distance of neighbouring control points, in mm; at least that of neighbouring voxels."""
    displacement: Amount = 6.0
    """Farthest that a point is moved along each axis, in mm."""
    outside: Outside = "edge"
    """Value beyond the volume: "edge" continues the border. Labels get 0 for any other."""
    probability: Probability = 1.0
    """Of a change at all."""

    @model_validator(mode="after")
    def _no_folds(self) -> Self:
        if self.displacement > FOLD * self.spacing:
            msg = (
                f"displacement {self.displacement:g} must be at most {FOLD:g} of spacing "
                f"{self.spacing:g}, or tissue would be folded over itself"
            )
            raise ValueError(msg)
        return self


class RandomIntensity(_Random):
    """Values made darker or brighter: contrast about the mean, a factor, a summand."""

    kind: Literal["random-intensity"] = "random-intensity"
    scale: Annotated[Real, Field(ge=0, lt=1)] = 0.1
    """Largest change of the factor: 0.1 is 0.9 to 1.1."""
    shift: Amount = 0.0
    """Largest summand, in the volume's units, either way."""
    contrast: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    """Largest change of the distance to the mean; the range of values is kept."""
    probability: Probability = 1.0
    """Of a change at all."""


class RandomGamma(_Random):
    """A power of each value's place between the smallest and the largest."""

    kind: Literal["random-gamma"] = "random-gamma"
    low: Annotated[Real, Field(ge=0.05, le=20)] = 0.7
    """Smallest exponent; below 1 is brighter."""
    high: Annotated[Real, Field(ge=0.05, le=20)] = 1.5
    """Largest exponent; exponents are drawn evenly on a logarithmic scale."""
    probability: Probability = 1.0
    """Of a change at all."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        return _ordered(self, self.low, self.high)


class RandomBlur(_Random):
    """Gaussian blur, the same in mm along each axis."""

    kind: Literal["random-blur"] = "random-blur"
    low: Amount = 0.0
    """Smallest standard deviation, in mm."""
    high: Amount = 1.0
    """Largest standard deviation, in mm."""
    probability: Probability = 0.5
    """Of a change at all."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        return _ordered(self, self.low, self.high)


class RandomNoise(_Random):
    """Normal noise, a number of its own for each voxel."""

    kind: Literal["random-noise"] = "random-noise"
    low: Amount = 0.0
    """Smallest standard deviation, in the volume's units."""
    high: Amount = 0.1
    """Largest standard deviation."""
    probability: Probability = 1.0
    """Of a change at all."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        return _ordered(self, self.low, self.high)


class RandomPatch(_Random):
    """A box cut out at a random place within the volume.

    Along an axis that is shorter than the box, the volume is put in the middle.
    """

    kind: Literal["random-patch"] = "random-patch"
    size: tuple[Side, Side, Side]
    """Voxels along i, j, k."""
    outside: Outside = "edge"
    """Value beyond the volume: "edge" continues the border. Labels get 0 for any other."""


def _ordered(spec: S, low: float, high: float) -> S:
    if low > high:
        msg = f"low {low:g} must not be above high {high:g}"
        raise ValueError(msg)
    return spec


AnyRandomTransform = (
    RandomFlip
    | RandomAffine
    | RandomElastic
    | RandomIntensity
    | RandomGamma
    | RandomBlur
    | RandomNoise
    | RandomPatch
)
"""Union of the random transforms."""
