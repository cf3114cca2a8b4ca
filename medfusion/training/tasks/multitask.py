"""Several targets of one model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from medfusion.spec import PerTaskLoss, Training
from medfusion.spec.target import MultitaskTarget, TargetSpec, of_task
from medfusion.training.tasks.contract import Judged, Task


class Slice(NamedTuple):
    """What belongs to one task.

    Attributes:
        name: Its name.
        task: The task.
        outputs: Its outputs of the head.
        logits: Its logits, which its extension may have made more.
        target: Its columns of the target.
        predictions: Its columns of the predictions.
    """

    name: str
    task: Task
    outputs: slice
    logits: slice
    target: slice
    predictions: slice


@dataclasses.dataclass(frozen=True)
class MultitaskTask(Task):
    """The outputs of all tasks side by side, each with its own loss over the rows that have it.

    Fixed weights multiply the losses. Learned ones follow Kendall, Gal and Cipolla
    (https://arxiv.org/abs/1705.07115): a task's loss L counts exp(-s) L + s / 2, half of exp(-s) L
    for a number, where s, the logarithm of the task's variance, is learnt. The s are parameters of
    the model, behind its head, and stand as T more columns in the logits.

    Attributes:
        tasks: The tasks, as "kind" and fields, in order; see `Task.to_json`.
        names: Their names.
        widths: Number of columns of each in the target.
        weights: Fixed weight of each, None where they are learnt.
    """

    kind: ClassVar[str] = "multitask"
    tasks: tuple[Task, ...] = ()
    names: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    weights: tuple[float, ...] | None = None

    @classmethod
    def fit(
        cls, spec: TargetSpec, classes: tuple[str, ...], target: np.ndarray, training: Training
    ) -> Self:
        """Fit each task to the training rows that have its target."""
        from medfusion.training.tasks import fit_task

        if not isinstance(spec, MultitaskTarget):
            msg = "a multitask target is needed"
            raise TypeError(msg)
        asked = training.loss.losses if isinstance(training.loss, PerTaskLoss) else {}
        tasks, start = [], 0
        for name, own in spec.tasks.items():
            columns = target[:, start : start + len(own.columns)]
            start += len(own.columns)
            known = columns[_known(torch.from_numpy(columns), own.kind).numpy()]
            settings = training.model_copy(update={"loss": asked.get(name)})
            tasks.append(fit_task(own, of_task(classes, name), _plain(known, own.kind), settings))
        fixed = None
        if isinstance(spec.weights, dict):
            fixed = tuple(float(spec.weights.get(name, 1.0)) for name in spec.tasks)
        widths = tuple(len(own.columns) for own in spec.tasks.values())
        return cls(classes, tuple(tasks), tuple(spec.tasks), widths, fixed)

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """What belongs to each task."""
        return tuple(self._slices())

    def _slices(self) -> Iterator[Slice]:
        outputs = logits = target = predictions = 0
        for name, task, width in zip(self.names, self.tasks, self.widths, strict=True):
            ends = (outputs + task.outputs, logits + _logits(task), target + width,
                    predictions + len(task.columns))  # fmt: skip
            yield Slice(
                name,
                task,
                slice(outputs, ends[0]),
                slice(logits, ends[1]),
                slice(target, ends[2]),
                slice(predictions, ends[3]),
            )
            outputs, logits, target, predictions = ends

    @property
    def outputs(self) -> int:
        """Those of all tasks."""
        return sum(task.outputs for task in self.tasks)

    @property
    def columns(self) -> list[str]:
        """The columns of every task, as "<task>/<column>"."""
        return [
            f"{name}/{column}"
            for name, task in zip(self.names, self.tasks, strict=True)
            for column in task.columns
        ]

    def extension(self) -> nn.Module | None:
        """Return the extensions of the tasks, and the variances where they are learnt."""
        own = {part.name: part.task.extension() for part in self.slices}
        if self.weights is not None and all(one is None for one in own.values()):
            return None
        return TaskExtension(
            {part.name: part.outputs for part in self.slices}, own, learnt=self.weights is None
        )

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the sum of the weighted losses; `target` is [B, C], NaN where missing."""
        return torch.stack(list(self.parts(logits, target).values())).sum()

    def parts(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the weighted loss of each task, as "<task>/loss"."""
        found = {}
        for place, part in enumerate(self.slices):
            loss = self._loss(part, logits, target)
            if self.weights is not None:
                loss = self.weights[place] * loss
            else:
                # The same in every row; the mean gives the parameter its whole gradient.
                s = logits[:, place - len(self.names)].mean()
                half = 0.5 if part.task.kind == "regression" else 1.0
                loss = half * torch.exp(-s) * loss + s / 2
            found[f"{part.name}/loss"] = loss
        return found

    def _loss(self, part: Slice, logits: Tensor, target: Tensor) -> Tensor:
        own, wanted = logits[:, part.logits], target[:, part.target]
        known = _known(wanted, part.task.kind)
        if not bool(known.any()):
            return own.sum() * 0.0
        return part.task.loss(own[known], _as_task(wanted[known], part.task.kind))

    def score(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the sum of the scores of the tasks whose target a row has."""
        total = torch.zeros_like(logits[:, 0])
        for part in self.slices:
            wanted = target[:, part.target]
            known = _known(wanted, part.task.kind)
            there = _as_task(torch.where(known[:, None], wanted, 0.0), part.task.kind)
            total = total + torch.where(known, part.task.score(logits[:, part.logits], there), 0.0)
        return total

    def metrics(self, target: np.ndarray, logits: Tensor) -> dict[str, float]:
        """Return what each task follows, on the rows that have it, and its own loss."""
        found: dict[str, float] = {}
        for part in self.slices:
            wanted = torch.from_numpy(target[:, part.target])
            known = _known(wanted, part.task.kind)
            if not bool(known.any()):
                continue
            rows, own = _as_task(wanted[known], part.task.kind), logits[:, part.logits][known]
            loss = float(part.task.loss(own, rows))
            figures = {"loss": loss} if np.isfinite(loss) else {}
            figures |= part.task.metrics(rows.numpy(), own)
            found |= {f"{part.name}/{name}": value for name, value in figures.items()}
        return found

    @property
    def ready(self) -> bool:
        """Whether all tasks are."""
        return all(task.ready for task in self.tasks)

    def after_training(self, logits: Tensor, target: np.ndarray) -> Self:
        """Return the task with what each takes from the training rows that have it."""
        done = []
        for part in self.slices:
            wanted = torch.from_numpy(target[:, part.target])
            known = _known(wanted, part.task.kind)
            rows = _as_task(wanted[known], part.task.kind).numpy()
            done.append(part.task.after_training(logits[:, part.logits][known], rows))
        return dataclasses.replace(self, tasks=tuple(done))

    def judged(self, target: np.ndarray, predictions: np.ndarray) -> Iterator[Judged]:
        """Yield the rows of each task that have its target."""
        for part in self.slices:
            wanted = torch.from_numpy(target[:, part.target])
            known = _known(wanted, part.task.kind)
            rows = _as_task(wanted[known], part.task.kind).numpy()
            own = predictions[:, part.predictions][known.numpy()]
            yield Judged(f"{part.name}/", part.task, np.flatnonzero(known.numpy()), rows, own)

    def combine(self, outputs: Tensor) -> Tensor:
        """Return the logits of each task's ensemble side by side."""
        own = [part.task.combine(outputs[:, :, part.logits]) for part in self.slices]
        learnt = outputs[:, :, self.slices[-1].logits.stop :].mean(dim=1)
        return torch.cat([*own, learnt], dim=1)

    def predictions(self, logits: Tensor) -> np.ndarray:
        """Return the predictions of all tasks side by side, [n, columns]."""
        own = [part.task.predictions(logits[:, part.logits]) for part in self.slices]
        return np.hstack([values.reshape(len(logits), -1) for values in own])

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Make the task from what `to_json` gave."""
        from medfusion.training.tasks import task_from_json

        made = super().from_json(document | {"tasks": []})
        tasks = tuple(task_from_json(own) for own in document["tasks"])
        return dataclasses.replace(made, tasks=tasks)


class TaskExtension(nn.Module):
    """The extensions of the tasks side by side, then the learnt logarithms of their variances.

    Args:
        outputs: Each task's outputs of the head.
        extensions: Each task's own extension, None where there is none.
        learnt: Whether the variances are learnt; they begin at 1.
    """

    def __init__(
        self, outputs: dict[str, slice], extensions: dict[str, nn.Module | None], *, learnt: bool
    ) -> None:
        super().__init__()
        self._outputs = outputs
        self.extensions = nn.ModuleDict(
            {
                f"task_{name}": nn.Identity() if own is None else own
                for name, own in extensions.items()
            }
        )
        self.log_variance = nn.Parameter(torch.zeros(len(outputs))) if learnt else None

    def forward(self, outputs: Tensor) -> Tensor:
        """Return the logits, [B, sum of the tasks' (+ T)]."""
        parts = [
            self.extensions[f"task_{name}"](outputs[:, chosen])
            for name, chosen in self._outputs.items()
        ]
        if self.log_variance is not None:
            parts.append(self.log_variance.expand(len(outputs), -1))
        return torch.cat(parts, dim=1)


def _logits(task: Task) -> int:
    """Return the number of logits that a task has after its extension."""
    extension = task.extension()
    if extension is None:
        return task.outputs
    with torch.no_grad():
        return int(extension(torch.zeros(1, task.outputs)).shape[1])


def _known(target: Tensor, kind: str) -> Tensor:
    """Return which rows have the target of a task, bool [B]; of labels one suffices."""
    there = ~torch.isnan(target)
    return there.any(dim=1) if kind == "multilabel" else there.all(dim=1)


_CLASSES = ("binary", "multiclass", "ordinal")


def _as_task(target: Tensor, kind: str) -> Tensor:
    """Return the columns of a task as the task takes them."""
    if kind in _CLASSES:
        return target[:, 0].long()
    return target if target.shape[1] > 1 or kind == "multilabel" else target[:, 0]


def _plain(target: np.ndarray, kind: str) -> np.ndarray:
    return _as_task(torch.from_numpy(target), kind).numpy()
