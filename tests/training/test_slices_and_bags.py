"""Volumes and bags end to end: attention finds what decides, and a stopped run goes on alike."""

import csv
import hashlib

import numpy as np
import pytest
import torch

from medfusion.data import Cohort, Loader, Volume, png, write_nifti
from medfusion.runs import RunFolder
from medfusion.spec import Experiment, override
from medfusion.training import execute, prediction
from medfusion.training.objective import forward

SIDE, DEPTH, SUBJECTS, SPOT = 16, 12, 300, 0.18


def pictures(rng, label, count):
    """Noise, with a spot in one picture of those with the label; return them and which it is."""
    images = rng.normal(0.4, 0.1, (count, SIDE, SIDE))
    place = int(rng.integers(count))
    if label:
        row, column = rng.integers(3, SIDE - 6, 2)
        images[place, row : row + 4, column : column + 4] += SPOT
    return np.clip(images, 0, 1), place


@pytest.fixture(scope="module")
def phantom_of_parts(tmp_path_factory):
    """Volumes and bags whose label is a spot in one slice, or in one picture."""
    folder = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(11)
    places = {}
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "scan", "bag", "label", "split"])
        for n in range(SUBJECTS):
            label = n % 2
            images, at = pictures(rng, label, DEPTH)
            volume = Volume((images * 255).astype(np.uint8))
            write_nifti(volume, folder / f"scan{n}.nii.gz")
            count = int(rng.integers(8, 17))
            photos, one = pictures(rng, label, count)
            (folder / f"bag{n}").mkdir()
            for k, image in enumerate(photos):
                content = png.encode((image * 255).astype(np.uint8))
                (folder / f"bag{n}" / f"{k:02d}.png").write_bytes(content)
            split = ("train", "train", "train", "val", "test")[(n // 2) % 5]
            writer.writerow([f"s{n}", f"scan{n}.nii.gz", f"bag{n}", label, split])
            places[f"s{n}"] = (at, one)
    return folder, places


def experiment(folder, column, **model):
    instances = {
        "scan": {"kind": "slices", "count": DEPTH},
        "bag": {"kind": "bag", "most": 16},
    }[column]
    view = {
        "column": column,
        "size": [SIDE, SIDE],
        "channels": 1,
        "instances": instances,
        "transforms": [{"kind": "window", "center": 127.5, "width": 255.0}]
        if column == "scan"
        else [],
    }
    return Experiment.from_mapping(
        {
            "medfusion": 1,
            "name": column,
            "seed": 3,
            "data": {
                "table": "table.csv",
                "id": "id",
                "images": {"parts": view},
                "target": {"kind": "binary", "column": "label"},
                "split": {"kind": "column", "column": "split"},
            },
            "model": {"image": {"kind": "timm", "name": "test_resnet"}} | model,
            "training": {
                "epochs": 5,
                "batch_size": 16,
                "threads": 1,
                "optimizer": {"kind": "adamw", "lr": 0.003},
            },
            "evaluation": {"bootstrap": 200},
        },
        folder=folder,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("column", ["scan", "bag"])
def test_attention_finds_the_part_that_decides_and_beats_the_mean(
    phantom_of_parts, column, tmp_path
):
    folder, places = phantom_of_parts
    reached = {}
    for kind in ("gated-abmil", "mean"):
        exp = experiment(folder, column, instances={"kind": kind})
        run = RunFolder.create(exp, tmp_path)
        assert execute(run.path).state == "finished"
        reached[kind] = run.metrics["test"]["auc"]["value"]
        if kind == "mean":
            continue
        model, preprocessing, _ = prediction.trained_model(run)
        cohort = Cohort.load(exp, preprocessing=preprocessing)
        rows = [row for row in cohort.rows("test") if cohort.target[row] == 1]
        loader = Loader(cohort, np.array(rows), batch_size=64, shuffle=False, seed=0, augment=False)
        (batch,) = loader.epoch(0)
        with torch.no_grad():
            weights = forward(model.eval(), batch).aux["instances/parts/weights"]
        truth = [places[cohort.ids[row]][column == "bag"] for row in rows]
        right = weights[torch.arange(len(rows)), torch.tensor(truth)]
        chance = 1 / batch.instance_present["parts"].sum(dim=1)
        assert (right / chance).mean() > 3, "an even weight is 1"
        assert (weights.argmax(dim=1) == torch.tensor(truth)).float().mean() > 0.7
    assert reached["gated-abmil"] > reached["mean"]
    assert reached["gated-abmil"] > 0.9


def digests(run):
    folder = run.path / "checkpoints"
    return [
        hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()
        for name in ("last", "best")
    ]


@pytest.mark.parametrize("column", ["scan", "bag"])
def test_a_stopped_run_goes_on_to_the_same_bytes(phantom_of_parts, column, tmp_path, stop_after):
    folder, _ = phantom_of_parts
    exp = override.apply(
        experiment(folder, column),
        [
            "training.epochs=2",
            "training.batch_size=48",
            "model.instances_at_once=100",
            "data.images.parts.instances." + ("count=4" if column == "scan" else "most=4"),
        ],
    )
    whole = RunFolder.create(exp, tmp_path)
    execute(whole.path)
    run = RunFolder.create(exp, tmp_path)
    assert execute(run.path, [stop_after(run, 3)]).state == "stopped"
    assert execute(run.path).state == "finished"
    assert digests(run) == digests(whole)
    assert run.metrics == whole.metrics
    ids, predicted, _ = prediction.predict(run, folder / "table.csv")
    own = {row["id"]: float(row["prob_1"]) for row in run.predictions}
    assert dict(zip(ids, predicted[:, 1], strict=True)) == pytest.approx(own, abs=1e-6)
