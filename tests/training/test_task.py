"""Losses against their formulas; predictions in the target's own unit."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from medfusion.errors import SpecError
from medfusion.spec import BinaryTarget, MulticlassTarget, RegressionTarget, Training
from medfusion.training.tasks import fit_task, task_from_json

TARGETS = {
    "binary": BinaryTarget(column="y"),
    "multiclass": MulticlassTarget(column="y"),
    "regression": RegressionTarget(column="y"),
}


def test_binary_loss_is_the_cross_entropy():
    task = fit_task(TARGETS["binary"], ("no", "yes"), np.array([0, 0, 0, 1]), Training())
    logits, target = torch.tensor([[0.3], [-1.0], [2.0]]), torch.tensor([1, 0, 1])
    p = 1 / (1 + np.exp(-logits[:, 0].numpy()))
    expected = -np.mean([np.log(p[0]), np.log(1 - p[1]), np.log(p[2])])
    assert float(task.loss(logits, target)) == pytest.approx(expected, rel=1e-6)
    predicted = task.predictions(logits)
    assert predicted.shape == (3, 2)
    assert predicted[:, 1] == pytest.approx(p)
    assert predicted.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_balanced_weights_are_inverse_to_frequency(kind):
    classes = ("a", "b") if kind == "binary" else ("a", "b", "c")
    target = np.array([0] * 6 + [1] * 3 + [len(classes) - 1])
    task = fit_task(TARGETS[kind], classes, target, Training(class_weights="balanced"))
    oracle = compute_class_weight("balanced", classes=np.arange(len(classes)), y=target)
    assert task.class_weights == pytest.approx(oracle)


def test_binary_and_two_class_cross_entropy_weigh_alike():
    target = np.array([0, 0, 0, 1])
    settings = Training(class_weights=(1.0, 4.0))
    binary = fit_task(TARGETS["binary"], ("n", "y"), target, settings)
    multi = fit_task(TARGETS["multiclass"], ("n", "y"), target, settings)
    logits, wanted = torch.randn(8, 1), torch.randint(0, 2, (8,))
    two = torch.cat([torch.zeros(8, 1), logits], dim=1)
    assert float(binary.loss(logits, wanted)) == pytest.approx(
        float(multi.loss(two, wanted)), rel=1e-5
    )


def test_the_number_of_weights_is_checked():
    with pytest.raises(SpecError, match="3 values for 2 classes"):
        fit_task(
            TARGETS["binary"], ("n", "y"), np.array([0, 1]), Training(class_weights=(1.0, 2.0, 3.0))
        )


def test_a_regression_learns_on_its_own_scale_and_predicts_in_its_unit():
    target = np.array([10.0, 20.0, 30.0])
    task = fit_task(TARGETS["regression"], (), target, Training())
    logits = torch.tensor([[0.0], [1.0]])
    assert task.predictions(logits) == pytest.approx([20.0, 20.0 + target.std()])
    assert float(task.loss(logits, torch.tensor([20.0, 20.0]))) == pytest.approx(0.5)
    constant = fit_task(TARGETS["regression"], (), np.array([5.0, 5.0]), Training())
    assert constant.predictions(torch.zeros(1, 1)) == pytest.approx([5.0])


def test_a_task_survives_json():
    task = fit_task(
        TARGETS["multiclass"],
        ("a", "b", "c"),
        np.array([0, 1, 2, 2]),
        Training(class_weights="balanced"),
    )
    assert task_from_json(task.to_json()) == task
