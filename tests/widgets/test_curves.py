import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfusion.widgets.curves import LIMIT, ThinCurve, decimate

finite = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(finite, min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_keeps_ends_and_extremes_and_invents_nothing(values, limit):
    value = np.array(values)
    step = np.arange(len(value), dtype=float) + 1
    thin_step, thin_value = decimate(step, value, limit)
    assert len(thin_step) <= limit
    assert np.all(np.diff(thin_step) > 0)
    assert (thin_step[0], thin_step[-1]) == (step[0], step[-1])
    np.testing.assert_array_equal(value[thin_step.astype(int) - 1], thin_value)
    if limit >= 8:
        assert thin_value.max() == value.max()
        assert thin_value.min() == value.min()


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        decimate(np.arange(9.0), np.arange(9.0), 3)


def test_a_growing_curve_stays_small_and_keeps_its_peak():
    curve = ThinCurve(limit=100)
    for start in range(0, 50_000, 50):
        step = np.arange(start, start + 50)
        value = np.sin(step / 1000.0)
        if start == 10_000:
            value[7] = 42.0
        curve.extend(step.tolist(), value.tolist())
        assert len(curve) <= 200
    assert curve.taken == 50_000
    step, value = curve.points(50)
    assert value.max() == 42.0
    assert step[value.argmax()] == 10_007
    assert step[-1] == 49_999


def test_what_is_no_finite_number_is_left_out():
    curve = ThinCurve()
    kept = curve.extend([1, 2, 3, 4, "five", 6], [0.5, None, float("nan"), float("inf"), 1.0, 2.0])
    assert kept[0].tolist() == [1, 6]
    assert kept[1].tolist() == [0.5, 2.0]
    assert curve.extend([7], [10**400])[0].tolist() == []
    assert curve.taken == 7


def test_a_million_points_are_thinned_in_a_moment():
    curve = ThinCurve()
    curve.extend(range(1_000_000), np.zeros(1_000_000))
    assert curve.redrawn
    assert len(curve) <= 2 * LIMIT
