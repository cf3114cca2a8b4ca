"""Corrected labels: a journal that survives anything, a table that is never touched."""

import json
import subprocess
import sys

import numpy as np
import pytest

from medfusion.data import Cohort
from medfusion.data.journal import Journal, read_journal
from medfusion.errors import CorrectionsError, SpecError, StorageError

FILE = "table.corrections.jsonl"


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / FILE, "table.csv", "id")


@pytest.fixture
def correct(journal):
    """Decide about y of a row."""

    def decide(action, name, given, to, **more):
        words = {"action": action, "id": name, "column": "y", "given": given, "to": to}
        return journal.decide(**(words | more))

    return decide


def test_labels_are_corrected_and_the_table_stays_as_it_is(plain, experiment, correct, tmp_path):
    columns = plain(100)
    before = (tmp_path / "table.csv").read_bytes()
    as_it_was = Cohort.load(experiment(numeric=["age"]))
    old = [str(value) for value in columns["y"]]
    correct("relabel", "0000", old[0], str(1 - columns["y"][0]), reason="seen again")
    correct("exclude", "0008", old[8], old[8])
    correct("flag", "0002", old[2], old[2])
    correct("keep", "0005", old[5], old[5])
    cohort = Cohort.load(experiment(numeric=["age"], corrections=FILE))
    assert (tmp_path / "table.csv").read_bytes() == before
    assert cohort.target[0] == 1 - as_it_was.target[0]
    assert cohort.ids == [name for name in as_it_was.ids if name != "0008"]
    kept = [row for row, name in enumerate(as_it_was.ids) if name != "0008"]
    assert cohort.split.tolist() == as_it_was.split[kept].tolist()
    assert (cohort.target[1:] == as_it_was.target[kept][1:]).all()
    assert [(one.reason, one.ids) for one in cohort.excluded] == [
        ("left out by label review", ["0008"])
    ]
    found = cohort.summary()["corrections"]
    assert found["splits"] == {"train": {"relabel": 1, "flag": 1, "keep": 1}, "val": {"exclude": 1}}
    assert found["changes"] == [
        {"split": "train", "column": "y", "from": old[0], "to": str(1 - columns["y"][0]), "count": 1}
    ]  # fmt: skip
    assert "0000" not in json.dumps(found)
    assert "corrections" not in as_it_was.summary()
    check = next(one for one in cohort.checks if one.name == "label corrections")
    assert check.outcome == "PASS"
    assert check.message == "1 corrected, 1 left out, none of these in the test split"
    assert "label corrections" not in [one.name for one in as_it_was.checks]
    unreadable = next(one for one in cohort.checks if one.name == "unreadable files")
    assert unreadable.outcome == "PASS"


def test_the_fingerprint_follows_the_labels_and_nothing_else(plain, experiment, correct, journal):
    columns = plain(100)
    given = str(columns["y"][0])
    plain_print = Cohort.load(experiment(numeric=["age"])).fingerprint
    named = experiment(numeric=["age"], corrections=FILE)
    correct("flag", "0000", given, given)
    assert Cohort.load(named).fingerprint == plain_print
    correct("relabel", "0000", given, str(1 - columns["y"][0]))
    corrected = Cohort.load(named).fingerprint
    assert corrected != plain_print
    correct("exclude", "0001", str(columns["y"][1]), str(columns["y"][1]))
    assert len({plain_print, corrected, Cohort.load(named).fingerprint}) == 3
    journal.undo()
    assert Cohort.load(named).fingerprint == corrected
    journal.undo()
    assert Cohort.load(named).fingerprint == plain_print
    assert named.hash != experiment(numeric=["age"]).hash


