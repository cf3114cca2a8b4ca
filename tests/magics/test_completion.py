import pytest

from medfusion.magics import yaml_completion
from medfusion.magics.completion import complete_cell_line, complete_line, schema
from medfusion.runs import RunFolder
from medfusion.spec import Experiment

KINDS = [
    *("binary", "multiclass", "multilabel", "ordinal", "regression"),
    *("segmentation", "survival", "multitask"),
]
"""Of targets, in the order in which the reference shows them."""

YAML = """
name: known
data:
  table: t.csv
  id: id
  numeric: [age]
  target: {kind: binary, column: y}
  split: {kind: grouped}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("skin.yaml", "skin.csv", "notes.txt", ".hidden.yaml", "two words.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "deep.yml").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("val", ["validate"]),
        ("valid", ["validate"]),
        ("nonsense x", []),
        ("train ", ["more/", "skin.yaml"]),
        ("train sk", ["skin.yaml"]),
        ("train more/", ["more/deep.yml"]),
        ("train .h", [".hidden.yaml"]),
        ("train skin.yaml --se", ["--set"]),
        ("train skin.yaml --skip-unreadable --s", ["--set"]),
        ("train skin.yaml --set a=1 --se", ["--set"]),
        ("train skin.yaml ", []),
        ("train skin.yaml --runs ", ["more/"]),
        ("train skin.yaml --set training.opt", ["training.optimizer."]),
        ("train skin.yaml --set training.epo", ["training.epochs="]),
        ("train skin.yaml --set training.optimizer.kind=s", ["training.optimizer.kind=sgd"]),
        ("train skin.yaml --set model.fusion.he", ["model.fusion.heads="]),
        ("train skin.yaml --set no.such.thing", []),
        ("evaluate r --split ", ["train", "val", "test"]),
        ("data in", ["inspect"]),
        ("data inspect sk", ["skin.csv", "skin.yaml"]),
        ("models f", ["fusion"]),
        ("predict r s", ["skin.csv"]),
        ("validate /no/such/folder/", []),
    ],
)
def test_words_of_a_line(words, expected):
    fragment, found = complete_line(words)
    assert found == expected
    assert words.endswith(fragment)


def test_all_verbs_at_first():
    assert {"train", "validate", "report", "compare"} <= set(complete_line("")[1])


def test_runs_the_newest_first(folder):
    experiment = Experiment.from_yaml_text(YAML, folder=folder)
    run = RunFolder.create(experiment, "runs")
    assert complete_line("report ")[1] == [f"runs/{run.name}"]
    assert complete_line("report runs/kn")[1] == [f"runs/{run.name}"]
    assert complete_line(f"compare runs/{run.name} runs/")[1] == [f"runs/{run.name}"]
    RunFolder.create(experiment, "elsewhere")
    assert complete_line("resume elsewhere/")[1][0].startswith("elsewhere/known")


def test_words_of_a_cell_line():
    assert complete_cell_line(" --") == ("--", ["--name", "--train", "--runs"])
    assert complete_cell_line(" --train --")[1] == ["--name", "--runs"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("na|", ["name: "]),
        ("name: a\nse|", ["seed: "]),
        ("data:\n  ta|\n", ["table: ", "target: "]),
        ("data:\n  ta|\n  table: x.csv\n", ["target: "]),
        ("data:\n  target: {kind: |", KINDS),
        ("data:\n  target: {kind: binary, |}", ["column: ", "positive: "]),
        ("data:\n  target:\n    kind: regression\n    u|", ["unit: "]),
        ("data:\n  images:\n    front:\n      ch|", ["channels: "]),
        ("data:\n  images:\n    front: {co|", ["column: "]),
        ("data:\n  images: {front: {column: a, si|", ["size: "]),
        ("data:\n  skip_unreadable: |", ["true", "false"]),
        ("model:\n  fusion: {kind: b|", ["bilinear"]),
        ("model:\n  fusion:\n    kind: cross-attention\n    h|", ["heads: "]),
        ("model:\n  fusion:\n    h|\n    kind: cross-attention", ["heads: "]),
        ("training: {optimizer: {kind: sgd, mo|", ["momentum: "]),
        ("training:\n  optimizer: {kind: sgd, lr: 0.1}\n  sch|", ["schedule: "]),
        ("training:\n  early_stopping: {pat|", ["patience: "]),
        ("training:\n  class_weights: b|", ["balanced"]),
        ("# a comment\n\ntraining:\n  device: c|", ["cpu", "cuda"]),
        ("no_such:\n  |", []),
        ("data:\n  numeric: [a|", []),
        ("name: |", []),
        ("- |", []),
        ("}}}]]] : {|", []),
    ],
)
def test_keys_and_values_of_a_cell(text, expected):
    before, _, after = text.partition("|")
    lines = before.split("\n")
    fragment, found = yaml_completion.complete(
        before + after, len(lines) - 1, len(lines[-1]), schema()
    )
    assert found == expected
    assert before.endswith(fragment)


def test_any_text_at_any_cursor_is_survived():
    text = "a: {b: [c, {d: e}, f: ]}\n - x: y\n\t: :\n{{[[,,:::\n  model: {kind"
    for line, content in enumerate(text.split("\n")):
        for column in range(len(content) + 1):
            fragment, _ = yaml_completion.complete(text, line, column, schema())
            assert content[:column].endswith(fragment)
