"""The builder's kernel side: what a page asks changes the draft, and all of it comes back."""

import subprocess
import sys

import pytest

from medfusion import Experiment
from medfusion.errors import SpecError
from medfusion.runs import RunFolder, list_runs, process
from medfusion.widgets import assets
from medfusion.widgets.builder import Builder

YAML = """
medfusion: 1
name: skin
data:
  table: t.csv
  id: id
  numeric: [age]
  target: {kind: binary, column: y}
  split: {kind: grouped}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory of its own; the browser side is not needed."""
    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(builder, name, **values):
    reply, _ = builder.answer({"kind": "ask", "id": "1", "name": name, "values": values})
    return reply.get("error") or reply["values"]


def said(builder):
    return {".".join(map(str, one["path"])): one["sentence"] for one in builder.state["problems"]}


def test_from_nothing_to_an_experiment_by_questions_alone():
    builder = Builder()
    assert "data.table" in said(builder)
    assert builder.code == ""
    with pytest.raises(SpecError, match=r"data\.table: is missing"):
        _ = builder.experiment
    for path, value in [
        (["name"], "skin"),
        (["data", "table"], "t.csv"),
        (["data", "id"], "id"),
        (["data", "numeric"], ["age"]),
    ]:
        assert ask(builder, "set", path=path, value=value) == {}
    ask(builder, "choose", path=["data", "target"], kind="binary")
    ask(builder, "set", path=["data", "target", "column"], value="y")
    ask(builder, "choose", path=["data", "split"], kind="grouped")
    assert said(builder) == {}
    assert builder.experiment.hash == Experiment.from_yaml_text(YAML).hash
    # What is printed, run elsewhere, is the same experiment.
    work = f"{builder.code}\nprint(exp.hash)"
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == builder.experiment.hash
    assert Experiment.from_yaml_text(builder.state["yaml"]).hash == builder.experiment.hash


def test_a_new_builder_goes_on_where_the_last_was():
    first = Builder(name="skin")
    ask(first, "set", path=["name"], value="one")
    ask(first, "set", path=["name"], value="two")
    second = Builder(name="skin")
    assert second.state["document"]["name"] == "two"
    assert second.state["steps"] == [2, 0]
    ask(second, "undo")
    assert second.state["document"]["name"] == "one"
    ask(second, "redo")
    assert second.state["document"]["name"] == "two"
    assert Builder(name="other").state["document"] == {"medfusion": 1, "data": {}}


def test_a_file_is_opened_changed_and_saved(folder):
    (folder / "skin.yaml").write_text(YAML)
    builder = Builder("skin.yaml")
    assert builder.state["file"] == "skin.yaml"
    ask(builder, "set", path=["seed"], value=7)
    assert ask(builder, "save") == {"path": "skin.yaml"}
    assert Experiment.from_yaml(folder / "skin.yaml").seed == 7
    assert ask(builder, "save", path="copy.yaml")["path"].endswith("copy.yaml")
    for wrong in ("../away.yaml", "/tmp/away.yaml", "copy.txt", ""):
        assert "type" in ask(builder, "save", path=wrong)
    assert "type" in ask(Builder(name="new"), "save")


def test_pasted_yaml_is_one_step():
    builder = Builder(name="pasted")
    assert ask(builder, "read", content=YAML) == {}
    assert builder.experiment.name == "skin"
    assert ask(builder, "read", content="- no")["type"] == "SpecError"
    assert builder.experiment.name == "skin"
    ask(builder, "undo")
    assert builder.state["document"] == {"medfusion": 1, "data": {}}


@pytest.mark.parametrize(
    "values",
    [
        {"path": "name", "value": 1},
        {"path": [["name"]], "value": 1},
        {"path": [None], "value": 1},
        {"path": [True], "value": 1},
        {"path": ["a"] * 40, "value": 1},
        {"path": ["name", "deeper"], "value": 1},
    ],
)
def test_places_that_are_none_change_nothing(values):
    builder = Builder(name="odd")
    ask(builder, "set", path=["name"], value="kept")
    before = builder.state
    assert ask(builder, "set", **values)["type"] == "InputError"
    assert builder.state == before


def test_the_forms_are_made_from_the_schema():
    assert ask(Builder(), "schema")["schema"] == Experiment.model_json_schema()


def test_torch_is_not_imported():
    work = "import sys; from medfusion.widgets.builder import Builder; assert not {'torch', 'pandas'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_training_starts_a_run_of_this_very_experiment_and_shows_it(folder, monkeypatch):
    started = []
    monkeypatch.setattr(process, "start", started.append)
    builder = Builder()
    assert "is missing" in ask(builder, "train")["message"]
    assert started == []
    assert builder.run is None
    (folder / "skin.yaml").write_text(YAML)
    builder = Builder("skin.yaml")
    ask(builder, "train")
    assert started == [builder.run.path]
    assert builder.run.path.parent == folder / "runs"
    assert builder.run.environment["experiment_hash"] == builder.experiment.hash
    first = builder.state["panels"]["run"]
    ask(builder, "train")
    assert builder.state["panels"]["run"] != first
    assert len(list_runs(folder / "runs")) == 2


def test_opened_again_the_latest_run_of_its_name_is_shown(folder, monkeypatch):
    monkeypatch.setattr(process, "start", lambda _run: None)
    (folder / "skin.yaml").write_text(YAML)
    first = Builder("skin.yaml")
    ask(first, "train")
    (folder / "other.yaml").write_text(YAML.replace("name: skin", "name: other"))
    other = Builder("other.yaml")
    assert other.run is None
    ask(other, "train")
    damaged = RunFolder.create(first.experiment, folder / "runs")
    (damaged.path / "experiment.yaml").write_text("{")
    assert Builder("skin.yaml").run == first.run
    assert Builder("other.yaml").run == other.run
