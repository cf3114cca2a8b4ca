"""DeLong, the permutation test, the C-index and calibration bins equal their definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from medfusion import _rust


def cases(n, seed, scores=2, levels=None):
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.3).astype(np.uint8)
    target[:2] = 0, 1
    values = rng.normal(size=(scores, n)) + target
    return target, list(values if levels is None else np.round(values * levels) / levels)


def midrank_delong(target, scores):
    """Sun and Xu with SciPy's ranks, as most packages have it."""
    positive = target == 1
    m, n = positive.sum(), (~positive).sum()
    above, below = [], []
    for score in scores:
        ranks = rankdata(score)
        above.append((ranks[positive] - rankdata(score[positive])) / n)
        below.append(1 - (ranks[~positive] - rankdata(score[~positive])) / m)
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return np.mean(above, axis=1), covariance


@pytest.mark.parametrize("levels", [None, 1, 10])
@pytest.mark.parametrize("n", [8, 300, 20_000])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_delong_equals_the_midranks(n, count, levels):
    target, scores = cases(n, n, count, levels)
    target[2:4] = 0, 1
    areas, covariance = _rust.delong(target, scores)
    expected = midrank_delong(target, scores)
    np.testing.assert_allclose(areas, expected[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(covariance, expected[1], rtol=1e-9, atol=1e-17)
    np.testing.assert_array_equal(covariance, covariance.T)
    assert areas[0] == pytest.approx(roc_auc_score(target, scores[0]), abs=1e-12)


def test_delong_without_scores_or_a_class():
    areas, covariance = _rust.delong(np.array([0, 1], np.uint8), [])
    assert (areas.shape, covariance.shape) == ((0,), (0, 0))
    areas, covariance = _rust.delong(np.array([1, 1], np.uint8), [np.array([0.1, 0.2])])
    assert np.isnan(areas).all()
    assert np.isnan(covariance).all()


def enumerated(target, first, second, group):
    """Every pattern of swaps: the exact share that is at least as extreme."""
    names = np.unique(group)
    observed = abs(_rust.auc(target, first) - _rust.auc(target, second))
    extreme = 0
    for pattern in itertools.product([False, True], repeat=len(names)):
        swap = np.isin(group, names[np.array(pattern)])
        a, b = np.where(swap, second, first), np.where(swap, first, second)
        extreme += abs(_rust.auc(target, a) - _rust.auc(target, b)) >= observed - 1e-12
    return extreme / 2 ** len(names)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 3])
def test_permutations_approach_the_exact_test(seed, size):
    n = 10 * size
    target, (first, second) = cases(n, seed, levels=2)
    second = second + 0.4 * target
    group = np.arange(n) // size
    exact = enumerated(target, first, second, group)
    difference, extreme = _rust.permute_auc(
        target, first, second, group if size > 1 else None, 40_000, 1
    )
    assert difference == pytest.approx(_rust.auc(target, first) - _rust.auc(target, second))
    assert extreme / 40_000 == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))


def test_permutations_are_symmetric_and_do_not_depend_on_threads():
    target, (first, second) = cases(700, 3, levels=20)
    found = {_rust.permute_auc(target, first, second, None, 2000, 5, t) for t in (0, 1, 2, 5)}
    assert len(found) == 1
    ((difference, extreme),) = found
    assert _rust.permute_auc(target, second, first, None, 2000, 5) == (-difference, extreme)
    assert _rust.permute_auc(1 - target, first, second, None, 2000, 5) == (-difference, extreme)
    assert _rust.permute_auc(target, first, first, None, 100, 0) == (0.0, 100)
    nothing = _rust.permute_auc(np.ones(5, np.uint8), np.arange(5.0), np.arange(5.0), None, 10, 0)
    assert np.isnan(nothing[0])


def brute_concordance(time, event, risk):
    earlier = (time[:, None] < time) | ((time[:, None] == time) & (event == 0))
    pairs = (event[:, None] == 1) & earlier
    difference = risk[:, None] - risk
    return tuple(int((pairs & found).sum()) for found in (difference > 0, difference < 0,
                                                          difference == 0))  # fmt: skip


survival = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=60
)


@given(survival)
@settings(deadline=None)
def test_concordance_equals_the_definition(rows):
    time, event, risk = (np.array(column) for column in zip(*rows, strict=True))
    time, risk, event = time.astype(float), risk.astype(float), event.astype(np.uint8)
    assert _rust.concordance(time, event, risk) == brute_concordance(time, event, risk)


# from lifelines.utils import concordance_index; concordance_index(time, -risk, event)  (0.30.0)
# from sksurv.metrics import concordance_index_censored                                (0.28.0)
# concordance_index_censored(event.astype(bool), time, risk)[1:4]
PUBLISHED = [
    (200, None, 0.6621218152866242, (6653, 3395, 0)),
    (500, 10, 0.7284577841504439, (52132, 18991, 1409)),
    (2000, 3, 0.706965594446566, (769315, 294550, 83101)),
]


