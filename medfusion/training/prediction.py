"""Predictions of a trained run, for its own splits and for new tables; the run's evaluation."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from medfusion.data import Batch, Cases, Cohort, Loader, Preprocessing
from medfusion.errors import InputError, RunError
from medfusion.evaluation import Metric, choose_threshold, evaluate
from medfusion.evaluation.layout import layout_of
from medfusion.models import MultimodalModel
from medfusion.runs import RunFolder, atomic
from medfusion.runs import folder as files
from medfusion.spec import Experiment
from medfusion.training import checkpoint, regions
from medfusion.training.device import choose_device, loading_threads
from medfusion.training.objective import forward
from medfusion.training.tasks import Judged, Task, task_from_json

SPLITS = ("train", "val", "test")


def build_model(
    experiment: Experiment, preprocessing: Preprocessing, task: Task
) -> MultimodalModel:
    """Return the untrained model of an experiment."""
    data = experiment.data
    return MultimodalModel(
        experiment.model,
        views={name: (view.channels, *view.size) for name, view in data.images.items()},
        numeric=len(data.numeric),
        categories=preprocessing.cardinalities,
        outputs=task.outputs,
        extension=task.extension(),
        folder=experiment.folder,
        instances={
            name: view.instances.places
            for name, view in data.images.items()
            if view.instances is not None
        },
        bins=preprocessing.scaled_bins,
        combine=task.combine,
        segmented=data.segmented,
    )


def trained_model(run: RunFolder) -> tuple[MultimodalModel, Preprocessing, Task]:
    """Return the model of a run with the weights of its best epoch.

    Raises:
        RunError: The run has no such weights yet, or they are damaged.
    """
    path = run.path / files.CHECKPOINTS / files.BEST
    if not path.exists():
        msg = f"{run.path}: has no trained weights yet; `medfusion resume` goes on with it"
        raise RunError(msg)
    tensors, state = checkpoint.load(path)
    preprocessing = read_preprocessing(run)
    task = _as_saved(run) or task_from_json(state["task"])
    model = build_model(_without_weights(run.experiment), preprocessing, task)
    model.load_state_dict(tensors)
    return model, preprocessing, task


def read_preprocessing(run: RunFolder) -> Preprocessing:
    """Return what was fitted on the training rows of a run.

    Raises:
        RunError: The file is missing or damaged.
    """
    path = run.path / files.PREPROCESSING
    try:
        return Preprocessing.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"{run.path}: has no {files.PREPROCESSING} yet; `medfusion resume` goes on with it"
        raise RunError(msg) from None
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: damaged ({error})"
        raise RunError(msg) from None


def predict(
    run: RunFolder, table: str | Path, masks: Path | None = None
) -> tuple[list[str], np.ndarray, Task]:
    """Predict the rows of a table with a trained run.

    Args:
        run: The run.
        table: A table with the run's id and feature columns; the target is not needed.
        masks: Folder for the predicted masks of a segmentation, one PNG a row; see
            `medfusion.training.regions`.

    Returns:
        The ids, the predictions (probabilities [n, classes], values [n], risk and survival
        [n, 1 + T], or the pixels of each class but the first [n, K - 1]) and the task.

    Raises:
        RunError: The run is not trained.
        TableError: A column is missing or does not fit.
        InputError: Masks are asked for of another target than a segmentation.
    """
    model, preprocessing, task = trained_model(run)
    experiment = run.experiment
    if masks is not None and experiment.data.segmented is None:
        msg = f"{run.path}: predicts {task.kind}, which has no masks; leave them out"
        raise InputError(msg)
    if not task.ready:  # stopped before its end: what follows the training has not been done
        cohort = Cohort.load(experiment, split=saved_split(run), preprocessing=preprocessing)
        train = cohort.rows("train")
        logits = _logits(model, _loader(cohort, train, experiment), experiment)
        task = _complete(run, task, logits, cohort.target[train])
    cases = Cases.load(experiment.data, Path(table), preprocessing)
    loader = _loader(cases, np.arange(len(cases.ids)), experiment)
    if experiment.data.segmented is None:
        return cases.ids, task.predictions(_logits(model, loader, experiment)), task
    found = outputs(model, loader, experiment)
    if masks is not None:
        found = regions.save_masks(task, found, cases, masks)
    view = list(experiment.data.images).index(experiment.data.segmented)
    return cases.ids, regions.areas(task, found, view), task


def predict_rows(
    model: nn.Module,
    task: Task,
    cases: Cases,
    rows: np.ndarray,
    experiment: Experiment,
    change: Callable[[Batch], Batch] = lambda batch: batch,
) -> np.ndarray:
    """Return the predictions of a trained model for some rows, as `predict` does.

    Args:
        model: The model, as `trained_model` gives it.
        task: Its task.
        cases: The cases.
        rows: int64, which of them.
        experiment: The run's experiment.
        change: Changes each batch before the model sees it, for instance hides a modality.
    """
    loader = _loader(cases, rows, experiment)
    found = [logits.cpu() for _, logits in outputs(model, loader, experiment, change)]
    return task.predictions(torch.cat(found))


def evaluate_run(run: RunFolder, cohort: Cohort | None = None) -> dict[str, Any]:
    """Predict every split with the best weights, judge them, and write both to the run folder.

    The threshold of a binary target is chosen on the validation split.

    Returns:
        The content of metrics.json.

    Raises:
        RunError: The run is not trained.
    """
    experiment = run.experiment
    model, preprocessing, task = trained_model(run)
    if cohort is None:
        cohort = Cohort.load(experiment, split=saved_split(run), preprocessing=preprocessing)
    everyone, train = np.arange(len(cohort.ids)), cohort.rows("train")
    loader = _loader(cohort, everyone, experiment)
    if task.kind == "segmentation":
        found = outputs(model, loader, experiment)
        predictions = regions.judge(task, found, cohort.masks.spacing)
        chosen, dice = regions.choose_examples(task, cohort, predictions)
        rows = np.array([row for _, row in chosen], dtype=np.int64)
        shown = outputs(model, _loader(cohort, rows, experiment), experiment)
        regions.write_examples(run.path, cohort, shown, chosen, dice)
    else:
        logits = _logits(model, loader, experiment)
        if not task.ready:
            task = _complete(run, task, logits[train], cohort.target[train])
        predictions = task.predictions(logits)
    metrics: dict[str, Any] = {split: {} for split in SPLITS}
    for part in task.judged(cohort.target, predictions):
        for split, cards in _judge(part, cohort, experiment).items():
            named = {f"{part.prefix}{name}": one.to_json() for name, one in cards.items()}
            metrics[split] |= named
    atomic.write_text(run.path / files.PREDICTIONS, _prediction_rows(cohort, predictions, task))
    atomic.write_json(run.path / files.METRICS, metrics)
    return metrics


def _judge(part: Judged, cohort: Cohort, experiment: Experiment) -> dict[str, dict[str, Metric]]:
    """Judge what belongs together on every split; the threshold is chosen on validation."""
    settings, task = experiment.evaluation, part.task
    of_split = {split: np.isin(part.rows, cohort.rows(split)) for split in SPLITS}
    threshold = None
    if task.kind == "binary":
        val = of_split["val"]
        threshold = choose_threshold(
            part.target[val], part.predictions[val][:, 1], settings.threshold
        )
    return {
        split: evaluate(
            part.target[rows],
            part.predictions[rows],
            kind=task.kind,
            classes=task.classes,
            groups=[cohort.groups[row] for row in part.rows[rows]],
            settings=settings,
            threshold=threshold,
            chosen_here=split == "val" and settings.threshold.kind != "fixed",
            follow_up=task.follow_up(part.target[of_split["train"]]),
            seed=experiment.seed,
        )
        for split, rows in of_split.items()
    }


def saved_split(run: RunFolder) -> dict[str, str] | None:
    """Return the split of each id as the run drew it; None before it did."""
    if not (run.path / files.SPLIT).exists():
        return None
    return {row["id"]: row["split"] for row in run.split}


def prediction_table(
    ids: list[str],
    predictions: np.ndarray,
    task: Task,
    names: list[str] | None = None,
    **columns: list[str],
) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table of predictions; what is not a number has an empty cell.

    Args:
        ids: One per row.
        predictions: Probabilities [n, classes] or values [n].
        task: Names the classes.
        names: Columns of the predictions; by default those of rows without a target.
        columns: More columns, put after the id.
    """
    names = task.answers if names is None else names
    numbers = predictions.reshape(len(ids), len(names))
    rows = [
        [
            name,
            *(column[index] for column in columns.values()),
            *map(_cell, numbers[index].tolist()),
        ]
        for index, name in enumerate(ids)
    ]
    return ["id", *columns, *names], rows


