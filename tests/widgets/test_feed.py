import json
import subprocess
import sys

import pytest

from medfusion import Experiment
from medfusion.runs import RunFolder, Status, columns, process
from medfusion.runs.events import EventWriter
from medfusion.runs.history import History
from medfusion.runs.status import of_this_process
from medfusion.widgets.feed import Feed
from medfusion.widgets.sketch import sample

YAML = """
name: fed
data:
  table: t.csv
  id: id
  numeric: [age]
  target: {kind: binary, column: y}
  split: {kind: grouped}
"""


@pytest.fixture
def run(tmp_path):
    experiment = Experiment.from_yaml_text(YAML, folder=tmp_path)
    return RunFolder.create(experiment, tmp_path / "runs")


@pytest.fixture
def events(run):
    writer = EventWriter(run.path)
    yield writer
    writer.close()


def step(writer, number, loss=0.5):
    writer.write("step", step=number, epoch=1, loss=loss, lr=0.001, grad_norm=None, seconds=0.1)


def applied(state, message, buffers):
    """What a page knows after a message: the reference for the browser's own store."""
    import numpy as np

    if message["kind"] == "all":
        state.clear()
        for index, name in enumerate(message["curves"]):
            steps = np.frombuffer(buffers[2 * index], np.int32)
            values = np.frombuffer(buffers[2 * index + 1], np.float32)
            state[name] = (steps.tolist(), values.tolist())
    else:
        for name, (steps, values) in message.get("curves", {}).items():
            known = state.setdefault(name, ([], []))
            known[0].extend(steps)
            known[1].extend(values)


def test_only_what_is_new_is_sent(run, events):
    feed = Feed(run)
    assert feed.poll() is not None
    assert feed.poll() is None
    step(events, 1)
    step(events, 2, loss=0.25)
    message, buffers = feed.poll()
    assert message["kind"] == "points"
    assert message["curves"] == {
        "step/loss": [[1, 2], [0.5, 0.25]],
        "step/lr": [[1, 2], [0.001] * 2],
    }
    assert buffers == []
    assert "messages" not in message
    events.write("message", level="info", text="hello")
    message, _ = feed.poll()
    assert [line["text"] for line in message["messages"]] == ["hello"]
    assert "curves" not in message
    assert feed.poll() is None


def test_numbers_of_messages_have_no_holes(run, events):
    feed = Feed(run)
    seen = []
    for number in range(1, 20):
        step(events, number)
        seen.append(feed.poll()[0]["seq"])
        if number % 5 == 0:
            seen.append(feed.everything()[0]["seq"])
    assert seen == list(range(1, len(seen) + 1))
    assert feed.frame()["seq"] == seen[-1]


def test_a_page_that_follows_knows_what_the_history_says(run, events):
    feed, page = Feed(run), {}
    for number in range(1, 10_001):
        step(events, number, loss=1 / number)
        if number % 500 == 0:
            applied(page, *feed.poll())
    history = run.history()
    steps, values = page["step/loss"]
    assert len(steps) <= 4000
    assert steps[-1] == history.curves["step/loss"].step[-1] == 10_000
    assert max(values) == 1.0


def test_a_resumed_run_replaces_what_it_does_anew(run, events):
    feed, page = Feed(run), {}
    for number in range(1, 11):
        step(events, number, loss=1.0)
    applied(page, *feed.poll())
    events.write("resume", step=4, epoch=0)
    step(events, 5, loss=0.5)
    message, buffers = feed.poll()
    assert message["kind"] == "all"
    applied(page, message, buffers)
    assert page["step/loss"] == ([1, 2, 3, 4, 5], [1.0, 1.0, 1.0, 1.0, 0.5])


def test_a_resumed_run_is_starting_until_its_process_says_so(run):
    process._children[run.path] = child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"]
    )
    Status("stopped", pid=1, epoch=2, step=9).write(run.path)  # by the process before
    feed = Feed(run)
    status = feed.poll()[0]["status"]
    assert (status["state"], status["step"], feed.ended) == ("created", 9, False)
    Status("stopped", pid=child.pid, epoch=2, step=9).write(run.path)  # its last word
    assert feed.poll()[0]["status"]["state"] == "stopped"
    child.kill()
    child.wait()
    assert feed.ended


def test_the_events_are_ahead_of_the_status(run, events):
    Status(state="running", step=3, steps=100, epochs=5, **of_this_process()).write(run.path)
    for number in range(1, 8):
        step(events, number)
    status = Feed(run).poll()[0]["status"]
    assert (status["state"], status["step"]) == ("running", 7)


def test_a_wish_is_told_before_it_is_done(run):
    feed = Feed(run)
    feed.poll()
    run.stop()
    assert feed.poll()[0]["status"]["asked"] == "stop"