@pytest.mark.parametrize("kind", ["stratified-grouped", "grouped", "grouped-kfold"])
def test_the_split_is_the_one_without_corrections(plain, experiment, correct, kind):
    columns = plain(100)
    as_it_was = Cohort.load(experiment(numeric=["age"], split={"kind": kind}))
    side = dict(zip(as_it_was.ids, as_it_was.split.tolist(), strict=True))
    for row in range(0, 20, 2):
        correct("relabel", f"{row:04d}", str(columns["y"][row]), str(1 - columns["y"][row]))
        correct("exclude", f"{row + 1:04d}", str(columns["y"][row + 1]), None)
    again = experiment(numeric=["age"], split={"kind": kind}, corrections=FILE)
    cohort = Cohort.load(again)
    assert len(cohort) == 90
    assert dict(zip(cohort.ids, cohort.split.tolist(), strict=True)).items() <= side.items()
    # A run that goes on knows only the rows it kept.
    saved = dict(zip(cohort.ids, cohort.split.tolist(), strict=True))
    resumed = Cohort.load(again, split=saved, preprocessing=cohort.preprocessing)
    assert resumed.fingerprint == cohort.fingerprint
    assert resumed.ids == cohort.ids


def test_the_judge_can_stay_as_it_was(plain, experiment, correct):
    columns = plain(100)
    for row in (3, 4, 9):  # val, test, test
        correct("relabel", f"{row:04d}", str(columns["y"][row]), str(1 - columns["y"][row]))
    correct("exclude", "0014", str(columns["y"][14]), None)
    as_it_was = Cohort.load(experiment(numeric=["age"]))
    with_test = Cohort.load(experiment(numeric=["age"], corrections=FILE))
    assert with_test.corrected["splits"]["test"] == {"relabel": 2, "exclude": 1}
    check = next(one for one in with_test.checks if one.name == "label corrections")
    assert (check.outcome, check.count) == ("WARN", 3)
    without = Cohort.load(experiment(numeric=["age"], corrections=FILE, correct_test=False))
    test = as_it_was.rows("test")
    assert without.ids == as_it_was.ids
    assert (without.target[test] == as_it_was.target[test]).all()
    assert without.target[3] != as_it_was.target[3]
    assert without.corrected["test_left"] == 3
    assert without.corrected["splits"] == {"val": {"relabel": 1}}
    saved = dict(zip(without.ids, without.split.tolist(), strict=True))
    again = experiment(numeric=["age"], corrections=FILE, correct_test=False)
    assert Cohort.load(again, split=saved).fingerprint == without.fingerprint
    with pytest.raises(SpecError, match="correct_test is unused"):
        experiment(numeric=["age"], correct_test=False)


def test_a_journal_of_other_labels_is_refused(plain, experiment, correct, write_csv):
    columns = plain(100)
    given = columns["y"][7]
    correct("relabel", "0007", str(given), str(1 - given))
    named = experiment(numeric=["age"], corrections=FILE)
    Cohort.load(named)
    columns["y"][7] = 1 - given
    write_csv(columns)
    with pytest.raises(CorrectionsError, match=rf"0007 \(line 9\): 'y' was '{given}' and is"):
        Cohort.load(named)
    columns["y"][7] = f"{given}.0"  # another spelling is the same label
    write_csv(
        columns
        | {"y": [f"{value}.0" if "." not in str(value) else value for value in columns["y"]]}
    )
    assert Cohort.load(named).corrected["splits"] == {"train": {"relabel": 1}}
    columns["id"][7] = "new"
    write_csv(columns)
    with pytest.raises(CorrectionsError, match=r"1 row\(s\) that .* does not have: 0007"):
        Cohort.load(named)


def test_a_journal_of_another_target_or_id_is_refused(plain, experiment, correct, tmp_path):
    plain(100, z=[i % 2 for i in range(100)], other=[f"q{i}" for i in range(100)])
    correct("flag", "0007", "1", "1", column="z")
    with pytest.raises(CorrectionsError, match="corrects 'z', but the target is 'y'"):
        Cohort.load(experiment(numeric=["age"], corrections=FILE))
    with pytest.raises(CorrectionsError, match=r"by the column 'id', but data\.id is 'other'"):
        Cohort.load(experiment(numeric=["age"], corrections=FILE, id="other"))
    with pytest.raises(CorrectionsError, match="there is no such journal"):
        Cohort.load(experiment(numeric=["age"], corrections="other.jsonl"))
    with pytest.raises(CorrectionsError, match="names rows by the column 'id'"):
        Journal(tmp_path / FILE, "table.csv", "other").read()


