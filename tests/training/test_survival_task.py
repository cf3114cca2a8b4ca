"""Likelihoods of survival against statsmodels and NumPy; what is predicted from them."""

import json

import numpy as np
import pytest
import torch
from statsmodels.duration.hazard_regression import PHReg

from medfusion.errors import SpecError
from medfusion.spec import CoxLoss, DiscreteTimeLoss, Experiment, SurvivalTarget, Training
from medfusion.training.losses.interval_hazards import log_interval_likelihood
from medfusion.training.losses.partial_likelihood import log_partial_likelihood
from medfusion.training.tasks import fit_task, task_from_json
from medfusion.training.tasks.cox import breslow

SPEC = SurvivalTarget(time="t", event="e")
COX, DISCRETE = Training(), Training(loss=DiscreteTimeLoss(intervals=8))


@pytest.fixture
def rows():
    """Times with many ties, events, columns and coefficients."""
    rng = np.random.default_rng(21)
    time, event = np.ceil(rng.exponential(8, 120)), (rng.random(120) < 0.6).astype(float)
    return time, event, rng.normal(size=(120, 3)), np.array([0.4, -0.7, 0.2])


def tensors(*arrays):
    return [torch.tensor(array, dtype=torch.float64) for array in arrays]


@pytest.mark.parametrize("scale", [0.0, 1.0, 6.0])
def test_the_partial_likelihood_and_its_gradient_are_those_of_statsmodels(rows, scale):
    time, event, columns, beta = rows
    model = PHReg(time, columns, status=event, ties="efron")
    weights = torch.tensor(scale * beta, requires_grad=True)
    x, t, e = tensors(columns, time, event)
    found = log_partial_likelihood(x @ weights, t, e)
    found.backward()
    assert found.item() == pytest.approx(model.loglike(scale * beta), abs=1e-9)
    assert weights.grad.numpy() == pytest.approx(model.score(scale * beta), abs=1e-8)


def test_the_partial_likelihood_of_lung_is_rs(shared_data):
    """At R's coefficients of age, sex and ph.ecog: log-likelihood -729.2301, slope 0."""
    import csv

    with (shared_data / "reference_tables" / "lung.csv").open(encoding="utf-8") as file:
        known = [row for row in csv.DictReader(file) if row["ph.ecog"] != "NA"]
    columns = [[float(row[name]) for name in ("age", "sex", "ph.ecog")] for row in known]
    time, event = ([float(row[name]) for row in known] for name in ("time", "status"))
    x, t, e = tensors(columns, time, np.array(event) == 2)
    beta = torch.tensor([0.01106676, -0.5526124, 0.46372848]).double().requires_grad_()
    found = log_partial_likelihood(x @ beta, t, e)
    found.backward()
    assert found.item() == pytest.approx(-729.230121374862, abs=1e-6)
    assert beta.grad.numpy() == pytest.approx(np.zeros(3), abs=1e-2)
    theirs = PHReg(np.array(time), np.array(columns), status=np.array(event) == 2, ties="efron")
    assert found.item() == pytest.approx(theirs.loglike(beta.detach().numpy()), abs=1e-9)


def test_the_cox_loss_is_the_likelihood_over_the_rows(rows):
    time, event, columns, beta = rows
    target = np.c_[time, event]
    task = fit_task(SPEC, (), target, COX)
    logits = torch.tensor((columns @ beta)[:, None], dtype=torch.float32)
    theirs = PHReg(time, columns, status=event, ties="efron").loglike(beta)
    loss = task.loss(logits, torch.tensor(target, dtype=torch.float32))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(-theirs / 120, abs=1e-6)
    shifted = task.loss(logits + 5, torch.tensor(target, dtype=torch.float32))
    assert float(shifted) == pytest.approx(float(loss), abs=1e-6)


@pytest.mark.parametrize("training", [COX, DISCRETE])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_losses_and_gradients_are_finite_at_the_edges(rows, training, dtype):
    task = fit_task(SPEC, (), np.c_[rows[:2]], training)
    for target in (
        [[3.0, 1.0]],
        [[3.0, 0.0]],
        [[0.0, 1.0], [0.0, 0.0]],
        [[4.0, 1.0]] * 5,
        [[4.0, 0.0]] * 5,
        [[1e6, 1.0], [2.0, 1.0]],
    ):
        for size in (0.0, 1.0, 300.0):
            logits = (size * torch.randn(len(target), task.outputs)).to(dtype).requires_grad_()
            loss = task.loss(logits, torch.tensor(target))
            loss.backward()
            assert torch.isfinite(loss)
            assert torch.isfinite(logits.grad).all()


def test_the_interval_likelihood_is_that_of_the_paper(rows):
    time, event, *_ = rows
    cuts = np.array([2.0, 4.0, 7.0, 15.0])
    logits = np.random.default_rng(2).normal(size=(120, 4))
    hazard, starts, expected = 1 / (1 + np.exp(-logits)), np.r_[0, cuts[:-1]], []
    for row in range(120):
        value = 0.0
        for k in range(4):
            if event[row] and starts[k] < time[row] <= cuts[k]:
                value += np.log(hazard[row, k])
            reached = cuts[k] if event[row] else (starts[k] + cuts[k]) / 2
            through = time[row] > reached if event[row] else time[row] >= reached
            value += np.log(1 - hazard[row, k]) * through
        expected.append(value)
    found = log_interval_likelihood(*tensors(logits, time, event, cuts))
    assert found.numpy() == pytest.approx(expected, abs=1e-12)


