"""Patches for training and inference: places, classes, fusion, repetition."""

import json
import mmap
import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from scipy import stats

from medfusion.data.nifti import read_nifti
from medfusion.data.patch_grid import GridAggregator, GridSampler
from medfusion.data.patch_source import open_source
from medfusion.data.patches import PatchSampler
from medfusion.data.transforms import (
    Clip,
    Pipeline,
    RandomAffine,
    RandomElastic,
    RandomFlip,
    RandomPatch,
    SampleKey,
    Window,
)
from medfusion.data.volume import Volume
from medfusion.errors import SpecError, TransformError, VolumeReadError

SHAPE = (20, 24, 28)
CHANGES = [
    {"kind": "window", "center": 500, "width": 800},
    {"kind": "random-affine", "rotate": [20, 20, 20]},
    {"kind": "random-flip", "axes": ["i", "j", "k"]},
    {"kind": "random-elastic", "spacing": 8, "displacement": 2},
    {"kind": "random-intensity", "contrast": 0.2, "shift": 0.1},
    {"kind": "random-gamma"},
    {"kind": "random-blur"},
    {"kind": "random-noise"},
]


def image(seed=0, shape=SHAPE, dtype=np.int16, axes="DHW"):
    rng = np.random.default_rng(seed)
    affine = np.diag([0.7, 0.7, 2.0, 1.0])
    return Volume(rng.integers(0, 1000, shape).astype(dtype), affine, axes=axes)


def mask(seed=0, shape=SHAPE, shares=(0.9, 0.08, 0.02)):
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(shares), size=shape, p=shares).astype(np.uint8)
    return Volume(labels, np.diag([0.7, 0.7, 2.0, 1.0]), labels=True)


def keys(count, seed=1, epoch=0):
    return [SampleKey(seed, epoch, sample) for sample in range(count)]


@pytest.fixture
def sampler():
    volumes = [image(seed) for seed in range(3)]
    masks = [mask(seed) for seed in range(3)]
    return PatchSampler(volumes, (8, 9, 10), CHANGES, labels=masks, per_volume=4)


def test_a_batch_has_images_labels_and_places(sampler):
    batch = sampler.sample(keys(12))
    assert len(sampler) == 12
    assert batch.images.shape == (12, 1, 10, 9, 8)
    assert batch.images.dtype == np.float32
    assert batch.labels.shape == (12, 1, 10, 9, 8)
    assert batch.labels.dtype == np.uint8
    assert set(np.unique(batch.labels)) <= {0, 1, 2}
    assert [record["volume"] for record in batch.records] == [n // 4 for n in range(12)]
    assert len({patch.tobytes() for patch in batch.images}) == 12


def test_a_sample_depends_on_its_key_alone(sampler):
    whole = sampler.sample(keys(12))
    for threads in (1, 2, 7):
        sampler.threads = threads
        np.testing.assert_array_equal(sampler.sample(keys(12)).images, whole.images)
    part = sampler.sample([keys(12)[n] for n in (7, 2)])
    np.testing.assert_array_equal(part.images, whole.images[[7, 2]])
    np.testing.assert_array_equal(part.labels, whole.labels[[7, 2]])
    for changed in ({"seed": 2}, {"epoch": 1}):
        other = sampler.sample([keys(1)[0]._replace(**changed)])
        assert not np.array_equal(other.images[0], whole.images[0])


def test_a_record_gives_the_same_bits(sampler):
    first = sampler.sample(keys(12))
    again = sampler.replay(json.loads(json.dumps(first.records)))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.affines, again.affines)
    with pytest.raises(SpecError, match="version"):
        sampler.replay([first.records[0] | {"version": 99}])
    with pytest.raises(SpecError, match="other transforms"):
        PatchSampler([image()], (8, 9, 10)).replay(first.records[:1])


def test_a_batch_goes_where_it_is_told(sampler):
    out, labels = np.empty((3, 1, 10, 9, 8), np.float32), np.empty((3, 1, 10, 9, 8), np.uint8)
    batch = sampler.sample(keys(3), out=out, labels_out=labels)
    assert batch.images is out
    assert batch.labels is labels
    np.testing.assert_array_equal(out, sampler.sample(keys(3)).images)
    for bad in (out[:2], out.astype(np.float64), out[..., ::2]):
        with pytest.raises(TransformError, match="out must be"):
            sampler.sample(keys(3), out=bad)
    assert sampler.sample([]).images.shape == (0, 1, 10, 9, 8)


