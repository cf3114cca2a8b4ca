"""`medfusion workflow`: runs, checks, shows and shares graphs of steps."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from medfusion.commands.outcome import Outcome
from medfusion.commands.train import short
from medfusion.data.display import table
from medfusion.errors import InputError
from medfusion.runs import atomic
from medfusion.spec import Experiment
from medfusion.workflow import Workflow, WorkflowFolder, is_workflow
from medfusion.workflow.folder import place_of
from medfusion.workflow.graph import SUFFIX

_YAML = (".yaml", ".yml")


def execute(arguments: argparse.Namespace) -> Outcome:
    """Do what the action says.

    Raises:
        InputError: The file is no workflow, or something in it is missing or wrong.
    """
    actions = {
        "run": _run,
        "validate": _validate,
        "show": _show,
        "export": _export,
        "import": _import,
        "templates": _templates,
        "edit": _edit,
    }
    return actions[arguments.action](arguments)


def detach(folder: WorkflowFolder) -> Outcome:
    """Work in a process of its own and return at once."""
    folder.start()
    return Outcome(
        text=f"{folder.path}\nruns by itself; `medfusion workflow show` says how far it is",
        document={"workflow": str(folder.path), "state": "running"},
        path=folder.path,
    )


def work(folder: WorkflowFolder) -> Outcome:
    """Work here, with a line for each node and a progress bar for each training."""
    from medfusion.training.terminal import TerminalProgress
    from medfusion.workflow.execution import execute as execute_workflow

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal

    execute_workflow(folder.path, lambda: [TerminalProgress()], tell)
    return _summary(folder)


def _run(arguments: argparse.Namespace) -> Outcome:
    folder = WorkflowFolder.create(Workflow.read(arguments.file), arguments.runs)
    return detach(folder) if arguments.detach else work(folder)


def _summary(folder: WorkflowFolder) -> Outcome:
    status, nodes = folder.status, folder.nodes
    rows = [[name, node["state"], node["sentence"]] for name, node in nodes.items()]
    lines = [f"{folder.path}", status.state, "", table(["node", "state", "what came out"], rows)]
    files = [node["result"]["file"] for node in nodes.values() if "file" in node["result"]]
    lines += [short(folder.path / file) for file in files]
    failed = status.state == "failed"
    fault = failed and (status.error or {}).get("fault") == "yes"
    if status.state in ("stopped", "interrupted"):
        lines.append(f"Go on with: medfusion resume {short(folder.path)}")
    return Outcome(
        text="\n".join(lines),
        document={
            "workflow": str(folder.path),
            "state": status.state,
            "error": status.error,
            "nodes": {name: _public(node) for name, node in nodes.items()},
        },
        code=1 if fault else 2 if failed else 0,
        path=folder.path,
    )


def _public(node: dict[str, Any]) -> dict[str, Any]:
    return {key: node[key] for key in ("state", "sentence", "seconds", "result")}


def _validate(arguments: argparse.Namespace) -> Outcome:
    workflow = Workflow.read(arguments.file)
    found = workflow.problems
    lines = [f"{workflow.name}: {'valid' if not found else f'{len(found)} to mend'}"]
    return Outcome(
        text="\n".join([*lines, *map(str, found)]),
        document={
            "name": workflow.name,
            "valid": not found,
            "problems": [problem.to_json() for problem in found],
        },
        code=2 if found else 0,
    )


def _show(arguments: argparse.Namespace) -> Outcome:
    workflow = Workflow.read(arguments.file)
    place = place_of(workflow, arguments.runs)
    states: dict[str, Any] = {}
    if is_workflow(place):
        states = WorkflowFolder(place).nodes
    rows = []
    for name, node in workflow.nodes.items():
        before = ", ".join(f"{first}.{output}" for _, first, output in workflow.into(name))
        known = states.get(name, {})
        rows.append([name, node.kind, before, known.get("state", "-"), known.get("sentence", "")])
    head = ["node", "kind", "takes", "state", "what came out"]
    lines = [f"{workflow.name}  {workflow.description}".rstrip(), "", table(head, rows)]
    return Outcome(
        text="\n".join(lines),
        document={
            "name": workflow.name,
            "hash": workflow.hash,
            "nodes": {
                name: {"kind": node.kind, "settings": node.settings}
                | ({"state": states[name]["state"]} if name in states else {})
                for name, node in workflow.nodes.items()
            },
            "edges": [edge.model_dump() for edge in workflow.edges],
        },
    )


def _export(arguments: argparse.Namespace) -> Outcome:
    workflow, out = Workflow.read(arguments.file), Path(arguments.out)
    if out.suffix.lower() in _YAML:
        experiment = workflow.experiment(arguments.training)
        if experiment.folder != out.resolve().parent:
            experiment = experiment.resolved()
        atomic.write_text(out, experiment.to_yaml())
        return Outcome(text=str(out), document={"out": str(out), "hash": experiment.hash}, path=out)
    if arguments.training is not None:
        msg = "--training: only with --out FILE.yaml"
        raise InputError(msg)
    notes = workflow.save(out)
    return Outcome(
        text="\n".join([str(out), *notes]),
        document={"out": str(out), "left_out": list(notes)},
        path=out,
    )


def _import(arguments: argparse.Namespace) -> Outcome:
    from medfusion.workflow.sharing import require_portable

    source, out = Path(arguments.file), Path(arguments.out)
    if source.suffix.lower() in _YAML:
        workflow = Workflow.from_experiment(Experiment.from_yaml(source))
    else:
        workflow = Workflow.read(source)
        require_portable(workflow, str(source))
    notes = workflow.save(out)
    return Outcome(
        text="\n".join([str(out), *notes]),
        document={"out": str(out), "nodes": list(workflow.nodes), "left_out": list(notes)},
        path=out,
    )


def _templates(arguments: argparse.Namespace) -> Outcome:
    from medfusion.workflow import templates

    if arguments.name is None:
        found = templates.list_templates()
        rows = [[one.name, one.summary] for one in found]
        plain = [{"name": o.name, "title": o.title, "summary": o.summary} for o in found]
        return Outcome(text=table(["template", "what"], rows), document={"templates": plain})
    workflow = templates.make(arguments.name, arguments.out)
    out = Path(arguments.out) / f"{arguments.name}{SUFFIX}"
    workflow.save(out)
    return Outcome(
        text=f"{out}\nNext: medfusion workflow run {short(out.resolve())}",
        document={"out": str(out), "nodes": list(workflow.nodes)},
        path=out,
    )


def _edit(arguments: argparse.Namespace) -> Outcome:
    words = " ".join(["%medfusion workflow edit", *filter(None, [arguments.file])])
    msg = f"workflow edit: drawing needs a notebook; start one by `medfusion lab` and run `{words}` in it"
    raise InputError(msg)
