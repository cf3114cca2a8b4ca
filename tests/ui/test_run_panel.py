"""The live panel in a real JupyterLab, on runs that are played rather than trained."""

import json
import shutil
import time

import pytest

REST = """
import time
for _ in range(100):
    if not panel.following:
        break
    time.sleep(0.1)
print(panel.following)
"""
IDLE = "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
SHOW = "from medfusion.widgets import RunPanel\npanel = RunPanel({path})\npanel"
RANGE = "() => Array.from(document.querySelector('.mf-plot')._fullLayout.xaxis.range)"
UNSEEN = """() => [...document.querySelectorAll('.mf-run-panel > .mf-charts .mf-legend > span')]
    .filter((one) => one.getBoundingClientRect().bottom > one.parentNode.getBoundingClientRect().bottom)
    .map((one) => one.textContent)"""
HEIGHT = "() => document.querySelector('.mf-panel').getBoundingClientRect().height"
CLASH = "window.hacked = 1"
HOSTILE = f'<img src=x onerror="{CLASH}"><script>{CLASH}</script>${{{CLASH}}}'


def test_grows_pauses_goes_on_and_keeps_the_zoom(lab, played, play, quoted):
    run = played("skin-fusion")
    lab.open("live.ipynb", SHOW.format(path=quoted(run)))
    lab.run_all()
    lab.wait_state("starting")
    play("play", run, 16)
    lab.wait_points(20)
    height = lab.page.evaluate(HEIGHT)

    plot = lab.page.locator(".mf-plot").first.bounding_box()
    middle = plot["y"] + plot["height"] / 2
    lab.page.mouse.move(plot["x"] + 80, middle)
    lab.page.mouse.down()
    lab.page.mouse.move(plot["x"] + 180, middle, steps=4)
    lab.page.mouse.up()
    lab.page.wait_for_timeout(300)
    zoomed = lab.page.evaluate(RANGE)
    assert zoomed[0] > 1

    lab.page.get_by_role("button", name="Pause").click()
    lab.wait_state("paused")
    paused = lab.points()[0]
    lab.page.get_by_role("button", name="Resume").click()
    lab.wait_state("running")
    lab.wait_points(paused + 60)
    assert lab.page.evaluate(RANGE) == zoomed
    lab.page.locator(".mf-plot").first.dblclick()
    lab.page.wait_for_timeout(300)
    assert lab.page.evaluate(RANGE)[0] == 0
    lab.wait_points(230)
    assert lab.page.evaluate(UNSEEN) == []
    lab.picture("run_panel_light")
    lab.theme("JupyterLab Dark")
    lab.picture("run_panel_dark")
    lab.theme("JupyterLab Light")

    titles = lab.page.eval_on_selector_all(
        ".modebar-btn", "found => [...new Set(found.map(b => b.dataset.title))]"
    )
    assert len(titles) == 4
    assert not [title for title in titles if "cloud" in title.lower()]

    lab.wait_state("finished")
    lab.wait_points(400)
    assert lab.points(0) == [400, 10, 10]
    assert lab.points(1) == [10] * 5
    assert lab.page.evaluate(HEIGHT) == height
    for tab, text in {
        "Data checks (1)": "AUC 0.993",
        "Results": "0.871 (0.802 to 0.928)",
        "Experiment": "kind: gated",
    }.items():
        lab.page.get_by_role("tab", name=tab).click()
        lab.page.get_by_role("tabpanel").get_by_text(text).first.wait_for(timeout=3000)
    lab.picture("run_panel_experiment")
    lab.page.get_by_role("button", name="Python", exact=True).click()
    lab.page.get_by_text("mf.Experiment(").wait_for(timeout=3000)
    # The thread ends with the run, so an old panel costs nothing.
    assert lab.kernel(REST) == "False"


def test_lives_while_a_cell_keeps_the_kernel_busy(lab, played, play, quoted):
    run = played("busy")
    lab.open("busy.ipynb", SHOW.format(path=quoted(run)), "import time; time.sleep(10)")
    play("play", run, 10)
    lab.run_all()
    lab.wait_points(30)
    before = lab.points()[0]
    lab.wait_points(before + 40)
    # The kernel hears nothing before its cell ends: the page tells the run through the server.
    lab.page.get_by_role("button", name="Pause").click()
    lab.wait_state("paused", timeout=5000)
    lab.page.get_by_text("through the Jupyter server").wait_for(timeout=5000)
    lab.picture("run_panel_busy")
    lab.page.get_by_role("button", name="Resume").click()
    lab.wait_state("running", timeout=5000)
    lab.page.get_by_role("button", name="Stop").click()
    lab.page.get_by_role("button", name="Stop now?").click()
    lab.wait_state("stopped", timeout=5000)
    assert not lab.page.evaluate(IDLE)
    lab.wait_idle()
    # What the kernel hears after its cell was done long ago, and is not done again.
    assert lab.kernel(f"print(open({quoted(run / 'control.json')}).read())").startswith("{")
    assert json.loads((run / "control.json").read_text())["wish"] == "stop"


