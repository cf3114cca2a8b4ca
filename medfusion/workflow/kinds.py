"""What a workflow is made of: kinds of nodes, their ports, and which words of an experiment are theirs."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

Kind = Literal[
    "data",
    "preprocessing",
    "split",
    "model",
    "training",
    "evaluation",
    "explanation",
    "report",
    "compare",
]
"""Kinds of nodes."""

Path = tuple[str | int, ...]

PREPROCESSING = ("size", "channels", "transforms", "mean", "std", "augmentation")
"""What a preprocessing node says of each view; all else of a view is the data node's."""


@dataclasses.dataclass(frozen=True)
class Port:
    """A place where an edge begins or ends.

    Attributes:
        name: Its name, unique among the inputs or the outputs of a node.
        type: What passes: edges join ports of one type.
        required: Whether an input must be joined.
        several: Whether several edges may end here.
        least: How many must, where several may.
    """

    name: str
    type: str
    required: bool = True
    several: bool = False
    least: int = 1


@dataclasses.dataclass(frozen=True)
class NodeKind:
    """A kind of node.

    Attributes:
        name: As in a file.
        inputs: Where edges end.
        outputs: Where edges begin.
        summary: What it does, in a sentence.
    """

    name: Kind
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    summary: str

    def input(self, name: str) -> Port | None:
        """Return an input by its name."""
        return next((port for port in self.inputs if port.name == name), None)

    def output(self, name: str) -> Port | None:
        """Return an output by its name."""
        return next((port for port in self.outputs if port.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for a page."""
        return dataclasses.asdict(self)


KINDS: dict[str, NodeKind] = {
    kind.name: kind
    for kind in (
        NodeKind(
            "data",
            (),
            (Port("data", "data"),),
            "Table, images, columns and target of the patients.",
        ),
        NodeKind(
            "preprocessing",
            (Port("data", "data"),),
            (Port("data", "data"),),
            "Size, channels, fixed changes and random augmentation of each view.",
        ),
        NodeKind(
            "split",
            (Port("data", "data"),),
            (Port("cohort", "cohort"),),
            "Which patients train, validate and test.",
        ),
        NodeKind("model", (), (Port("model", "model"),), "Encoders, fusion and head."),
        NodeKind(
            "training",
            (Port("cohort", "cohort"), Port("model", "model")),
            (Port("run", "run"),),
            "Trains the model on the training split, in a run of its own.",
        ),
        NodeKind(
            "evaluation",
            (Port("run", "run"),),
            (Port("results", "results"),),
            "Judges the best weights on every split, with intervals.",
        ),
        NodeKind(
            "explanation",
            (Port("results", "results"),),
            (),
            "Where the model looks: class-activation maps of cases of the test split, as images.",
        ),
        NodeKind(
            "report",
            (Port("results", "results"),),
            (),
            "One HTML file that opens without a network.",
        ),
        NodeKind(
            "compare",
            (Port("results", "results", several=True, least=2),),
            (),
            "Differences of the main metric on the same test cases, with paired intervals.",
        ),
    )
}
"""All kinds of nodes by name, in the order of a usual workflow."""


def owner(path: Path) -> Kind | None:
    """Return the kind of node that says what stands at a place of an experiment.

    >>> owner(("data", "images", "photo", "size"))
    'preprocessing'
    >>> owner(("training", "epochs"))
    'training'
    """
    top = path[0] if path else None
    if top in ("model", "evaluation"):
        return "model" if top == "model" else "evaluation"
    if top in ("training", "name", "seed"):
        return "training"
    if top != "data":
        return None
    if len(path) > 1 and path[1] == "split":
        return "split"
    if len(path) > 3 and path[1] == "images" and path[3] in PREPROCESSING:
        return "preprocessing"
    return "data"


def part_of(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what a kind of node says of an experiment's document.

    The parts of all kinds, merged, are the document again.

    >>> part_of({"name": "skin", "data": {"table": "t.csv", "split": {"kind": "grouped"}}}, "split")
    {'data': {'split': {'kind': 'grouped'}}}
    """
    return _part(document, kind, ())


def strange_to(document: dict[str, Any], kind: str) -> list[Path]:
    """Return the places of a node's settings that are not its own to say."""
    found: list[Path] = []
    _strange(document, kind, (), found)
    return found


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the document that parts say together; of two that say the same, the later holds."""
    whole: dict[str, Any] = {}
    for part in parts:
        whole = _merge(whole, part)
    order = ("medfusion", "name", "seed", "data", "model", "training", "evaluation")
    return {key: whole[key] for key in order if key in whole} | whole


def _is_shared(path: Path) -> bool:
    """Whether parts of several kinds meet below a place: the data, its views, each view."""
    return path[:1] == ("data",) and (len(path) == 1 or (path[1] == "images" and len(path) <= 3))


def _part(document: dict[str, Any], kind: str, path: Path) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in document.items():
        here = (*path, key)
        if _is_shared(here) and isinstance(value, dict):
            below = _part(value, kind, here)
            if below or (owner(here) == kind and (not value or len(here) == 1)):
                kept[key] = below
        elif owner(here) == kind:
            kept[key] = value
    return kept


def _strange(document: dict[str, Any], kind: str, path: Path, found: list[Path]) -> None:
    for key, value in document.items():
        here = (*path, key)
        if _is_shared(here) and isinstance(value, dict):
            _strange(value, kind, here, found)
        elif owner(here) != kind:
            found.append(here)


def _merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    whole = dict(one)
    for key, value in other.items():
        before = whole.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            # Parts that have kinds are chosen as a whole: no mixture of two of them.
            alike = before.get("kind") == value.get("kind")
            whole[key] = _merge(before, value) if alike else value
        else:
            whole[key] = value
    return whole
