"""Tags and notes: kept beside the run, never part of it, never half."""

import json

import pytest

from medfusion.errors import RunError
from medfusion.runs import RunFolder, notes
from medfusion.runs.notes import Notes


@pytest.fixture
def run(judged_run, tmp_path):
    return judged_run(tmp_path / "runs")


def test_they_come_back_as_they_were_given_and_change_no_hash(run):
    hash_before = run.experiment.hash
    before = {file.name: file.read_bytes() for file in run.path.iterdir() if file.is_file()}
    run.tag("best", "for 论文", "best")
    run.annotate("first line\nsecond <b>line</b>")
    run.tag("late")
    run.untag("best", "absent")
    again = RunFolder(run.path).notes
    assert again == Notes(("for 论文", "late"), "first line\nsecond <b>line</b>")
    assert run.experiment.hash == hash_before
    for name, content in before.items():
        assert (run.path / name).read_bytes() == content


@pytest.mark.parametrize(
    "tag", ["", " a", "a ", "a,b", "a\nb", "x" * 41, "\x00", "\ud800", 3, None]
)
def test_what_is_no_tag_is_refused_and_changes_nothing(run, tag):
    run.tag("kept")
    with pytest.raises(RunError, match="is no tag"):
        run.tag(tag)
    assert run.notes.tags == ("kept",)


@pytest.mark.parametrize("note", ["x" * 4001, "\x00", "\x1b[2J", "\ud800", 3])
def test_what_is_no_note_is_refused(run, note):
    with pytest.raises(RunError, match="a note is text"):
        run.annotate(note)
    assert run.notes.note == ""


def test_too_many_tags_are_refused(run):
    with pytest.raises(RunError, match="at most 30"):
        run.tag(*map(str, range(31)))


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"tags": "ab"}', '{"tags": [1], "note": ""}', '{"tags": [], "note": 1}',
     '{"note": "x"}', "[" * 5000],
)  # fmt: skip
def test_damage_is_said_and_not_written_over(run, content):
    file = run.path / notes.FILE
    file.write_text(content)
    with pytest.raises(RunError, match=r"notes\.json: damaged"):
        _ = run.notes
    with pytest.raises(RunError, match="delete this file"):
        run.tag("new")
    assert file.read_text() == content


def test_the_file_is_plain_json(run):
    run.tag("a")
    assert json.loads((run.path / "notes.json").read_text()) == {"tags": ["a"], "note": ""}
