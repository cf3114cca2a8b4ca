"""Figures of R (pROC 1.18.0, glm) on aSAH, to half a unit in the last printed digit, or 1e-8."""

import numpy as np
import pytest
from scipy.special import expit

from medfusion.evaluation import (
    Confusion,
    calibration,
    choose_threshold,
    compare_auc,
    discrimination,
    evaluate,
)
from medfusion.evaluation.operating_point import clopper_pearson, npv_at, ppv_at, wilson
from medfusion.evaluation.threshold import youden_threshold
from medfusion.spec import Evaluation, YoudenThreshold


def digits(text):
    """The number that was printed, and half a unit in its last digit (not below 1e-10)."""
    decimals = len(text.partition(".")[2])
    return pytest.approx(float(text), rel=0, abs=max(0.5000001 * 10.0**-decimals, 1e-10))


AUC = [
    ("s100b", "0.7313685637", "0.6301182118", "0.8326189156"),
    ("ndka", "0.6119579946", "0.5012449993", "0.7226709899"),
    ("wfns", "0.8236788618", "0.7485348878", "0.8988228358"),
]


@pytest.mark.parametrize(("marker", "auc", "low", "high"), AUC)
def test_auc_and_delong_interval(asah, marker, auc, low, high):
    score = getattr(asah, marker)
    assert discrimination.auc(asah.poor, score) == digits(auc)
    assert discrimination.delong(asah.poor, score)[0][0] == digits(auc)
    found = discrimination.delong_interval(asah.poor, score)
    assert found == (digits(low), digits(high))


def test_delong_variance(asah):
    _, covariance = discrimination.delong(asah.poor, asah.s100b)
    assert covariance.shape == (1, 1)
    assert covariance[0, 0] == digits("0.002668682457")


@pytest.mark.parametrize(
    ("first", "second", "z", "p"),
    [
        ("wfns", "s100b", "2.208983591", "0.02717578"),
        ("s100b", "ndka", "1.390770026", "0.16429518"),
        ("wfns", "ndka", "2.797775919", "0.00514558"),
    ],
)
def test_paired_delong_test(asah, first, second, z, p):
    found = discrimination.delong_test(asah.poor, getattr(asah, first), getattr(asah, second))
    assert found.z == digits(z)
    assert found.p == digits(p)
    back = discrimination.delong_test(asah.poor, getattr(asah, second), getattr(asah, first))
    assert (back.z, back.p, back.difference) == (-found.z, found.p, -found.difference)


def test_compare_auc_is_the_paired_test(asah):
    # Probabilities in the order of the markers, which have values beyond 1.
    def ranked(score):
        return score / score.max()

    found = compare_auc(asah.poor, ranked(asah.wfns), ranked(asah.s100b))
    assert found.z == digits("2.208983591")
    assert found.p == digits("0.02717578")
    assert found.difference.value == pytest.approx(0.8236788618 - 0.7313685637, abs=2e-10)
    assert found.difference.method == "paired DeLong, 95 %"


def test_partial_auc(asah):
    assert discrimination.partial_auc(asah.poor, asah.s100b) == digits("0.0327574526")


@pytest.mark.parametrize(
    ("marker", "threshold"), [("s100b", 0.205), ("ndka", 11.08), ("wfns", 3.5)]
)
def test_youden_threshold(asah, marker, threshold):
    found = youden_threshold(asah.poor, getattr(asah, marker))
    assert found == pytest.approx(threshold, abs=1e-12)


def test_operating_point(asah):
    counts = Confusion.at(asah.poor, asah.s100b, youden_threshold(asah.poor, asah.s100b))
    proportions = counts.proportions()
    assert proportions["sensitivity"] == (26, 41)
    assert proportions["specificity"] == (58, 72)
    assert proportions["ppv"] == (26, 40)
    assert 58 / proportions["npv"][1] == digits("0.7945")
    assert wilson(26, 41) == (digits("0.4812"), digits("0.7641"))
    assert clopper_pearson(26, 41) == (digits("0.4694"), digits("0.7788"))
    assert wilson(58, 72) == (digits("0.6997"), digits("0.8805"))
    assert ppv_at(26 / 41, 58 / 72, 0.05) == digits("0.14650")
    assert npv_at(26 / 41, 58 / 72, 0.05) == digits("0.97665")


