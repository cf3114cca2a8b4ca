"""Runs from start to end: what they write, and that neither kills nor stops change the result."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import filelock
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from medfusion.errors import DeviceError, InputError, RunError, TrainingError
from medfusion.runs import RunFolder, events
from medfusion.spec import override
from medfusion.training import callbacks, checkpoint, execute, execution, prediction


@pytest.fixture(scope="module")
def finished(phantom, tmp_path_factory):
    run = RunFolder.create(phantom, tmp_path_factory.mktemp("runs"))
    assert execute(run.path).state == "finished"
    return run


def digests(run):
    folder = run.path / "checkpoints"
    found = {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.safetensors")
    }
    return {name: found[name] for name in ("last.safetensors", "best.safetensors")}


def test_a_finished_run_has_every_file_of_the_contract(finished):
    names = {p.name for p in finished.path.iterdir()}
    assert names >= {
        "experiment.yaml", "environment.json", "split.csv", "events.jsonl", "status.json",
        "checkpoints", "predictions.csv", "metrics.json", "cohort.json", "preprocessing.json",
    }  # fmt: skip
    assert set(finished.metrics) == {"train", "val", "test"}
    for metric in finished.metrics["test"].values():
        assert {"value", "ci", "method", "n"} <= set(metric)
    assert finished.environment["data_fingerprint"]
    seqs = [e["seq"] for e in events.EventReader(finished.path).new()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_the_metrics_are_those_of_the_predictions(finished):
    rows = [r for r in finished.predictions if r["split"] == "test"]
    target = [r["target"] == "1" for r in rows]
    auc = roc_auc_score(target, [float(r["prob_1"]) for r in rows])
    assert finished.metrics["test"]["auc"]["value"] == pytest.approx(auc, abs=1e-12)
    assert finished.metrics["test"]["auc"]["n"] == len(rows)
    threshold = finished.metrics["val"]["threshold"]["value"]
    positive = [float(r["prob_1"]) >= threshold for r in rows]
    sensitivity = np.mean([p for p, t in zip(positive, target, strict=True) if t])
    assert finished.metrics["test"]["sensitivity"]["value"] == pytest.approx(sensitivity)


def test_the_split_keeps_groups_together(finished):
    sides = {}
    for row in finished.split:
        sides.setdefault(row["group"], set()).add(row["split"])
    assert all(len(found) == 1 for found in sides.values())
    assert {row["split"] for row in finished.split} == {"train", "val", "test"}


def test_the_best_epoch_is_evaluated(finished):
    history = finished.history()
    values = history.curves["val/auc"].value
    best = [e["epoch"] for e in history.epochs if e["best"]][-1]
    assert best == int(np.argmax(values)) + 1
    _, state = checkpoint.load(finished.path / "checkpoints" / "best.safetensors")
    assert state["epoch"] == best
    assert finished.metrics["val"]["auc"]["value"] == pytest.approx(values[best - 1], abs=1e-6)


def test_predicting_the_own_table_gives_the_own_predictions(finished, phantom_folder):
    ids, predicted, _ = prediction.predict(finished, phantom_folder / "table.csv")
    own = {row["id"]: float(row["prob_1"]) for row in finished.predictions}
    assert {
        name: p for name, p in zip(ids, predicted[:, 1], strict=True) if name in own
    } == pytest.approx(own, abs=1e-6)


def test_a_finished_run_is_not_trained_again(finished):
    before = digests(finished)
    stamp = (finished.path / "events.jsonl").stat().st_mtime_ns
    assert execute(finished.path).state == "finished"
    assert digests(finished) == before
    assert (finished.path / "events.jsonl").stat().st_mtime_ns == stamp


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(finished, phantom, tmp_path):
    again = RunFolder.create(phantom, tmp_path)
    execute(again.path)
    assert digests(again) == digests(finished)
    other = RunFolder.create(override.apply(phantom, ["seed=99"]), tmp_path)
    execute(other.path)
    assert digests(other) != digests(finished)


@pytest.mark.parametrize("step", [1, 5, 9])
def test_a_stopped_run_goes_on_to_the_same_bytes(finished, phantom, tmp_path, step, stop_after):
    run = RunFolder.create(phantom, tmp_path)
    assert execute(run.path, [stop_after(run, step)]).state == "stopped"
    assert run.status.step == step
    with pytest.raises(RunError, match=r"has no metrics\.json yet"):
        _ = run.metrics
    assert execute(run.path).state == "finished"
    assert digests(run) == digests(finished)
    assert run.history().curves["step/loss"] == finished.history().curves["step/loss"]
    assert run.metrics == finished.metrics
    assert (run.path / "predictions.csv").read_bytes() == (
        finished.path / "predictions.csv"
    ).read_bytes()


KILLS = int(os.environ.get("MEDFUSION_KILLS", "4"))


@pytest.mark.slow
@pytest.mark.timeout(60 * 60)
def test_killed_runs_go_on_to_the_same_bytes(finished, phantom, tmp_path):
    """Kill -9 at random moments, resume each time; more of them with MEDFUSION_KILLS=20."""
    run = RunFolder.create(phantom, tmp_path)
    command = [sys.executable, "-m", "medfusion", "resume", str(run.path)]
    draw = random.Random(7)
    kills = 0
    while kills < KILLS:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seen, target = 0, draw.randint(1, 4)
        moment = draw.random() * 0.4
        reader = events.EventReader(run.path)
        reader.new()
        while child.poll() is None and seen < target:
            seen += sum(e["kind"] in ("step", "epoch", "state") for e in reader.new())
            time.sleep(0.005)
        time.sleep(moment)
        if child.poll() is not None:
            if run.status.state == "finished":  # it outran us: begin anew, the count stays
                assert digests(run) == digests(finished)
                run = RunFolder.create(phantom, tmp_path)
                command[-1] = str(run.path)
            child.stderr.close()
            continue
        child.kill()
        child.wait()
        child.stderr.close()
        kills += 1
        assert run.status.state in ("interrupted", "created", "finished")
        run.history()  # can be read at any moment
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert run.status.state == "finished"
    assert digests(run) == digests(finished)
    assert run.metrics == finished.metrics


def test_pausing_waits_and_goes_on(phantom, tmp_path):
    run = RunFolder.create(phantom, tmp_path)

    class Pause(callbacks.Callback):
        def on_step_end(self, _engine, report):
            if report.step == 2:
                run.pause()
                threading.Thread(target=self.watch).start()

        def watch(self):
            time.sleep(0.6)
            self.seen = run.status.state
            self.steps = run.status.step
            time.sleep(0.6)
            self.steps_later = run.status.step
            run.proceed()

    pause = Pause()
    assert execute(run.path, [pause]).state == "finished"
    assert pause.seen == "paused"
    assert pause.steps == pause.steps_later == 2


def test_sigterm_saves_and_stops(phantom, tmp_path):
    run = RunFolder.create(override.apply(phantom, ["training.epochs=1000"]), tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-m", "medfusion", "resume", str(run.path), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while run.status.step < 3:
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 0
    assert json.loads(out)["state"] == "stopped"
    assert checkpoint.load_last(run.path / "checkpoints") is not None


def test_two_processes_do_not_work_on_one_run(phantom, tmp_path):
    run = RunFolder.create(phantom, tmp_path)
    lock = filelock.FileLock(run.path / execution.LOCK)
    with lock, pytest.raises(RunError, match="another process"):
        execute(run.path)


def test_changed_data_stop_a_resumed_run(phantom, phantom_folder, tmp_path, stop_after):
    shutil.copytree(phantom_folder, tmp_path / "data")
    moved = override.apply(phantom, [f"data.table={tmp_path / 'data' / 'table.csv'}"])
    run = RunFolder.create(moved, tmp_path / "runs")
    execute(run.path, [stop_after(run, 2)])
    table = tmp_path / "data" / "table.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace("0", "1")
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError):
        execute(run.path)


def test_a_stop_while_it_starts_again_loses_nothing(finished, phantom, tmp_path, stop_after):
    run = RunFolder.create(phantom, tmp_path)
    before = execute(run.path, [stop_after(run, 5)])
    time.sleep(0.01)
    run.stop()  # newer than the last end: meant for the call that begins now
    after = execute(run.path)
    assert after.state == "stopped"
    assert (after.epoch, after.step, after.steps) == (before.epoch, before.step, before.steps)
    assert after.step == 5
    assert execute(run.path).state == "finished"
    assert digests(run) == digests(finished)


@pytest.mark.parametrize(
    "damage", ["status.json", "control.json", "events.jsonl", "checkpoints/last.safetensors"]
)
def test_a_run_folder_damaged_by_hand_goes_on_where_it_can(
    finished, phantom, tmp_path, damage, stop_after
):
    run = RunFolder.create(phantom, tmp_path)
    execute(run.path, [stop_after(run, 5)])
    execute(run.path, [stop_after(run, 9)])
    content = (run.path / damage).read_bytes()
    (run.path / damage).write_bytes(content[: len(content) // 2] + b"\x00garbage")
    assert execute(run.path).state == "finished"
    assert digests(run) == digests(finished)


@pytest.mark.parametrize(
    "damage", ["experiment.yaml", "preprocessing.json", "split.csv", "checkpoints/manifest.json"]
)
def test_damage_that_cannot_be_mended_is_named(phantom, tmp_path, damage, stop_after):
    run = RunFolder.create(phantom, tmp_path)
    execute(run.path, [stop_after(run, 2)])
    (run.path / damage).write_bytes(b"\x00garbage")
    with pytest.raises(InputError) as caught:
        execute(run.path)
    assert os.path.basename(damage) in str(caught.value)  # noqa: PTH119


def test_a_diverging_loss_is_told_and_kept(phantom, tmp_path):
    wild = override.apply(phantom, ["training.optimizer={kind: sgd, lr: 1.0e+30}"])
    run = RunFolder.create(wild, tmp_path)
    with pytest.raises(TrainingError, match=r"lower training\.optimizer\.lr"):
        execute(run.path)
    assert run.status.state == "failed"
    assert "lower training.optimizer.lr" in run.status.error["message"]


def test_precision_without_hardware_is_refused(phantom, tmp_path, monkeypatch):
    run = RunFolder.create(override.apply(phantom, ["training.precision=16-mixed"]), tmp_path)
    with pytest.raises(DeviceError, match="needs a GPU"):
        execute(run.path)
    from medfusion.training import device

    monkeypatch.setattr(device, "cpu_has_bf16", lambda: False)
    run = RunFolder.create(override.apply(phantom, ["training.precision=bf16-mixed"]), tmp_path)
    with pytest.raises(DeviceError, match="no bf16 instructions"):
        execute(run.path)


def test_a_missing_gpu_is_told(phantom, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    run = RunFolder.create(override.apply(phantom, ["training.device=cuda"]), tmp_path)
    with pytest.raises(DeviceError, match="this machine has: cpu"):
        execute(run.path)


@pytest.mark.parametrize(
    "changes",
    [
        ["training.accumulate=3", "training.clip_norm=1.0", "training.schedule={kind: one-cycle}"],
        [
            "training.optimizer={kind: sgd, lr: 0.01}",
            "training.schedule={kind: plateau, patience: 0}",
        ],
        ["data.target={kind: multiclass, column: malignant}", "training.class_weights=balanced"],
        [
            "training.early_stopping={monitor: val/loss, patience: 1}",
            "model.fusion={kind: cross-attention, dim: 16}",
        ],
        ["data.numeric=[]", "data.categorical=[]", "training.gradient_checkpointing=true"],
        ["data.images={}"],
    ],
    ids=["accumulate", "sgd", "multiclass", "early", "image-only", "table-only"],
)
def test_other_settings_resume_to_the_same_bytes_too(phantom, tmp_path, changes, stop_after):
    exp = override.apply(
        phantom, [change.replace("malignant", phantom.data.target.column) for change in changes]
    )
    whole, parts = (RunFolder.create(exp, tmp_path) for _ in range(2))
    execute(whole.path)
    execute(parts.path, [stop_after(parts, 4)])
    execute(parts.path)
    assert whole.status.state == parts.status.state == "finished"
    assert digests(whole) == digests(parts)
    assert whole.metrics == parts.metrics


@pytest.mark.parametrize(
    ("name", "licence", "level"),
    [("test_resnet", "apache-2.0", "info"), ("convnextv2_atto.fcmae", "cc-by-nc-4.0", "warning")],
)
def test_the_licence_of_pretrained_weights_is_shown(phantom, tmp_path, name, licence, level):
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model(name, in_chans=3).state_dict(), tmp_path / "w.safetensors")
    weights = f"{{kind: timm, name: {name}, pretrained: true, weights: {tmp_path}/w.safetensors}}"
    exp = override.apply(phantom, [f"model.image={weights}", "training.epochs=1"])
    run = RunFolder.create(exp, tmp_path / "runs")
    execute(run.path)
    messages = {event["text"]: event["level"] for event in run.history().messages}
    assert messages[f"weights of {name}: licence {licence}"] == level
