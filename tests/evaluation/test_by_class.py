import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from medfusion.evaluation.by_class import MOST, class_metrics
from medfusion.evaluation.mistakes import most_wrong, wrongness


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def chances(rng, n, classes):
    found = rng.random((n, classes)) + 0.01
    return found / found.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classes_equal_scikit_learn(rng, classes):
    names = [f"c{index}" for index in range(classes)]
    target, prediction = rng.integers(0, classes, 200), chances(rng, 200, classes)
    kind = "binary" if classes == 2 else "multiclass"
    found = class_metrics(kind, names, target, prediction)
    recall = recall_score(target, prediction.argmax(axis=1), average=None)
    assert list(found["sensitivity"].values()) == pytest.approx(recall.tolist())
    if kind == "binary":
        assert "auc" not in found
        return
    for place, name in enumerate(names):
        wanted = roc_auc_score(target == place, prediction[:, place])
        assert found["auc"][name] == pytest.approx(wanted)


def test_unknown_labels_and_absent_classes_are_left_out():
    target = np.array([[1.0, np.nan], [0.0, np.nan], [np.nan, 1.0]])
    prediction = np.array([[0.9, 0.1], [0.2, 0.1], [0.1, 0.4]])
    assert class_metrics("multilabel", ["a", "b"], target, prediction) == {
        "auc": {"a": 1.0},
        "sensitivity": {"a": 1.0, "b": 0.0},
    }
    assert class_metrics("regression", [], np.zeros(3), np.zeros((3, 1))) == {}
    many = [str(index) for index in range(MOST + 1)]
    assert class_metrics("multiclass", many, np.zeros(3), np.ones((3, MOST + 1))) == {}


def test_the_worst_come_first_and_say_what_was_said(rng):
    target, prediction = rng.integers(0, 3, 50), chances(rng, 50, 3)
    ids = [f"case {row}" for row in range(50)]
    found = most_wrong("multiclass", "abc", ids, ["val"] * 50, target, prediction, count=10)
    wrong = [1 - prediction[row, target[row]] for row in range(50)]
    assert [one.wrong for one in found] == pytest.approx(sorted(wrong, reverse=True)[:10], abs=1e-6)
    for one in found:
        row = ids.index(one.id)
        assert one.truth == "abc"[target[row]]
        assert one.said == "abc"[prediction[row].argmax()]


def test_numbers_and_labels():
    found = most_wrong(
        "regression", (), "ab", ["val"] * 2, np.array([1.0, 5.0]), np.array([[2.0], [1.0]])
    )
    assert [(one.id, one.truth, one.said, one.wrong) for one in found] == [
        ("b", "5", "1", 4.0), ("a", "1", "2", 1.0),
    ]  # fmt: skip
    target = np.array([[1.0, np.nan], [0.0, 0.0]])
    chance = np.array([[0.75, 1.0], [0.1, 0.9]])
    found = most_wrong("multilabel", ["x", "y"], "ab", ["val"] * 2, target, chance)
    assert [(one.id, one.truth, one.said, one.wrong) for one in found] == [
        ("b", "not y", "y", 0.9), ("a", "x", "x", 0.25),
    ]  # fmt: skip
    assert wrongness("survival", np.zeros((2, 2)), np.zeros((2, 1))) is None
    assert most_wrong("binary", "ab", [], [], np.zeros(0, int), np.zeros((0, 2))) == []
