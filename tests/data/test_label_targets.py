"""Reading labels, ordered classes and several tasks; their strata, checks and summaries."""

import numpy as np
import pytest

from medfusion import Experiment
from medfusion.data import Cohort
from medfusion.data.split import draw
from medfusion.data.table import read_table
from medfusion.data.targets import outcomes, read_target
from medfusion.errors import SplitError, TableError
from medfusion.spec import (
    BinaryTarget,
    MultilabelTarget,
    MultitaskTarget,
    OrdinalTarget,
    RegressionTarget,
    StratifiedGroupedSplit,
    SurvivalTarget,
)


@pytest.fixture
def target(tmp_path):
    """Read a target from the columns of a table: target(spec, a=[...], b=[...])."""

    def read(spec, **columns):
        path = tmp_path / "table.csv"
        rows = zip(*columns.values(), strict=True)
        lines = [",".join(("id", *columns)), *(",".join((f"r{i}", *r)) for i, r in enumerate(rows))]
        path.write_text("\n".join(lines) + "\n")
        table = read_table(path)
        return read_target(table, spec, table.text("id"))

    return read


def labels(*columns, **more):
    return MultilabelTarget(columns=columns, **more)


def test_labels_are_one_nought_or_unknown(target):
    found = target(labels("a", "b"), a=["1", "0", ""], b=["0.0", "", "1.0"])
    expected = np.array([[1, 0], [0, np.nan], [np.nan, 1]])
    assert np.array_equal(found.encode(("a", "b"), []), expected, equal_nan=True)
    assert found.classes(np.ones(3, dtype=bool)) == ("a", "b")


def test_the_values_of_all_labels_say_what_a_lone_value_means(target):
    found = target(labels("a", "b"), a=["no", "yes", "no"], b=["no", "no", "no"])
    assert found.labels[:, 1].tolist() == [0, 0, 0]
    found = target(labels("a", "b"), a=["absent", "present", ""], b=["0", "1", "1"])
    assert found.labels[1:, 1].tolist() == [1, 1]


def test_positive_names_the_value_that_holds(target):
    found = target(labels("a", "b", positive="neg"), a=["neg", "pos"], b=["pos", "pos"])
    assert found.labels.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("spec", "columns", "message"),
    [
        (labels("a"), {"a": ["1", "2", "3"]}, "has 3 values"),
        (labels("a", "b"), {"a": ["x", "x"], "b": ["0", "1"]}, "say which value means"),
        (labels("a", positive="si"), {"a": ["yes", "no"]}, "is 'si' but the labels hold"),
        (
            OrdinalTarget(column="g"),
            {"g": ["low", "high"]},
            "name them from the lowest to the highest under data.target.classes",
        ),
        (OrdinalTarget(column="g", classes=("a", "b")), {"g": ["a", "c"]}, "does not name"),
        (OrdinalTarget(column="g"), {"g": ["1", ""]}, "missing in 1 of 2 rows"),
        (
            MultitaskTarget(tasks={"t": RegressionTarget(column="y")}),
            {"y": ["", ""]},
            "task 't': no row has its target",
        ),
        (
            MultitaskTarget(tasks={"t": RegressionTarget(column="y")}),
            {"y": ["1", "x"]},
            "task 't': ",
        ),
    ],
)
def test_what_cannot_be_read_is_told(target, spec, columns, message):
    with pytest.raises(TableError, match=message):
        target(spec, **columns)


def test_ordered_classes_are_sorted_as_numbers(target):
    found = target(OrdinalTarget(column="g"), g=["10", "9", "2.0", "2"])
    everyone = np.ones(4, dtype=bool)
    assert found.classes(everyone) == ("2", "9", "10")
    assert found.encode(("2", "9", "10"), []).tolist() == [2, 1, 0, 0]
    # The order is of all rows: a split without the highest class has the same classes.
    assert found.classes(np.array([False, True, True, True])) == ("2", "9", "10")


def test_ordered_classes_keep_the_order_given(target):
    spec = OrdinalTarget(column="g", classes=("mild", "severe", "fatal"))
    found = target(spec, g=["severe", "mild", "mild"])
    assert found.encode(found.classes(np.ones(3, dtype=bool)), []).tolist() == [1, 0, 0]


