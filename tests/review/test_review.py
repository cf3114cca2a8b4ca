"""The review of a run: suspects of every kind of target, decisions, and the next run's labels."""

import json

import numpy as np
import pytest

from medfusion.data import Cohort
from medfusion.errors import InputError, RunError
from medfusion.review import Review, find_suspects
from medfusion.runs import RunFolder


def test_contradicted_labels_come_first(binary):
    run, wrong = binary()
    found = find_suspects(run)
    assert {one.id for one in found.items[:10]} == wrong
    assert found.count == 10
    assert [one.suspect for one in found.items] == [True] * 10 + [False] * 190
    scores = [one.score for one in found.items[:10]]
    assert scores == sorted(scores)
    assert {one.source for one in found.items} == {"train", "val", "test"}
    assert all(one.weak == (one.split == "train") for one in found.items)
    assert found.noise["ill"] == pytest.approx(0.05, abs=0.06)
    first = found.items[0]
    assert {first.given, first.suggested} == {"no", "yes"}
    assert first.confidence + first.probability == pytest.approx(1)
    assert f"probability of {first.given} 0.0" in first.why
    weak = next(one for one in found.items if one.weak)
    assert "weaker" in weak.why
    by_confidence = find_suspects(run, "confidence")
    assert [one.id for one in by_confidence.items] == [one.id for one in found.items]


def test_decisions_reach_the_next_run_and_the_table_stays(binary, tmp_path):
    run, _ = binary()
    before = (tmp_path / "cohort.csv").read_bytes()
    review = Review(run)
    assert review.path == tmp_path / "cohort.corrections.jsonl"
    first, second, third, fourth = review.findings.items[:4]
    made = review.decide("relabel", first.id, reason=" seen again ", who="li")
    assert (made.given, made.to, made.reason, made.who) == (
        first.given, first.suggested, "seen again", "li"
    )  # fmt: skip
    assert made.run == run.name
    review.decide("exclude", second.id)
    review.decide("flag", third.id)
    review.decide("keep", fourth.id)
    counts = {"relabel": 1, "exclude": 1, "flag": 1, "keep": 1}
    assert review.progress == {"suspects": 10, "reviewed": 4, **counts}
    assert review.undo()
    assert review.decision(fourth) is None
    assert review.redo()
    assert review.decision(fourth).action == "keep"
    assert not review.redo()
    again = RunFolder.create(review.experiment, tmp_path / "runs")
    cohort = Cohort.load(again.experiment)
    assert second.id not in cohort.ids
    assert cohort.subject(cohort.ids.index(first.id)).label == first.suggested
    assert cohort.subject(cohort.ids.index(third.id)).label == third.given
    assert (tmp_path / "cohort.csv").read_bytes() == before
    # What is decided after a run began is not its business.
    review.decide("exclude", fourth.id)
    assert fourth.id in Cohort.load(again.experiment).ids
    assert again.experiment.data.corrections == "corrections.jsonl"
    facts = again.environment["corrections"]
    assert facts["file"] == str(review.path)
    moved = again.path.rename(tmp_path / "moved")
    assert len(Cohort.load(RunFolder(moved).experiment)) == len(cohort)


