"""What cannot be estimated has no value and says why: no number, no crash, no warning."""

import json

import numpy as np
import pytest

from medfusion.errors import InputError
from medfusion.evaluation import (
    Metric,
    calibration,
    calibration_bins,
    calibration_curve,
    choose_threshold,
    compare,
    compare_auc,
    discrimination,
    epoch_metrics,
    evaluate,
    precision_recall_curve,
    roc_curve,
)
from medfusion.evaluation.operating_point import proportion, wilson
from medfusion.spec import Evaluation, FixedThreshold, SensitivityThreshold, YoudenThreshold

SETTINGS = Evaluation(bootstrap=100, prevalence=0.1)
MIXED = np.array([0, 1] * 10)
SPREAD = np.linspace(0.05, 0.95, 20)
ALL = "everything"

CALIBRATION = {"calibration_slope", "calibration_intercept", "brier", "log_loss", "ece"}
RANKING = {"auc", "average_precision"}
DECISION = {"accuracy", "balanced_accuracy", "f1", "ppv", "npv"} | {
    *("sensitivity", "specificity", "ppv_at_prevalence", "npv_at_prevalence")
}

# name: target, probability, threshold, what is not estimable, a word of the reason
BINARY = {
    "empty": ([], [], 0.5, ALL, "no cases"),
    "one case": ([1], [0.7], 0.5, ALL, "only 1 case,"),
    "two cases": ([0, 1], [0.2, 0.7], 0.5, ALL, "only 2 cases"),
    "nine cases": (MIXED[:9], SPREAD[:9], 0.5, ALL, "only 9 cases, at least 10"),
    "only negative": (
        *(np.zeros(20), SPREAD, 0.5),
        RANKING | CALIBRATION | DECISION - {"specificity"},
        "all cases are of class 'well'",
    ),
    "only positive": (
        *(np.ones(20), SPREAD, 0.5),
        RANKING | CALIBRATION | DECISION - {"sensitivity"},
        "all cases are of class 'ill'",
    ),
    "one class, one score": (
        *(np.zeros(20), np.full(20, 0.3), 0.5),
        RANKING | CALIBRATION | DECISION - {"specificity"},
        "all cases are of class 'well'",
    ),
    "constant score": (
        *(MIXED, np.full(20, 0.4), 0.5),
        RANKING | DECISION | {"calibration_slope"},
        "all cases have the same score",
    ),
    "constant 0": (
        *(MIXED, np.zeros(20), 0.5),
        RANKING | DECISION | {"calibration_slope"},
        "the same score",
    ),
    "constant 1": (
        *(MIXED, np.ones(20), 0.5),
        RANKING | DECISION | {"calibration_slope"},
        "the same score",
    ),
    "no threshold": (MIXED, SPREAD, None, DECISION | {"threshold"}, "no threshold was chosen"),
    "threshold not estimable": (
        *(MIXED, SPREAD, (None, "not estimable: no cases")),
        DECISION | {"threshold"},
        "no cases",
    ),
    "nobody is positive": (
        *(MIXED, SPREAD, 0.99),
        {"ppv", "ppv_at_prevalence"},
        "no case is called positive",
    ),
    "nobody is negative": (
        *(MIXED, SPREAD, 0.01),
        {"npv", "npv_at_prevalence"},
        "no case is called negative",
    ),
    "separated": (np.arange(20) > 9, SPREAD, 0.5, {"calibration_slope"}, "separates the classes"),
    "separated, the wrong way": (
        *(np.arange(20) < 10, SPREAD, 0.5),
        {"calibration_slope"},
        "separates the classes",
    ),
    "only 0 and 1, right": (
        *(MIXED, MIXED.astype(float), 0.5),
        {"calibration_slope", "calibration_intercept"},
        "the fit ",
    ),
    "only 0 and 1, wrong": (
        *(MIXED, 1.0 - MIXED, 0.5),
        {"calibration_slope", "calibration_intercept"},
        "the fit ",
    ),
    "one positive": (np.arange(20) == 12, SPREAD, 0.5, set(), ""),
    "one negative": (np.arange(20) != 12, SPREAD, 0.5, set(), ""),
    "two scores": (MIXED, np.where(np.arange(20) < 7, 0.2, 0.8), 0.5, set(), ""),
    "scores a hair apart": (MIXED, 0.5 + 1e-16 * np.arange(20), 0.5 + 1e-15, set(), ""),
    "saturated and mixed": (
        *(MIXED, np.array([0.0, 1.0, 1.0, 0.0] * 5), 0.5),
        {"calibration_intercept"},
        "the fit does not settle",
    ),
    "ten cases": (MIXED[:10], SPREAD[:10], 0.3, set(), ""),
}