def test_labels_of_several_columns(plain, experiment, journal):
    rng = np.random.default_rng(5)
    labels = {name: rng.integers(0, 2, 100).tolist() for name in ("a", "b")}
    plain(100, **labels)
    target = {"kind": "multilabel", "columns": ["a", "b"]}
    row = labels["b"].index(0)
    words = {"action": "relabel", "id": f"{row:04d}", "column": "b", "given": "0", "to": "1"}
    journal.decide(**words)
    journal.decide(
        **(words | {"column": "a", "given": str(labels["a"][0]), "to": None, "id": "0000"})
    )
    cohort = Cohort.load(experiment(numeric=["age"], target=target, corrections=FILE))
    assert cohort.target[row, 1] == 1
    assert np.isnan(cohort.target[0, 0])


def test_undo_and_redo_are_lines_too(correct, journal):
    assert journal.undo() is None
    assert journal.redo() is None
    for number in range(3):
        correct("relabel", f"p{number}", "0", "1")
    correct("exclude", "p0", "0", "0")
    assert [one.n for one in journal.undo().done] == [1, 2, 3]
    assert journal.read().standing["p0", "y"].action == "relabel"
    assert [one.n for one in journal.undo(2).done] == [1, 3]
    assert [one.n for one in journal.redo().done] == [1, 2, 3]
    assert [one.n for one in journal.redo().done] == [1, 2, 3, 4]
    with pytest.raises(CorrectionsError, match="decision 99 cannot be taken back"):
        journal.undo(99)
    journal.undo()
    correct("flag", "p5", "0", "0")
    assert journal.redo() is None  # what was taken back before a new decision is past
    lines = journal.path.read_text().splitlines()
    assert len(lines) == 1 + 10
    assert [json.loads(line)["n"] for line in lines[1:]] == list(range(1, 11))


def test_a_kill_in_the_middle_of_a_line_loses_that_line_alone(correct, journal):
    for number in range(3):
        correct("relabel", f"päti-{number}", "0", "1", reason="gesehen 看过")
    whole = journal.path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for cut in range(len(whole)):
        journal.path.write_bytes(whole[:cut])
        found = read_journal(journal.path)
        assert len(found.done) == max(0, sum(end <= cut for end in ends) - 1)
    journal.path.write_bytes(whole[: ends[-1] - 5])
    correct("exclude", "next", "0", "0")
    assert [one.id for one in read_journal(journal.path).done] == ["päti-0", "päti-1", "next"]
    assert journal.path.read_bytes().startswith(whole[: ends[-2]])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 3: damaged"),
        ('{"n": 2}', "line 3"),
        ('{"n": 1, "action": "undo", "of": 1}', "number 1 does not follow 1"),
        ('{"n": 2, "action": "undo", "of": 7}', "there is no decision 7 to undo"),
        ('{"n": 2, "action": "burn", "id": "a", "column": "y", "from": "0", "to": "1"}', "line 3"),
        ('{"n": "2", "action": "flag", "id": "a", "column": "y", "from": "0", "to": "0"}', "line 3"),
        ("[1]", "line 3"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named(correct, journal, line, why):
    correct("flag", "a", "0", "0")
    with journal.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CorrectionsError, match=why):
        read_journal(journal.path)
    with pytest.raises(CorrectionsError, match=why):
        correct("flag", "b", "0", "0")


def test_what_is_no_journal_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,y\n1,2\n")
    with pytest.raises(CorrectionsError, match="line 1"):
        read_journal(path)
    with pytest.raises(CorrectionsError, match="cannot be read"):
        read_journal(tmp_path)
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "none" / "x.jsonl", "t.csv", "id").decide(
            action="flag", id="a", column="y", given="0", to="0"
        )


OFTEN = """
import sys
from medfusion.data.journal import Journal
journal = Journal(sys.argv[1], "table.csv", "id")
for number in range(15):
    name = f"{sys.argv[2]}-{number}"
    journal.decide(action="flag", id=name, column="y", given="0", to="0", who=sys.argv[2])
"""


def test_two_who_decide_at_once_lose_nothing(tmp_path):
    path = tmp_path / FILE
    words = [sys.executable, "-c", OFTEN, str(path)]
    others = [subprocess.Popen([*words, who]) for who in ("li", "rao")]
    assert [one.wait(60) for one in others] == [0, 0]
    found = read_journal(path)
    assert len({one.id for one in found.done}) == 30
    assert [one.n for one in found.done] == list(range(1, 31))
