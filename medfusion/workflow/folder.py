"""A workflow's folder: what is to be done, how far each node is, and what came out."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any, Literal, Self

from medfusion.errors import RunError, SpecError
from medfusion.runs import RunFolder, Status, atomic, control, process, status
from medfusion.workflow.graph import Workflow

FILE = "workflow.json"
NODES = "nodes"
RUNS = "runs"
OUTPUTS = "outputs"
LEAVING_SECONDS = 10.0

NodeState = Literal[
    "waiting", "running", "done", "unchanged", "failed", "stopped", "blocked", "idle"
]
"""What a node is doing: "unchanged" was done before and holds still, "blocked" needs a node that
failed, "idle" leads to no training."""

_SETTLED = ("done", "unchanged", "idle")


class WorkflowFolder:
    """One workflow's work, read from its folder; the folder is the truth.

    A closed tab, a restarted kernel or another notebook finds everything here. The same workflow
    started again goes on in the same folder and does only what is new or changed.

    Args:
        path: The folder.

    Raises:
        RunError: There is no workflow.

    Example:
        >>> work = WorkflowFolder("runs/skin-workflow")  # doctest: +SKIP
        >>> work.wait().nodes["report"]["result"]["file"]  # doctest: +SKIP
        'outputs/report/report.html'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        if not (self.path / FILE).is_file():
            msg = f"{path}: not the folder of a workflow (it has no {FILE})"
            raise RunError(msg)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def workflow(self) -> Workflow:
        """What is to be done."""
        document = read_json(self.path / FILE)
        return Workflow.from_mapping(
            document.get("workflow"),
            folder=document.get("folder"),
            source=str(self.path / FILE),
        )

    @property
    def status(self) -> Status:
        """What it is doing; its epochs are the nodes."""
        return status.read(self.path)

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """How far each node is: state, sentence, seconds, result, and the run of a training."""
        active = self.status.active
        found = {}
        for name in self.workflow.nodes:
            node = self.node(name)
            if node["state"] == "running" and not active:  # its process is gone
                node |= {"state": "stopped", "sentence": "was interrupted; start it again to go on"}
            found[name] = node
        return found

    def node(self, name: str) -> dict[str, Any]:
        """Return what is kept of one node."""
        kept: dict[str, Any] = {
            "state": "waiting",
            "sentence": "",
            "seconds": None,
            "key": None,
            "result": {},
            "runs": {},
        }
        try:
            return kept | read_json(self.path / NODES / f"{name}.json")
        except RunError:  # not begun, or damaged: it is done again
            return kept

    def keep(self, name: str, **changed: Any) -> dict[str, Any]:
        """Write down what changed of a node, and return all that is kept of it."""
        node = self.node(name) | changed
        atomic.write_json(self.path / NODES / f"{name}.json", node)
        return node

    def run_of(self, name: str) -> RunFolder | None:
        """Return the run of a training or evaluation node; None where there is none yet."""
        run = self.node(name)["result"].get("run")
        try:
            return None if run is None else RunFolder(self.path / RUNS / run)
        except RunError:
            return None

    def start(self) -> Self:
        """Work in a process of its own, from where it stands, and return at once.

        Raises:
            RunError: It is at work already.
        """
        if not self.status.active:  # one that has ended may take a moment to be gone
            with contextlib.suppress(TimeoutError):
                process.wait(self.path, LEAVING_SECONDS)
        process.start(self.path)
        return self

    def resume(self) -> Self:
        """As `start`."""
        return self.start()

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until it has ended, then return it.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: It is still at work.
            RunError: A node failed; the message says which and why.
        """
        found = process.wait(self.path, timeout)
        if found.state == "failed":
            why = found.error["message"] if found.error else f"failed; see {self.path / 'log.txt'}"
            msg = f"{self.path}: {why}"
            raise RunError(msg)
        return self

    def stop(self) -> None:
        """Ask it to save and stop after the current step; it can be resumed."""
        control.ask(self.path, "stop")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkflowFolder) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @classmethod
    def create(cls, workflow: Workflow, runs: str | Path = "runs") -> Self:
        """Make the folder of a workflow, or open that of the same name, with this graph in it.

        Args:
            workflow: What to do; nothing may be missing or wrong in it.
            runs: Folder that holds it; made where missing.

        Raises:
            SpecError: Something is missing or wrong still.
            RunError: It is at work.
            StorageError: The folder cannot be made.
        """
        if workflow.problems:
            raise SpecError("\n".join(map(str, workflow.problems)))
        path = place_of(workflow, runs)
        with atomic.storage_errors(path):
            for name in (NODES, RUNS, OUTPUTS):
                (path / name).mkdir(parents=True, exist_ok=True)
        path = path.resolve()
        if (path / FILE).is_file() and cls(path).status.active:
            msg = f"{path}: is running already; `medfusion stop` stops it"
            raise RunError(msg)
        Status(epochs=len(workflow.nodes)).write(path)
        plain = json.loads(workflow.to_json())
        atomic.write_json(path / FILE, {"workflow": plain, "folder": str(workflow.folder)})
        found = cls(path)
        for name in workflow.nodes:
            if found.node(name)["state"] not in _SETTLED:
                found.keep(name, state="waiting", sentence="")
        return found


def place_of(workflow: Workflow, runs: str | Path = "runs") -> Path:
    """Return the folder in which a workflow of this name works."""
    stem = re.sub(r"[^\w.+-]+", "-", workflow.name).strip("-.") or "workflow"
    return Path(runs) / f"{stem}-workflow"


def is_workflow(path: str | Path) -> bool:
    """Whether a folder is that of a workflow."""
    return (Path(path) / FILE).is_file()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a file of the folder holds.

    Raises:
        RunError: It is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        msg = f"{path}: damaged ({error})"
        raise RunError(msg) from None
    if not isinstance(found, dict):
        msg = f"{path}: damaged (not a JSON object)"
        raise RunError(msg)
    return found
