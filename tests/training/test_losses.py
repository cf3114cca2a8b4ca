"""Losses against independent computations; finite for any logit, in half precision too."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.metrics import log_loss

from medfusion import spec
from medfusion.errors import SpecError
from medfusion.spec.loss import losses_for, misfit
from medfusion.training.losses import Coral, Corn, make_loss
from medfusion.training.tasks.class_weights import effective_weights

RANDOM = np.random.default_rng(3)
LOGITS = RANDOM.normal(scale=2, size=(40, 5))
LABELS = RANDOM.integers(0, 2, size=(40, 5)).astype(float)
INDEX = RANDOM.integers(0, 5, size=40)

LABEL_LOSSES = [
    spec.CrossEntropyLoss(label_smoothing=0.2),
    spec.FocalLoss(gamma=0.5, alpha=0.3),
    spec.FocalLoss(gamma=2.0),
    spec.AsymmetricLoss(),
    spec.AsymmetricLoss(gamma_positive=1.0, gamma_negative=0.5, clip=0.0),
    spec.AsymmetricLoss(gamma_negative=0.5),
]


def of_labels(settings, logits=LOGITS, labels=LABELS):
    return make_loss(settings).of_labels(torch.tensor(logits), torch.tensor(labels)).numpy()


def of_classes(settings):
    return make_loss(settings).of_classes(torch.tensor(LOGITS), torch.tensor(INDEX)).numpy()


def test_cross_entropy_is_sklearns_log_loss():
    each = of_labels(spec.CrossEntropyLoss())
    assert each.mean() == pytest.approx(log_loss(LABELS.ravel(), expit(LOGITS).ravel()))
    found = of_classes(spec.CrossEntropyLoss()).mean()
    assert found == pytest.approx(log_loss(INDEX, softmax(LOGITS, axis=1), labels=range(5)))


def test_smoothed_targets_are_spread_over_all_classes():
    target = np.eye(5)[INDEX] * 0.7 + 0.3 / 5
    expected = -(target * log_softmax(LOGITS, axis=1)).sum(axis=1)
    assert of_classes(spec.CrossEntropyLoss(label_smoothing=0.3)) == pytest.approx(expected)
    wanted = LABELS * 0.7 + 0.15
    binary = -(wanted * log_expit(LOGITS) + (1 - wanted) * log_expit(-LOGITS))
    assert of_labels(spec.CrossEntropyLoss(label_smoothing=0.3)) == pytest.approx(binary)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.0, 0.25), (1.5, None), (0.5, 0.7)])
def test_the_focal_loss_is_torchvisions(gamma, alpha):
    from torchvision.ops import sigmoid_focal_loss

    expected = sigmoid_focal_loss(
        torch.tensor(LOGITS),
        torch.tensor(LABELS),
        alpha=-1 if alpha is None else alpha,
        gamma=gamma,
    )
    assert of_labels(spec.FocalLoss(gamma=gamma, alpha=alpha)) == pytest.approx(expected.numpy())


def test_the_focal_loss_of_classes_follows_its_formula():
    p = softmax(LOGITS, axis=1)[np.arange(40), INDEX]
    expected = -((1 - p) ** 1.7) * np.log(p)
    assert of_classes(spec.FocalLoss(gamma=1.7)) == pytest.approx(expected)
    plain = of_classes(spec.CrossEntropyLoss())
    assert of_classes(spec.FocalLoss(gamma=0.0)) == pytest.approx(plain)


@pytest.mark.parametrize("clip", [0.0, 0.05, 0.3])
def test_the_asymmetric_loss_follows_its_formula(clip):
    p = expit(LOGITS)
    q = np.maximum(p - clip, 0)
    expected = -np.where(LABELS == 1, (1 - p) ** 1.0 * np.log(p), q**3.0 * np.log1p(-q))
    settings = spec.AsymmetricLoss(gamma_positive=1.0, gamma_negative=3.0, clip=clip)
    assert of_labels(settings) == pytest.approx(expected)


def test_losses_of_numbers_follow_their_formulas():
    output, wanted = torch.tensor([0.3, -4.0, 2.0]), torch.tensor([0.0, 1.0, 2.0])
    error = np.abs((output - wanted).numpy())

    def each(settings):
        return make_loss(settings).of_numbers(output, wanted).numpy()

    assert each(spec.SquaredLoss()) == pytest.approx(error**2)
    assert each(spec.AbsoluteLoss()) == pytest.approx(error)
    huber = np.where(error <= 0.8, error**2 / 2, 0.8 * (error - 0.4))
    assert each(spec.HuberLoss(delta=0.8)) == pytest.approx(huber)


def corn_by_hand(logits, rank, weights):
    """The paper's conditional training sets, row by row."""
    total = cases = 0.0
    for row, (z, y) in enumerate(zip(logits, rank, strict=True)):
        for k, value in enumerate(z):
            if y >= k:
                chance = 1 / (1 + np.exp(-value))
                total -= weights[row] * np.log(chance if y > k else 1 - chance)
                cases += weights[row]
    return total / cases


