"""`medfusion workflow`: words in, text or one JSON document out, exit codes."""

import contextlib
import io
import json
import subprocess

import pytest

from medfusion import cli
from medfusion.spec import Experiment
from medfusion.workflow import Workflow, WorkflowFolder, templates


def medfusion(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(word) for word in words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def told(*words):
    done = medfusion("workflow", *words, "--json")
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_a_template_to_a_report_and_an_experiment(folder):
    code, found = told("templates")
    assert code == 0
    assert len(found["templates"]) == 5
    code, found = told("templates", "multi-view", "--out", "trial")
    file = folder / found["out"]
    assert told("validate", file) == (0, {"name": "multi-view", "valid": True, "problems": []})
    code, found = told("run", file)
    assert code == 0
    assert found["state"] == "finished"
    assert {node["state"] for node in found["nodes"].values()} == {"done"}
    assert (
        folder / "runs/multi-view-workflow" / found["nodes"]["report"]["result"]["file"]
    ).exists()
    code, found = told("show", file)
    assert found["nodes"]["training"]["state"] == "done"
    assert "data.data" in medfusion("workflow", "show", file).stdout
    # It goes on with what is there, by the words for runs, too.
    done = medfusion("resume", folder / "runs/multi-view-workflow", "--json")
    assert {n["state"] for n in json.loads(done.stdout)["nodes"].values()} == {"unchanged"}
    assert medfusion("stop", folder / "runs/multi-view-workflow").returncode == 0

    code, found = told("export", file, "--out", "trial/exp.yaml")
    experiment = Experiment.from_yaml("trial/exp.yaml")
    assert experiment.hash == found["hash"] == Workflow.read(file).experiment().hash
    code, found = told("import", "trial/exp.yaml", "--out", "trial/again.medfusion")
    assert (code, found["left_out"]) == (0, [])
    assert Workflow.read("trial/again.medfusion").experiment().hash == experiment.hash


def test_what_is_wrong_is_told_with_exit_code_2(folder):
    templates.make("survival", folder).save(folder / "a.medfusion")
    plain = json.loads((folder / "a.medfusion").read_text())
    plain["edges"] = plain["edges"][1:]
    (folder / "b.medfusion").write_text(json.dumps(plain))
    code, found = told("validate", "b.medfusion")
    assert (code, found["valid"]) == (2, False)
    assert found["problems"][0]["node"] == "preprocessing"
    done = medfusion("workflow", "run", "b.medfusion")
    assert done.returncode == 2
    assert "preprocessing.data: is missing" in done.stderr
    plain = json.loads((folder / "a.medfusion").read_text())
    plain["nodes"]["data"]["settings"]["data"]["table"] = "gone.csv"
    (folder / "c.medfusion").write_text(json.dumps(plain))
    code, found = told("run", "c.medfusion")
    assert (code, found["state"]) == (2, "failed")
    assert found["nodes"]["data"]["state"] == "failed"
    assert found["nodes"]["report"]["state"] == "blocked"
    for words in [
        ("run", "missing.medfusion"),
        ("templates", "survivl"),
        ("export", "a.medfusion", "--out", "a.txt"),
        ("export", "a.medfusion", "--out", "x.medfusion", "--training", "training"),
        ("export", "a.medfusion", "--out", "x.yaml", "--training", "trainin"),
        ("import", "b.medfusion", "--out", "b.json"),
        ("edit",),
    ]:
        done = medfusion("workflow", *words)
        assert done.returncode == 2, words
        assert done.stderr.startswith("medfusion: ")
        assert "Traceback" not in done.stderr


def test_detached_work_is_shown_from_elsewhere(folder):
    templates.make("survival", folder).save(folder / "a.medfusion")
    code, found = told("run", "a.medfusion", "--detach")
    assert (code, found["state"]) == (0, "running")
    work = WorkflowFolder(found["workflow"]).wait(90)
    assert work.status.state == "finished"