def checked(found):
    """Every metric is either a finite number with its interval or has a reason."""
    for name, metric in found.items():
        assert (metric.value is None) == metric.note.startswith("not estimable: "), name
        assert metric.value is not None or metric.ci is None, name
        if metric.value is not None and metric.ci is None and name != "threshold":
            assert "no interval" in metric.note, name
    json.dumps({n: m.to_json() for n, m in found.items()}, allow_nan=False)
    return {name for name, metric in found.items() if metric.value is None}


@pytest.mark.parametrize("grouped", [False, True], ids=["single", "groups"])
@pytest.mark.parametrize("case", BINARY)
def test_binary(case, grouped):
    target, prob, threshold, expected, word = BINARY[case]
    target, prob = np.asarray(target, dtype=int), np.asarray(prob, dtype=float)
    found = evaluate(
        target,
        np.stack([1 - prob, prob], axis=1),
        kind="binary",
        classes=("well", "ill"),
        groups=np.arange(len(target)) // 2 if grouped else None,
        settings=SETTINGS,
        threshold=threshold,
    )
    missing = checked(found)
    assert set(found) == RANKING | CALIBRATION | DECISION | {"threshold", "prevalence"}
    assert missing == (set(found) if expected == ALL else expected)
    for name in missing:
        assert word in found[name].note, (name, found[name].note)


MULTICLASS = {
    "empty": ([], np.zeros((0, 3)), ALL, "no cases"),
    "nine": (np.arange(9) % 3, np.eye(3)[np.arange(9) % 3], ALL, "only 9 cases"),
    "one class": (np.ones(20), np.random.default_rng(0).dirichlet([1, 1, 1], 20), ALL, "'b'"),
    "constant": (np.arange(20) % 3, np.full((20, 3), 1 / 3), ALL, "the same probabilities"),
    "perfect": (np.arange(21) % 3, np.eye(3)[np.arange(21) % 3], set(), ""),
    "one class absent": (
        np.arange(20) % 2,
        np.random.default_rng(0).dirichlet([1, 1, 1], 20),
        {"auc[c]", "sensitivity[c]"},
        "no case of class 'c'",
    ),
    "one column constant": (
        np.arange(20) % 3,
        np.stack([np.linspace(0, 0.5, 20), np.linspace(0.5, 0, 20), np.full(20, 0.5)], axis=1),
        {"auc[c]"},
        "the same probability of 'c'",
    ),
    "one case of a class": (
        np.append(np.arange(19) % 2, 2),
        np.random.default_rng(0).dirichlet([1, 1, 1], 20),
        set(),
        "",
    ),
}


@pytest.mark.parametrize("grouped", [False, True], ids=["single", "groups"])
@pytest.mark.parametrize("case", MULTICLASS)
def test_multiclass(case, grouped):
    target, prob, expected, word = MULTICLASS[case]
    found = evaluate(
        target,
        prob,
        kind="multiclass",
        classes=("a", "b", "c"),
        groups=np.arange(len(target)) // 2 if grouped else None,
        settings=SETTINGS,
    )
    missing = checked(found)
    assert missing == (set(found) if expected == ALL else expected)
    for name in missing:
        assert word in found[name].note, (name, found[name].note)


def test_macro_averages_say_what_they_leave_out():
    prob = np.random.default_rng(0).dirichlet([1, 1, 1], 20)
    found = evaluate(
        np.arange(20) % 2, prob, kind="multiclass", classes=("a", "b", "c"), settings=SETTINGS
    )
    for name in ("auc", "balanced_accuracy", "f1"):
        assert "without 'c': no case" in found[name].note


