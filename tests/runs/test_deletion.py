"""Deletion: the whole run or nothing of it, and nothing outside of it."""

import os
import shutil
import time

import pytest

from medfusion.errors import RunError, StorageError
from medfusion.runs import RunFolder, Status, deletion, list_runs, status, versions
from medfusion.runs.deletion import PREFIX, delete
from medfusion.runs.status import of_this_process


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def test_a_run_goes_and_its_neighbours_stay(judged_run, runs):
    one, other = judged_run(runs, "one"), judged_run(runs, "other", seed=1)
    one.delete()
    assert [run.path for run in list_runs(runs)] == [other.path]
    assert [path.name for path in runs.iterdir()] == [other.name]


def test_links_are_removed_and_not_followed(judged_run, runs, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    run = judged_run(runs)
    (run.path / "away").symlink_to(outside)
    (run.path / "checkpoints" / "away").symlink_to(outside)
    (run.path / "file").symlink_to(outside / "kept.txt")
    delete(run.path)
    assert (outside / "kept.txt").read_text() == "kept"
    assert not run.path.exists()


def test_a_run_that_is_a_link_is_refused(judged_run, runs, tmp_path):
    elsewhere = judged_run(tmp_path / "elsewhere")
    runs.mkdir()
    link = runs / "link"
    link.symlink_to(elsewhere.path)
    with pytest.raises(RunError, match="is a link"):
        delete(link)
    with pytest.raises(RunError, match="is a link"):
        RunFolder(link).delete()
    assert elsewhere.path.is_dir()
    assert link.is_symlink()
    # The way to a run may be a link: it is the run's own folder that counts.
    (tmp_path / "way").symlink_to(tmp_path / "elsewhere")
    delete(tmp_path / "way" / elsewhere.name)
    assert not elsewhere.path.exists()


@pytest.mark.parametrize("state", ["running", "paused", "evaluating"])
def test_a_run_at_work_is_refused(judged_run, runs, state):
    run = judged_run(runs)
    Status(state=state, heartbeat=time.time(), **of_this_process()).write(run.path)
    with pytest.raises(RunError, match=f"is {state}; stop it first"):
        delete(run.path)
    assert run.status.state == state


def test_a_run_that_starts_in_the_same_moment_is_put_back(judged_run, runs, monkeypatch):
    run = judged_run(runs)
    sweep = deletion._sweep

    def start(folder):
        sweep(folder)
        Status(state="running", heartbeat=time.time(), **of_this_process()).write(run.path)

    monkeypatch.setattr(deletion, "_sweep", start)
    with pytest.raises(RunError, match="is running"):
        delete(run.path)
    assert run.metrics["test"]["auc"]["value"] > 0
    assert [path.name for path in runs.iterdir()] == [run.name]


def test_what_a_kill_left_is_hidden_and_goes_with_the_next(judged_run, runs, monkeypatch):
    run, other = judged_run(runs, "one"), judged_run(runs, "other")
    with monkeypatch.context() as patch:
        patch.setattr(deletion, "_remove", lambda _folder: None)  # killed after the move
        delete(run.path)
    assert list_runs(runs) == [other]
    assert [path.name for path in runs.iterdir() if path.name.startswith(PREFIX)]
    delete(other.path)
    assert list(runs.iterdir()) == []


def test_what_cannot_be_removed_is_said(judged_run, runs, monkeypatch):
    run = judged_run(runs)

    def full(_folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", full)
    with pytest.raises(StorageError, match=r"\.deleted-.* cannot be removed whole"):
        delete(run.path)
    assert list_runs(runs) == []


def test_a_named_model_is_refused_until_its_name_is_off(judged_run, runs):
    run = judged_run(runs)
    versions.add("skin", run)
    with pytest.raises(RunError, match="is the model version skin@1; remove that first"):
        delete(run.path)
    versions.remove("skin@1", runs)
    delete(run.path)
    assert not run.path.exists()


def test_damaged_runs_can_be_deleted_once_nobody_writes_them(judged_run, runs):
    run = judged_run(runs)
    file = run.path / status.FILE
    file.write_text("{")
    with pytest.raises(RunError, match="damaged"):
        delete(run.path)
    past = time.time() - 2 * status.STALE_SECONDS
    os.utime(file, (past, past))
    delete(run.path)
    assert not run.path.exists()


def test_what_is_no_run_is_never_deleted(tmp_path):
    (tmp_path / "data").mkdir()
    for path in (tmp_path / "data", tmp_path / "nothing", tmp_path):
        with pytest.raises(RunError, match="not a run folder"):
            delete(path)
    assert (tmp_path / "data").is_dir()
