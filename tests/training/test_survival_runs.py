"""Runs on survival times from start to end."""

import json

import numpy as np
import pytest

from medfusion import Experiment, cli
from medfusion.evaluation import concordance_index
from medfusion.evaluation.survival import fit_cox
from medfusion.report import report_html
from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import execute, prediction

LOSSES = ("cox", "discrete-time")


@pytest.fixture(scope="module", params=LOSSES)
def finished(request, survival_table, tmp_path_factory):
    experiment = override.apply(
        Experiment.from_mapping(survival_table), [f"training.loss={{kind: {request.param}}}"]
    )
    run = RunFolder.create(experiment, tmp_path_factory.mktemp("runs"))
    assert execute(run.path).state == "finished"
    return run


def columns(run, split):
    rows = [row for row in run.predictions if row["split"] == split]
    return {
        name: np.array([float(row[name]) for row in rows]) for name in ("time", "event", "risk")
    }


def test_the_c_index_is_that_of_the_predictions(finished):
    test = columns(finished, "test")
    found = finished.metrics["test"]
    expected = concordance_index(test["time"], test["event"], test["risk"], replicates=100)
    assert found["c_index"]["value"] == pytest.approx(expected.value, abs=1e-12)
    assert found["c_index"]["ci"] == pytest.approx(expected.ci, abs=0.05)
    assert found["c_index"]["value"] > 0.55
    names = {name.partition("[")[0] for name in found}
    assert names == {
        "c_index", "c_index_uno", "auc_mean", "ibs", "calibration_slope", "auc", "brier",
        "observed_expected",
    }  # fmt: skip
    for name, metric in finished.metrics["train"].items():
        if name.startswith("observed_expected"):
            assert metric["value"] == pytest.approx(1, abs=0.15)


def test_the_best_epoch_is_the_one_of_the_c_index(finished):
    values = finished.history().curves["val/c_index"].value
    assert finished.metrics["val"]["c_index"]["value"] == pytest.approx(max(values), abs=1e-9)


def test_predicting_the_own_table_gives_the_own_predictions(finished, survival_table):
    ids, found, task = prediction.predict(finished, survival_table["data"]["table"])
    own = {row["id"]: row for row in finished.predictions}
    assert task.ready
    for place, name in enumerate(task.columns):
        expected = [float(own[one][name]) for one in ids]
        assert found[:, place] == pytest.approx(expected, abs=1e-5)


def test_a_stopped_run_goes_on_to_the_same_bytes(finished, tmp_path, stop_after):
    run = RunFolder.create(finished.experiment, tmp_path)
    assert execute(run.path, [stop_after(run, 5)]).state == "stopped"
    # Predicting in between fits what is missing to the weights of now, and leaves no trace later.
    _, found, task = prediction.predict(run, finished.experiment.data.table)
    assert found.shape[1] == len(task.columns) > 1
    assert execute(run.path).state == "finished"
    for name in ("predictions.csv", "metrics.json", "checkpoints/best.safetensors"):
        assert (run.path / name).read_bytes() == (finished.path / name).read_bytes()


def test_evaluating_again_gives_the_same(finished):
    before = (finished.path / "predictions.csv").read_bytes()
    saved = finished.path / "task.json"
    prediction.evaluate_run(finished)
    assert (finished.path / "predictions.csv").read_bytes() == before
    if saved.exists():
        content = saved.read_bytes()
        saved.unlink()
        prediction.evaluate_run(finished)
        assert saved.read_bytes() == content
        assert (finished.path / "predictions.csv").read_bytes() == before


def test_runs_are_compared_by_the_difference_of_c(survival_table, tmp_path, capsys):
    runs = []
    for change in ("seed=1", "data.categorical=[]"):
        run = RunFolder.create(
            override.apply(Experiment.from_mapping(survival_table), [change]), tmp_path
        )
        execute(run.path)
        runs.append(str(run.path))
    assert cli.run(["compare", *runs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["differences"][0]
    values = [RunFolder(path).metrics["test"]["c_index"]["value"] for path in runs]
    assert found["metric"] == "c_index"
    assert found["value"] == pytest.approx(values[0] - values[1], abs=1e-12)
    assert found["ci"][0] < found["value"] < found["ci"][1]


def test_the_report_says_what_the_run_says(finished):
    text = report_html(finished)
    test = finished.metrics["test"]
    assert f"{test['c_index']['value']:.3f}" in text
    for words in (
        "Performance over time",
        "Survival by predicted risk",
        "log-rank",
        "numbers at risk",
        "Median follow-up",
        "inverse probability weights",
        "Breslow" if finished.experiment.training.loss.kind == "cox" else "discrete hazard",
    ):
        assert words in text
    for horizon in (name for name in test if name.startswith("auc[")):
        assert f"{test[horizon]['value']:.3f}" in text


def test_a_network_learns_what_a_linear_model_does(survival_table, tmp_path):
    """Age and stage act linearly here: the network may not fall behind Cox's model by much."""
    experiment = override.apply(
        Experiment.from_mapping(survival_table),
        [
            "training.epochs=40",
            "training.batch_size=256",
            "training.optimizer={kind: adamw, lr: 0.01}",
        ],
    )
    run = RunFolder.create(experiment, tmp_path)
    execute(run.path)
    from medfusion.data import Cohort

    cohort = Cohort.load(experiment, split=prediction.saved_split(run))
    table = np.c_[cohort.numeric, cohort.categorical == 3, cohort.categorical == 4]
    train, test = cohort.rows("train"), cohort.rows("test")
    fit = fit_cox(table[train], *cohort.target[train].T)
    linear = concordance_index(*cohort.target[test].T, table[test] @ fit.coefficients)
    found = run.metrics["test"]["c_index"]["value"]
    assert found > linear.ci[0]
    assert found > linear.value - 0.05
