"""A draft: any change can be taken back, what is wrong has a place, and nothing is lost on the way."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfusion import Experiment
from medfusion.errors import InputError, SpecError
from medfusion.spec import Draft
from medfusion.spec.draft import MOST_STEPS

WHOLE = """
medfusion: 1
name: whole
data:
  table: t.csv
  id: id
  images: {photo: {column: a}, film: {column: b, size: [64, 64]}}
  numeric: [age]
  target: {kind: binary, column: y}
  split: {kind: grouped}
model: {fusion: {kind: gated, dim: 32, initial_gate: 0.3}}
"""


def whole():
    return Draft.from_yaml_text(WHOLE)


def test_a_new_draft_says_what_is_missing():
    draft = Draft()
    assert draft.experiment is None
    assert draft.code == ""
    missing = {problem.path for problem in draft.problems}
    assert {("data", "table"), ("data", "id"), ("data", "target"), ("data", "split")} <= missing


def test_a_whole_one_is_the_experiment():
    draft = whole()
    assert draft.problems == ()
    assert draft.experiment == Experiment.from_yaml_text(WHOLE)
    assert Experiment.from_yaml_text(draft.yaml).hash == draft.experiment.hash
    again = Draft.of(draft.experiment)
    assert again.experiment == draft.experiment
    assert "epochs" not in again.yaml  # what was left out still follows the default


def test_problems_stand_at_their_place():
    draft = whole()
    draft.set(("training", "epochs"), "ten")
    draft.set(("data", "images", "film", "size", 1), 3)
    found = {problem.path: problem for problem in draft.problems}
    assert set(found) == {("training", "epochs"), ("data", "images", "film", "size", 1)}
    assert "valid integer" in found["training", "epochs"].sentence
    draft = whole()
    draft.set(("model", "head"), {"kind": "segmentation"})
    (only,) = draft.problems
    assert (only.path, only.own) == (("model", "head"), False)


def test_kinds_are_changed_and_what_both_have_is_kept():
    draft = whole()
    draft.choose(("model", "fusion"), "film")
    assert draft.get(("model", "fusion")) == {"kind": "film", "dim": 32}
    draft.undo()
    assert draft.get(("model", "fusion", "initial_gate")) == 0.3
    draft.choose(("training", "optimizer"), "sgd")
    assert draft.experiment.training.optimizer.kind == "sgd"
    with pytest.raises(InputError, match="unknown kind 'filmm'"):
        draft.choose(("model", "fusion"), "filmm")


def test_entries_are_renamed_in_place_and_removed_with_what_they_leave_empty():
    draft = whole()
    draft.rename(("data", "images", "photo"), "skin")
    assert list(draft.get(("data", "images"))) == ["skin", "film"]
    with pytest.raises(InputError, match="a 'film' already"):
        draft.rename(("data", "images", "skin"), "film")
    draft.remove(("model", "fusion", "dim"))
    draft.remove(("model", "fusion", "initial_gate"))
    draft.remove(("model", "fusion", "kind"))
    assert "model" not in draft.document
    assert draft.experiment is not None


def test_letters_of_a_word_are_one_step():
    draft = whole()
    for word in ("w", "wo", "wor", "word"):
        draft.set(("name",), word, merge=True)
    assert draft.undo()
    assert draft.get(("name",)) == "whole"
    assert not draft.undo()
    assert draft.redo()
    assert draft.get(("name",)) == "word"


def test_setting_the_same_is_no_step():
    draft = whole()
    draft.set(("name",), "whole")
    assert draft.steps == (0, 0)


@pytest.mark.parametrize(
    "path", [("data", "numeric", 7), ("data", "numeric", "x"), ("name", "x"), ("data", "table", 0)]
)
def test_there_is_no_such_place(path):
    draft = whole()
    with pytest.raises(InputError, match="there is no place"):
        draft.set(path, 1)
    with pytest.raises(InputError, match="there is no place"):
        draft.remove(path)
    assert draft.document == whole().document


def test_the_document_cannot_be_changed_from_outside():
    images = {"photo": {"column": "a"}}
    draft = whole()
    draft.set(("data", "images"), images)
    images["photo"]["column"] = "b"
    draft.document["data"]["images"]["photo"]["column"] = "c"
    draft.get(("data", "images"))["photo"]["column"] = "d"
    assert draft.get(("data", "images", "photo", "column")) == "a"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
PATHS = st.sampled_from(
    [(), ("name",), ("seed",), ("data", "numeric"), ("data", "numeric", 0), ("data", "numeric", 1),
     ("model", "fusion"), ("model", "fusion", "kind"), ("training", "supervision", 0, "kind"),
     ("data", "images", "x", "size"), ("strange", "key")]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PATHS, VALUES, st.booleans()), max_size=8))
def test_all_steps_can_be_taken_back_and_again_whatever_they_were(changes):
    draft = whole()
    for path, value, merge in changes:
        try:
            draft.set(path, value, merge=merge)
        except InputError:
            continue
        assert (draft.experiment is None) == bool(draft.problems)
        for problem in draft.problems:
            assert problem.sentence
    last = draft.document
    kept = Draft.from_json(json.loads(json.dumps(draft.to_json())))
    while draft.undo():
        pass
    assert draft.document == whole().document
    while draft.redo():
        pass
    assert draft.document == last == kept.document
    assert kept.steps[0] == draft.steps[0]
    while kept.undo():
        pass
    assert kept.document == whole().document


def test_steps_are_bounded():
    draft = Draft()
    for number in range(MOST_STEPS + 20):
        draft.set(("seed",), number)
    assert draft.steps == (MOST_STEPS, 0)


@pytest.mark.parametrize("damaged", [None, 3, {}, {"document": 1, "before": [], "after": []},
                                     {"document": {}, "before": [1], "after": []}])  # fmt: skip
def test_what_is_no_draft_is_refused(damaged):
    with pytest.raises(SpecError, match="no draft"):
        Draft.from_json(damaged)
    with pytest.raises(SpecError):
        Draft.from_yaml_text("- a list")
