"""Overhead of the training engine against a hand-written loop, and whether the loader feeds it.

Run as `python tests/benchmarks/bench_engine.py [--json FILE]`. Both train the same model from the
same weights on the same batches; that they end with the same weights is asserted before anything is
timed. Then steps of either are taken alternately, as the speed of a machine drifts by more than
what is measured. The engine records every step and asks for wishes, as in a run; its loader reads,
decodes and augments, in a thread whose processor time is given beside.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from lightning_fabric import Fabric

from medfusion import Experiment
from medfusion.data import Cohort, Loader
from medfusion.data.phantom import write_phantom
from medfusion.registry import create
from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training.callbacks import Callback
from medfusion.training.engine import Engine, seed_everything
from medfusion.training.objective import Objective
from medfusion.training.optimizers import make_optimizer
from medfusion.training.prediction import build_model
from medfusion.training.recorder import Recorder
from medfusion.training.tasks import fit_task

EPOCHS = 15
CHANGES = [
    "model.image={kind: timm, name: resnet18}",
    "training={epochs: 1000, batch_size: 32, schedule: {kind: constant}}",
]


def parts(experiment, cohort):
    """Return a model with its optimizer and task, the same each time."""
    training = experiment.training
    train = cohort.rows("train")
    task = fit_task(experiment.data.target, cohort.classes, cohort.target[train], training)
    seed_everything(0)
    model = build_model(experiment, cohort.preprocessing, task)
    optimizer = make_optimizer(model, model.encoder_parameters(), training.optimizer)
    return model, optimizer, task


def plain_step(model, optimizer, task, batch):
    """Train one step as one would write it by hand."""
    output = model(
        images=batch.images,
        image_present=batch.image_present,
        numeric=batch.numeric,
        numeric_present=batch.numeric_present,
        categorical=batch.categorical,
    )
    loss = task.loss(output.logits, batch.target)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    loss.item()


def copies(loader, epoch):
    """Return an epoch's batches with memory of their own: the loader reuses its buffers."""
    found = []
    for batch in loader.epoch(epoch):
        fields = dict(vars(batch))
        fields["images"] = {name: image.clone() for name, image in batch.images.items()}
        found.append(type(batch)(**fields))
    return found


class Alternate(Callback):
    """Takes a plain step after each of the engine's and times both; the last of the callbacks."""

    def __init__(self, step):
        self.step = step
        self.engine, self.plain = [], []
        self.waited = self.total = 0.0
        self.left = None

    def on_step_end(self, _engine, report):
        now = time.perf_counter()
        if self.left is not None:
            self.engine.append(now - self.left)
        self.waited += report.wait_seconds
        self.total += report.seconds
        started = time.perf_counter()
        self.step(report.step)
        self.left = time.perf_counter()
        self.plain.append(self.left - started)


def loading(loader):
    """Return the milliseconds that one batch takes to read, decode and augment."""
    started = time.perf_counter()
    count = sum(1 for _ in loader.epoch(1))
    return 1000 * (time.perf_counter() - started) / count


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--json", type=Path)
    out = arguments.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        write_phantom(Path(folder) / "data", subjects=560, size=64, seed=1)
        experiment = Experiment.from_yaml(Path(folder) / "data" / "experiment.yaml")
        experiment = override.apply(experiment, CHANGES)
        cohort = Cohort.load(experiment)
        rows = cohort.rows("train")[: 32 * 10]

        def loader(shuffle):
            return Loader(cohort, rows, batch_size=32, shuffle=shuffle, seed=0, augment=shuffle)

        run = RunFolder.create(experiment, Path(folder) / "runs")
        with Recorder(run.path, 1000) as recorder:
            model, optimizer, task = parts(experiment, cohort)
            plain_model, plain_optimizer, _ = parts(experiment, cohort)
            batches = copies(loader(shuffle=True), 0)

            def plain(number):
                plain_step(plain_model, plain_optimizer, task, batches[number % len(batches)])

            alternate = Alternate(plain)
            engine = Engine(
                model=model,
                optimizer=optimizer,
                schedule=create(
                    experiment.training.schedule,
                    steps_per_epoch=10,
                    epochs=1000,
                    smaller_is_better=False,
                ),
                objective=Objective(task),
                train=loader(shuffle=True),
                val=loader(shuffle=False),
                settings=experiment.training,
                monitor="val/auc",
                fabric=Fabric(accelerator="cpu", devices=1),
                callbacks=[recorder],
                ask=recorder.ask,
            )
            recorder.on_train_begin(engine)

            def engine_epoch():
                engine._train_epoch()  # the loop itself, without validation
                engine.progress.epoch += 1
                engine.progress.batch = 0

            # The same weights first: both loops draw the same random numbers in the same order.
            torch.manual_seed(5)
            plain_model.train()
            for number in range(len(batches)):
                plain(number)
            torch.manual_seed(5)
            engine_epoch()
            for mine, theirs in zip(
                engine.plain_model.state_dict().values(),
                plain_model.state_dict().values(),
                strict=True,
            ):
                assert torch.equal(mine, theirs), "the engine does not train like the plain loop"

            engine.callbacks.append(alternate)
            for _ in range(EPOCHS):
                alternate.left = None
                engine_epoch()
        ours, plainly = statistics.median(alternate.engine), statistics.median(alternate.plain)
        figures = {
            "model": "resnet18 + MLP, gated fusion, 64x64, batch 32",
            "threads": torch.get_num_threads(),
            "plain_ms_per_step": round(1000 * plainly, 2),
            "engine_ms_per_step": round(1000 * ours, 2),
            "overhead_percent": round(100 * (ours / plainly - 1), 2),
            "steps": len(alternate.engine),
            "loader_ms_per_batch": round(loading(loader(shuffle=True)), 2),
            "data_wait_percent": round(100 * alternate.waited / alternate.total, 2),
        }
    for name, value in figures.items():
        print(f"{name:>20}  {value}")
    if out is not None:
        out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
