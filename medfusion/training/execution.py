"""From a run folder to a trained and evaluated run, in the process that works on it."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import torch
from lightning_fabric import Fabric

from medfusion.data import Cohort, Loader
from medfusion.errors import MedFusionError, RunError
from medfusion.models.backbones.catalogue import weight_licence
from medfusion.models.image_licences import commercial_use
from medfusion.registry import create
from medfusion.runs import RunFolder, Status, atomic, control, status
from medfusion.runs import folder as files
from medfusion.spec import Experiment, smaller_is_better
from medfusion.training import checkpoint, prediction
from medfusion.training.auxiliary import auxiliary_terms
from medfusion.training.callbacks import Callback, EpochReport
from medfusion.training.device import choose_device, choose_precision, loading_threads
from medfusion.training.engine import Engine, optimizer_steps, seed_everything
from medfusion.training.objective import Objective
from medfusion.training.optimizers import make_optimizer
from medfusion.training.recorder import Recorder
from medfusion.training.supervision import supervision_terms
from medfusion.training.tasks import fit_task
from medfusion.training.worst import WorstCases

COHORT = "cohort.json"
LOCK = ".lock"


def execute(path: str | Path, callbacks: Sequence[Callback] = ()) -> Status:
    """Train a run from where it stands, evaluate every split, and return its last status.

    Works on a fresh run folder, on one that was stopped, and on one whose process was killed.
    SIGINT and SIGTERM save and stop after the current step.

    Args:
        path: The run folder.
        callbacks: Who else watches, such as a progress bar.

    Raises:
        RunError: Another process works on the run, or the folder is damaged beyond resuming.
        InputError: The data or the experiment do not allow training; the run's state is "failed".
    """
    run = RunFolder(path)
    lock = filelock.FileLock(run.path / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        msg = f"{run.path}: another process works on this run"
        raise RunError(msg) from None
    with lock:
        return _execute(run, callbacks)


def _execute(run: RunFolder, callbacks: Sequence[Callback]) -> Status:
    experiment = run.experiment
    with contextlib.suppress(RunError):  # a damaged status.json is rebuilt below
        if run.status.state == "finished":
            return run.status
    control.forget_old(run.path)
    with Recorder(run.path, experiment.training.epochs) as recorder, _signals(recorder):
        try:
            end = _train_and_evaluate(run, experiment, recorder, callbacks)
        except BaseException as error:
            level = "error" if isinstance(error, MedFusionError) else "fault"
            with contextlib.suppress(MedFusionError):  # the disk may be full
                recorder.message(f"{type(error).__name__}: {error}", level)
            with contextlib.suppress(MedFusionError):
                recorder.state("failed", error)
            raise
        recorder.state(end)
    return status.read(run.path)


def _train_and_evaluate(
    run: RunFolder, experiment: Experiment, recorder: Recorder, callbacks: Sequence[Callback]
) -> Any:
    training = experiment.training
    if training.deterministic:  # cuBLAS reads this when it starts; the process is the run's own
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(training.deterministic, warn_only=True)
    torch.backends.cudnn.benchmark = not training.deterministic
    if training.threads is not None:
        torch.set_num_threads(training.threads)
    device = choose_device(training.device)
    fabric = Fabric(accelerator=device, devices=1, precision=choose_precision(training, device))
    recorder.message("reading and checking the data")
    cohort = _prepare(run, experiment, recorder)
    if recorder.ask() == "stop":
        return "stopped"

    watching = [
        recorder,
        _CacheNotes(cohort, recorder),
        WorstCases(run.path, cohort),
        *callbacks,
    ]
    engine = _engine(run, experiment, cohort, fabric, watching, recorder)
    _restore(run, engine, recorder, experiment)
    if not engine.progress.done and engine.run() == "stopped":
        recorder.message("stopped; `medfusion resume` goes on from here")
        return "stopped"
    recorder.state("evaluating")
    recorder.message(f"evaluating the weights of epoch {engine.progress.best_epoch}")
    prediction.evaluate_run(run, cohort)
    return "finished"


class _CacheNotes(Callback):
    """Tells why images are not cached, where they are not."""

    def __init__(self, cohort: Cohort, recorder: Recorder) -> None:
        self._cache, self._recorder, self._told = cohort.cache, recorder, 0

    def on_epoch_end(self, engine: Any, report: EpochReport) -> None:  # noqa: ARG002
        notes = [] if self._cache is None else self._cache.notes
        for note in notes[self._told :]:
            self._recorder.message(f"cache: {note}", "warning")
        self._told = len(notes)


def _prepare(run: RunFolder, experiment: Experiment, recorder: Recorder) -> Cohort:
    """Load the data as this run drew and fitted it, or draw, fit and write that down."""
    split = prediction.saved_split(run)
    preprocessing = prediction.read_preprocessing(run) if _prepared(run) else None
    cohort = Cohort.load(experiment, split=split, preprocessing=preprocessing)
    facts = run.environment
    if preprocessing is not None:
        if facts.get("data_fingerprint") != cohort.fingerprint:
            msg = (
                f"{run.path}: the table or its images changed since this run began; "
                "start a new run with `medfusion train`"
            )
            raise RunError(msg)
        return cohort
    recorder.events.write("checks", checks=[dataclasses.asdict(check) for check in cohort.checks])
    for check in cohort.checks:
        if check.outcome != "PASS":
            recorder.message(f"{check.outcome} {check.name}: {check.message}", "warning")
    for sentence in experiment.idle:
        recorder.message(sentence, "warning")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "group", "split"])
    writer.writerows(zip(cohort.ids, cohort.groups, cohort.split, strict=True))
    atomic.write_text(run.path / files.SPLIT, text.getvalue())
    atomic.write_json(run.path / COHORT, cohort.summary())
    facts |= {"data_fingerprint": cohort.fingerprint, "torch_threads": torch.get_num_threads()}
    atomic.write_json(run.path / files.ENVIRONMENT, facts)
    # Last: its presence says that all of the above is there.
    atomic.write_text(run.path / files.PREPROCESSING, cohort.preprocessing.to_json())
    return cohort


def _prepared(run: RunFolder) -> bool:
    return (run.path / files.PREPROCESSING).exists() and (run.path / files.SPLIT).exists()


def _engine(
    run: RunFolder,
    experiment: Experiment,
    cohort: Cohort,
    fabric: Fabric,
    callbacks: list[Callback],
    recorder: Recorder,
) -> Engine:
    training = experiment.training
    train, val = cohort.rows("train"), cohort.rows("val")
    task = fit_task(experiment.data.target, tuple(cohort.classes), cohort.target[train], training)
    seed_everything(experiment.seed)
    model = prediction.build_model(experiment, cohort.preprocessing, task)
    image = experiment.model.image
    if image is not None and image.pretrained:
        licence = weight_licence(image.name)
        level = "info" if commercial_use(licence) == "yes" else "warning"
        recorder.message(f"weights of {image.name}: licence {licence or 'not stated'}", level)
    for note in model.notes:
        recorder.message(note, "info")
    terms = [
        *auxiliary_terms(experiment.model.auxiliary, model.modalities, task),
        *supervision_terms(experiment, model, task),
    ]
    if training.gradient_checkpointing:
        model.set_grad_checkpointing()
    batch_size = training.batch_size
    loaders = [
        Loader(
            cohort,
            rows,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=experiment.seed,
            augment=shuffle,
            threads=loading_threads(training.device),
        )
        for rows, shuffle in ((train, True), (val, False))
    ]
    schedule = create(
        training.schedule,
        steps_per_epoch=optimizer_steps(loaders[0], training),
        epochs=training.epochs,
        smaller_is_better=smaller_is_better(experiment.monitor),
    )
    folder = run.path / files.CHECKPOINTS
    folder.mkdir(exist_ok=True)
    return Engine(
        model=model,
        optimizer=make_optimizer(model, model.encoder_parameters(), training.optimizer),
        schedule=schedule,
        objective=Objective(task, terms),
        train=loaders[0],
        val=loaders[1],
        settings=training,
        monitor=experiment.monitor,
        fabric=fabric,
        callbacks=callbacks,
        save_last=lambda tensors, state: checkpoint.save_last(folder, tensors, state),
        save_best=lambda tensors, state: checkpoint.save_best(
            folder, tensors, {**state, "task": task.to_json()}
        ),
        ask=recorder.ask,
    )


def _restore(run: RunFolder, engine: Engine, recorder: Recorder, experiment: Experiment) -> None:
    """Go on from the newest intact checkpoint, where there is one."""
    found = checkpoint.load_last(run.path / files.CHECKPOINTS)
    if found is not None:
        tensors, state, name = found
        torch.set_num_threads(state["threads"])  # sums of another order have other last bits
        engine.load_state_dict(tensors, state)
        if name != checkpoint.LAST:
            recorder.message(
                "the last checkpoint is damaged; going on from the one before", "warning"
            )
    progress = engine.progress
    if found is None and not recorder.resumed:
        recorder.events.write(
            "start",
            epochs=experiment.training.epochs,
            steps_per_epoch=engine.steps_per_epoch,
            experiment=experiment.name,
            hash=run.environment.get("experiment_hash"),
        )
    else:
        recorder.events.write("resume", step=progress.step, epoch=progress.epoch)


@contextlib.contextmanager
def _signals(recorder: Recorder) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a stop after the current step."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        if recorder.stop_asked.is_set():  # asked twice: at once
            signal.default_int_handler(number, frame)
        recorder.stop_asked.set()

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
