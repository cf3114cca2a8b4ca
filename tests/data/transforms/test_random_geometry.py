"""Random changes of the grid: where things go, in mm, and that it can be done again."""

import json

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from medfusion import spec
from medfusion.data.transforms import (
    Pipeline,
    RandomAffine,
    RandomElastic,
    RandomFlip,
    RandomPatch,
    SampleKey,
)
from medfusion.data.volume import Volume
from medfusion.errors import TransformError

KEY = SampleKey(7, 1, 5)
TILT = np.array([[0.6, -0.8, 0, 3], [0.8, 0.6, 0, -7], [0, 0, 2.5, 11], [0, 0, 0, 1]])
STILL = {"rotate": [0, 0, 0], "scale": [1, 1, 1], "shear": [0, 0, 0], "translate": [0, 0, 0]}
CHANGES = [
    RandomFlip(axes=("i", "j", "k")),
    RandomAffine(shear=(0.1, 0.1, 0.1), translate=(3, 3, 3)),
    RandomElastic(spacing=10, displacement=3),
    RandomPatch((8, 7, 6)),
]


def make(shape=(10, 12, 14), *, affine=TILT, labels=False, axes="DHW"):
    rng = np.random.default_rng(0)
    if labels:
        array = (ndimage.gaussian_filter(rng.random(shape), 2) * 40).astype(np.uint8)
    else:
        array = rng.normal(size=shape).astype(np.float32)
    return Volume(array, affine, axes=axes, labels=labels, units="HU")


@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_what_was_drawn_can_be_done_again(change):
    volume = make()
    drawn = change.draw(KEY, volume.size)
    assert drawn == change.draw(KEY, volume.size)
    again = json.loads(json.dumps(drawn))
    first, second = change.apply(volume, drawn), change.apply(volume, again, threads=2)
    np.testing.assert_array_equal(first.array, second.array)
    np.testing.assert_array_equal(first.affine, second.affine)
    seen = {
        json.dumps(change.draw(SampleKey(7, e, s), volume.size)) for e in (0, 1) for s in (1, 2)
    }
    assert len(seen) > 1


@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_labels_keep_type_and_classes(change):
    mask = make(labels=True)
    for dtype in ("uint8", "int32", "float32", "bool"):
        given = mask.replace(array=mask.array.astype(dtype))
        for sample in range(5):
            found = change(given, SampleKey(0, 0, sample))
            assert found.array.dtype == dtype
            assert found.labels
            assert set(np.unique(found.array)) <= set(np.unique(given.array))


@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_channels_and_time_move_together(change):
    volume = make((2, 3, 10, 12, 14), axes="TCDHW")
    found = change(volume, KEY)
    alone = change(make().replace(array=volume.array[1, 2]), KEY)
    np.testing.assert_array_equal(found.array[1, 2], alone.array)
    assert found.axes == "TCDHW"
    assert found.units == "HU"


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probabilities(probability):
    for change in (RandomAffine(probability=probability), RandomElastic(probability=probability)):
        drawn = [bool(change.draw(SampleKey(1, 0, n), (9, 9, 9))) for n in range(600)]
        assert abs(np.mean(drawn) - probability) < 4 * np.sqrt(0.25 / 600)
    flip = RandomFlip(axes=("i", "k"), probability=probability)
    axes = [flip.draw(SampleKey(1, 0, n), (9, 9, 9)).get("axes", []) for n in range(600)]
    for axis in "ik":
        assert abs(np.mean([axis in a for a in axes]) - probability) < 4 * np.sqrt(0.25 / 600)
    assert not any("j" in a for a in axes)


def test_not_drawn_is_not_changed():
    volume = make()
    for change in CHANGES:
        if not isinstance(change, RandomPatch):
            assert change.apply(volume, {}) is volume


@pytest.mark.parametrize("axes", [["i"], ["j"], ["k"], ["i", "j", "k"]])
def test_flips_move_the_affine(axes):
    volume = make()
    found = RandomFlip(axes=("i", "j", "k")).apply(volume, {"axes": axes})
    np.testing.assert_array_equal(
        found.array, np.flip(volume.array, tuple(-1 - "ijk".index(axis) for axis in axes))
    )
    # Each voxel is where it was in the patient.
    for at in np.ndindex(found.array.shape):
        before = [n - 1 - a if axis in axes else a
                  for a, n, axis in zip(at, found.array.shape, "kji", strict=True)]  # fmt: skip
        np.testing.assert_allclose(
            found.affine @ [*at[::-1], 1], volume.affine @ [*before[::-1], 1], atol=1e-9
        )


