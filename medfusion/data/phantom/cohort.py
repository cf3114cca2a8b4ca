"""A generated cohort on disk: table, images, masks, a working experiment, and what is true."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medfusion.data import png, split
from medfusion.data.phantom import scene
from medfusion.data.phantom.truth import STAGE_SHARES, STAGES, STRENGTH, Truth, table_signal
from medfusion.errors import StorageError
from medfusion.spec import text
from medfusion.spec.data import StratifiedGroupedSplit

Leak = Literal["column", "duplicate-image", "group"]
Label = Literal["additive", "image", "table", "crossed"]

_SHARED = 0.5
_FRACTIONS = (0.6, 0.2, 0.2)
_SITE_STEP = 0.03
_DUPLICATES = 3
_TABLE_STREAM, _IMAGE_STREAM = 0, 1


@dataclasses.dataclass(frozen=True, eq=False)
class Phantom:
    """A generated cohort and what is true of it.

    Attributes:
        folder: Where it was written.
        table: table.csv in it.
        experiment: experiment.yaml in it.
        ids: One per row.
        groups: Patient of each row.
        u: float64 [n], the image's signal in standard deviations.
        v: float64 [n], the table's signal.
        target: int64 [n], 1 is the event.
        bayes_auc: Best AUC that any model can reach on complete rows, given image and table.
        bayes_auc_image: The same given the image alone.
        bayes_auc_table: The same given the table alone.
    """

    folder: Path
    table: Path
    experiment: Path
    ids: list[str] = dataclasses.field(repr=False)
    groups: list[str] = dataclasses.field(repr=False)
    u: NDArray[np.float64] = dataclasses.field(repr=False)
    v: NDArray[np.float64] = dataclasses.field(repr=False)
    target: NDArray[np.int64] = dataclasses.field(repr=False)
    bayes_auc: float
    bayes_auc_image: float
    bayes_auc_table: float


def write_phantom(
    folder: str | Path,
    *,
    subjects: int = 600,
    seed: int = 0,
    size: int = 64,
    image_weight: float = 1.0,
    table_weight: float = 1.0,
    interaction: float = 0.0,
    noise: float = 0.05,
    missing_images: float = 0.0,
    missing_table: float = 0.0,
    views: int = 1,
    sites: int = 3,
    per_group: tuple[int, int] = (1, 3),
    leak: Leak | None = None,
    prevalence: float = 0.35,
    label: Label | None = None,
    shares: tuple[float, float, float] = _FRACTIONS,
) -> Phantom:
    """Write a cohort of images and a table with a label that needs both.

    Each image shows one lesion whose radius carries the signal u; age, marker and stage carry v;
    bmi, sex and site are noise (a site's images are a little brighter). The label is drawn with
    log-odds = 2 * (image_weight * u + table_weight * v + interaction * u * v) + a constant. Rows
    of one patient share age, sex, stage, site and half of u's variance. Besides images and table
    there are masks of the lesions, experiment.yaml (a working experiment with these columns) and
    phantom.json (the settings and the Bayes AUCs).

    Args:
        folder: Where to write; made if need be, files of the same name are replaced.
        subjects: Rows.
        seed: The same seed and settings give the same files.
        size: Height and width of the images in pixels.
        image_weight: Weight of the image's signal; 0 makes the image useless.
        table_weight: Weight of the table's signal.
        interaction: Weight of the product of both, which neither shows alone.
        noise: Standard deviation of the images' noise, on the 0..1 scale.
        missing_images: Share of images that are not there.
        missing_table: Share of rows without any table value.
        views: Images per row, each of the same lesion size at another place.
        sites: Number of sites.
        per_group: Fewest and most rows per patient.
        leak: Plant a mistake for the data checks to find: a "column" known only afterwards, a
            "duplicate-image" in training and test, or a "group" in both.
        prevalence: Expected share of events.
        label: What the label hangs on, in place of the three weights: the "image" alone, the
            "table" alone, both in sum ("additive"), or "crossed": both together while neither
            alone tells anything (see `Truth`), so that each has a Bayes AUC of one half.
        shares: Shares of train, val and test in the table's split column.

    Raises:
        ValueError: Settings that make no cohort.
        StorageError: The folder cannot be written to.

    Example:
        >>> phantom = write_phantom("phantom", subjects=60)  # doctest: +SKIP
        >>> round(phantom.bayes_auc, 3)  # doctest: +SKIP
        0.922
    """
    settings: dict[str, Any] = {
        "subjects": subjects,
        "seed": seed,
        "size": size,
        "image_weight": image_weight,
        "table_weight": table_weight,
        "interaction": interaction,
        "noise": noise,
        "missing_images": missing_images,
        "missing_table": missing_table,
        "views": views,
        "sites": sites,
        "per_group": list(per_group),
        "leak": leak,
        "prevalence": prevalence,
        "label": label,
        "shares": list(shares),
    }
    _check(settings)
    truth = _truth(label, image_weight, table_weight, interaction).with_prevalence(prevalence)
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, _TABLE_STREAM], np.uint64)))
    rows = _draw_rows(rng, subjects, per_group, sites, truth)
    target = rows["target"]
    groups = [f"P{patient + 1:04d}" for patient in rows["patient"]]
    spec = StratifiedGroupedSplit(fractions=shares, seed=seed)
    sides = split.draw(spec, groups, target)
    train, test = np.flatnonzero(sides == "train"), np.flatnonzero(sides == "test")
    if leak == "group":
        groups[test[0]] = groups[train[0]]
    ids = [f"S{row + 1:05d}" for row in range(subjects)]

    folder = Path(folder)
    names = ["image", *(f"image_{number}" for number in range(2, views + 1))]
    absent = rng.random((subjects, views)) < missing_images
    blank = rng.random(subjects) < missing_table
    columns: dict[str, list[Any]] = {
        "id": ids,
        "patient": groups,
        "site": [f"site {site + 1}" for site in rows["site"]],
        "age": [f"{age:.1f}" for age in rows["age"]],
        "marker": [f"{marker:.2f}" for marker in rows["marker"]],
        "bmi": [f"{bmi:.1f}" for bmi in rows["bmi"]],
        "sex": ["female" if sex else "male" for sex in rows["sex"]],
        "stage": [STAGES[stage] for stage in rows["stage"]],
    }
    if leak == "column":
        columns["discharge"] = ["ward" if event else "home" for event in target]
    for name in list(columns)[2:]:
        columns[name] = [
            "" if gone else value for gone, value in zip(blank, columns[name], strict=True)
        ]
    if leak == "duplicate-image":
        absent[[*train[:_DUPLICATES], *test[:_DUPLICATES]], 0] = False
    for view, name in enumerate(names):
        there = ["" if gone else name for gone in absent[:, view]]
        columns[f"{name}_path"] = [
            n and f"images/{i}_{n}.png" for i, n in zip(ids, there, strict=True)
        ]
        columns[f"{name}_mask"] = [
            n and f"masks/{i}_{n}.png" for i, n in zip(ids, there, strict=True)
        ]
    columns["malignant"] = target.tolist()
    columns["split"] = sides.tolist()

    bayes = truth.bayes_auc()
    keys = ("bayes_auc", "bayes_auc_image", "bayes_auc_table")
    known = dict(zip(keys, bayes, strict=True))
    facts = {"settings": settings, "log_odds": dataclasses.asdict(truth), **known}
    table, experiment = folder / "table.csv", folder / "experiment.yaml"
    try:
        _write_images(folder, ids, names, rows, absent, size=size, noise=noise, seed=seed)
        if leak == "duplicate-image":
            _duplicate(folder, ids, train, test)
        table.write_text(_csv(columns), encoding="utf-8", newline="")
        experiment.write_text(_experiment(names, size, seed, leak), encoding="utf-8")
        (folder / "phantom.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"{error.filename or folder}: cannot be written ({error.strerror or error})"
        raise StorageError(msg) from error
    return Phantom(folder, table, experiment, ids, groups, rows["u"], rows["v"], target, *bayes)


def _truth(
    label: Label | None, image_weight: float, table_weight: float, interaction: float
) -> Truth:
    if label == "crossed":
        return Truth(0.0, 0.0, 0.0, crossed=1.0)
    if label is not None:
        image_weight, table_weight, interaction = label != "table", label != "image", 0.0
    return Truth(STRENGTH * image_weight, STRENGTH * table_weight, STRENGTH * interaction)


def _csv(columns: dict[str, list[Any]]) -> str:
    content = io.StringIO(newline="")
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return content.getvalue()


def _check(settings: dict[str, Any]) -> None:
    fewest, most = settings["per_group"]
    wrong = {
        "subjects must be 12 or more": settings["subjects"] < 12,
        "size must be 16 or more": settings["size"] < 16,
        "views and sites must be 1 or more": min(settings["views"], settings["sites"]) < 1,
        "per_group must be (fewest, most) with 1 <= fewest <= most": not 1 <= fewest <= most,
        "prevalence must be between 0 and 1": not 0 < settings["prevalence"] < 1,
        "label must be one of " + ", ".join(get_args(Label)): settings["label"]
        not in (None, *get_args(Label)),
        "missing_images and missing_table must be from 0 to 1": not all(
            0 <= settings[name] <= 1 for name in ("missing_images", "missing_table")
        ),
    }
    found = [sentence for sentence, is_wrong in wrong.items() if is_wrong]
    if found:
        raise ValueError("; ".join(found))


def _draw_rows(
    rng: np.random.Generator, count: int, per_group: tuple[int, int], sites: int, truth: Truth
) -> dict[str, NDArray[Any]]:
    sizes = rng.integers(per_group[0], per_group[1] + 1, count)
    patient = np.repeat(np.arange(count), sizes)[:count]
    patients = int(patient[-1]) + 1
    age = np.round(60 + 12 * rng.standard_normal(patients), 1)[patient]
    stage = rng.choice(len(STAGES), patients, p=STAGE_SHARES)[patient]
    sex = rng.integers(0, 2, patients)[patient]
    site = rng.integers(0, sites, patients)[patient]
    common = rng.standard_normal(patients)[patient]
    u = np.sqrt(_SHARED) * common + np.sqrt(1 - _SHARED) * rng.standard_normal(count)
    marker = np.round(10 + 3 * rng.standard_normal(count), 2)
    # From the values as written, so that the table holds its signal exactly.
    v = table_signal((age - 60) / 12, (marker - 10) / 3, stage)
    chance = 1 / (1 + np.exp(-truth.log_odds(u, v)))
    return {
        "patient": patient,
        "age": age,
        "marker": marker,
        "bmi": 26 + 4 * rng.standard_normal(count),
        "sex": sex,
        "stage": stage,
        "site": site,
        "u": u,
        "v": v,
        "target": (rng.random(count) < chance).astype(np.int64),
    }


def _write_images(
    folder: Path,
    ids: list[str],
    names: list[str],
    rows: dict[str, NDArray[Any]],
    absent: NDArray[np.bool_],
    *,
    size: int,
    noise: float,
    seed: int,
) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    key = np.array([seed, _IMAGE_STREAM], dtype=np.uint64)
    for row, case in enumerate(ids):
        for view, name in enumerate(names):
            if absent[row, view]:
                continue
            counter = np.array([0, row, view, 0], dtype=np.uint64)
            rng = np.random.Generator(np.random.Philox(key=key, counter=counter))
            pixels, mask = scene.render(
                rng,
                (size, size),
                float(rows["u"][row]),
                brightness=_SITE_STEP * (int(rows["site"][row]) % 3 - 1),
                noise=noise,
            )
            (folder / "images" / f"{case}_{name}.png").write_bytes(png.encode(pixels))
            (folder / "masks" / f"{case}_{name}.png").write_bytes(
                png.encode(mask.astype(np.uint8) * 255)
            )


def _duplicate(
    folder: Path, ids: list[str], train: NDArray[np.int64], test: NDArray[np.int64]
) -> None:
    for source, copy in zip(train[:_DUPLICATES], test[:_DUPLICATES], strict=True):
        for kind in ("images", "masks"):
            content = (folder / kind / f"{ids[source]}_image.png").read_bytes()
            (folder / kind / f"{ids[copy]}_image.png").write_bytes(content)


def _experiment(names: list[str], size: int, seed: int, leak: Leak | None) -> str:
    # Size is what the lesion tells: growing or shrinking the image would blur it.
    changes = {"flip": "both", "rotate": 15.0, "scale": 0.0, "shift": 0.05, "intensity": 0.1}
    document: dict[str, Any] = {
        "medfusion": 1,
        "name": "phantom",
        "seed": seed,
        "data": {
            "table": "table.csv",
            "id": "id",
            "group": "patient",
            "images": {
                name: {
                    "column": f"{name}_path",
                    "size": [size, size],
                    "channels": 1,
                    "augmentation": changes,
                }
                for name in names
            },
            "numeric": ["age", "marker", "bmi"],
            "categorical": ["sex", "stage", "site", *(["discharge"] if leak == "column" else [])],
            "target": {"kind": "binary", "column": "malignant", "positive": "1"},
            "split": {"kind": "column", "column": "split"},
        },
        "model": {
            "image": {"kind": "timm", "name": "resnet10t"},
            "table": {"kind": "mlp", "hidden": [64, 32]},
            "fusion": {"kind": "gated", "dim": 64},
        },
        "training": {"epochs": 12, "batch_size": 32, "optimizer": {"kind": "adamw", "lr": 0.002}},
    }
    return text.dump(document)
