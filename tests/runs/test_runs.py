"""Run folders: complete at any moment, honest about dead processes, patient with damage."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from medfusion import Experiment
from medfusion.errors import RunError, StorageError
from medfusion.runs import RunFolder, Status, atomic, control, events, list_runs, process, status
from medfusion.runs.events import EventReader, EventWriter

YAML = """\
medfusion: 1
name: tiny
data:
  table: t.csv
  id: id
  numeric: [x]
  target: {kind: binary, column: y}
  split: {kind: grouped}
"""


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(Experiment.from_yaml_text(YAML, folder=tmp_path), tmp_path / "runs")


def test_a_new_folder_can_be_read_and_resumed(run, tmp_path):
    assert run.status == Status(epochs=20)
    assert run.experiment.data.table == str(tmp_path / "t.csv")
    assert run.environment["seed"] == 0
    assert "torch" in run.environment["packages"]
    assert list_runs(tmp_path / "runs") == [run]
    assert list_runs(tmp_path / "none") == []
    with pytest.raises(RunError, match=r"no metrics\.json yet \(the run is created\)"):
        _ = run.metrics


def test_runs_of_the_same_second_get_names_of_their_own(run, tmp_path):
    exp = Experiment.from_yaml_text(YAML, folder=tmp_path)
    names = {RunFolder.create(exp, tmp_path / "runs").name for _ in range(5)}
    assert len(names | {run.name}) == 6


@pytest.mark.parametrize("name", ["nothing", "runs"])
@pytest.mark.usefixtures("run")
def test_what_is_no_run_is_refused(tmp_path, name):
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder(tmp_path / name)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"state": "dancing"}', '{"state": 3}', "\x00\x01"]
)
def test_a_damaged_status_is_named(run, content):
    (run.path / "status.json").write_text(content)
    with pytest.raises(RunError, match=r"status\.json: damaged"):
        _ = run.status


@pytest.mark.parametrize("name", ["metrics", "predictions"])
def test_damaged_results_are_named(run, name):
    file = {"metrics": "metrics.json", "predictions": "predictions.csv"}[name]
    (run.path / file).write_bytes(b"\xff\xfe{")
    with pytest.raises(RunError, match="damaged"):
        getattr(run, name)


def test_a_dead_process_is_told_from_a_living_one(run):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    import psutil

    facts = status.of_this_process() | {
        "pid": child.pid,
        "born": psutil.Process(child.pid).create_time(),
    }
    Status(state="running", **facts).write(run.path)
    assert run.status.state == "running"
    Status(state="running", **(facts | {"born": facts["born"] - 100})).write(run.path)
    assert run.status.state == "interrupted", "another process took the number"
    Status(state="running", **facts).write(run.path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert run.status.state == "interrupted"


def test_on_another_host_only_the_heartbeat_tells(run):
    Status(state="running", pid=1, host="elsewhere", born=1.0, heartbeat=time.time()).write(
        run.path
    )
    assert run.status.state == "running"
    Status(state="running", pid=1, host="elsewhere", born=1.0, heartbeat=time.time() - 100).write(
        run.path
    )
    assert run.status.state == "interrupted"


def test_events_survive_a_torn_last_line(run):
    writer = EventWriter(run.path)
    for step in range(1, 4):
        writer.write("step", step=step, epoch=1, loss=1.0 / step, lr=0.1)
    writer.close()
    path = run.path / events.FILE
    path.write_bytes(path.read_bytes()[:-7])
    assert [e["step"] for e in EventReader(run.path).new()] == [1, 2]
    again = EventWriter(run.path)
    again.write("step", step=3, epoch=1, loss=0.3, lr=0.1)
    again.close()
    found = EventReader(run.path).new()
    assert [e["step"] for e in found] == [1, 2, 3]
    assert [e["seq"] for e in found] == [1, 2, 3]


def test_a_line_damaged_by_hand_costs_itself_only(run):
    writer = EventWriter(run.path)
    for step in range(1, 4):
        writer.write("step", step=step, epoch=1, loss=1.0, lr=0.1)
    writer.close()
    lines = (run.path / events.FILE).read_bytes().split(b"\n")
    lines[1] = b'{"seq": \xff'
    (run.path / events.FILE).write_bytes(b"\n".join(lines))
    assert [e["step"] for e in EventReader(run.path).new()] == [1, 3]


def test_a_reader_gets_only_what_is_new(run):
    reader = EventReader(run.path)
    with EventWriter(run.path) as writer:
        writer.write("message", level="info", text="a")
        assert [e["text"] for e in reader.new()] == ["a"]
        assert reader.new() == []
        writer.write("message", level="info", text="b\n\u2028<script>")
    assert [e["text"] for e in reader.new()] == ["b\n\u2028<script>"]


def test_a_resumed_run_replaces_the_steps_it_does_anew(run):
    writer = EventWriter(run.path)
    for step in range(1, 6):
        writer.write("step", step=step, epoch=1, loss=float(step), lr=0.1)
    history = run.history()
    version = history.version
    writer.write("resume", step=3, epoch=0)
    writer.write("step", step=4, epoch=1, loss=40.0, lr=0.1)
    writer.close()
    assert history.update()
    assert history.curves["step/loss"].step == [1, 2, 3, 4]
    assert history.curves["step/loss"].value == [1.0, 2.0, 3.0, 40.0]
    assert history.version == version + 1
    assert run.history().curves == history.curves, "read later, read the same"


def test_wishes_are_read_when_they_change(run):
    wishes = control.Control(run.path)
    assert wishes.wish() == "run"
    for ask, expected in [(run.pause, "pause"), (run.proceed, "run"), (run.stop, "stop")]:
        ask()
        assert wishes.wish() == expected
    (run.path / control.FILE).write_text("{broken")
    assert wishes.wish() == "run"


def test_a_full_disk_leaves_the_old_file(run, monkeypatch):
    atomic.write_text(run.path / "a.txt", "old")

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        atomic.write_text(run.path / "a.txt", "new")
    monkeypatch.undo()
    assert (run.path / "a.txt").read_text() == "old"
    assert not list(run.path.glob(".a.txt.*")), "no rests"


def test_json_holds_no_nan(run):
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(run.path / "x.json", {"a": float("nan")})
    assert not (run.path / "x.json").exists()


@pytest.mark.parametrize("seed", range(3))
def test_files_are_whole_after_a_kill_at_any_moment(tmp_path, seed):
    code = (
        "import sys; from pathlib import Path; from medfusion.runs import atomic\n"
        "i = 0\n"
        "while True:\n"
        "    i += 1; atomic.write_json(Path(sys.argv[1]), {'i': i, 'pad': 'x' * 20000, 'end': i})\n"
    )
    path = tmp_path / "s.json"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)])
    while not path.exists():
        time.sleep(0.01)
    time.sleep(0.05 + 0.07 * seed)
    child.kill()
    child.wait()
    document = json.loads(path.read_text())
    assert document["i"] == document["end"]


def test_a_wish_holds_from_the_start_of_its_process_on(run):
    control.ask(run.path, "stop")
    control.forget_old(run.path)
    assert control.Control(run.path).wish() == "stop"
    long_ago = time.time() - 86_400
    os.utime(run.path / control.FILE, (long_ago, long_ago))
    control.forget_old(run.path)
    assert control.Control(run.path).wish() == "run"
    (run.path / control.FILE).unlink()
    control.forget_old(run.path)
    assert control.Control(run.path).wish() == "run"


@pytest.mark.parametrize("damaged", [False, True])
def test_a_wish_that_was_heeded_does_not_hold_for_the_next_call(run, damaged):
    control.ask(run.path, "stop")
    status.Status("stopped").write(run.path)
    if damaged:
        (run.path / status.FILE).write_text("{")
    control.forget_old(run.path)
    assert control.Control(run.path).wish() == "run"
    time.sleep(0.01)
    control.ask(run.path, "stop")  # asked of the call that is about to begin
    control.forget_old(run.path)
    assert control.Control(run.path).wish() == "stop"


def test_a_wish_for_an_earlier_process_does_not_reach_this_one(run):
    own = status.of_this_process()
    wishes = control.Control(run.path)
    for who, expected in [
        ({}, "stop"),
        ({"pid": own["pid"], "born": own["born"]}, "stop"),
        ({"pid": own["pid"] + 1, "born": own["born"]}, "run"),
        ({"pid": own["pid"], "born": own["born"] - 60}, "run"),
        ({"pid": own["pid"], "born": None}, "stop"),
    ]:
        (run.path / control.FILE).unlink(missing_ok=True)
        assert wishes.wish() == "run"
        atomic.write_json(run.path / control.FILE, {"wish": "stop", "page": "p", "count": 1} | who)
        assert wishes.wish() == expected, who


def test_a_run_started_anew_forgets_what_was_asked_of_it_before(run, monkeypatch):
    asked = []

    def popen(*_args, **_options):
        asked.append(control.Control(run.path).wish())
        return subprocess.CompletedProcess([], 0)

    control.ask(run.path, "stop")
    monkeypatch.setattr(process.subprocess, "Popen", popen)
    with contextlib.suppress(AttributeError):  # no process, no pid
        process.start(run.path)
    process._children.pop(run.path, None)
    assert asked == ["run"]


def sleeper(seconds):
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])


def test_a_process_that_has_said_its_last_may_take_a_moment_to_end(run, monkeypatch):
    leaving = sleeper(0.5)
    process._children[run.path] = leaving
    status.Status("stopped", pid=leaving.pid).write(run.path)
    ended = []

    def popen(*_args, **_options):
        ended.append(leaving.returncode)
        return subprocess.CompletedProcess([], 0)

    monkeypatch.setattr(process.subprocess, "Popen", popen)
    with contextlib.suppress(AttributeError):  # no process, no pid
        process.start(run.path)
    process._children.pop(run.path, None)
    assert ended == [0]


def test_a_process_that_is_starting_is_not_started_twice(run):
    status.Status("stopped", pid=1).write(run.path)  # by the process before
    starting = process._children[run.path] = sleeper(30)
    with pytest.raises(RunError, match="is running already"):
        process.start(run.path)
    starting.kill()
    starting.wait()
    assert not process.at_work(run.path)