@pytest.mark.parametrize(
    ("marker", "expected"), [("s100b", "0.6856209"), ("ndka", "0.4862487"), ("wfns", "0.6803366")]
)
def test_average_precision(asah, marker, expected):
    assert discrimination.average_precision(asah.poor, getattr(asah, marker)) == digits(expected)


def test_probabilities_of_a_fitted_model(asah):
    target, prob = asah.glm_poor, asah.glm
    assert discrimination.auc(target, prob) == digits("0.8621273713")
    assert calibration.brier(target, prob) == digits("0.1498136468")
    assert calibration.log_loss(target, prob) == digits("0.4513919902")
    assert calibration.expected_calibration_error(target, prob) == digits("0.0873059802")
    by_quantile = calibration.expected_calibration_error(target, prob, by="quantile")
    assert by_quantile == digits("0.0896")


def test_a_fitted_model_is_calibrated_on_its_own_cases(asah):
    # Maximum likelihood: slope 1 and intercept 0, to how far R's glm had converged.
    fitted = calibration.calibration_fit(asah.glm_poor, asah.glm)
    assert fitted.slope == pytest.approx(1, abs=1e-4)
    assert fitted.intercept == pytest.approx(0, abs=1e-4)


def test_calibration_after_recalibration(asah):
    prob = expit(0.5 + 0.6 * np.log(asah.glm / (1 - asah.glm)))
    fitted = calibration.calibration_fit(asah.glm_poor, prob)
    assert fitted.slope == pytest.approx(1.6666666, abs=1e-6)
    assert fitted.slope_error == digits("0.30953")
    assert fitted.intercept == digits("-0.6924226")
    assert calibration.brier(asah.glm_poor, prob) == digits("0.1711807835")


def test_the_report_card_says_the_same(asah):
    """The whole way, as a run does it: choose the threshold, then judge."""
    # s100b is within 0 .. 1 but for a few values: a monotone change keeps ranks and midpoints.
    prob = asah.s100b / 4
    settings = Evaluation(prevalence=0.05)
    choice = choose_threshold(asah.poor, prob, YoudenThreshold())
    found = evaluate(asah.poor, prob, kind="binary", settings=settings, threshold=choice)
    assert found["threshold"].value == pytest.approx(0.205 / 4, abs=1e-12)
    assert found["auc"].value == digits("0.7313685637")
    assert found["auc"].ci == (digits("0.6301182118"), digits("0.8326189156"))
    assert found["auc"].method == "DeLong, 95 %"
    assert found["sensitivity"].value == digits("0.6341")
    assert found["sensitivity"].ci == (digits("0.4812"), digits("0.7641"))
    assert found["sensitivity"].n == 41
    assert found["specificity"].value == digits("0.8056")
    assert found["ppv"].value == digits("0.65")
    assert found["npv"].value == digits("0.7945")
    assert found["ppv_at_prevalence"].value == digits("0.14650")
    assert found["npv_at_prevalence"].value == digits("0.97665")
    assert found["average_precision"].value == digits("0.6856209")


def test_the_report_card_of_the_fitted_model(asah):
    found = evaluate(asah.glm_poor, asah.glm, kind="binary", settings=Evaluation())
    assert found["brier"].value == digits("0.1498136468")
    assert found["log_loss"].value == digits("0.4513919902")
    assert found["ece"].value == digits("0.0873059802")
    assert found["calibration_slope"].value == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("gender", "auc"), [("Female", "0.8590476"), ("Male", "0.8818182")])
def test_subgroups(asah, gender, auc):
    rows = asah.gender == gender
    assert discrimination.auc(asah.poor[rows], asah.glm[rows]) == digits(auc)