def test_a_plain_patch_is_a_slice():
    sampler = PatchSampler([image()], (8, 9, 10), per_volume=50)
    batch = sampler.sample(keys(50))
    for patch, record, affine in zip(batch.images, batch.records, batch.affines, strict=True):
        i, j, k = record["transforms"][0]["drawn"]["origin"]
        np.testing.assert_array_equal(patch[0], image().array[k : k + 10, j : j + 9, i : i + 8])
        np.testing.assert_allclose(affine @ [0, 0, 0, 1], image().affine @ [i, j, k, 1])


def test_the_fused_gather_is_the_chain_where_nothing_is_lost():
    """Flips and values: with each step exact, one gather and the chain agree to rounding."""
    steps = [CHANGES[0], CHANGES[2], CHANGES[4], CHANGES[5], CHANGES[7]]
    sampler = PatchSampler([image()], (8, 9, 10), steps)
    for seed in range(5):
        batch = sampler.sample(keys(1, seed))
        record = batch.records[0] | {"version": 1}
        wanted = Pipeline.replay(record, image())
        np.testing.assert_allclose(batch.images[0, 0], wanted.array, atol=2e-5)
        np.testing.assert_allclose(batch.affines[0], wanted.affine, atol=1e-9)


def test_corners_of_turned_patches_show_the_volume():
    """The values are linear in the place: a turned patch is exact, corners too."""
    k, j, i = np.meshgrid(*map(np.arange, (60, 60, 60)), indexing="ij")
    ramp = Volume((3 * i + 2 * j - k).astype(np.int16))
    sampler = PatchSampler(
        [ramp], (20, 20, 20), [RandomAffine((30, 30, 30)), RandomFlip()], per_volume=20
    )
    sampler._shares = {1: 1.0}
    middle = {"origin": [20, 20, 20]}
    sampler._placed = lambda *_: middle
    batch = sampler.sample(keys(20))
    k, j, i = np.meshgrid(*map(np.arange, (20, 20, 20)), indexing="ij")
    for patch, affine in zip(batch.images, batch.affines, strict=True):
        x, y, z, _ = affine @ np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1)
        np.testing.assert_allclose(patch.ravel(), 3 * x + 2 * y - z, atol=2e-3)


def test_image_and_labels_stay_together():
    labels = [mask(seed, shares=(0.5, 0.5)) for seed in range(2)]
    images = [one.replace(array=one.array.astype(np.float32), labels=False) for one in labels]
    sampler = PatchSampler(
        images, (12, 12, 12), [CHANGES[1], CHANGES[2], CHANGES[3]], labels=labels
    )
    batch = sampler.sample(keys(2))
    # Where interpolation is sure of a class, the label is that class.
    sure = np.abs(batch.images - 0.5) > 0.49
    assert sure.mean() > 0.01
    np.testing.assert_array_equal(batch.images[sure] > 0.5, batch.labels[sure] == 1)


def test_classes_are_drawn_by_their_shares():
    balance = {0: 1, 1: 1, 2: 2}
    sampler = PatchSampler([image()], (3, 3, 3), labels=[mask()], balance=balance, per_volume=1000)
    batch = sampler.sample(keys(1000))
    drawn = [record["transforms"][0]["drawn"]["class"] for record in batch.records]
    counts = [drawn.count(label) for label in balance]
    assert stats.chisquare(counts, [250, 250, 500]).pvalue > 1e-3
    # Away from the edges the voxel in the middle is of the class.
    origins = np.array([record["transforms"][0]["drawn"]["origin"] for record in batch.records])
    inner = ((origins > 0) & (origins < np.array(SHAPE[::-1]) - 3)).all(1)
    middle = batch.labels[:, 0, 1, 1, 1]
    np.testing.assert_array_equal(middle[inner], np.array(drawn)[inner])
    assert inner.sum() > 500


