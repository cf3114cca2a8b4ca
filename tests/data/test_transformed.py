"""Transforms of a view: applied at the image's own size, equal to the same steps by hand."""

import numpy as np
import pydicom
import pytest
from PIL import Image

from medfusion import spec
from medfusion.data.cache import Cache
from medfusion.data.samples import ImageSamples
from medfusion.data.transformed import TransformedImages
from medfusion.errors import ImageReadError, TransformError


@pytest.fixture
def grey16(tmp_path):
    values = np.random.default_rng(1).integers(200, 4000, (60, 44)).astype(np.uint16)
    path = tmp_path / "grey.png"
    Image.fromarray(values).save(path)
    return path, values


def by_pillow(values, size):
    image = Image.fromarray(values.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image)


def test_percentile_then_resize_equals_numpy_and_pillow(grey16):
    path, values = grey16
    step = spec.Percentile(lower=2, upper=98)
    samples, failures = ImageSamples((32, 24), 1, transforms=[step]).fetch([path])
    low, high = np.percentile(values, [2, 98])
    expected = by_pillow(np.clip((values - low) / (high - low), 0, 1) * 65535, (32, 24))
    assert failures == []
    assert samples[0].dtype == np.uint16
    assert np.abs(samples[0][0] - expected).max() <= 2


def test_changes_of_the_grid_keep_the_samples(tmp_path):
    values = np.random.default_rng(2).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    steps = [spec.Crop(size=(20, 10, 1)), spec.Pad(size=(24, 10, 1), mode="edge")]
    image = TransformedImages(steps).read(tmp_path / "a.png")
    cut = values[15:25, 5:25]
    np.testing.assert_array_equal(image, np.pad(cut, ((0, 0), (2, 2), (0, 0)), mode="edge"))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_is_in_the_units_of_dicom(shared_data, tmp_path, photometric):
    source = next((shared_data / "dicom_ct_lidc0314").glob("*.dcm"))
    dataset = pydicom.dcmread(source)
    dataset.PhotometricInterpretation = photometric
    dataset.save_as(tmp_path / "ct.dcm")
    image = TransformedImages([spec.Window(center=40, width=400)]).read(tmp_path / "ct.dcm")
    hounsfield = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    expected = np.clip((hounsfield + 160) / 400, 0, 1)
    if photometric == "MONOCHROME1":
        expected = 1 - expected
    np.testing.assert_allclose(image[:, :, 0] / 65535, expected, atol=1e-5)


def test_values_that_are_no_samples_are_named(grey16):
    with pytest.raises(ImageReadError, match=r"values from -.* to .*min-max"):
        TransformedImages([spec.ZScore()]).read(grey16[0])


def test_a_volume_is_no_view(shared_data):
    path = next((shared_data / "hippocampus" / "images").glob("*.nii*"))
    with pytest.raises(ImageReadError, match="takes one slice"):
        TransformedImages([spec.MinMax()]).read(path)


def test_what_fails_stands_in_its_place(grey16, tmp_path):
    (tmp_path / "b.png").write_bytes(b"no image")
    samples, failures = ImageSamples((8, 8), 3, transforms=[spec.MinMax()]).fetch(
        [tmp_path / "b.png", grey16[0], tmp_path / "missing.png"]
    )
    assert [failure.position for failure in failures] == [0, 2]
    assert samples[1].shape == (1, 8, 8)


def test_other_transforms_are_other_entries_of_the_cache(grey16, tmp_path):
    path, _ = grey16
    cache = Cache(tmp_path / "cache", 1 << 20)
    found = {}
    for name, steps in {"plain": [], "one": [spec.MinMax()], "two": [spec.Percentile()]}.items():
        first, _ = ImageSamples((8, 8), 1, cache, transforms=steps).fetch([path])
        again, _ = ImageSamples((8, 8), 1, cache, transforms=steps).fetch([path])
        np.testing.assert_array_equal(first[0], again[0])
        found[name] = first[0]
    assert not np.array_equal(found["plain"], found["one"])
    assert not np.array_equal(found["one"], found["two"])


def test_a_transform_that_does_not_apply_says_so(grey16):
    with pytest.raises(TransformError):
        TransformedImages([spec.Equalize(tiles=(500, 500))]).read(grey16[0])
