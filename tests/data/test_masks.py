"""Masks: read as classes, held to their images, moved with them, refused with the row's name."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from medfusion import _rust
from medfusion.data import Cases, Cohort, Loader, augmentation
from medfusion.data.cache import Cache
from medfusion.data.masks import IGNORE, MaskSamples, Pair, as_labels, nearest
from medfusion.errors import ImageReadError, SpecError, SplitError, TableError
from medfusion.spec import MaskFiles, View


def blob(rng, size, classes=2):
    """A mask of smooth regions."""
    coarse = rng.integers(0, classes, (4, 4))
    rows, columns = (np.arange(n) * 4 // n for n in size)
    return coarse[rows[:, None], columns].astype(np.uint8)


@pytest.fixture
def study(tmp_path, write_csv, experiment):
    """A table of images with masks: the image is the mask's own class, brighter for higher ones."""

    def make(n=40, size=(24, 20), classes=2, target="binary", mask="png", **view):
        rng = np.random.default_rng(0)
        (tmp_path / "i").mkdir(exist_ok=True)
        columns = {
            "id": [f"{i:03d}" for i in range(n)], "image": [f"i/{i}.png" for i in range(n)],
            "mask": [f"i/{i}_m.{mask}" for i in range(n)], "y": [i % 2 for i in range(n)],
            "split": [("train", "train", "train", "val", "test")[i % 5] for i in range(n)],
        }  # fmt: skip
        masks = [blob(rng, size, classes) for _ in range(n)]
        for i, one in enumerate(masks):
            Image.fromarray(one * 50 + 20).save(tmp_path / columns["image"][i])
            stored = one * 255 if classes == 2 else one
            Image.fromarray(stored).save(tmp_path / columns["mask"][i])
        names = ["background", *(f"c{k}" for k in range(1, classes))]
        settings = {"column": "image", "size": list(size), "channels": 1} | view
        kinds = {
            "binary": {"kind": "binary", "column": "y"},
            "segmentation": {"kind": "segmentation", "column": "mask", "classes": names},
        }
        if target == "binary":
            settings["mask"] = {"column": "mask", "classes": names}
        write_csv(columns)
        return experiment(images={"photo": settings}, target=kinds[target]), masks

    return make


@pytest.mark.parametrize("cached", [True, False])
def test_batches_hold_the_masks_of_their_rows(study, cached):
    exp, masks = study(classes=3)
    cohort = Cohort.load(exp)
    if not cached:
        cohort = dataclasses.replace(cohort, cache=None)
    made = Loader(cohort, cohort.rows("train"), batch_size=7, shuffle=True, seed=1, augment=False)
    for _ in range(2):
        for batch in made.epoch(0):
            assert batch.masks["photo"].dtype == torch.uint8
            assert batch.mask_present["photo"].all()
            for row, found in zip(batch.row, batch.masks["photo"].numpy(), strict=True):
                assert np.array_equal(found, masks[row])
    assert cohort.masks.pixels["photo"].tolist() == [
        np.bincount(one.ravel(), minlength=3).tolist() for one in masks
    ]


def test_a_mask_moves_as_its_image(study):
    exp, _ = study(classes=4, augmentation={"flip": "both", "rotate": 45.0, "intensity": 0.0})
    cohort = Cohort.load(exp)
    batches = Loader(
        cohort, cohort.rows("train"), batch_size=8, shuffle=True, seed=1, augment=True
    ).epoch(3)
    mean, std = cohort.preprocessing.image_means["photo"], cohort.preprocessing.image_stds["photo"]
    for batch in batches:
        grey = (batch.images["photo"][:, 0] * std[0] + mean[0]) * 255
        wanted = ((grey - 20) / 50).round()
        # Between two classes the image is blurred, the mask is not.
        assert (wanted == batch.masks["photo"]).float().mean() > 0.85
        inner = functional.avg_pool2d(grey[:, None], 3, 1, 1)[:, 0] - grey
        flat = inner.abs() < 0.01
        assert flat.float().mean() > 0.2
        assert torch.equal(wanted[flat], batch.masks["photo"][flat].float())


