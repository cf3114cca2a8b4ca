"""A workflow: nodes, each a part of an experiment or what follows from one, joined by edges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError

from medfusion.errors import SpecError
from medfusion.runs import atomic
from medfusion.spec import Experiment, problems, text
from medfusion.spec.base import Real, Spec
from medfusion.workflow.kinds import KINDS, Kind

if TYPE_CHECKING:
    from medfusion.workflow.checks import Problem
    from medfusion.workflow.folder import WorkflowFolder

SUFFIX = ".medfusion"
VERSION = 1

NodeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Place = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}\.[a-z]{1,32}$")]


class Node(Spec):
    """One step of a workflow."""

    kind: Kind
    """What the step does."""
    label: str = Field("", max_length=80)
    """What it is called in the picture; by default its kind."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Its part of an experiment, in the experiment's own words, such as `{"training": {"epochs": 3}}`."""
    position: tuple[Real, Real] | None = None
    """Where it stands in the picture, in pixels from the left and from the top."""


class Edge(Spec):
    """What one node gives to another."""

    source: Place
    """Node and output, such as "split.cohort"."""
    target: Place
    """Node and input, such as "training.cohort"."""

    @property
    def ends(self) -> tuple[str, str, str, str]:
        """Node and output, node and input."""
        first, output = self.source.split(".")
        second, into = self.target.split(".")
        return first, output, second, into