def test_every_voxel_shows_what_lies_at_its_place():
    """The values are a linear function of the place in the patient: the affine must tell it."""
    volume = make((20, 24, 28))
    k, j, i = np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij")
    normal = np.array([0.3, -0.5, 0.7])
    place = volume.affine[:3] @ np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1)
    volume = volume.replace(array=(normal @ place).reshape(volume.array.shape))
    change = RandomAffine(
        rotate=(20, 20, 20), scale=(0.2, 0.2, 0.2), shear=(0.2, 0.2, 0.2), translate=(2, 2, 2)
    )
    for sample in range(10):
        found = change(volume, SampleKey(3, 0, sample))
        new = found.affine[:3] @ np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1)
        inside = np.linalg.inv(volume.affine) @ np.vstack([new, np.ones(new.shape[1])])
        kept = (inside[:3] >= 0).all(0) & (
            inside[:3] < np.array([[27.001], [23.001], [19.001]])
        ).all(0)
        assert kept.mean() > 0.3
        np.testing.assert_allclose(found.array.ravel()[kept], (normal @ new)[kept], atol=2e-3)


def test_turns_are_in_mm():
    """A ball stays a ball under a turn, though the slices are five times as thick."""
    k, j, i = np.meshgrid(np.arange(15), np.arange(71), np.arange(71), indexing="ij")
    offset = np.stack([i - 50.0, j - 35.0, (k - 7) * 5.0])
    ball = (100 - 5 * np.linalg.norm(offset, axis=0)).clip(0).astype(np.float32)
    volume = Volume(ball, np.diag([1.0, 1.0, 5.0, 1.0]))
    found = RandomAffine().apply(volume, STILL | {"rotate": [0, 90, 0]})
    # A quarter turn about j takes +i to -k: 15 mm are 3 slices.
    moved = np.stack([i - 35.0, j - 35.0, (k - 7) * 5.0 + 15])
    wanted = (100 - 5 * np.linalg.norm(moved, axis=0)).clip(0)
    # The slices' distance blurs the ball.
    assert np.unravel_index(found.array.argmax(), found.array.shape) == (4, 35, 35)
    assert np.abs(found.array - wanted).max() < 10
    np.testing.assert_allclose(found.spacing, (1, 1, 5))


def test_positive_turns_scales_and_moves():
    image = np.zeros((1, 41, 41), np.float32)
    image[0, 20, 30] = 1
    volume = Volume(image, np.diag([2.0, 2.0, 2.0, 1.0]))
    for change, wanted in [
        ({"rotate": [0, 0, 90]}, (30, 20)),  # from +i to +j
        ({"scale": [0.5, 1, 1]}, (20, 25)),
        ({"translate": [4.0, -6.0, 0]}, (17, 32)),
        ({"shear": [0.5, 0, 0]}, (20, 30)),
        ({"rotate": [0, 0, 90], "translate": [4.0, 0, 0]}, (30, 22)),
    ]:
        found = RandomAffine().apply(volume, STILL | change).array[0]
        assert np.unravel_index(found.argmax(), found.shape) == wanted, change
        assert found.max() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("flat", ["i", "j", "k"])
def test_a_slice_stays_in_its_plane(flat):
    shape = [12, 12, 12]
    shape["kji".index(flat)] = 1
    volume = make(tuple(shape), affine=np.eye(4))
    affine = RandomAffine(
        rotate=(45, 45, 45), shear=(0.3, 0.3, 0.3), translate=(2, 2, 2), outside=9
    )
    for change in (affine, RandomElastic(spacing=5, displacement=2, outside=9.0)):
        for sample in range(8):
            found = change(volume, SampleKey(1, 2, sample))
            at = "ijk".index(flat)
            np.testing.assert_allclose(found.affine[at], volume.affine[at], atol=1e-12)
            np.testing.assert_allclose(found.affine[:, at], volume.affine[:, at], atol=1e-12)
            # Nothing from beyond the slice: the middle is not mixed with the value 9.
            middle = found.array.reshape([n for n in found.array.shape if n > 1])[4:8, 4:8]
            assert np.abs(middle).max() < 5


