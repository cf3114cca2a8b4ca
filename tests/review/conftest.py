"""Runs with predictions but without training: what a review reads is written as a run writes it."""

import csv

import numpy as np
import pytest

from medfusion.data import Cohort
from medfusion.evaluation.layout import layout_of
from medfusion.runs import RunFolder, Status
from medfusion.spec import Experiment


@pytest.fixture
def table(tmp_path):
    """Write columns as cohort.csv beside an experiment."""

    def write(**columns):
        with (tmp_path / "cohort.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    return write


@pytest.fixture
def predicted(tmp_path):
    """Make a run of cohort.csv with given predictions; `predict` gives those of a cohort."""

    def make(target, predict, split=None, **data):
        document = {
            "name": "reviewed",
            "data": {
                "table": "cohort.csv",
                "id": "id",
                "numeric": ["age"],
                "target": target,
                "split": split or {"kind": "stratified-grouped"},
            }
            | data,
        }
        experiment = Experiment.from_mapping(document, folder=tmp_path)
        run = RunFolder.create(experiment, tmp_path / "runs")
        cohort = Cohort.load(run.experiment)
        form = layout_of(experiment.data.target)
        names, values = predict(cohort)
        cells = form.write(cohort.target, cohort.classes)
        with (run.path / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "split", *cells, *names])
            for row, name in enumerate(cohort.ids):
                own = [column[row] for column in cells.values()]
                writer.writerow(
                    [name, cohort.split[row], *own, *map(float, np.atleast_1d(values[row]))]
                )
        (run.path / "environment.json").write_text(
            (run.path / "environment.json")
            .read_text()
            .replace('"seed"', f'"data_fingerprint": "{cohort.fingerprint}", "seed"')
        )
        Status(state="finished").write(run.path)
        return run

    return make


@pytest.fixture
def binary(table, predicted):
    """A run over 200 rows, ten of whose labels the model contradicts: (run, ids of these)."""

    def make(**more):
        rng = np.random.default_rng(2)
        truth = rng.integers(0, 2, 200)
        wrong = rng.choice(200, 10, replace=False)
        given = truth.copy()
        given[wrong] ^= 1
        ids = [f"P{row:03d}" for row in range(200)]
        table(
            id=ids,
            age=rng.normal(60, 9, 200).round(1).tolist(),
            ill=[("no", "yes")[y] for y in given],
        )
        sure = {
            name: 0.9 + (0.01 + 0.02 * rng.random()) * (row in wrong)
            for row, name in enumerate(ids)
        }

        def predict(cohort):
            side = [truth[int(name[1:])] for name in cohort.ids]
            p = [
                sure[name] if y else 1 - sure[name]
                for name, y in zip(cohort.ids, side, strict=True)
            ]
            return ["prob_no", "prob_yes"], [[1 - one, one] for one in p]

        run = predicted({"kind": "binary", "column": "ill"}, predict, **more)
        return run, {ids[row] for row in wrong}

    return make