def test_the_move_is_pytorchs():
    rng = np.random.default_rng(5)
    labels = [rng.integers(0, 9, (1, 11, 17), np.uint8) for _ in range(6)]
    theta = (np.eye(2, 3) + 0.7 * rng.normal(size=(6, 2, 3))).astype(np.float32)
    out = np.empty((6, 11, 17), np.uint8)
    _rust.move_labels(labels, out, theta, threads=3)
    grid = functional.affine_grid(
        torch.from_numpy(theta).double(), [6, 1, 11, 17], align_corners=False
    )
    images = torch.from_numpy(np.stack(labels)).double()
    wanted = functional.grid_sample(images, grid, "nearest", "reflection", align_corners=False)
    # Exactly between two pixels, and at a fold, rounding decides.
    assert (wanted[:, 0].numpy() == out).mean() > 0.995
    _rust.move_labels([labels[0], None], out[:2])
    assert np.array_equal(out[0], labels[0][0])
    assert not out[1].any()


def test_arrays_that_do_not_fit_are_refused():
    label, out = np.zeros((1, 4, 5), np.uint8), np.empty((1, 4, 5), np.uint8)
    _rust.move_labels([label], out)
    for arguments, error in [
        (([label], out[:, ::2]), ValueError), (([label], out[0]), TypeError),
        (([label, label], out), ValueError), (([label[:, :3]], out), ValueError),
        (([label[..., ::2]], np.empty((1, 4, 3), np.uint8)), ValueError),
        (([label.astype(int)], out), TypeError), (([label], out.astype(np.float32)), TypeError),
        (([label], out, np.zeros((2, 2, 3), np.float32)), ValueError),
    ]:  # fmt: skip
        with pytest.raises(error):
            _rust.move_labels(*arguments)


def test_resizing_takes_the_nearest_as_pillow():
    rng = np.random.default_rng(2)
    for there, wanted in [((9, 13), (4, 40)), ((1, 1), (3, 2)), ((50, 7), (50, 7))]:
        labels = rng.integers(0, 5, there, np.uint8)
        by_pillow = Image.fromarray(labels).resize(wanted[::-1], Image.Resampling.NEAREST)
        assert np.array_equal(nearest(labels, wanted), np.asarray(by_pillow))


def test_values_become_classes():
    two, three = MaskFiles(column="m"), MaskFiles(column="m", classes=("b", "x", "y"))
    assert as_labels(np.array([[0, 1]]), two).tolist() == [[0, 1]]
    assert as_labels(np.array([[0, 255]]), two).tolist() == [[0, 1]]
    assert as_labels(np.array([[65535, 0]]), two).tolist() == [[1, 0]]
    assert as_labels(np.array([[0.0, 2.0]]), three).tolist() == [[0, 2]]
    known = MaskFiles(column="m", ignore=255)
    assert as_labels(np.array([[0, 1, 255]]), known).tolist() == [[0, 1, IGNORE]]
    for values in ([0, 1, 255], [0, 7], [0, 254], [-1, 0], [0.5, 1]):
        with pytest.raises(ImageReadError, match="no class"):
            as_labels(np.array([values]), two)
    with pytest.raises(ImageReadError, match=r"value\(s\) 3, 4"):
        as_labels(np.array([[3, 4, 0]]), three)


@pytest.mark.parametrize("mode", ["P", "1", "L", "I;16", "RGB", "tiff"])
def test_every_way_to_store_two_classes(tmp_path, mode):
    truth = blob(np.random.default_rng(3), (10, 11))
    path = tmp_path / ("m.tiff" if mode == "tiff" else "m.png")
    if mode == "P":
        picture = Image.fromarray(truth).convert("P")
        picture = Image.fromarray(truth, "P") if picture.mode != "P" else picture
        picture.putdata(truth.ravel().tolist())
        picture.putpalette([200, 30, 40, 7, 90, 250])
    elif mode == "1":
        picture = Image.fromarray(truth * 255).convert("1")
    elif mode == "I;16":
        picture = Image.fromarray(truth.astype(np.uint16) * 65535)
    elif mode == "RGB":
        picture = Image.fromarray(np.stack([truth * 255] * 3, axis=-1))
    else:
        picture = Image.fromarray(truth)
    picture.save(path)
    Image.fromarray(truth).save(tmp_path / "i.png")
    samples = MaskSamples(MaskFiles(column="m"), View(column="i", size=(10, 11)))
    found, failures = samples.fetch([Pair(str(path), str(tmp_path / "i.png"))])
    assert not failures
    assert np.array_equal(found[0][0], truth)


