"""Segmentation from a mask in a table to a mask on disk: losses, a run, its files, its report."""

import csv
import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image

from medfusion import Experiment, _rust
from medfusion.cli import run as main
from medfusion.data import Cohort
from medfusion.data.masks import IGNORE
from medfusion.errors import InputError, RunError, SpecError
from medfusion.report import write_report
from medfusion.runs import RunFolder
from medfusion.spec import (
    CrossEntropyLoss,
    DiceCrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    SegmentationHead,
    SegmentationTarget,
    Training,
    override,
)
from medfusion.training.execution import execute
from medfusion.training.losses import make_loss
from medfusion.training.prediction import predict
from medfusion.training.regions import file_name
from medfusion.training.tasks import fit_task, task_from_json
from medfusion.training.tasks.segmentation import SegmentationTask

CLASSES = ("background", "x", "y")


def case(rows=4, size=(5, 6), seed=0, ignored=0.2):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(rows, 3, *size)) * 3)
    labels = rng.integers(0, 3, (rows, *size))
    labels[rng.random(labels.shape) < ignored] = IGNORE
    labels[0][labels[0] != IGNORE] = 0
    return logits, torch.from_numpy(labels)


def by_hand(logits, labels, *, first=1, smooth=1.0, weights=(1.0, 1.0, 1.0)):
    """Dice loss and cross-entropy of each image, pixel by pixel."""
    dice, entropy = [], []
    for image, truth in zip(logits.numpy(), labels.numpy(), strict=True):
        shared, total = np.zeros(3), np.zeros(3)
        summed = count = 0.0
        for row, column in itertools.product(*map(range, truth.shape)):
            label = truth[row, column]
            if label == IGNORE:
                continue
            odds = np.exp(image[:, row, column])
            p = odds / odds.sum()
            shared[label] += p[label]
            total += p
            total[label] += 1
            summed -= weights[label] * np.log(p[label])
            count += weights[label]
        each = 1 - (2 * shared + smooth) / (total + smooth)
        own = np.array(weights[first:])
        dice.append((each[first:] * own).sum() / own.sum())
        entropy.append(summed / count if count else 0.0)
    return np.array(dice), np.array(entropy)


@pytest.mark.parametrize("background", [False, True])
def test_losses_are_what_a_loop_over_pixels_gives(background):
    logits, labels = case()
    dice, entropy = by_hand(logits, labels, first=0 if background else 1, smooth=0.5)
    spec = DiceLoss(background=background, smooth=0.5)
    np.testing.assert_allclose(make_loss(spec).of_pixels(logits.double(), labels), dice, rtol=1e-5)
    spec = DiceCrossEntropyLoss(background=background, smooth=0.5, dice=0.3, cross_entropy=2.0)
    found = make_loss(spec).of_pixels(logits, labels)
    np.testing.assert_allclose(found, 0.3 * dice + 2 * entropy, rtol=1e-5)


def test_dice_over_a_batch_is_that_of_one_long_image():
    logits, labels = case()
    loss = make_loss(DiceLoss(batch=True))
    long = (logits.movedim(0, 1).flatten(1, 2)[None], labels.flatten(0, 1)[None])
    np.testing.assert_allclose(loss.of_pixels(logits, labels), float(loss.of_pixels(*long)))
    assert float(make_loss(DiceLoss()).of_pixels(*long)) == pytest.approx(
        float(loss.of_pixels(*long))
    )


def test_images_without_the_class_do_not_outweigh_those_with_it():
    """A net that predicts little must be pulled up by one image more than down by three."""
    logits = torch.zeros(4, 2, 64, 64)
    logits[:, 1] = -8.0  # a sum of probabilities of about one pixel
    logits.requires_grad_()
    labels = torch.zeros(4, 64, 64, dtype=torch.int64)
    labels[0, 20:40, 20:40] = 1
    SegmentationTask(("background", "x"), criterion=DiceLoss()).loss(logits, labels).backward()
    up, down = (-logits.grad[:, 1]).clamp(min=0).sum(), logits.grad[:, 1].clamp(min=0).sum()
    assert up > down


@pytest.mark.parametrize("weights", [None, (0.2, 1.0, 3.0)])
def test_losses_of_classes_are_means_over_known_pixels(weights):
    logits, labels = case()
    known = weights or (1.0, 1.0, 1.0)
    dice, entropy = by_hand(logits, labels, weights=known, smooth=1e-5)
    for spec, wanted in [
        (CrossEntropyLoss(), entropy), (FocalLoss(gamma=0.0), entropy), (DiceLoss(), dice),
        (None, dice + entropy),
    ]:  # fmt: skip
        task = SegmentationTask(CLASSES, weights, criterion=spec)
        assert float(task.loss(logits, labels)) == pytest.approx(wanted.mean(), rel=1e-5)


