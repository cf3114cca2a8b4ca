"""Ranges, moments, quantiles and lines over values equal NumPy's, on hostile values too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfusion import _rust

F = np.float32
FRACTIONS = (0.0, 0.005, 0.1, 0.25, 0.5, 0.731, 0.995, 1.0)
TYPES = [np.uint8, np.int16, np.uint16, np.int32, np.float32]
LARGE = 1 << 18


def hostile(name, rng):
    """Arrays on which a percentile by sampling, by digits or by floating point could go wrong."""
    normal = rng.normal(40, 30, LARGE)
    half = normal.copy()
    half[rng.random(LARGE) < 0.6] = 0
    levels = rng.choice([-1.0, 0.0, 1e-3, 5.0], LARGE, p=[0.004, 0.6, 0.391, 0.005])
    made = {
        "normal": normal,
        "constant": np.full(LARGE, 7.25),
        "60 % constant": half,
        "few levels": levels,
        "rising": np.arange(LARGE),
        "falling": -np.arange(LARGE),
        "periodic": np.tile(np.arange(16), LARGE // 16),
        "one outlier": np.where(np.arange(LARGE) == LARGE // 2, 1e30, 1.0),
        "both zeros": np.where(rng.random(LARGE) < 0.5, 0.0, -0.0),
        "denormals": rng.normal(size=LARGE) * 1e-42,
        "all magnitudes": np.exp(rng.normal(0, 20, LARGE)) * rng.choice([-1, 1], LARGE),
    }
    return made[name].astype(F)


HOSTILE = [
    "normal", "constant", "60 % constant", "few levels", "rising", "falling", "periodic",
    "one outlier", "both zeros", "denormals", "all magnitudes",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_quantiles_are_numpys(name, rng):
    values = hostile(name, rng)
    wanted = np.quantile(values.astype(np.float64), FRACTIONS)
    for threads in (1, 3):
        found = _rust.value_quantiles(values, FRACTIONS, threads=threads)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [1, 2, 3, 1000, LARGE + 17])
def test_quantiles_of_every_type(dtype, size, rng):
    low, high = (-1000, 1000) if dtype == F else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = rng.integers(low, high, size, endpoint=True).astype(dtype)
    values[rng.random(size) < 0.5] = values[0]
    wanted = np.quantile(values.astype(np.float64), FRACTIONS)
    np.testing.assert_allclose(_rust.value_quantiles(values, FRACTIONS), wanted, rtol=1e-12)


@pytest.mark.parametrize("size", [5, LARGE])
@pytest.mark.parametrize("part", [0.0001, 0.3, 0.99, 1.0])
def test_what_is_not_finite_does_not_count(size, part, rng):
    values = rng.normal(size=size).astype(F)
    lost = rng.random(size) < part
    values[lost] = rng.choice([np.nan, np.inf, -np.inf], lost.sum()).astype(F)
    kept = values[np.isfinite(values)].astype(np.float64)
    results = [
        _rust.value_quantiles(values, FRACTIONS), _rust.value_range(values),
        _rust.value_moments(values),
    ]  # fmt: skip
    if kept.size == 0:
        assert results == [None] * 3
        return
    np.testing.assert_allclose(results[0], np.quantile(kept, FRACTIONS), rtol=1e-12)
    assert results[1] == (kept.min(), kept.max())
    assert results[2][0] == kept.size
    np.testing.assert_allclose(results[2][1:], (kept.mean(), kept.std()), rtol=1e-9, atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.floats(width=32, allow_subnormal=True), min_size=1, max_size=70),
    fraction=st.floats(0, 1),
)
def test_any_few_values(values, fraction):
    array = np.array(values, F)
    kept = array[np.isfinite(array)].astype(np.float64)
    found = _rust.value_quantiles(array, [fraction])
    if kept.size == 0:
        assert found is None
        return
    wanted = np.quantile(kept, fraction)
    assert found[0] == pytest.approx(wanted, rel=1e-9, abs=1e-9 * np.abs(kept).max())
    assert _rust.value_range(array) == (kept.min(), kept.max())
    count, mean, deviation = _rust.value_moments(array)
    assert count == kept.size
    assert mean == pytest.approx(kept.mean(), rel=1e-9, abs=1e-9 * np.abs(kept).max())
    assert deviation == pytest.approx(kept.std(), rel=1e-6, abs=1e-7 * np.abs(kept).max())


@pytest.mark.parametrize("dtype", TYPES)
def test_moments_are_numpys(dtype, rng):
    values = (rng.normal(100, 20, LARGE).clip(0, 255)).astype(dtype)
    wide = values.astype(np.float64)
    mask = (rng.random(LARGE) < 0.3).astype(np.uint8)
    values[::7] = 0
    wide[::7] = 0
    for arguments, kept in [
        ({}, wide), ({"nonzero": True}, wide[wide != 0]), ({"mask": mask}, wide[mask != 0]),
    ]:  # fmt: skip
        count, mean, deviation = _rust.value_moments(values, **arguments)
        assert count == kept.size
        np.testing.assert_allclose((mean, deviation), (kept.mean(), kept.std()), rtol=1e-11)
    far = values.astype(F) + F(1e6)
    _, mean, deviation = _rust.value_moments(far)
    wide = far.astype(np.float64)
    np.testing.assert_allclose((mean, deviation), (wide.mean(), wide.std()), rtol=1e-9)
    assert _rust.value_moments(values, np.zeros(LARGE, np.uint8)) is None


def test_threads_change_no_bit(rng):
    values = rng.normal(size=(7, 333, 400)).astype(F)
    for function in (
        _rust.value_moments, _rust.value_range,
        lambda one, threads: _rust.value_quantiles(one, FRACTIONS, threads=threads),
    ):  # fmt: skip
        assert function(values, threads=1) == function(values, threads=2)
        assert function(values, threads=1) == function(values, threads=9)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_line_is_numpys(dtype, rng):
    values = rng.integers(0, 200, (3, 40, 50)).astype(dtype)
    x = values.astype(F)
    out = np.empty(values.shape, F)
    line = (x - F(3.7)) / F(11.3)
    for arguments, wanted in [
        ({}, line * F(1) + F(0)),
        ({"multiply": 2.5, "add": -1}, line * F(2.5) + F(-1)),
        ({"clamp": (0, 1), "multiply": 255}, line.clip(0, 1) * F(255) + F(0)),
        ({"keep_zero": True}, np.where(x == 0, F(0), line)),
    ]:
        _rust.rescale_values(values, out, subtract=3.7, divide=11.3, **arguments)
        assert np.array_equal(out, wanted)
        if dtype == F:
            inside = values.copy()
            _rust.rescale_values(inside, None, subtract=3.7, divide=11.3, **arguments)
            assert np.array_equal(inside, wanted)


def test_in_place_is_in_place():
    values = np.arange(1 << 19, dtype=F)
    address = values.ctypes.data
    _rust.rescale_values(values, None, divide=2.0)
    assert values.ctypes.data == address
    assert values[10] == 5


def test_wrong_arguments_are_refused(rng):
    values = rng.normal(size=(4, 6)).astype(F)
    out = np.empty_like(values)
    readonly = values.copy()
    readonly.flags.writeable = False
    for error, call in [
        (TypeError, lambda: _rust.value_range(values.astype(np.float64))),
        (TypeError, lambda: _rust.value_range([1.0])),
        (ValueError, lambda: _rust.value_range(values[:, ::2])),
        (ValueError, lambda: _rust.value_range(np.asfortranarray(values))),
        (ValueError, lambda: _rust.value_quantiles(values, [1.5])),
        (ValueError, lambda: _rust.value_quantiles(values, [float("nan")])),
        (ValueError, lambda: _rust.value_moments(values, np.ones(3, np.uint8))),
        (TypeError, lambda: _rust.value_moments(values, np.ones(24, np.int16))),
        (ValueError, lambda: _rust.rescale_values(values, values)),
        (ValueError, lambda: _rust.rescale_values(readonly, None)),
        (TypeError, lambda: _rust.rescale_values(values.astype(np.int16), None)),
        (TypeError, lambda: _rust.rescale_values(values, out[:2].copy())),
        (ValueError, lambda: _rust.rescale_values(values, out, clamp=(2, 1))),
        (ValueError, lambda: _rust.match_histogram(values, out, np.empty(0), np.empty(0))),
        (ValueError, lambda: _rust.equalize_slices(values, out, (4, 6), (7, 1), 1, 8, 0, 1)),
        (ValueError, lambda: _rust.equalize_slices(values, out, (5, 6), (1, 1), 1, 8, 0, 1)),
        (ValueError, lambda: _rust.equalize_slices(values, out, (0, 0), (1, 1), 1, 8, 0, 1)),
    ]:
        with pytest.raises(error):
            call()


def test_nothing_is_found_in_nothing():
    empty = np.empty((0, 4), F)
    assert _rust.value_range(empty) is None
    assert _rust.value_moments(empty) is None
    assert _rust.value_quantiles(empty, [0.5]) is None
    _rust.rescale_values(empty, None)
