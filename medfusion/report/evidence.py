"""Everything a report may say about a run, read from its folder and checked."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from medfusion.errors import RunError
from medfusion.evaluation.layout import LabelLayout, Layout, TaskLayout, layout_of
from medfusion.report.examples import Example, read_examples
from medfusion.runs import History, RunFolder, Status
from medfusion.runs import folder as files
from medfusion.spec import Experiment
from medfusion.spec.target import MultitaskTarget, TargetSpec, of_task

COHORT = "cohort.json"
SPLITS = ("train", "val", "test")

T = TypeVar("T")


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True)


class Excluded(_Read):
    """Rows left out for one reason."""

    reason: str
    count: int


class FlowCounts(_Read):
    """From the table's rows to those analysed."""

    rows: int
    excluded: tuple[Excluded, ...] = ()
    analysed: int


class TargetFacts(_Read):
    """What is predicted."""

    column: str
    kind: str
    classes: tuple[str, ...] | None = None
    unit: str | None = None


class SplitFacts(_Read):
    """One split: its size, its target (counts of classes or mean, sd, min, max), what is missing.

    `unknown` has the number of rows without a target, by what it is called.
    """

    split: str
    subjects: int
    groups: int
    target: dict[str, float | None]
    missing: dict[str, int] = {}
    unknown: dict[str, int] = {}


class NumericSummary(_Read):
    """A numeric column in one split."""

    n: int
    missing: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    min: float | None = None
    max: float | None = None


class CategoricalSummary(_Read):
    """A categorical column in one split: counts in the order of the levels."""

    n: int
    missing: int
    counts: tuple[int, ...]


class NumericColumn(_Read):
    """A numeric column of Table 1."""

    column: str
    kind: Literal["numeric"]
    splits: dict[str, NumericSummary]
    smd: dict[str, float | None] = {}


class CategoricalColumn(_Read):
    """A categorical column of Table 1."""

    column: str
    kind: Literal["categorical"]
    levels: tuple[str, ...]
    splits: dict[str, CategoricalSummary]
    smd: dict[str, float | None] = {}


Table1Column = Annotated[NumericColumn | CategoricalColumn, Field(discriminator="kind")]


class CheckFacts(_Read):
    """Outcome of one data check."""

    name: str
    outcome: Literal["PASS", "WARN", "FAIL"]
    message: str
    count: int = 0


class LabelChange(_Read):
    """Labels of one split that were corrected alike."""

    split: str
    column: str
    old: str | None = Field(alias="from")
    new: str | None = Field(alias="to")
    count: int


class CorrectionFacts(_Read):
    """What the label review changed; `test_left` counts corrections of test labels not applied."""

    file: str
    sha256: str
    splits: dict[str, dict[str, int]] = {}
    changes: tuple[LabelChange, ...] = ()
    test_left: int = 0

    def count(self, split: str, action: str) -> int:
        """Return how often an action was applied in a split."""
        return self.splits.get(split, {}).get(action, 0)


class CohortFacts(_Read):
    """cohort.json."""

    flow: FlowCounts
    target: TargetFacts
    splits: tuple[SplitFacts, ...]
    table1: tuple[Table1Column, ...] = ()
    checks: tuple[CheckFacts, ...] = ()
    corrections: CorrectionFacts | None = None

    def of(self, split: str) -> SplitFacts | None:
        """Return the facts of one split."""
        return next((facts for facts in self.splits if facts.split == split), None)


class Estimate(_Read):
    """One metric of one split; `value` is None where it is not estimable, `note` says why."""

    value: float | None
    ci: tuple[float, float] | None = None
    method: str = ""
    n: int
    note: str = ""


Metrics = dict[str, dict[str, Estimate]]


