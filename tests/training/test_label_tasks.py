"""Tasks of labels, ordered classes and several targets: masks, weights, what they keep."""

import json

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import log_loss
from torch import nn

from medfusion import spec
from medfusion.errors import SpecError
from medfusion.models.heads import MLPHead
from medfusion.training.tasks import fit_task, task_from_json

NAN = float("nan")
LABELS = spec.MultilabelTarget(columns=("a", "b"))
GRADES = spec.OrdinalTarget(column="g")


def several(weights=None):
    return spec.MultitaskTarget(
        tasks={
            "death": spec.BinaryTarget(column="d"),
            "grade": GRADES,
            "signs": LABELS,
            "stay": spec.RegressionTarget(column="y"),
            "relapse": spec.SurvivalTarget(time="t", event="e"),
        },
        weights={} if weights is None else weights,
    )


CLASSES = ("death/no", "death/yes", "grade/1", "grade/2", "grade/3", "signs/a", "signs/b")


@pytest.fixture
def target():
    random = np.random.default_rng(2)
    values = np.column_stack(
        [
            random.integers(0, 2, 50),
            random.integers(0, 3, 50),
            random.integers(0, 2, (50, 2)),
            random.normal(size=50),
            random.random(50) + 0.1,
            random.integers(0, 2, 50),
        ]
    ).astype(float)
    values[random.random((50, 7)) < 0.2] = np.nan
    return values


def test_unknown_labels_have_no_part_in_the_loss():
    known = np.array([[1.0, 0.0], [0.0, NAN], [NAN, NAN]])
    task = fit_task(LABELS, ("a", "b"), known, spec.Training())
    logits = torch.tensor([[0.5, -1.0], [2.0, 7.0], [9.0, -9.0]], requires_grad=True)
    loss = task.loss(logits, torch.tensor(known))
    there = ~np.isnan(known)
    expected = log_loss(known[there], expit(logits.detach().numpy())[there])
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert ((logits.grad != 0).numpy() == there).all()


def test_a_batch_without_any_label_has_no_loss_and_no_gradient():
    task = fit_task(LABELS, ("a", "b"), np.eye(2), spec.Training())
    logits = torch.randn(1, 2, requires_grad=True)
    loss = task.loss(logits, torch.full((1, 2), NAN))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


def test_balanced_labels_weigh_yes_and_no_alike():
    known = np.array([[1, 1], [0, 1], [0, NAN], [0, 1], [NAN, 0]])
    task = fit_task(LABELS, ("a", "b"), known, spec.Training(class_weights="balanced"))
    assert task.label_weights[0] == pytest.approx((4 / 2 / 3, 4 / 2 / 1))
    assert task.label_weights[1] == pytest.approx((4 / 2 / 1, 4 / 2 / 3))
    given = fit_task(LABELS, ("a", "b"), known, spec.Training(class_weights=(3.0, 1.0)))
    assert given.label_weights == ((1.0, 3.0), (1.0, 1.0))
    with pytest.raises(SpecError, match="3 values for 2 labels"):
        fit_task(LABELS, ("a", "b"), known, spec.Training(class_weights=(1.0, 1.0, 1.0)))


def test_a_label_of_one_value_is_not_weighed():
    known = np.array([[1.0, 0.0], [0.0, 0.0]])
    task = fit_task(LABELS, ("a", "b"), known, spec.Training(class_weights="balanced"))
    assert task.label_weights[1] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [(None, 2), (spec.CornLoss(), 2), (spec.CoralLoss(), 1), (spec.CrossEntropyLoss(), 3)],
)
def test_ordered_classes_have_the_outputs_of_their_loss(loss, outputs):
    rank = np.array([0, 1, 2, 2])
    task = fit_task(GRADES, ("1", "2", "3"), rank, spec.Training(loss=loss))
    assert task.outputs == outputs
    extension = task.extension() or nn.Identity()
    logits = extension(torch.randn(4, outputs, requires_grad=True))
    task.loss(logits, torch.tensor(rank)).backward()
    predicted = task.predictions(logits)
    assert predicted.shape == (4, 3)
    assert predicted.sum(axis=1) == pytest.approx(1)
    again = task_from_json(json.loads(json.dumps(task.to_json())))
    assert again == task
    assert (again.predictions(logits) == predicted).all()


