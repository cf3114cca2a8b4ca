"""A folder in which every name and every cell is one of the hostile strings: table, runs, workflow."""

import contextlib
import csv
import json
import time
from pathlib import Path

import numpy as np

from medfusion import Experiment
from medfusion.data import png
from medfusion.errors import RunError
from medfusion.runs import RunFolder, Status
from medfusion.runs.events import EventWriter
from medfusion.workflow import Workflow
from tests import hostile


def _named() -> list[str]:
    """Return the strings, told apart where a table, which reads cells without blanks around, cannot."""
    seen: set[str] = set()
    found = []
    for one in hostile.STRINGS:
        name = f"{one} {len(found)}" if one.strip() in seen else one
        seen.add(name.strip())
        found.append(name)
    return found


STRINGS = _named()
READ = [name.strip() for name in STRINGS]
"""The strings as they are after a table was read."""

PER_CLASS = 5


def image_of(name: str) -> str:
    """Return where the image of a string lies: a file of this very name where there can be one."""
    return "images/plain.png" if "/" in name else f"images/{name}.png"


def kinds() -> tuple[list[str], list[str]]:
    """Return the names of the numeric and of the categorical columns."""
    return READ[::2], READ[1::2]


def write_table(folder: Path) -> Path:
    """Write 600 rows: each string names a column, a class of five rows, an image and a case."""
    (folder / "images").mkdir(parents=True)
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[4:12, 4:12] = (200, 80, 40)
    content = png.encode(pixels)
    for path in {image_of(name) for name in STRINGS}:
        (folder / path).write_bytes(content)
    table = folder / f"{STRINGS[20]}.csv".replace("/", "")
    numeric, _ = kinds()
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "image", "class", "said", *STRINGS])
        for row in range(PER_CLASS * len(STRINGS)):
            name, turn = STRINGS[row % len(STRINGS)], row // len(STRINGS)
            cells = [
                str((row * (place + 3)) % 17) if column.strip() in numeric
                else STRINGS[(place + row % 3) % len(STRINGS)]
                for place, column in enumerate(STRINGS)
            ]  # fmt: skip
            case = name if turn == 0 else f"{name.strip()} {turn}"
            writer.writerow([case, image_of(name), name, name, *cells])
    return table


def experiment_of(table: Path) -> dict:
    numeric, categorical = kinds()
    return {
        "name": "hostile",
        "data": {
            "table": table.name,
            "id": "case",
            "images": {"photo": {"column": "image", "size": [16, 16]}},
            "numeric": numeric,
            "categorical": categorical,
            "target": {"kind": "multiclass", "column": "class"},
            "split": {"kind": "stratified-grouped"},
        },
        "model": {"image": {"kind": "timm", "name": "test_resnet"}},
        "training": {"epochs": 1, "threads": 1},
        "evaluation": {"bootstrap": 100},
    }


def write_reviewed_run(table: Path) -> RunFolder:
    """Write a finished run over the table that doubts one label of each class."""
    experiment = Experiment.from_mapping(experiment_of(table), folder=table.parent)
    run = RunFolder.create(experiment, table.parent / "runs")
    count = len(STRINGS)
    splits = ["train", "train", "train", "val", "test"]
    with (run.path / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "target", *(f"prob_{name}" for name in READ)])
        for row in range(PER_CLASS * count):
            label, turn = row % count, row // count
            chance = np.full(count, 0.05 / (count - 1))
            chance[(label + (turn == 0)) % count] = 0.95
            case = READ[label] if turn == 0 else f"{READ[label]} {turn}"
            writer.writerow([case, splits[turn], READ[label], *map(repr, map(float, chance))])
    Status(state="finished", epoch=1, epochs=1, step=4, steps=4).write(run.path)
    return run


def write_live_run(table: Path) -> RunFolder:
    """Write a failed run whose messages, checks, metrics, classes and worst cases are the strings."""
    experiment = Experiment.from_mapping(
        {**experiment_of(table), "name": "live"}, folder=table.parent
    )
    run = RunFolder.create(experiment, table.parent / "watched")
    share = dict.fromkeys(STRINGS, 0.5)
    with EventWriter(run.path) as events:
        events.write("start", epochs=1, steps_per_epoch=4, experiment="x", hash="y")
        found = [{"name": n, "outcome": "WARN", "message": n, "count": 1} for n in STRINGS]
        events.write("checks", checks=found)
        for step in range(1, 5):
            events.write("step", step=step, epoch=1, loss=1 / step, lr=0.1)
        events.write("gradients", step=4, norms=share)
        for epoch in (1, 2):
            events.write(
                "epoch", epoch=epoch, step=2 * epoch, best=True, seconds=1,
                metrics={"train/loss": 0.5, "val/loss": 0.5, "val/auc": 0.5}
                | {f"val/{name}": 0.5 for name in STRINGS},
                classes={"sensitivity": share} | dict.fromkeys(STRINGS[:4], share),
                inside={f"gates/{n}": {"mean": 0.5, "low": 0.4, "high": 0.6} for n in STRINGS},
            )  # fmt: skip
        for name in STRINGS:
            events.write("message", level="warning", text=name)
    figure = {"value": 0.5, "ci": [0.4, 0.6], "method": STRINGS[20], "n": 9}
    (run.path / "metrics.json").write_text(json.dumps({"test": dict.fromkeys(STRINGS, figure)}))
    cases = [
        {"id": name, "split": "val", "truth": name, "said": name, "task": name, "wrong": 0.5}
        for name in READ
    ]
    (run.path / "mistakes.json").write_text(json.dumps({"epoch": 1, "cases": cases}))
    error = {"type": "Error", "message": " ".join(STRINGS[20:40])}
    Status(
        state="failed", epoch=2, epochs=2, step=4, steps=4, heartbeat=time.time(), error=error
    ).write(run.path)  # fmt: skip
    return run


def describe_run(run: RunFolder, names: list[str]) -> None:
    """Write names as the run's tags, where they can be, and as its note."""
    for name in names:
        with contextlib.suppress(RunError):  # too long for a tag, or with a comma
            run.tag(name)
    run.annotate("\n".join("".join(c for c in name if c.isprintable()) for name in names))


def write_workflow(table: Path) -> Path:
    """Write a workflow: a node of each string, which names it and stands in its settings."""
    nodes = {
        f"n{place}": {
            "kind": ("data", "split", "model", "training")[place % 4],
            "label": name[:80],
            "settings": {"data": {"table": name, "numeric": [name]}} if place % 4 == 0
            else {"training": {"optimizer": {"kind": name}}} if place % 4 == 3 else {},
            "position": [260 * (place % 12), 220 * (place // 12)],
        }
        for place, name in enumerate(STRINGS)
    }  # fmt: skip
    path = table.parent / "drawn.medfusion"
    document = {"workflow": 1, "name": "drawn", "description": "\n".join(STRINGS)[:2000]}
    path.write_text(Workflow.from_mapping(document | {"nodes": nodes}).model_dump_json())
    return path


def write_experiment(table: Path) -> Path:
    path = table.parent / "hostile.yaml"
    experiment = Experiment.from_mapping(experiment_of(table), folder=table.parent)
    path.write_text(experiment.to_yaml(), encoding="utf-8")
    return path
