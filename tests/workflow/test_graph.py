"""A graph and an experiment say the same; what is wrong is told at its node and port."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import medfusion as mf
from medfusion import spec
from medfusion.errors import InputError, SpecError
from medfusion.spec import Experiment
from medfusion.workflow import Workflow
from medfusion.workflow.kinds import KINDS, merged, owner, part_of, strange_to

DATA = {
    "table": "t.csv",
    "id": "id",
    "numeric": ["age"],
    "target": {"kind": "binary", "column": "y"},
}
SPLIT = {"kind": "grouped"}


def experiment(**other):
    return Experiment.from_mapping({"data": {**DATA, "split": SPLIT}, **other})


def said(workflow):
    return {(p.node, p.port, p.path): p.sentence for p in workflow.problems}


def with_nodes(workflow, **nodes):
    plain = workflow.model_dump(mode="json")
    for name, node in nodes.items():
        if node is None:
            del plain["nodes"][name]
        else:
            plain["nodes"][name.replace("_", "-")] = plain["nodes"].get(name, {}) | node
    return Workflow.from_mapping(plain)


def with_edges(workflow, *edges, without=()):
    plain = workflow.model_dump(mode="json")
    plain["edges"] = [e for e in plain["edges"] if e["target"] not in without]
    plain["edges"] += [dict(zip(("source", "target"), e.split(" > "), strict=True)) for e in edges]
    return Workflow.from_mapping(plain)


VIEW = st.fixed_dictionaries(
    {"column": st.sampled_from(["a", "b"])},
    optional={
        "size": st.tuples(st.integers(8, 512), st.integers(8, 512)).map(list),
        "channels": st.just(1),
        "augmentation": st.one_of(st.none(), st.just({"flip": "both"})),
        "transforms": st.just([{"kind": "percentile"}]),
    },
)
EXPERIMENTS = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {
                "table": st.sampled_from(["t.csv", "deep/t.csv"]),
                "id": st.just("id"),
                "numeric": st.just(["age"]),
                "images": st.dictionaries(
                    st.sampled_from(["photo", "size", "split"]), VIEW, max_size=2
                ).map(lambda views: {n: {**v, "channels": 1} for n, v in views.items()}),
                "target": st.sampled_from(
                    [
                        {"kind": "binary", "column": "y"},
                        {"kind": "survival", "time": "t", "event": "e"},
                        {"kind": "multiclass", "column": "y", "classes": ["a", "b", "c"]},
                    ]
                ),
                "split": st.sampled_from(
                    [SPLIT, {"kind": "grouped-kfold", "fold": 2}, {"kind": "column", "column": "s"}]
                ),
            },
            optional={"group": st.just("patient"), "cache_gigabytes": st.just(0.0)},
        )
    },
    optional={
        "name": st.sampled_from(["skin", "Haut 2"]),
        "seed": st.integers(0, 2**32 - 1),
        "model": st.sampled_from(
            [{}, {"fusion": {"kind": "film"}}, {"table": {"kind": "tabm"}, "modality_dropout": 0.5}]
        ),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 9),
                "optimizer": st.just({"kind": "sgd", "lr": 0.1}),
                "early_stopping": st.just({"patience": 3}),
            },
        ),
        "evaluation": st.sampled_from([{}, {"threshold": {"kind": "fixed", "value": 0.25}}]),
    },
)


@settings(max_examples=150, deadline=None)
@given(EXPERIMENTS)
def test_an_experiment_becomes_a_graph_and_comes_back_the_same(document):
    exp = Experiment.from_mapping(document)
    workflow = Workflow.from_experiment(exp)
    assert workflow.problems == ()
    assert workflow.experiment().hash == exp.hash
    again = Workflow.from_text(workflow.to_json())
    assert again == workflow
    assert again.hash == workflow.hash
    assert again.experiment().hash == exp.hash
    assert Workflow.from_experiment(again.experiment()).hash == workflow.hash


@settings(max_examples=60, deadline=None)
@given(EXPERIMENTS)
def test_the_parts_of_all_kinds_are_the_whole(document):
    parts = [part_of(document, kind) for kind in KINDS]
    assert merged(parts) == document
    for kind, part in zip(KINDS, parts, strict=True):
        assert strange_to(part, kind) == []


def test_an_experiment_written_in_python_becomes_a_graph_too():
    exp = mf.Experiment(
        data=spec.Data(
            table="t.csv",
            id="id",
            numeric=["age"],
            target=spec.BinaryTarget(column="y"),
            split=spec.GroupedSplit(),
        ),
        model=spec.Model(fusion=spec.FiLMFusion()),
    )
    workflow = Workflow.from_experiment(exp)
    assert workflow.nodes["model"].settings == {"model": {"fusion": {"kind": "film"}}}
    assert workflow.experiment().hash == exp.hash


def test_every_place_of_an_experiment_belongs_to_one_kind():
    document = experiment().model_dump(mode="json", exclude={"medfusion"})
    for key, value in document.items():
        places = [(key, below) for below in value] if isinstance(value, dict) else [(key,)]
        assert all(owner(place) is not None for place in places)
    assert owner(("medfusion",)) is None


def test_what_is_missing_is_told_at_the_port():
    workflow = Workflow.from_experiment(experiment())
    lonely = with_edges(workflow, without=("training.model",))
    assert said(lonely) == {("training", "model", ()): "is missing: join it to a model node"}
    assert "there is no node yet" in said(Workflow())[None, None, ()]
    compared = with_nodes(workflow, compare={"kind": "compare"})
    compared = with_edges(compared, "evaluation.results > compare.results")
    assert said(compared) == {("compare", "results", ()): "needs 2 edges or more"}


def test_wrong_edges_are_told_where_they_end():
    workflow = Workflow.from_experiment(experiment())
    wrong = with_edges(workflow, "data.data > training.cohort", without=("training.cohort",))
    assert said(wrong)["training", "cohort", ()] == "takes cohort, but data.data gives data"
    two = with_nodes(workflow, data2={"kind": "data", "settings": {"data": DATA}})
    two = with_edges(two, "data2.data > split.data")
    assert "takes one edge" in said(two)["split", "data", ()]
    lost = with_edges(workflow, "dota.data > split.data", without=("split.data",))
    assert "did you mean 'data'" in said(lost)["split", None, ()]
    port = with_edges(workflow, "data.date > split.data", without=("split.data",))
    assert "unknown output 'date'" in said(port)["data", None, ()]
    judged = with_nodes(workflow, evaluation_2={"kind": "evaluation"})
    judged = with_edges(judged, "training.run > evaluation-2.run")
    assert "has an evaluation already" in said(judged)["evaluation-2", "run", ()]


def test_a_circle_is_told_at_the_nodes_on_it_and_nowhere_else():
    workflow = with_nodes(
        Workflow.from_experiment(experiment()),
        one={"kind": "preprocessing"},
        two={"kind": "preprocessing"},
    )
    circle = with_edges(workflow, "one.data > two.data", "two.data > one.data")
    found = {p.node for p in circle.problems if "circle" in p.sentence}
    assert found == {"one", "two"}
    with pytest.raises(SpecError, match="circle"):
        circle.experiment()


def test_bad_settings_are_told_at_the_node_that_says_them():
    workflow = Workflow.from_experiment(experiment())
    bad = with_nodes(workflow, training={"settings": {"training": {"epochs": 0}}})
    assert "greater than or equal to 1" in said(bad)["training", None, ("training", "epochs")]
    strange = with_nodes(workflow, model={"settings": {"training": {"epochs": 3}}})
    assert "belongs to a training node" in said(strange)["model", None, ("training",)]
    assert strange.experiment().training.epochs == 20
    unknown = with_nodes(workflow, model={"settings": {"modle": 1}})
    assert "no such part" in said(unknown)["model", None, ("modle",)]
    alone = Workflow.from_mapping(
        {"workflow": 1, "nodes": {"m": {"kind": "model", "settings": {"model": {"fusion": {}}}}}}
    )
    assert set(said(alone)) == {("m", None, ("model", "fusion"))}
    # Checks across parts are told at the part they name.
    image = with_nodes(workflow, model={"settings": {"model": {"image": {"kind": "timm"}}}})
    assert {node for node, _, _ in said(image)} == {"model"}


def test_a_view_that_the_data_do_not_have_is_told_at_the_preprocessing():
    workflow = Workflow.from_experiment(
        experiment(data={**DATA, "images": {"photo": {"column": "p"}}, "split": SPLIT})
    )
    seen = {"data": {"images": {"foto": {"size": [32, 32]}}}}
    wrong = with_nodes(workflow, preprocessing={"settings": seen})
    [(place, sentence)] = said(wrong).items()
    assert place == ("preprocessing", None, ("data", "images", "foto"))
    assert "the data have no view 'foto'" in sentence


def test_where_a_node_stands_does_not_change_the_hash_but_what_it_says_does():
    workflow = Workflow.from_experiment(experiment())
    moved = with_nodes(workflow, data={"position": [5.0, 5.0]})
    assert moved != workflow
    assert moved.hash == workflow.hash
    other = with_nodes(workflow, training={"settings": {"seed": 1}})
    assert other.hash != workflow.hash


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a .medfusion file"),
        ("[]", "not a workflow"),
        ("{}", "begins with"),
        ('{"workflow": 2}', "update MedFusion"),
        ('{"workflow": 1, "nodes": {}, "nodes": {}}', "given twice"),
        ('{"workflow": 1, "name": NaN}', "no number"),
        ('{"workflow": 1, "node": {}}', "did you mean 'nodes'"),
        ('{"workflow": 1, "nodes": {"a": {"kind": "modle"}}}', "did you mean 'model'"),
        ('{"workflow": 1, "nodes": {"a b": {"kind": "model"}}}', "pattern"),
        ("[" * 100_000, "not a .medfusion file"),
        (
            json.dumps({"workflow": 1, "nodes": {"a": {"kind": "model", "settings": {"x": None}}}})
            .replace("null", '{"a":' * 60 + "1" + "}" * 60),
            "nested beyond reason",
        ),
    ],
)  # fmt: skip
def test_what_is_no_workflow_is_refused(content, message):
    with pytest.raises(InputError, match=message):
        Workflow.from_text(content)
