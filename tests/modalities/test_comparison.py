"""A whole comparison: identical folds, each case judged once, nothing trained twice."""

import csv
import json
import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medfusion.errors import InputError, RunError
from medfusion.modalities import ComparisonFolder, Settings, execute
from medfusion.runs import list_runs
from medfusion.spec import Experiment, override

NETWORKS = ["image", "table", "gated", "concatenate"]


def runs_of(comparison):
    return {run.name: run.path.stat().st_ino for run in list_runs(comparison.path / "runs")}


def by_name(results):
    return {one["name"]: one for one in results["candidates"]}


def test_all_candidates_learn_from_identical_grouped_folds(small):
    runs, tested = small.runs, []
    assert len(runs) == 15
    for fold in range(3):
        sides = [{row["id"]: row["split"] for row in runs[name, fold].split} for name in NETWORKS]
        assert all(side == sides[0] for side in sides)
        complete = {row["id"]: row["split"] for row in runs["complete-rows", fold].split}
        assert complete.items() <= sides[0].items()
        assert 30 < len(complete) < 150
        groups = {}
        for row in runs["gated", fold].split:
            groups.setdefault(row["group"], set()).add(row["split"])
        assert all(len(found) == 1 for found in groups.values())
        tested += [name for name, side in sides[0].items() if side == "test"]
    assert len(tested) == len(set(tested)) == 150


def test_the_numbers_are_those_of_the_pooled_predictions(small):
    results = small.results
    found = by_name(results)
    pooled = {}
    for name in NETWORKS:
        for side, key in (("test", "test"), ("val", "validation")):
            rows = [
                row
                for fold in range(3)
                for row in small.runs[name, fold].predictions
                if row["split"] == side
            ]
            truth = np.array([row["target"] == "1" for row in rows])
            score = np.array([float(row["prob_1"]) for row in rows])
            assert found[name][key]["value"] == pytest.approx(roc_auc_score(truth, score), abs=1e-9)
            pooled[name, side] = found[name][key]["value"]
    singles = {name: one["validation"]["value"] for name, one in found.items()
               if one["role"] in ("single", "rival")}  # fmt: skip
    chosen = results["chosen_on_validation"]
    assert chosen["reference"] == max(singles, key=singles.get)
    assert chosen["fusion"] == max(["gated", "concatenate"], key=lambda n: pooled[n, "val"])
    for gain in results["gains"]:
        difference = found[gain["first"]]["test"]["value"] - found[gain["second"]]["test"]["value"]
        assert gain["value"] == pytest.approx(difference, abs=1e-9)
        assert gain["ci"][0] <= gain["value"] <= gain["ci"][1]
        assert (gain["p_holm"] is not None) == (
            gain["second"] == chosen["reference"] and found[gain["first"]]["role"] == "fusion"
        )


def test_rivals_learn_from_the_same_rows_as_the_network(small):
    from sklearn.linear_model import LogisticRegression

    from medfusion.data import Cohort
    from medfusion.modalities.rivals import PENALTIES, prepare
    from medfusion.training.prediction import read_preprocessing, saved_split

    run = small.runs["table", 0]
    cohort = Cohort.load(
        run.experiment, split=saved_split(run), preprocessing=read_preprocessing(run)
    )
    train, val = cohort.rows("train"), cohort.rows("val")
    table = prepare(cohort, train)
    assert np.isfinite(table.linear).all()
    assert np.isnan(table.trees).any()
    models = [
        LogisticRegression(C=1 / penalty, max_iter=10_000).fit(
            table.linear[train], cohort.target[train]
        )
        for penalty in PENALTIES
    ]
    losses = [
        -np.log(
            model.predict_proba(table.linear[val])[np.arange(len(val)), cohort.target[val]]
        ).mean()
        for model in models
    ]
    expected = models[int(np.argmin(losses))].predict_proba(table.linear)[:, 1]
    from medfusion.modalities.pooling import read_predictions

    rows = read_predictions(small.path / "rivals" / "logistic-fold-1.csv")
    assert [row["id"] for row in rows] == cohort.ids
    np.testing.assert_allclose([float(row["prob_1"]) for row in rows], expected)


def test_what_is_hidden_is_not_read(small):
    results = small.results
    patterns = {one["pattern"]: one for one in results["robustness"]}
    assert list(patterns) == ["All as they are", "Images only", "Table only", "Without image",
                              "Without image_2", "Nothing"]  # fmt: skip
    for name in ("gated", "concatenate"):
        assert patterns["All as they are"]["values"][name] == by_name(results)[name]["test"]
        assert patterns["Nothing"]["values"][name]["value"] == 0.5
        assert "prevalence" in patterns["Nothing"]["values"][name]["note"]
    assert patterns["Nothing"]["left"] == 0
    assert sum(one["n"] for one in results["missing"]) == 150
    assert results["missing"][0]["pattern"] == "Complete"


