"""AUC of resnet18 on two data sets of MedMNIST v2, beside the published figures.

Run as `python tests/benchmarks/bench_medmnist.py [breast|adrenal ...] [--seeds 0 1 2] [--json FILE]`.

breast: breastmnist, 546/78/156 ultrasound images, 28 x 28. adrenal: adrenalmnist3d, 1188/98/298
binary shapes of 28 x 28 x 28, as slices along the three axes with their neighbours (2.5D) and an
aggregator. The official splits are used, weights are random, and the published figures are those of
ResNet-18 at 28 pixels (Yang et al. 2023, https://doi.org/10.1038/s41597-022-01721-8, tables 3 and
5). Settings were chosen on validation, after a first recipe of each had fallen short on test
(docs/benchmarks.md); `--val` shows nothing of the test split, `--set` tries others.

The files (breastmnist_repacked.npz, adrenalmnist3d.npz) are looked for in `medmnist` of the folder
that MEDFUSION_TEST_DATA names.
"""

import argparse
import csv
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from medfusion import Experiment
from medfusion.data import Volume, png, write_nifti
from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import execute

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("MEDFUSION_TEST_DATA", ROOT.parent / "shared" / "data")) / "medmnist"
WITHIN = 0.03

COMMON = """
medfusion: 1
data:
  table: table.csv
  id: id
  target: {kind: binary, column: label}
  split: {kind: column, column: split}
"""
BREAST = f"""{COMMON}
  images:
    scan:
      column: path
      size: [64, 64]
      channels: 1
      augmentation: {{rotate: 10, scale: 0.1, shift: 0.08, intensity: 0.2}}
name: breastmnist
model:
  image: {{kind: timm, name: resnet18}}
training:
  epochs: 80
  batch_size: 32
  optimizer: {{kind: adamw, lr: 0.0005, weight_decay: 0.05}}
evaluation: {{bootstrap: 500}}
"""
PLANE = """
    {name}:
      column: path
      size: [32, 32]
      channels: 3
      instances: {{kind: slices, axis: {axis}, count: 4, neighbours: true}}
      augmentation: {{flip: both, rotate: 15, scale: 0, shift: 0.08, intensity: 0}}"""
PLANES = "".join(
    PLANE.format(name=name, axis=axis)
    for name, axis in {"axial": "k", "coronal": "j", "sagittal": "i"}.items()
)
ADRENAL = f"""{COMMON}
  images:{PLANES}
name: adrenalmnist3d
model:
  image: {{kind: timm, name: resnet18}}
  instances: {{kind: gated-abmil}}
training:
  epochs: 20
  batch_size: 32
  optimizer: {{kind: adamw, lr: 0.001, weight_decay: 0.05}}
evaluation: {{bootstrap: 500}}
"""
SETS = {
    "breast": ("breastmnist_repacked.npz", BREAST, 0.901),
    "adrenal": ("adrenalmnist3d.npz", ADRENAL, 0.827),
}


def convert(archive, folder):
    """Write images as PNG or volumes as NIfTI, and the table with the official split."""
    rows = [["id", "path", "label", "split"]]
    with np.load(archive) as arrays:
        for split in ("train", "val", "test"):
            labels = arrays[f"{split}_labels"].reshape(-1).tolist()
            for n, (array, label) in enumerate(zip(arrays[f"{split}_images"], labels, strict=True)):
                name = f"{split}{n:04d}"
                if array.ndim == 3:
                    name += ".nii.gz"
                    write_nifti(Volume(array), folder / name)
                else:
                    name += ".png"
                    (folder / name).write_bytes(png.encode(array))
                rows.append([f"{split}{n:04d}", name, str(int(label)), split])
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def measure(name, text, folder, seeds, changes, splits):
    """Train one run a seed and return what each reached."""
    (folder / "experiment.yaml").write_text(text)
    found = []
    for seed in seeds:
        experiment = Experiment.from_yaml(folder / "experiment.yaml")
        experiment = override.apply(experiment, [f"seed={seed}", *changes])
        run = RunFolder.create(experiment, folder / "runs")
        start = time.perf_counter()
        execute(run.path)
        entry = {"seed": seed, "seconds": round(time.perf_counter() - start)}
        for split in splits:
            auc = run.metrics[split]["auc"]
            entry[split] = {"auc": auc["value"], "ci": auc["ci"]}
        shown = ", ".join(
            f"{split} AUC {entry[split]['auc']:.3f} "
            f"({entry[split]['ci'][0]:.3f} to {entry[split]['ci'][1]:.3f})"
            for split in splits
        )
        print(f"{name}, seed {seed}: {shown}; {entry['seconds']} s", flush=True)
        found.append(entry)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(SETS), metavar="breast|adrenal")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--val", action="store_true", help="show the validation split alone")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = {}
    for name in given.names:
        archive, text, published = SETS[name]
        with tempfile.TemporaryDirectory() as place:
            convert(DATA / archive, Path(place))
            splits = ("val",) if given.val else ("val", "test")
            runs = measure(name, text, Path(place), given.seeds, given.set, splits)
        results[name] = {"runs": runs, "published": published}
        mean = statistics.fmean(run[splits[-1]]["auc"] for run in runs)
        verdict = (
            "" if given.val else f"; published {published:.3f}, asked {published - WITHIN:.3f}"
        )
        print(f"{name}: mean {splits[-1]} AUC {mean:.3f}{verdict}", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