def test_a_corrected_label_can_be_reviewed_again(binary, tmp_path, predicted):
    run, _ = binary()
    review = Review(run)
    first = review.findings.items[0]
    review.decide("relabel", first.id)

    def agrees(cohort):
        return ["prob_no", "prob_yes"], [
            [0.9, 0.1] if y == 0 else [0.1, 0.9] for y in cohort.target
        ]

    later = predicted(
        {"kind": "binary", "column": "ill"}, agrees, corrections="cohort.corrections.jsonl"
    )
    second = Review(later)
    assert second.path == review.path
    seen = second.find(first.id)
    assert seen.given == first.suggested
    kept = second.decide("keep", first.id)  # keeps what it is now, not what the table says
    assert (kept.given, kept.to) == (first.given, first.suggested)
    assert Cohort.load(second.experiment).corrected["changes"][0]["count"] == 1
    back = second.decide("relabel", first.id, label=first.given)
    assert (back.given, back.to) == (first.given, first.given)
    assert Cohort.load(second.experiment).corrected["changes"] == []
    with pytest.raises(InputError, match=r"labelled .* already"):
        second.decide("relabel", first.id, label=seen.given)
    # Trained from the run's own YAML the journal is still the one beside the experiment.
    third = RunFolder.create(RunFolder(later.path).experiment, tmp_path / "runs")
    assert third.environment["corrections"]["file"] == str(review.path)
    with pytest.raises(InputError, match="copy of a run"):
        Review(later, later.path / "corrections.jsonl")


def test_folds_are_put_together(binary):
    runs = [
        binary(split={"kind": "grouped-kfold", "folds": 4, "fold": fold})[0] for fold in range(4)
    ]
    found = find_suspects(runs[1])
    assert found.folds == 4
    assert found.sources == {"fold": 150, "test": 50}
    assert not any(one.weak for one in found.items)
    other, _ = binary(split={"kind": "grouped-kfold", "folds": 5, "fold": 0})
    assert find_suspects(other).folds == 1


def test_grades_classes_and_labels(table, predicted):
    rng = np.random.default_rng(4)
    grades = rng.integers(0, 3, 150)
    ids = [f"{row:03d}" for row in range(150)]
    labels = rng.integers(0, 2, (150, 2)).astype(object)
    labels[5, 1] = ""
    table(id=ids, age=rng.normal(60, 9, 150).tolist(), grade=[f"{g}.0" for g in grades],
          a=labels[:, 0].tolist(), b=labels[:, 1].tolist())  # fmt: skip

    def graded(cohort):
        p = np.full((len(cohort), 3), 0.1)
        p[np.arange(len(cohort)), cohort.target] = 0.8
        p[7] = np.roll(p[7], 1)
        return [f"prob_{name}" for name in cohort.classes], p

    run = predicted({"kind": "ordinal", "column": "grade"}, graded)
    review = Review(run)
    top = review.findings.items[0]
    assert (top.id, top.suggested) == ("007", str((grades[7] + 1) % 3))
    made = review.decide("relabel", "007")
    assert made.given == f"{grades[7]}.0"
    assert made.to == f"{(grades[7] + 1) % 3}.0"  # as the table writes it
    with pytest.raises(InputError, match="unknown label '9'"):
        review.decide("relabel", "008", label="9")

    def labelled(cohort):
        p = np.where(np.nan_to_num(cohort.target) == 1, 0.9, 0.1)
        p[9, 0] = 1 - p[9, 0]
        return ["prob_a", "prob_b"], p

    run = predicted({"kind": "multilabel", "columns": ["a", "b"]}, labelled)
    review = Review(run)
    assert len(review.findings.items) == 299
    top = review.findings.items[0]
    assert (top.id, top.column) == ("009", "a")
    assert {top.given, top.suggested} == {"no", "yes"}
    with pytest.raises(InputError, match="say which label: a, b"):
        review.decide("relabel", "009")
    made = review.decide("relabel", "009", column="a")
    assert {made.given, made.to} == {"0", "1"}
    with pytest.raises(InputError, match="no prediction of 'b'"):
        review.decide("keep", "005", column="b")


