"""What an ensemble predicts is the mean of what its members predict, whatever the target."""

import numpy as np
import pytest
import torch

from medfusion import spec
from medfusion.training import ensemble
from medfusion.training.tasks import fit_task

TIMES = np.column_stack([np.arange(1.0, 41.0), np.arange(40) % 3 > 0]).astype(float)
TASKS = {
    "binary": (spec.BinaryTarget(column="y"), ("n", "y"), np.array([0, 1]), None),
    "multiclass": (spec.MulticlassTarget(column="y"), ("a", "b", "c"), np.array([0, 1, 2]), None),
    "regression": (spec.RegressionTarget(column="y"), (), np.array([1.0, 5.0]), None),
    "multilabel": (spec.MultilabelTarget(columns=("a", "b")), ("a", "b"), np.eye(2), None),
    "corn": (spec.OrdinalTarget(column="y"), ("1", "2", "3"), np.arange(3), spec.CornLoss()),
    "coral": (spec.OrdinalTarget(column="y"), ("1", "2", "3"), np.arange(3), spec.CoralLoss()),
    "ordinal": (spec.OrdinalTarget(column="y"), ("1", "2", "3"), np.arange(3),
                spec.CrossEntropyLoss()),
    "discrete-time": (spec.SurvivalTarget(time="t", event="e"), (), TIMES,
                      spec.DiscreteTimeLoss(intervals=5)),
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_the_mean_of_the_members_predictions(name):
    target, classes, values, loss = TASKS[name]
    task = fit_task(target, classes, values, spec.Training(loss=loss))
    torch.manual_seed(0)
    outputs = 3 * torch.randn(20, 4, task.outputs)
    extension = task.extension()
    if extension is not None:
        outputs = extension(outputs.flatten(0, 1)).detach().unflatten(0, (20, 4))
    each = [task.predictions(outputs[:, i]) for i in range(4)]
    found = task.predictions(task.combine(outputs))
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-4, atol=1e-5)


def test_sure_members_stay_finite():
    sure = torch.tensor([[[60.0, 80.0, -90.0], [90.0, -500.0, 90.0]]])
    for combine in (ensemble.of_labels, ensemble.of_classes, ensemble.of_steps):
        assert combine(sure).isfinite().all()
    np.testing.assert_allclose(
        torch.sigmoid(ensemble.of_steps(sure)).cumprod(dim=1), [[1.0, 0.5, 0.0]], atol=1e-6
    )
    one = torch.randn(5, 1, 3)
    torch.testing.assert_close(ensemble.of_steps(one), one[:, 0], rtol=1e-4, atol=1e-4)
