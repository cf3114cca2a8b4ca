"""What is missing or wrong in a workflow, in sentences, each at its node and port."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from medfusion.errors import unknown
from medfusion.workflow.conversion import chain, draft_of
from medfusion.workflow.kinds import KINDS, Path, owner, strange_to

if TYPE_CHECKING:
    from medfusion.workflow.graph import Edge, Workflow


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is missing or wrong at one place of a workflow.

    Attributes:
        sentence: What is wrong and what to do.
        node: The node; None where it is the workflow as a whole.
        port: Its port, where it is about an edge.
        path: The place in the experiment's words, where it is about a setting.
        edge: Number of the edge, where it is about one that is there.
    """

    sentence: str
    node: str | None = None
    port: str | None = None
    path: Path = ()
    edge: int | None = None

    def __str__(self) -> str:
        place = ".".join(filter(None, [self.node, self.port]))
        setting = ".".join(map(str, self.path))
        return ": ".join(filter(None, [place, setting, self.sentence]))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self) | {"path": list(self.path)}


def check(workflow: Workflow) -> tuple[Problem, ...]:
    """Return what is missing or wrong; nothing where the workflow can be run.

    Args:
        workflow: Any workflow, complete or not.
    """
    if not workflow.nodes:
        return (Problem("there is no node yet: add one, or take a template"),)
    found = [*_edges(workflow), *_inputs(workflow)]
    _, circle = workflow.order()
    found += [
        Problem("lies on a circle: what it gives comes back to it; take out an edge", name)
        for name in workflow.nodes
        if name in circle
    ]
    found += _evaluations(workflow)
    for name, node in workflow.nodes.items():
        for path in strange_to(node.settings, node.kind):
            belongs = owner(path)
            hint = (
                f"it belongs to a {belongs} node" if belongs else "an experiment has no such part"
            )
            found.append(Problem(f"is not said by a {node.kind} node: {hint}", name, path=path))
    if not circle:
        found += _settings(workflow)
    return tuple(dict.fromkeys(found))


def _edges(workflow: Workflow) -> list[Problem]:
    found: list[Problem] = []
    ends: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, str]] = set()
    for place, edge in enumerate(workflow.edges):
        problem = _edge(workflow, edge, place)
        if problem is not None:
            found.append(problem)
            continue
        first, output, second, into = edge.ends
        port = KINDS[workflow.nodes[second].kind].input(into)
        if (edge.source, edge.target) in seen:
            found.append(Problem(f"is joined to {first}.{output} twice", second, into, edge=place))
        elif port is not None and not port.several and (second, into) in ends:
            sentence = "takes one edge, but more end here: take one of them out"
            found.append(Problem(sentence, second, into, edge=place))
        seen.add((edge.source, edge.target))
        ends[second, into] = place
    return found


def _edge(workflow: Workflow, edge: Edge, place: int) -> Problem | None:
    """Return why an edge cannot be; None where it can."""
    first, output, second, into = edge.ends
    for name, other in ((first, second), (second, first)):
        if name not in workflow.nodes:
            known = workflow.nodes
            at = other if other in known else None
            return Problem(f"an edge: {unknown('node', name, known)}", at, edge=place)
    source, target = (KINDS[workflow.nodes[name].kind] for name in (first, second))
    gives, takes = source.output(output), target.input(into)
    if gives is None:
        names = [port.name for port in source.outputs]
        return Problem(unknown("output", output, names), first, edge=place)
    if takes is None:
        names = [port.name for port in target.inputs]
        return Problem(unknown("input", into, names), second, edge=place)
    if gives.type != takes.type:
        sentence = f"takes {takes.type}, but {first}.{output} gives {gives.type}"
        return Problem(sentence, second, into, edge=place)
    return None