def test_palettes_of_any_depth_are_read_as_numbers(tmp_path):
    rng = np.random.default_rng(4)
    for colours, bits in [(2, 1), (4, 2), (16, 4), (200, 8)]:
        truth = rng.integers(0, colours, (7, 13), np.uint8)
        picture = Image.new("P", (13, 7))
        picture.putdata(truth.ravel().tolist())
        picture.putpalette(rng.integers(0, 256, 3 * colours).tolist())
        picture.save(tmp_path / "p.png", bits=bits)
        assert np.array_equal(_rust.read_labels(tmp_path / "p.png")[..., 0], truth)
    raw = (tmp_path / "p.png").read_bytes()
    for end in range(8, len(raw), 37):
        (tmp_path / "cut.png").write_bytes(raw[:end])
        with pytest.raises(_rust.ImageDecodeError):
            _rust.read_labels(tmp_path / "cut.png")


def test_transforms_of_the_grid_take_both(tmp_path):
    image = np.zeros((30, 40), np.uint8)
    image[8:20, 10:34] = 200
    Image.fromarray(image).save(tmp_path / "i.png")
    Image.fromarray((image > 0).astype(np.uint8)).save(tmp_path / "m.png")
    view = View(
        column="i", size=(12, 24), channels=1,
        transforms=[{"kind": "crop-foreground", "above": 100.0}, {"kind": "min-max"}],
    )  # fmt: skip
    pair = Pair(str(tmp_path / "m.png"), str(tmp_path / "i.png"))
    found, failures = MaskSamples(MaskFiles(column="m"), view).fetch([pair])
    assert not failures
    assert found[0].mean() > 0.9


def test_a_changed_mask_is_read_again(tmp_path):
    size, cache = (8, 8), Cache.default(1.0)
    samples = MaskSamples(MaskFiles(column="m"), View(column="i", size=size), cache)
    pair = Pair(str(tmp_path / "m.png"), str(tmp_path / "i.png"))
    Image.new("L", size).save(pair.image)
    for value in (0, 1, 0):
        Image.new("L", size, value).save(pair.mask)
        assert (samples.fetch([pair])[0][0] == value).all()