def test_the_same_words_again_train_nothing(small, compared):
    before = runs_of(small)
    again = compared(
        small.experiment,
        Settings(fusions=("gated", "concatenate"), folds=3, smallest_gain=0.2, rivals=False),
        runs=small.path.parent,
    )
    assert again.path == small.path
    assert runs_of(again) == before
    assert again.results["smallest_gain"] == 0.2
    compared(
        small.experiment,
        Settings(fusions=("gated", "concatenate"), folds=3, complete_rows=True),
        runs=small.path.parent,
    )
    assert runs_of(small) == before


def test_one_that_was_stopped_goes_on(make_experiment, tmp_path, stop_after):
    experiment = make_experiment("training.epochs=2", subjects=60, per_group=(1, 1))
    comparison = ComparisonFolder.create(
        experiment, Settings(fusions=("gated",), rivals=False), tmp_path
    )
    seen = []

    def watching():
        class Stop(type(stop_after(comparison, 3))):
            def on_train_begin(self, engine):
                seen.append(engine.progress.step)

        return [Stop(comparison, 3)]

    assert execute(comparison.path, watching).state == "stopped"
    with pytest.raises(RunError, match="medfusion resume"):
        _ = comparison.results
    assert seen == [0]
    ended = execute(comparison.path, lambda: [stop_after(comparison, -1)])
    assert ended.state == "finished"
    assert (ended.epoch, ended.epochs) == (3, 3)
    assert len(runs_of(comparison)) == 3  # a column split: one fold
    assert by_name(comparison.results)["gated"]["folds"][0] is not None


def test_data_that_changed_are_refused(make_experiment, compared, tmp_path):
    experiment = make_experiment(subjects=60, epochs=1)
    comparison = compared(experiment, runs=tmp_path, fusions=("gated",), rivals=False)
    table = experiment.folder / "table.csv"
    table.write_text(table.read_text().replace("male", "m"))
    with pytest.raises(RunError, match="changed since this comparison began"):
        execute(comparison.path)


def test_rows_whose_image_cannot_be_read_are_left_out_for_all(make_experiment, compared, tmp_path):
    experiment = make_experiment("data.skip_unreadable=true", subjects=60, epochs=1)
    for image in sorted((experiment.folder / "images").iterdir())[:4]:
        image.write_bytes(b"no image")
    comparison = compared(experiment, runs=tmp_path, fusions=("gated",), folds=3, rivals=False)
    assert comparison.results["n"] == 56
    assert "4 rows were left out" in comparison.results["notes"][-1]
    for run in comparison.runs.values():
        assert len(run.predictions) == 56


