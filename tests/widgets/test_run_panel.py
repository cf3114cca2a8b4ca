import json
import re
import subprocess
import sys
import threading
import time

import pytest

from medfusion import Experiment, watch
from medfusion.errors import InputError, MedFusionError, RunError
from medfusion.runs import RunFolder, Status
from medfusion.runs.control import Control
from medfusion.runs.events import EventWriter
from medfusion.widgets import RunPanel, assets, still

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
    until(lambda: not found.following)


def raised(error):
    raise error


def sent(panel, monkeypatch):
    messages = []
    monkeypatch.setattr(
        panel, "send", lambda content, buffers=None: messages.append((content, buffers))
    )
    return messages


def ask(panel, name, **values):
    """What the kernel answers to a question of the page."""
    return panel.answer({"kind": "ask", "id": "1", "name": name, "values": values})[0]


def until(found, seconds=5):
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_prints_itself_as_code_and_yaml(panel, run):
    assert Experiment.from_yaml_text(panel.yaml) == run.experiment
    assert "mf.Experiment(" in panel.code
    assert panel.state["runs"][0]["monitor"] == "val/auc"
    assert panel.state["runs"][0]["path"] == str(run.path)
    assert repr(panel) == f"RunPanel({str(run.path)!r})"


def test_takes_a_path_too_and_no_other_words(run):
    panel = RunPanel(str(run.path))
    panel.close()
    with pytest.raises(
        TypeError, match=r"unknown argument of RunPanel 'runn'.*did you mean 'runs'"
    ):
        RunPanel(run, runn=1)
    with pytest.raises(InputError, match="at least one run"):
        RunPanel()
    with pytest.raises(RunError, match="not a run folder"):
        RunPanel(run.path.parent)


def test_follows_in_a_thread_and_rests_at_the_end(run, monkeypatch):
    panel = RunPanel(run)
    messages = sent(panel, monkeypatch)
    writer = EventWriter(run.path)
    writer.write("step", step=1, epoch=1, loss=0.5, lr=0.1)
    until(lambda: any("curves" in news for content, _ in messages for news in content["news"]))
    assert panel.following
    assert threading.current_thread() is not panel._thread
    writer.write("step", step=2, epoch=1, loss=0.4, lr=0.1)
    writer.close()
    Status(state="finished", step=2, steps=2).write(run.path)
    until(lambda: not panel.following)
    assert panel.frames[0]["status"]["state"] == "finished"
    assert panel.frames[0]["curves"]["step/loss"] == [[1, 2], [0.5, 0.4]]
    panel.close()


def test_a_disk_that_stumbles_does_not_end_the_following(run, monkeypatch):
    panel = RunPanel(run)
    messages = sent(panel, monkeypatch)
    [feed] = panel._feeds
    poll, left = feed.poll, [OSError("stale file handle"), RuntimeError("sent at once")]
    monkeypatch.setattr(feed, "poll", lambda: poll() if not left else raised(left.pop()))
    until(lambda: not left)
    Status(state="finished", step=2, steps=2).write(run.path)
    until(lambda: not panel.following)
    assert messages[-1][0]["news"][0]["status"]["state"] == "finished"
    panel.close()


def test_a_disk_that_is_gone_ends_it(run, monkeypatch):
    panel = RunPanel(run)
    monkeypatch.setattr(panel._feeds[0], "poll", lambda: raised(OSError("gone")))
    until(lambda: not panel.following)
    panel.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_the_thread_does_not_keep_the_panel_from_following_again(run, monkeypatch):
    panel = RunPanel(run)
    with monkeypatch.context() as broken:
        broken.setattr(panel._feeds[0], "poll", lambda: raised(KeyError("fault")))
        until(lambda: not panel.following)
    panel.follow()
    assert panel.following
    panel.close()
    until(lambda: not panel.following)


def test_a_closed_panel_stops_reading(run):
    panel = RunPanel(run)
    panel.close()
    until(lambda: not panel.following)


@pytest.mark.parametrize(("click", "wish"), [("pause", "pause"), ("stop", "stop")])
def test_buttons_write_wishes(panel, run, click, wish):
    assert ask(panel, "wish", run=0, wish=click, page="p", count=1)["values"] == {}
    assert Control(run.path).wish() == wish


