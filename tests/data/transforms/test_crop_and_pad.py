"""Boxes and borders, and the place of each voxel."""

import numpy as np
import pytest

from medfusion.data.transforms import Crop, CropForeground, Pad, Pipeline
from medfusion.data.volume import Volume
from medfusion.errors import SpecError, TransformError


def same_places(part, whole):
    """Every voxel of `part` has the value that `whole` has at its place."""
    matrix = np.linalg.solve(whole.affine, part.affine)
    start = np.rint(matrix[:3, 3]).astype(int)
    np.testing.assert_allclose(
        matrix, np.block([[np.eye(3), start[:, None]], [0, 0, 0, 1]]), atol=1e-9
    )
    box = tuple(slice(at, at + n) for at, n in zip(start, part.size, strict=True))[::-1]
    return np.array_equal(part.array, whole.array[(..., *box)])


@pytest.mark.parametrize("axes", ["DHW", "CDHW", "TCDHW"])
def test_a_crop_keeps_places(make, axes):
    volume = make((9, 8, 5), oblique=0.3, axes=axes)
    for crop in (Crop((4, 3, 2)), Crop((4, 3, 2), start=(5, 0, 1)), Crop((50, 3, 5))):
        assert same_places(crop(volume), volume)
    assert Crop((50, 3, 5))(volume).size == (9, 3, 5)
    middle = Crop((4, 3, 1))(volume).array[..., 0, 0, 0]
    assert np.array_equal(middle, volume.array[..., 2, 3, 2]), "n // 2 - size // 2, as MONAI"


def test_a_box_outside_is_refused(make):
    with pytest.raises(TransformError, match="does not lie inside"):
        Crop((4, 3, 2), start=(6, 0, 0))(make())


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_a_padded_volume_holds_the_old_one(make, mode):
    volume = make((6, 5, 4), oblique=0.3, axes="CDHW")
    for pad in (Pad((9, 5, 11), mode=mode), Pad(multiple=4, mode=mode), Pad((2, 2, 2), mode=mode)):
        found = pad(volume)
        assert same_places(volume, found)
        border = {"mode": mode} if mode != "constant" else {"mode": mode, "constant_values": 0}
        before = [(new - old) // 2 for new, old in zip(found.size, volume.size, strict=True)][::-1]
        widths = [(0, 0)] + [
            (at, new - old - at)
            for at, new, old in zip(
                before, found.array.shape[1:], volume.array.shape[1:], strict=True
            )
        ]
        assert np.array_equal(found.array, np.pad(volume.array, widths, **border))
    assert Pad(multiple=(4, 5, 3))(volume).size == (8, 5, 6)


def test_padding_has_a_value():
    ct = Volume(np.zeros((1, 1, 1), np.int16))
    assert Pad((3, 1, 1), value=-1024)(ct).array.tolist() == [[[-1024, 0, -1024]]]
    mask = ct.replace(labels=True)
    assert Pad((3, 1, 1), value=-1024)(mask).array.tolist() == [[[0, 0, 0]]]
    with pytest.raises(TransformError, match="use Cast before"):
        Pad((3, 1, 1), value=0.5)(ct)
    with pytest.raises(TransformError, match="at most"):
        Pad((65_536,) * 3)(ct)
    with pytest.raises(SpecError, match="either size or multiple"):
        Pad()


def test_crop_then_pad_gives_a_size(make):
    found = Pipeline([Crop((5, 9, 5)), Pad((5, 9, 5))])(make((9, 7, 5)))
    assert found.size == (5, 9, 5)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, np.float64, bool])
def test_the_foreground_is_numpys(dtype):
    array = np.zeros((2, 9, 10, 11), dtype)
    array[0, 3:5, 2:9, 4] = 1
    array[1, 4:7, 5, 4:8] = 1
    volume = Volume(array, np.diag([2.0, 3, 4, 1]), axes="CDHW")
    found = CropForeground(above=0.5)(volume)
    where = np.argwhere(array.any(axis=0))
    low, high = where.min(axis=0), where.max(axis=0) + 1
    assert found.size == tuple((high - low)[::-1])
    assert same_places(found, volume)
    wide = CropForeground(above=0.5, margin=3)(volume)
    assert wide.size == (4 + 6, 7 + 3, 4 + 5), "the margin stops at the border"
    assert same_places(wide, volume)


def test_no_foreground_is_named():
    for array in (np.zeros((2, 2, 2), np.float32), np.full((2, 2, 2), np.nan, np.float32)):
        with pytest.raises(TransformError, match="no foreground"):
            CropForeground()(Volume(array))


def test_one_volume_decides_for_all(make):
    image = make((6, 6, 6))
    mask = image.replace(array=np.zeros((6, 6, 6), np.uint8), labels=True)
    mask.array[2:4, 1:5, 3:6] = 2
    found = Pipeline([CropForeground(by="mask")])({"image": image, "mask": mask})
    assert found["image"].size == found["mask"].size == (3, 4, 2)
    assert same_places(found["image"], image)
    with pytest.raises(TransformError, match="there is no volume 'liver'"):
        Pipeline([CropForeground(by="liver")])({"image": image, "mask": mask})
    small = Crop((3, 3, 3))(mask)
    with pytest.raises(TransformError, match="resample it first"):
        Pipeline([CropForeground()])({"image": image, "mask": small})