TARGETS = {
    "regression": ("{kind: regression, column: bmi, unit: kg}", "rmse"),
    "multiclass": ("{kind: multiclass, column: stage}", "auc"),
    "ordinal": ("{kind: ordinal, column: stage, classes: [I, II, III, IV]}", "quadratic_kappa"),
    "multilabel": ("{kind: multilabel, columns: [malignant, benign]}", "auc"),
    "survival": ("{kind: survival, time: days, event: malignant}", "c_index"),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_other_targets(make_experiment, compared, tmp_path, kind):
    experiment = make_experiment(subjects=160, epochs=1, prevalence=0.5)
    table = experiment.folder / "table.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["days"] = f"{500 / (1 + float(row['marker']) ** 2):.1f}"
        row["benign"] = "" if row["id"].endswith("7") else 1 - int(row["malignant"])
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    target, metric = TARGETS[kind]
    numeric = "[age, marker]" if kind == "regression" else "[age, marker, bmi]"
    experiment = override.apply(
        experiment,
        [f"data.target={target}", f"data.numeric={numeric}", "data.categorical=[sex]"],
    )
    folds = 3 if kind == "survival" else None  # its times differ between folds
    settings = {"fusions": ("gated",), "folds": folds, "complete_rows": True}
    results = compared(experiment, runs=tmp_path, **settings).results
    found = by_name(results)
    assert results["metric"] == metric
    rivals = {"logistic", "boosting"} if kind not in ("multilabel", "survival") else set()
    assert {one["name"] for one in found.values() if one["role"] == "rival"} == rivals
    assert bool(rivals) == ("No rivals" not in " ".join(results["notes"]))
    assert all(one["test"]["value"] is not None for one in found.values())
    assert {one["role"] for one in found.values()} >= {"single", "fusion", "complete"}
    assert results["verdict"]["sentence"].endswith(".")
    assert results["robustness"][-1]["pattern"] == "Nothing"
    if kind == "regression":
        assert found["logistic"]["label"] == "Linear regression (table)"
        for gain in results["gains"]:  # positive where the first has the smaller error
            first, second = (found[gain[side]]["test"]["value"] for side in ("first", "second"))
            assert gain["value"] == pytest.approx(second - first, abs=1e-9)
        reference = results["chosen_on_validation"]["reference"]
        assert results["smallest_gain"] == pytest.approx(0.01 * found[reference]["test"]["value"])


def test_the_report_has_the_verdict_and_every_number(small, tmp_path):
    from medfusion.report import plotly_bundle, write_comparison

    if not plotly_bundle.BUNDLE.is_file():
        pytest.skip("plotly.js was not built: run `make install`")
    page = write_comparison(small, tmp_path / "verdict.html").read_text("utf-8")
    results = small.results
    assert results["verdict"]["sentence"] in page
    assert "default-src" in page
    numbers = [one["test"]["value"] for one in results["candidates"]]
    numbers += [gain["value"] for gain in results["gains"]]
    numbers += [item["values"]["gated"]["value"] for item in results["robustness"]]
    numbers += [item["values"]["gated"]["value"] for item in results["missing"]]
    numbers += [value for one in results["candidates"] for value in one["folds"]]
    for number in (number for number in numbers if number is not None):
        assert f'value="{number}"' in page
    for section in ("performance", "gains", "robustness", "folds", "methods", "provenance"):
        assert f'<section id="{section}"' in page
    # What is wider than a page is cut off on paper.
    heads = [head.count("<th") for head in re.findall(r"<thead>.*?</thead>", page, re.DOTALL)]
    assert max(heads) <= 8


def test_the_command_line(make_experiment, tmp_path, capsys):
    from medfusion import cli

    experiment = make_experiment(subjects=60, epochs=1)
    path = experiment.folder / "quick.yaml"
    path.write_text(experiment.to_yaml())
    words = ["compare", "--modalities", str(path), "--runs", str(tmp_path), "--fusions", "gated"]
    out = tmp_path / "verdict.json"
    assert cli.run([*words, "--out", str(out), "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert json.loads(out.read_text())["verdict"] == document["verdict"]
    assert "[1/3] Image alone, fold 1 of 1" in said.err
    assert cli.run([*words, "--set", "training.epochs=1"]) == 0
    said = capsys.readouterr()
    assert document["verdict"]["sentence"] in said.out
    assert "[1/3]" not in said.err
    assert cli.run(["resume", document["comparison"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    page = tmp_path / "page.html"
    assert cli.run(["report", document["comparison"], "--out", str(page)]) == 0
    assert page.is_file()
    capsys.readouterr()
    for wrong, why in (
        (["--fusions", "gatde"], "did you mean 'gated'"),
        (["--folds", "2"], "at least 3"),
        (["--out", "x.txt"], ".html or .json"),
        (["--out", "x.html", "--detach"], "--detach"),
        (["--set", "data.images={}"], "no images"),
    ):
        assert cli.run([*words, *wrong]) == 2
        assert why in capsys.readouterr().err
    assert cli.run(["compare", "a", "b", "--folds", "3"]) == 2
    assert "--folds: only with --modalities" in capsys.readouterr().err
    assert cli.run(["compare", "a", "--modalities", str(path)]) == 2
    capsys.readouterr()


def test_from_python_it_runs_in_a_process_of_its_own(make_experiment, tmp_path):
    import medfusion as mf

    experiment = make_experiment(subjects=60, epochs=1)
    comparison = mf.compare_modalities(experiment, fusions=["gated"], rivals=False, runs=tmp_path)
    assert comparison.wait(100).status.state == "finished"
    assert comparison.verdict == mf.Comparison(comparison.path).verdict
    with pytest.raises(RunError, match="not a comparison"):
        mf.Comparison(tmp_path)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("{kind: segmentation, column: image_mask}", "predicts pixels"),
        ("{kind: multitask, tasks: {a: {kind: binary, column: malignant}}}", "one of its tasks"),
    ],
)
def test_targets_without_one_metric_of_a_row_are_refused(make_experiment, tmp_path, target, said):
    changes = [f"data.target={target}"]
    if "segmentation" in target:
        changes.append("model.head={kind: segmentation}")
    experiment = override.apply(make_experiment(subjects=60), changes)
    with pytest.raises(InputError, match=said):
        ComparisonFolder.create(experiment, Settings(), tmp_path)


def test_an_experiment_survives_its_folder(small):
    assert isinstance(small.experiment, Experiment)
    assert small.experiment.resolved() == small.experiment