@pytest.mark.parametrize(
    "spec", [DiceLoss(), DiceCrossEntropyLoss(), CrossEntropyLoss(), FocalLoss()]
)
def test_losses_are_finite_at_the_edges(spec):
    task = SegmentationTask(("background", "x"), criterion=spec)
    for logits in (torch.zeros(2, 2, 3, 3), torch.full((2, 2, 3, 3), 200.0)):
        logits[:, 1] *= -1
        for value in (0, 1, IGNORE):
            given = logits.clone().requires_grad_()
            loss = task.loss(given, torch.full((2, 3, 3), value))
            loss.backward()
            assert loss.isfinite()
            assert given.grad.isfinite().all()


def test_what_is_kept_of_a_batch_is_what_counts():
    logits, labels = case(rows=6)
    task = SegmentationTask(CLASSES)
    parts = [task.keep(logits[i : i + 2], labels[i : i + 2]) for i in (0, 2, 4)]
    kept, target = (torch.cat(part) for part in zip(*parts, strict=True))
    assert float(task.loss_of(kept, target)) == pytest.approx(float(task.loss(logits, labels)))
    found = logits.argmax(1).numpy()
    truth = labels.numpy()
    scores = task.predictions(kept)
    assert task.columns == ["area_x", "overlap_x", "hd95_x", "area_y", "overlap_y", "hd95_y"]
    known = truth != IGNORE
    for k in (1, 2):
        area = ((found == k) & known).sum(axis=(1, 2))
        both = ((found == k) & (truth == k)).sum(axis=(1, 2))
        assert np.array_equal(scores[:, 3 * (k - 1)], area)
        assert np.array_equal(scores[:, 3 * (k - 1) + 1], both)
        assert np.array_equal(target[:, k], (truth == k).sum(axis=(1, 2)))
    assert task.metrics(np.tile(target.numpy(), (2, 1)), torch.cat([kept, kept]))["dice"] > 0


def test_a_task_is_saved_whole_and_weighs_classes_by_pixels():
    target = SegmentationTarget(column="mask", classes=CLASSES)
    pixels = np.array([[90, 10, 0], [70, 10, 20]])
    training = Training(class_weights="balanced", loss=DiceLoss(smooth=2.0))
    task = fit_task(target, CLASSES, pixels, training)
    np.testing.assert_allclose(np.array(task.class_weights) * [160, 20, 20], 200 / 3)
    assert task_from_json(json.loads(json.dumps(task.to_json()))) == task


# Whole runs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Masks of the phantom's lesions as target, for a net that learns them in seconds."""
    from medfusion.data.phantom import write_phantom

    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, subjects=150, size=32, seed=3, missing_images=0.05, missing_table=0.1)
    return override.apply(
        Experiment.from_yaml(folder / "experiment.yaml"),
        [
            "data.target={kind: segmentation, column: image_mask}",
            "model.image={kind: timm, name: test_resnet}",
            "model.fusion={kind: gated, dim: 16}",
            "model.head={kind: segmentation, width: 8, widest: 64}",
            "training={epochs: 8, batch_size: 8, threads: 1, optimizer: {kind: adamw, lr: 0.01}}",
            "evaluation={bootstrap: 200}",
        ],
    )


@pytest.fixture(scope="module")
def run(experiment, tmp_path_factory):
    run = RunFolder.create(experiment, tmp_path_factory.mktemp("runs"))
    execute(run.path)
    return run


def test_a_small_net_learns_the_lesions(run):
    test = run.metrics["test"]
    assert test["dice"]["value"] > 0.8
    assert test["dice[lesion]"] == test["dice"]
    assert test["dice"]["ci"][0] < test["dice"]["value"] < test["dice"]["ci"][1]
    assert 0 <= test["hd95"]["value"] < 5
    epochs = [event["metrics"] for event in run.history().epochs]
    assert epochs[-1]["val/dice"] > epochs[0]["val/dice"]
    assert epochs[-1]["val/loss"] < epochs[0]["val/loss"]


def test_predictions_say_what_the_metrics_rest_on(run, experiment):
    rows = run.predictions
    cohort = Cohort.load(experiment)
    assert [row["id"] for row in rows] == cohort.ids
    for row, counts in zip(rows, cohort.target, strict=True):
        assert int(row["target_lesion"]) == int(row["target"]) == counts[1]
        area, both = float(row["area_lesion"]), float(row["overlap_lesion"])
        assert both <= min(area, counts[1])
        assert float(row["dice_lesion"]) == pytest.approx(2 * both / (area + counts[1]))
    test = [float(row["dice_lesion"]) for row in rows if row["split"] == "test"]
    assert np.mean(test) == pytest.approx(run.metrics["test"]["dice"]["value"])