def test_each_voxel_of_a_class_is_drawn_alike():
    labels = np.zeros(SHAPE, np.uint8)
    places = [(5, 5, 5), (5, 5, 6), (10, 3, 20), (10, 3, 4), (19, 23, 27)]
    for place in places:
        labels[place] = 1
    given = Volume(labels, image().affine, labels=True)
    sampler = PatchSampler([image()], (1, 1, 1), labels=[given], balance={1: 1}, per_volume=1000)
    batch = sampler.sample(keys(1000))
    assert (batch.labels == 1).all()
    found = [tuple(r["transforms"][0]["drawn"]["origin"][::-1]) for r in batch.records]
    assert set(found) == set(places)
    assert stats.chisquare([found.count(place) for place in places]).pvalue > 1e-3


def test_a_class_that_is_missing_leaves_its_share_to_the_others():
    empty = mask().replace(array=np.zeros(SHAPE, np.uint8))
    sampler = PatchSampler(
        [image(), image(1)], (3, 3, 3), labels=[mask(), empty], balance={0: 1, 2: 3}, per_volume=50
    )
    drawn = [r["transforms"][0]["drawn"]["class"] for r in sampler.sample(keys(100)).records]
    assert set(drawn[:50]) == {0, 2}
    assert set(drawn[50:]) == {0}
    sampler = PatchSampler([image()], (3, 3, 3), labels=[empty], balance={1: 1, 2: 3})
    with pytest.raises(TransformError, match="no voxel of the balanced classes"):
        sampler.sample(keys(1))


@pytest.mark.parametrize("outside", ["edge", -1000.0])
def test_volumes_smaller_than_the_patch_are_put_in_the_middle(outside):
    from medfusion.spec import RandomPatch

    small = image(shape=(3, 24, 5))
    patch = RandomPatch(size=(8, 8, 8), outside=outside)
    batch = PatchSampler([small], patch, labels=[mask(shape=(3, 24, 5))]).sample(keys(1))
    _, j, _ = batch.records[0]["transforms"][0]["drawn"]["origin"]
    mode = {"mode": "edge"} if outside == "edge" else {"constant_values": outside}
    box = small.array[:, j : j + 8].astype(np.float32)
    np.testing.assert_array_equal(batch.images[0, 0], np.pad(box, ((2, 3), (0, 0), (1, 2)), **mode))
    if outside != "edge":
        assert (batch.labels[0, 0, :2] == 0).all()


def write(path, array):
    header = nibabel.Nifti1Header(endianness=">" if array.dtype.byteorder == ">" else "<")
    header.set_data_dtype(array.dtype)
    nibabel.save(nibabel.Nifti1Image(array.T, np.diag([1, 2, 3, 1]), header), path)
    return path


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "float32", "int32", "float64", ">i2"]
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_files_are_read_where_patches_are(tmp_path, dtype, suffix):
    array = np.random.default_rng(0).integers(0, 200, SHAPE).astype(dtype)
    path = write(tmp_path / f"a{suffix}", array)
    whole = read_nifti(path)
    batch = PatchSampler([path], (8, 9, 10), per_volume=5).sample(keys(5))
    for patch, record in zip(batch.images, batch.records, strict=True):
        i, j, k = record["transforms"][0]["drawn"]["origin"]
        np.testing.assert_array_equal(patch[0], whole.array[k : k + 10, j : j + 9, i : i + 8])
    source = open_source(path)
    np.testing.assert_allclose(source.volume.affine, whole.affine)
    is_mapped = suffix == ".nii" and dtype in {"uint8", "int16", "uint16", "float32"}
    bases = [source.samples.array]
    while getattr(bases[-1], "base", None) is not None:
        bases.append(bases[-1].base)
    assert any(isinstance(base, mmap.mmap) for base in bases) == is_mapped


