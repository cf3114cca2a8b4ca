"""Dice of a small U-Net from scratch on slices of hippocampus MR, subject by subject apart.

Run as `python tests/benchmarks/bench_segmentation.py DATA [--out DIR] [--epochs N] [--every N]`.
DATA has images/, labels/ (NIfTI) and index.csv with case, image, label and split: the 80 volumes of the Medical
Segmentation Decathlon's task 4 (https://www.nature.com/articles/s41467-022-30695-9) that the shared
data holds. Every sagittal, coronal or axial slice (`--axis`) becomes a PNG with its mask; slices
without any hippocampus are kept. All slices of a subject are in one split. Dice is given by slice,
as a run reports it, and by volume, from the pixels of all slices of a subject added up.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np

from medfusion import Experiment
from medfusion.data import png, read_volume
from medfusion.runs import RunFolder
from medfusion.training.execution import execute

CLASSES = ("background", "anterior", "posterior")


def write_slices(data: Path, out: Path, axis: int, every: int) -> None:
    """Write slices and masks as PNG, and a table of them; of training subjects every n-th."""
    (out / "slices").mkdir(parents=True, exist_ok=True)
    with (data / "index.csv").open(newline="") as file:
        subjects = list(csv.DictReader(file))
    rows = []
    for subject in subjects:
        name = subject["case"]
        image = read_volume(data / subject["image"]).array
        label = read_volume(data / subject["label"]).array
        low, high = np.percentile(image, [0.5, 99.5])
        grey = np.round(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        slices = zip(np.moveaxis(grey, axis, 0), np.moveaxis(label, axis, 0), strict=True)
        for number, (pixels, mask) in enumerate(slices):
            if subject["split"] == "train" and number % every:
                continue
            stem = f"slices/{name}_{number:02d}"
            (out / f"{stem}.png").write_bytes(png.encode(np.ascontiguousarray(pixels)))
            (out / f"{stem}_mask.png").write_bytes(
                png.encode(np.ascontiguousarray(mask.astype(np.uint8)))
            )
            rows.append(
                {"id": f"{name}_{number:02d}", "subject": name, "image": f"{stem}.png",
                 "mask": f"{stem}_mask.png", "split": subject["split"]}
            )  # fmt: skip
    with (out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def experiment(out: Path, epochs: int) -> Experiment:
    """Return a U-Net over a resnet18 that starts from random weights."""
    document = {
        "medfusion": 1,
        "name": "hippocampus",
        "data": {
            "table": "table.csv",
            "id": "id",
            "group": "subject",
            "images": {
                "mr": {"column": "image", "size": [64, 64], "channels": 1,
                       "augmentation": {"flip": "none", "rotate": 15.0}}
            },
            "target": {"kind": "segmentation", "column": "mask", "classes": list(CLASSES)},
            "split": {"kind": "column", "column": "split"},
        },
        "model": {"image": {"kind": "timm", "name": "resnet18"}},
        "training": {"epochs": epochs, "batch_size": 16, "optimizer": {"kind": "adamw", "lr": 0.005}},
    }  # fmt: skip
    return Experiment.from_mapping(document, folder=out)


def by_volume(run: RunFolder, split: str) -> dict[str, float]:
    """Return the mean Dice of whole subjects, from the pixels of all their slices."""
    subject = {row["id"]: row["group"] for row in run.split}
    found: dict[str, list[float]] = {}
    for name in CLASSES[1:]:
        sums: dict[str, np.ndarray] = {}
        for row in run.predictions:
            if row["split"] == split:
                counts = [float(row[f"{what}_{name}"]) for what in ("overlap", "area", "target")]
                sums[subject[row["id"]]] = sums.get(subject[row["id"]], 0) + np.array(counts)
        found[name] = [2 * both / (area + truth) for both, area, truth in sums.values()]
    return {name: float(np.mean(dice)) for name, dice in found.items()}


def main() -> None:
    """Write the slices, train, print Dice."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("hippocampus"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--axis", type=int, default=0, choices=(0, 1, 2))
    parser.add_argument(
        "--every", type=int, default=1, help="slices of training subjects: every n-th"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    write_slices(given.data, given.out, given.axis, given.every)
    run = RunFolder.create(experiment(given.out, given.epochs), given.out / "runs")
    started = time.perf_counter()
    execute(run.path)
    test = run.metrics["test"]
    names = [name for name in test if name.startswith(("dice", "hd95"))]
    result = {
        "seconds": time.perf_counter() - started,
        "slices": {name: test[name] for name in names},
        "volumes": by_volume(run, "test"),
    }
    print(json.dumps(result, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
