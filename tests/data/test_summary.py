"""The cohort's figures against pandas and against published formulas."""

import json

import numpy as np
import pandas as pd
import pytest

from medfusion.data import Cohort
from medfusion.data.summary import mean_difference, share_difference


def test_cohort_json(plain, experiment):
    columns = plain(100)
    columns["age"][0] = ""
    columns["sex"][1] = ""
    columns["age"][3] = columns["sex"][3] = ""
    plain(100, patient=[f"p{i % 50}" for i in range(100)], **columns)
    cohort = Cohort.load(experiment(numeric=["age"], categorical=["sex"], group="patient"))
    found = cohort.summary()
    assert list(found) == ["flow", "target", "splits", "table1", "checks"]
    json.dumps(found, allow_nan=False)
    assert found["target"] == {"column": "y", "kind": "binary", "classes": ["0", "1"], "unit": ""}
    frame = pd.DataFrame(columns)
    frame["age"] = pd.to_numeric(frame["age"])
    train = frame[frame.split == "train"]
    assert found["splits"][0] == {
        "split": "train",
        "subjects": 60,
        "groups": 30,
        "target": {"0": int((train.y == 0).sum()), "1": int((train.y == 1).sum())},
        "missing": {"table": 0},
    }
    assert found["splits"][1]["missing"] == {"table": 1}
    age, sex = found["table1"]
    described = train.age.describe()
    assert age["splits"]["train"] == pytest.approx(
        {
            "n": 59,
            "missing": 1,
            "mean": described["mean"],
            "sd": described["std"],
            "median": described["50%"],
            "q1": described["25%"],
            "q3": described["75%"],
            "min": described["min"],
            "max": described["max"],
        }
    )
    assert age["splits"]["all"]["n"] == 98
    assert sex["levels"] == ["f", "m"]
    assert sex["splits"]["train"]["counts"] == [
        int((train.sex == "f").sum()),
        int((train.sex == "m").sum()),
    ]
    assert sex["splits"]["all"]["missing"] == 2
    assert set(age["smd"]) == set(sex["smd"]) == {"val", "test"}
    assert [check["name"] for check in found["checks"]][:2] == ["duplicate ids", "group overlap"]


def test_regression_summary(plain, experiment):
    plain(50, y=[str(i) for i in range(50)])
    target = {"kind": "regression", "column": "y", "unit": "mm"}
    found = Cohort.load(experiment(numeric=["age"], target=target)).summary()
    assert found["target"]["unit"] == "mm"
    values = np.array([i for i in range(50) if i % 5 == 4])
    assert found["splits"][2]["target"] == pytest.approx(
        {"mean": values.mean(), "sd": values.std(ddof=1), "min": 4, "max": 49}
    )


def test_empty_columns_have_no_figures(plain, experiment):
    plain(50, empty=[""] * 50, gone=[""] * 50)
    found = Cohort.load(experiment(numeric=["empty"], categorical=["gone"])).summary()
    assert found["table1"][0]["splits"]["all"]["mean"] is None
    assert found["table1"][0]["smd"] == {"val": None, "test": None}
    assert found["table1"][1]["levels"] == []
    json.dumps(found, allow_nan=False)


def test_mean_difference():
    # Two samples one pooled standard deviation apart.
    assert mean_difference(np.array([2.0, 4.0]), np.array([0.0, 2.0])) == pytest.approx(2**0.5)
    assert mean_difference(np.array([1.0, 1.0]), np.array([1.0, 1.0])) is None
    assert mean_difference(np.array([1.0]), np.array([1.0, 2.0])) is None


def test_share_difference():
    # With two categories it is the known formula for a proportion.
    p, q = 0.3, 0.5
    known = abs(p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert share_difference(np.array([3, 7]), np.array([5, 5])) == pytest.approx(known)
    three = share_difference(np.array([3, 7, 10]), np.array([5, 5, 10]))
    assert share_difference(np.array([10, 3, 7]), np.array([10, 5, 5])) == pytest.approx(three)
    assert share_difference(np.array([3, 7, 0]), np.array([5, 5, 0])) == pytest.approx(known)
    assert share_difference(np.array([0, 0]), np.array([5, 5])) is None
    assert share_difference(np.array([0, 5]), np.array([5, 0])) is None
    assert share_difference(np.array([4]), np.array([5])) == 0