def test_a_wish_that_the_page_wrote_itself_is_not_done_again(panel, run):
    def write(wish, count):
        document = {"wish": wish, "page": "p", "count": count}
        (run.path / "control.json").write_text(json.dumps(document))

    write("run", 2)  # Pause and Resume were clicked while a cell kept the kernel busy
    ask(panel, "wish", run=0, wish="pause", page="p", count=1)
    ask(panel, "wish", run=0, wish="stop", page="p", count=2)
    assert Control(run.path).wish() == "run"
    ask(panel, "wish", run=0, wish="pause", page="another", count=1)
    assert Control(run.path).wish() == "pause"
    write("run", 2)
    ask(panel, "wish", run=0, wish="stop", page="p", count=3)
    assert Control(run.path).wish() == "stop"


def test_resume_starts_the_process_of_a_run_that_has_ended(panel, run, monkeypatch):
    from medfusion.widgets import run_panel

    started = []
    monkeypatch.setattr(run_panel.process, "start", started.append)
    Status(state="stopped").write(run.path)
    ask(panel, "wish", run=0, wish="resume", page="p", count=1)
    assert started == [run.path]


def test_a_stop_that_arrives_after_the_resume_that_followed_it_is_late(panel, run, monkeypatch):
    from medfusion.widgets import run_panel

    monkeypatch.setattr(run_panel.process, "start", lambda _: None)
    Status(state="stopped").write(run.path)
    ask(panel, "wish", run=0, wish="resume", page="p", count=2)
    ask(panel, "wish", run=0, wish="stop", page="p", count=1)
    assert Control(run.path).wish() == "run"
    ask(panel, "wish", run=0, wish="stop", page="p", count=3)
    assert Control(run.path).wish() == "stop"


def test_what_goes_wrong_is_told_on_the_page(panel, monkeypatch):
    from medfusion.widgets import run_panel

    def fail(path):
        msg = f"{path.name}: is running already"
        raise RunError(msg)

    monkeypatch.setattr(run_panel.process, "start", fail)
    found = ask(panel, "wish", run=0, wish="resume", page="p", count=1)
    assert found["error"]["type"] == "RunError"
    assert found["error"]["message"].endswith("is running already")


@pytest.mark.parametrize("content", [None, [], "stop", {}, {"kind": 3}, {"kind": "rm -rf"}])
def test_messages_that_mean_nothing_do_nothing(panel, run, content):
    assert panel.answer(content) is None
    assert Control(run.path).wish() == "run"


@pytest.mark.parametrize(
    ("run_number", "wish"), [(1, "stop"), (-1, "stop"), (True, "stop"), ("0", "stop"), (0, "run")]
)
def test_wishes_for_no_run_and_no_wishes_are_refused(panel, run, run_number, wish):
    found = ask(panel, "wish", run=run_number, wish=wish, page="p", count=1)
    assert found["error"]["type"] == "InputError"
    assert Control(run.path).wish() == "run"


def test_a_view_that_asks_gets_everything(panel, monkeypatch):
    messages = sent(panel, monkeypatch)
    ask(panel, "everything")
    until(lambda: any(news["kind"] == "all" for content, _ in messages for news in content["news"]))


def test_several_runs_are_followed_in_one_message_a_tick(tmp_path, run, monkeypatch):
    other = RunFolder.create(run.experiment, tmp_path / "runs")
    panel = watch(run, str(other.path))
    messages = sent(panel, monkeypatch)
    for number, folder in enumerate((run, other)):
        writer = EventWriter(folder.path)
        writer.write("step", step=1, epoch=1, loss=0.5 + number, lr=0.1)
        writer.close()
        Status(state="finished", step=1, steps=1).write(folder.path)
    until(lambda: not panel.following)
    assert [frame["curves"]["step/loss"][1] for frame in panel.frames] == [[0.5], [1.5]]
    for content, buffers in messages:
        assert sum(news["buffers"] for news in content["news"]) == len(buffers)
    assert panel.state["open"] == f"mf.watch({str(run.path)!r}, {str(other.path)!r})"
    assert repr(panel) == f"RunPanel({str(run.path)!r}, {str(other.path)!r})"
    panel.close()


def test_how_curves_are_shown_is_the_same_in_all_views(panel):
    assert ask(panel, "look", smoothing=0.6, log=True)["values"] == {}
    ask(panel, "look", hidden=[0], metric="val/auc")
    assert panel.state["look"] == {
        "smoothing": 0.6, "log": True, "hidden": [0], "chosen": 0, "metric": "val/auc",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [{"smoothing": 1}, {"smoothing": "x"}, {"log": 1}, {"hidden": [1]}, {"hidden": 0},
     {"chosen": 1}, {"chosen": True}, {"metric": None}, {"colour": "red"}],
)  # fmt: skip
def test_a_look_that_is_none_is_refused(panel, changed):
    before = panel.state["look"]
    assert ask(panel, "look", **changed)["error"]["type"] == "InputError"
    assert panel.state["look"] == before


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