@pytest.mark.parametrize("ending", [".nii", ".img"])
def test_scaling_of_a_mapped_file_is_applied(tmp_path, ending):
    array = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)
    path = tmp_path / f"a{ending}"
    kind = nibabel.Nifti1Image if ending == ".nii" else nibabel.Nifti1Pair
    made = kind(array.T, np.eye(4))
    made.header.set_slope_inter(0.5, -10)
    nibabel.save(made, path)
    # nibabel stores what gives these values back with that scaling.
    whole = read_nifti(path)
    sampler = PatchSampler([path], (28, 24, 20), [Clip(-100, 100)])
    np.testing.assert_allclose(
        sampler.sample(keys(1)).images[0, 0], whole.array.clip(-100, 100), atol=1e-3
    )
    from medfusion.spec import RandomPatch

    padded = PatchSampler([path], RandomPatch(size=(40, 24, 20), outside=-77.0)).sample(keys(1))
    assert padded.images[0, 0, 0, 0, 0] == pytest.approx(-77)


def test_damaged_files_are_named(tmp_path):
    path = write(tmp_path / "cut.nii", np.zeros(SHAPE, np.int16))
    path.write_bytes(path.read_bytes()[:5000])
    for bad in (path, tmp_path / "missing.nii"):
        with pytest.raises(VolumeReadError, match=bad.name):
            PatchSampler([bad], (3, 3, 3)).sample(keys(1))


def test_few_volumes_are_kept_open():
    sampler = PatchSampler([image(n) for n in range(6)], (3, 3, 3), keep_open=2)
    wanted = sampler.sample(keys(6)).images
    assert list(sampler._open) == [4, 5]
    sampler.sample([keys(6)[4], keys(6)[0]])
    assert list(sampler._open) == [4, 0]
    np.testing.assert_array_equal(sampler.sample(keys(6)).images, wanted)


def test_one_slice_and_channels():
    rgb = image(shape=(3, 1, 40, 50), dtype=np.uint8, axes="CDHW")
    sampler = PatchSampler([rgb], (16, 16, 1), CHANGES[1:])
    assert sampler.sample(keys(1)).images.shape == (1, 3, 1, 16, 16)
    mixed = PatchSampler([rgb, image(shape=(1, 40, 50))], (16, 16, 1))
    with pytest.raises(TransformError, match="channels"):
        mixed.sample(keys(2))


