import re
import subprocess
import sys
import threading
import time

import pytest

from medfusion import Experiment
from medfusion.errors import MedFusionError, RunError
from medfusion.runs import RunFolder, Status
from medfusion.runs.control import Control
from medfusion.runs.events import EventWriter
from medfusion.widgets import RunPanel, assets, still
from medfusion.widgets.run_panel import _handle

YAML = """
name: shown
data:
  table: t.csv
  id: id
  numeric: [age]
  target: {kind: binary, column: y}
  split: {kind: grouped}
"""
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>'


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(Experiment.from_yaml_text(YAML, folder=tmp_path), tmp_path / "runs")


@pytest.fixture
def panel(run):
    found = RunPanel(run)
    yield found
    found.close()
    found._thread.join(5)


def sent(panel, monkeypatch):
    messages = []
    monkeypatch.setattr(
        panel, "send", lambda content, buffers=None: messages.append((content, buffers))
    )
    return messages


def until(found, seconds=5):
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_prints_itself_as_code_and_yaml(panel, run):
    assert Experiment.from_yaml_text(panel.yaml) == run.experiment
    assert "mf.Experiment(" in panel.code
    assert panel.monitor == "val/auc"
    assert panel.path == str(run.path)
    assert repr(panel) == f"RunPanel({str(run.path)!r})"


def test_takes_a_path_too_and_no_other_words(run):
    panel = RunPanel(str(run.path))
    panel.close()
    with pytest.raises(TypeError, match=r"unknown argument of RunPanel 'runn'.*did you mean 'run'"):
        RunPanel(run, runn=1)
    with pytest.raises(RunError, match="not a run folder"):
        RunPanel(run.path.parent)


def test_follows_in_a_thread_and_rests_at_the_end(run, monkeypatch):
    panel = RunPanel(run)
    messages = sent(panel, monkeypatch)
    writer = EventWriter(run.path)
    writer.write("step", step=1, epoch=1, loss=0.5, lr=0.1)
    until(lambda: any("curves" in content for content, _ in messages))
    assert threading.current_thread() is not panel._thread
    writer.write("step", step=2, epoch=1, loss=0.4, lr=0.1)
    writer.close()
    Status(state="finished", step=2, steps=2).write(run.path)
    panel._thread.join(5)
    assert not panel._thread.is_alive()
    assert panel.frame["status"]["state"] == "finished"
    assert panel.frame["curves"]["step/loss"] == [[1, 2], [0.5, 0.4]]
    panel.close()


def test_a_closed_panel_stops_reading(run):
    panel = RunPanel(run)
    panel.close()
    panel._thread.join(5)
    assert not panel._thread.is_alive()


@pytest.mark.parametrize(("click", "wish"), [("pause", "pause"), ("stop", "stop")])
def test_buttons_write_wishes(panel, run, monkeypatch, click, wish):
    messages = sent(panel, monkeypatch)
    _handle(panel, {"kind": click}, [])
    assert Control(run.path).wish() == wish
    assert ({"kind": "answer", "to": click, "text": ""}, None) in messages


def test_resume_starts_the_process_of_a_run_that_has_ended(panel, run, monkeypatch):
    from medfusion.widgets import run_panel

    started = []
    monkeypatch.setattr(run_panel.process, "start", started.append)
    Status(state="stopped").write(run.path)
    _handle(panel, {"kind": "resume"}, [])
    assert started == [run.path]


def test_what_goes_wrong_is_told_on_the_page(panel, monkeypatch):
    messages = sent(panel, monkeypatch)

    def fail():
        msg = "is running already"
        raise RunError(msg)

    monkeypatch.setattr(panel, "_resume", fail)
    _handle(panel, {"kind": "resume"}, [])
    answers = [content for content, _ in messages if content["kind"] == "answer"]
    assert answers == [{"kind": "answer", "to": "resume", "text": "is running already"}]


@pytest.mark.parametrize("content", [None, [], "stop", {}, {"kind": 3}, {"kind": "rm -rf"}])
def test_messages_that_mean_nothing_do_nothing(panel, run, monkeypatch, content):
    messages = sent(panel, monkeypatch)
    _handle(panel, content, [])
    assert not [content for content, _ in messages if content["kind"] == "answer"]
    assert Control(run.path).wish() == "run"


def test_a_view_that_asks_gets_everything(panel, monkeypatch):
    messages = sent(panel, monkeypatch)
    _handle(panel, {"kind": "open"}, [])
    until(lambda: any(content["kind"] == "all" for content, _ in messages))


def test_a_damaged_experiment_still_opens(run):
    (run.path / "experiment.yaml").write_text("name: [")
    panel = RunPanel(run)
    assert panel.yaml.startswith("# ")
    panel.close()


def test_plotly_is_one_for_all_panels_and_not_in_the_panel(run):
    first, second = RunPanel(run), RunPanel(run)
    assert first.library is second.library
    assert first.library.code[:2] == b"\x1f\x8b"
    assert len(first._esm) < 60_000
    for panel in (first, second):
        panel.close()


def test_nothing_comes_from_a_network():
    # Names of XML namespaces are the only addresses.
    for name in ("run_panel.js", "run_panel.css"):
        found = re.findall(r"https?://[\w./-]+", assets.read(name))
        assert set(found) <= {"http://www.w3.org/2000/svg"}


def test_a_missing_build_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    with pytest.raises(MedFusionError, match="make install"):
        assets.read("absent.js")


def test_the_still_picture_escapes_everything():
    frame = {
        "status": {"state": HOSTILE, "error": HOSTILE, "trouble": HOSTILE},
        "curves": {"train/loss": [[1, 2], [0.5, 0.4]], HOSTILE: [[1], [1]]},
        "results": {"test": {HOSTILE: {"value": 0.5, "ci": [0.4, 0.6]}}},
        "messages": [{"text": HOSTILE}],
    }
    page = still.html(HOSTILE, HOSTILE, frame)
    assert "<script" not in page
    assert page.count("<img") == 1
    assert "onerror=alert(1)&gt;" in page
    assert "0.500 (0.400 to 0.600)" in page


def test_the_bundle_has_a_still_picture_for_readers_without_widgets(panel):
    bundle, _ = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "mf-still" in bundle["text/html"]
    assert bundle["text/plain"] == repr(panel)


def test_torch_and_pandas_are_not_imported(run):
    code = (
        "import sys; from medfusion.widgets import RunPanel; import medfusion.magics\n"
        f"RunPanel({str(run.path)!r}).close()\n"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