def prediction_frame(ids: list[str], predictions: np.ndarray, task: Task) -> Any:
    """Return predictions as a DataFrame: id and prob_<class> or value.

    Args:
        ids: One per row.
        predictions: Probabilities [n, classes] or values [n].
        task: Names the classes.
    """
    import pandas as pd

    frame = pd.DataFrame(predictions.reshape(len(ids), -1), columns=task.answers)
    frame.insert(0, "id", ids)
    return frame


def _cell(number: float) -> str:
    return repr(number) if number == number else ""  # noqa: PLR0124 - NaN alone differs from itself


def _prediction_rows(cohort: Cohort, predictions: np.ndarray, task: Task) -> str:
    target = layout_of(cohort.spec.target).write(cohort.target, task.classes)
    if task.kind == "segmentation":
        target |= regions.dice_cells(task, cohort.target, predictions)
    header, rows = prediction_table(
        list(cohort.ids), predictions, task, task.columns, split=list(cohort.split), **target
    )
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _loader(cases: Cases, rows: np.ndarray, experiment: Experiment) -> Loader:
    training = experiment.training
    return Loader(
        cases,
        rows,
        batch_size=training.batch_size,
        shuffle=False,
        seed=0,
        augment=False,
        threads=loading_threads(training.device),
    )