def test_each_task_is_its_own_task_on_the_rows_that_have_it(target):
    task = fit_task(several({"stay": 3.0}), CLASSES, target, spec.Training())
    logits = torch.randn(50, task.outputs)
    parts = task.parts(logits, torch.tensor(target))
    assert list(parts) == [f"{name}/loss" for name in several().tasks]
    known = ~np.isnan(target[:, 0])
    alone = fit_task(
        spec.BinaryTarget(column="d"), ("no", "yes"), target[known, 0].astype(int), spec.Training()
    )
    expected = alone.loss(logits[known, :1], torch.tensor(target[known, 0]).long())
    assert float(parts["death/loss"]) == pytest.approx(float(expected))
    known = ~np.isnan(target[:, 4])
    alone = fit_task(spec.RegressionTarget(column="y"), (), target[known, 4], spec.Training())
    expected = 3 * alone.loss(logits[known, 5:6], torch.tensor(target[known, 4]))
    assert float(parts["stay/loss"]) == pytest.approx(float(expected), rel=1e-5)
    assert float(task.loss(logits, torch.tensor(target))) == pytest.approx(
        sum(float(part) for part in parts.values()), rel=1e-5
    )


def test_a_row_without_a_target_has_no_gradient_from_its_task(target):
    task = fit_task(several(), CLASSES, target, spec.Training())
    logits = torch.randn(50, task.outputs, requires_grad=True)
    task.loss(logits, torch.tensor(target)).backward()
    without = np.isnan(target[:, 0])
    assert not logits.grad[without, 0].any()
    assert logits.grad[~without, 0].all()


@pytest.mark.parametrize("rows", [1, 3])
def test_a_batch_without_any_target_has_no_loss(target, rows):
    task = fit_task(several(), CLASSES, target, spec.Training())
    logits = torch.randn(rows, task.outputs, requires_grad=True)
    loss = task.loss(logits, torch.full((rows, 7), NAN))
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


def test_learnt_weights_are_those_of_the_paper(target):
    task = fit_task(several("uncertainty"), CLASSES, target, spec.Training())
    fixed = fit_task(several(), CLASSES, target, spec.Training())
    extension = task.extension()
    with torch.no_grad():
        extension.log_variance += torch.tensor([0.5, -0.3, 0.0, 1.0, 0.2])
    outputs = torch.randn(50, task.outputs)
    rows = torch.tensor(target)
    plain = fixed.parts(outputs, rows)
    loss = task.loss(extension(outputs), rows)
    s = extension.log_variance
    share = torch.tensor([1.0, 1.0, 1.0, 0.5, 1.0])
    expected = (share * torch.exp(-s) * torch.stack(list(plain.values())) + s / 2).sum()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    (found,) = torch.autograd.grad(loss, extension.log_variance)
    (wanted,) = torch.autograd.grad(expected, extension.log_variance)
    assert torch.allclose(found, wanted, rtol=1e-4)


def test_learnt_weights_find_the_noise_of_a_task():
    random = np.random.default_rng(0)
    tasks = {name: spec.RegressionTarget(column=name) for name in "ab"}
    target = random.normal(size=(400, 2))
    both = spec.MultitaskTarget(tasks=tasks, weights="uncertainty")
    task = fit_task(both, (), target, spec.Training())
    extension = task.extension()
    outputs = torch.zeros(400, 2)
    outputs[:, 1] = torch.tensor((target[:, 1] - target[:, 1].mean()) / target[:, 1].std()) * 0.9
    optimizer = torch.optim.Adam(extension.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        task.loss(extension(outputs), torch.tensor(target)).backward()
        optimizer.step()
    # the variances of what is left: 1 and 0.1 squared
    assert extension.log_variance.detach().exp().numpy() == pytest.approx([1.0, 0.01], rel=0.05)


def test_several_tasks_survive_json(target):
    settings = spec.Training(
        loss=spec.PerTaskLoss(losses={"grade": spec.CoralLoss(), "signs": spec.AsymmetricLoss()}),
        class_weights=spec.EffectiveNumber(beta=0.9),
    )
    task = fit_task(several("uncertainty"), CLASSES, target, settings)
    again = task_from_json(json.loads(json.dumps(task.to_json())))
    assert again == task
    logits = task.extension()(torch.randn(5, task.outputs))
    assert (again.predictions(logits) == task.predictions(logits)).all()
    assert task.predictions(logits).shape == (5, len(task.columns))
    assert task.columns[:3] == ["death/prob_no", "death/prob_yes", "grade/prob_1"]


def test_half_precision_outputs_give_full_precision_logits(target):
    task = fit_task(several("uncertainty"), CLASSES, target, spec.Training())
    logits = task.extension()(torch.randn(50, task.outputs, dtype=torch.bfloat16))
    assert logits.dtype == torch.float32
    assert bool(torch.isfinite(task.loss(logits, torch.tensor(target)).detach()))


def test_the_head_with_hidden_layers_learns_what_a_line_cannot():
    torch.manual_seed(0)
    x = torch.randn(256, 2)
    y = (x[:, 0] * x[:, 1] > 0).float()
    head = MLPHead(spec.MLPHead(hidden=(32, 16), dropout=0.0), width=2, outputs=1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(head(x)[:, 0], y).backward()
        optimizer.step()
    assert ((head(x)[:, 0] > 0) == (y > 0)).float().mean() > 0.9
