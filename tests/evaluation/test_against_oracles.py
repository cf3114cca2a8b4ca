"""scikit-learn, statsmodels and plain loops over the definition as independent oracles."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve as sk_bins
from statsmodels.stats.proportion import proportion_confint

from medfusion import _rust
from medfusion.evaluation import (
    Confusion,
    bland_altman,
    calibration,
    calibration_bins,
    calibration_curve,
    confusion_matrix,
    discrimination,
    epoch_metrics,
    evaluate,
    precision_recall_curve,
    regression,
    roc_curve,
)
from medfusion.evaluation.bootstrap import Weights, draws
from medfusion.evaluation.operating_point import clopper_pearson, wilson
from medfusion.spec import Evaluation

QUICK = Evaluation(bootstrap=100)


@pytest.fixture(params=["distinct", "tied", "float32"])
def binary(request, simulated):
    target, prob = simulated(np.random.default_rng(5), 300)
    if request.param == "tied":
        prob = np.round(prob, 1)
    if request.param == "float32":
        prob = prob.astype(np.float32).astype(np.float64)
    return target, prob


@pytest.fixture
def three_classes():
    random = np.random.default_rng(6)
    target = random.choice(3, size=400, p=[0.6, 0.3, 0.1])
    logits = random.normal(size=(400, 3)) + 1.5 * np.eye(3)[target]
    prob = np.exp(logits)
    return target, prob / prob.sum(axis=1, keepdims=True)


def close(expected, tolerance=1e-12):
    return pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_binary_figures(binary):
    target, prob = binary
    assert discrimination.auc(target, prob) == close(sk.roc_auc_score(target, prob))
    expected = sk.average_precision_score(target, prob)
    assert discrimination.average_precision(target, prob) == close(expected)
    assert calibration.brier(target, prob) == close(sk.brier_score_loss(target, prob))
    inside = np.clip(prob, 1e-12, 1 - 1e-12)
    assert calibration.log_loss(target, prob) == close(sk.log_loss(target, inside), 1e-9)


def test_binary_report_card(binary):
    target, prob = binary
    threshold = 0.35
    called = prob >= threshold
    found = evaluate(target, prob, kind="binary", settings=QUICK, threshold=threshold)
    expected = {
        "auc": sk.roc_auc_score(target, prob),
        "average_precision": sk.average_precision_score(target, prob),
        "accuracy": sk.accuracy_score(target, called),
        "balanced_accuracy": sk.balanced_accuracy_score(target, called),
        "sensitivity": sk.recall_score(target, called),
        "specificity": sk.recall_score(1 - target, ~called),
        "ppv": sk.precision_score(target, called),
        "npv": sk.precision_score(1 - target, ~called),
        "f1": sk.f1_score(target, called),
        "brier": sk.brier_score_loss(target, prob),
        "threshold": threshold,
        "prevalence": target.mean(),
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-12)
    assert set(found) == {
        *expected,
        "log_loss",
        "calibration_slope",
        "calibration_intercept",
        "ece",
    }
    for name in expected.keys() - {"threshold"}:
        assert found[name].ci[0] <= found[name].value <= found[name].ci[1], name


def test_roc_curve(binary):
    target, prob = binary
    fpr, tpr, _ = sk.roc_curve(target, prob, drop_intermediate=False)
    curve = roc_curve(target, prob)
    np.testing.assert_allclose(curve.false_positive_rate, fpr, atol=1e-15)
    np.testing.assert_allclose(curve.true_positive_rate, tpr, atol=1e-15)
    for x, y, threshold in zip(*curve, strict=True):
        counts = Confusion.at(target, prob, threshold)
        assert counts.true_positive / target.sum() == close(y)
        assert counts.false_positive / (1 - target).sum() == close(x)


def test_neighbouring_floats_are_parted():
    low = np.nextafter(0.3, 0)
    curve = roc_curve([0, 1], [low, 0.3])
    assert Confusion.at([0, 1], [low, 0.3], curve.threshold[1]) == Confusion(1, 0, 1, 0)


def test_precision_recall_curve(binary):
    target, prob = binary
    precision, recall, _ = sk.precision_recall_curve(target, prob)
    curve = precision_recall_curve(target, prob)
    np.testing.assert_allclose(curve.precision, precision[::-1], atol=1e-15)
    np.testing.assert_allclose(curve.recall, recall[::-1], atol=1e-15)


@pytest.mark.parametrize("lowest", [0.05, 0.3, 0.5, 0.9])
def test_partial_auc(binary, lowest):
    target, prob = binary
    found = discrimination.partial_auc(target, prob, (lowest, 1.0), corrected=True)
    assert found == close(sk.roc_auc_score(target, prob, max_fpr=1 - lowest))
    whole = discrimination.auc(target, prob)
    assert discrimination.partial_auc(target, prob, (0.0, 1.0)) == close(whole)
    upper = discrimination.partial_auc(target, prob, (lowest, 1.0))
    lower = discrimination.partial_auc(target, prob, (0.0, lowest))
    assert upper + lower == close(whole)


def test_delong_variance_by_its_definition():
    random = np.random.default_rng(2)
    target = random.integers(0, 2, 60)
    scores = [np.round(random.normal(size=60) + target, 1) for _ in range(2)]
    cases, controls = target == 1, target == 0
    psi = [
        (s[cases][:, None] > s[controls]) + 0.5 * (s[cases][:, None] == s[controls]) for s in scores
    ]
    v10, v01 = (np.array([p.mean(axis=axis) for p in psi]) for axis in (1, 0))
    expected = np.cov(v10) / cases.sum() + np.cov(v01) / controls.sum()
    areas, covariance = discrimination.delong(target, *scores)
    np.testing.assert_allclose(areas, [p.mean() for p in psi], atol=1e-14)
    np.testing.assert_allclose(covariance, expected, atol=1e-15)


@pytest.mark.parametrize(("count", "n"), [(0, 7), (7, 7), (1, 1), (26, 41), (1, 100_000)])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_intervals_of_a_proportion(count, n, confidence):
    expected = proportion_confint(count, n, 1 - confidence, method="wilson")
    assert wilson(count, n, confidence) == close(expected)
    expected = proportion_confint(count, n, 1 - confidence, method="beta")
    assert clopper_pearson(count, n, confidence) == close(expected, 1e-9)


@pytest.mark.parametrize("shift", [0.0, 2.0, -3.0])
@pytest.mark.parametrize("stretch", [0.05, 1.0, 8.0])
def test_calibration_fit(simulated, shift, stretch):
    target, prob = simulated(np.random.default_rng(8), 250)
    prob = 1 / (1 + np.exp(-(shift + stretch * calibration.logit(prob))))
    prob = np.clip(prob, 1e-9, 1 - 1e-9)
    x = np.log(prob / (1 - prob))
    slope = sm.GLM(target, sm.add_constant(x), sm.families.Binomial()).fit(tol=1e-14, maxiter=200)
    level = sm.GLM(target, np.ones(250), sm.families.Binomial(), offset=x)
    level = level.fit(tol=1e-14, maxiter=200)
    fitted = calibration.calibration_fit(target, prob)
    assert fitted.slope == close(slope.params[1], 1e-7)
    assert fitted.slope_error == close(slope.bse[1], 1e-6)
    assert fitted.intercept == close(level.params[0], 1e-7)
    assert fitted.intercept_error == close(level.bse[0], 1e-6)


def test_ece_by_a_loop(binary):
    target, prob = binary
    expected = 0.0
    for k in range(10):
        low, high = np.linspace(0, 1, 11)[k : k + 2]
        inside = (prob >= low) & ((prob < high) | ((k == 9) & (prob <= 1)))
        if inside.any():
            expected += inside.mean() * abs(prob[inside].mean() - target[inside].mean())
    assert calibration.expected_calibration_error(target, prob) == close(expected)
    assert calibration.expected_calibration_error([1, 1, 0], [1.0, 1.0, 0.0]) == 0


def test_calibration_bins(binary):
    target, prob = binary
    observed, predicted = sk_bins(target, prob, n_bins=10, strategy="uniform")
    found = calibration_bins(target, prob, by="width")
    assert found.cases.sum() == len(target)
    if len(np.unique(prob)) > 20:  # scikit-learn puts a probability on an edge in the lower bin
        np.testing.assert_allclose(found.observed, observed, atol=1e-15)
        np.testing.assert_allclose(found.predicted, predicted, atol=1e-15)
        assert set(calibration_bins(target, prob, by="quantile").cases) == {30}
    assert ((found.low <= found.observed) & (found.observed <= found.high)).all()


def test_smooth_curve_is_lowess(simulated):
    target, prob = simulated(np.random.default_rng(9), 200)
    curve = calibration_curve(target, prob, points=20)
    lowess = sm.nonparametric.lowess
    expected = lowess(target, prob, frac=0.75, it=0, xvals=curve.predicted)
    np.testing.assert_allclose(curve.observed, np.clip(expected, 0, 1), atol=1e-8)


def test_multiclass_report_card(three_classes):
    target, prob = three_classes
    called = prob.argmax(axis=1)
    onehot = np.eye(3)[target]
    settings = QUICK
    classes = ("naevus", "melanoma", "other")
    found = evaluate(target, prob, kind="multiclass", classes=classes, settings=settings)
    expected = {
        "auc": sk.roc_auc_score(target, prob, multi_class="ovr"),
        "auc_micro": sk.roc_auc_score(onehot.ravel(), prob.ravel()),
        "accuracy": sk.accuracy_score(target, called),
        "balanced_accuracy": sk.balanced_accuracy_score(target, called),
        "f1": sk.f1_score(target, called, average="macro"),
        "f1_micro": sk.f1_score(target, called, average="micro"),
        "log_loss": sk.log_loss(target, prob),
    }
    for k, label in enumerate(classes):
        expected[f"auc[{label}]"] = sk.roc_auc_score(target == k, prob[:, k])
        expected[f"sensitivity[{label}]"] = sk.recall_score(target == k, called == k)
        expected[f"specificity[{label}]"] = sk.recall_score(target != k, called != k)
    assert {name: metric.value for name, metric in found.items()} == pytest.approx(expected)
    for name, metric in found.items():
        assert metric.ci[0] <= metric.value <= metric.ci[1], name
    matrix = confusion_matrix(target, called, 3)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(target, called))


def test_regression_report_card():
    random = np.random.default_rng(10)
    target = 1e6 + random.normal(size=200)
    value = target + 0.2 + 0.5 * random.normal(size=200)
    found = evaluate(target, value, kind="regression", settings=QUICK)
    expected = {
        "rmse": sk.root_mean_squared_error(target, value),
        "mae": sk.mean_absolute_error(target, value),
        "r2": sk.r2_score(target, value),
        "bias": np.mean(value - target),
        "pearson": np.corrcoef(target, value)[0, 1],
    }
    assert {name: metric.value for name, metric in found.items()} == pytest.approx(expected)
    assert regression.rmse(target, value) == close(expected["rmse"])
    assert regression.mae(target, value) == close(expected["mae"])
    assert regression.r2(target, value) == close(expected["r2"])
    for name, metric in found.items():
        assert metric.ci[0] <= metric.value <= metric.ci[1], name


def test_limits_of_agreement():
    random = np.random.default_rng(11)
    target = random.normal(size=50)
    value = target + random.normal(size=50)
    found = bland_altman(target, value)
    spread = np.std(value - target, ddof=1)
    assert (found.upper - found.lower) / spread == close(2 * 1.959963984540054)
    assert (found.upper + found.lower) / 2 == close(found.bias)
    with pytest.raises(ValueError, match="two cases"):
        bland_altman([1.0], [1.0])


def test_epoch_metrics_are_those_of_the_report_card(binary, three_classes):
    target, prob = binary
    both = np.stack([1 - prob, prob], axis=1)
    quick = epoch_metrics("binary", target, both)
    slow = evaluate(target, both, kind="binary", settings=QUICK, threshold=0.5)
    assert list(quick) == ["auc", "average_precision", "accuracy", "balanced_accuracy", "brier"]
    assert quick == {name: slow[name].value for name in quick}
    target, prob = three_classes
    quick = epoch_metrics("multiclass", target, prob)
    slow = evaluate(target, prob, kind="multiclass", settings=QUICK)
    assert list(quick) == ["auc", "accuracy", "balanced_accuracy", "f1"]
    assert quick == {name: slow[name].value for name in quick}
    assert list(epoch_metrics("regression", prob[:, 0], prob[:, 1])) == ["rmse", "mae", "r2"]


def test_replicates_are_the_metrics_of_the_drawn_cases(binary):
    """Weights against repeating the rows: the same figure, for every kind of statistic."""
    target, prob = binary
    group = np.arange(len(target)) // 3
    weights = next(draws(group, 100, 20, seed=1))
    area = discrimination.replicated_auc(target.astype(float), prob, weights)
    precision = discrimination.replicated_average_precision(target.astype(float), prob, weights)
    ece = calibration.replicated_ece(target.astype(float), prob, weights)
    for b, counts in enumerate(weights.rows().astype(int)):
        y, p = np.repeat(target, counts), np.repeat(prob, counts)
        assert area[b] == close(sk.roc_auc_score(y, p))
        assert precision[b] == close(sk.average_precision_score(y, p))
        assert ece[b] == close(calibration.expected_calibration_error(y, p))


def test_whole_groups_are_drawn():
    group = np.array([0, 0, 1, 2, 2, 2])
    seen = list(draws(group, 3, 500, seed=2))
    rows = np.concatenate([weights.rows() for weights in seen])
    assert rows.shape == (500, 6)
    assert (rows[:, 0] == rows[:, 1]).all()
    assert (rows[:, 3] == rows[:, 5]).all()
    counts = rows[:, [0, 2, 3]]
    assert (counts.sum(axis=1) == 3).all()
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.15)


def test_draws_do_not_depend_on_the_chunk(monkeypatch):
    group = np.arange(50)
    whole = np.concatenate([w.counts for w in draws(group, 50, 30, seed=3)])
    monkeypatch.setattr("medfusion.evaluation.bootstrap._CHUNK", 200)
    parts = np.concatenate([w.counts for w in draws(group, 50, 30, seed=3)])
    np.testing.assert_array_equal(whole, parts)


def test_equal_seeds_draw_equal_groups_in_rust():
    """Paired differences and macro averages rest on it."""
    random = np.random.default_rng(4)
    group = np.repeat(np.arange(40), 3)
    target = random.integers(0, 2, 120).astype(np.uint8)
    score = random.normal(size=120)
    drawn = [_rust.bootstrap_auc(target, s, group, 200, 9) for s in (score, -score)]
    np.testing.assert_allclose(drawn[0], 1 - drawn[1], atol=1e-14)
    flipped = _rust.bootstrap_auc(1 - target, score, group, 200, 9)
    np.testing.assert_allclose(drawn[0], 1 - flipped, atol=1e-14)


def test_rust_and_numpy_auc_agree(binary):
    target, prob = binary
    found = discrimination.replicated_auc(target.astype(float), prob, Weights.once(len(target)))
    assert found[0] == close(_rust.auc(target.astype(np.uint8), prob))