def _logits(model: nn.Module, loader: Loader, experiment: Experiment) -> Tensor:
    return torch.cat([found.cpu() for _, found in outputs(model, loader, experiment)])


@torch.no_grad()
def outputs(
    model: nn.Module,
    loader: Loader,
    experiment: Experiment,
    change: Callable[[Batch], Batch] = lambda batch: batch,
) -> Iterator[tuple[Batch, Tensor]]:
    """Yield each batch of a loader with the model's logits, on the device that it runs on.

    Args:
        model: The model.
        loader: Its rows.
        experiment: Says where to run.
        change: Changes each batch before the model sees it.

    Raises:
        InputError: There are no rows.
    """
    device = choose_device(experiment.training.device)
    fabric = Fabric(accelerator=device, devices=1)
    model = fabric.setup_module(model)
    model.eval()
    if not len(loader.rows):
        msg = "there are no rows to predict"
        raise InputError(msg)
    for batch in loader.epoch(0):
        moved = change(batch).to(fabric.device)
        yield moved, forward(model, moved).logits.float()


def _complete(run: RunFolder, task: Task, logits: Tensor, target: np.ndarray) -> Task:
    """Let the task take what it needs from the training rows, and save it beside the weights."""
    done = task.after_training(logits, target)
    saved = {"weights": _weights(run), "task": done.to_json()}
    atomic.write_json(run.path / files.TASK, saved)
    return done


def _as_saved(run: RunFolder) -> Task | None:
    """Return the task as completed for the present weights; None where that is still to be done."""
    path = run.path / files.TASK
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return task_from_json(saved["task"]) if saved["weights"] == _weights(run) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: damaged ({error}); delete it, `medfusion evaluate` makes it anew"
        raise RunError(msg) from None


def _weights(run: RunFolder) -> str:
    return checkpoint.digest(run.path / files.CHECKPOINTS / files.BEST)


def _without_weights(experiment: Experiment) -> Experiment:
    """Return the experiment without pretrained weights: the checkpoint replaces them anyway."""
    image = experiment.model.image
    if image is None or not image.pretrained:
        return experiment
    document = experiment.model_dump(mode="json")
    document["model"]["image"] |= {"pretrained": False, "weights": None}
    return Experiment.from_mapping(document, folder=experiment.folder)
