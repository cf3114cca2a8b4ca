"""Slices of volumes and images of bags: what is taken, read, kept and refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from medfusion.data import Cases, Cohort, Loader, Volume, instances, png, write_nifti
from medfusion.data.cache import Cache
from medfusion.data.instances import Draw, choose_images, choose_slices
from medfusion.data.stacks import StackSamples
from medfusion.errors import DataRootError, ImageReadError, SpecError
from medfusion.models.multimodal import MultimodalModel
from medfusion.spec import Bag, Experiment, Model, Slices, TimmEncoder, View

SPLITS = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
DEPTHS = [6, 10, 7, 3, 12, 8, 6, 6, 9, 6, 11, 6]
FILES = [3, 1, 9, 4, 2, 7, 3, 3, 5, 2, 8, 1]


def volume(depth, seed, height=12, width=16):
    """Slice k has values near 100 k, so that a value tells where it is from."""
    noise = np.random.default_rng(seed).random((depth, height, width))
    return (noise + 100 * np.arange(depth)[:, None, None]).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Twelve subjects: a volume, a bag in a folder, a bag as a list of files, some missing."""
    rng = np.random.default_rng(0)
    rows = ["id,ct,photos,films,y,split"]
    for n, (depth, count, split) in enumerate(zip(DEPTHS, FILES, SPLITS, strict=True)):
        write_nifti(Volume(volume(depth, n)), tmp_path / f"ct{n}.nii.gz")
        inside = tmp_path / f"bag{n}"
        inside.mkdir()
        for k in range(count):
            picture = rng.integers(20 * k, 20 * k + 20, (10, 10), dtype=np.uint8)
            (inside / f"p{k}.png").write_bytes(png.encode(picture))
        (inside / ".hidden").write_text("no image")
        (inside / "Thumbs.db").write_text("no image")
        films = "; ".join(f"bag{n}/p{k}.png" for k in range(min(count, 2)))
        cells = [f"ct{n}.nii.gz", f"bag{n}", films]
        cells = ["" if n == 4 + place else cell for place, cell in enumerate(cells)]
        rows.append(",".join([f"s{n}", *cells, str(n % 2), split]))
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def experiment(folder, images, **data):
    return Experiment.from_mapping(
        {
            "medfusion": 1,
            "data": {
                "table": "table.csv",
                "id": "id",
                "images": images,
                "target": {"kind": "binary", "column": "y"},
                "split": {"kind": "column", "column": "split"},
                **data,
            },
        },
        folder=folder,
    )


def ct(**changes):
    settings = {"kind": "slices", "count": 4} | changes
    return {"column": "ct", "size": [8, 8], "channels": 1, "instances": settings}


def bag(column="photos", **changes):
    settings = {"kind": "bag", "most": 4} | changes
    return {"column": column, "size": [8, 8], "channels": 1, "instances": settings}


ALL = {"ct": ct(), "photos": bag(), "films": bag("films")}


def load(folder, images=ALL, **data):
    return Cohort.load(experiment(folder, images, **data))


def loader(cohort, split="train", **changes):
    settings = {"batch_size": 3, "shuffle": True, "seed": 5, "augment": True} | changes
    return Loader(cohort, cohort.rows(split), **settings)


def copies(batches):
    return [
        (b.row.tolist(), {n: i.clone() for n, i in b.images.items()}, b.instance_present)
        for b in batches
    ]


def same(first, second):
    return len(first) == len(second) and all(
        a[0] == b[0]
        and all(torch.equal(a[part][name], b[part][name]) for part in (1, 2) for name in a[part])
        for a, b in zip(first, second, strict=True)
    )


