"""The data part of an Experiment: one table, images per view, a target, a split."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfusion.errors import unknown
from medfusion.spec.base import Int, Real, Spec
from medfusion.spec.mask import MaskFiles
from medfusion.spec.target import SegmentationTarget, Target
from medfusion.spec.transform import FixedTransform


class Augmentation(Spec):
    """Random changes of a training image, drawn anew per subject and epoch from the seed."""

    flip: Literal["none", "horizontal", "vertical", "both"] = "horizontal"
    """Axes along which an image may be mirrored. Use "none" where left and right matter."""
    rotate: Real = Field(10.0, ge=0, le=180)
    """Largest rotation to either side, in degrees."""
    scale: Real = Field(0.1, ge=0, lt=1)
    """Largest relative change of size."""
    shift: Real = Field(0.05, ge=0, lt=1)
    """Largest shift to either side, as a fraction of the image's side."""
    intensity: Real = Field(0.1, ge=0, lt=1)
    """Largest relative change of brightness and of contrast."""


class Slices(Spec):
    """Slices of a volume: the column names a NIfTI or DICOM file, or a folder with one series."""

    family: ClassVar[str] = "instances"
    kind: Literal["slices"] = "slices"
    axis: Literal["i", "j", "k"] = "k"
    """Axis of the voxels that slices are cut across; k counts the slices of the file."""
    count: Int = Field(16, ge=1, le=4096)
    """Slices per volume; a volume with fewer gives all that it has."""
    choose: Literal["even", "middle"] = "even"
    """"even" spreads them over the whole volume, "middle" takes neighbours around its middle."""
    jitter: bool = True
    """While training, draw each slice anew from its own part of the volume ("even"), or move all by up to a quarter of their number ("middle")."""
    neighbours: bool = False
    """Each image has the slice before, the slice and the slice after as its three channels (2.5D)."""

    @property
    def places(self) -> int | None:
        """Number of places that mean the same in every subject: the slices."""
        return self.count


class Bag(Spec):
    """Images of a bag: the column names a folder, or several files separated by ";"."""

    family: ClassVar[str] = "instances"
    kind: Literal["bag"] = "bag"
    most: Int = Field(64, ge=1, le=65_536)
    """Images of a larger bag are drawn anew in each epoch of training, and taken evenly, in the order of names, elsewhere."""

    @property
    def places(self) -> int | None:
        """None: the images of a bag have no fixed places."""
        return None


Instances = Annotated[Slices | Bag, Field(discriminator="kind")]


class View(Spec):
    """One image column of the table. A subject may lack any of its views."""

    column: str = Field(min_length=1)
    """Column with the image's path, relative to the data root. An empty cell is a missing view."""
    instances: Instances | None = None
    """What the path stands for where it is not one image: slices of a volume, or a bag of images."""
    size: tuple[Annotated[Int, Field(ge=8, le=4096)], Annotated[Int, Field(ge=8, le=4096)]] = (
        224,
        224,
    )
    """Height and width in pixels to which the image is resized."""
    channels: Literal[1, 3] = 3
    """1 reads as grey, 3 as RGB; files of the other kind are converted."""
    transforms: tuple[FixedTransform, ...] = ()
    """Changes at the image's own size, before it is resized, such as window, percentile or equalize; they end in values from 0 to 1. A DICOM image then comes with its values (HU) in place of as it is shown. Of slices, the whole volume is changed before it is cut; without any, its smallest value becomes 0 and its largest 1."""
    mean: tuple[Real, ...] | None = None
    """Mean per channel for normalising, on the 0..1 scale; by default worked out on the training split."""
    std: tuple[Annotated[Real, Field(gt=0)], ...] | None = None
    """Standard deviation per channel, as `mean`."""
    augmentation: Augmentation | None = Augmentation()
    """Random changes while training; null switches them off."""
    mask: MaskFiles | None = None
    """Files that say what the pixels of each image are, moved together with it; null where there are none."""

    @model_validator(mode="after")
    def _mean_and_std_together(self) -> Self:
        if (self.mean is None) != (self.std is None):
            msg = "give both mean and std, or neither"
            raise ValueError(msg)
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) != self.channels:
                msg = f"{name} needs {self.channels} value(s), one per channel"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _neighbours_are_channels(self) -> Self:
        if isinstance(self.instances, Slices) and self.instances.neighbours and self.channels != 3:
            msg = "instances.neighbours makes three channels of three slices: set channels to 3"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _masks_belong_to_one_image(self) -> Self:
        if self.instances is not None and self.mask is not None:
            msg = "a mask belongs to a view of one image: take out instances or mask"
            raise ValueError(msg)
        return self


Fractions = tuple[
    Annotated[Real, Field(gt=0, lt=1)],
    Annotated[Real, Field(gt=0, lt=1)],
    Annotated[Real, Field(gt=0, lt=1)],
]


class _Fractional(Spec):
    fractions: Fractions = (0.7, 0.15, 0.15)
    """Shares of train, val and test; they add up to 1."""
    seed: Int = Field(0, ge=0)
    """Seed of the draw, apart from the experiment's, so that the split stays when that changes."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-6:
            msg = f"fractions add up to {sum(self.fractions):g}, not to 1"
            raise ValueError(msg)
        return self


class ColumnSplit(Spec):
    """The table says which split a row belongs to."""

    family: ClassVar[str] = "split"
    kind: Literal["column"] = "column"
    column: str = Field(min_length=1)
    """Column with the split's name."""
    train: tuple[str, ...] = ("train", "training")
    """Values that mean the training split (upper or lower case)."""
    val: tuple[str, ...] = ("val", "valid", "validation", "dev", "tune", "tuning")
    """Values that mean the validation split."""
    test: tuple[str, ...] = ("test", "testing", "holdout")
    """Values that mean the test split."""