LINE = np.arange(20.0)
REGRESSION = {
    "empty": ([], [], ALL, "no cases"),
    "one": ([1.0], [1.0], ALL, "only 1 case"),
    "nine": (LINE[:9], LINE[:9], ALL, "only 9 cases"),
    "constant target": (np.full(20, 3.0), LINE, {"r2", "pearson"}, "all targets are equal"),
    "constant prediction": (LINE, np.full(20, 3.0), {"pearson"}, "all predictions are equal"),
    "both constant": (np.full(20, 3.0), np.full(20, 3.0), {"r2", "pearson"}, "targets are equal"),
    "perfect": (LINE, LINE, set(), ""),
    "huge": (LINE * 1e300, -LINE * 1e300, {"rmse", "r2", "pearson"}, "too large"),
    "hugest": (LINE * 9e306, -LINE * 9e306, ALL, "too large"),
    "tiny": (LINE * 1e-200, LINE[::-1] * 1e-200, {"r2", "pearson"}, "vary too little"),
}


@pytest.mark.parametrize("grouped", [False, True], ids=["single", "groups"])
@pytest.mark.parametrize("case", REGRESSION)
def test_regression(case, grouped):
    target, value, expected, word = REGRESSION[case]
    groups = np.arange(len(target)) // 2 if grouped else None
    found = evaluate(target, value, kind="regression", groups=groups, settings=SETTINGS)
    missing = checked(found)
    assert missing == (set(found) if expected == ALL else expected)
    for name in missing:
        assert word in found[name].note, (name, found[name].note)