def test_numbers_and_tasks(table, predicted):
    rng = np.random.default_rng(6)
    ids = [f"{row:03d}" for row in range(120)]
    size = rng.normal(30, 5, 120).round(1)
    months = rng.exponential(20, 120).round(1) + 0.1
    table(id=ids, age=rng.normal(60, 9, 120).tolist(), size=size.tolist(), months=months.tolist(),
          died=rng.integers(0, 2, 120).tolist())  # fmt: skip

    def sized(cohort):
        values = cohort.target + rng.normal(0, 1, len(cohort))
        values[3] -= 40
        return ["value"], values

    review = Review(predicted({"kind": "regression", "column": "size", "unit": "mm"}, sized))
    top = review.findings.items[0]
    assert top.id == "003"
    assert top.distance > 20
    assert "robust standard deviations above the prediction" in top.why
    assert review.findings.count < 5
    with pytest.raises(InputError, match="say the number"):
        review.decide("relabel", "003")
    with pytest.raises(InputError, match="say the number"):
        review.decide("relabel", "003", label="small")
    assert review.decide("relabel", "003", label="3.1").to == "3.1"

    survival = {"kind": "survival", "time": "months", "event": "died"}

    def risky(cohort):
        return ["risk", "survival_10"], np.full((len(cohort), 2), 0.5)

    with pytest.raises(InputError, match="by chance alone"):
        find_suspects(predicted(survival, risky))
    tasks = {"size": {"kind": "regression", "column": "size"}, "life": survival}

    def both(cohort):
        values = np.column_stack([cohort.target[:, 0], np.full((len(cohort), 2), 0.5)])
        values[:, 0] += rng.normal(0, 1, len(cohort))
        return ["size/value", "life/risk", "life/survival_10"], values

    found = find_suspects(predicted({"kind": "multitask", "tasks": tasks}, both))
    assert found.passed == ("life",)
    assert set(found.classes) == {"size"}


def test_what_is_wrong_is_told(binary, tmp_path):
    run, _ = binary()
    review = Review(run)
    with pytest.raises(InputError, match="unknown decision 'delete'"):
        review.decide("delete", "P001")
    with pytest.raises(InputError, match="unknown id 'P1000'"):
        review.decide("flag", "P1000")
    with pytest.raises(InputError, match="unknown label 'sick'"):
        review.decide("flag", "P001", column="sick")
    with pytest.raises(InputError, match="are kept at most"):
        review.decide("flag", "P001", reason="x" * 3000)
    with pytest.raises(InputError, match="nothing was decided"):
        review.undo("P001")
    assert not review.undo()
    assert not review.path.exists()
    (tmp_path / "cohort.csv").write_text("id,age,ill\nX,1,no\nY,2,yes\n")
    with pytest.raises(RunError, match="has no row 'P001' any more"):
        Review(run).decide("flag", "P001")
    (run.path / "predictions.csv").unlink()
    with pytest.raises(RunError, match="has no predictions"):
        Review(run)


def test_what_others_decide_is_seen(binary):
    run, _ = binary()
    one, other = Review(run), Review(run)
    first = one.findings.items[0]
    one.decide("exclude", first.id)
    assert other.decision(first) is None
    assert other.refresh()
    assert other.decision(first).action == "exclude"
    assert not other.refresh()


def test_the_command_line(binary, capsys):
    from medfusion.cli import run as medfusion

    run, wrong = binary()
    path = str(run.path)
    assert medfusion(["review", path, "--most", "3"]) == 0
    said = capsys.readouterr().out
    assert "10 of 200 labels are suspect; estimated share of wrong labels: ill" in said
    assert medfusion(["review", path, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {one["id"] for one in document["suspects"]} == wrong
    first, second, third = (one["id"] for one in document["suspects"][:3])
    words = ["--relabel", first, "--exclude", second, "--keep", third, "--reason", "read again"]
    assert medfusion(["review", path, *words]) == 0
    said = capsys.readouterr().out
    assert f"{second}: excluded" in said
    assert "--set data.corrections=" in said
    assert medfusion(["review", path, "--undo", second, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["done"] == [f"{second}: taken back"]
    assert document["progress"]["exclude"] == 0
    assert document["suspects"][0]["decision"] == "relabel"
    assert medfusion(["review", path, "--redo"]) == 0
    assert medfusion(["review", path, "--relabel", f"{third}=maybe"]) == 2
    assert "unknown label 'maybe'" in capsys.readouterr().err
