"""Metrics of labels and of ordered classes against scikit-learn and SciPy; what is not estimable."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    roc_auc_score,
)

from medfusion.errors import InputError
from medfusion.evaluation import epoch_metrics, evaluate
from medfusion.evaluation.ordinal import called_rank, kappa
from medfusion.spec import METRICS, Evaluation

SETTINGS = Evaluation(bootstrap=300)
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def labels():
    """Three labels on 200 cases in 100 groups, a fifth of them unknown."""
    random = np.random.default_rng(4)
    prob = random.random((200, 3))
    truth = (random.random((200, 3)) < 0.2 + 0.6 * prob).astype(float)
    truth[random.random((200, 3)) < 0.2] = np.nan
    return truth, prob


@pytest.fixture(scope="module")
def ranks():
    random = np.random.default_rng(5)
    target = random.integers(0, 4, 150)
    prob = softmax(-np.abs(np.arange(4) - target[:, None]) + random.normal(size=(150, 4)), axis=1)
    return target, prob


def groups(n):
    return np.arange(n) // 2


def test_labels_are_judged_as_by_sklearn_on_what_is_known(labels):
    truth, prob = labels
    found = evaluate(truth, prob, kind="multilabel", classes=NAMES, settings=SETTINGS)
    each = {"auc": [], "average_precision": [], "f1": [], "brier": []}
    for place, name in enumerate(NAMES):
        known = ~np.isnan(truth[:, place])
        y, p = truth[known, place], prob[known, place]
        expected = {
            "auc": roc_auc_score(y, p),
            "average_precision": average_precision_score(y, p),
            "f1": f1_score(y, p >= 0.5),
            "brier": brier_score_loss(y, p),
            "sensitivity": (p[y == 1] >= 0.5).mean(),
            "specificity": (p[y == 0] < 0.5).mean(),
            "prevalence": y.mean(),
        }
        for metric, value in expected.items():
            one = found[f"{metric}[{name}]"]
            assert one.value == pytest.approx(value, abs=1e-12), metric
            assert one.ci[0] < value < one.ci[1]
        assert found[f"auc[{name}]"].n == known.sum()
        for metric, values in each.items():
            values.append(expected[metric])
    for metric, values in each.items():
        assert found[metric].value == pytest.approx(np.mean(values), abs=1e-12)
        assert found[metric].ci[0] < found[metric].value < found[metric].ci[1]
    known = ~np.isnan(truth)
    pooled = roc_auc_score(truth[known], prob[known])
    assert found["auc_micro"].value == pytest.approx(pooled, abs=1e-12)
    assert found["f1_micro"].value == pytest.approx(f1_score(truth[known], prob[known] >= 0.5))


def test_complete_labels_draw_the_same_intervals_fast_and_slow(labels):
    truth, prob = np.nan_to_num(labels[0]), labels[1]
    fast = evaluate(truth, prob, kind="multilabel", groups=groups(200), settings=SETTINGS)
    truth = truth.copy()
    truth[0, 0] = np.nan
    slow = evaluate(truth, prob, kind="multilabel", groups=groups(200), settings=SETTINGS)
    assert "group bootstrap (100 groups" in fast["auc"].method
    assert fast["auc"].ci == pytest.approx(slow["auc"].ci, abs=0.02)
    assert fast["auc[1]"].ci == slow["auc[1]"].ci


def test_repeating_every_case_leaves_group_intervals_alike(labels):
    truth, prob = labels
    once = evaluate(truth, prob, kind="multilabel", settings=SETTINGS)
    many = evaluate(
        np.repeat(truth, 5, axis=0),
        np.repeat(prob, 5, axis=0),
        kind="multilabel",
        groups=np.repeat(np.arange(200), 5),
        settings=SETTINGS,
    )
    for name in ("average_precision", "f1", "brier", "auc_micro"):
        assert many[name].value == pytest.approx(once[name].value, abs=1e-12)
        assert many[name].ci == pytest.approx(once[name].ci, abs=1e-12)


def test_a_label_of_one_class_is_not_estimable_and_left_out_of_the_mean(labels):
    truth, prob = labels[0].copy(), labels[1]
    truth[:, 2] = np.where(np.isnan(truth[:, 2]), np.nan, 0)
    found = evaluate(truth, prob, kind="multilabel", classes=NAMES, settings=SETTINGS)
    assert found["auc[c]"].value is None
    assert found["auc[c]"].note == "not estimable: it holds in no case"
    assert found["sensitivity[c]"].note == "not estimable: it holds in no case"
    assert found["specificity[c]"].value is not None
    mean = np.mean([found[f"auc[{name}]"].value for name in "ab"])
    assert found["auc"].value == pytest.approx(mean)
    assert "without 'c': not estimable" in found["auc"].note


@pytest.mark.parametrize("case", ["none", "few", "unknown", "constant"])
def test_labels_of_too_little_are_not_estimable_without_an_error(case, labels):
    truth, prob = labels
    if case == "none":
        truth, prob = truth[:0], prob[:0]
    elif case == "few":
        truth, prob = truth[:4], prob[:4]
    elif case == "unknown":
        truth = np.full_like(truth, np.nan)
    else:
        truth, prob = np.zeros_like(truth), np.full_like(prob, 0.3)
    found = evaluate(truth, prob, kind="multilabel", classes=NAMES, settings=SETTINGS)
    assert found["auc"].value is None
    assert found["auc"].note.startswith("not estimable")
    assert epoch_metrics("multilabel", truth, prob).get("auc") is None


def test_labels_that_are_none_are_refused(labels):
    truth, prob = labels
    with pytest.raises(InputError, match="neither 0 nor 1 nor missing"):
        evaluate(truth + 1, prob, kind="multilabel", settings=SETTINGS)
    with pytest.raises(InputError, match="outside 0"):
        evaluate(truth, prob * 3, kind="multilabel", settings=SETTINGS)
    with pytest.raises(InputError, match="shape"):
        evaluate(truth, prob[:, :2], kind="multilabel", settings=SETTINGS)


@pytest.mark.parametrize(("power", "weights"), [(1, "linear"), (2, "quadratic")])
def test_kappa_is_sklearns(power, weights):
    random = np.random.default_rng(power)
    truth = random.integers(0, 6, 80)
    called = np.clip(truth + random.integers(-2, 3, 80), 0, 5)
    expected = cohen_kappa_score(truth, called, weights=weights)
    assert kappa(truth, called, 6, power) == pytest.approx(expected, abs=1e-12)
    # a class that nobody is of or is called changes nothing
    assert kappa(truth, called, 9, power) == pytest.approx(expected, abs=1e-12)


def test_kappa_of_one_class_is_not_a_number():
    assert np.isnan(kappa([1, 1, 1], [1, 1, 1], 3))


def test_ordered_classes_are_judged_as_by_sklearn(ranks):
    target, prob = ranks
    called = called_rank(prob)
    assert (called == (prob.cumsum(axis=1) < 0.5).sum(axis=1)).all()
    found = evaluate(target, prob, kind="ordinal", settings=SETTINGS)
    expected = {
        "quadratic_kappa": cohen_kappa_score(target, called, weights="quadratic"),
        "linear_kappa": cohen_kappa_score(target, called, weights="linear"),
        "rank_mae": mean_absolute_error(target, called),
        "accuracy": (target == called).mean(),
        "within_one": (abs(target - called) <= 1).mean(),
        "log_loss": log_loss(target, prob),
        "auc": roc_auc_score(target, prob, multi_class="ovr"),
        "auc[2]": roc_auc_score(target == 2, prob[:, 2]),
        "ranked_probability_score": np.mean(
            [
                ((p.cumsum() - (np.arange(4) >= y)) ** 2)[:3].sum() / 3
                for y, p in zip(target, prob, strict=True)
            ]
        ),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-12), name
        assert found[name].ci[0] < value < found[name].ci[1], name
    epoch = epoch_metrics("ordinal", target, prob)
    assert set(epoch) == set(METRICS["ordinal"]) - {"loss"}
    assert epoch["quadratic_kappa"] == found["quadratic_kappa"].value


def test_group_intervals_of_kappa_widen_with_repeated_cases(ranks):
    target, prob = ranks
    once = evaluate(target, prob, kind="ordinal", settings=SETTINGS)["quadratic_kappa"]
    naive = evaluate(
        np.repeat(target, 4), np.repeat(prob, 4, axis=0), kind="ordinal", settings=SETTINGS
    )["quadratic_kappa"]
    grouped = evaluate(
        np.repeat(target, 4),
        np.repeat(prob, 4, axis=0),
        kind="ordinal",
        groups=np.repeat(np.arange(150), 4),
        settings=SETTINGS,
    )["quadratic_kappa"]
    assert grouped.ci == pytest.approx(once.ci, abs=1e-12)
    assert naive.ci[1] - naive.ci[0] < 0.7 * (once.ci[1] - once.ci[0])


@pytest.mark.parametrize("n", [0, 3])
def test_too_few_ordered_cases_are_not_estimable(ranks, n):
    target, prob = ranks
    found = evaluate(target[:n], prob[:n], kind="ordinal", settings=SETTINGS)
    assert all(one.value is None for one in found.values())
