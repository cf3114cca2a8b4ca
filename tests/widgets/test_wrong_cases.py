import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from medfusion import Experiment
from medfusion.errors import InputError
from medfusion.runs import RunFolder
from medfusion.widgets.wrong_cases import SIDE, WrongCases, small_picture

YAML = """
name: wrong
data:
  table: t.csv
  id: id
  images: {photo: {column: file, size: [32, 32]}}
  target: TARGET
  split: {kind: grouped}
"""
HOSTILE = '"><img src=x onerror=alert(1)>'


def make(folder, target="{kind: multiclass, column: y}"):
    ids = ["a", "b", "c", HOSTILE]
    Image.fromarray(np.full((300, 150, 3), 80, np.uint8)).save(folder / "a.png")
    with (folder / "t.csv").open("w", newline="") as file:
        rows = [
            [name, "../outside.png" if row == 2 else f"{name[:1]}.png", "x"]
            for row, name in enumerate(ids)
        ]
        csv.writer(file).writerows([["id", "file", "y"], *rows])
    experiment = Experiment.from_yaml_text(YAML.replace("TARGET", target), folder=folder)
    return RunFolder.create(experiment, folder / "runs")


def predict(run, header, *rows):
    with (run.path / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def ask(run):
    values, buffers = WrongCases([run]).wrong_cases(0)
    return values, buffers


def test_a_finished_run_is_read_from_its_predictions(tmp_path):
    run = make(tmp_path)
    (tmp_path / "t.csv").write_text("id,file,y\na,a.png,x\nb,b.png,x\n")
    predict(
        run, "id,split,target,prob_x,prob_y,prob_z",
        ["a", "val", "x", 0.5, 0.3, 0.2], ["b", "test", "y", 0.7, 0.1, 0.2],
        ["c", "train", "z", 0.98, 0.01, 0.01], [HOSTILE, "test", "z", 0.2, 0.2, 0.6],
    )  # fmt: skip
    values, buffers = ask(run)
    found = [(case["id"], case["split"], case["truth"], case["said"]) for case in values["cases"]]
    assert found == [("b", "test", "y", "x"), ("a", "val", "x", "x"), (HOSTILE, "test", "z", "z")]
    assert [case["wrong"] for case in values["cases"]] == pytest.approx([0.9, 0.5, 0.4])
    assert values["epoch"] is None
    assert values["cases"][1]["picture"] == 0
    assert "does not exist" in values["cases"][0]["note"]
    with Image.open(io.BytesIO(buffers[0])) as picture:
        assert picture.size == (SIDE // 2, SIDE)
        assert picture.getpixel((5, 5)) == (80, 80, 80)


def test_a_run_at_work_is_read_from_its_best_epoch(tmp_path):
    run = make(tmp_path)
    assert ask(run)[0] == {"epoch": None, "cases": []}
    case = {"id": "a", "split": "val", "truth": "x", "said": "y", "task": "", "wrong": 0.9}
    document = {"epoch": 4, "cases": [case]}
    (run.path / "mistakes.json").write_text(json.dumps(document))
    values, _ = ask(run)
    assert values["epoch"] == 4
    assert {key: values["cases"][0][key] for key in case} == case


def test_images_outside_of_the_data_root_are_not_shown(tmp_path):
    run = make(tmp_path)
    predict(run, "id,split,target,prob_x,prob_y", ["a", "val", "x", 0.5, 0.5])
    values, buffers = ask(run)
    assert buffers == []
    assert "leave the data root" in values["cases"][0]["note"]


def test_several_tasks_and_numbers(tmp_path):
    tasks = "{kind: multitask, tasks: {size: {kind: regression, column: s}, sick: {kind: binary, column: y}}}"
    run = make(tmp_path, tasks)
    predict(
        run, "id,split,size/target,size/value,sick/target,sick/prob_no,sick/prob_yes",
        ["a", "val", 4.0, 1.0, "yes", 0.75, 0.25], ["b", "test", "", 7.0, "no", 0.5, 0.5],
    )  # fmt: skip
    values, _ = ask(run)
    found = [(case["task"], case["id"], case["wrong"], case["number"]) for case in values["cases"]]
    assert found == [
        ("size", "a", 3.0, True), ("sick", "a", 0.75, False), ("sick", "b", 0.5, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [("predictions.csv", "id,split,target,prob_x\na,val,x,zero\n"), ("predictions.csv", "split\nval\n"),
     ("predictions.csv", "id,split,target,prob_x\na,val,unknown,1\n"), ("mistakes.json", "[]"),
     ("mistakes.json", '{"epoch": 1, "cases": [{"id": "a"}]}'), ("mistakes.json", "{")],
)  # fmt: skip
def test_damaged_files_are_told(tmp_path, name, content):
    run = make(tmp_path)
    (run.path / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}: damaged"):
        ask(run)


@pytest.mark.parametrize("number", [1, -1, True, "0", None])
def test_there_is_no_such_run(tmp_path, number):
    with pytest.raises(InputError, match="has no run"):
        WrongCases([make(tmp_path)]).wrong_cases(number)


@pytest.mark.parametrize("shape", [(1, 1), (2000, 3), (97, 96), (40, 500, 3)])
def test_pictures_of_any_size_and_depth(tmp_path, shape):
    path = tmp_path / "p.png"
    Image.fromarray(np.full(shape, 200, np.uint8)).save(path)
    with Image.open(io.BytesIO(small_picture(str(path)))) as picture:
        assert max(picture.size) <= SIDE
        assert set(np.asarray(picture).ravel().tolist()) == {200}


def test_torch_is_not_imported(tmp_path):
    run = make(tmp_path)
    (tmp_path / "t.csv").write_text("id,file,y\na,a.png,x\n")
    predict(run, "id,split,target,prob_x,prob_y", ["a", "val", "x", 0.5, 0.5])
    code = (
        "import sys; from medfusion.runs import RunFolder\n"
        "from medfusion.widgets.wrong_cases import WrongCases\n"
        f"print(len(WrongCases([RunFolder({str(run.path)!r})]).wrong_cases(0)[1]))\n"
        "print([m for m in ('torch', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["1", "[]"]
