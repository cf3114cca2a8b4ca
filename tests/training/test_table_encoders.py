"""Runs with each table encoder: trained, resumed, reloaded; and blind to all but training rows."""

import json

import numpy as np
import pytest

from medfusion.runs import RunFolder
from medfusion.spec import override
from medfusion.training import checkpoint, execute, prediction

ENCODERS = {
    "mlp": "{kind: mlp, hidden: [16], bins: 6}",
    "linear": "{kind: mlp, hidden: [16], embeddings: linear}",
    "ft-transformer": "{kind: ft-transformer, embedding: 8, heads: 2, layers: 1}",
    "tabm": "{kind: tabm, hidden: [8], members: 4}",
}
every_encoder = pytest.mark.parametrize("encoder", ENCODERS)


def table_only(phantom, encoder, *changes):
    return override.apply(
        phantom, ["data.images={}", f"model.table={ENCODERS[encoder]}", "name=table", *changes]
    )


def weights(run, name="best.safetensors"):
    tensors, _ = checkpoint.load(run.path / "checkpoints" / name)
    return tensors


def probabilities(run):
    return {row["id"]: float(row["prob_1"]) for row in run.predictions}


@every_encoder
def test_a_run_predicts_the_same_after_reload(phantom, phantom_folder, tmp_path, encoder):
    run = RunFolder.create(table_only(phantom, encoder), tmp_path)
    assert execute(run.path).state == "finished"
    document = json.loads((run.path / "preprocessing.json").read_text("utf-8"))
    assert set(document["bins"]) == (set() if encoder == "linear" else {"age", "marker", "bmi"})
    ids, predicted, _ = prediction.predict(run, phantom_folder / "table.csv")
    again = dict(zip(ids, predicted[:, 1], strict=True))
    own = probabilities(run)
    assert {name: again[name] for name in own} == pytest.approx(own, abs=1e-6)
    assert run.metrics["val"]["auc"]["value"] == pytest.approx(
        max(run.history().curves["val/auc"].value), abs=1e-6
    )


@every_encoder
def test_a_stopped_run_goes_on_to_the_same_weights(phantom, tmp_path, encoder, stop_after):
    exp = table_only(phantom, encoder, "training.epochs=2")
    whole, parts = (RunFolder.create(exp, tmp_path) for _ in range(2))
    execute(whole.path)
    execute(parts.path, [stop_after(parts, 3)])
    assert execute(parts.path).state == "finished"
    one, other = weights(whole), weights(parts)
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)


@pytest.mark.parametrize("encoder", ["mlp", "tabm"])
def test_poisoned_validation_and_test_rows_change_nothing_that_is_fitted(
    phantom, phantom_folder, tmp_path, encoder
):
    from medfusion.data import Cohort

    lines = (phantom_folder / "table.csv").read_text("utf-8").splitlines()
    header = lines[0].split(",")
    numbers = [header.index(name) for name in ("age", "marker", "bmi")]
    words = [header.index(name) for name in ("sex", "stage", "site")]
    spoilt = [lines[0]]
    for line in lines[1:]:
        cells = line.split(",")
        if cells[header.index("split")] != "train":
            for index in numbers:
                cells[index] = "123456"
            for index in words:
                cells[index] = "poison"
        spoilt.append(",".join(cells))
    (tmp_path / "table.csv").write_text("\n".join(spoilt) + "\n", "utf-8")
    clean = table_only(phantom, encoder)
    poisoned = override.apply(clean, [f"data.table={tmp_path / 'table.csv'}"])
    before, after = Cohort.load(clean), Cohort.load(poisoned)
    assert before.preprocessing.to_json() == after.preprocessing.to_json()
    train = before.rows("train")
    np.testing.assert_array_equal(before.numeric[train], after.numeric[train])
    np.testing.assert_array_equal(before.categorical[train], after.categorical[train])


def test_a_run_from_before_there_were_bins_is_read(phantom, phantom_folder, tmp_path):
    """Its experiment has no word of embeddings, its preprocessing no bins: it is linear."""
    run = RunFolder.create(table_only(phantom, "linear"), tmp_path)
    execute(run.path)
    text = (run.path / "experiment.yaml").read_text("utf-8")
    old = [
        line
        for line in text.splitlines()
        if line.split(":")[0].strip() not in ("embeddings", "bins")
    ]
    assert len(old) == len(text.splitlines()) - 2
    (run.path / "experiment.yaml").write_text("\n".join(old) + "\n", "utf-8")
    document = json.loads((run.path / "preprocessing.json").read_text("utf-8"))
    del document["bins"]
    document["version"] = 1
    (run.path / "preprocessing.json").write_text(json.dumps(document), "utf-8")
    again = RunFolder(run.path)
    assert again.experiment.model.table.embeddings == "ple"
    ids, predicted, _ = prediction.predict(again, phantom_folder / "table.csv")
    found = dict(zip(ids, predicted[:, 1], strict=True))
    own = probabilities(run)
    assert {name: found[name] for name in own} == pytest.approx(own, abs=1e-6)


def test_members_in_a_fusion_are_a_part_of_the_logged_loss(phantom, tmp_path):
    exp = override.apply(phantom, [f"model.table={ENCODERS['tabm']}", "training.epochs=1"])
    run = RunFolder.create(exp, tmp_path)
    execute(run.path)
    steps = [
        json.loads(line)
        for line in (run.path / "events.jsonl").read_text("utf-8").splitlines()
        if json.loads(line)["kind"] == "step"
    ]
    assert set(steps[0]["parts"]) == {"task", "members"}
