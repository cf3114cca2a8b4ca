"""Between a workflow and the experiments of its training nodes, without loss in either direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medfusion.errors import SpecError, unknown
from medfusion.spec import Draft, Experiment
from medfusion.workflow.kinds import KINDS, merged, part_of

if TYPE_CHECKING:
    from medfusion.workflow.graph import Workflow

COLUMN, ROW = 208, 120
"""Room of a node in the picture, in pixels."""

_PLACES = {
    "data": (0, 0),
    "preprocessing": (1, 0),
    "split": (2, 0),
    "model": (2, 1),
    "training": (3, 0),
    "evaluation": (4, 0),
    "report": (5, 0),
}
_EDGES = (
    ("preprocessing.data", "split.data"),
    ("split.cohort", "training.cohort"),
    ("model.model", "training.model"),
    ("training.run", "evaluation.run"),
    ("evaluation.results", "report.results"),
)


def nodes_of(experiment: Experiment) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the nodes and edges that say the same as an experiment, as plain values."""
    document = said(experiment)
    kinds = [kind for kind in _PLACES if kind != "preprocessing" or experiment.data.images]
    nodes = {
        kind: {
            "kind": kind,
            "settings": part_of(document, kind),
            "position": [_PLACES[kind][0] * COLUMN, _PLACES[kind][1] * ROW],
        }
        for kind in kinds
    }
    joined = [(s, t) for s, t in _EDGES if s.split(".")[0] in kinds]
    first = "preprocessing.data" if "preprocessing" in kinds else "split.data"
    edges = [{"source": s, "target": t} for s, t in [("data.data", first), *joined]]
    return nodes, edges


def said(experiment: Experiment) -> dict[str, Any]:
    """Return what an experiment says, as a document that gives an equal experiment."""
    document = {k: v for k, v in Draft.of(experiment).document.items() if k != "medfusion"}
    made = Draft(document, folder=experiment.folder).experiment
    if made is None or made.hash != experiment.hash:  # defaults that are not the schema's own
        document = experiment.model_dump(mode="json", exclude={"medfusion"})
    return document


def chain(workflow: Workflow, training: str) -> list[str]:
    """Return the nodes that say the experiment of a training node, itself among them.

    These are all that lead to it, and the evaluation of its run.
    """
    found, ahead = {training}, [training]
    while ahead:
        name = ahead.pop()
        for _, first, _ in workflow.into(name):
            if first in workflow.nodes and first not in found:
                found.add(first)
                ahead.append(first)
    found |= {name for name in workflow.out_of(training) if _is(workflow, name, "evaluation")}
    ordered, _ = workflow.order()
    ordered = [name for name in ordered if name in found]
    return sorted(ordered, key=lambda name: list(KINDS).index(workflow.nodes[name].kind))


def document_of(workflow: Workflow, names: list[str]) -> dict[str, Any]:
    """Return the experiment's document that nodes say together; what is not theirs is left out."""
    nodes = [workflow.nodes[name] for name in names]
    parts = [part_of(node.settings, node.kind) for node in nodes]
    return {"medfusion": 1, **merged([{"data": {}}, *parts])}


def draft_of(workflow: Workflow, names: list[str]) -> Draft:
    """Return the experiment in the making that nodes say together."""
    return Draft(document_of(workflow, names), folder=workflow.folder)


def experiment_of(workflow: Workflow, training: str | None) -> Experiment:
    """Return the experiment of a training node; see `Workflow.experiment`."""
    known = workflow.of_kind("training")
    if training is None:
        if len(known) != 1:
            msg = f"{workflow.name}: name one of its training nodes: {', '.join(known) or 'it has none'}"
            raise SpecError(msg)
        training = known[0]
    if training not in known:
        raise SpecError(unknown("training node", training, known))
    if workflow.order()[1]:
        msg = f"{workflow.name}: its edges go in a circle"
        raise SpecError(msg)
    names = chain(workflow, training)
    return Experiment.from_mapping(
        document_of(workflow, names), folder=workflow.folder, source=f"{workflow.name}, {training}"
    )


def _is(workflow: Workflow, name: str, kind: str) -> bool:
    return name in workflow.nodes and workflow.nodes[name].kind == kind
