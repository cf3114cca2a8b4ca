"""The workflow editor: steps drawn as a graph, run in the background, each click kept as a file."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

from medfusion.errors import InputError, MedFusionError, SpecError
from medfusion.spec import Experiment
from medfusion.widgets.draft_file import DraftFile, name_after
from medfusion.widgets.draft_panel import place, word
from medfusion.widgets.panel import Panel, answers
from medfusion.workflow import Workflow, WorkflowFolder, is_workflow, templates
from medfusion.workflow.conversion import chain, draft_of
from medfusion.workflow.draft import WorkflowDraft
from medfusion.workflow.folder import place_of
from medfusion.workflow.graph import SUFFIX
from medfusion.workflow.kinds import KINDS, PREPROCESSING
from medfusion.workflow.sharing import require_portable

NEW = "workflow"
TICK_SECONDS = 0.4
_YAML = (".yaml", ".yml")


class WorkflowEditor(Panel):
    """Draws a workflow: nodes, edges, settings; runs it in the background and shows each node.

    The panel's state is the workflow, kept on disk after every step with the steps back; the work
    itself is in its folder. A kernel started anew or a page loaded again finds both.

    Args:
        workflow: Where to start: a Workflow, an Experiment, the path of a `.medfusion` file or of an
            experiment's YAML, or nothing. The path of a `.medfusion` file is also where `save` writes.
        name: Name of the draft; by default that of the file or of the workflow.
        folder: Folder from which relative paths start; by default the file's, else the working
            directory.
        runs: Folder of the runs.

    Raises:
        SpecError: The file is missing or no workflow.
        TypeError: An argument that the editor does not have.

    Example:
        >>> editor = WorkflowEditor("skin.medfusion")  # doctest: +SKIP
        >>> editor.workflow.experiment().hash  # doctest: +SKIP
    """

    def __init__(
        self,
        workflow: Workflow | Experiment | str | Path | None = None,
        *,
        name: str | None = None,
        folder: str | Path | None = None,
        runs: str | Path = "runs",
        **arguments: Any,
    ) -> None:
        names = ["workflow", "name", "folder", "runs"]
        super().__init__("workflow_editor", names, **arguments)
        given: Workflow | None = None
        self._path: Path | None = None
        if isinstance(workflow, str | Path):
            path = Path(workflow)
            given = _read(path)
            self._path = path if path.suffix == SUFFIX else None
            name = name or name_after(path)
        elif isinstance(workflow, Experiment):
            given = Workflow.from_experiment(workflow)
        elif workflow is not None:
            given = workflow
        name = name or (given.name if given is not None else NEW)
        base = Path(folder) if folder is not None else given.folder if given else Path.cwd()
        self._runs = base.resolve() / runs
        self._file = _WorkflowFile(name, base)
        self._draft = self._opened(given)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._show()

    @property
    def workflow(self) -> Workflow:
        """The workflow as it is drawn."""
        return self._draft.workflow

    @property
    def work(self) -> WorkflowFolder | None:
        """The folder in which it works; None before it was run."""
        path = place_of(self.workflow, self._runs)
        return WorkflowFolder(path) if is_workflow(path) else None

    # What the page asks: the graph ----------------------------------------------------------------

    @answers
    def add(self, kind: str, position: list[float] | None = None) -> dict[str, Any]:
        """Add a node."""
        name = self._draft.add(word(kind), None if position is None else _point(position))
        self._changed()
        return {"name": name}

    @answers
    def delete(self, nodes: list[str], edges: list[int]) -> None:
        """Take out nodes and edges."""
        self._draft.delete(map(word, nodes), edges)
        self._changed()

    @answers
    def connect(self, source: str, target: str) -> None:
        """Join an output to an input."""
        self._draft.connect(word(source), word(target))
        self._changed()

    @answers
    def move(self, positions: dict[str, list[float]]) -> None:
        """Put nodes elsewhere."""
        self._draft.move({name: _point(at) for name, at in positions.items()})
        self._changed()

    @answers
    def arrange(self) -> None:
        """Put all nodes in order."""
        self._draft.arrange()
        self._changed()

    @answers
    def label(self, node: str, text: str, merge: bool = False) -> None:
        """Call a node something."""
        self._draft.label(word(node), word(text), merge=merge is True)
        self._changed()

    @answers
    def describe(self, name: str | None = None, description: str | None = None) -> None:
        """Name or describe the workflow."""
        said = {"name": name, "description": description}
        self._draft.describe(**{k: word(v) for k, v in said.items() if v is not None}, merge=True)
        self._changed()

    # Settings of a node ---------------------------------------------------------------------------

    @answers
    def set(self, node: str, path: list[Any], value: Any, merge: bool = False) -> None:
        """Say something in a node's part of the experiment."""
        self._draft.set(word(node), place(path), value, merge=merge is True)
        self._changed()

    @answers
    def remove(self, node: str, path: list[Any]) -> None:
        """Take back what is said at a place."""
        self._draft.remove(word(node), place(path))
        self._changed()

    @answers
    def rename(self, node: str, path: list[Any], name: str) -> None:
        """Give an entry another name."""
        self._draft.rename(word(node), place(path), word(name))
        self._changed()

    @answers
    def choose(self, node: str, path: list[Any], kind: str) -> None:
        """Choose the kind of a part."""
        self._draft.choose(word(node), place(path), word(kind))
        self._changed()

    @answers
    def undo(self) -> None:
        """Take the last step back."""
        if self._draft.undo():
            self._changed()

    @answers
    def redo(self) -> None:
        """Take it again."""
        if self._draft.redo():
            self._changed()

    # Files and templates --------------------------------------------------------------------------

    @answers
    def save(self) -> dict[str, Any]:
        """Write the `.medfusion` file to share, and say what was left out."""
        target = self._path or self.workflow.folder / f"{self.workflow.name}{SUFFIX}"
        notes = self.workflow.save(target)
        self._path = target
        self._show()
        return {"path": str(target), "notes": list(notes)}

    @answers
    def take(self, name: str, content: str) -> None:
        """Take over a `.medfusion` file or an experiment's YAML; one step, which can be taken back."""
        folder, source = self.workflow.folder, Path(word(name)).name
        if Path(source).suffix.lower() in _YAML:
            exp = Experiment.from_yaml_text(word(content), folder=folder, source=source)
            made = Workflow.from_experiment(exp)
        else:
            made = Workflow.from_text(word(content), folder=folder, source=source)
            require_portable(made, source)
        self._draft.replace(made)
        self._changed()

    @answers
    def template(self, name: str) -> None:
        """Take over a template, with its phantom data in the folder; one step."""
        self._draft.replace(templates.make(word(name), self.workflow.folder))
        self._changed()

    @answers
    def catalogue(self) -> dict[str, Any]:
        """Return what the page draws with: kinds, schema of the experiment, templates."""
        return {
            "kinds": [kind.to_json() for kind in KINDS.values()],
            "preprocessing": list(PREPROCESSING),
            "schema": Experiment.model_json_schema(),
            "templates": [
                {"name": one.name, "title": one.title, "summary": one.summary}
                for one in templates.list_templates()
            ],
        }

    # The work -------------------------------------------------------------------------------------

    @answers
    def run(self) -> None:
        """Do in the background what is new or changed."""
        self.workflow.start(self._runs)
        self._show_work()
        self._follow()

    @answers
    def stop(self) -> None:
        """Ask the work to save and stop."""
        work = self.work
        if work is None or not work.status.active:
            msg = "nothing is at work"
            raise InputError(msg)
        work.stop()

    def _opened(self, given: Workflow | None) -> WorkflowDraft:
        left = self._file.read()
        if left is None:
            empty = Workflow.from_mapping({"workflow": 1}, folder=self._file.folder)
            return WorkflowDraft(empty if given is None else given)
        if given is not None:
            left.replace(given)
        return left

    def _changed(self) -> None:
        self._file.write(self._draft)
        self._show()

    def _show(self) -> None:
        workflow, codes = self.workflow, {}
        if not workflow.order()[1]:
            for name in workflow.of_kind("training"):
                draft = draft_of(workflow, chain(workflow, name))
                codes[name] = {"yaml": draft.yaml, "python": draft.code}
        self.publish(
            workflow=json.loads(workflow.to_json()),
            problems=[problem.to_json() for problem in workflow.problems],
            steps=list(self._draft.steps),
            name=self._file.path.name.split(".")[0],
            file=None if self._path is None else str(self._path),
            folder=str(workflow.folder),
            codes=codes,
            work=self._work(),
        )
        self._follow()

    def _work(self) -> dict[str, Any]:
        """Return how far the work is, as the page shows it."""
        try:
            folder = self.work
            if folder is None:
                return {"state": "none", "path": None, "nodes": {}}
            status, known = folder.status, folder.nodes
        except MedFusionError as error:
            return {"state": "damaged", "path": None, "nodes": {}, "error": str(error)}
        nodes = {
            name: {key: known[name][key] for key in ("state", "sentence", "seconds")}
            for name in self.workflow.nodes
            if name in known
        }
        starting = status.state == "created"
        return {
            "state": "running" if starting else status.state,
            "path": str(folder.path),
            "nodes": nodes,
        }

    def _show_work(self) -> bool:
        """Show how far the work is where that changed; return whether it goes on."""
        found = self._work()
        if found != self.state.get("work"):
            self.publish(work=found)
        return bool(found["state"] in ("running", "paused", "evaluating"))

    def _follow(self) -> None:
        """Follow the work in a thread of its own, while there is any."""
        with self._starting:
            alive = self._thread is not None and self._thread.is_alive()
            if alive or not self._show_work():
                return
            self._thread = threading.Thread(
                target=self._watch, name=f"workflow {self.workflow.name}", daemon=True
            )
            self._thread.start()

    def _watch(self) -> None:
        ended = threading.Event()
        # A closing kernel takes the channel away under the thread.
        with contextlib.suppress(RuntimeError, OSError):
            while self.comm is not None and self._show_work():
                ended.wait(TICK_SECONDS)

    def __repr__(self) -> str:
        return f"WorkflowEditor({str(self._path)!r})" if self._path else "WorkflowEditor()"