def test_masks_that_cannot_be_used_are_named(study, tmp_path):
    exp, _ = study()
    Image.new("L", (7, 7)).save(tmp_path / "i/3_m.png")
    Image.new("L", (20, 24), 9).save(tmp_path / "i/4_m.png")
    (tmp_path / "i/5_m.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (tmp_path / "i/6_m.png").unlink()
    Image.new("RGB", (20, 24), (1, 2, 3)).save(tmp_path / "i/7_m.png")
    with pytest.raises(ImageReadError) as caught:
        Cohort.load(exp)
    said = str(caught.value)
    for part in ("5 mask(s)", "(003)", "7 x 7 pixels, but its image", "24 x 20", "value(s) 9",
                 "truncated", "there is no such file", "colour image"):  # fmt: skip
        assert part in said
    lenient = exp.model_copy(update={"data": exp.data.model_copy(update={"skip_unreadable": True})})
    cohort = Cohort.load(lenient)
    assert [(e.reason, len(e.ids)) for e in cohort.excluded] == [("mask cannot be used", 5)]
    assert len(cohort) == 35


def test_rows_without_a_mask(study, tmp_path):
    exp, masks = study()
    path = tmp_path / "table.csv"
    path.write_text(path.read_text().replace("i/1_m.png", ""))
    cohort = Cohort.load(exp)
    batch = next(Loader(
        cohort, np.array([0, 1, 2]), batch_size=3, shuffle=False, seed=0, augment=False
    ).epoch(0))  # fmt: skip
    assert batch.mask_present["photo"].tolist() == [True, False, True]
    assert not batch.masks["photo"][1].any()
    assert np.array_equal(batch.masks["photo"][2].numpy(), masks[2])


def test_a_segmentation_target_needs_masks_to_learn_and_none_to_predict(study, tmp_path):
    exp, masks = study(target="segmentation")
    path = tmp_path / "table.csv"
    path.write_text(path.read_text().replace("i/1_m.png", ""))
    cohort = Cohort.load(exp)
    assert [(e.reason, e.ids) for e in cohort.excluded] == [("no mask, or no image to it", ["001"])]
    assert cohort.target.shape == (39, 2)
    assert cohort.classes == ("background", "c1")
    batch = next(Loader(
        cohort, np.array([0, 1]), batch_size=2, shuffle=False, seed=0, augment=False
    ).epoch(0))  # fmt: skip
    assert batch.target.dtype == torch.int64
    assert np.array_equal(batch.target[1].numpy(), masks[2])
    assert not batch.masks
    facts = cohort.summary()
    assert facts["splits"][1]["target"]["c1"] == (cohort.target[cohort.rows("val"), 1] > 0).sum()
    assert cohort.subject(0).label == "c1: yes"
    assert {check.name: check.outcome for check in cohort.checks}["target leakage"] == "PASS"
    path.write_text(
        "\n".join(line.replace("mask", "other") for line in path.read_text().split("\n"))
    )
    new = Cases.load(exp.data, path, cohort.preprocessing)
    batch = next(
        Loader(new, np.arange(4), batch_size=4, shuffle=False, seed=0, augment=False).epoch(0)
    )
    assert batch.target is None
    assert batch.masks == {}


def test_masks_of_background_only_teach_nothing(study, tmp_path):
    exp, masks = study(target="segmentation")
    for i, one in enumerate(masks):
        if i % 5 < 3:
            Image.fromarray(one * 0).save(tmp_path / f"i/{i}_m.png")
    with pytest.raises(SplitError, match="'background' only"):
        Cohort.load(exp)
    (tmp_path / "table.csv").write_text("id,image,mask,split\na,i/0.png,,train\n")
    with pytest.raises(TableError, match="not one row is left"):
        Cohort.load(exp)


def test_a_new_mask_is_new_data(study, tmp_path):
    exp, _ = study()
    before = Cohort.load(exp).fingerprint
    Image.new("L", (20, 24)).save(tmp_path / "i/0_m.png")
    assert Cohort.load(exp).fingerprint != before


def test_columns_and_views_are_checked(experiment):
    view = {"column": "image", "mask": {"column": "mask"}}
    with pytest.raises(SpecError, match="mask of photo"):
        experiment(images={"photo": view}, categorical=["mask"])
    with pytest.raises(SpecError, match="named twice: a"):
        experiment(images={"photo": view | {"mask": {"column": "m", "classes": ["a", "a"]}}})
    with pytest.raises(SpecError, match="value of the class 'lesion'"):
        experiment(images={"photo": view | {"mask": {"column": "m", "ignore": 1}}})
    target = {"kind": "segmentation", "column": "m"}
    with pytest.raises(SpecError, match="needs a view"):
        experiment(numeric=["age"], target=target)
    both = {"one": {"column": "a"}, "two": {"column": "b"}}
    with pytest.raises(SpecError, match="several views: one, two"):
        experiment(images=both, target=target)
    with pytest.raises(SpecError, match="did you mean 'two'"):
        experiment(images=both, target=target | {"view": "twoo"})
    assert experiment(images=both, target=target | {"view": "two"}).data.segmented == "two"


def test_changes_are_drawn_once_for_both():
    spec = View(column="i").augmentation
    numbers = augmentation.draw(1, 2, 0, np.array([4]))
    first, second = (augmentation.changes(spec, numbers, (8, 9)) for _ in range(2))
    assert np.array_equal(first.theta, second.theta)