def test_masks_of_new_images_have_the_size_of_their_files(run, experiment, tmp_path):
    folder = experiment.folder
    with Image.open(folder / "images" / "S00001_image.png") as picture:
        picture.resize((50, 41)).save(folder / "large.png")
    with (folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [
        rows[0] | {"image_path": "large.png", "id": "a/b"},
        *rows[1:5],
        rows[5] | {"image_path": ""},
    ]
    with (folder / "new.csv").open("w", newline="") as file:
        columns = [name for name in rows[0] if name not in ("image_mask", "split", "patient")]
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    ids, areas, task = predict(run, folder / "new.csv", tmp_path / "masks")
    assert task.answers == ["area_lesion"]
    assert ids[0] == "a/b"
    mask = _rust.read_labels(tmp_path / "masks" / file_name("a/b"))
    assert mask.shape == (41, 50, 1)
    assert set(np.unique(mask)) <= {0, 1}
    plain = _rust.read_labels(tmp_path / "masks" / file_name(ids[1]))
    assert (plain == 1).sum() == areas[1, 0]
    assert np.isnan(areas[5, 0])
    assert len(list((tmp_path / "masks").iterdir())) == 5
    with Image.open(tmp_path / "masks" / file_name(ids[1])) as picture:
        assert picture.mode == "P"


def test_the_commands(run, experiment, tmp_path, capsys):
    out = tmp_path / "p.csv"
    table = str(experiment.folder / "table.csv")
    assert main(["predict", str(run.path), table, "--out", str(out), "--masks", str(tmp_path)]) == 0
    assert out.read_text().startswith("id,area_lesion\n")
    capsys.readouterr()
    assert main(["compare", str(run.path), str(run.path), "--json"]) == 0
    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert (difference["metric"], difference["value"]) == ("dice", 0.0)
    assert main(["evaluate", str(run.path), "--split", "test"]) == 0
    assert "dice[lesion]" in capsys.readouterr().out


def test_the_report_shows_classes_spread_and_cases(run, tmp_path):
    facts = json.loads((run.path / "examples" / "examples.json").read_text())
    assert [one["what"] for one in facts] == ["best"] * 3 + ["median"] * 3 + ["worst"] * 3
    dice = [one["dice"] for one in facts]
    assert dice[0] >= dice[3] >= dice[-1]
    assert {one["split"] for one in facts} == {"test"}
    page = write_report(run, tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 9
    for part in ("Segmentation</h2>", "Images with lesion", "Worst: Dice", "Hausdorff distance",
                 "the sum of the soft Dice loss", "compared at 32"):  # fmt: skip
        assert part in page
    (run.path / "examples" / "1.png").rename(tmp_path / "1.png")
    with pytest.raises(RunError, match="medfusion evaluate"):
        write_report(run, tmp_path / "report.html")
    (tmp_path / "1.png").rename(run.path / "examples" / "1.png")


def test_a_stopped_run_goes_on_to_the_same_weights(experiment, tmp_path, stop_after):
    short = override.apply(experiment, ["training.epochs=2", "evaluation={bootstrap: 100}"])
    whole = RunFolder.create(short, tmp_path)
    execute(whole.path)
    broken = RunFolder.create(short, tmp_path)
    assert execute(broken.path, [stop_after(broken, 5)]).state == "stopped"
    assert execute(broken.path).state == "finished"
    assert broken.predictions == whole.predictions
    assert broken.metrics == whole.metrics


def test_distances_in_mm(experiment, tmp_path):
    quick = ["training.epochs=1", "evaluation={bootstrap: 100}"]
    plain = RunFolder.create(override.apply(experiment, quick), tmp_path)
    execute(plain.path)
    target = "data.target={kind: segmentation, column: image_mask, spacing: [0.5, 0.5]}"
    scaled = RunFolder.create(override.apply(experiment, [*quick, target]), tmp_path)
    execute(scaled.path)
    for a, b in zip(plain.predictions, scaled.predictions, strict=True):
        assert (a["hd95_lesion"] == "") == (b["hd95_lesion"] == "")
        if a["hd95_lesion"]:
            assert float(b["hd95_lesion"]) == pytest.approx(float(a["hd95_lesion"]) / 2)


def test_head_and_target_belong_together(experiment, phantom):
    document = experiment.model_dump(mode="json")
    del document["model"]["head"]
    assert Experiment.from_mapping(document).model.head == SegmentationHead()
    document["model"]["head"] = {"kind": "linear"}
    with pytest.raises(SpecError, match="asks for every pixel"):
        Experiment.from_mapping(document)
    with pytest.raises(SpecError, match="the target is binary"):
        override.apply(phantom, ["model.head={kind: segmentation}"])
    with pytest.raises(SpecError, match=r"losses that fit: .*dice"):
        override.apply(experiment, ["training.loss={kind: corn}"])
    moved = override.apply(
        experiment,
        [
            "data.target={kind: segmentation, column: image_mask, spacing: [1, 1]}",
            "data.images.image.transforms=[{kind: pad, size: [40, 40, 1]}]",
        ],
    )
    with pytest.raises(SpecError, match="leave spacing out"):
        Cohort.load(moved)


def test_only_segmentations_have_masks(phantom, tmp_path):
    run = RunFolder.create(override.apply(phantom, ["training.epochs=1"]), tmp_path)
    execute(run.path)
    with pytest.raises(InputError, match="no masks"):
        predict(run, phantom.folder / "table.csv", tmp_path / "masks")


def test_file_names_are_safe_and_differ():
    names = ["a", "../a", "..", ".", "a/b", "a b", "ä", "x" * 500, "x" * 501, "a.png"]
    made = [file_name(name) for name in names]
    assert len(set(made)) == len(made)
    assert all("/" not in name and not name.startswith(".") and len(name) < 200 for name in made)
