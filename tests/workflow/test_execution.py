"""The background work: what is done, passed over, gone on with, and what a failure stops."""

import os
import signal
import subprocess
import sys
import time

import pytest

from medfusion.errors import RunError, SpecError
from medfusion.runs import control, process
from medfusion.workflow import Workflow, WorkflowFolder, templates
from medfusion.workflow.execution import execute

FLAT = ("data", "preprocessing", "split", "model")


@pytest.fixture
def workflow(tmp_path):
    """A workflow of one training that takes a second, without a picture encoder."""
    made = templates.make("survival", tmp_path).model_dump(mode="json")
    del made["nodes"]["preprocessing"], made["nodes"]["explanation"]
    made["edges"] = [e for e in made["edges"] if "preprocessing" not in e["source"] + e["target"]]
    made["edges"] = [e for e in made["edges"] if "explanation" not in e["target"]]
    made["edges"].append({"source": "data.data", "target": "split.data"})
    made["nodes"]["data"]["settings"]["data"]["images"] = {}
    made["nodes"]["model"]["settings"] = {}
    return Workflow.from_mapping(made, folder=tmp_path)


def changed(workflow, node, **settings):
    plain = workflow.model_dump(mode="json")
    for part, values in settings.items():
        plain["nodes"][node]["settings"].setdefault(part, {}).update(values)
    return Workflow.from_mapping(plain, folder=workflow.folder)


def work(workflow):
    folder = WorkflowFolder.create(workflow, workflow.folder / "runs")
    execute(folder.path)
    return folder


def states(folder):
    return {name: node["state"] for name, node in folder.nodes.items()}


def test_what_is_unchanged_is_not_done_again(workflow):
    folder = work(workflow)
    assert set(states(folder).values()) == {"done"}
    assert folder.status.state == "finished"
    run = folder.run_of("training")
    report = folder.path / folder.nodes["report"]["result"]["file"]
    assert report.stat().st_size > 10_000
    assert run.experiment.hash == workflow.experiment().resolved().hash

    assert set(states(work(workflow)).values()) == {"unchanged"}
    # A label or a place is no reason to work.
    plain = workflow.model_dump(mode="json")
    plain["nodes"]["data"] |= {"label": "Haut", "position": [1.0, 2.0]}
    assert set(states(work(Workflow.from_mapping(plain, folder=workflow.folder))).values()) == {
        "unchanged"
    }

    judged = states(work(changed(workflow, "evaluation", evaluation={"confidence": 0.8})))
    assert judged["training"] == "unchanged"
    assert (judged["evaluation"], judged["report"]) == ("done", "done")
    again = folder.run_of("evaluation")
    assert again.path != run.path
    assert again.experiment.evaluation.confidence == 0.8
    assert run.experiment.evaluation.confidence == 0.95
    low, high = run.metrics["test"]["c_index"]["ci"]
    inner = again.metrics["test"]["c_index"]["ci"]
    assert low <= inner[0] <= inner[1] <= high

    longer = states(work(changed(workflow, "training", training={"epochs": 1})))
    assert longer["training"] == "done"
    assert folder.run_of("training").path != run.path
    # Back to what was there before: its run is still there.
    back = work(workflow)
    assert states(back)["split"] == "unchanged"
    assert back.run_of("training").path == run.path

    report.unlink()
    assert states(work(workflow))["report"] == "done"


def test_changed_data_are_seen(workflow):
    folder = work(workflow)
    table = workflow.folder / workflow.nodes["data"].settings["data"]["table"]
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    found = states(work(workflow))
    assert found["data"] == found["split"] == found["training"] == "done"
    assert found["model"] == "unchanged"
    assert folder.nodes["data"]["result"]["rows"] == len(lines) - 2


def test_a_failure_is_told_at_its_node_and_mended_later(workflow):
    broken = changed(workflow, "data", data={"numeric": ["age", "no such column"]})
    folder = work(broken)
    found = states(folder)
    assert found["data"] == "failed"
    assert found["model"] == "done"
    assert {found[name] for name in ("split", "training", "evaluation", "report")} == {"blocked"}
    assert "no such column" in folder.nodes["data"]["sentence"]
    assert folder.status.error["node"] == "data"
    with pytest.raises(RunError, match=r"data: .*no such column"):
        folder.wait()
    found = states(work(workflow))
    assert found["model"] == "unchanged"
    assert set(found.values()) == {"done", "unchanged"}


def test_a_process_of_its_own_that_is_killed_is_gone_on_with(workflow):
    long = changed(workflow, "training", training={"epochs": 3000})
    folder = long.start(workflow.folder / "runs")
    wait_for(lambda: folder.nodes["training"]["state"] == "running" and steps(folder) > 5)
    with pytest.raises(RunError, match="running already"):
        WorkflowFolder.create(long, workflow.folder / "runs")
    os.kill(folder.status.pid, signal.SIGKILL)
    process.wait(folder.path, 60)
    assert folder.status.state == "interrupted"
    assert states(folder)["training"] == "stopped"
    run = folder.run_of("training")
    before = run.status.step
    folder.start()
    wait_for(lambda: folder.status.active and run.status.active and run.status.step > before)
    folder.stop()
    folder.wait(60)
    assert folder.status.state == "stopped"
    assert states(folder)["training"] == "stopped"
    assert states(folder)["data"] == "unchanged"
    assert folder.run_of("training").path == run.path


def test_a_wish_to_stop_is_heard_between_nodes(workflow):
    folder = WorkflowFolder.create(workflow, workflow.folder / "runs")
    told = []

    def tell(line):
        told.append(line)
        control.ask(folder.path, "stop")

    assert execute(folder.path, tell=tell).state == "stopped"
    assert len(told) == 1
    assert execute(folder.path).state == "finished"


def test_what_is_missing_is_told_before_anything_is_done(workflow):
    plain = workflow.model_dump(mode="json")
    plain["edges"] = plain["edges"][1:]
    with pytest.raises(SpecError, match="is missing"):
        Workflow.from_mapping(plain).start(workflow.folder / "runs")
    assert not (workflow.folder / "runs").exists()


def test_nodes_without_a_training_are_left_alone(workflow):
    plain = workflow.model_dump(mode="json")
    plain["nodes"]["spare"] = {"kind": "model"}
    folder = work(Workflow.from_mapping(plain, folder=workflow.folder))
    assert states(folder)["spare"] == "idle"
    assert folder.status.state == "finished"


@pytest.mark.parametrize("name", [one.name for one in templates.list_templates()])
def test_every_template_runs_on_phantom_data(name, tmp_path):
    made = templates.make(name, tmp_path)
    assert made.problems == ()
    made.save(tmp_path / f"{name}.medfusion")
    again = Workflow.read(tmp_path / f"{name}.medfusion")
    assert again.hash == made.hash
    started = time.monotonic()
    folder = work(again)
    assert set(states(folder).values()) == {"done"}, folder.nodes
    assert time.monotonic() - started < 60
    for node in folder.nodes.values():
        if "file" in node["result"]:
            assert (folder.path / node["result"]["file"]).stat().st_size > 100


def test_reading_and_drawing_load_no_torch():
    code = (
        "import sys, medfusion as mf; mf.Workflow().problems; mf.WorkflowEditor; "
        "from medfusion.workflow import templates; "
        "print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def steps(folder):
    run = folder.run_of("training")
    return 0 if run is None else run.status.step


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
