"""The Experiment: the one declarative language of MedFusion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from medfusion.errors import SpecError, unknown
from medfusion.spec import code, migration, problems, supervision, text
from medfusion.spec.aggregator import CrossViewAttention, LearnedWeightViews
from medfusion.spec.base import Int, Spec
from medfusion.spec.data import Bag, Data
from medfusion.spec.evaluation import Evaluation
from medfusion.spec.head import SegmentationHead
from medfusion.spec.loss import PerTaskLoss, misfit
from medfusion.spec.metric import main_metric, metric_names
from medfusion.spec.model import Model
from medfusion.spec.target import MultitaskTarget
from medfusion.spec.training import PlateauSchedule, Training

SCHEMA_VERSION = 1

_WITHOUT_AUXILIARY = ("segmentation",)
"""Kinds of target that the features of one modality alone cannot be judged on."""


class Experiment(Spec):
    """Data, model, training and evaluation of one experiment.

    The same content can be written in Python, YAML, JSON, a `%%medfusion` cell or a widget, and
    any one converts to any other without loss.

    Example:
        >>> exp = Experiment.from_yaml_text('''
        ... medfusion: 1
        ... name: age-only
        ... data:
        ...   table: cohort.csv
        ...   id: patient
        ...   numeric: [age]
        ...   target: {kind: binary, column: died}
        ...   split: {kind: grouped}
        ... ''')
        >>> exp.monitor
        'val/auc'
        >>> Experiment.from_yaml_text(exp.to_yaml()) == exp
        True
    """

    medfusion: Literal[1] = 1
    """Version of the schema."""
    name: str = Field("experiment", pattern=r"^[\w][\w .+-]{0,99}$")
    """Name of the experiment; runs are named after it."""
    seed: Int = Field(0, ge=0, lt=2**32)
    """Seed of everything random but the split."""
    data: Data
    """Table, images, target and split."""
    model: Model = Model()
    """Encoders, fusion and head."""
    training: Training = Training()
    """Optimizer, schedule, precision and stopping."""
    evaluation: Evaluation = Evaluation()
    """Intervals and operating points."""

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def folder(self) -> Path:
        """Folder from which relative paths start: the YAML's own, else the working directory."""
        return self._folder

    @property
    def monitor(self) -> str:
        """The validation value that picks the best epoch, for instance "val/auc"."""
        stopping = self.training.early_stopping
        if stopping is not None and stopping.monitor is not None:
            return stopping.monitor
        return f"val/{main_metric(self.data.target)}"

    @property
    def hash(self) -> str:
        """SHA-256 of the content; the same for every way of writing the same experiment."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def idle(self) -> list[str]:
        """Parts that were given but have nothing to do, such as an image encoder without images."""
        found = []
        if self.model.image is not None and not self.data.images:
            found.append("model.image is idle: data.images is empty")
        if self.model.table is not None and not (self.data.numeric or self.data.categorical):
            found.append("model.table is idle: data.numeric and data.categorical are empty")
        if self.model.alignment is not None and not self._has_both:
            found.append("model.alignment is idle: it needs images and columns")
        if self.training.supervision and not self.data.images:
            found.append("training.supervision is idle: data.images is empty")
        several = any(view.instances is not None for view in self.data.images.values())
        if self.model.instances != Model().instances and not several:
            found.append("model.instances is idle: no view has instances (slices or a bag)")
        return found

    @property
    def _has_both(self) -> bool:
        return bool(self.data.images) and bool(self.data.numeric or self.data.categorical)

    @property
    def yaml(self) -> str:
        """The experiment as YAML, as `to_yaml`."""
        return self.to_yaml()

    @property
    def code(self) -> str:
        """The experiment as Python code."""
        return code.to_python(self)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read an experiment from a YAML (or JSON) file.

        Args:
            path: The file. Relative paths in it start from its own folder.

        Raises:
            SpecError: The file is missing, is not YAML, or does not follow the schema; the
                message has line, path and the nearest valid name of each problem.
        """
        path = Path(path)
        content = text.read_file(path)
        return cls.from_yaml_text(content, folder=path.resolve().parent, source=str(path))

    @classmethod
    def from_yaml_text(
        cls, content: str, *, folder: str | Path | None = None, source: str = "experiment"
    ) -> Self:
        """Read an experiment from YAML (or JSON) text.

        Args:
            content: The text.
            folder: Folder from which relative paths start; by default the working directory.
            source: What to call the text in messages.

        Raises:
            SpecError: As `from_yaml`.
        """
        document, lines = text.parse(content, source)
        return cls.from_mapping(document, folder=folder, source=source, lines=lines)

    @classmethod
    def from_mapping(
        cls,
        document: Mapping[str, Any],
        *,
        folder: str | Path | None = None,
        source: str = "experiment",
        lines: Mapping[tuple[str | int, ...], int] | None = None,
    ) -> Self:
        """Check a plain mapping (as from YAML or JSON) and make the Experiment.

        Raises:
            SpecError: The mapping does not follow the schema.
        """
        document = migration.to_current(dict(document), SCHEMA_VERSION, source)
        try:
            experiment = cls.model_validate(document)
        except ValidationError as error:
            raise SpecError(problems.describe(error, cls, source, lines or {})) from None
        if folder is not None:
            experiment._folder = Path(folder).resolve()  # noqa: SLF001 - our own class
        return experiment

    def to_yaml(self) -> str:
        """Return the experiment as YAML with every default written out."""
        return text.dump(self.model_dump(mode="json"))

    def to_json(self) -> str:
        """Return the experiment as JSON with every default written out."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    def resolved(self) -> Self:
        """Return the experiment with absolute paths, independent of any folder."""
        table = self.folder / self.data.table
        root = self.folder / self.data.root if self.data.root is not None else table.parent
        changed = self.model_dump(mode="json")
        changed["data"] |= {"table": str(table.resolve()), "root": str(root.resolve())}
        if self.data.corrections is not None:
            changed["data"]["corrections"] = str((self.folder / self.data.corrections).resolve())
        image = self.model.image
        if image is not None and image.weights is not None:
            changed["model"]["image"]["weights"] = str((self.folder / image.weights).resolve())
        return type(self).from_mapping(changed, folder=self.folder)

    def __eq__(self, other: object) -> bool:
        # Where the experiment was read from is not part of what it says.
        return isinstance(other, Experiment) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(self.hash)

    @model_validator(mode="before")
    @classmethod
    def _head_of_pixels(cls, given: Any) -> Any:
        """Let the head of a segmentation be the one for pixels, where none is named."""
        if not isinstance(given, Mapping) or not _is_segmentation(given.get("data")):
            return given
        model = given.get("model", {})
        if isinstance(model, Model) and "head" not in model.model_fields_set:
            return {**given, "model": model.model_copy(update={"head": SegmentationHead()})}
        if isinstance(model, Mapping) and "head" not in model:
            return {**given, "model": {**model, "head": {"kind": "segmentation"}}}
        return given

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        self._check_monitor()
        self._check_head()
        self._check_idle_parts()
        self._check_auxiliary()
        self._check_views()
        self._check_loss()
        if reason := supervision.misfit(self.training.supervision, self.data, self.model):
            raise ValueError(reason)
        if self.training.optimizer.encoder_lr_scale != 1 and not self.data.images:
            msg = "training.optimizer.encoder_lr_scale is unused: there is no image encoder"
            raise ValueError(msg)
        if self.training.gradient_checkpointing and not self.data.images:
            msg = "training.gradient_checkpointing is unused: there is no image encoder"
            raise ValueError(msg)
        return self

    def _check_head(self) -> None:
        pixels = isinstance(self.model.head, SegmentationHead)
        if pixels and self.data.segmented is None:
            msg = (
                f"model.head: segmentation classes pixels, but the target is "
                f"{self.data.target.kind}; leave the head out, or give a segmentation target"
            )
            raise ValueError(msg)
        if not pixels and self.data.segmented is not None:
            msg = (
                f"model.head: {self.model.head.kind} has one answer per subject, but a segmentation "
                "target asks for every pixel; leave the head out, or use {kind: segmentation}"
            )
            raise ValueError(msg)

    def _check_monitor(self) -> None:
        known = [f"val/{name}" for name in metric_names(self.data.target)]
        if self.monitor not in known:
            raise ValueError(problems.unknown_monitor(self.monitor, known))
        stopping = self.training.early_stopping
        if (
            isinstance(self.training.schedule, PlateauSchedule)
            and stopping is not None
            and stopping.patience <= self.training.schedule.patience
        ):
            msg = (
                "training.early_stopping.patience must be larger than training.schedule.patience, "
                "else the plateau schedule never acts"
            )
            raise ValueError(msg)

    def _check_loss(self) -> None:
        target, training = self.data.target, self.training
        if training.class_weights != "none" and target.kind in ("regression", "survival"):
            msg = f"training.class_weights is for classes; the target is a {target.kind}"
            raise ValueError(msg)
        if isinstance(training.class_weights, tuple) and target.kind == "multitask":
            msg = (
                "training.class_weights: a multitask target takes a rule, balanced or "
                "effective-number, not numbers"
            )
            raise ValueError(msg)
        loss = training.loss
        reason = "" if loss is None else misfit(loss, target.kind)
        if not reason and isinstance(loss, PerTaskLoss) and isinstance(target, MultitaskTarget):
            reason = _task_misfit(loss, target)
        if reason:
            raise ValueError(reason)

    def _check_idle_parts(self) -> None:
        # A part without inputs is a slip unless the data part says in so many words that there
        # are none (images: {}), as one does to train a single modality of the same experiment.
        said = self.data.model_fields_set
        if self.model.image is not None and not self.data.images and "images" not in said:
            msg = "model.image is unused: data.images is missing (write `images: {}` if that is meant)"
            raise ValueError(msg)
        columns = self.data.numeric or self.data.categorical
        if self.model.table is not None and not columns and not said & {"numeric", "categorical"}:
            msg = (
                "model.table is unused: data.numeric and data.categorical are missing "
                "(write `numeric: []` if that is meant)"
            )
            raise ValueError(msg)
        slip = (not self.data.images and "images" not in said) or (
            not columns and not said & {"numeric", "categorical"}
        )
        if self.model.alignment is not None and slip:
            msg = "model.alignment is unused: it needs data.images and columns of the table"
            raise ValueError(msg)

    def _check_auxiliary(self) -> None:
        if self.model.auxiliary is not None and self.data.target.kind in _WITHOUT_AUXILIARY:
            msg = (
                "model.auxiliary is not possible for a segmentation: one modality's vector has no "
                "pixels; leave it out"
            )
            raise ValueError(msg)

    def _check_views(self) -> None:
        channels = {view.channels for view in self.data.images.values()}
        if len(channels) > 1:
            msg = "all views share one image encoder and need the same number of channels"
            raise ValueError(msg)
        bags = [name for name, view in self.data.images.items() if isinstance(view.instances, Bag)]
        aggregate = self.model.instances
        if bags and isinstance(aggregate, LearnedWeightViews):
            msg = (
                f"model.instances: the images of a bag (data.images.{bags[0]}) have no places for "
                "learned-weight: choose attention or gated-abmil"
            )
            raise ValueError(msg)
        if bags and isinstance(aggregate, CrossViewAttention) and aggregate.embeddings:
            msg = (
                f"model.instances: the images of a bag (data.images.{bags[0]}) have no places: "
                "set embeddings to false"
            )
            raise ValueError(msg)


def _task_misfit(loss: PerTaskLoss, target: MultitaskTarget) -> str:
    for name, own in loss.losses.items():
        path = f"training.loss.losses.{name}"
        if name not in target.tasks:
            return f"{path}: {unknown('task', name, target.tasks)}"
        if reason := misfit(own, target.tasks[name].kind, path):
            return reason
    return ""


def _is_segmentation(data: Any) -> bool:
    if isinstance(data, Data):
        return data.segmented is not None
    target = data.get("target") if isinstance(data, Mapping) else None
    kind = target.get("kind") if isinstance(target, Mapping) else getattr(target, "kind", None)
    return kind == "segmentation"
