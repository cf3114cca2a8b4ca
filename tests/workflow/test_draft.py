"""Drawing: every step changes the graph in one way and can be taken back."""

import json

import pytest

from medfusion.errors import InputError, SpecError
from medfusion.workflow import Workflow
from medfusion.workflow.draft import WorkflowDraft


@pytest.fixture
def draft():
    return WorkflowDraft(Workflow())


def edges(draft):
    return [(edge.source, edge.target) for edge in draft.workflow.edges]


def test_nodes_have_names_and_places_of_their_own(draft):
    names = [draft.add("model") for _ in range(3)]
    assert names == ["model", "model-2", "model-3"]
    places = {node.position for node in draft.workflow.nodes.values()}
    assert len(places) == 3
    with pytest.raises(InputError, match="did you mean 'model'"):
        draft.add("modle")


def test_edges_join_what_fits_and_a_new_one_takes_the_place_of_the_old(draft):
    for kind in ("data", "data", "split", "training", "evaluation", "evaluation", "compare"):
        draft.add(kind)
    draft.connect("data.data", "split.data")
    draft.connect("data-2.data", "split.data")
    assert edges(draft) == [("data-2.data", "split.data")]
    with pytest.raises(InputError, match=r"takes cohort, but data\.data gives data"):
        draft.connect("data.data", "training.cohort")
    with pytest.raises(InputError, match="unknown node"):
        draft.connect("nobody.data", "split.data")
    with pytest.raises(InputError, match="name a node and its port"):
        draft.connect("data", "split.data")
    for name in ("evaluation", "evaluation-2"):
        draft.connect(f"{name}.results", "compare.results")
    assert len(edges(draft)) == 3
    draft.delete(["evaluation"], [0])
    assert edges(draft) == [("evaluation-2.results", "compare.results")]


def test_a_circle_cannot_be_drawn(draft):
    draft.add("preprocessing")
    draft.add("preprocessing")
    draft.connect("preprocessing.data", "preprocessing-2.data")
    for target in ("preprocessing", "preprocessing-2"):
        with pytest.raises(InputError, match="circle"):
            draft.connect("preprocessing-2.data", f"{target}.data")


def test_a_node_says_its_own_part_only(draft):
    draft.add("training")
    draft.set("training", ("training", "epochs"), 3)
    draft.choose("training", ("training", "optimizer"), "sgd")
    assert draft.workflow.nodes["training"].settings == {
        "training": {"epochs": 3, "optimizer": {"kind": "sgd"}}
    }
    with pytest.raises(InputError, match="is said by a model node"):
        draft.set("training", ("model", "fusion"), {"kind": "film"})
    draft.remove("training", ("training", "epochs"))
    assert "epochs" not in draft.workflow.nodes["training"].settings["training"]


def test_every_step_can_be_taken_back_and_taken_again(draft):
    states = [draft.workflow]
    for act in (
        lambda: draft.add("data"),
        lambda: draft.add("split"),
        lambda: draft.connect("data.data", "split.data"),
        lambda: draft.set("data", ("data", "table"), "t.csv"),
        lambda: draft.label("data", "Haut"),
        lambda: draft.describe(name="skin"),
        lambda: draft.move({"data": (7, 8)}),
        draft.arrange,
        lambda: draft.delete(["data"]),
    ):
        act()
        states.append(draft.workflow)
    kept = json.loads(json.dumps(draft.to_json()))
    for one in (draft, WorkflowDraft.from_json(kept, folder=draft.workflow.folder)):
        assert one.steps == (len(states) - 1, 0)
        for before in reversed(states[:-1]):
            assert one.undo()
            assert one.workflow == before
        assert not one.undo()
        for after in states[1:]:
            assert one.redo()
            assert one.workflow == after
    with pytest.raises(SpecError, match="no draft"):
        WorkflowDraft.from_json({}, folder=draft.workflow.folder)


def test_a_word_being_typed_is_one_step(draft):
    draft.add("data")
    for text in ("t", "t.", "t.csv"):
        draft.set("data", ("data", "table"), text, merge=True)
    assert draft.steps == (2, 0)
    draft.undo()
    assert draft.workflow.nodes["data"].settings == {}


def test_arranged_nodes_stand_right_of_what_they_need_and_never_on_each_other(draft):
    for kind in ("report", "evaluation", "training", "model", "split", "data", "compare"):
        draft.add(kind)
    for source, target in [
        ("data.data", "split.data"), ("split.cohort", "training.cohort"),
        ("model.model", "training.model"), ("training.run", "evaluation.run"),
        ("evaluation.results", "report.results"), ("evaluation.results", "compare.results"),
    ]:  # fmt: skip
        draft.connect(source, target)
    draft.arrange()
    places = {name: node.position for name, node in draft.workflow.nodes.items()}
    for source, target in edges(draft):
        assert places[source.split(".")[0]][0] < places[target.split(".")[0]][0]
    assert len(set(places.values())) == len(places)
