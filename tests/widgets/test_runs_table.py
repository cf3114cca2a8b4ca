"""The table of runs by its questions: what is asked is in the folders, what is there is shown."""

import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import medfusion as mf
from medfusion.errors import InputError
from medfusion.evaluation import evaluate, roc_curve
from medfusion.runs import RunFolder, Status, control, process, versions
from medfusion.runs.status import of_this_process
from medfusion.spec import Evaluation
from medfusion.widgets import assets, report_job, runs_table
from medfusion.widgets.comparison import ComparisonPanel
from medfusion.widgets.runs_table import RunsTable


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory of its own; the browser side is not needed, nor is time."""
    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.setattr(RunsTable, "_follow", lambda _table: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runs(folder, judged_run):
    return {
        name: judged_run(folder / "runs", name, seed=place, noise=0.7 + place, lr=10.0 ** -(place + 1))
        for place, name in enumerate(("one", "two", "three"))
    }  # fmt: skip


def ask(panel, question, /, **values):
    reply, buffers = panel.answer({"kind": "ask", "id": "1", "name": question, "values": values})
    if reply.get("error"):
        return reply["error"]
    return (reply["values"], buffers) if buffers else reply["values"]


def shown(table):
    return [row["name"] for row in ask(table, "rows", first=0, count=100)["rows"]]


def test_rows_are_the_runs_and_follow_them(runs):
    table = RunsTable("runs")
    assert sorted(shown(table)) == sorted(run.name for run in runs.values())
    first = ask(table, "rows", first=1, count=1)
    assert [row["name"] for row in first["rows"]] == shown(table)[1:2]
    one = runs["one"]
    version = table.state["version"]
    Status(state="running", epoch=2, epochs=5, heartbeat=time.time(), **of_this_process()).write(
        one.path
    )
    table.tick()
    (row,) = [r for r in ask(table, "rows", first=0, count=9)["rows"] if r["name"] == one.name]
    assert (row["state"], row["epoch"]) == ("running", 2)
    assert table.state["version"] == version  # in its place, nothing is fetched anew
    assert table.state["active"] is True
    found = row["metric"]
    assert found["value"] == one.metrics["test"]["auc"]["value"]
    assert found["ci"] == one.metrics["test"]["auc"]["ci"]


@pytest.mark.parametrize("by", runs_table.COLUMNS)
def test_any_column_sorts_both_ways_and_what_has_no_value_is_last(runs, by):
    (runs["two"].path / "metrics.json").unlink()
    (runs["two"].path / "events.jsonl").unlink()
    table = RunsTable("runs")
    for descending in (False, True):
        assert ask(table, "arrange", by=by, descending=descending) == {}
        rows = ask(table, "rows", first=0, count=9)["rows"]
        values = [
            row["metric"] and row["metric"]["value"] if by == "metric" else row[by] for row in rows
        ]
        there = [value for value in values if value is not None]
        assert there == sorted(there, reverse=descending)
        if by in ("metric", "start", "seconds"):
            assert rows[-1]["name"] == runs["two"].name
    assert ask(table, "arrange", by="path", descending=True)["type"] == "InputError"


def test_filters_narrow(runs):
    runs["one"].tag("best")
    runs["two"].annotate("Poster of May")
    Status(state="stopped", epochs=5).write(runs["three"].path)
    table = RunsTable("runs")
    for asked, names in [
        ({"text": "poster MAY"}, ["two"]),
        ({"text": "", "tag": "best"}, ["one"]),
        ({"tag": "", "state": "stopped"}, ["three"]),
        ({"state": "", "text": "mlp"}, ["one", "two", "three"]),
        ({"text": "nothing of this"}, []),
    ]:
        assert ask(table, "narrow", **asked) == {}
        assert sorted(shown(table)) == sorted(runs[name].name for name in names)
        assert (table.state["shown"], table.state["total"]) == (len(names), 3)
    assert (table.state["tags"], table.state["states"]) == (["best"], ["finished", "stopped"])
    assert ask(table, "narrow", colour="red")["type"] == "InputError"


@pytest.mark.usefixtures("runs")
def test_another_metric_may_be_shown():
    table = RunsTable("runs")
    assert ask(table, "measure", metric="brier") == {}
    for row in ask(table, "rows", first=0, count=9)["rows"]:
        run = RunFolder(row["path"])
        assert row["metric"]["value"] == run.metrics["test"]["brier"]["value"]
    assert ask(table, "measure", metric="beauty")["type"] == "InputError"


def test_every_click_is_code_that_does_the_same(runs):
    table = RunsTable("runs")
    name = runs["one"].name
    ask(table, "tag", name=name, tag=" best ")
    ask(table, "annotate", name=name, note='it\'s "good"\n$HOME `x`')
    ask(table, "tag", name=name, tag="-x")
    ask(table, "untag", name=name, tag="best")
    ask(table, "name_version", name=name, model="skin")
    said = runs["one"].notes
    assert said.tags == ("-x",)
    # The same again on runs that nobody has touched, by either language.
    for words in (table.state["commands"], None):
        runs["one"].untag("-x")
        runs["one"].annotate("")
        if words is None:
            code = ["import medfusion as mf", "from medfusion.runs import versions"]
            done = subprocess.run(
                [sys.executable, "-c", "\n".join([*code, *table.state["python"]])],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            assert done.stderr == ""
        else:
            from medfusion import cli

            for line in words:
                import shlex

                assert cli.run(shlex.split(line)[1:]) == 0, line
        assert runs["one"].notes == said
    assert [one.number for one in versions.list_versions("runs", "skin")] == [1, 2, 3]
    assert len(ask(table, "rows", first=0, count=1)["rows"]) == 1
    table.tick()
    rows = {row["name"]: row for row in ask(table, "rows", first=0, count=9)["rows"]}
    assert rows[name]["versions"] == ["skin@1", "skin@2", "skin@3"]


def test_deletion_asks_once_more_and_is_refused_while_at_work(runs):
    table = RunsTable("runs")
    names = [run.name for run in runs.values()]
    ask(table, "select", names=names)
    ask(table, "turn_to", name=names[0])
    assert ask(table, "delete", name=names[0])["type"] == "InputError"
    Status(state="running", heartbeat=time.time(), **of_this_process()).write(runs["one"].path)
    assert "stop it first" in ask(table, "delete", name=names[0], sure=True)["message"]
    Status(state="finished").write(runs["one"].path)
    assert ask(table, "delete", name=names[0], sure=True) == {}
    assert not runs["one"].path.exists()
    assert table.state["selected"] == table.state["comparison"]["runs"] == names[1:]
    assert table.state["current"] is None
    assert sorted(shown(table)) == sorted(names[1:])
    assert "not there any more" in ask(table, "tag", name=names[0], tag="x")["message"]


@pytest.mark.usefixtures("runs")
def test_a_link_is_shown_but_not_changed(folder, judged_run):
    elsewhere = judged_run(folder / "elsewhere")
    (folder / "runs" / "link").symlink_to(elsewhere.path)
    table = RunsTable("runs")
    assert "link" in shown(table)
    for name, values in {
        "tag": {"tag": "x"}, "annotate": {"note": "x"}, "delete": {"sure": True},
        "name_version": {"model": "m"},
    }.items():  # fmt: skip
        assert "is a link" in ask(table, name, name="link", **values)["message"]
    assert elsewhere.notes.tags == ()


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", ".", "", None, 3, ["one"]])
def test_names_that_are_no_runs_reach_nothing(runs, name):
    assert runs
    table = RunsTable("runs")
    for question, values in {
        "stop": {},
        "resume": {},
        "report": {},
        "delete": {"sure": True},
    }.items():
        assert ask(table, question, name=name, **values)["type"] in ("InputError", "RunError")


def test_clicks_and_the_reading_thread_lose_nothing_to_each_other(runs):
    table = RunsTable("runs")
    names = [run.name for run in runs.values()]
    ended = threading.Event()

    def read():
        while not ended.is_set():
            runs["one"].annotate(str(time.monotonic_ns()))
            table.tick()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for turn in range(60):
            name = names[turn % 3]
            ask(table, "turn_to", name=name)
            assert table.state["current"] == name
            ask(table, "select", names=[name])
            assert table.state["selected"] == [name]
    finally:
        ended.set()
        thread.join()


def test_stop_and_resume(runs, monkeypatch):
    started = []
    monkeypatch.setattr(process, "start", started.append)
    table = RunsTable("runs")
    one, two = runs["one"], runs["two"]
    me = of_this_process()
    Status(state="running", heartbeat=time.time(), **me).write(one.path)
    ask(table, "stop", name=one.name)
    assert control.Control(one.path).wish() == "stop"
    Status(state="paused", heartbeat=time.time(), **me).write(one.path)
    ask(table, "resume", name=one.name)
    assert control.Control(one.path).wish() == "run"
    Status(state="stopped").write(two.path)
    ask(table, "resume", name=two.name)
    assert started == [two.path]


def test_the_report_is_written_by_another_process_and_its_end_is_told(runs, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(
        report_job, "_written", lambda *_: done.wait(10) and {"state": "written", "trouble": ""}
    )
    table = RunsTable("runs")
    name = runs["one"].name
    assert ask(table, "report", name=name) == {}
    assert table.state["reports"][name]["state"] == "writing"
    ask(table, "report", name=name)  # one at a time
    done.set()
    for _ in range(100):
        if table.state["reports"][name]["state"] == "written":
            break
        time.sleep(0.05)
    assert table.state["reports"][name]["path"] == str(runs["one"].path / "report.html")
    assert len([line for line in table.state["commands"] if " report " in line]) == 1


def test_a_report_that_cannot_be_written_says_why(runs):
    (runs["one"].path / "experiment.yaml").write_text("{")
    found = report_job._written(runs["one"].path, runs["one"].path / "report.html")
    assert found["state"] == "failed"
    assert "experiment.yaml" in found["trouble"]


def test_what_is_chosen_is_compared(runs):
    table = RunsTable("runs")
    one, two = runs["one"], runs["two"]
    assert "choose two runs" in ask(table, "compared")["message"]
    ask(table, "select", names=[one.name])
    assert table.state["comparison"] is None
    ask(table, "select", names=[one.name, two.name, one.name])
    assert table.state["comparison"]["runs"] == [one.name, two.name]
    values, buffers = ask(table, "compared")
    assert [run["name"] for run in values["runs"]] == [one.name, two.name]
    metric = next(item for item in values["metrics"] if item["name"] == "auc")
    assert metric["values"] == [run.metrics["test"]["auc"] for run in (one, two)]
    assert {item["field"] for item in values["fields"]} == {"name", "seed", "training.optimizer.lr"}
    assert values["classes"] == ["1"]
    place = values["curves"].index("val/auc")
    step = np.frombuffer(buffers[2 * place], np.int32)
    assert step.tolist() == [4, 8, 12, 16, 20]
    curve = one.history().curves["val/auc"].value
    assert np.frombuffer(buffers[2 * place + 1], np.float32) == pytest.approx(curve)
    assert "mf.compare(" in table.state["python"][-1]


def test_overlays_are_the_curves_of_the_predictions(runs):
    one = runs["one"]
    panel = mf.compare(one, runs["two"])
    values, buffers = ask(panel, "overlays", class_="1")
    assert [item["n"] for item in values["runs"]] == [60, 60]
    rows = [row for row in one.predictions if row["split"] == "test"]
    truth = [int(row["target"]) for row in rows]
    score = [float(row["prob_1"]) for row in rows]
    x, y = (np.frombuffer(buffers[at], np.float32) for at in (0, 1))
    auc = evaluate(
        truth, [[1 - s, s] for s in score], kind="binary", settings=Evaluation(bootstrap=100)
    )["auc"]
    assert np.trapezoid(y, x) == pytest.approx(auc.value, abs=1e-5)
    curve = roc_curve(truth, score)
    assert {*zip(x.tolist(), y.tolist(), strict=True)} <= {
        *zip(
            curve.false_positive_rate.astype(np.float32).tolist(),
            curve.true_positive_rate.astype(np.float32).tolist(),
            strict=True,
        )
    }
    predicted, observed, low, high = (np.frombuffer(buffers[at], np.float32) for at in range(4, 8))
    assert (low <= observed).all()
    assert (observed <= high).all()
    assert predicted.mean() == pytest.approx(np.mean(score), abs=0.02)
    assert "no class" in ask(panel, "overlays", class_="7")[0]["runs"][0]["why"]


def test_differences_are_those_of_the_command_line(runs, capsys):
    from medfusion import cli

    one, two, three = runs.values()
    panel = mf.compare(one, two.path, str(three.path))
    found = ask(panel, "differences")["differences"]
    assert cli.run(["compare", str(two.path), str(one.path), "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["differences"]
    assert {name: found[0][name] for name in pair} == pair
    assert all(item["adjusted"] >= item["p"] for item in found)
    assert (
        max(item["p"] for item in found) == pytest.approx(max(item["adjusted"] for item in found))
        or len(found) == 2
    )


def test_runs_that_cannot_be_compared_say_why(runs, folder, judged_run):
    one = runs["one"]
    made = {
        "other ids": judged_run(folder / "more", "a", start=1000),
        "other targets": judged_run(folder / "more", "b", flipped=[150]),
        "other kind": judged_run(folder / "more", "c", kind="multiclass", classes=("0", "1", "2")),
        "no predictions": judged_run(folder / "more", "d"),
    }
    (made["no predictions"].path / "predictions.csv").unlink()
    panel = ComparisonPanel(one, *made.values())
    found = {item["run"]: item["why"] for item in ask(panel, "differences")["differences"]}
    for what, word in {
        "other ids": "no id is in the test split of both",
        "other targets": "the same ids have different targets",
        "other kind": "different kinds of targets",
        "no predictions": "has no predictions.csv",
    }.items():
        assert word in found[made[what].name], what
    values, _ = ask(panel, "compared")
    assert any("predictions.csv" in text for text in values["troubles"])


def test_classes_are_drawn_one_against_all_others(folder, judged_run):
    classes = ("a", "b", "c")
    pair = [
        judged_run(folder / "more", name, seed=seed, kind="multiclass", classes=classes)
        for seed, name in enumerate(("x", "y"))
    ]
    panel = mf.compare(*pair, split="val")
    assert ask(panel, "compared")[0]["classes"] == list(classes)
    values, _ = ask(panel, "overlays", class_="b")
    assert values["runs"][0] == {"n": 60, "positive": 20, "why": ""}
    assert ask(panel, "look", class_="c", split="train") == {}
    assert panel.state["comparison"]["class"] == "c"
    assert ask(panel, "look", split="future")["type"] == "InputError"


def test_a_comparison_needs_two_runs_and_no_more_than_can_be_told_apart(runs):
    one = runs["one"]
    for given in ((), (one,), (one, one)):
        with pytest.raises(InputError, match="two different runs"):
            mf.compare(*given)
    with pytest.raises(InputError, match="is no split"):
        mf.compare(one, runs["two"], split="future")
    with pytest.raises(TypeError, match="did you mean 'split'"):
        ComparisonPanel(one, runs["two"], splt="test")


def test_thousands_of_runs_are_listed_at_once(folder, judged_run):
    import shutil

    made = judged_run(folder / "runs", "one")
    for number in range(1500):
        copy = folder / "runs" / f"run-{number:04}"
        copy.mkdir()
        for name in ("experiment.yaml", "status.json", "environment.json", "metrics.json"):
            shutil.copy(made.path / name, copy)
    began = time.monotonic()
    table = RunsTable("runs")
    assert table.state["total"] == 1501
    opened = time.monotonic() - began
    began = time.monotonic()
    rows = ask(table, "rows", first=700, count=40)["rows"]
    assert len(rows) == 40
    assert time.monotonic() - began < 0.15
    assert opened < 5
    assert len(ask(table, "rows", first=0, count=10**9)["rows"]) == runs_table.MOST_ROWS


def test_torch_is_not_imported():
    work = (
        "import sys\nfrom medfusion.widgets.runs_table import RunsTable\n"
        "from medfusion.runs import versions, overview, deletion\n"
        "assert not {'torch', 'pandas', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