def test_says_so_where_a_busy_kernel_keeps_a_run_outside_of_the_server(
    lab, played, play, quoted, tmp_path
):
    made = played("outside")
    run = tmp_path / made.name
    shutil.move(made, run)
    lab.open("outside.ipynb", SHOW.format(path=quoted(run)), "import time; time.sleep(6)")
    play("play", run, 20)
    lab.run_all()
    lab.wait_points(10)
    lab.page.get_by_role("button", name="Pause").click()
    lab.page.get_by_text("No answer from the kernel yet").wait_for(timeout=5000)
    lab.wait_state("paused", timeout=15_000)  # when the cell has ended


def test_opens_a_million_steps_at_once(lab, played, play, quoted):
    run = played("long")
    assert play("long", run, 1_000_000).wait() == 0
    small = played("small")
    assert play("long", small, 100).wait() == 0
    lab.open("long.ipynb", SHOW.format(path=quoted(small)), SHOW.format(path=quoted(run)))
    lab.run_cell(0)
    lab.wait_points(100)
    started = time.monotonic()
    lab.run_cell(1)
    lab.wait_points(200, chart=3)
    seconds = time.monotonic() - started
    wait = "() => document.querySelectorAll('.mf-plot')[3].data[0].y.includes(99)"
    lab.page.wait_for_function(wait, timeout=60_000)
    whole = time.monotonic() - started
    print(f"1 000 000 steps: the panel opened in {seconds:.2f} s, each peak after {whole:.2f} s")
    assert 1000 < lab.points(3)[0] <= 2000
    assert seconds < 2


def test_several_runs_lie_over_each_other(lab, played, play, quoted):
    done, working = played("first"), played("second")
    play("play", done, 1)
    watch = f"import medfusion as mf\npanel = mf.watch({quoted(done)}, {quoted(working)})\npanel"
    lab.open("several.ipynb", watch, "panel")
    lab.page.set_viewport_size({"width": 1360, "height": 1150})
    play("play", working, 40)
    lab.run_cell(0)
    lab.wait_points(3, chart=1)
    lab.page.wait_for_function("() => document.querySelectorAll('.mf-plot')[1].data.length === 2")
    assert lab.page.evaluate(UNSEEN) == []

    # What is changed here is in the kernel, and so in every other view.
    panel = lab.page.locator(".mf-panel").first
    panel.get_by_role("checkbox", name=f"Show {done.name}").uncheck()
    lab.page.wait_for_function("() => document.querySelectorAll('.mf-plot')[1].data.length === 1")
    panel.get_by_role("checkbox", name=f"Show {done.name}").check()
    panel.get_by_role("slider", name="Smoothing").focus()
    for _ in range(60):
        lab.page.keyboard.press("ArrowRight")
    panel.get_by_role("checkbox", name="Log scale").check()
    panel.get_by_role("button", name=working.name).click()
    lab.page.wait_for_timeout(500)
    look = json.loads(lab.kernel("import json; print(json.dumps(panel.state['look']))"))
    assert look == {"smoothing": 0.6, "log": True, "hidden": [], "chosen": 1, "metric": ""}
    axis = "() => document.querySelectorAll('.mf-plot')[0]._fullLayout.yaxis.type"
    assert lab.page.evaluate(axis) == "log"
    lab.run_cell(1)
    again = lab.page.locator(".mf-panel").nth(1)
    again.get_by_role("heading", name=working.name).wait_for(timeout=10_000)
    assert again.get_by_role("slider", name="Smoothing").input_value() == "0.6"
    lab.kernel("panel.look(smoothing=0.0, log=False)")
    lab.page.wait_for_function(
        "() => document.querySelector('.mf-look output').textContent === '0'"
    )

    # The buttons are the chosen run's.
    panel.get_by_role("button", name="Pause").click()
    panel.locator("header .mf-badge", has_text="paused").wait_for(timeout=5000)
    assert json.loads((working / "control.json").read_text())["wish"] == "pause"
    assert not (done / "control.json").exists()
    panel.get_by_role("button", name="Resume").click()

    for tab in ("Classes", "Inside the model", "Gradients", "Machine"):
        panel.get_by_role("tab", name=tab).click()
        panel.locator(".mf-pane:not([hidden]) .js-plotly-plot").first.wait_for(timeout=5000)
        lab.picture(f"runs_{tab.split()[0].lower()}_light")
    panel.get_by_role("tab", name="Most wrong").click()
    panel.get_by_text("probability of yes: 0.030").wait_for(timeout=10_000)
    shown = (
        "() => Array.from(document.querySelectorAll('.mf-wrong-cases img'), i => i.naturalWidth)"
    )
    assert lab.page.evaluate(shown) == [64] * 8
    lab.picture("runs_wrong_light")
    lab.theme("JupyterLab Dark")
    lab.picture("runs_wrong_dark")
    lab.page.set_viewport_size({"width": 700, "height": 1150})
    lab.page.wait_for_timeout(600)
    lab.picture("runs_narrow_dark")
    lab.theme("JupyterLab Light")


