"""Workflows to start from, by scenario; each brings phantom data and runs on them in seconds."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from medfusion.data.phantom import Phantom, write_phantom
from medfusion.errors import UnknownNameError, unknown
from medfusion.runs import atomic
from medfusion.workflow.conversion import COLUMN, ROW
from medfusion.workflow.graph import Workflow

_SUBJECTS, _SIZE = 96, 32
_EPOCHS = 2


@dataclasses.dataclass(frozen=True)
class Template:
    """A scenario.

    Attributes:
        name: As in `medfusion workflow templates NAME`.
        title: For people.
        summary: What it shows and what to change for data of one's own.
        document: The workflow in plain values, for data in a folder of the given name.
        phantom: Writes the phantom data into a folder.
    """

    name: str
    title: str
    summary: str
    document: Callable[[str], dict[str, Any]]
    phantom: Callable[[Path], Phantom]


def list_templates() -> list[Template]:
    """Return all templates."""
    return list(_TEMPLATES.values())


def make(name: str, folder: str | Path) -> Workflow:
    """Return a template's workflow, with its phantom data in the folder.

    Args:
        name: Of the template.
        folder: Folder from which the workflow's paths start. The data lie in `phantom-NAME` below
            it; what is there already is kept.

    Raises:
        UnknownNameError: There is no such template.
        StorageError: The folder cannot be written to.
    """
    template = find(name)
    data = f"phantom-{name}"
    folder = Path(folder)
    if not (folder / data / "table.csv").is_file():
        with atomic.storage_errors(folder):
            (folder / data).mkdir(parents=True, exist_ok=True)
        template.phantom(folder / data)
    return Workflow.from_mapping(template.document(data), folder=folder)


def find(name: str) -> Template:
    """Return a template by its name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in _TEMPLATES:
        raise UnknownNameError(unknown("template", name, _TEMPLATES))
    return _TEMPLATES[name]


def _node(kind: str, column: float, row: float, label: str = "", **settings: Any) -> dict[str, Any]:
    place = [column * COLUMN, row * ROW]
    return {"kind": kind, "label": label, "settings": settings, "position": place}


def _edges(*pairs: str) -> list[dict[str, str]]:
    ends = [pair.split(" > ") for pair in pairs]
    return [{"source": source, "target": target} for source, target in ends]


def _training(name: str, **other: Any) -> dict[str, Any]:
    settings = {"epochs": _EPOCHS, "batch_size": 16, "optimizer": {"kind": "adamw", "lr": 0.002}}
    return {"name": name, "seed": 7, "training": settings | other}


def _view(column: str = "image_path") -> dict[str, Any]:
    return {"column": column}


def _seen(**other: Any) -> dict[str, Any]:
    return {"size": [_SIZE, _SIZE], "channels": 1, **other}


_IMAGE = {"image": {"kind": "timm", "name": "resnet10t"}}
_SHARES = {"split": {"kind": "column", "column": "split"}}
_QUICK: dict[str, Any] = {"evaluation": {"bootstrap": 200}}
_BACKBONE = (
    "data.data > preprocessing.data",
    "preprocessing.data > split.data",
    "split.cohort > training.cohort",
    "model.model > training.model",
    "training.run > evaluation.run",
    "evaluation.results > report.results",
)