def test_hazards_at_the_base_give_the_kaplan_meier_curve():
    """Without censoring, outputs of 0 predict the share of training rows that live longer."""
    time = np.arange(1.0, 1001.0)
    task = fit_task(SPEC, (), np.c_[time, np.ones(1000)], DISCRETE)
    predicted = task.predictions(torch.zeros(1, task.outputs))[0, 1:]
    observed = [(time > at).mean() for at in task.times]
    assert predicted == pytest.approx(observed, abs=0.012)


@pytest.mark.parametrize("training", [COX, DISCRETE])
def test_survival_never_rises_and_follows_the_risk(rows, training):
    target = np.c_[rows[:2]]
    task = fit_task(SPEC, (), target, training)
    logits = 3 * torch.randn(120, task.outputs, generator=torch.Generator().manual_seed(0))
    task = task.after_training(logits, target)
    assert task.ready
    found = task.predictions(logits)
    assert found.shape == (120, len(task.columns))
    assert task.columns[0] == "risk"
    survival = found[:, 1:]
    assert (np.diff(survival, axis=1) <= 0).all()
    assert ((survival >= 0) & (survival <= 1)).all()
    raised = task.predictions(logits + 1)
    assert (raised[:, 0] > found[:, 0]).all()
    assert (raised[:, 1:] <= survival).all()
    extreme = task.predictions(torch.full((2, task.outputs), 1e4) * torch.tensor([[1.0], [-1.0]]))
    assert np.isfinite(extreme).all()


def test_the_baseline_is_breslows(rows):
    time, event, columns, beta = rows
    risk = columns @ beta
    moments, log = breslow(risk, time, event)
    total, expected = 0.0, []
    for moment in moments:
        died = ((time == moment) & (event == 1)).sum()
        total += died / np.exp(risk[time >= moment]).sum()
        expected.append(total)
    assert np.exp(log) == pytest.approx(expected, rel=1e-12)
    task = fit_task(SPEC, (), np.c_[time, event], COX)
    assert not task.ready
    assert task.columns == ["risk"]
    logits = torch.tensor(risk[:, None])
    assert task.predictions(logits).shape == (120, 1)
    task = task.after_training(logits, np.c_[time, event])
    found = task.predictions(logits)
    for place, at in enumerate(task.times, start=1):
        own = np.exp(-expected[np.searchsorted(moments, at, side="right") - 1] * np.exp(risk))
        assert found[:, place] == pytest.approx(own, rel=1e-9)
    assert found[:, 0].mean() == pytest.approx(0, abs=1e-12)


def test_a_baseline_stands_risks_without_bounds(rows):
    time, event, *_ = rows
    task = fit_task(SPEC, (), np.c_[time, event], COX)
    for size in (1e3, -1e3, 1e30):
        logits = size * torch.linspace(-1, 1, 120)[:, None]
        done = task.after_training(logits, np.c_[time, event])
        json.dumps(done.to_json(), allow_nan=False)
        found = done.predictions(logits)
        assert np.isfinite(found).all()
        assert (np.diff(found[:, 1:], axis=1) <= 0).all()


@pytest.mark.parametrize("training", [COX, DISCRETE])
def test_a_survival_task_is_kept_as_json(rows, training):
    target = np.c_[rows[:2]]
    task = fit_task(SurvivalTarget(time="t", event="e", horizons=(2.5, 10.0)), (), target, training)
    assert task.horizons == (2.5, 10.0)
    assert {"survival_2.5", "survival_10"} <= {*task.follow_up(target).columns}
    logits = torch.randn(120, task.outputs)
    for each in (task, task.after_training(logits, target)):
        again = task_from_json(json.loads(json.dumps(each.to_json())))
        assert again == each
        assert type(again) is type(each)
        assert (again.predictions(logits) == each.predictions(logits)).all()


def test_a_loss_of_other_targets_is_refused():
    text = """
data:
  table: a.csv
  id: p
  numeric: [age]
  target: {kind: %s}
  split: {kind: grouped}
training: {loss: {kind: %s}}
"""
    good = Experiment.from_yaml_text(text % ("survival, time: t, event: e", "discrete-time"))
    assert good.training.loss == DiscreteTimeLoss()
    assert good.monitor == "val/c_index"
    assert CoxLoss().targets == ("survival",)
    with pytest.raises(SpecError, match="cox does not fit a binary target"):
        Experiment.from_yaml_text(text % ("binary, column: y", "cox"))
    with pytest.raises(
        SpecError, match=r"focal does not fit a survival target.*cox, discrete-time"
    ):
        Experiment.from_yaml_text(text % ("survival, time: t, event: e", "focal"))