@dataclasses.dataclass(frozen=True)
class SplitPredictions:
    """Predictions of one split.

    Attributes:
        target: Index of the class `[n]` (int64), the observed number `[n]` (float64), time and
            event `[n, 2]`, or the pixels of each class `[n, K]`.
        output: Probability of each class `[n, K]`, the predicted number `[n]`, risk and survival
            `[n, 1 + T]`, or area, overlap and distance of each class of pixels `[n, 3 (K - 1)]`.
        columns: Names of what was predicted.
    """

    target: NDArray[Any]
    output: NDArray[np.float64]
    columns: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.target)

    def one(self, place: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return truth and probability of one class or label, of the rows in which it is known."""
        if self.target.ndim == 1:
            return self.target == place, self.output[:, place]
        known = ~np.isnan(self.target[:, place])
        return self.target[known, place] == 1, self.output[known, place]

    def counts(self) -> NDArray[np.int64]:
        """Return how many rows are of each class, or have each label."""
        places = range(self.output.shape[1])
        return np.array([int(self.one(place)[0].sum()) for place in places], dtype=np.int64)


@dataclasses.dataclass(frozen=True)
class Evidence:
    """A run as far as it got; what is not there yet is None or empty.

    Attributes:
        classes: Names of the classes in the order of the probabilities; empty for a regression.
        best: The epoch event whose weights are the best ones.
        examples: Cases of a segmentation, drawn.
    """

    name: str
    experiment: Experiment
    experiment_text: str
    status: Status
    environment: Mapping[str, Any] | None
    cohort: CohortFacts | None
    metrics: Metrics | None
    predictions: Mapping[str, SplitPredictions] | None
    classes: tuple[str, ...]
    history: History
    best: Mapping[str, Any] | None
    examples: tuple[Example, ...] = ()

    @property
    def kind(self) -> str:
        """Kind of the target."""
        return self.experiment.data.target.kind

    @property
    def event(self) -> str:
        """The event of a binary target, for instance "malignant = 1"."""
        return f"{self.experiment.data.target.columns[0]} = {self.classes[1]}"

    @property
    def checks(self) -> Sequence[CheckFacts]:
        """Outcomes of the data checks, empty where none are recorded."""
        return self.cohort.checks if self.cohort else ()

    @property
    def confidence(self) -> str:
        """Coverage of the intervals, for instance "95%"."""
        return f"{100 * self.experiment.evaluation.confidence:g}%"

    def metric(self, split: str, name: str) -> Estimate | None:
        """Return a metric of a split, or None where it was not worked out."""
        return (self.metrics or {}).get(split, {}).get(name)

    def value(self, split: str, name: str) -> float | None:
        """Return the value of a metric of a split, or None."""
        found = self.metric(split, name)
        return found.value if found else None

    def judged(self, split: str, metric: str) -> SplitPredictions | None:
        """Return the predictions of a split on which a metric is estimable, else None."""
        found = self.metric(split, metric)
        return self.prediction(split) if found is None or found.value is not None else None

    def unjudged(self, metric: str) -> str:
        """Return why a metric is estimable on neither validation nor test."""
        if not self.predictions:
            return "Not evaluated yet."
        found = [self.metric(split, metric) for split in ("test", "val")]
        why = next((one.note for one in found if one and one.note), "not estimable")
        return f"{why[:1].upper()}{why[1:]}."

    def prediction(self, split: str) -> SplitPredictions | None:
        """Return the predictions of a split, or None."""
        return (self.predictions or {}).get(split)


def tasks(evidence: Evidence) -> dict[str, Evidence]:
    """Return each task of a multitask target as if it were the only one; else nothing."""
    target = evidence.experiment.data.target
    if not isinstance(target, MultitaskTarget):
        return {}
    return {name: _of_task(evidence, name, own) for name, own in target.tasks.items()}


def _of_task(evidence: Evidence, task: str, target: TargetSpec) -> Evidence:
    start = f"{task}/"
    experiment = evidence.experiment
    data = experiment.data.model_copy(update={"target": target})
    metrics = evidence.metrics and {
        split: {n.removeprefix(start): one for n, one in found.items() if n.startswith(start)}
        for split, found in evidence.metrics.items()
    }
    classes = of_task(evidence.classes, task)
    predictions = None
    form = layout_of(experiment.data.target)
    if evidence.predictions is not None and isinstance(form, TaskLayout):
        predictions = {}
        for split, found in evidence.predictions.items():
            output = found.output.reshape(found.n, -1)
            own, said, columns = form.part(task, found.target, output, found.columns)
            plain = said[:, 0] if said.shape[1] == 1 and target.kind != "multilabel" else said
            predictions[split] = SplitPredictions(own, plain, tuple(columns))
    return dataclasses.replace(
        evidence,
        experiment=experiment.model_copy(update={"data": data}),
        cohort=evidence.cohort and _cohort_of_task(evidence.cohort, task, target),
        metrics=metrics,
        predictions=predictions,
        classes=classes,
    )


def _cohort_of_task(cohort: CohortFacts, task: str, target: TargetSpec) -> CohortFacts:
    start = f"{task}/"
    facts = TargetFacts(
        column=", ".join(target.columns),
        kind=target.kind,
        classes=of_task(cohort.target.classes or (), task),
        unit=getattr(target, "unit", ""),
    )
    splits = []
    for split in cohort.splits:
        own = {n.removeprefix(start): v for n, v in split.target.items() if n.startswith(start)}
        lost = {n.removeprefix(start): v for n, v in split.unknown.items() if n.startswith(start)}
        without = split.unknown.get(task, 0)
        splits.append(
            split.model_copy(
                update={
                    "target": own,
                    "unknown": lost,
                    "subjects": split.subjects - without,
                    "missing": {},
                }
            )
        )
    return cohort.model_copy(update={"target": facts, "splits": tuple(splits)})


def gather(run: RunFolder) -> Evidence:
    """Read a run folder.

    Raises:
        RunError: A file of the run is damaged; the message names it and what is wrong.
        SpecError: experiment.yaml is damaged.
    """
    experiment = run.experiment
    cohort = _optional(run.path / COHORT, TypeAdapter(CohortFacts))
    history = run.history()
    classes, predictions = _predictions(run, experiment.data.target, cohort)
    return Evidence(
        name=run.name,
        experiment=experiment,
        experiment_text=(run.path / files.EXPERIMENT).read_text(encoding="utf-8"),
        status=run.status,
        environment=_optional(run.path / files.ENVIRONMENT, TypeAdapter(dict[str, Any])),
        cohort=cohort,
        metrics=_optional(run.path / files.METRICS, TypeAdapter(Metrics)),
        predictions=predictions,
        classes=classes,
        history=history,
        best=next((event for event in reversed(history.epochs) if event.get("best")), None),
        examples=read_examples(run.path),
    )


def _optional(path: Path, schema: TypeAdapter[T]) -> T | None:
    try:
        return schema.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        msg = f"{path}: damaged: {where}: {first['msg']}"
        raise RunError(msg) from None
    except (OSError, ValueError) as error:
        msg = f"{path}: damaged ({error})"
        raise RunError(msg) from None


def _predictions(
    run: RunFolder, target: TargetSpec, cohort: CohortFacts | None
) -> tuple[tuple[str, ...], Mapping[str, SplitPredictions] | None]:
    known = (cohort.target.classes if cohort else None) or ()
    path = run.path / files.PREDICTIONS
    if not path.is_file():
        return tuple(known), None
    header, rows = _rows(path)
    form = layout_of(target)
    outputs, classes = form.columns(header), form.classes(header)
    wanted = ("id", "split", *form.targets(classes), *outputs)
    lacking = [name for name in wanted if name not in header]
    if lacking or not outputs or (not classes and known):
        msg = f"{path}: damaged: the column(s) {', '.join(lacking) or 'prob_<class>'} are missing"
        raise RunError(msg)
    if known and classes != tuple(known):
        msg = f"{path}: damaged: its classes are not those of {COHORT}"
        raise RunError(msg)
    by_split: dict[str, list[dict[str, str]]] = {}
    for line, cells in enumerate(rows, start=2):
        row = dict(zip(header, cells, strict=False))
        try:
            sound = form.whole(row, header) and form.sound(form.read([row], classes))
        except (KeyError, ValueError) as error:
            msg = f"{path}: damaged: record {line}: {type(error).__name__}: {error}"
            raise RunError(msg) from None
        if not sound:
            msg = f"{path}: damaged: record {line}: holds a number that is not finite"
            raise RunError(msg)
        by_split.setdefault(row["split"], []).append(row)
    return classes, {
        split: SplitPredictions(
            form.read(chosen, classes), _squeezed(form, chosen, header), tuple(outputs)
        )
        for split, chosen in by_split.items()
    }


def _squeezed(form: Layout, rows: list[dict[str, str]], header: list[str]) -> NDArray[np.float64]:
    found = form.predictions(rows, header)
    single = found.shape[1] == 1 and not isinstance(form, LabelLayout)
    return found[:, 0] if single else found


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            return header, [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: damaged ({error})"
        raise RunError(msg) from None
