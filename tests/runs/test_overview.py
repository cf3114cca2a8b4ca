"""Many runs at a glance: what has changed and nothing else is read anew."""

import time

import pytest

from medfusion.runs import RunFolder, Status
from medfusion.runs.differences import configuration, differing, environment
from medfusion.runs.overview import Overview
from medfusion.runs.status import of_this_process


@pytest.fixture
def runs(tmp_path, judged_run):
    judged_run(tmp_path / "runs", "one")
    judged_run(tmp_path / "runs", "two", seed=1)
    return tmp_path / "runs"


def test_facts_are_those_of_the_folders(runs):
    overview = Overview(runs)
    assert overview.update() == {path.name for path in runs.iterdir()}
    for facts in overview.facts():
        run = RunFolder(facts.path)
        assert facts.state == run.status.state
        assert facts.metrics == run.metrics["test"]
        assert facts.experiment_hash == run.environment["experiment_hash"]
        assert (facts.target, facts.trouble) == ("binary", "")
        assert facts.seconds is not None
    assert overview.update() == set()
    assert overview.complete


def test_changes_are_seen_one_by_one(runs):
    overview = Overview(runs)
    overview.update()
    one, two = sorted(path.name for path in runs.iterdir())
    RunFolder(runs / one).tag("best")
    assert overview.update() == {one}
    assert overview.of(one).tags == ("best",)
    Status(state="running", epochs=5, epoch=1, heartbeat=time.time(), **of_this_process()).write(
        runs / two
    )
    assert overview.update() == {two}
    assert overview.of(two).state == "running"
    (runs / two).rename(runs / ".hidden")
    assert overview.update() == {two}
    assert [facts.name for facts in overview.facts()] == [one]


def test_a_dead_process_is_seen_without_a_change_of_files(runs):
    overview = Overview(runs)
    name = min(path.name for path in runs.iterdir())
    me = of_this_process()
    Status(state="running", heartbeat=time.time(), **me).write(runs / name)
    overview.update()
    assert overview.of(name).state == "running"
    Status(state="running", heartbeat=time.time(), **me | {"born": 1.0}).write(runs / name)
    overview.update()
    assert overview.of(name).state == "interrupted"


@pytest.mark.parametrize("file", ["status.json", "notes.json", "experiment.yaml"])
def test_damage_is_told_and_mended(runs, file):
    name = min(path.name for path in runs.iterdir())
    whole = (runs / name / file).read_bytes() if (runs / name / file).exists() else None
    (runs / name / file).write_text("{")
    overview = Overview(runs)
    overview.update()
    assert "damaged" in overview.of(name).trouble
    if whole is not None and file == "status.json":
        (runs / name / file).write_bytes(whole)
        overview.update()
        assert (overview.of(name).trouble, overview.of(name).state) == ("", "finished")


def test_a_budget_leaves_experiments_for_later(runs):
    overview = Overview(runs)
    overview.update(0)
    assert not overview.complete
    while not overview.complete:
        overview.update(0.01)
    assert {facts.target for facts in overview.facts()} == {"binary"}


def test_what_differs_is_found_by_field(runs, judged_run):
    first = RunFolder(min(runs.iterdir()))
    other = judged_run(runs, "two", seed=1, lr=0.5)
    fields = {item.field: item.values for item in configuration([first, other])}
    assert fields == {
        "name": ("one", "two"),
        "seed": (0, 1),
        "training.optimizer.lr": (0.001, 0.5),
    }
    places = {item.field for item in environment([first, other])}
    assert places == {"experiment_hash", "seed"}


def test_a_field_that_one_does_not_have_is_no_none():
    (found,) = differing([{"a": {"b": None}}, {"a": {}}])[:1]
    assert found.field == "a.b"
    assert found.words == ["null", "-"]
    assert differing([{"a": [1, 2]}, {"a": [1, 2]}]) == []