def test_wrong_settings_are_named():
    one, labels = image(), mask()
    elsewhere = labels.replace(affine=np.eye(4))
    shifted = labels.replace(array=labels.array[1:])
    for message, error, make in [
        ("1 images, but 2", TransformError, lambda: PatchSampler([one], (3, 3, 3), labels=[labels] * 2)),
        ("needs labels", TransformError, lambda: PatchSampler([one], (3, 3, 3), balance={1: 1})),
        ("shares", TransformError, lambda: PatchSampler([one], (3, 3, 3), labels=[labels], balance={1: -1})),
        ("shares", TransformError, lambda: PatchSampler([one], (3, 3, 3), labels=[labels], balance={})),
        ("per_volume", TransformError, lambda: PatchSampler([one], (3, 3, 3), per_volume=0)),
        ("label_type", TransformError, lambda: PatchSampler([one], (3, 3, 3), label_type="int8")),
        ("size", SpecError, lambda: PatchSampler([one], (3, 3))),
        ("not fused", TransformError, lambda: PatchSampler([one], (3, 3, 3), [{"kind": "z-score"}])),
        ("not fused", TransformError, lambda: PatchSampler([one], (3, 3, 3), [RandomPatch((2, 2, 2))])),
        ("rotate", SpecError, lambda: PatchSampler([one], (3, 3, 3), [{"kind": "random-affine", "rotate": 1}])),
        ("linear-exact", TransformError, lambda: PatchSampler([one], (3, 3, 3), [Window(4, width=3, function="sigmoid")])),
        ("below the number", TransformError, lambda: PatchSampler([one], (3, 3, 3)).sample(keys(2))),
        ("on the grid", TransformError, lambda: PatchSampler([one], (3, 3, 3), labels=[shifted]).sample(keys(1))),
        ("mm away", TransformError, lambda: PatchSampler([one], (3, 3, 3), labels=[elsewhere]).sample(keys(1))),
        ("last change", TransformError, lambda: PatchSampler([one], (3, 3, 3), [RandomElastic(spacing=8, displacement=1), RandomAffine()]).sample(keys(1))),
        ("does not fit", TransformError, lambda: PatchSampler([one], (3, 3, 3), labels=[labels.replace(array=np.full(SHAPE, 300))]).sample(keys(1))),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            make()


def test_a_forked_child_and_another_process_give_the_same(sampler, tmp_path):
    here = sampler.sample(keys(4)).images
    child = os.fork()
    if child == 0:
        try:
            np.save(tmp_path / "fork.npy", sampler.sample(keys(4)).images)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    np.testing.assert_array_equal(np.load(tmp_path / "fork.npy"), here)
    program = f"""
import sys
import numpy as np
from medfusion.data.patches import PatchSampler
from medfusion.data.transforms import SampleKey
from medfusion.data.volume import Volume
def image(seed):
    array = np.random.default_rng(seed).integers(0, 1000, {SHAPE}).astype(np.int16)
    return Volume(array, np.diag([0.7, 0.7, 2.0, 1.0]))
sampler = PatchSampler([image(n) for n in range(3)], (8, 9, 10), {CHANGES}, per_volume=4)
np.save({str(tmp_path / "other.npy")!r}, sampler.sample([SampleKey(1, 0, n) for n in range(4)]).images)
assert not {{"torch", "pandas", "nibabel", "pydicom"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    np.testing.assert_array_equal(np.load(tmp_path / "other.npy"), here)


@pytest.mark.parametrize("weights", ["mean", "gaussian"])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("size", [(8, 7, 5), (28, 24, 20), (40, 5, 33), (1, 24, 20)])
def test_a_grid_gives_the_volume_back_exactly(weights, overlap, size):
    volume = image(dtype=np.float32)
    volume = volume.replace(array=volume.array * np.float32(0.1))
    grid = GridSampler(volume, size, overlap=overlap)
    whole = GridAggregator(grid, weights=weights)
    for patches, origins in grid.batches(7):
        whole.add(patches, origins)
    found = whole.volume()
    np.testing.assert_array_equal(found.array, volume.array)
    np.testing.assert_array_equal(found.affine, volume.affine)


def test_grids_cover_and_overlap():
    grid = GridSampler(image(), (10, 24, 30), overlap=0.4)
    assert sorted(set(grid.origins[:, 0].tolist())) == [0, 6, 12, 18]
    assert set(grid.origins[:, 1].tolist()) == {0}
    assert set(grid.origins[:, 2].tolist()) == {-5}
    assert len(grid) == 4
    padded = GridSampler(image(), (10, 24, 30), outside=-9.0).cut(grid.origins[:1])
    assert (padded[0, 0, :5] == -9).all()
    assert (padded[0, 0, 5:25] != -9).all()


def test_predictions_of_other_channels_are_averaged():
    grid = GridSampler(image(), (14, 12, 10), overlap=0.5)
    whole = GridAggregator(grid, channels=2, weights="mean")
    number = np.zeros(SHAPE)
    total = np.zeros(SHAPE)
    for index, (i, j, k) in enumerate(grid.origins.tolist()):
        whole.add(np.full((1, 2, 10, 12, 14), index, np.float32), np.array([[i, j, k]]))
        total[k : k + 10, j : j + 12, i : i + 14] += index
        number[k : k + 10, j : j + 12, i : i + 14] += 1
    found = whole.volume()
    assert found.axes == "CDHW"
    np.testing.assert_allclose(found.array[1], total / number, rtol=1e-5)


def test_wrong_grids_are_named():
    for size, overlap in [((0, 3, 3), 0.5), ((3, 3), 0.5), ((3, 3, 3), 1.0), ((3, 3, 3), -0.1)]:
        with pytest.raises(TransformError, match="overlap"):
            GridSampler(image(), size, overlap=overlap)
    grid = GridSampler(image(), (8, 8, 8))
    whole = GridAggregator(grid)
    with pytest.raises(TransformError, match="do not fit"):
        whole.add(np.zeros((1, 2, 8, 8, 8), np.float32), grid.origins[:1])
    with pytest.raises(TransformError, match="covered by no patch"):
        whole.volume()
    with pytest.raises(TransformError, match="gaussian"):
        GridAggregator(grid, weights="median")
