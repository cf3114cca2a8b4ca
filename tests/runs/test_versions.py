"""Named models: a name and a number are one set of weights for ever."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medfusion import load_version
from medfusion.errors import RunError
from medfusion.runs import versions
from medfusion.runs.versions import find, find_run, list_versions, load


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def run(judged_run, runs):
    return judged_run(runs)


def test_a_version_is_the_run_its_weights_and_metrics(run, runs, judged_run):
    first = versions.add("skin", run, "for the poster")
    other = judged_run(runs, "other", seed=1)
    second = versions.add("skin", other)
    assert (first.reference, second.reference) == ("skin@1", "skin@2")
    assert first.metrics == run.metrics
    assert first.experiment_hash == run.environment["experiment_hash"]
    assert load("skin@1", runs) == run
    assert load("skin@latest", runs) == other
    assert load_version("skin", 1, runs=runs) == run
    assert load_version("skin", runs=runs) == other
    assert [one.reference for one in list_versions(runs)] == ["skin@1", "skin@2"]
    assert find("skin@1", runs).note == "for the poster"
    assert versions.of_run(other.path) == ["skin@2"]


def test_changed_weights_are_refused(run, runs):
    versions.add("skin", run)
    (run.path / "checkpoints" / "best.safetensors").write_bytes(b"other weights")
    with pytest.raises(RunError, match="has changed since it was named"):
        load("skin@1", runs)


def test_a_number_is_never_given_twice(run, runs):
    for _ in range(2):
        versions.add("skin", run)
    assert versions.remove("skin@2", runs).run == run.name
    assert versions.add("skin", run).number == 3
    with pytest.raises(RunError, match=r"no such version of skin; there are: 1, 3"):
        load("skin@2", runs)


@pytest.mark.parametrize("name", ["", "-x", ".x", "a@b", "a/b", "..", "a b", "x" * 65, "a\n"])
def test_what_cannot_be_a_name_is_refused(run, name):
    with pytest.raises(RunError, match="cannot name a model"):
        versions.add(name, run)


def test_only_trained_models_have_names(run, runs):
    (run.path / "checkpoints" / "best.safetensors").unlink()
    with pytest.raises(RunError, match="no trained weights"):
        versions.add("skin", run)
    assert list_versions(runs) == []


@pytest.mark.parametrize("reference", ["skin", "skin@0", "skin@-1", "skin@x", "@1", "skin@1@2"])
def test_what_is_no_reference_is_refused(run, runs, reference):
    versions.add("skin", run)
    with pytest.raises(RunError, match="is no version"):
        find(reference, runs)


def test_near_names_are_said(run, runs):
    versions.add("skin", run)
    with pytest.raises(RunError, match="did you mean 'skin'"):
        find("skni@1", runs)


@pytest.mark.parametrize(
    "models",
    [
        {"skin": {"last": 1, "versions": [{"number": 1, "run": "../away", "sha256": ""}]}},
        {"skin": {"last": 0, "versions": [{"number": 1, "run": "a", "sha256": ""}]}},
        {"skin": {"last": 2, "versions": [{"number": 2, "run": "a"}]}},
        {"skin": []},
        [],
    ],
)
def test_a_damaged_registry_is_said_and_kept(run, runs, models):
    content = json.dumps({"medfusion": 1, "models": models})
    (runs / versions.FILE).write_text(content)
    for work in (lambda: list_versions(runs), lambda: versions.add("skin", run)):
        with pytest.raises(RunError, match=r"versions\.json: damaged"):
            work()
    assert (runs / versions.FILE).read_text() == content


def test_a_run_is_meant_by_folder_name_or_version(run, runs, monkeypatch):
    versions.add("skin", run)
    for word in (run.path, str(run.path), f"{runs}/skin@1", f"{runs}/skin@latest"):
        assert find_run(word) == run
    monkeypatch.chdir(runs.parent)
    for word in (run.name, f"runs/{run.name}", "skin@1", "runs/skin@1"):
        assert find_run(word) == run
    with pytest.raises(RunError, match="not a run folder"):
        find_run("nothing")
    # A folder that is there is meant before a version of the same name.
    other = runs / "skin@1"
    run.path.rename(other)
    assert find_run("skin@1").path == other


def test_processes_that_name_at_once_lose_nothing(run, runs):
    work = (
        "import sys; from medfusion.runs import RunFolder, versions\n"
        "for _ in range(10): versions.add('skin', RunFolder(sys.argv[1]))"
    )
    root = Path(versions.__file__).parents[2]
    started = [
        subprocess.Popen([sys.executable, "-c", work, str(run.path)], cwd=root) for _ in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert [one.number for one in list_versions(runs)] == list(range(1, 31))