def test_tasks_stand_side_by_side_with_gaps(target):
    spec = MultitaskTarget(
        tasks={
            "death": BinaryTarget(column="d"),
            "signs": labels("a", "b"),
            "stay": RegressionTarget(column="y"),
            "relapse": SurvivalTarget(time="t", event="e"),
        }
    )
    found = target(
        spec,
        d=["no", "", "yes", "no"],
        a=["1", "0", "", ""],
        b=["", "1", "", "0"],
        y=["1.5", "2", "3", ""],
        t=["1", "2", "", "4"],
        e=["1", "0", "1", "1"],
    )
    classes = found.classes(np.ones(4, dtype=bool))
    assert classes == ("death/no", "death/yes", "signs/a", "signs/b")
    nan = np.nan
    expected = [
        [0, 1, nan, 1.5, 1, 1],
        [nan, 0, 1, 2.0, 2, 0],
        [1, nan, nan, 3.0, nan, nan],
        [0, nan, 0, nan, 4, 1],
    ]
    encoded = found.encode(classes, ["r0", "r1", "r2", "r3"])
    assert np.array_equal(encoded, expected, equal_nan=True)
    parts = {part.name: part for part in outcomes(spec, classes, encoded)}
    assert list(parts) == ["death", "signs/a", "signs/b", "stay", "relapse"]
    assert parts["death"].rows.tolist() == [0, 2, 3]
    assert parts["signs/b"].values.tolist() == [1, 0]
    assert parts["relapse"].classes == ("censored", "event")
    assert found.strata().shape[0] == 4
    with pytest.raises(SplitError, match="task 'death': the training split"):
        found.classes(np.array([False, False, True, False]))


@pytest.mark.parametrize("seed", range(3))
def test_stratified_splits_keep_every_label_alike(seed):
    random = np.random.default_rng(seed)
    rates = np.array([0.5, 0.2, 0.05])
    held = (random.random((600, 3)) < rates).astype(np.int64)
    strata = np.hstack([held, 1 - held])
    groups = [f"g{row // 2}" for row in range(600)]
    split = draw(StratifiedGroupedSplit(seed=seed), groups, strata)
    for label in held.T:
        whole = label.sum()
        for name, share in zip(("train", "val", "test"), (0.7, 0.15, 0.15), strict=True):
            assert abs(label[split == name].sum() - share * whole) <= max(2.0, 0.03 * whole)


@pytest.fixture
def cohort(tmp_path):
    random = np.random.default_rng(1)
    lines = ["id,age,leak,a,rare,grade,stay"]
    for row in range(120):
        a = int(random.random() < 0.5)
        lines.append(
            f"r{row},{random.normal():.3f},{'x' if a else 'y'},{'' if row % 6 == 0 else a},"
            f"{int(row % 40 == 0)},{random.integers(1, 4)},{random.normal():.3f}"
        )
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")

    def load(target, **columns):
        document = {
            "medfusion": 1,
            "data": {
                "table": "t.csv",
                "id": "id",
                "numeric": ["age"],
                "categorical": ["leak"],
                "target": target,
                "split": {"kind": "stratified-grouped"},
                **columns,
            },
        }
        return Cohort.load(Experiment.from_mapping(document, folder=tmp_path))

    return load


def test_checks_look_at_every_label(cohort):
    checks = {c.name: c for c in cohort({"kind": "multilabel", "columns": ["a", "rare"]}).checks}
    assert checks["target leakage"].outcome == "FAIL"
    assert "leak: ranks the target with AUC 1.000 (a)" in checks["target leakage"].message
    assert checks["class balance"].outcome == "WARN"
    assert "rare: no" in checks["class balance"].message
    assert "a: no" not in checks["class balance"].message


def test_rows_without_any_target_are_told(cohort):
    two = {"kind": "multilabel", "columns": ["a", "rare"]}
    checks = {c.name: c for c in cohort(two).checks}
    assert checks["missing targets"].message == "rows with a target: a 100, rare 120"
    one = {"kind": "multitask", "tasks": {"x": {"kind": "binary", "column": "a"},
                                          "y": {"kind": "multilabel", "columns": ["a"]}}}  # fmt: skip
    checks = {c.name: c for c in cohort(one).checks}
    assert checks["missing targets"].outcome == "WARN"
    assert checks["missing targets"].count == 20


def test_summaries_count_labels_where_they_are_known(cohort):
    found = cohort({"kind": "multilabel", "columns": ["a", "rare"]}).summary()
    assert found["target"]["classes"] == ["a", "rare"]
    assert sum(split["unknown"]["a"] for split in found["splits"]) == 20
    assert sum(split["target"]["rare"] for split in found["splits"]) == 3


def test_summaries_and_subjects_of_tasks(cohort):
    found = cohort(
        {
            "kind": "multitask",
            "tasks": {
                "grade": {"kind": "ordinal", "column": "grade"},
                "sign": {"kind": "binary", "column": "a"},
                "stay": {"kind": "regression", "column": "stay"},
            },
        }
    )
    summary = found.summary()
    assert summary["target"]["classes"] == ["grade/1", "grade/2", "grade/3", "sign/0", "sign/1"]
    whole = summary["splits"][0]
    counts = [whole["target"][f"grade/{k}"] for k in (1, 2, 3)]
    assert sum(counts) == whole["subjects"]
    assert whole["unknown"]["sign"] > 0
    assert np.isfinite(whole["target"]["stay/mean"])
    assert found.subject(1).label.startswith("grade: ")
    assert "sign" not in found.subject(0).label
    assert found.target.shape == (120, 3)
