"""The editor's kernel side: what a page asks changes the graph, and all of it comes back."""

import json
import time

import pytest

from medfusion.errors import SpecError
from medfusion.spec import Experiment
from medfusion.widgets import assets
from medfusion.widgets.workflow_editor import WorkflowEditor
from medfusion.workflow import Workflow

HOSTILE = '<img src=x onerror="window.hacked = 1">${x}{{y}}'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory of its own; the browser side is not needed."""
    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(editor, question, **values):
    reply, _ = editor.answer({"kind": "ask", "id": "1", "name": question, "values": values})
    return reply.get("error") or reply["values"]


def drawn(editor):
    for kind in ("data", "split", "model", "training", "evaluation", "report"):
        ask(editor, "add", kind=kind)
    for source, target in [
        ("data.data", "split.data"), ("split.cohort", "training.cohort"),
        ("model.model", "training.model"), ("training.run", "evaluation.run"),
        ("evaluation.results", "report.results"),
    ]:  # fmt: skip
        assert ask(editor, "connect", source=source, target=target) == {}


def said(editor):
    return {
        ".".join(filter(None, [one["node"], one["port"], *map(str, one["path"])]))
        for one in editor.state["problems"]
    }


def test_from_nothing_to_an_experiment_by_questions_alone():
    editor = WorkflowEditor()
    drawn(editor)
    assert said(editor) == {
        "data.data.table",
        "data.data.id",
        "data.data.target",
        "split.data.split",
    }
    for path, value in [("table", "t.csv"), ("id", "id"), ("numeric", ["age"])]:
        ask(editor, "set", node="data", path=["data", path], value=value)
    ask(editor, "choose", node="data", path=["data", "target"], kind="binary")
    ask(editor, "set", node="data", path=["data", "target", "column"], value="y")
    ask(editor, "choose", node="split", path=["data", "split"], kind="grouped")
    ask(editor, "set", node="training", path=["training", "epochs"], value=3)
    assert said(editor) == set()
    experiment = Experiment.from_yaml_text(editor.state["codes"]["training"]["yaml"])
    assert experiment.training.epochs == 3
    assert editor.workflow.experiment().hash == experiment.hash
    assert "mf.Experiment(" in editor.state["codes"]["training"]["python"]
    found = ask(editor, "save")
    assert Workflow.read(found["path"]).hash == editor.workflow.hash


def test_what_cannot_be_is_answered_with_why():
    editor = WorkflowEditor()
    drawn(editor)
    for values, message in [
        ({"source": "data.data", "target": "report.results"}, "takes results"),
        ({"source": "data", "target": "report.results"}, "name a node and its port"),
        ({"source": 3, "target": "report.results"}, "is no text"),
    ]:
        assert message in ask(editor, "connect", **values)["message"]
    assert (
        "is said by a model node"
        in ask(editor, "set", node="data", path=["model", "fusion"], value={})["message"]
    )
    assert "unknown node" in ask(editor, "label", node="x", text="y")["message"]
    assert "no place in the picture" in ask(editor, "move", positions={"data": ["a", 1]})["message"]
    assert "is missing" in ask(editor, "run")["message"]
    assert "nothing is at work" in ask(editor, "stop")["message"]
    assert "not a workflow" in ask(editor, "take", name="a.medfusion", content="[]")["message"]
    assert (
        "absolute path"
        in ask(
            editor,
            "take",
            name="a.medfusion",
            content=json.dumps(
                {
                    "workflow": 1,
                    "nodes": {
                        "d": {"kind": "data", "settings": {"data": {"table": "/etc/passwd"}}}
                    },
                }
            ),
        )["message"]
    )


def test_a_new_editor_goes_on_where_the_last_was_steps_back_included(folder):
    first = WorkflowEditor(name="skin")
    drawn(first)
    ask(first, "label", node="data", text=HOSTILE)
    second = WorkflowEditor(name="skin")
    assert second.workflow == first.workflow
    assert second.state["workflow"]["nodes"]["data"]["label"] == HOSTILE
    assert second.state["steps"] == first.state["steps"]
    ask(second, "undo")
    assert "label" not in second.state["workflow"]["nodes"]["data"]
    ask(second, "redo")
    assert second.workflow == first.workflow
    kept = folder / ".medfusion" / "drafts" / "skin.workflow.json"
    kept.write_text("{")
    assert WorkflowEditor(name="skin").workflow.nodes == {}
    assert kept.with_suffix(".damaged.json").exists()


def test_files_experiments_and_templates_are_taken_over():
    editor = WorkflowEditor()
    yaml = (
        "name: skin\ndata: {table: t.csv, id: i, numeric: [a], "
        "target: {kind: binary, column: y}, split: {kind: grouped}}\n"
    )
    assert ask(editor, "take", name="skin.yaml", content=yaml) == {}
    assert editor.workflow.experiment().hash == Experiment.from_yaml_text(yaml).hash
    content = editor.workflow.to_json()
    assert ask(editor, "template", name="survival") == {}
    assert editor.workflow.name == "survival"
    assert ask(editor, "take", name="skin.medfusion", content=content) == {}
    assert editor.workflow.name == "skin"
    assert ask(editor, "catalogue")["templates"][0]["name"] == "skin-lesion"
    given = WorkflowEditor(Experiment.from_yaml_text(yaml), name="given")
    assert given.workflow.hash == editor.workflow.hash
    with pytest.raises(SpecError, match="no such file"):
        WorkflowEditor("missing.medfusion")
    with pytest.raises(TypeError, match="unknown argument"):
        WorkflowEditor(nmae="x")


def test_the_work_is_followed_to_its_end():
    editor = WorkflowEditor()
    ask(editor, "template", name="multi-view")
    ask(editor, "delete", nodes=["explanation"], edges=[])
    seen = set()
    editor.observe(
        lambda change: seen.update(n["state"] for n in change["new"]["work"]["nodes"].values()),
        "state",
    )
    assert ask(editor, "run") == {}
    assert editor.state["work"]["state"] == "running"
    assert "running already" in ask(editor, "run")["message"]
    deadline = time.monotonic() + 90
    while editor.state["work"]["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    nodes = editor.state["work"]["nodes"]
    assert {node["state"] for node in nodes.values()} == {"done"}
    assert "running" in seen
    again = WorkflowEditor(editor.workflow, name="other")
    assert again.state["work"] == editor.state["work"]
