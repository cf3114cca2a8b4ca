"""Confident learning against its definition, written out in plain loops."""

import numpy as np
import pytest

from medfusion.evaluation.label_quality import LIMIT, label_quality, residuals


def by_definition(labels, probabilities):
    """Thresholds, confident joint, off-diagonal rows and noise by section 3 of arXiv:1911.00068."""
    classes = len(probabilities[0])
    thresholds = []
    for j in range(classes):
        own = [p[j] for p, label in zip(probabilities, labels, strict=True) if label == j]
        thresholds.append(sum(own) / len(own) if own else float("inf"))
    joint = [[0] * classes for _ in range(classes)]
    off = []
    for p, label in zip(probabilities, labels, strict=True):
        reached = [j for j in range(classes) if p[j] >= thresholds[j] - 1e-12]
        if not reached:
            off.append(False)
            continue
        largest = max(p[j] for j in reached)
        best = [j for j in reached if p[j] == largest]
        j = label if label in best else best[0]
        joint[label][j] += 1
        off.append(j != label)
    wrong = 0.0
    for i in range(classes):
        size, counted = sum(label == i for label in labels), sum(joint[i])
        if counted:
            wrong += size * (counted - joint[i][i]) / counted
    return thresholds, joint, off, wrong / len(labels)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("n", [1, 5, 200])
def test_as_defined(classes, n):
    rng = np.random.default_rng(classes * 1000 + n)
    probabilities = rng.dirichlet(np.full(classes, 0.5), n)
    labels = np.array([rng.choice(classes, p=p) for p in probabilities])
    found = label_quality(labels, probabilities)
    thresholds, joint, off, noise = by_definition(labels.tolist(), probabilities.tolist())
    np.testing.assert_allclose(found.thresholds, thresholds)
    assert found.joint.tolist() == joint
    assert found.suspect.tolist() == off
    assert found.noise == pytest.approx(noise)
    for row in range(n):
        others = [probabilities[row, j] for j in range(classes) if j != labels[row]]
        assert found.margin[row] == pytest.approx(probabilities[row, labels[row]] - max(others))
        assert found.confidence[row] == probabilities[row, labels[row]]
        assert found.suggested[row] != labels[row]


def test_the_known_noise_is_estimated():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 30_000)
    probabilities = np.full((len(truth), 3), 0.04)
    probabilities[np.arange(len(truth)), truth] = 0.92
    labels = truth.copy()
    flipped = rng.random(len(truth)) < 0.08
    labels[flipped] = (truth[flipped] + 1) % 3
    found = label_quality(labels, probabilities)
    assert found.suspect.tolist() == flipped.tolist()
    assert found.noise == pytest.approx(0.08, abs=0.005)
    assert (found.suggested[flipped] == truth[flipped]).all()


def test_no_rows_and_no_differences():
    empty = label_quality(np.zeros(0, np.int64), np.zeros((0, 2)))
    assert len(empty.margin) == 0
    assert np.isnan(empty.noise)
    even = label_quality(np.array([0, 1, 1]), np.full((3, 2), 0.5))
    assert not even.suspect.any()


def test_residuals_are_in_robust_standard_deviations():
    rng = np.random.default_rng(1)
    predicted = rng.normal(50, 10, 2000)
    given = predicted + 3 + rng.normal(0, 2, 2000)
    given[:5] += 40
    found = residuals(given, predicted)
    assert found.spread == pytest.approx(2, rel=0.1)
    assert found.suspect[:5].all()
    assert found.suspect[5:].mean() < 0.002
    assert (np.abs(found.distance[found.suspect]) > LIMIT).all()
    assert not residuals(np.ones(4), np.ones(4)).suspect.any()
    assert len(residuals(np.zeros(0), np.zeros(0)).distance) == 0