def test_deformations_are_smooth_small_and_fold_nothing():
    size, spacing = (40, 36, 20), (1.0, 1.0, 2.0)
    change = RandomElastic(spacing=10, displacement=4)
    affine = np.diag([*spacing, 1.0])
    for axis in range(3):
        # The values are the coordinate: the result shows where each voxel came from, in mm.
        ramp = np.meshgrid(*(np.arange(n) * s for n, s in zip(size, spacing, strict=True)),
                           indexing="ij")[axis].T  # fmt: skip
        found = change(Volume(ramp.astype(np.float32), affine), KEY).array
        inner = (slice(5, -5),) * 3
        moved = (found - ramp)[inner]
        assert 1 < np.abs(moved).max() <= 4.001
        assert (np.diff(found[inner], axis=2 - axis) > 0).all()
    other = change(Volume(ramp.astype(np.float32), affine), KEY._replace(sample=6)).array
    assert np.abs(other - found).max() > 0.5


def test_deformations_that_fold_or_are_too_fine_are_refused():
    with pytest.raises(ValidationError, match="folded"):
        spec.RandomElastic(spacing=10, displacement=4.1)
    with pytest.raises(TransformError, match="several voxels"):
        RandomElastic(spacing=1, displacement=0.1)(make(), KEY)


def test_patches_lie_within_and_reach_everywhere():
    change = RandomPatch((4, 1, 10))
    origins = np.array([change.draw(SampleKey(1, 0, n), (6, 3, 10))["origin"] for n in range(6000)])
    for axis, count in enumerate((3, 3, 1)):
        seen, number = np.unique(origins[:, axis], return_counts=True)
        assert seen.tolist() == list(range(count))
        expected = 6000 / count
        assert ((number - expected) ** 2 / expected).sum() < 13.8  # 0.999 of chi-square with 2


@pytest.mark.parametrize("outside", ["edge", -3.0])
def test_a_small_volume_is_put_in_the_middle(outside):
    volume = make((3, 4, 5))
    found = RandomPatch((8, 8, 3), outside=outside)(volume, KEY)
    mode = {"mode": "edge"} if outside == "edge" else {"constant_values": outside}
    np.testing.assert_array_equal(
        found.array, np.pad(volume.array, ((0, 0), (2, 2), (1, 2)), **mode)
    )
    np.testing.assert_allclose(found.affine @ [1, 2, 0, 1], volume.affine @ [0, 0, 0, 1])


def test_image_and_mask_stay_together_in_a_pipeline():
    image, mask = make(), make(labels=True)
    image = image.replace(array=mask.array.astype(np.float32))
    pipeline = Pipeline(
        [
            {"kind": "random-patch", "size": [9, 9, 9]},
            {"kind": "random-affine", "rotate": [20, 20, 20]},
            {"kind": "random-flip", "axes": ["i", "j", "k"]},
            {"kind": "random-flip", "axes": ["i", "j", "k"]},
            {"kind": "random-noise", "low": 0.01, "high": 0.01},
        ]
    )
    found = pipeline({"image": image, "mask": mask}, key=KEY)
    record = json.loads(json.dumps(pipeline.record))
    flips = [entry["drawn"] for entry in record["transforms"][2:4]]
    np.testing.assert_array_equal(found["image"].affine, found["mask"].affine)
    near = np.abs(found["image"].array - found["mask"].array)
    assert np.median(near) < 0.5
    again = Pipeline.replay(record, {"image": image, "mask": mask})
    for name in found:
        np.testing.assert_array_equal(found[name].array, again[name].array)
    drawn = {json.dumps(pipeline.apply({"image": image}, key=SampleKey(0, 0, n)).record["transforms"]
                        [2:4]) for n in range(20)}  # fmt: skip
    assert len(flips) == 2
    assert len(drawn) > 10


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "random-flip", "axes": ["x"]},
        {"kind": "random-flip", "axes": ["i", "i"]},
        {"kind": "random-flip", "probability": 1.5},
        {"kind": "random-affine", "scale": [1, 0, 0]},
        {"kind": "random-affine", "rotate": -3},
        {"kind": "random-gamma", "low": 2, "high": 1},
        {"kind": "random-noise", "low": -1},
        {"kind": "random-patch"},
        {"kind": "random-patch", "size": [0, 1, 1]},
    ],
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        spec.TransformChain.model_validate({"transforms": [settings]})


def test_volumes_that_cannot_be_changed():
    with pytest.raises(TransformError, match="no voxels"):
        RandomAffine()(Volume(np.zeros((0, 3, 3), np.float32)), KEY)
    with pytest.raises(TransformError, match="whole numbers"):
        RandomAffine()(Volume(np.full((3, 3, 3), 0.5), labels=True), KEY)
    far = STILL | {"translate": [1e9, 0, 0]}
    with pytest.raises(TransformError, match="map leads"):
        RandomAffine().apply(make(), far)