def test_results_come_when_they_are_written(run):
    feed = Feed(run)
    assert feed.poll()[0]["results"] == {}
    figure = {"value": 0.8, "ci": [0.7, 0.9], "method": "DeLong", "n": 50}
    degenerate = {"value": None, "ci": None, "method": "not estimable", "n": 3}
    (run.path / "metrics.json").write_text(json.dumps({"test": {"auc": figure, "f1": degenerate}}))
    assert feed.poll()[0]["results"] == {
        "test": {
            "auc": {"value": 0.8, "ci": [0.7, 0.9], "n": 50},
            "f1": {"value": None, "ci": [], "n": 3},
        }
    }


@pytest.mark.parametrize("file", ["events.jsonl", "status.json", "metrics.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe\x00", b'{"seq": 1, "kind": "step"}\n',
     b'{"seq": 1, "kind": "epoch", "step": "x", "metrics": 3}\n', b'{"test": 3, "val": {"auc": []}}',
     b'{"seq": 1, "kind": "checks", "checks": {"a": 1}}\n'],
)  # fmt: skip
def test_a_damaged_file_is_told_and_ends_nothing(run, file, content):
    (run.path / file).write_bytes(content)
    feed = Feed(run)
    json.dumps([feed.poll()[0], feed.frame()], allow_nan=False)
    feed.poll()


def write_long(run, count=3000):
    """A history with a resume in it, as lines."""
    lines = []

    def add(**event):
        lines.append(json.dumps({"seq": len(lines) + 1, "time": 1.5, **event}))

    add(kind="start", epochs=1)
    for number in range(1, count + 1):
        add(kind="step", step=number, epoch=1, loss=1 / number, lr=0.001, grad_norm=None)
    add(kind="epoch", epoch=1, step=count, metrics={"val/auc": 0.7}, best=True)
    add(kind="resume", step=count // 2, epoch=0)
    for number in range(count // 2 + 1, count + 1):
        add(kind="step", step=number, epoch=1, loss=2.0, lr=0.002, grad_norm=1.0)
    add(kind="message", level="info", text="line one\nline two")
    (run.path / "events.jsonl").write_text("\n".join(lines) + "\n")
    return lines


@pytest.mark.parametrize("damage", [None, "torn", "line", "blank", "order"])
def test_reading_by_column_says_what_reading_by_line_says(run, monkeypatch, damage):
    lines = write_long(run)
    if damage == "torn":
        lines[-1] = lines[-1] + '\n{"seq": 99999, "kind": "st'
    elif damage == "line":
        lines[5] = "{not json"
    elif damage == "blank":
        lines[5] += "\n"
    elif damage == "order":
        lines[5], lines[6] = lines[6], lines[5]
    text = "\n".join(lines) + ("" if damage == "torn" else "\n")
    (run.path / "events.jsonl").write_text(text)
    quick, plain = History(run.path), History(run.path)
    assert plain.update()
    monkeypatch.setattr(columns, "LONG_BYTES", 0)
    assert quick.update()
    for name in ("curves", "epochs", "messages", "checks", "start", "version"):
        assert getattr(quick, name) == getattr(plain, name)
    if damage == "torn":
        with (run.path / "events.jsonl").open("a") as file:
            file.write('ep", "step": 3001, "loss": 0.125}\n')
        assert quick.update()
        assert quick.curves["step/loss"].value[-1] == 0.125
    assert not quick.update()


def test_a_sample_is_true(run):
    write_long(run, count=30_000)
    whole = run.history()
    curves = sample(run.path)
    assert 300 < len(curves["step/loss"].step) < 10_000
    known = set(whole.curves["step/loss"].step)
    assert set(curves["step/loss"].step) <= known
    assert curves["step/loss"].step == sorted(curves["step/loss"].step)


def test_a_sample_of_nothing(run):
    (run.path / "events.jsonl").write_text("")
    assert all(curve.step == [] for curve in sample(run.path).values())


def test_the_load_of_the_machine_is_a_curve_over_seconds(run, events):
    feed, page = Feed(run), {}
    events.write("start", epochs=1)
    begin = feed._history
    for load in (10.0, 30.0):
        events.write("system", cpu=load, memory=50.0, gpu="much")
        applied(page, *feed.poll())
    seconds, values = page["load/cpu"]
    assert values == [10.0, 30.0]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] <= 5
    assert "load/gpu" not in page
    assert begin.system[-1]["cpu"] == feed.frame()["system"]["cpu"] == 30.0


def test_what_epochs_and_gradients_tell_comes_as_curves(run, events):
    feed, page = Feed(run), {}
    for epoch in (1, 2):
        events.write("gradients", step=epoch, norms={"head": 0.5 * epoch})
        events.write(
            "epoch", epoch=epoch, step=epoch, metrics={"val/auc": 0.5}, best=True,
            classes={"auc": {"a/b": 0.25 * epoch}},
            inside={"gates/image": {"mean": 0.5, "low": 0.25, "high": 0.75}},
        )  # fmt: skip
        applied(page, *feed.poll())
    assert page["gradient/head"] == ([1, 2], [0.5, 1.0])
    assert page["class/auc/a/b"] == ([1, 2], [0.25, 0.5])
    assert page["inside/gates/image/high"] == ([1, 2], [0.75, 0.75])
