"""Synthetic run folders, as training writes them, with any names that the schema allows."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medfusion.evaluation import choose_threshold, evaluate
from medfusion.report import plotly_bundle
from medfusion.runs import RunFolder, Status
from medfusion.runs.events import EventWriter
from medfusion.spec import METRICS, Experiment

SPLITS = ("train", "val", "test")
EPOCHS = 6


@dataclasses.dataclass(frozen=True)
class Names:
    """What a run's data call things."""

    experiment: str = "skin-fusion"
    target: str = "malignant"
    classes: tuple[str, ...] = ("benign", "malignant")
    numeric: str = "age"
    categorical: str = "localization"
    levels: tuple[str, ...] = ("trunk", "face", "back")
    id: str = "case"
    group: str = "lesion_id"
    unit: str = "years"
    reason: str = "image cannot be read"
    message: str = "10 of 500 rows have no age"
    finding: str = "missing values"


@pytest.fixture(autouse=True)
def _bundle() -> None:
    if not plotly_bundle.BUNDLE.is_file():
        pytest.skip("plotly.js was not built: run `make install`")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """Return a function that makes a run folder: make_run(kind, names, n, evaluated, state)."""

    def make(
        kind: str = "binary",
        names: Names | None = None,
        *,
        n: int = 500,
        signal: float = 1.5,
        evaluated: bool = True,
        prepared: bool = True,
        trained: bool = True,
        repeated: bool = False,
        state: str = "finished",
        settings: dict[str, Any] | None = None,
    ) -> RunFolder:
        names = names or Names(classes=_classes(kind))
        experiment = _experiment(kind, names, settings or {})
        run = RunFolder.create(experiment, tmp_path / "runs")
        rng = np.random.default_rng(7)
        split = rng.choice(SPLITS, n, p=[0.6, 0.2, 0.2])
        target, output = _outcome(kind, names, n, signal, rng)
        groups = [f"g{i // 2 if repeated else i}" for i in range(n)]
        if repeated:
            split = np.array([split[i // 2 * 2] for i in range(n)])
        if prepared:
            cohort = _cohort(kind, names, split, target, groups, rng)
            (run.path / "cohort.json").write_text(json.dumps(cohort), encoding="utf-8")
            facts = run.environment | {"data_fingerprint": "5c0ffee", "torch_threads": 2}
            (run.path / "environment.json").write_text(json.dumps(facts), encoding="utf-8")
        if trained:
            _events(run, kind, names)
        if evaluated:
            _evaluate(run, experiment, split, target, output, groups, names)
        epoch = EPOCHS if trained else 0
        error = {"type": "TableError", "message": names.message} if state == "failed" else None
        Status(state=state, epoch=epoch, epochs=EPOCHS, error=error).write(run.path)
        return run

    return make


@pytest.fixture
def hostile_names() -> Callable[[str, str], Names]:
    """Return a function that calls everything in a run's data after a hostile text."""

    def make(hostile: str, kind: str) -> Names:
        count = 4 if kind == "multiclass" else 2
        values: dict[str, Any] = {
            field.name: f"{hostile} {field.name}" for field in dataclasses.fields(Names)
        }
        values |= {
            "experiment": "".join(c for c in hostile if c.isalpha())[:90] or "x",
            "classes": tuple(f"{hostile} {number}" for number in range(count)),
            "levels": tuple(f"{hostile} {letter}" for letter in "abc"),
        }
        return Names(**values)

    return make


def _classes(kind: str) -> tuple[str, ...]:
    return (
        ("naevus", "melanoma", "keratosis", "carcinoma")
        if kind == "multiclass"
        else (
            "benign",
            "malignant",
        )
    )


def _experiment(kind: str, names: Names, settings: dict[str, Any]) -> Experiment:
    target: dict[str, Any] = {"kind": kind, "column": names.target}
    if kind == "binary":
        target["positive"] = names.classes[1]
    if kind == "multiclass":
        target["classes"] = list(names.classes)
    if kind == "regression":
        target["unit"] = names.unit
    return Experiment.from_mapping(
        {
            "name": names.experiment,
            "seed": 7,
            "data": {
                "table": "skin.csv",
                "id": names.id,
                "group": names.group,
                "images": {"photo": {"column": "image_path", "size": [64, 64]}},
                "numeric": [names.numeric],
                "categorical": [names.categorical],
                "target": target,
                "split": {"kind": "stratified-grouped"},
            },
            "training": {"epochs": EPOCHS, "early_stopping": {"patience": 4}},
            "evaluation": {"bootstrap": 100, **settings},
        }
    )


def _outcome(kind: str, names: Names, n: int, signal: float, rng: Any) -> tuple[Any, Any]:
    if kind == "regression":
        target = rng.normal(50, 12, n)
        return target, target * 0.8 + 10 + rng.normal(0, 6, n)
    count = len(names.classes)
    target = rng.choice(count, n, p=_weights(count))
    logits = rng.normal(0, 1, (n, count)) + signal * np.eye(count)[target] + np.log(_weights(count))
    output = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return target, output.astype(np.float32).astype(float)


def _weights(count: int) -> np.ndarray:
    weights = np.arange(count, 0, -1, dtype=float)
    return weights / weights.sum()


def _cohort(
    kind: str, names: Names, split: Any, target: Any, groups: list[str], rng: Any
) -> dict[str, Any]:
    n = len(split)
    age = rng.normal(52, 16, n)
    level = rng.integers(0, len(names.levels), n)
    missing = rng.random(n) < 0.02
    parts = {"all": np.ones(n, bool)} | {name: split == name for name in SPLITS}

    def numeric(rows: Any) -> dict[str, Any]:
        known = age[rows & ~missing]
        if not len(known):
            empty = dict.fromkeys(("mean", "sd", "median", "q1", "q3", "min", "max"))
            return {"n": 0, "missing": int(rows.sum())} | empty
        q1, median, q3 = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
        return {
            "n": len(known),
            "missing": int((rows & missing).sum()),
            "mean": float(known.mean()),
            "sd": float(known.std()),
            "median": median,
            "q1": q1,
            "q3": q3,
            "min": float(known.min()),
            "max": float(known.max()),
        }

    def categorical(rows: Any) -> dict[str, Any]:
        counts = np.bincount(level[rows], minlength=len(names.levels)).tolist()
        return {"n": int(rows.sum()), "missing": 0, "counts": counts}

    def outcome(rows: Any) -> dict[str, Any]:
        values = target[rows]
        if kind != "regression":
            counts = np.bincount(values, minlength=len(names.classes)).tolist()
            return dict(zip(names.classes, counts, strict=True))
        if not len(values):
            return dict.fromkeys(("mean", "sd", "min", "max"))
        return {
            "mean": float(values.mean()),
            "sd": float(values.std()),
            "min": float(values.min()),
            "max": float(values.max()),
        }

    return {
        "flow": {
            "rows": n + 3,
            "excluded": [{"reason": names.reason, "count": 3, "ids": ["a", "b", "c"]}],
            "analysed": n,
        },
        "target": {
            "column": names.target,
            "kind": kind,
            "classes": list(names.classes) if kind != "regression" else [],
            "unit": names.unit if kind == "regression" else "",
        },
        "splits": [
            {
                "split": name,
                "subjects": int(parts[name].sum()),
                "groups": len({g for g, there in zip(groups, parts[name], strict=True) if there}),
                "target": outcome(parts[name]),
                "missing": {"photo": 4, "table": 0},
            }
            for name in SPLITS
        ],
        "table1": [
            {
                "column": names.numeric,
                "kind": "numeric",
                "splits": {name: numeric(rows) for name, rows in parts.items()},
                "smd": {"val": 0.031, "test": -0.142},
            },
            {
                "column": names.categorical,
                "kind": "categorical",
                "levels": list(names.levels),
                "splits": {name: categorical(rows) for name, rows in parts.items()},
                "smd": {"val": 0.054, "test": None},
            },
        ],
        "checks": [
            {
                "name": "duplicate ids",
                "outcome": "PASS",
                "message": f"{n} rows, no id twice",
                "count": 0,
                "rows": [],
            },
            {
                "name": names.finding,
                "outcome": "WARN",
                "message": names.message,
                "count": 10,
                "rows": ["a"],
            },
            {
                "name": "target leakage",
                "outcome": "FAIL",
                "message": f"{names.numeric}: AUC 0.991. Is this known before the target is?",
                "count": 1,
                "rows": ["secret-id"],
            },
        ],
    }


def _events(run: RunFolder, kind: str, names: Names) -> None:
    writer = EventWriter(run.path)
    writer.write("message", level="info", text="reading and checking the data")
    writer.write("message", level="warning", text=f"WARN {names.finding}: {names.message}")
    writer.write("start", epochs=EPOCHS, steps_per_epoch=10, experiment=names.experiment, hash="0")
    for epoch in range(1, EPOCHS + 1):
        for step in range(10 * epoch - 9, 10 * epoch + 1):
            lr = 0.001 * (1 + np.cos(np.pi * step / (10 * EPOCHS))) / 2
            writer.write("step", step=step, epoch=epoch, loss=1 / step, lr=float(lr))
        metrics = {"train/loss": 0.7 / epoch**0.5, "val/loss": 0.66 / epoch**0.4 + 0.01 * epoch}
        for name in METRICS[kind][1:]:
            metrics[f"val/{name}"] = 0.6 + 0.2 * (1 - 1 / epoch) - 0.01 * max(0, epoch - 4)
        best = epoch <= 4
        writer.write("epoch", epoch=epoch, step=10 * epoch, metrics=metrics, best=best, seconds=2.0)
    writer.close()


def _evaluate(
    run: RunFolder,
    experiment: Experiment,
    split: Any,
    target: Any,
    output: Any,
    groups: list[str],
    names: Names,
) -> None:
    kind, settings = experiment.data.target.kind, experiment.evaluation
    classes = names.classes if kind != "regression" else ()
    threshold = None
    if kind == "binary":
        val = split == "val"
        threshold = choose_threshold(target[val], output[val], settings.threshold)
    metrics = {}
    for name in SPLITS:
        rows = np.flatnonzero(split == name)
        found = evaluate(
            target[rows],
            output[rows],
            kind=kind,
            classes=classes,
            groups=[groups[row] for row in rows],
            settings=settings,
            threshold=threshold,
            chosen_here=name == "val",
            seed=7,
        )
        metrics[name] = {key: metric.to_json() for key, metric in found.items()}
    (run.path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    with (run.path / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = [f"prob_{name}" for name in classes] or ["value"]
        writer.writerow(["id", "split", "target", *columns])
        for row in range(len(split)):
            said = classes[target[row]] if classes else repr(float(target[row]))
            values = np.atleast_1d(output[row]).tolist()
            writer.writerow([f"{names.id}{row}", split[row], said, *map(repr, values)])