class _WorkflowFile(DraftFile):
    """Keeps a workflow's draft beside those of experiments."""

    def __init__(self, name: str, folder: str | Path) -> None:
        super().__init__(name, folder)
        self.path = self.path.with_name(f"{name}.workflow.json")

    def read(self) -> WorkflowDraft | None:
        """Return the draft that is there; None where there is none, or it was damaged."""
        try:
            kept = json.loads(self.path.read_text("utf-8"))
            return WorkflowDraft.from_json(kept, folder=self.folder)
        except FileNotFoundError:
            return None
        except (ValueError, SpecError, RecursionError):
            self.path.replace(self.path.with_suffix(".damaged.json"))
            return None

    def write(self, draft: WorkflowDraft) -> None:
        """Write the draft."""
        super().save(draft)  # type: ignore[arg-type]  # it asks for `to_json` alone


def _read(path: Path) -> Workflow:
    if path.suffix.lower() in _YAML:
        return Workflow.from_experiment(Experiment.from_yaml(path))
    return Workflow.read(path)


def _point(given: Any) -> tuple[float, float]:
    numbers = isinstance(given, list | tuple) and all(
        isinstance(one, int | float) and abs(one) < 1e6 for one in given
    )
    if not numbers or len(given) != 2:
        msg = f"{given!r} is no place in the picture"
        raise InputError(msg)
    return float(given[0]), float(given[1])
