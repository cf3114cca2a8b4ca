"""Runs of labels, ordered classes and several tasks from start to end, on a table with gaps."""

import csv
import hashlib
import json
import random

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from medfusion import Experiment
from medfusion.evaluation.layout import layout_of
from medfusion.runs import RunFolder
from medfusion.spec import main_metrics, override
from medfusion.training import checkpoint, execute, prediction

ROWS = 240

KINDS = {
    "multilabel": "{kind: multilabel, columns: [oedema, mass, rare]}",
    "ordinal": "{kind: ordinal, column: grade, classes: [low, mid, high, severe]}",
    "multitask": """
      {kind: multitask, weights: uncertainty, tasks: {
        death: {kind: binary, column: death},
        grade: {kind: ordinal, column: grade_gaps, classes: [low, mid, high, severe]},
        signs: {kind: multilabel, columns: [oedema, mass]},
        organ: {kind: multiclass, column: organ},
        stay: {kind: regression, column: stay, unit: days},
        relapse: {kind: survival, time: months, event: relapsed, unit: months}}}""",
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rows whose targets follow from two columns; every target but grade has gaps."""
    path = tmp_path_factory.mktemp("labels") / "table.csv"
    draw, more = random.Random(5), random.Random(6)
    grades = ("low", "mid", "high", "severe")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["id", "patient", "a", "b", "oedema", "mass", "rare", "grade", "grade_gaps", "death",
             "organ", "stay", "months", "relapsed"]
        )  # fmt: skip
        for row in range(ROWS):
            a, b = draw.gauss(0, 1), draw.gauss(0, 1)
            grade = grades[min(3, max(0, round(1.5 + a + draw.gauss(0, 0.4))))]
            death = "yes" if a - b + draw.gauss(0, 0.7) > 0 else "no"
            organ = "liver" if b > 0.4 else "lung" if a > 0 else "skin"

            def gap(value, share=0.2):
                return "" if draw.random() < share else value

            writer.writerow(
                [f"r{row}", f"p{row // 2}", f"{a:.4f}", f"{b:.4f}",
                 gap(int(a + draw.gauss(0, 0.5) > 0)), gap(int(b + draw.gauss(0, 0.5) > 0.5)),
                 gap(int(row in (3, 77, 150)), 0.1), grade, gap(grade), gap(death), gap(organ),
                 gap(f"{5 + 2 * a + draw.gauss(0, 0.5):.3f}"),
                 more.choice(["", f"{more.expovariate(0.1) * 3 ** -b:.3f}"]),
                 int(more.random() < 0.7)]
            )  # fmt: skip
    return path


def experiment(table, target, *changes):
    text = f"""
medfusion: 1
name: labels
data:
  table: {table.name}
  id: id
  group: patient
  numeric: [a, b]
  target: {target}
  split: {{kind: stratified-grouped, fractions: [0.5, 0.25, 0.25]}}
model: {{fusion: {{kind: concatenate, dim: 16}}}}
training: {{epochs: 4, batch_size: 16, threads: 1, optimizer: {{kind: adamw, lr: 0.01}}}}
evaluation: {{bootstrap: 200}}
"""
    return override.apply(Experiment.from_yaml_text(text, folder=table.parent), changes)


@pytest.fixture(scope="module", params=KINDS)
def finished(request, table, tmp_path_factory):
    exp = experiment(table, KINDS[request.param])
    run = RunFolder.create(exp, tmp_path_factory.mktemp("runs"))
    assert execute(run.path).state == "finished"
    return run


def weights(run):
    folder = run.path / "checkpoints"
    return [
        hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("last.safetensors", "best.safetensors")
    ]


def test_it_learns(finished):
    metrics = finished.metrics["test"]
    best = {
        "multilabel": {"auc[oedema]": 0.8, "auc[mass]": 0.75},
        "ordinal": {"quadratic_kappa": 0.5, "auc": 0.7, "within_one": 0.8},
        "multitask": {
            "death/auc": 0.8,
            "grade/quadratic_kappa": 0.4,
            "signs/auc": 0.65,
            "organ/auc": 0.75,
            "stay/r2": 0.3,
            "relapse/c_index": 0.5,
        },
    }
    for name, value in best[finished.experiment.data.target.kind].items():
        assert metrics[name]["value"] > value, name
        if metrics[name]["value"] < 1:
            assert metrics[name]["ci"][0] < metrics[name]["value"] < metrics[name]["ci"][1]


def test_a_stopped_run_goes_on_to_the_same_bytes(finished, tmp_path, stop_after):
    run = RunFolder.create(finished.experiment, tmp_path)
    assert execute(run.path, [stop_after(run, 11)]).state == "stopped"
    assert execute(run.path).state == "finished"
    assert weights(run) == weights(finished)
    assert run.metrics == finished.metrics


def test_predicting_the_own_table_gives_the_own_predictions(finished, table):
    ids, predicted, task = prediction.predict(finished, table)
    own = {row["id"]: row for row in finished.predictions}
    form = layout_of(finished.experiment.data.target)
    written = form.predictions([own[name] for name in ids], list(next(iter(own.values()))))
    assert predicted == pytest.approx(written, abs=1e-6)
    assert list(prediction.prediction_frame(ids, predicted, task).columns)[1:] == task.columns


def test_evaluating_again_gives_the_same_metrics(finished):
    before = finished.metrics
    assert prediction.evaluate_run(finished) == before


def test_every_kind_has_a_report(finished, tmp_path):
    from medfusion.report import write_report

    out = tmp_path / "report.html"
    write_report(finished, out)
    text = out.read_text(encoding="utf-8")
    kind = finished.experiment.data.target.kind
    said = {
        "multilabel": ["Labels", "Average precision, macro-average", "oedema", "of each label"],
        "ordinal": ["Quadratic weighted kappa", "median of the probabilities", "CORN"],
        "multitask": ["death: Discrimination", "stay: Agreement", "signs: Labels",
                      "learnt from the uncertainty", "relapse: "],
    }  # fmt: skip
    for words in said[kind]:
        assert words in text, words


def test_runs_are_compared_by_the_main_metric_of_each_task(finished, tmp_path, capsys):
    from medfusion import cli

    other = RunFolder.create(override.apply(finished.experiment, ["seed=1"]), tmp_path)
    execute(other.path)
    assert cli.run(["compare", str(finished.path), str(other.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["differences"]
    assert [item["metric"] for item in found] == list(main_metrics(finished.experiment.data.target))
    for item in found:
        own = [run.metrics["test"][item["metric"]]["value"] for run in (finished, other)]
        assert item["value"] == pytest.approx(own[0] - own[1])


def test_unknown_labels_are_left_out_and_a_label_of_one_class_is_said(table, tmp_path):
    run = RunFolder.create(experiment(table, KINDS["multilabel"]), tmp_path)
    execute(run.path)
    rows = [row for row in run.predictions if row["split"] == "test"]
    known = [row for row in rows if row["target_oedema"]]
    assert 0 < len(known) < len(rows)
    metrics = run.metrics["test"]
    expected = roc_auc_score(
        [row["target_oedema"] == "1" for row in known], [float(r["prob_oedema"]) for r in known]
    )
    assert metrics["auc[oedema]"]["value"] == pytest.approx(expected, abs=1e-12)
    assert metrics["auc[oedema]"]["n"] == len(known)
    each = [metrics[f"auc[{name}]"]["value"] for name in ("oedema", "mass", "rare")]
    there = [value for value in each if value is not None]
    assert metrics["auc"]["value"] == pytest.approx(np.mean(there))
    rare = [row["target_rare"] for row in rows]
    if "1" not in rare:
        assert metrics["auc[rare]"]["note"].startswith("not estimable: it holds in no case")
        assert "without 'rare'" in metrics["auc"]["note"]


def test_ordered_classes_are_called_by_the_median(table, tmp_path):
    run = RunFolder.create(experiment(table, KINDS["ordinal"]), tmp_path)
    execute(run.path)
    names = ("low", "mid", "high", "severe")
    rows = [row for row in run.predictions if row["split"] == "test"]
    prob = np.array([[float(row[f"prob_{name}"]) for name in names] for row in rows])
    assert prob.sum(axis=1) == pytest.approx(1)
    called = (prob.cumsum(axis=1) < 0.5).sum(axis=1)
    truth = [names.index(row["target"]) for row in rows]
    expected = cohen_kappa_score(truth, called, weights="quadratic")
    assert run.metrics["test"]["quadratic_kappa"]["value"] == pytest.approx(expected, abs=1e-12)


def test_each_task_is_judged_on_the_rows_that_have_it(table, tmp_path):
    run = RunFolder.create(experiment(table, KINDS["multitask"]), tmp_path)
    execute(run.path)
    rows = [row for row in run.predictions if row["split"] == "test"]
    known = [row for row in rows if row["stay/target"]]
    metric = run.metrics["test"]["stay/mae"]
    assert metric["n"] == len(known) < len(rows)
    errors = [abs(float(row["stay/target"]) - float(row["stay/value"])) for row in known]
    assert metric["value"] == pytest.approx(np.mean(errors))
    assert run.metrics["test"]["death/threshold"]["value"] is not None
    curves = run.history().curves
    assert {"val/loss", "val/death/auc", "val/grade/quadratic_kappa"} <= set(curves)
    tensors, state = checkpoint.load(run.path / "checkpoints" / "best.safetensors")
    learnt = tensors["extension.log_variance"]
    assert learnt.shape == (6,)
    assert bool((learnt != 0).all())
    assert state["task"]["kind"] == "multitask"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("multilabel", ["training.loss={kind: asymmetric}"]),
        ("multilabel", ["training.loss={kind: focal, alpha: 0.6}", "model.head={kind: mlp}"]),
        ("multilabel", ["training.class_weights=balanced"]),
        ("ordinal", ["training.loss={kind: coral}", "training.class_weights=balanced"]),
        ("ordinal", ["training.loss={kind: cross-entropy, label_smoothing: 0.1}"]),
        (
            "multitask",
            [
                "data.target.weights={death: 2.0, stay: 0.5}",
                "training.early_stopping={monitor: val/death/auc, patience: 2}",
                "training.loss={kind: per-task, losses: {grade: {kind: coral}, stay: {kind: huber}}}",
                "training.class_weights={kind: effective-number, beta: 0.99}",
            ],
        ),
    ],
)
def test_other_settings_train_and_resume_to_the_same_bytes(
    table, tmp_path, kind, changes, stop_after
):
    exp = experiment(table, KINDS[kind], *changes, "training.epochs=2")
    whole, parts = (RunFolder.create(exp, tmp_path) for _ in range(2))
    execute(whole.path)
    execute(parts.path, [stop_after(parts, 3)])
    execute(parts.path)
    assert whole.status.state == parts.status.state == "finished"
    assert weights(whole) == weights(parts)
    assert whole.metrics == parts.metrics