def _straight(
    name: str, description: str, data: dict[str, Any], views: dict[str, Any], model: dict[str, Any],
    *, explained: bool = True, **training: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return a workflow of one training."""
    nodes = {
        "data": _node("data", 0, 0, data=data),
        "preprocessing": _node("preprocessing", 1, 0, data={"images": views}),
        "split": _node("split", 2, 0, data=_SHARES),
        "model": _node("model", 2, 1, model=model),
        "training": _node("training", 3, 0.5, **_training(name, **training)),
        "evaluation": _node("evaluation", 4, 0.5, **_QUICK),
        "report": _node("report", 5, 0),
    }
    edges = [*_BACKBONE]
    if explained:
        nodes["explanation"] = _node("explanation", 5, 1)
        edges.append("evaluation.results > explanation.results")
    found = {"workflow": 1, "name": name, "description": description}
    return found | {"nodes": nodes, "edges": _edges(*edges)}


def _skin(folder: str) -> dict[str, Any]:
    data = {
        "table": f"{folder}/table.csv",
        "id": "id",
        "group": "patient",
        "images": {"photo": _view()},
        "numeric": ["age", "marker"],
        "categorical": ["sex", "site"],
        "target": {"kind": "binary", "column": "malignant", "positive": "1"},
    }
    photo = _seen(augmentation={"flip": "both", "rotate": 15.0, "scale": 0.0})
    found = _straight(
        "skin-lesion", find("skin-lesion").summary, data, {"photo": photo},
        {**_IMAGE, "fusion": {"kind": "gated", "dim": 32}},
    )  # fmt: skip
    found["nodes"] |= {
        "model-film": _node(
            "model", 2, 2.4, "FiLM", model={**_IMAGE, "fusion": {"kind": "film", "dim": 32}}
        ),
        "training-film": _node("training", 3, 2, "FiLM", **_training("skin-lesion FiLM")),
        "evaluation-film": _node("evaluation", 4, 2, "FiLM", **_QUICK),
        "compare": _node("compare", 5, 2, "gated against FiLM"),
    }
    found["edges"] += _edges(
        "split.cohort > training-film.cohort",
        "model-film.model > training-film.model",
        "training-film.run > evaluation-film.run",
        "evaluation.results > compare.results",
        "evaluation-film.results > compare.results",
    )
    return found


def _chest(folder: str) -> dict[str, Any]:
    data = {
        "table": f"{folder}/table.csv",
        "id": "id",
        "group": "patient",
        "images": {"xray": _view()},
        "numeric": ["age"],
        "categorical": ["sex"],
        "target": {"kind": "multilabel", "columns": ["opacity", "effusion"], "positive": "1"},
    }
    xray = _seen(
        transforms=[{"kind": "percentile"}],
        augmentation={"flip": "none", "rotate": 5.0, "scale": 0.05},
    )
    return _straight("chest-xray", find("chest-xray").summary, data, {"xray": xray}, _IMAGE)


def _hippocampus(folder: str) -> dict[str, Any]:
    data = {
        "table": f"{folder}/table.csv",
        "id": "id",
        "group": "patient",
        "images": {"slice": _view()},
        "target": {
            "kind": "segmentation",
            "column": "image_mask",
            "classes": ["background", "hippocampus"],
        },
    }
    seen = {"slice": _seen(augmentation={"flip": "none", "rotate": 10.0})}
    return _straight(
        "hippocampus-mr", find("hippocampus-mr").summary, data, seen, _IMAGE, explained=False
    )


def _survival(folder: str) -> dict[str, Any]:
    data = {
        "table": f"{folder}/table.csv",
        "id": "id",
        "group": "patient",
        "images": {"image": _view()},
        "numeric": ["age", "marker"],
        "categorical": ["sex", "stage"],
        "target": {"kind": "survival", "time": "months", "event": "died", "unit": "months"},
    }
    return _straight("survival", find("survival").summary, data, {"image": _seen()}, _IMAGE)


def _multi_view(folder: str) -> dict[str, Any]:
    data = {
        "table": f"{folder}/table.csv",
        "id": "id",
        "group": "patient",
        "images": {"cc": _view(), "mlo": _view("image_2_path")},
        "numeric": ["age"],
        "target": {"kind": "binary", "column": "malignant", "positive": "1"},
    }
    seen = {"cc": _seen(), "mlo": _seen()}
    model = {**_IMAGE, "views": {"kind": "attention"}}
    return _straight("multi-view", find("multi-view").summary, data, seen, model)


def _plain(folder: Path) -> Phantom:
    return write_phantom(folder, subjects=_SUBJECTS, size=_SIZE, seed=1)


def _two_views(folder: Path) -> Phantom:
    return write_phantom(folder, subjects=_SUBJECTS, size=_SIZE, seed=2, views=2)


def _two_findings(folder: Path) -> Phantom:
    """Write a cohort with two findings: one that the image shows, one that the table tells."""
    made = write_phantom(folder, subjects=_SUBJECTS, size=_SIZE, seed=3)
    effusion = (made.v > np.quantile(made.v, 0.6)).astype(int)
    _add(made, {"opacity": made.target.tolist(), "effusion": effusion.tolist()})
    return made


def _followed_up(folder: Path) -> Phantom:
    """Write a cohort followed up to five years, whose risk of death grows with both signals."""
    made = write_phantom(folder, subjects=_SUBJECTS, size=_SIZE, seed=4)
    rng = np.random.Generator(np.random.Philox(4))
    death = rng.exponential(30.0 / np.exp(0.8 * (made.u + made.v)))
    until = rng.uniform(12.0, 60.0, len(death))
    months = np.maximum(np.minimum(death, until), 0.1)
    died = (death <= until).astype(int)
    _add(made, {"months": [f"{month:.1f}" for month in months], "died": died.tolist()})
    return made


def _add(made: Phantom, columns: dict[str, list[Any]]) -> None:
    """Add columns to a phantom's table."""
    rows = list(csv.reader(io.StringIO(made.table.read_text(encoding="utf-8"))))
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow([*rows[0], *columns])
    writer.writerows([*row, *new] for row, *new in zip(rows[1:], *columns.values(), strict=True))
    atomic.write_text(made.table, content.getvalue())


_TEMPLATES = {
    template.name: template
    for template in (
        Template(
            "skin-lesion",
            "Skin lesion",
            "A photo and clinical columns, benign or malignant: gated fusion against FiLM on the "
            "same patients, with a report and maps of where the model looks.",
            _skin,
            _plain,
        ),
        Template(
            "chest-xray",
            "Chest X-ray",
            "Several findings on a grey image, each present or not, with age and sex.",
            _chest,
            _two_findings,
        ),
        Template(
            "hippocampus-mr",
            "Hippocampus MR",
            "The outline of a structure on MR slices, one image a slice, judged by overlap.",
            _hippocampus,
            _plain,
        ),
        Template(
            "survival",
            "Survival",
            "Time to death from an image and clinical columns, patients lost to follow-up among them.",
            _survival,
            _followed_up,
        ),
        Template(
            "multi-view",
            "Several views",
            "Two images of each subject, such as both projections of a mammogram, joined by attention.",
            _multi_view,
            _two_views,
        ),
    )
}
