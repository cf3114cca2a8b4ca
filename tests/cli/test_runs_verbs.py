"""Runs and named models by command line: what the panel does, `medfusion runs` and `versions` do."""

import contextlib
import io
import json

import pytest

from medfusion import cli
from medfusion.runs import versions


@pytest.fixture
def runs(tmp_path, judged_run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [judged_run("runs", name, seed=seed) for seed, name in enumerate(("one", "two"))]


def medfusion(*words):
    """Return exit code, output and what was said on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def document(*words):
    code, out, err = medfusion(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def refused(*words, why):
    code, out, err = medfusion(*words)
    assert (code, out) == (2, "")
    assert why in err


def test_tags_and_notes(runs):
    one, two = runs
    made = document("runs", one.name, two.path, "--tag", "best", "--tag", "x", "--note", "for May")
    assert [item["tags"] for item in made["runs"]] == [["best", "x"], ["best", "x"]]
    document("runs", two.name, "--untag", "best")
    assert (one.notes.tags, two.notes.tags, two.notes.note) == (("best", "x"), ("x",), "for May")
    listed = document("runs", "--tagged", "best")["runs"]
    assert [item["name"] for item in listed] == [one.name]
    assert listed[0]["test"] == one.metrics["test"]["auc"]
    assert len(document("runs", "--text", "MAY mlp", "--state", "finished")["runs"]) == 2
    assert document("runs", "--metric", "brier", one.name)["runs"][0]["metric"] == "brier"
    assert "no such run" in medfusion("runs", "--text", "nothing of this")[1]
    refused("runs", "--metric", "aux", why="did you mean 'auc'")
    refused("runs", "--tag", "best", why="say which runs")
    refused("runs", "nothing", "--tag", "best", why="not a run folder")
    refused("runs", one.name, "--tag", "a,b", why="is no tag")


def test_deletion_wants_a_yes(runs):
    one, two = runs
    refused("runs", one.name, "--delete", why="say it again with --yes")
    refused("runs", one.name, "--delete", "--yes", "--tag", "x", why="not together")
    refused("runs", one.name, "nothing", "--delete", "--yes", why="not a run folder")
    assert one.path.is_dir()
    assert document("runs", one.name, "--delete", "--yes") == {"deleted": [f"runs/{one.name}"]}
    assert [item["name"] for item in document("runs")["runs"]] == [two.name]


def test_named_models(runs):
    one, two = runs
    made = document("versions", "add", "skin", one.name, "--note", "for the reader study")
    assert made["version"]["run"] == one.name
    document("versions", "add", "skin", two.path)
    assert [item["number"] for item in document("versions", "list", "skin")["versions"]] == [1, 2]
    text = medfusion("versions", "list")[1]
    assert "skin@1" in text
    assert "for the reader study" in text
    shown = medfusion("versions", "show", "skin@1")[1]
    assert f"test auc  {one.metrics['test']['auc']['value']:.3f}" in shown
    # Where a run is taken, so is a version.
    found = document("compare", "skin@1", "runs/skin@latest")
    assert [item["run"] for item in found["runs"]] == [str(one.path), str(two.path)]
    assert {item["field"] for item in found["configuration"]} == {"name", "seed"}
    assert document("stop", "skin@2")["run"] == str(two.path)
    refused("explain", "skin@2", "--id", "p1", "--out", "x", why=str(two.path))
    refused("runs", one.name, "--delete", "--yes", why="is the model version skin@1")
    (one.path / "checkpoints" / "best.safetensors").write_bytes(b"other")
    refused("predict", "skin@1", "t.csv", "--out", "p.csv", why="has changed since it was named")
    refused("versions", "show", "skin@1", why="has changed since")
    refused("evaluate", "skin@3", why="there are: 1, 2")
    document("versions", "remove", "skin@1")
    assert [one.reference for one in versions.list_versions("runs")] == ["skin@2"]
    assert medfusion("versions", "list", "--runs", "elsewhere")[1] == "no versions here\n"