def test_one_group_has_no_interval():
    card = {"kind": "binary", "settings": SETTINGS, "threshold": 0.5}
    found = evaluate(MIXED, SPREAD, **card, groups=["p"] * 20)
    assert found["auc"].value == discrimination.auc(MIXED, SPREAD)
    assert all(metric.ci is None for metric in found.values())
    assert "no interval: all cases are of one group" in found["auc"].note
    few = evaluate(MIXED, SPREAD, **card, groups=np.arange(20) // 5)
    assert "only 4 groups" in few["auc"].note


def test_replicates_without_both_classes_are_counted():
    target = np.zeros(40, dtype=int)
    target[:2] = 1
    groups = np.arange(40) // 2  # both positive cases are of one group: e^-1 of the draws lack it
    prob = np.linspace(0.3, 0.6, 40)[::-1].copy()
    prob[1] = 0.35
    wanted = Evaluation(bootstrap=1000)
    found = evaluate(target, prob, kind="binary", settings=wanted, groups=groups, threshold=0.5)
    for name in ("auc", "average_precision"):
        assert "of 1000 replicates estimable" in found[name].method
        assert 550 < int(found[name].method.split("(20 groups, ")[1].split(" of")[0]) < 720
    assert "(20 groups, 1000 replicates)" in found["brier"].method


def test_curves_without_both_classes_are_empty():
    for target in ([], [0, 0], [1, 1, 1]):
        score = np.linspace(0.2, 0.8, len(target))
        assert all(len(part) == 0 for part in roc_curve(target, score))
        assert all(len(part) == 0 for part in precision_recall_curve(target, score))
        assert np.isnan(discrimination.auc(target, score))
        assert np.isnan(discrimination.partial_auc(target, score))
        assert np.isnan(discrimination.delong_interval(target, score)).all()
    assert len(calibration_curve([0, 1], [0.4, 0.4]).predicted) == 0
    assert len(calibration_curve([], []).predicted) == 0
    for by in ("width", "quantile"):
        assert len(calibration_bins([], [], by=by).cases) == 0
        assert calibration_bins([0, 1] * 5, [0.4] * 10, by=by).observed.tolist() == [0.5]
    assert np.isnan(calibration.calibration_fit([0, 1, 0], [0.4, 0.4, 0.4]).slope)
    assert np.isfinite(calibration_curve(MIXED, MIXED * 1.0).observed).all()


@pytest.mark.parametrize("wanted", [YoudenThreshold(), SensitivityThreshold(at_least=0.9)])
@pytest.mark.parametrize(
    ("target", "prob", "word"),
    [
        ([], [], "no cases"),
        (MIXED[:9], SPREAD[:9], "only 9 cases"),
        (np.zeros(20), SPREAD, "all cases are of class '0'"),
        (MIXED, np.full(20, 0.4), "the same score"),
    ],
)
def test_no_threshold_can_be_chosen(wanted, target, prob, word):
    value, how = choose_threshold(target, prob, wanted)
    assert value is None
    assert how.startswith("not estimable: ")
    assert word in how
    assert choose_threshold(target, prob, FixedThreshold(value=0.3)) == (0.3, "fixed beforehand")


def test_a_reversed_score_still_gives_a_threshold():
    value, _ = choose_threshold(1 - (SPREAD > 0.5), SPREAD, YoudenThreshold())
    assert value == SPREAD.min()


def test_sensitivity_of_1_reaches_every_positive_case():
    value, how = choose_threshold(MIXED, SPREAD, SensitivityThreshold(at_least=1))
    assert (SPREAD[MIXED == 1] >= value).all()
    assert how == "sensitivity of at least 1"


def test_a_fixed_threshold_needs_no_choice():
    wanted = Evaluation(bootstrap=100, threshold=FixedThreshold(value=0.3))
    found = evaluate(MIXED, SPREAD, kind="binary", settings=wanted, chosen_here=True)
    assert (found["threshold"].value, found["threshold"].method) == (0.3, "fixed beforehand")
    assert not found["sensitivity"].note


def test_a_threshold_chosen_on_the_same_cases_is_marked_optimistic():
    choice = choose_threshold(MIXED, SPREAD, YoudenThreshold())
    card = {"kind": "binary", "settings": SETTINGS, "threshold": choice}
    marked = evaluate(MIXED, SPREAD, **card, chosen_here=True)
    plain = evaluate(MIXED, SPREAD, **card)
    optimistic = {name for name in marked if "optimistic" in marked[name].note}
    assert optimistic == {n for n in DECISION if plain[n].value is not None}
    assert not any("optimistic" in metric.note for metric in plain.values())
    assert {n: m.value for n, m in marked.items()} == {n: m.value for n, m in plain.items()}


def test_a_threshold_may_be_given_as_the_metric_of_another_split():
    card = {"kind": "binary", "settings": SETTINGS}
    first = evaluate(MIXED, SPREAD, **card, threshold=(0.42, "Youden index"))
    again = evaluate(MIXED, SPREAD, **card, threshold=first["threshold"])
    assert again == first
    lost = evaluate(MIXED, SPREAD, **card, threshold=Metric.not_estimable("no cases"))
    assert lost["accuracy"].note == "not estimable: no cases"


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_epoch_metrics_leave_out_what_is_not_estimable(kind):
    empty = np.zeros((0, 3)) if kind == "multiclass" else []
    assert epoch_metrics(kind, [], empty) == {}
    assert epoch_metrics("binary", np.zeros(20), SPREAD) == {}
    assert epoch_metrics("binary", MIXED, np.full(20, 0.5)) == {"brier": 0.25}
    assert set(epoch_metrics("regression", np.ones(20), LINE)) == {"rmse", "mae"}


BAD = {
    "NaN target": ("binary", [0, np.nan] * 5, [0.5] * 10, "target: 5 of 10 cases are missing"),
    "NaN probability": ("binary", MIXED, [np.nan, *SPREAD[1:]], "the first is case 0"),
    "NaN in one class": ("multiclass", [0, 1], [[0.5, 0.5], [np.nan, 1]], "first is case 1"),
    "NaN value": ("regression", [1.0, 2.0], [1.0, np.nan], "prediction: 1 of 2 cases"),
    "infinite value": ("regression", [1.0, 2.0], [1.0, np.inf], "infinite"),
    "infinite target": ("regression", [-np.inf, 2.0], [1.0, 1.0], "infinite"),
    "lengths": ("binary", [0, 1], [0.5], "prediction: 1 cases, but target has 2"),
    "probability above 1": ("binary", [0, 1], [0.5, 1.5], "case 1 has a probability outside"),
    "probability below 0": ("binary", [0, 1], [-0.1, 0.5], "case 0 has a probability outside"),
    "a third class": ("binary", [0, 2], [0.5, 0.5], "case 1 is 2, not a class index of 0 .. 1"),
    "half a class": ("binary", [0, 0.5], [0.5, 0.5], "case 1 is 0.5"),
    "a class below 0": ("multiclass", [0, -1], [[0.5, 0.5]] * 2, "case 1 is -1"),
    "three columns": ("binary", [0, 1], [[0.2, 0.3, 0.5]] * 2, r"shape \[2, 2\] is needed"),
    "sum": ("multiclass", [0, 1], [[0.5, 0.5], [0.9, 0.9]], "case 1 has probabilities that sum"),
    "text": ("regression", ["a", "b"], [1.0, 2.0], "target: numbers are needed"),
    "a single number": ("regression", 1.0, [1.0], "target: one value per case"),
    "a table of targets": ("regression", [[1.0, 2.0]], [1.0], "target: one value per case"),
    "two values per case": ("regression", [1.0, 2.0], [[1.0, 2.0]] * 2, "shape"),
    "kind": ("binry", [0, 1], [0.5, 0.5], "did you mean 'binary'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_typed_error(case):
    kind, target, prediction, message = BAD[case]
    with pytest.raises(InputError, match=message):
        evaluate(target, prediction, kind=kind, settings=SETTINGS)
    with pytest.raises(InputError, match=message):
        epoch_metrics(kind, target, prediction)


def test_groups_and_classes_that_do_not_fit():
    with pytest.raises(InputError, match="groups: 3 cases, but target has 20"):
        evaluate(MIXED, SPREAD, kind="binary", settings=SETTINGS, groups=["a", "b", "c"])
    with pytest.raises(InputError, match="classes: a binary target has two, got 3"):
        evaluate(MIXED, SPREAD, kind="binary", settings=SETTINGS, classes=("a", "b", "c"))


def test_comparing_what_cannot_be_compared():
    found = compare_auc(MIXED, SPREAD, np.full(20, 0.4))
    assert found.difference.value is None
    assert found.difference.note == (
        "not estimable: second prediction: all cases have the same score"
    )
    assert (found.first, found.second, found.p) == (discrimination.auc(MIXED, SPREAD), None, None)
    json.dumps(found.to_json(), allow_nan=False)
    assert compare_auc(MIXED[:5], SPREAD[:5], SPREAD[:5]).difference.value is None
    same = compare_auc(MIXED, SPREAD, SPREAD)
    assert (same.difference.value, same.difference.ci, same.p) == (0, None, None)
    assert "no p value" in same.difference.note
    same = compare("binary", "brier", MIXED, SPREAD, SPREAD, settings=SETTINGS)
    assert (same.difference.value, same.difference.ci, same.p) == (0, None, None)
    one = compare("binary", "brier", MIXED, SPREAD, SPREAD**2, ["p"] * 20, settings=SETTINGS)
    assert one.p is None
    with pytest.raises(InputError, match="did you mean 'brier'"):
        compare("binary", "brir", MIXED, SPREAD, SPREAD, settings=SETTINGS)


def test_a_metric_is_never_nan():
    for numbers in ((float("nan"), None), (1.0, (0.0, float("inf")))):
        with pytest.raises(ValueError, match="finite"):
            Metric(*numbers)
    with pytest.raises(ValueError, match="why"):
        Metric(None)
    assert proportion(0, 0).value is None
    with pytest.raises(ValueError, match="no cases"):
        wilson(0, 0)


@pytest.mark.parametrize(
    "metric",
    [
        Metric(0.5, (0.25, 0.75), "Wilson, 95 %", 8),
        Metric(0.5, None, "", 8, "no interval"),
        Metric.not_estimable("no cases"),
    ],
)
def test_a_metric_survives_json(metric):
    assert Metric.from_json(json.loads(json.dumps(metric.to_json()))) == metric
    assert {"value", "ci", "method", "n"} <= metric.to_json().keys()


def test_hostile_class_names_are_only_names():
    classes = ("<script>", "auc[", "\u202e\n'")
    prob = np.random.default_rng(0).dirichlet([1, 1, 1], 30)
    found = evaluate(np.arange(30) % 3, prob, kind="multiclass", classes=classes, settings=SETTINGS)
    assert all(f"auc[{label}]" in found for label in classes)
