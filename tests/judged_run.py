"""Writes finished runs without training: predictions of a known quality, judged as a run is."""

import csv
import json
import time
from pathlib import Path

import numpy as np

from medfusion import Experiment
from medfusion.evaluation import evaluate
from medfusion.runs import RunFolder, Status
from medfusion.runs.events import EventWriter
from medfusion.spec import Evaluation

YAML = """
medfusion: 1
name: {name}
seed: {seed}
data:
  table: cohort.csv
  id: id
  numeric: [age]
  target: {{kind: {kind}, column: y}}
  split: {{kind: grouped}}
evaluation: {{bootstrap: 200}}
training: {{epochs: 5, optimizer: {{kind: adamw, lr: {lr}}}}}
"""


def judged_run(
    runs, name="skin", *, seed=0, lr=0.001, noise=1.0, n=60, kind="binary", classes=("0", "1"),
    flipped=(), start=0, state="finished",
):  # fmt: skip
    """Write a run whose score is the truth (the same for all of the same `n`) plus noise.

    Args:
        flipped: Places of rows whose target is written as another class.
        start: Number in the first id.
    """
    runs = Path(runs)
    experiment = Experiment.from_yaml_text(
        YAML.format(name=name, seed=seed, lr=lr, kind=kind), folder=runs.parent
    )
    run = RunFolder.create(experiment, runs)
    count = len(classes)
    truth = np.arange(3 * n) % count
    score = np.eye(count)[truth] + noise * np.random.default_rng(seed).normal(size=(3 * n, count))
    odds = np.exp(score)
    chance = odds / odds.sum(axis=1, keepdims=True)
    splits = np.repeat(["train", "val", "test"], n)
    written = truth.copy()
    for place in flipped:
        written[place] = (written[place] + 1) % count
    with (run.path / "predictions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "split", "target", *(f"prob_{one}" for one in classes)])
        for row in range(3 * n):
            cells = [repr(float(value)) for value in chance[row]]
            table.writerow([f"p{start + row}", splits[row], classes[written[row]], *cells])
    with (run.path / "split.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "group", "split"])
        table.writerows([f"p{start + row}", f"g{start + row}", splits[row]] for row in range(3 * n))
    settings = Evaluation(bootstrap=200)
    metrics = {
        split: {
            one: metric.to_json()
            for one, metric in evaluate(
                written[splits == split], chance[splits == split],
                kind=kind, settings=settings, classes=classes,
            ).items()
        }
        for split in ("train", "val", "test")
    }  # fmt: skip
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    with EventWriter(run.path) as events:
        events.write("start", epochs=5, steps_per_epoch=4, experiment="x", hash="y")
        for epoch in range(1, 6):
            found = {"train/loss": 1 / epoch, "val/loss": 1.1 / epoch, "val/auc": 0.9 - 0.1 / epoch}
            events.write("epoch", epoch=epoch, step=4 * epoch, metrics=found, best=True, seconds=1)
    facts = run.environment | {"data_fingerprint": f"{n:04x}" * 16}
    (run.path / "environment.json").write_text(json.dumps(facts))
    (run.path / "checkpoints" / "best.safetensors").write_bytes(f"weights {name} {seed}".encode())
    Status(
        state=state, epoch=5, epochs=5, step=20, steps=20, heartbeat=time.time()
    ).write(run.path)  # fmt: skip
    return run
