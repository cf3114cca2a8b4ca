"""Numbers in text: never more wrong than their last digit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfusion.report import numbers, theme

finite = st.floats(allow_nan=False, allow_infinity=False)


def back(text: str) -> float:
    return float(text.replace(numbers.MINUS, "-"))


@given(finite)
def test_decimal_can_be_read_back(value):
    text = numbers.decimal(value)
    tolerance = 0.5 if abs(value) >= 9999 else 0.05 if abs(value) >= 99 else 5e-4
    assert back(text) == pytest.approx(value, rel=5.1e-3 if abs(value) < 5e-4 else 0, abs=tolerance)
    assert (text[0] == numbers.MINUS) == (value < 0)
    assert value == 0 or back(text) != 0


@given(finite)
def test_rounded_can_be_read_back(value):
    assert back(numbers.rounded(value)) == pytest.approx(value, rel=5.1e-3, abs=1e-3)


@given(st.floats(0, 1))
def test_probabilities_have_three_decimals(value):
    text = numbers.decimal(value)
    assert value < 5e-4 or len(text) == 5


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_no_number_is_said(value):
    assert numbers.decimal(value) == numbers.rounded(value) == "not estimable"


def test_infinite_is_said():
    assert numbers.decimal(math.inf) == "infinite"


@given(st.text())
def test_plotly_text_has_no_markup(text):
    shown = theme.plain(text)
    assert "<" not in shown
    assert "%{" not in shown
