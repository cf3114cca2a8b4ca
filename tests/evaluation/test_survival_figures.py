"""Survival figures against published numbers, statsmodels, and their definitions."""

import csv

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from medfusion.errors import InputError
from medfusion.evaluation import (
    FollowUp,
    auc_at,
    brier_at,
    calibration_at,
    compare,
    concordance_index,
    evaluate,
    kaplan_meier,
    log_rank,
    uno_index,
)
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.sample import check
from medfusion.evaluation.survival import Censoring, fit_cox
from medfusion.evaluation.survival.metrics import entries
from medfusion.spec import Evaluation


@pytest.fixture(scope="module")
def lung(shared_data):
    """R's survival::lung without gaps in age, sex and ph.ecog: time, event, columns."""
    with (shared_data / "reference_tables" / "lung.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    every = np.array([[float(row["time"]), row["status"] == "2"] for row in rows])
    sex = np.array([int(row["sex"]) for row in rows])
    names = ("age", "sex", "ph.ecog")
    known = [row for row in rows if "NA" not in {row[name] for name in names}]
    columns = np.array([[float(row[name]) for name in names] for row in known])
    time = np.array([float(row["time"]) for row in known])
    event = np.array([float(row["status"] == "2") for row in known])
    return {"all": every, "sex": sex, "time": time, "event": event, "columns": columns}


@pytest.fixture(scope="module")
def apart():
    """Training and test times with many ties; scikit-survival 0.28.0 was given the same."""
    rng = np.random.default_rng(12)
    train = np.ceil(rng.exponential(20, 150)), rng.random(150) < 0.6
    time, event = np.ceil(rng.exponential(15, 80)), rng.random(80) < 0.6
    train[0][0], train[1][0] = time.max() + 1, True
    risk = np.round(-time / 20 + rng.normal(size=80), 1)
    return {"train": train, "time": time, "event": event.astype(float), "risk": risk}


def test_kaplan_meier_and_log_rank_are_those_of_r_on_lung(lung):
    time, event = lung["all"].T
    curve = kaplan_meier(time, event)
    assert curve.median == 310
    assert curve.at(180) == pytest.approx(0.7216706534, abs=1e-10)
    assert curve.at(365) == pytest.approx(0.4092416245, abs=1e-10)
    theirs = SurvfuncRight(time, event)
    found = np.array([curve.at(moment) for moment in theirs.surv_times])
    assert found == pytest.approx(theirs.surv_prob, abs=1e-12)
    assert [curve.number_at_risk(m) for m in theirs.surv_times] == theirs.n_risk.tolist()
    test = log_rank(time, event, lung["sex"])
    assert test.statistic == pytest.approx(10.32674195, abs=1e-7)
    assert test.p == pytest.approx(0.001311165, abs=1e-8)


def test_the_log_rank_test_of_several_groups_is_that_of_statsmodels(apart):
    group = np.arange(80) % 3
    statistic, p = survdiff(apart["time"], apart["event"], group)
    found = log_rank(apart["time"], apart["event"], group)
    assert (found.statistic, found.p, found.degrees) == (
        pytest.approx(statistic, abs=1e-9),
        pytest.approx(p, abs=1e-9),
        2,
    )
    assert np.isnan(log_rank(apart["time"], apart["event"], np.zeros(80)).p)


def test_the_interval_of_a_survival_has_its_coverage():
    rng, held, level = np.random.default_rng(3), 0, 0.9
    for _ in range(400):
        life, end = rng.exponential(1, 60), rng.exponential(2, 60)
        low, high = kaplan_meier(np.minimum(life, end), life <= end, level).interval(0.7)
        held += low <= np.exp(-0.7) <= high
    assert 0.86 <= held / 400 <= 0.94


def test_the_linear_cox_model_is_that_of_r_on_lung(lung):
    fit = fit_cox(lung["columns"], lung["time"], lung["event"])
    assert fit.coefficients == pytest.approx([0.0110668, -0.5526124, 0.4637285], abs=1e-7)
    risk = np.round(lung["columns"] @ fit.coefficients, 9)  # equal rows have equal risks
    found = concordance_index(lung["time"], lung["event"], risk, replicates=100)
    assert found.value == pytest.approx(0.6371354930, abs=1e-9)
    # R weights by G(t-) and gives 0.6261483, scikit-survival by G(t).
    assert uno_index(lung["time"], lung["event"], risk) == pytest.approx(0.6263783, abs=1e-7)
    areas = [auc_at(lung["time"], lung["event"], risk, at) for at in (180, 365, 540)]
    assert areas == pytest.approx([0.69808, 0.64752, 0.66648], abs=1e-5)


def test_the_linear_cox_model_is_that_of_statsmodels_with_many_ties(apart):
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(80, 3)) + apart["time"][:, None] / 40
    theirs = PHReg(apart["time"], columns, status=apart["event"], ties="efron").fit()
    fit = fit_cox(columns, apart["time"], apart["event"])
    assert fit.coefficients == pytest.approx(theirs.params, abs=1e-6)
    assert fit.errors == pytest.approx(theirs.bse, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(theirs.llf, abs=1e-8)
    shrunk = fit_cox(columns, apart["time"], apart["event"], ridge=10.0)
    assert np.abs(shrunk.coefficients).sum() < np.abs(fit.coefficients).sum()
    with pytest.raises(InputError, match="depend on each other"):
        fit_cox(np.c_[columns, columns[:, 0]], apart["time"], apart["event"])


def test_figures_on_other_cases_than_censoring_are_those_of_scikit_survival(apart):
    time, event, risk = apart["time"], apart["event"], apart["risk"]
    censoring, times = Censoring(*apart["train"]), (5.0, 12.0, 20.0)
    assert uno_index(time, event, risk, censoring) == pytest.approx(0.6929980993834961, abs=1e-12)
    survival = np.exp(-np.outer(np.exp(risk), np.array(times) / 20))
    known = FollowUp(times, times, *(np.asarray(part, float) for part in apart["train"]))
    found = evaluate(
        np.c_[time, event],
        np.c_[risk, survival],
        kind="survival",
        settings=Evaluation(bootstrap=100),
        follow_up=known,
    )
    values = {name: metric.value for name, metric in found.items()}
    assert values == pytest.approx(
        {
            "c_index": concordance_index(time, event, risk, replicates=100).value,
            "c_index_uno": 0.6950417318243741,
            "auc_mean": 0.7975206478809082,
            "ibs": 0.20881740924999312,
            "auc[5]": 0.6941793234229106,
            "auc[12]": 0.7090365653587283,
            "auc[20]": 0.9321284416228311,
            "brier[5]": 0.1863653165487043,
            "brier[12]": 0.23277513269854336,
            "brier[20]": 0.18354225889758907,
            "calibration_slope": values["calibration_slope"],
            "observed_expected[5]": values["observed_expected[5]"],
            "observed_expected[12]": values["observed_expected[12]"],
            "observed_expected[20]": values["observed_expected[20]"],
        },
        abs=1e-12,
    )
    score = np.log(-np.log(survival[:, [2]]))
    theirs = PHReg(time, score, status=event, ties="breslow").fit().params[0]
    assert values["calibration_slope"] == pytest.approx(theirs, abs=1e-6)
    observed = 1 - kaplan_meier(time, event).at(12)
    assert values["observed_expected[12]"] == pytest.approx(observed / (1 - survival[:, 1]).mean())
    assert brier_at(time, event, survival[:, 1], 12, censoring) == pytest.approx(
        values["brier[12]"]
    )


def test_c_and_auc_are_their_definitions_over_all_pairs(apart):
    time, event, risk = apart["time"], apart["event"], apart["risk"]
    censoring = Censoring(*apart["train"])
    chance = censoring.at(time)
    won = pairs = cases_won = cases = 0.0
    for i in range(80):
        for j in range(80):
            better = (risk[i] > risk[j]) + (risk[i] == risk[j]) / 2
            if event[i] and (time[j] > time[i] or (time[j] == time[i] and not event[j])):
                won, pairs = won + better / chance[i] ** 2, pairs + 1 / chance[i] ** 2
            if event[i] and time[i] <= 12 < time[j]:
                cases_won, cases = cases_won + better / chance[i], cases + 1 / chance[i]
    assert uno_index(time, event, risk, censoring) == pytest.approx(won / pairs, abs=1e-12)
    assert auc_at(time, event, risk, 12, censoring) == pytest.approx(cases_won / cases, abs=1e-12)


def test_a_replicate_is_the_figure_of_the_cases_drawn(apart):
    """Counts of a bootstrap replicate give what the repeated rows give."""
    times = (5.0, 12.0, 20.0)
    known = FollowUp(times, times, *(np.asarray(part, float) for part in apart["train"]))
    survival = np.exp(-np.outer(np.exp(apart["risk"]), np.array(times) / 20))
    target = np.c_[apart["time"], apart["event"]]
    prediction = np.c_[apart["risk"], survival]
    group = np.arange(80) // 2
    counts = np.random.default_rng(1).multinomial(40, [1 / 40] * 40, size=5).astype(float)
    drawn = entries(check("survival", target, prediction, (), group.tolist(), known))
    weights = Weights(counts, group, own=False)
    found = {name: entry.of(weights) for name, entry in drawn.items()}
    for number, count in enumerate(counts):
        rows = np.repeat(np.arange(80), count[group].astype(int))
        alone = check("survival", target[rows], prediction[rows], (), None, known)
        expected = {
            name: entry.of(Weights.once(len(rows)))[0] for name, entry in entries(alone).items()
        }
        assert {name: values[number] for name, values in found.items()} == pytest.approx(
            expected, abs=1e-12
        )


def test_two_risks_are_compared_pairwise(apart):
    target = np.c_[apart["time"], apart["event"]]
    noise = np.random.default_rng(0).normal(size=80)
    found = compare(
        "survival", "c_index", target, apart["risk"], noise, settings=Evaluation(bootstrap=500)
    )
    assert found.difference.value == pytest.approx(found.first - found.second)
    assert found.difference.ci[0] > 0
    assert found.p < 0.05
    assert found.difference.method == "paired bootstrap (500 replicates), 95 %"


def test_groups_of_predicted_risk_are_compared_with_kaplan_meier(apart):
    risk = 1 / (1 + np.exp(-apart["risk"]))
    found = calibration_at(apart["time"], apart["event"], risk, 10, groups=4)
    assert found.cases.sum() == 80
    assert (np.diff(found.predicted) > 0).all()
    lowest = risk <= np.quantile(risk, 0.25)
    curve = kaplan_meier(apart["time"][lowest], apart["event"][lowest])
    assert found.observed[0] == pytest.approx(1 - curve.at(10))
    assert (found.low <= found.observed).all()
    assert (found.observed <= found.high).all()
    one = calibration_at(apart["time"], apart["event"], np.full(80, 0.3), 10)
    assert one.cases.tolist() == [80]


def evaluated(time, event, risk, horizons=(2.0,), train=None):
    known = FollowUp.of_training(*(train or (time, event)), horizons=horizons)
    survival = np.exp(-np.outer(np.exp(np.asarray(risk, float)), np.array(known.times) / 50))
    return evaluate(
        np.c_[time, event],
        np.c_[risk, survival],
        kind="survival",
        settings=Evaluation(bootstrap=100),
        follow_up=known,
    )


@pytest.mark.parametrize(
    ("change", "names", "reason"),
    [
        ("few", ("c_index", "c_index_uno", "ibs", "auc[2]"), "only 8 cases, at least 10"),
        ("censored", ("c_index", "c_index_uno", "ibs", "auc[2]"), "no case has the event"),
        ("flat", ("c_index", "c_index_uno"), "all cases have the same risk"),
        ("far", ("auc[900]", "brier[900]"), "no training row is followed that long"),
        ("early", ("auc[0.5]",), "no case has the event by then"),
        ("short", ("auc[30]",), "no case is observed for longer"),
    ],
)
def test_what_is_not_estimable_says_why(change, names, reason):
    rng = np.random.default_rng(5)
    time, event = np.ceil(rng.exponential(10, 60)), (rng.random(60) < 0.7).astype(float)
    train, risk, horizons = (np.r_[time, 100.0], np.r_[event, 0.0]), rng.normal(size=60), (2.0,)
    if change == "few":
        time, event, risk = time[:8], np.ones(8), risk[:8]
    elif change == "censored":
        event = np.zeros(60)
    elif change == "flat":
        risk = np.zeros(60)
    elif change == "far":
        horizons = (900.0,)
    elif change == "early":
        horizons = (0.5,)
    else:
        time, horizons = np.minimum(time, 20), (30.0,)
    found = evaluated(time, event, risk, horizons, train)
    for name in names:
        assert found[name].value is None
        assert reason in found[name].note


def test_wrong_cases_are_refused_by_name(apart):
    target = np.c_[apart["time"], apart["event"]]
    known = FollowUp.of_training(*apart["train"])
    good = np.c_[apart["risk"], np.tile(np.linspace(1, 0, len(known.times)), (80, 1))]
    for change, message in (
        (lambda t, _: t.__setitem__((3, 1), 2), "event of case 3 is 2"),
        (lambda t, _: t.__setitem__((4, 0), -1), "time of case 4 is negative"),
        (lambda t, _: t.__setitem__((5, 0), np.nan), "1 of 80 cases are missing"),
        (lambda _, p: p.__setitem__((6, 1), 1.5), "case 6 has a survival outside"),
        (
            lambda _, p: p.__setitem__((7, slice(1, None)), np.linspace(0, 1, p.shape[1] - 1)),
            "rises",
        ),
    ):
        wrong = target.copy(), good.copy()
        change(*wrong)
        with pytest.raises(InputError, match=message):
            check("survival", *wrong, follow_up=known)
    with pytest.raises(InputError, match=r"risk and survival at \d+ times are needed"):
        check("survival", target, good[:, :4], follow_up=known)
    with pytest.raises(InputError, match="time and event of each case"):
        check("survival", target[:, 0], good)


def test_times_and_horizons_are_observed_event_times():
    time, event = np.arange(1.0, 101.0), np.ones(100)
    known = FollowUp.of_training(time, event)
    assert known.horizons == (25.0, 50.0, 75.0)
    assert len(known.times) == 19
    assert known.columns[:2] == ["survival_5", "survival_10"]
    asked = FollowUp.of_training(time, event, (36.5, 365.25))
    assert asked.horizons == (36.5, 365.25)
    assert {"survival_36.5", "survival_365.25"} <= set(asked.columns)
    with pytest.raises(InputError, match="no event after time 0"):
        FollowUp.of_training([0, 3], [1, 0])