@pytest.fixture
def hostile_run(played):
    """A run whose every text wants to be a script."""
    run = played("hostile")
    events = [
        {"kind": "message", "level": HOSTILE, "text": HOSTILE},
        {"kind": "checks", "checks": [{"name": HOSTILE, "outcome": HOSTILE, "message": HOSTILE}]},
        {"kind": "step", "step": 1, "epoch": 1, "loss": 0.5, "lr": 0.1},
        {"kind": "step", "step": HOSTILE, "epoch": 1, "loss": HOSTILE, "lr": None},
        {
            "kind": "epoch",
            "epoch": 1,
            "step": 2,
            "metrics": {f"val/{HOSTILE}": 0.5},
            "best": True,
            "classes": {"auc": {HOSTILE: 0.5}, HOSTILE: {HOSTILE: 1}},
            "inside": {HOSTILE: {"mean": 1}},
        },
        {"kind": "gradients", "step": 2, "norms": {HOSTILE: 1.0}},
        {"kind": "system", "cpu": HOSTILE, "memory": 5.0},
    ]
    lines = [json.dumps({"seq": i + 1, "time": HOSTILE, **e}) for i, e in enumerate(events)]
    (run / "events.jsonl").write_text("\n".join([*lines, HOSTILE, ""]))
    status = json.loads((run / "status.json").read_text())
    status |= {"state": "failed", "error": {"type": "E", "message": HOSTILE}}
    (run / "status.json").write_text(json.dumps(status))
    figure = {"value": 0.5, "ci": [HOSTILE, 1], "method": HOSTILE, "n": HOSTILE}
    (run / "metrics.json").write_text(
        json.dumps({"test": {HOSTILE: figure}, HOSTILE: {"a": figure}})
    )
    case = dict.fromkeys(("id", "split", "truth", "said", "task"), HOSTILE) | {"wrong": 0.5}
    (run / "mistakes.json").write_text(json.dumps({"epoch": 1, "cases": [case]}))
    experiment = run / "experiment.yaml"
    experiment.write_text(experiment.read_text().replace("malignant", f"'{HOSTILE}'"))
    return run


def test_text_from_data_stays_text_live_and_reopened(lab, hostile_run, quoted):
    lab.open("hostile.ipynb", SHOW.format(path=quoted(hostile_run)))
    lab.run_all()
    lab.wait_state("failed")
    lab.wait_points(1)
    for tab in ("Log", "Data checks", "Results", "Experiment", "Most wrong"):
        lab.page.get_by_role("tab", name=tab).click()
        lab.page.get_by_role("tabpanel").get_by_text(HOSTILE[:20]).first.wait_for(timeout=3000)
    for tab in ("Classes", "Inside the model", "Gradients", "Machine"):
        lab.page.get_by_role("tab", name=tab).click()
        lab.page.wait_for_timeout(300)
    for chart in lab.page.locator(".mf-plot:visible").all():
        chart.hover()
        lab.page.wait_for_timeout(300)
    assert lab.page.evaluate("window.hacked ?? 0") == 0
    lab.reopen("hostile.ipynb")
    lab.page.locator(".mf-still").get_by_text(HOSTILE[:20]).first.wait_for(timeout=10_000)
    assert lab.page.evaluate("window.hacked ?? 0") == 0


def test_reopened_notebook_shows_the_last_state_without_a_kernel(lab, played, play, quoted):
    run = played("yesterday")
    lab.open("saved.ipynb", SHOW.format(path=quoted(run)))
    lab.run_all()
    play("play", run, 3)
    lab.wait_state("finished")
    assert not lab.page.locator(".mf-still").is_visible()
    lab.kernel(REST)
    lab.reopen("saved.ipynb")
    still = lab.page.locator(".mf-still")
    still.get_by_text("finished, epoch 10 of 10, step 400 of 400").wait_for(timeout=10_000)
    assert still.get_by_text("0.871 (0.802 to 0.928)").is_visible()
    assert not lab.page.get_by_text("model not found").is_visible()
    lab.picture("run_panel_reopened")