# Which are taken --------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 5, 16, 17, 40, 300])
@pytest.mark.parametrize("choose", ["even", "middle"])
def test_slices_rise_none_twice_and_all_where_there_are_few(depth, choose):
    settings = Slices(count=16, choose=choose)
    draws = [None, np.zeros(16), np.full(16, 1 - 2**-53)]
    draws += [Draw(1, epoch, 0).numbers(7, 16) for epoch in range(30)]
    for numbers in draws:
        chosen = choose_slices(settings, depth, numbers)
        assert chosen.shape == (16,)
        there = chosen[chosen >= 0]
        assert (np.diff(there) > 0).all()
        assert (there < depth).all()
        assert len(there) == min(depth, 16)


def test_even_slices_are_the_middles_of_equal_parts_and_drawn_within_them():
    settings = Slices(count=4)
    assert choose_slices(settings, 12).tolist() == [1, 4, 7, 10]
    seen = {
        tuple(choose_slices(settings, 12, Draw(3, epoch, 0).numbers(1, 4)).tolist())
        for epoch in range(300)
    }
    for place in range(4):
        assert {one[place] for one in seen} == set(range(3 * place, 3 * place + 3))


def test_middle_slices_are_neighbours_moved_by_a_quarter_at_most():
    settings = Slices(count=8, choose="middle")
    assert choose_slices(settings, 20).tolist() == list(range(6, 14))
    firsts = {
        int(choose_slices(settings, 20, Draw(3, epoch, 0).numbers(1, 8))[0]) for epoch in range(300)
    }
    assert firsts == {4, 5, 6, 7, 8}
    near = {
        int(choose_slices(settings, 10, Draw(3, epoch, 0).numbers(1, 8))[0]) for epoch in range(300)
    }
    assert near == {0, 1, 2}


def test_images_of_large_bags():
    assert choose_images(3, 4).tolist() == [0, 1, 2]
    assert choose_images(0, 4).tolist() == []
    assert choose_images(8, 4).tolist() == [1, 3, 5, 7]
    counts = np.zeros(10)
    for epoch in range(2000):
        chosen = choose_images(10, 4, Draw(3, epoch, 0).numbers(1, 10))
        assert (np.diff(chosen) > 0).all()
        counts[chosen] += 1
    np.testing.assert_allclose(counts / 2000, 0.4, atol=0.05)


def test_draws_depend_on_seed_epoch_view_and_row_alone():
    numbers = Draw(1, 2, 3).numbers(4, 8)
    assert (numbers == Draw(1, 2, 3).numbers(4, 8)).all()
    assert (Draw(1, 2, 3).numbers(4, 5) == numbers[:5]).all()
    for other in (Draw(2, 2, 3), Draw(1, 3, 3), Draw(1, 2, 4)):
        assert (other.numbers(4, 8) != numbers).any()
    assert (Draw(1, 2, 3).numbers(5, 8) != numbers).any()


