"""Plays a run without training: `make`, `play` and `long` write what a run's process would write.

python played_run.py make FOLDER NAME         an experiment and its empty run folder; prints it
python played_run.py play RUN [SECONDS]       steps, epochs, messages; heeds pause and stop
python played_run.py long RUN STEPS           a finished history of many steps at once
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np

from medfusion import Experiment
from medfusion.data import png
from medfusion.runs import RunFolder, Status
from medfusion.runs.control import Control
from medfusion.runs.events import EventWriter
from medfusion.runs.status import of_this_process

EPOCHS, PER_EPOCH = 10, 40

YAML = """
medfusion: 1
name: {name}
data:
  table: cohort.csv
  id: patient
  images: {{photo: {{column: image, size: [64, 64]}}}}
  numeric: [age]
  categorical: [sex]
  target: {{kind: binary, column: malignant}}
  split: {{kind: grouped}}
model: {{fusion: {{kind: gated, dim: 32}}}}
training: {{epochs: {epochs}}}
"""

CHECKS = [
    {"name": "duplicate-ids", "outcome": "PASS", "message": "640 ids, all different", "count": 0},
    {
        "name": "group-overlap",
        "outcome": "PASS",
        "message": "no group is in two splits",
        "count": 0,
    },
    {
        "name": "target-leakage",
        "outcome": "WARN",
        "message": "dx_type alone tells the target apart (AUC 0.993): is it known beforehand?",
        "count": 1,
    },
]


def make(folder: str, name: str) -> None:
    write_cohort(Path(folder))
    experiment = Experiment.from_yaml_text(YAML.format(name=name, epochs=EPOCHS), folder=folder)
    print(RunFolder.create(experiment, Path(folder) / "runs").path)


def write_cohort(folder: Path) -> None:
    """Write a table with a few pictures: what the worst cases show."""
    rows = np.arange(64.0)
    for case in range(8):
        disc = np.hypot(rows - 32, rows[:, None] - 20 - 3 * case) < 10 + case
        pixels = np.where(disc[..., None], [150, 60 + 10 * case, 60], [236, 200, 180])
        (folder / f"{case}.png").write_bytes(png.encode(pixels.astype(np.uint8)))
    lines = [f"patient {case},{case}.png,{40 + case},f,yes,p" for case in range(8)]
    header = "patient,image,age,sex,malignant,p"
    (folder / "cohort.csv").write_text("\n".join([header, *lines, ""]))


def inside(done: float) -> dict:
    """Return what the epochs of a run tell of classes and gates."""
    image = 0.5 + 0.3 * done
    gates = {"image": image, "table": 1 - image}
    return {
        "classes": {"sensitivity": {"no": 0.9 - 0.1 * done, "yes": 0.4 + 0.4 * done}},
        "inside": {
            f"gates/{name}": {"mean": mean, "low": mean - 0.15, "high": mean + 0.12}
            for name, mean in gates.items()
        },
    }


def write_mistakes(folder: Path, epoch: int) -> None:
    cases = [
        {"id": f"patient {case}", "split": "val", "truth": "yes", "said": "no", "task": "",
         "wrong": 0.97 - case / 20}
        for case in range(8)
    ]  # fmt: skip
    (folder / "mistakes.json").write_text(json.dumps({"epoch": epoch, "cases": cases}))


def step_event(step: int, steps: int) -> dict:
    noise = 0.1 * (math.sin(12.9898 * step) * 43758.5453 % 1 - 0.5)
    return {
        "step": step,
        "epoch": (step - 1) // PER_EPOCH + 1,
        "loss": round(0.25 + 0.5 * math.exp(-3 * step / steps) + noise, 5),
        "lr": round(1e-3 * (1 + math.cos(math.pi * step / steps)) / 2, 8),
        "grad_norm": 1.5,
        "seconds": 0.05,
        "wait_seconds": 0.001,
    }


def epoch_event(epoch: int, step: int, best: float) -> dict:
    done = epoch / EPOCHS
    auc = round(0.9 - 0.35 * math.exp(-3 * done) - 0.03 * max(0, done - 0.7), 4)
    return {
        "epoch": epoch,
        "step": step,
        "metrics": {
            "train/loss": round(0.27 + 0.5 * math.exp(-3 * done), 4),
            "val/loss": round(0.33 + 0.42 * math.exp(-3 * done) + 0.05 * done, 4),
            "val/auc": auc,
            "val/average_precision": round(auc - 0.12, 4),
            "val/accuracy": round(auc - 0.05, 4),
            "val/balanced_accuracy": round(auc - 0.08, 4),
            "val/brier": round(0.3 - 0.15 * done, 4),
        },
        "best": auc > best,
        "seconds": 2.0,
        **inside(done),
    }


def play(run: str, seconds: str = "8") -> None:
    folder, steps = Path(run), EPOCHS * PER_EPOCH
    pause = float(seconds) / steps
    events, control, me = EventWriter(folder), Control(folder), of_this_process()
    state, best, left = "running", 0.0, None

    def write(state: str, step: int) -> None:
        load = {"cpu": 62.0, "memory": 31.4, "disk": 12.0, "gpu": 88.0}
        Status(
            state=state, epoch=step // PER_EPOCH, epochs=EPOCHS, step=step, steps=steps,
            seconds_left=left, heartbeat=time.time(), system=load, **me,
        ).write(folder)  # fmt: skip

    write(state, 0)
    events.write("start", epochs=EPOCHS, steps_per_epoch=PER_EPOCH, experiment="x", hash="y")
    events.write("checks", checks=CHECKS)
    events.write("message", level="info", text="640 subjects: train 448, val 96, test 96")
    events.write("message", level="warning", text="target-leakage: dx_type alone tells the target")
    for step in range(1, steps + 1):
        while (wish := control.wish()) == "pause":
            write("paused", step - 1)
            time.sleep(0.05)
        if wish == "stop":
            break
        events.write("step", **step_event(step, steps))
        left = (steps - step) * pause
        if step % PER_EPOCH == 0:
            event = epoch_event(step // PER_EPOCH, step, best)
            best = max(best, event["metrics"]["val/auc"])
            events.write("epoch", **event)
            if event["best"]:
                write_mistakes(folder, event["epoch"])
            events.write("message", level="info", text=f"epoch {event['epoch']}: saved")
        if step % 10 == 0:
            write("running", step)
            norms = {"image": 3 / step, "table": 1 / step, "fusion": 0.5, "head": 0.2}
            events.write("gradients", step=step, norms=norms)
            events.write("system", cpu=60.0 + step % 30, memory=31.4, disk=12.0, gpu=88.0)
        time.sleep(pause)
    else:
        state = "finished"
        left = None
        auc = {"value": 0.871, "ci": [0.802, 0.928], "method": "DeLong", "n": 96}
        none = {"value": None, "ci": None, "method": "not estimable", "n": 96}
        metrics = {"val": {"auc": auc}, "test": {"auc": auc, "calibration_slope": none}}
        (folder / "metrics.json").write_text(json.dumps(metrics))
    state = "finished" if state == "finished" else "stopped"
    left = None
    events.write("message", level="info", text=f"{state} at step {step}")
    write(state, step if state == "finished" else step - 1)
    events.close()


def long(run: str, steps: str) -> None:
    folder, count = Path(run), int(steps)
    with (folder / "events.jsonl").open("w") as file:
        for step in range(1, count + 1):
            event = {"seq": step, "time": 1.7e9 + step, "kind": "step", **step_event(step, count)}
            if step == count // 2:
                event["loss"] = 99.0  # one spike that no thinning may lose
            file.write(json.dumps(event) + "\n")
    Status(state="finished", epochs=1, epoch=1, step=count, steps=count).write(folder)


if __name__ == "__main__":
    {"make": make, "play": play, "long": long}[sys.argv[1]](*sys.argv[2:])