@pytest.mark.parametrize(("n", "levels", "index", "pairs"), PUBLISHED)
def test_concordance_equals_lifelines_and_scikit_survival(n, levels, index, pairs):
    rng = np.random.default_rng(n)
    time = rng.exponential(10, n).round(0 if levels else 3)
    event = (rng.random(n) < 0.6).astype(np.uint8)
    risk = -time / 10 + rng.normal(size=n)
    risk = risk if levels is None else np.round(risk * levels) / levels
    concordant, discordant, tied = _rust.concordance(time, event, risk)
    assert (concordant, discordant, tied) == pairs
    assert (concordant + tied / 2) / sum(pairs) == pytest.approx(index, abs=1e-15)


def test_bootstrap_of_the_c_index_is_that_of_drawn_rows():
    rng = np.random.default_rng(4)
    time, event = rng.exponential(5, 80).round(1), (rng.random(80) < 0.7).astype(np.uint8)
    risk = -time + rng.normal(size=80) * 4
    slow = []
    for _ in range(2000):
        rows = rng.integers(0, 80, 80)
        c, d, t = _rust.concordance(time[rows], event[rows], risk[rows])
        slow.append((c + t / 2) / (c + d + t))
    fast = _rust.bootstrap_concordance(time, event, risk, None, 40_000, 1)
    sd = fast.std()
    assert abs(fast.mean() - np.mean(slow)) < 4 * sd / np.sqrt(2000)
    assert abs(sd - np.std(slow)) < 4 * sd / np.sqrt(4000)
    for threads in (0, 2, 5):
        again = _rust.bootstrap_concordance(
            time, event, risk, np.arange(80) // 2, 500, 1, True, threads
        )
        one = _rust.bootstrap_concordance(time, event, risk, np.arange(80) // 2, 500, 1, True, 1)
        np.testing.assert_array_equal(again, one)
    none = _rust.bootstrap_concordance(time, np.zeros(80, np.uint8), risk, None, 5, 1)
    assert np.isnan(none).all()


@pytest.mark.parametrize("bins", [1, 2, 7, 10, 100])
@pytest.mark.parametrize("n", [1, 30, 5000])
def test_calibration_bins_equal_numpy(n, bins):
    rng = np.random.default_rng(n)
    prob = rng.beta(1, 3, n)
    prob[: n // 3] = prob[: n // 3].round(1)
    target = (rng.random(n) < prob).astype(np.uint8)
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    for quantile in (False, True):
        edges = np.quantile(prob, inner) if quantile else inner
        expected = np.searchsorted(edges, prob, side="left" if quantile else "right")
        index, count, positives, total = _rust.calibration_bins(target, prob, bins, quantile)
        np.testing.assert_array_equal(index, expected)
        np.testing.assert_array_equal(count, np.bincount(expected, minlength=bins))
        np.testing.assert_array_equal(positives, np.bincount(expected, target, bins))
        np.testing.assert_array_equal(total, np.bincount(expected, prob, bins))


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_bins_equal_scikit_learn(strategy):
    rng = np.random.default_rng(3)
    prob = rng.random(1000)
    target = (rng.random(1000) < prob).astype(np.uint8)
    observed, predicted = calibration_curve(target, prob, n_bins=10, strategy=strategy)
    _, count, positives, total = _rust.calibration_bins(target, prob, 10, strategy == "quantile")
    np.testing.assert_allclose(positives / count, observed, rtol=1e-14)
    np.testing.assert_allclose(total / count, predicted, rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, s: _rust.delong(t, [s[1:]]), "score has 3 values where target has 4"),
        (lambda t, s: _rust.delong(t, [s * np.nan]), "score is NaN in position 0"),
        (lambda t, s: _rust.delong(t + 1, [s]), "target is 2 in position 1"),
        (lambda t, s: _rust.permute_auc(t, s, s[1:], None, 1, 0), "second has 3 values"),
        (lambda t, s: _rust.permute_auc(t, s, s, np.arange(3), 1, 0), "group has 3 values"),
        (lambda t, s: _rust.concordance(s, t[1:], s), "event has 3 values where time has 4"),
        (lambda t, s: _rust.concordance(s, t, s[1:]), "risk has 3 values where time has 4"),
        (lambda t, s: _rust.concordance(s * np.nan, t, s), "time is NaN"),
        (lambda t, s: _rust.concordance(s, t * 3, s), "event is 3 in position 1"),
        (lambda t, s: _rust.calibration_bins(t, s, 0), "0 bins"),
        (lambda t, s: _rust.calibration_bins(t, s, 2**40), "1099511627776 bins"),
        (lambda t, s: _rust.calibration_bins(t, s[1:], 3), "prob has 3 values"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([0, 1, 0, 1], np.uint8), np.array([0.1, 0.2, 0.3, 0.4]))


def test_other_types_are_refused():
    good = np.array([0, 1], np.uint8), np.array([0.1, 0.2])
    with pytest.raises(TypeError, match=r"score .* float64"):
        _rust.delong(good[0], [good[1].astype(np.float32)])
    with pytest.raises(TypeError, match=r"event .* uint8"):
        _rust.concordance(good[1], good[1], good[1])
