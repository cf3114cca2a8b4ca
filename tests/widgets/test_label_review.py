"""The label review's kernel side: what a page asks is decided, kept in the journal and shown."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from medfusion.data import Cohort, png
from medfusion.runs import RunFolder, Status, process
from medfusion.spec import Experiment
from medfusion.widgets import assets
from medfusion.widgets.label_review import LabelReview

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run over 40 rows, four of whose labels it contradicts."""
    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    rng = np.random.default_rng(3)
    y = [row % 2 for row in range(40)]
    (tmp_path / "images").mkdir()
    for row in range(40):
        pixels = rng.integers(0, 256, (40, 20), dtype=np.uint8)
        (tmp_path / "images" / f"{row}.png").write_bytes(png.encode(pixels))
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "age", "site", "path", "ill", "split"])
        for row in range(40):
            side = ("train", "train", "train", "val", "test", "train", "val", "test")[row // 2 % 8]
            path = "" if row == 9 else f"images/{row}.png"
            writer.writerow([f"P{row}", 50 + row, HOSTILE, path, ("no", "yes")[y[row]], side])
    document = {
        "name": "reviewed",
        "data": {
            "table": "t.csv",
            "id": "id",
            "numeric": ["age"],
            "categorical": ["site"],
            "images": {"photo": {"column": "path", "size": [16, 16]}},
            "target": {"kind": "binary", "column": "ill"},
            "split": {"kind": "column", "column": "split"},
        },
    }
    made = RunFolder.create(Experiment.from_mapping(document, folder=tmp_path), tmp_path / "runs")
    cohort = Cohort.load(made.experiment)
    with (made.path / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "target", "prob_no", "prob_yes"])
        for row, name in enumerate(cohort.ids):
            wrong = row in (0, 9, 16, 23)
            p = 0.9 if y[row] != wrong else 0.1
            writer.writerow([name, cohort.split[row], ("no", "yes")[y[row]], 1 - p, p])
    Status(state="finished").write(made.path)
    return made


def ask(panel, question, **values):
    reply, buffers = panel.answer({"kind": "ask", "id": "1", "name": question, "values": values})
    return reply.get("error") or reply["values"], list(buffers)


def rows(panel, **more):
    found, _ = ask(panel, "suspects", **({"start": 0, "count": 50, "which": "suspects"} | more))
    return [row["id"] for row in found["rows"]], found["total"]


def test_the_list_is_given_out_in_pieces(run):
    panel = LabelReview(run)
    assert set(rows(panel)[0]) == {"P0", "P9", "P16", "P23"}
    every, total = rows(panel, which="all")
    assert (len(every), total) == (40, 40)
    assert rows(panel, which="all", start=38) == (every[38:], 40)
    assert rows(panel, which="all", start=90) == ([], 40)
    assert rows(panel, which="decided") == ([], 0)
    held, _ = rows(panel, which="all", held=True)
    splits = {row["id"]: row["split"] for row in run.predictions}
    assert {splits[name] for name in held} == {"val", "test"}
    for wrong in ({"start": -1}, {"count": "9"}, {"which": "none"}, {"column": 3}):
        found, _ = ask(panel, "suspects", **({"start": 0, "count": 1, "which": "all"} | wrong))
        assert found["type"] == "InputError"


def test_a_case_comes_with_images_values_and_reasons(run):
    panel = LabelReview(run)
    found, buffers = ask(panel, "subject", name="P0", column="ill")
    assert found["labels"] == ["no", "yes"]
    assert (found["row"]["given"], found["row"]["suggested"]) == ("no", "yes")
    assert found["values"] == [["age", "50"], ["site", HOSTILE]]
    assert found["pictures"] == [{"view": "photo", "note": "", "there": True}]
    assert buffers[0].startswith(b"\x89PNG")
    assert int.from_bytes(buffers[0][16:20], "big") == 20  # never larger than the file
    found, buffers = ask(panel, "subject", name="P9", column="ill")
    assert found["pictures"] == [{"view": "photo", "note": "no image", "there": False}]
    assert buffers == [b""]
    (run.path.parents[1] / "images" / "0.png").write_bytes(b"no picture")
    found, buffers = ask(panel, "subject", name="P0", column="ill")
    assert "0.png: neither NIfTI nor DICOM" in found["pictures"][0]["note"]
    found, buffers = ask(panel, "thumbnails", ids=["P1", "P9", "gone"])
    assert [bool(one) for one in buffers] == [True, False, False]
    assert ask(panel, "thumbnails", ids=["P1"] * 300)[0]["type"] == "InputError"
    assert ask(panel, "subject", name="P99", column="ill")[0]["type"] == "InputError"


def test_decisions_are_shown_at_once_and_survive_the_kernel(run):
    panel = LabelReview(run, who="li")
    first, second = rows(panel)[0][:2]
    before = panel.state["revision"]
    assert (
        ask(
            panel,
            "decide",
            action="relabel",
            name=first,
            column="ill",
            label="yes" if first == "P0" else None,
        )[0]
        == {}
    )
    assert ask(panel, "decide", action="flag", name=second, column="ill", reason=HOSTILE)[0] == {}
    assert panel.state["revision"] == before + 2
    assert panel.state["progress"]["reviewed"] == 2
    assert panel.state["steps"] == [2, 0]
    assert set(rows(panel, which="decided")[0]) == {first, second}
    assert ask(panel, "undo", which="suspects")[0] == {"place": 1}
    assert panel.state["steps"] == [1, 1]
    again = LabelReview(run)
    assert again.state["steps"] == [1, 1]
    assert ask(again, "redo", which="suspects")[0] == {"place": 1}
    found, _ = ask(again, "subject", name=second, column="ill")
    assert (found["reason"], found["who"]) == (HOSTILE, "li")
    assert panel.state["steps"] == [1, 1]
    assert ask(panel, "look")[0] == {}
    assert panel.state["steps"] == [2, 0]
    assert ask(panel, "undo", which="decided")[0] == {}
    for wrong in (
        {"action": "delete"},
        {"name": "P99"},
        {"column": "age"},
        {"label": "maybe"},
        {"reason": 3},
        {"reason": "x" * 9999},
    ):
        values = {"action": "relabel", "name": first, "column": "ill"} | wrong
        assert ask(panel, "decide", **values)[0]["type"] == "InputError"


def test_the_next_run_is_started_with_the_corrections(run, monkeypatch):
    started = []
    monkeypatch.setattr(process, "start", started.append)
    panel = LabelReview(run)
    assert ask(panel, "train")[0]["type"] == "InputError"
    name = rows(panel)[0][0]
    ask(panel, "decide", action="exclude", name=name, column="ill")
    found, _ = ask(panel, "train")
    assert started == [panel.run.path]
    assert found == {"name": panel.run.name}
    assert panel.state["panels"]["run"].startswith("anywidget:")
    assert name not in Cohort.load(panel.run.experiment).ids
    assert "LabelReview" in panel.code
    assert panel.experiment.data.corrections == panel.state["journal"]


def test_torch_is_not_imported(run):
    work = (
        "import sys, medfusion as mf\n"
        f"review = mf.LabelReview({str(run.path)!r})\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_arguments_are_checked(run):
    with pytest.raises(TypeError, match="did you mean 'journal'"):
        LabelReview(run, jurnal="x")