def fits(workflow: Workflow, source: str, target: str) -> str:
    """Return why an edge from an output to an input cannot be drawn; empty where it can."""
    from medfusion.workflow.graph import Edge

    edge = Edge(source=source, target=target)
    problem = _edge(workflow, edge, 0)
    if problem is not None:
        return str(problem)
    first, _, second, _ = edge.ends
    ahead, seen = [second], {second}
    while ahead:
        for name in workflow.out_of(ahead.pop()):
            if name not in seen:
                seen.add(name)
                ahead.append(name)
    return f"{first} already follows from {second}: this would be a circle" if first in seen else ""


def _inputs(workflow: Workflow) -> list[Problem]:
    found = []
    for name, node in workflow.nodes.items():
        joined = [port for port, _, _ in workflow.into(name)]
        for port in KINDS[node.kind].inputs:
            count = joined.count(port.name)
            if port.required and count == 0:
                givers = [
                    kind.name
                    for kind in KINDS.values()
                    if any(one.type == port.type for one in kind.outputs)
                ]
                article = "an" if givers[0][0] in "aeiou" else "a"
                sentence = f"is missing: join it to {article} {' or '.join(givers)} node"
                found.append(Problem(sentence, name, port.name))
            elif port.several and count < port.least:
                found.append(Problem(f"needs {port.least} edges or more", name, port.name))
    return found


def _evaluations(workflow: Workflow) -> list[Problem]:
    found = []
    for training in workflow.of_kind("training"):
        judges = [n for n in workflow.of_kind("evaluation") if n in workflow.out_of(training)]
        found += [
            Problem(f"{training} has an evaluation already ({judges[0]})", name, "run")
            for name in judges[1:]
        ]
    return found


def _settings(workflow: Workflow) -> list[Problem]:
    """Return what the experiments' own checks find, each at the node that says it."""
    found: list[Problem] = []
    covered: set[str] = set()
    groups = [(chain(workflow, name), name) for name in workflow.of_kind("training")]
    for names, training in groups:
        covered |= set(names)
        found += _of_group(workflow, names, training)
    for name, node in workflow.nodes.items():
        if name not in covered and node.kind in {owner(path) for path in _SAID}:
            found += _of_group(workflow, [name], name)
    return found


_SAID: tuple[Path, ...] = (
    ("data",),
    ("data", "split"),
    ("data", "images", "view", "size"),
    ("model",),
    ("training",),
    ("evaluation",),
)


def _of_group(workflow: Workflow, names: list[str], fallback: str) -> list[Problem]:
    # Of several of a kind, the last, which is the one that holds.
    kinds = {str(workflow.nodes[each].kind): each for each in names}
    alone = len(names) == 1
    found = []
    for path, sentence, own in draft_of(workflow, names).problems:
        kind = owner(path) if path else None
        name: str | None = fallback if kind is None else kinds.get(kind)
        if name is None and kind == "data" and path[:2] == ("data", "images"):
            name = kinds.get("preprocessing")
        if name is None or (alone and kind is None):
            continue  # of a node that is not there: its absence is told at the port
        if path[:2] == ("data", "images") and path[3:] == ("column",):
            foreign = _preprocessing_of(workflow, names, str(path[2]))
            if foreign is not None and alone:
                continue  # the data that have this view are not there yet
            if foreign is not None:
                told = f"the data have no view {path[2]!r}: name it as there, or take it out"
                found.append(Problem(told, foreign, path=path[:3]))
                continue
        found.append(Problem(sentence, name, path=path if own else ()))
    return found


def _preprocessing_of(workflow: Workflow, names: list[str], view: str) -> str | None:
    """Return the preprocessing node that speaks of a view which no data node has."""
    speaking: dict[str, str] = {}
    for name in names:
        data = workflow.nodes[name].settings.get("data")
        images = data.get("images") if isinstance(data, dict) else None
        if isinstance(images, dict) and view in images:
            speaking[workflow.nodes[name].kind] = name
    return None if "data" in speaking else speaking.get("preprocessing")
