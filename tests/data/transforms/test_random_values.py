"""Random changes of values: what they do, and that they can be done again."""

import json

import numpy as np
import pytest
from scipy import ndimage, stats

from medfusion.data.transforms import (
    RandomBlur,
    RandomGamma,
    RandomIntensity,
    RandomNoise,
    SampleKey,
)
from medfusion.data.volume import Volume

CHANGES = [
    RandomIntensity(scale=0.2, shift=5, contrast=0.3),
    RandomGamma(),
    RandomBlur(low=0.5, high=2, probability=1),
    RandomNoise(low=1, high=3),
]


def make(dtype=np.float32, shape=(9, 10, 11)):
    array = np.random.default_rng(0).normal(100, 20, shape).astype(dtype)
    return Volume(array, np.diag([0.5, 1.0, 2.0, 1.0]), units="HU")


@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_what_was_drawn_can_be_done_again(change):
    volume, key = make(), SampleKey(2**64 - 1, 3, 4)
    drawn = change.draw(key, volume.size)
    first = change.apply(volume, drawn)
    second = change.apply(volume, json.loads(json.dumps(drawn)), threads=2)
    np.testing.assert_array_equal(first.array, second.array)
    np.testing.assert_array_equal(first.affine, volume.affine)
    other = change.draw(key._replace(epoch=4), volume.size)
    assert other != drawn
    assert not np.array_equal(change.apply(volume, other).array, first.array)
    assert (make().array == volume.array).all()


@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_labels_are_left_alone(change):
    mask = Volume(np.ones((3, 3, 3), np.uint8), labels=True)
    assert change(mask, SampleKey(0, 0, 0)) is mask


@pytest.mark.parametrize("change", CHANGES, ids=repr)
@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", "int32", "float64", ">f4"])
def test_any_type_is_changed_as_float32(change, dtype):
    whole = make().array.round()
    key = SampleKey(0, 0, 1)
    found = change(make().replace(array=whole.astype(dtype)), key)
    assert found.array.dtype == np.float32
    np.testing.assert_array_equal(found.array, change(make().replace(array=whole), key).array)


def test_values_equal_numpy():
    volume = make()
    values = volume.array.astype(float)
    low, high, mean = values.min(), values.max(), values.mean()
    drawn = {"contrast": 1.2, "scale": 0.9, "shift": 3.0}
    wanted = ((values - mean) * 1.2 + mean).clip(low, high) * 0.9 + 3
    found = RandomIntensity().apply(volume, drawn).array
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    wanted = ((values - low) / (high - low)) ** 0.7 * (high - low) + low
    np.testing.assert_allclose(RandomGamma().apply(volume, {"gamma": 0.7}).array, wanted, rtol=1e-5)
    wanted = ndimage.gaussian_filter(values, (0.5, 1, 2), mode="nearest")
    np.testing.assert_allclose(RandomBlur().apply(volume, {"sd": 1.0}).array, wanted, rtol=1e-5)


def test_what_is_drawn_fills_its_range():
    drawn = [RandomIntensity(scale=0.2, shift=5, contrast=0.3).draw(SampleKey(0, 0, n), (3, 3, 3))
             for n in range(500)]  # fmt: skip
    for name, low, high in [("scale", 0.8, 1.2), ("shift", -5, 5), ("contrast", 0.7, 1.3)]:
        values = (np.array([one[name] for one in drawn]) - low) / (high - low)
        assert stats.kstest(values, "uniform").pvalue > 1e-3
    gammas = [RandomGamma().draw(SampleKey(0, 0, n), (3, 3, 3))["gamma"] for n in range(500)]
    logs = np.log(np.array(gammas) / 0.7) / np.log(1.5 / 0.7)
    assert stats.kstest(logs, "uniform").pvalue > 1e-3


def test_noise_has_its_deviation_and_channels_differ():
    volume = Volume(np.zeros((2, 40, 40, 40), np.int16), axes="CDHW")
    found = RandomNoise(low=3, high=3)(volume, SampleKey(1, 0, 0)).array
    assert stats.kstest(found.ravel() / 3, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]) < 0.02


def test_not_finite_values_stay():
    volume = make()
    volume.array[0, 0, :3] = np.nan, np.inf, -np.inf
    for change in (RandomGamma(), RandomIntensity(contrast=0.5)):
        found = change(volume, SampleKey(0, 0, 0)).array
        assert np.isnan(found[0, 0, 0])
        assert np.isfinite(found[1:]).all()
    constant = Volume(np.full((3, 3, 3), 7, np.int16))
    assert (RandomGamma()(constant, SampleKey(0, 0, 0)).array == 7).all()