@pytest.mark.parametrize("weighted", [False, True])
def test_corn_follows_the_paper(weighted):
    logits = RANDOM.normal(size=(30, 3))
    rank = RANDOM.integers(0, 4, size=30)
    weights = RANDOM.random(30) + 0.1 if weighted else np.ones(30)
    found = Corn(spec.CornLoss()).of_ranks(*map(torch.tensor, (logits, rank, weights)))
    assert float(found) == pytest.approx(corn_by_hand(logits, rank, weights))


def test_coral_follows_the_paper():
    loss = Coral(spec.CoralLoss())
    extension = loss.extension(4)
    score, rank = torch.randn(12, 1), torch.randint(0, 4, (12,))
    logits = extension(score).detach()
    level = (rank[:, None] > torch.arange(3)).numpy()
    expected = -(log_expit(logits.numpy()) * level + log_expit(-logits.numpy()) * ~level)
    found = loss.of_ranks(logits, rank, torch.ones(12))
    assert float(found) == pytest.approx(expected.sum(axis=1).mean(), rel=1e-5)
    assert bool((extension.bias.diff() < 0).all())


@pytest.mark.parametrize("settings", [spec.CornLoss(), spec.CoralLoss(), spec.CrossEntropyLoss()])
def test_probabilities_of_ordered_classes_are_probabilities_for_any_logits(settings):
    loss = make_loss(settings)
    width = 4 if settings.kind == "cross-entropy" else 3
    logits = torch.randn(50, width, dtype=torch.float64) * 30
    logits[0] = torch.tensor([-1e4, 1e4, 0.0, 1e4])[:width]
    prob = loss.probabilities(logits).numpy()
    assert prob.shape == (50, 4)
    assert (prob >= 0).all()
    assert prob.sum(axis=1) == pytest.approx(1)


def test_corn_calls_what_its_paper_calls():
    from medfusion.evaluation.ordinal import called_rank

    logits = torch.randn(200, 3, dtype=torch.float64)
    chance = torch.cumprod(torch.sigmoid(logits), dim=1)
    expected = (chance > 0.5).sum(dim=1).numpy()
    assert (called_rank(Corn(spec.CornLoss()).probabilities(logits)) == expected).all()


@pytest.mark.parametrize("settings", LABEL_LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_labels_have_finite_losses_and_gradients_for_any_logit(settings, dtype):
    extreme = [-1e4, -100.0, -20.0, -1e-3, 0.0, 1e-3, 20.0, 100.0, 1e4]
    for label in (0.0, 1.0):
        logits = torch.tensor(extreme, dtype=dtype, requires_grad=True)
        found = make_loss(settings).of_labels(logits, torch.full((9,), label, dtype=dtype))
        found.sum().backward()
        assert bool(torch.isfinite(found).all())
        assert bool(torch.isfinite(logits.grad).all())
        assert bool((found >= 0).all())


@pytest.mark.parametrize(
    "settings", [spec.FocalLoss(gamma=0.5), spec.CrossEntropyLoss(label_smoothing=0.1)], ids=repr
)
def test_classes_have_finite_losses_and_gradients_for_any_logit(settings):
    logits = torch.tensor([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], requires_grad=True)
    for index in ([0, 1], [2, 0]):
        found = make_loss(settings).of_classes(logits, torch.tensor(index))
        found.sum().backward()
        assert bool(torch.isfinite(found).all())
        assert bool(torch.isfinite(logits.grad).all())


@pytest.mark.parametrize("settings", [spec.CornLoss(), spec.CoralLoss()], ids=repr)
def test_ordered_classes_have_finite_losses_for_any_logit(settings):
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    for rank in ([0, 0], [2, 2], [0, 2]):
        found = make_loss(settings).of_ranks(logits, torch.tensor(rank), torch.ones(2))
        found.backward()
        assert bool(torch.isfinite(found))
        assert bool(torch.isfinite(logits.grad).all())


def test_effective_numbers_are_those_of_the_paper():
    counts = np.array([1.0, 10.0, 1000.0])
    for beta in (0.0, 0.9, 0.9999):
        effective = np.array([sum(beta**j for j in range(int(n))) for n in counts])
        assert effective_weights(counts, beta) == pytest.approx(1 / effective)
    assert np.isfinite(effective_weights(np.array([0.0, 5.0]), 0.99)).all()


def test_a_loss_that_does_not_fit_is_told_with_those_that_do():
    assert losses_for("binary") == ["cross-entropy", "focal"]
    assert "losses that fit: cross-entropy, corn, coral" in misfit(spec.FocalLoss(), "ordinal")
    assert "class_weights" in misfit(spec.FocalLoss(alpha=0.3), "multiclass")
    text = """
medfusion: 1
data:
  table: t.csv
  id: id
  numeric: [age]
  target: {kind: regression, column: y}
  split: {kind: grouped}
training:
  loss: {kind: focal}
"""
    with pytest.raises(SpecError, match=r"line 10: training\.loss: focal does not fit") as caught:
        spec.Experiment.from_yaml_text(text)
    assert "losses that fit: mse, huber, l1" in str(caught.value)