class GroupedSplit(_Fractional):
    """Whole groups are drawn at random."""

    family: ClassVar[str] = "split"
    kind: Literal["grouped"] = "grouped"


class StratifiedGroupedSplit(_Fractional):
    """Whole groups are drawn so that each split has nearly the same mix of targets."""

    family: ClassVar[str] = "split"
    kind: Literal["stratified-grouped"] = "stratified-grouped"


class GroupedKFoldSplit(Spec):
    """Cross-validation over groups: fold `fold` is the test split, the next one validation."""

    family: ClassVar[str] = "split"
    kind: Literal["grouped-kfold"] = "grouped-kfold"
    folds: Int = Field(5, ge=3, le=100)
    """Number of folds."""
    fold: Int = Field(0, ge=0)
    """Which fold is the test split, from 0."""
    stratify: bool = True
    """Keep the mix of targets alike over the folds."""
    seed: Int = Field(0, ge=0)
    """Seed of the draw."""

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.folds:
            msg = f"fold {self.fold} does not exist: with {self.folds} folds they are 0 to {self.folds - 1}"
            raise ValueError(msg)
        return self


Split = Annotated[
    ColumnSplit | GroupedSplit | StratifiedGroupedSplit | GroupedKFoldSplit,
    Field(discriminator="kind"),
]


TARGET_MASK = "<target>"
"""Name of the target's masks among `Data.masks`; no view can be called this."""


class Data(Spec):
    """Which table, which images, what to predict, and how the rows are split."""

    table: str = Field(min_length=1)
    """The table's file (CSV, TSV, Excel, Parquet), relative to the YAML's own folder."""
    root: str | None = None
    """Folder from which image paths start and which they may not leave; by default the table's own folder."""
    id: str = Field(min_length=1)
    """Column that names a row; no value may occur twice."""
    group: str | None = None
    """Column of the unit that must never be in two splits (patient, lesion, study); by default the id."""
    images: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")], View] = Field(
        default_factory=dict
    )
    """Views by name; several views of one subject are several entries."""
    numeric: tuple[str, ...] = ()
    """Columns with numbers."""
    categorical: tuple[str, ...] = ()
    """Columns with categories."""
    target: Target
    """What is to be predicted."""
    split: Split
    """How the rows are divided into train, val and test."""
    corrections: str | None = Field(None, min_length=1)
    """Journal of corrected labels, as the label review writes it, relative to the YAML's own folder. Its decisions are applied when the table is read; the table's file is never changed, and the split stays as it would be drawn without them."""
    correct_test: bool = True
    """Whether labels of the test split are corrected too. That changes the judge: runs with and without are no longer judged on the same labels; the report says how many."""
    skip_unreadable: bool = False
    """Leave out rows whose image cannot be read, and record them, in place of stopping."""
    cache_gigabytes: Real = Field(4.0, ge=0)
    """Room on disk (GiB) for decoded images, kept between epochs and runs; 0 keeps none."""

    @property
    def segmented(self) -> str | None:
        """The view whose pixels are the target; None where the target is another."""
        if not isinstance(self.target, SegmentationTarget):
            return None
        return self.target.view or next(iter(self.images))

    @property
    def masks(self) -> dict[str, tuple[str, MaskFiles]]:
        """The view and the files of all masks: under the view's name, the target's as "<target>"."""
        found = {name: (name, view.mask) for name, view in self.images.items() if view.mask}
        if isinstance(self.target, SegmentationTarget) and self.segmented is not None:
            found[TARGET_MASK] = (self.segmented, self.target.masks)
        return found

    @model_validator(mode="after")
    def _columns_make_sense(self) -> Self:
        features = [*self.numeric, *self.categorical]
        twice = sorted({name for name in features if features.count(name) > 1})
        if twice:
            msg = f"columns listed twice among numeric and categorical: {', '.join(twice)}"
            raise ValueError(msg)
        taken = {**dict.fromkeys(self.target.columns, "the target"), self.id: "the id"}
        if isinstance(self.split, ColumnSplit):
            taken[self.split.column] = "the split"
        taken |= {
            view.mask.column: f"the mask of {name}"
            for name, view in self.images.items()
            if view.mask
        }
        for name in features:
            if name in taken:
                msg = f"column {name!r} is {taken[name]} and cannot be a feature too"
                raise ValueError(msg)
        if not self.images and not features:
            msg = "nothing to learn from: give images, numeric or categorical columns"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _test_of_corrections(self) -> Self:
        if not self.correct_test and self.corrections is None:
            msg = "correct_test is unused: there are no corrections"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _segmented_view_exists(self) -> Self:
        target = self.target
        if not isinstance(target, SegmentationTarget):
            return self
        views = list(self.images)
        if not views:
            msg = "a segmentation target needs a view whose pixels it classes: give data.images"
            raise ValueError(msg)
        if target.view is None and len(views) > 1:
            msg = f"target.view is needed where there are several views: {', '.join(views)}"
            raise ValueError(msg)
        if target.view is not None and target.view not in views:
            raise ValueError(unknown("view", target.view, views))
        return self

    @model_validator(mode="after")
    def _masks_are_of_single_images(self) -> Self:
        for view, _ in self.masks.values():
            if getattr(self.images[view], "instances", None) is not None:
                msg = f"images.{view} holds several images per row, but a mask is of a single one"
                raise ValueError(msg)
        return self