class Workflow(Spec):
    """A graph of steps, kept in a `.medfusion` file.

    A node's settings are a part of an experiment, in the experiment's own words; the nodes that lead
    to a training node, merged, are its experiment. A workflow may be incomplete or wrong: `problems`
    says where.

    Example:
        >>> from medfusion.spec import Experiment
        >>> exp = Experiment.from_yaml_text('''
        ... name: age-only
        ... data:
        ...   table: cohort.csv
        ...   id: patient
        ...   numeric: [age]
        ...   target: {kind: binary, column: died}
        ...   split: {kind: grouped}
        ... ''')
        >>> workflow = Workflow.from_experiment(exp)
        >>> list(workflow.nodes)
        ['data', 'split', 'model', 'training', 'evaluation', 'report']
        >>> workflow.experiment().hash == exp.hash
        True
    """

    workflow: Literal[1] = 1
    """Version of the schema."""
    name: str = Field("workflow", pattern=r"^[\w][\w .+-]{0,99}$")
    """Name of the workflow; its folder is named after it."""
    description: str = Field("", max_length=2000)
    """What it is for. No names of patients: the file is made to be shared."""
    nodes: dict[NodeName, Node] = Field(default_factory=dict, max_length=500)
    """Steps by name."""
    edges: tuple[Edge, ...] = Field((), max_length=5000)
    """What goes from where to where."""

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def folder(self) -> Path:
        """Folder from which relative paths start: the file's own, else the working directory."""
        return self._folder

    @property
    def hash(self) -> str:
        """SHA-256 of the content; where the nodes stand in the picture is no part of it."""
        plain = self.model_dump(mode="json", exclude={"nodes": {"__all__": {"position"}}})
        plain["edges"] = sorted(plain["edges"], key=lambda edge: (edge["target"], edge["source"]))
        canonical = json.dumps(plain, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is missing or wrong, each at its node and port; empty where it can be run."""
        from medfusion.workflow.checks import check

        return check(self)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a `.medfusion` file.

        Args:
            path: The file. Relative paths in it start from its own folder.

        Raises:
            SpecError: The file is missing, is no JSON, or does not follow the schema.
        """
        path = Path(path)
        return cls.from_text(text.read_file(path), folder=path.resolve().parent, source=str(path))

    @classmethod
    def from_text(
        cls, content: str, *, folder: str | Path | None = None, source: str = "workflow"
    ) -> Self:
        """Read a workflow from JSON text.

        Raises:
            SpecError: As `read`.
        """
        if len(content) > text.MAX_BYTES:
            msg = f"{source}: larger than {text.MAX_BYTES >> 20} MiB; this is not a workflow"
            raise SpecError(msg)
        try:
            document = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            msg = f"{source}: not a .medfusion file: {error}"
            raise SpecError(msg) from None
        return cls.from_mapping(document, folder=folder, source=source)

    @classmethod
    def from_mapping(
        cls, document: Any, *, folder: str | Path | None = None, source: str = "workflow"
    ) -> Self:
        """Check plain values and make the workflow.

        Raises:
            SpecError: They do not follow the schema.
        """
        if not isinstance(document, Mapping) or "workflow" not in document:
            msg = f'{source}: not a workflow: a .medfusion file begins with {{"workflow": {VERSION}'
            raise SpecError(msg)
        version = document["workflow"]
        if isinstance(version, int) and version > VERSION:
            msg = f"{source}: workflow: {version} is newer than this MedFusion reads (up to {VERSION}); update MedFusion"
            raise SpecError(msg)
        try:
            made = cls.model_validate(document)
        except ValidationError as error:
            raise SpecError(problems.describe(error, cls, source, {})) from None
        if _depth(made.model_dump()) > text.MAX_DEPTH:
            msg = f"{source}: nested beyond reason; this is not a workflow"
            raise SpecError(msg)
        if folder is not None:
            made._folder = Path(folder).resolve()  # noqa: SLF001 - our own class
        return made

    @classmethod
    def from_experiment(cls, experiment: Experiment) -> Self:
        """Return the workflow of an experiment: its parts as nodes, then evaluation and report."""
        from medfusion.workflow.conversion import nodes_of

        nodes, edges = nodes_of(experiment)
        return cls.from_mapping(
            {"workflow": VERSION, "name": experiment.name, "nodes": nodes, "edges": edges},
            folder=experiment.folder,
        )

    def experiment(self, training: str | None = None) -> Experiment:
        """Return the experiment of a training node.

        Args:
            training: The node; it may be left out where there is only one.

        Raises:
            SpecError: There is no such node, or something is missing or wrong still.
        """
        from medfusion.workflow.conversion import experiment_of

        return experiment_of(self, training)

    def to_json(self) -> str:
        """Return the content of a `.medfusion` file."""
        plain = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({"workflow": VERSION} | plain, indent=1, ensure_ascii=False) + "\n"

    def save(self, path: str | Path) -> tuple[str, ...]:
        """Write a `.medfusion` file that can be shared, and return what was left out, in sentences.

        No absolute path goes into it: what lies below the file's folder is named from there on, of
        other files only the name is kept.

        Raises:
            InputError: The file's ending is another, or a text names a patient of the table.
            StorageError: It cannot be written.
        """
        from medfusion.workflow.sharing import shared

        path = Path(path)
        if path.suffix != SUFFIX:
            msg = f"{path}: a workflow is kept in a {SUFFIX} file"
            raise SpecError(msg)
        portable, notes = shared(self, path.resolve().parent)
        atomic.write_text(path, portable.to_json())
        return notes

    def start(self, runs: str | Path = "runs") -> WorkflowFolder:
        """Run the workflow in a process of its own and return its folder at once.

        What was done before and is unchanged is not done again.

        Args:
            runs: Folder that holds it.

        Raises:
            SpecError: Something is missing or wrong still.
            RunError: It is at work already.
        """
        from medfusion.workflow.folder import WorkflowFolder

        return WorkflowFolder.create(self, runs).start()

    def of_kind(self, kind: Kind) -> list[str]:
        """Return the names of the nodes of a kind."""
        return [name for name, node in self.nodes.items() if node.kind == kind]

    def into(self, name: str) -> Iterator[tuple[str, str, str]]:
        """Yield input, node and output of the edges that end at a node."""
        for edge in self.edges:
            first, output, second, port = edge.ends
            if second == name:
                yield port, first, output

    def out_of(self, name: str) -> Iterator[str]:
        """Yield the nodes at which edges of a node end."""
        for edge in self.edges:
            first, _, second, _ = edge.ends
            if first == name:
                yield second

    def order(self) -> tuple[list[str], set[str]]:
        """Return the nodes so that each comes after those it needs, and those on a cycle."""
        left = {
            name: {first for _, first, _ in self.into(name)} & set(self.nodes)
            for name in self.nodes
        }
        ordered: list[str] = []
        while free := [name for name, needs in left.items() if not needs]:
            ranked = sorted(free, key=lambda name: list(KINDS).index(self.nodes[name].kind))
            ordered += ranked
            left = {name: needs - set(free) for name, needs in left.items() if name not in free}
        while ends := [n for n in left if not any(n in needs for needs in left.values())]:
            left = {name: needs for name, needs in left.items() if name not in ends}
        return ordered, set(left)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workflow) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(self.hash)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        msg = f"key {twice!r} is given twice"
        raise ValueError(msg)
    return found


def _no_number(word: str) -> Any:
    msg = f"{word} is no number"
    raise ValueError(msg)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list | tuple):
        return 1 + max(map(_depth, value), default=0)
    return 0