# What is read -----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_a_stack_is_the_volume_cut_scaled_and_resized(folder, axis):
    from PIL import Image

    view = View(column="ct", size=(12, 12), channels=1, instances=Slices(axis=axis))
    (stack,), failures = StackSamples(view).fetch([str(folder / "ct1.nii.gz")])
    assert not failures
    values = volume(10, 1)
    scaled = (values - values.min()) / (values.max() - values.min())
    cut = np.moveaxis(scaled, {"k": 0, "j": 1, "i": 2}[axis], 0)
    assert stack.shape == (len(cut), 1, 12, 12)
    assert stack.dtype == np.uint16
    for got, wanted in zip(stack[:, 0], cut, strict=True):
        resized = Image.fromarray(wanted).resize((12, 12), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(got / 65535, np.asarray(resized), atol=1e-4)


def test_transforms_apply_to_the_whole_volume_before_it_is_cut(folder):
    chain = [{"kind": "window", "center": 450, "width": 100}]
    settings = ct(count=10) | {"size": [12, 16], "transforms": chain}
    cohort = load(folder, {"ct": settings | {"mean": [0.0], "std": [1.0]}})
    (batch,) = Loader(
        cohort, np.array([1]), batch_size=1, shuffle=False, seed=0, augment=False
    ).epoch(0)
    wanted = np.clip((volume(10, 1) - 400) / 100, 0, 1)
    np.testing.assert_allclose(batch.images["ct"][0, :, 0], wanted, atol=1e-5)
    turned = settings | {"transforms": [{"kind": "crop", "size": [16, 12, 5]}, {"kind": "min-max"}]}
    (batch,) = Loader(
        load(folder, {"ct": turned}),
        np.array([1]),
        batch_size=1,
        shuffle=False,
        seed=0,
        augment=False,
    ).epoch(0)
    assert batch.instance_present["ct"].sum() == 5


def test_values_beyond_0_and_1_say_what_to_do(folder):
    settings = ct() | {"transforms": [{"kind": "clip", "low": 0, "high": 300}]}
    with pytest.raises(ImageReadError, match=r"end them with window, min-max or percentile"):
        load(folder, {"ct": settings})


def test_places_without_a_number_become_black(folder):
    values = volume(6, 0)
    values[2, :, :4] = np.nan
    write_nifti(Volume(values), folder / "ct0.nii.gz")
    view = View(column="ct", size=(12, 16), channels=1, instances=Slices())
    (stack,), _ = StackSamples(view).fetch([str(folder / "ct0.nii.gz")])
    assert (stack[2, 0, :, :4] == 0).all()
    assert (stack[2, 0, :, 4:] > 0).all()


def test_a_dicom_folder_is_a_volume(folder, write_stack):
    write_stack([3.0, 1.0, 0.0, 2.0], folder="series")
    text = (folder / "table.csv").read_text().replace("ct0.nii.gz", "series")
    (folder / "table.csv").write_text(text)
    for gigabytes in (0, 1):
        cohort = load(folder, {"ct": ct() | {"size": [8, 8]}}, cache_gigabytes=gigabytes)
        (batch,) = Loader(
            cohort, np.array([0]), batch_size=1, shuffle=False, seed=0, augment=False
        ).epoch(0)
        means = batch.images["ct"][0].mean(dim=(1, 2, 3))
        # Slice k was written at places[k]: sorted by place they are 2, 1, 3, 0.
        assert means.argsort().tolist() == [3, 1, 0, 2]
        assert cohort.files.hashes["ct"][0]


def test_neighbours_are_the_channels(folder):
    view = ct(count=3, neighbours=True) | {"channels": 3, "size": [12, 16]}
    cohort = load(folder, {"ct": view | {"mean": [0.0] * 3, "std": [1.0] * 3}})
    (batch,) = Loader(
        cohort, np.array([0]), batch_size=1, shuffle=False, seed=0, augment=False
    ).epoch(0)
    values = volume(6, 0)
    scaled = (values - values.min()) / (values.max() - values.min())
    for place, k in enumerate([1, 3, 5]):
        wanted = scaled[[k - 1, k, min(k + 1, 5)]]
        np.testing.assert_allclose(batch.images["ct"][0, place], wanted, atol=1e-4)
    with pytest.raises(SpecError, match="take out instances or mask"):
        load(folder, {"ct": ct() | {"mask": {"column": "films"}}})
    with pytest.raises(SpecError, match="set channels to 3"):
        load(folder, {"ct": ct(neighbours=True)})


def test_bags_are_the_files_in_the_order_of_their_names(folder):
    cohort = load(folder, {"photos": bag(most=64), "films": bag("films")})
    for row, count in enumerate(FILES):
        names = [Path(path).name for path in cohort.files.bags["photos"][row]]
        assert names == ([] if row == 5 else [f"p{k}.png" for k in range(count)])
    rows = np.arange(12)
    (batch,) = Loader(cohort, rows, batch_size=12, shuffle=False, seed=0, augment=False).epoch(0)
    counts = [0 if row == 5 else count for row, count in enumerate(FILES)]
    assert batch.images["photos"].shape == (12, 9, 1, 8, 8)
    assert batch.instance_present["photos"].sum(dim=1).tolist() == counts
    assert batch.images["films"].shape == (12, 2, 1, 8, 8)
    means = batch.images["photos"][2].mean(dim=(1, 2, 3))
    assert (means.diff() > 0).all()
    absent = ~batch.instance_present["photos"]
    assert (batch.images["photos"][absent] == 0).all()
    present = batch.images["photos"][~absent]
    assert (present.flatten(1).abs().sum(dim=1) > 0).all()


def test_a_single_file_is_a_bag_of_one(folder):
    text = (folder / "table.csv").read_text().replace(",bag0,", ",bag0/p1.png,")
    (folder / "table.csv").write_text(text)
    cohort = load(folder, {"photos": bag()})
    assert [Path(p).name for p in cohort.files.bags["photos"][0]] == ["p1.png"]


# Batches ----------------------------------------------------------------------------------------


def test_batches_hold_slices_and_bags(folder):
    cohort = load(folder)
    for batch in loader(cohort, batch_size=4).epoch(0):
        present = batch.instance_present
        assert batch.images["ct"].shape == (len(batch), 4, 1, 8, 8)
        assert batch.images["photos"].shape[1] <= 4
        for view, name in enumerate(("ct", "photos", "films")):
            assert present[name].shape == batch.images[name].shape[:2]
            assert (present[name].any(dim=1) == batch.image_present[:, view]).all()
            assert (batch.images[name][~present[name]] == 0).all()
        moved = batch.to("cpu")
        assert all(torch.equal(moved.instance_present[n], present[n]) for n in present)


def test_outside_training_slices_are_even_and_training_draws_them(folder):
    view = ct(count=3) | {"augmentation": None, "mean": [0.0], "std": [1.0]}
    cohort = load(folder, {"ct": view})
    plain = Loader(cohort, np.array([1]), batch_size=1, shuffle=False, seed=0, augment=False)
    first, second = (next(plain.epoch(epoch)).images["ct"].clone() for epoch in (0, 1))
    assert torch.equal(first, second)
    where = (first[0].mean(dim=(1, 2, 3)) * (volume(10, 1).max() / 100)).floor().tolist()
    assert where == [1, 4, 8]
    training = Loader(cohort, np.array([1]), batch_size=1, shuffle=True, seed=0, augment=True)
    seen = {
        tuple((next(training.epoch(n)).images["ct"][0].mean(dim=(1, 2, 3)) * 9.01).floor().tolist())
        for n in range(20)
    }
    assert len(seen) > 5
    still = load(
        folder, {"ct": view | {"instances": {"kind": "slices", "count": 3, "jitter": False}}}
    )
    training = Loader(still, np.array([1]), batch_size=1, shuffle=True, seed=0, augment=True)
    assert torch.equal(next(training.epoch(7)).images["ct"], first)


def test_all_slices_of_a_subject_are_turned_alike(folder):
    same_slice = np.repeat(np.random.default_rng(0).random((1, 12, 16)), 6, axis=0)
    write_nifti(Volume(same_slice.astype(np.float32)), folder / "ct0.nii.gz")
    cohort = load(folder, {"ct": ct(count=6)})
    made = Loader(cohort, np.array([0, 1]), batch_size=2, shuffle=False, seed=3, augment=True)
    plain = Loader(cohort, np.array([0, 1]), batch_size=2, shuffle=False, seed=3, augment=False)
    images = next(made.epoch(0)).images["ct"][0]
    assert all(torch.equal(images[0], image) for image in images)
    assert not torch.allclose(images, next(plain.epoch(0)).images["ct"][0], atol=0.05)


@pytest.mark.parametrize("threads", [2, 0])
def test_threads_cache_and_history_change_nothing(folder, threads):
    cohort = load(folder)
    wanted = copies(loader(cohort).epoch(2))
    assert same(copies(loader(cohort, threads=threads).epoch(2)), wanted)
    bare = dataclasses.replace(cohort, cache=None)
    assert same(copies(loader(bare, threads=threads).epoch(2)), wanted)
    used = loader(cohort)
    copies(used.epoch(0))
    assert same(copies(used.epoch(2)), wanted)
    assert not same(copies(used.epoch(3)), wanted)
    assert not same(copies(loader(cohort, seed=6).epoch(2)), wanted)


@pytest.mark.parametrize("start", [1, 2, 9])
def test_an_epoch_goes_on_where_it_was_left(folder, start):
    cohort = load(folder)
    assert same(copies(loader(cohort, batch_size=2).epoch(1, start=start)),
                copies(loader(cohort, batch_size=2).epoch(1))[start:])  # fmt: skip


def test_what_a_subject_gets_does_not_depend_on_its_batch(folder):
    cohort = load(folder)
    one = {}
    for batch in loader(cohort, batch_size=1, shuffle=False).epoch(0):
        one[batch.row[0]] = copies([batch])[0]
    for batch in loader(cohort, batch_size=6).epoch(0):
        for place, row in enumerate(batch.row):
            for name, images in batch.images.items():
                count = one[row][1][name].shape[1]
                torch.testing.assert_close(images[place, :count], one[row][1][name][0])
                assert not batch.instance_present[name][place, count:].any()


def test_volumes_are_read_once_and_then_come_from_the_cache(folder, monkeypatch, tmp_path):
    cohort = dataclasses.replace(load(folder), cache=Cache(tmp_path / "own" / "file", 2**24))
    read = []
    stack = StackSamples._stack
    monkeypatch.setattr(
        StackSamples, "_stack", lambda self, name: read.append(name) or stack(self, name)
    )
    made = loader(cohort)
    first = copies(made.epoch(0))
    assert len(read) == 5, "row 4 has no volume"
    assert same(copies(made.epoch(0)), first)
    copies(made.epoch(1))
    assert len(read) == 5
    write_nifti(Volume(volume(6, 99)), folder / "ct0.nii.gz")
    assert not same(copies(made.epoch(0)), first)
    assert len(read) == 6


def test_statistics_are_those_of_the_slices_and_images_of_the_training_rows(folder):
    cohort = load(folder)
    made = cohort.preprocessing
    for name in ("ct", "photos"):
        raw = experiment(folder, {name: ALL[name] | {"mean": [0.0], "std": [1.0]}})
        if name == "photos":  # statistics know all images of a bag, a batch at most four
            raw = experiment(folder, {name: bag(most=64) | {"mean": [0.0], "std": [1.0]}})
        (batch,) = Loader(
            Cohort.load(raw),
            cohort.rows("train"),
            batch_size=6,
            shuffle=False,
            seed=0,
            augment=False,
        ).epoch(0)
        pixels = batch.images[name][batch.instance_present[name]].double()
        assert made.image_means[name] == pytest.approx([float(pixels.mean())], rel=1e-5)
        assert made.image_stds[name] == pytest.approx([float(pixels.std(correction=0))], rel=1e-5)


# What goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("gigabytes", [0, 1])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "ct0.nii.gz").unlink(), r"ct0\.nii\.gz: there is no such file"),
        (lambda f: (f / "ct0.nii.gz").write_bytes(b""), r"ct0\.nii\.gz: .*the file is empty"),
        (lambda f: (f / "ct0.nii.gz").write_bytes((f / "ct0.nii.gz").read_bytes()[:600]),
         r"ct0\.nii\.gz"),
        (lambda f: shutil.rmtree(f / "bag0"), r"bag0: there is no such file"),
        (lambda f: [p.unlink() for p in (f / "bag0").iterdir()], r"bag0: holds no file"),
        (lambda f: (f / "bag0" / "p1.png").write_bytes(b"\x89PNG\r\n\x1a\n"), r"bag0/p1\.png: "),
        (lambda f: (f / "bag0" / "notes.txt").write_text("hello"), r"bag0/notes\.txt: "),
        (lambda f: (f / "ct0.nii.gz").unlink() or (f / "ct0.nii.gz").mkdir(), r"ct0\.nii\.gz"),
        (lambda f: write_nifti(Volume(np.ones((2, 3, 4, 5), np.float32), axes="TDHW"),
                               f / "ct0.nii.gz"), r"holds TDHW 2 x 3 x 4 x 5"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_or_left_out(folder, spoil, said, gigabytes):
    spoil(folder)
    images = {"ct": ct(), "photos": bag()}
    with pytest.raises(ImageReadError, match=said):
        load(folder, images, cache_gigabytes=gigabytes)
    cohort = load(folder, images, cache_gigabytes=gigabytes, skip_unreadable=True)
    assert cohort.ids == [f"s{n}" for n in range(1, 12)]
    assert cohort.excluded[0].ids == ["s0"]
    assert len(list(loader(cohort).epoch(0))) == 2


def test_an_empty_list_of_files_is_named(folder):
    text = (folder / "table.csv").read_text().replace(",bag0,", ", ; ;,")
    (folder / "table.csv").write_text(text)
    with pytest.raises(ImageReadError, match=r"'; ;': holds no file; empty the cell"):
        load(folder, {"photos": bag()})


def test_no_path_leaves_the_root_not_even_by_a_link_in_a_folder(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes(png.encode(np.zeros((8, 8), np.uint8)))
    (folder / "bag0" / "link.png").symlink_to(outside)
    with pytest.raises(DataRootError, match=r"leads outside"):
        load(folder, {"photos": bag()})
    (folder / "bag0" / "link.png").unlink()
    text = (folder / "table.csv").read_text().replace("bag0/p0.png;", f"{outside};")
    (folder / "table.csv").write_text(text)
    with pytest.raises(DataRootError, match=r"leads outside"):
        load(folder, {"films": bag("films")})


def test_what_can_no_longer_be_read_names_its_row(folder):
    cohort = dataclasses.replace(load(folder), cache=None)
    (folder / "ct2.nii.gz").write_bytes(b"broken")
    with pytest.raises(ImageReadError, match=r"s2: .*ct2\.nii\.gz"):
        list(loader(cohort).epoch(0))
    cohort = dataclasses.replace(load(folder, {"photos": bag()}), cache=None)
    (folder / "bag3" / "p2.png").write_bytes(b"broken")
    with pytest.raises(ImageReadError, match=r"s3: .*p2\.png"):
        list(loader(cohort).epoch(0))


# Checks, fingerprint, prediction ----------------------------------------------------------------


def found(cohort, name):
    return next(check for check in cohort.checks if check.name == name)


def test_a_picture_of_one_bag_in_a_bag_of_another_split_is_found(folder):
    cohort = load(folder, {"photos": bag()})
    assert found(cohort, "identical images across splits").outcome == "PASS"
    shutil.copy(folder / "bag0" / "p1.png", folder / "bag7" / "p9.png")
    check = found(load(folder, {"photos": bag()}), "identical images across splits")
    assert check.outcome == "FAIL"
    assert "s0 (train) = s7 (val)" in check.message
    files = sum(count for row, count in enumerate(FILES) if row != 5)
    assert found(cohort, "unreadable files").message.startswith(f"{files} image files")


def test_the_same_volume_in_two_splits_is_found(folder):
    shutil.copy(folder / "ct0.nii.gz", folder / "ct7.nii.gz")
    check = found(load(folder, {"ct": ct()}), "identical images across splits")
    assert "s0 (train) = s7 (val)" in check.message


def test_the_fingerprint_is_that_of_all_files_with_or_without_cache(folder):
    before = load(folder).fingerprint
    assert load(folder, cache_gigabytes=0).fingerprint == before
    (folder / "bag2" / "p3.png").write_bytes(png.encode(np.full((9, 9), 7, np.uint8)))
    assert load(folder).fingerprint != before


def test_rows_to_predict_are_read_alike(folder):
    cohort = load(folder)
    (folder / "new").mkdir()
    text = (folder / "table.csv").read_text().splitlines()
    lines = [",".join(line.split(",")[:4]) for line in text]
    (folder / "new.csv").write_text("\n".join(lines) + "\n")
    cases = Cases.load(cohort.spec, folder / "new.csv", cohort.preprocessing)
    rows = np.arange(12)
    settings = {"batch_size": 12, "shuffle": False, "seed": 0, "augment": False}
    (wanted,), (got,) = (Loader(c, rows, **settings).epoch(0) for c in (cohort, cases))
    assert same(copies([got]), copies([wanted]))
    elsewhere = cohort.spec.model_copy(update={"root": str(folder)})
    (folder / "new" / "new.csv").write_text((folder / "new.csv").read_text())
    assert len(Cases.load(elsewhere, folder / "new" / "new.csv", cohort.preprocessing)) == 12


def test_a_cohort_document_and_a_subject(folder):
    cohort = load(folder)
    assert cohort.summary()["splits"][0]["missing"] == {"ct": 1, "photos": 1, "films": 0}
    json.dumps(cohort.summary())
    assert cohort.subject(0).images["photos"] == str(folder / "bag0")
    assert cohort.subject(2).images["films"].count(";") == 1
    assert cohort.subject(4).images["ct"] is None


def test_the_experiment_round_trips_and_refuses_what_has_no_meaning(folder):
    exp = experiment(folder, ALL)
    assert Experiment.from_yaml_text(exp.to_yaml()) == exp
    assert (
        eval(
            exp.code.partition("exp = ")[2],
            vars(__import__("medfusion")) | {"mf": __import__("medfusion")},
        )
        == exp
    )
    document = exp.model_dump(mode="json")
    document["model"]["instances"] = {"kind": "learned-weight"}
    with pytest.raises(SpecError, match="have no places for learned-weight"):
        Experiment.from_mapping(document)
    document["model"]["instances"] = {"kind": "cross-view"}
    with pytest.raises(SpecError, match="set embeddings to false"):
        Experiment.from_mapping(document)
    document["model"]["instances"] = {"kind": "cross-view", "embeddings": False}
    assert Experiment.from_mapping(document).idle == []
    document["data"]["images"] = {"photo": {"column": "films"}}
    assert "model.instances is idle" in Experiment.from_mapping(document).idle[0]


def test_a_model_takes_what_the_loader_gives(folder):
    cohort = load(folder)
    model = MultimodalModel(
        Model(image=TimmEncoder(name="test_resnet")),
        views=dict.fromkeys(ALL, (1, 8, 8)),
        numeric=0,
        categories=[],
        outputs=1,
        folder=folder,
        instances={name: cohort.spec.images[name].instances.places for name in ALL},
    )
    for batch in loader(cohort).epoch(0):
        output = model(
            images=batch.images,
            image_present=batch.image_present,
            numeric=batch.numeric,
            numeric_present=batch.numeric_present,
            categorical=batch.categorical,
            instance_present=batch.instance_present,
        )
        assert output.logits.isfinite().all()
        weights = output.aux["instances/ct/weights"]
        torch.testing.assert_close(weights.sum(dim=1), batch.image_present[:, 0].float())


def test_views_of_all_kinds_have_their_samples():
    view = View(column="a")
    assert type(instances.view_samples(view, None, 1)).__name__ == "ImageSamples"
    assert type(
        instances.view_samples(View(column="a", instances=Bag()), None, 1)
    ).__name__ == "ImageSamples"  # fmt: skip
