"""A workflow in the making: incomplete or wrong for a while, with a way back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path as File
from typing import Any, Self

from medfusion.errors import InputError, SpecError, unknown
from medfusion.spec import Draft
from medfusion.workflow.checks import fits
from medfusion.workflow.conversion import COLUMN, ROW
from medfusion.workflow.graph import Workflow
from medfusion.workflow.kinds import KINDS, Path, owner

MOST_STEPS = 200
"""Steps back that are kept."""

Values = Mapping[str, Any]


class WorkflowDraft:
    """A workflow while it is drawn, with undo.

    Args:
        workflow: Where to start.

    Example:
        >>> draft = WorkflowDraft(Workflow())
        >>> draft.add("data"), draft.add("split")
        ('data', 'split')
        >>> draft.connect("data.data", "split.data")
        >>> draft.set("split", ("data", "split"), {"kind": "grouped"})
        >>> draft.undo()
        True
        >>> draft.workflow.nodes["split"].settings
        {}
    """

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._before: list[tuple[Workflow, str]] = []
        self._after: list[tuple[Workflow, str]] = []

    @property
    def workflow(self) -> Workflow:
        """What was drawn."""
        return self._workflow

    @property
    def steps(self) -> tuple[int, int]:
        """How many steps can be taken back, and taken again."""
        return len(self._before), len(self._after)

    # The graph ------------------------------------------------------------------------------------

    def add(self, kind: str, position: tuple[float, float] | None = None) -> str:
        """Add a node and return its name.

        Args:
            kind: Of the node.
            position: Where it stands in the picture; by default beside the last.

        Raises:
            InputError: There is no such kind.
        """
        if kind not in KINDS:
            raise InputError(unknown("kind of node", kind, KINDS))
        name, number = kind, 2
        while name in self._workflow.nodes:
            name, number = f"{kind}-{number}", number + 1
        place = position or self._free_place(kind)
        node = {"kind": kind, "position": [float(place[0]), float(place[1])]}
        self._put(nodes={**self._plain["nodes"], name: node})
        return name

    def delete(self, names: Iterable[str] = (), edges: Iterable[int] = ()) -> None:
        """Take out nodes with their edges, and edges by number."""
        gone, out = set(names), set(edges)
        kept = {n: node for n, node in self._plain["nodes"].items() if n not in gone}
        left = [
            edge
            for number, edge in enumerate(self._plain["edges"])
            if number not in out
            and not {edge["source"].split(".")[0], edge["target"].split(".")[0]} & gone
        ]
        self._put(nodes=kept, edges=left)

    def connect(self, source: str, target: str) -> None:
        """Join an output to an input; an input that takes one edge loses the one it had.

        Raises:
            InputError: They do not fit; the message says why.
        """
        for end in (source, target):
            if not isinstance(end, str) or end.count(".") != 1:
                msg = f"{end!r}: name a node and its port, as in data.data"
                raise InputError(msg)
        if reason := fits(self._workflow, source, target):
            raise InputError(reason)
        name, into = target.split(".")
        port = KINDS[self._workflow.nodes[name].kind].input(into)
        several = port is not None and port.several
        edges = [e for e in self._plain["edges"] if several or e["target"] != target]
        new = {"source": source, "target": target}
        self._put(edges=[*(e for e in edges if e != new), new])

    def move(self, positions: Mapping[str, tuple[float, float]]) -> None:
        """Put nodes at other places in the picture."""
        nodes = dict(self._plain["nodes"])
        for name, (x, y) in positions.items():
            nodes[name] = {**self._node(name), "position": [float(x), float(y)]}
        self._put(nodes=nodes)

    def arrange(self) -> None:
        """Put all nodes in columns, each right of those it needs, without crossings where it can."""
        depth: dict[str, int] = {}
        order, circle = self._workflow.order()
        for name in [*order, *(n for n in self._workflow.nodes if n not in order)]:
            before = [depth[first] for _, first, _ in self._workflow.into(name) if first in depth]
            depth[name] = 0 if name in circle else max(before, default=-1) + 1
        for name in reversed(order):  # a model stands beside the training that takes it
            after = [depth[n] for n in self._workflow.out_of(name) if n in depth]
            if after and not any(True for _ in self._workflow.into(name)):
                depth[name] = max(min(after) - 1, 0)
        rows: dict[str, float] = {}
        taken: dict[int, list[float]] = {}
        for name in sorted(depth, key=lambda name: (depth[name], list(depth).index(name))):
            before_rows = [rows[f] for _, f, _ in self._workflow.into(name) if f in rows]
            wish = sum(before_rows) / len(before_rows) if before_rows else 0.0
            column = taken.setdefault(depth[name], [])
            while any(abs(wish - row) < 1 for row in column):
                wish += 0.5
            column.append(wish)
            rows[name] = wish
        self.move({name: (depth[name] * COLUMN, rows[name] * ROW) for name in depth})

    def label(self, name: str, text: str, *, merge: bool = False) -> None:
        """Call a node something in the picture."""
        nodes = self._plain["nodes"] | {name: {**self._node(name), "label": text}}
        self._put(f"label {name}", merge=merge, nodes=nodes)

    def describe(self, *, merge: bool = False, **said: str) -> None:
        """Say the name or the description of the workflow."""
        self._put(f"describe {sorted(said)}", merge=merge, **said)

    def replace(self, workflow: Workflow) -> None:
        """Take over a whole workflow; one step, which can be taken back."""
        self._step(Workflow.from_mapping(workflow.model_dump(), folder=self._workflow.folder), "")

    # Settings of a node ---------------------------------------------------------------------------

    def set(self, name: str, path: Path, value: Any, *, merge: bool = False) -> None:
        """Say something in a node's part of the experiment.

        Raises:
            InputError: There is no such place, or it is another node's.
        """
        draft = self._settings(name, path)
        draft.set(path, value)
        self._say(name, path, draft, merge=merge)

    def remove(self, name: str, path: Path) -> None:
        """Take back what is said at a place, so that the default holds again."""
        draft = self._settings(name, path)
        draft.remove(path)
        self._say(name, path, draft)

    def choose(self, name: str, path: Path, kind: str) -> None:
        """Choose the kind of a part, and keep what both kinds have in common."""
        draft = self._settings(name, path)
        draft.choose(path, kind)
        self._say(name, path, draft)

    def rename(self, name: str, path: Path, new: str) -> None:
        """Give an entry, such as a view, another name."""
        draft = self._settings(name, path)
        draft.rename(path, new)
        self._say(name, path, draft)

    # Steps ----------------------------------------------------------------------------------------

    def undo(self) -> bool:
        """Take the last step back; return whether there was one."""
        return self._move(self._before, self._after)

    def redo(self) -> bool:
        """Take a step that was taken back again; return whether there was one."""
        return self._move(self._after, self._before)

    def to_json(self) -> dict[str, Any]:
        """Return the draft with its steps, for a file that outlives the process."""
        return {
            "workflow": json.loads(self._workflow.to_json()),
            "before": [[json.loads(w.to_json()), what] for w, what in self._before],
            "after": [[json.loads(w.to_json()), what] for w, what in self._after],
        }

    @classmethod
    def from_json(cls, values: Any, *, folder: str | File) -> Self:
        """Return the draft that `to_json` wrote.

        Raises:
            SpecError: It is none.
        """
        try:
            made = cls(Workflow.from_mapping(values["workflow"], folder=folder))
            for name in ("before", "after"):
                steps = [
                    (Workflow.from_mapping(plain, folder=folder), str(what))
                    for plain, what in values[name]
                ]
                setattr(made, f"_{name}", steps[-MOST_STEPS:])
        except (KeyError, TypeError, ValueError):
            msg = "this is no draft of a workflow"
            raise SpecError(msg) from None
        return made

    @property
    def _plain(self) -> dict[str, Any]:
        return self._workflow.model_dump(mode="json")

    def _node(self, name: str) -> dict[str, Any]:
        if name not in self._workflow.nodes:
            raise InputError(unknown("node", str(name), self._workflow.nodes))
        return self._workflow.nodes[name].model_dump(mode="json")

    def _settings(self, name: str, path: Path) -> Draft:
        node = self._node(name)
        shared = path[:2] == ("data", "images") and node["kind"] in ("data", "preprocessing")
        if not path or (owner(path) != node["kind"] and not shared):
            where = ".".join(map(str, path))
            msg = f"{name}: {where or 'all'} is said by a {owner(path) or 'training'} node"
            raise InputError(msg)
        return Draft(node["settings"], folder=self._workflow.folder)

    def _say(self, name: str, path: Path, draft: Draft, *, merge: bool = False) -> None:
        nodes = self._plain["nodes"] | {name: {**self._node(name), "settings": draft.document}}
        self._put(f"{name} {path}", merge=merge, nodes=nodes)

    def _free_place(self, kind: str) -> tuple[float, float]:
        column = list(KINDS).index(kind)
        x = min(column, 6) * COLUMN * 0.8
        taken = {tuple(node.position) for node in self._workflow.nodes.values() if node.position}
        y = 0.0
        while any(abs(x - a) < COLUMN * 0.7 and abs(y - b) < ROW * 0.8 for a, b in taken):
            y += ROW
        return x, y

    def _put(self, what: str = "", *, merge: bool = False, **changed: Any) -> None:
        made = Workflow.from_mapping(self._plain | changed, folder=self._workflow.folder)
        self._step(made, what, merge=merge)

    def _step(self, made: Workflow, what: str, *, merge: bool = False) -> None:
        if made == self._workflow:
            return
        goes_on = merge and self._before and self._before[-1][1] == what and not self._after
        if not goes_on:
            self._before.append((self._workflow, what))
            del self._before[:-MOST_STEPS]
        self._workflow = made
        self._after.clear()

    def _move(self, source: list[tuple[Workflow, str]], target: list[tuple[Workflow, str]]) -> bool:
        if not source:
            return False
        workflow, what = source.pop()
        target.append((self._workflow, what))
        self._workflow = workflow
        return True
