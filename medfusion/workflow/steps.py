"""What each kind of node does when its turn comes."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medfusion.data import Cohort
from medfusion.data.inventory import take_stock
from medfusion.data.table import read_table
from medfusion.errors import MedFusionError
from medfusion.report import write_report
from medfusion.report.paired import differences
from medfusion.runs import RunFolder, atomic, control
from medfusion.runs import folder as files
from medfusion.spec import Evaluation, Experiment, main_metric
from medfusion.training import execution, prediction
from medfusion.training.callbacks import Callback, StepReport
from medfusion.workflow.conversion import chain, experiment_of
from medfusion.workflow.folder import OUTPUTS, RUNS, WorkflowFolder
from medfusion.workflow.graph import Workflow


class Stopped(Exception):  # noqa: N818 - a wish, not an error
    """It was asked to stop."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What a step gives.

    Attributes:
        sentence: What came out, for people.
        result: The same for programs; paths are relative to the workflow's folder.
    """

    sentence: str
    result: dict[str, Any]


Watching = Callable[[], Sequence[Callback]]


class Steps:
    """The work of one pass over a workflow.

    Args:
        folder: Where it works.
        workflow: What is done.
        watching: Makes who else watches a training, such as a progress bar.
    """

    def __init__(self, folder: WorkflowFolder, workflow: Workflow, watching: Watching) -> None:
        self._folder, self._workflow, self._watching = folder, workflow, watching
        self._experiments: dict[str, Experiment] = {
            name: experiment_of(workflow, name) for name in workflow.of_kind("training")
        }
        self._chains = {name: chain(workflow, name) for name in self._experiments}

    def is_used(self, name: str) -> bool:
        """Whether a node has to do with any training."""
        kind = self._workflow.nodes[name].kind
        early = kind in ("data", "preprocessing", "split", "model")
        return not early or any(name in nodes for nodes in self._chains.values())

    def key(self, name: str) -> str | None:
        """Return what the result of a node hangs on, as a hash; None where it is always done.

        Nodes that only look at the data are done anew each time: that is how a change of the data
        is seen.
        """
        node = self._workflow.nodes[name]
        if node.kind in ("data", "preprocessing", "split", "model"):
            return None
        said: Any = [node.kind, node.settings]
        if node.kind == "training":
            said = [node.kind, *_without_places(self._experiments[name]), self._print(name)]
        before = [
            [port, first, self._folder.node(first)["key"]]
            for port, first, _ in sorted(self._workflow.into(name))
        ]
        if node.kind == "training":
            before = []  # all of it is in the experiment and the fingerprint
        return _digest([said, before])

    def do(self, name: str, key: str | None) -> Work:
        """Do the work of a node.

        Raises:
            MedFusionError: Why it cannot be done.
            Stopped: It was asked to stop.
        """
        kind = self._workflow.nodes[name].kind
        work: Callable[[str, str | None], Work] = getattr(self, f"_{kind}")
        return work(name, key)

    # The kinds ------------------------------------------------------------------------------------

    def _data(self, name: str, _key: str | None) -> Work:
        experiment = self._any(name)
        table = read_table(experiment.folder / experiment.data.table)
        names = {experiment.data.id, *experiment.data.numeric, *experiment.data.categorical}
        table.require([(column, "data") for column in sorted(names)])
        return Work(f"{len(table)} rows", {"rows": len(table), "sha256": table.sha256})

    def _preprocessing(self, name: str, _key: str | None) -> Work:
        experiment = self._any(name)
        data = experiment.data
        table = read_table(experiment.folder / data.table)
        root = table.path.parent if data.root is None else experiment.folder / data.root
        stock = take_stock(table, data, root)
        if not data.skip_unreadable:
            stock.require_readable(table, root)
        count = sum(1 for _ in stock.each())
        sizes = ", ".join(f"{n} {v.size[0]} x {v.size[1]} px" for n, v in data.images.items())
        return Work(f"{count} images; {sizes}", {"images": count})

    def _split(self, name: str, _key: str | None) -> Work:
        cohort = Cohort.load(self._any(name))
        counts = {side: len(cohort.rows(side)) for side in ("train", "val", "test")}
        failed = [check.message for check in cohort.checks if check.outcome == "FAIL"]
        sentence = ", ".join(f"{side} {count}" for side, count in counts.items())
        result = {"rows": counts, "fingerprint": cohort.fingerprint, "checks": failed}
        return Work("; ".join([sentence, *failed]), result)

    def _model(self, name: str, _key: str | None) -> Work:
        model = self._any(name).model
        parts = [model.image.name if model.image else "", model.table.kind if model.table else ""]
        words = ", ".join(filter(None, [*parts, f"{model.fusion.kind} fusion"]))
        return Work(words, {})

    def _training(self, name: str, key: str | None) -> Work:
        experiment, kept = self._experiments[name], self._folder.node(name)
        run = self._run(kept["runs"].get(key))
        if run is None:
            run = RunFolder.create(experiment, self._folder.path / RUNS)
            self._folder.keep(name, runs={**kept["runs"], str(key): run.name})
        self._folder.keep(name, result={"run": run.name})
        status = execution.execute(run.path, [_Stop(self._folder, run), *self._watching()])
        if status.state != "finished":
            raise Stopped
        return Work(f"{status.epoch} epochs, {status.step} steps", {"run": run.name})

    def _evaluation(self, name: str, key: str | None) -> Work:
        training = next(first for _, first, _ in self._workflow.into(name))
        run = self._required(training)
        wanted = self._experiments[training]
        if run.experiment.evaluation != wanted.evaluation:
            run = self._judged_anew(run, wanted.evaluation, str(key))
        metric = main_metric(wanted.data.target)
        found = run.metrics["test"].get(metric)
        return Work(_figure(metric, found), {"run": run.name, "metric": metric, "test": found})

    def _explanation(self, name: str, _key: str | None) -> Work:
        from medfusion.workflow.maps import write_maps

        maps = write_maps(self._run_before(name), self._place(name))
        if not maps:
            return Work("nothing to show: there are no single images, or each pixel is judged", {})
        return Work(f"{len(maps)} maps", {"folder": f"{OUTPUTS}/{name}", "maps": len(maps)})

    def _report(self, name: str, _key: str | None) -> Work:
        path = self._place(name) / "report.html"
        write_report(self._run_before(name), path)
        return Work("report.html", {"file": f"{OUTPUTS}/{name}/report.html"})

    def _compare(self, name: str, _key: str | None) -> Work:
        before = sorted(first for _, first, _ in self._workflow.into(name))
        found: list[dict[str, Any]] = []
        for first, second in itertools.combinations(before, 2):
            one, other = (self._required(each) for each in (first, second))
            for item in differences(one, other, "test"):
                said = str(item["text"]).replace(one.name, first).replace(other.name, second)
                found.append(item | {"nodes": [first, second], "text": said})
        for item in found:
            item["runs"] = [Path(run).name for run in item["runs"]]
        path = self._place(name) / "differences.json"
        atomic.write_json(path, {"split": "test", "differences": found})
        result = {"file": f"{OUTPUTS}/{name}/differences.json", "differences": found}
        return Work("; ".join(str(item["text"]) for item in found), result)

    # What they need -------------------------------------------------------------------------------

    def _any(self, name: str) -> Experiment:
        """Return an experiment that a node is part of."""
        return next(self._experiments[one] for one, nodes in self._chains.items() if name in nodes)

    def _print(self, training: str) -> str:
        """Return the fingerprint of a training's data, which its split node has read."""
        split = next(n for n in self._chains[training] if self._workflow.nodes[n].kind == "split")
        return str(self._folder.node(split)["result"].get("fingerprint"))

    def _run(self, name: str | None) -> RunFolder | None:
        try:
            return None if name is None else RunFolder(self._folder.path / RUNS / name)
        except MedFusionError:  # it was deleted
            return None

    def _required(self, node: str) -> RunFolder:
        return RunFolder(self._folder.path / RUNS / self._folder.node(node)["result"]["run"])

    def _run_before(self, name: str) -> RunFolder:
        return self._required(next(first for _, first, _ in self._workflow.into(name)))

    def _place(self, name: str) -> Path:
        path = self._folder.path / OUTPUTS / name
        with atomic.storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def _judged_anew(self, run: RunFolder, wanted: Evaluation, key: str) -> RunFolder:
        """Return a run with the same weights, judged in another way; the run itself stays."""
        path = run.path.with_name(f"{run.name}-judged-{key[:8]}")
        if path.is_dir():
            return RunFolder(path)
        partial = path.with_name(f".{path.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        with atomic.storage_errors(path):
            shutil.copytree(
                run.path, partial, copy_function=_link, ignore=shutil.ignore_patterns(".lock")
            )
        experiment = run.experiment.model_copy(update={"evaluation": wanted})
        atomic.write_text(partial / files.EXPERIMENT, experiment.to_yaml())
        facts = run.environment | {"experiment_hash": experiment.hash}
        atomic.write_json(partial / files.ENVIRONMENT, facts)
        prediction.evaluate_run(RunFolder(partial))
        with atomic.storage_errors(path):
            partial.rename(path)
        return RunFolder(path)


class _Stop(Callback):
    """Hands a wish to stop the workflow on to the run that is at work."""

    def __init__(self, folder: WorkflowFolder, run: RunFolder) -> None:
        self._control, self._run = control.Control(folder.path), run

    def on_step_end(self, engine: Any, report: StepReport) -> None:  # noqa: ARG002
        if self._control.wish() == "stop":
            self._run.stop()


def result_key(kind: str, settings: dict[str, Any], result: dict[str, Any]) -> str:
    """Return what stands for the result of a node that is done each time."""
    return _digest([kind, settings, result])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _without_places(experiment: Experiment) -> list[Any]:
    """Return what a training hangs on: not how it is judged, nor where the files lie."""
    plain = experiment.model_dump(mode="json", exclude={"evaluation", "name"})
    plain["data"] |= {"table": "", "root": None}
    return [plain]


def _link(source: str, target: str) -> None:
    # Files of a finished run are replaced, never changed in place: a second name costs no room.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _figure(name: str, found: dict[str, Any] | None) -> str:
    if found is None or found.get("value") is None:
        return f"test {name} not estimable"
    ci = found.get("ci")
    interval = f" ({ci[0]:.3f} to {ci[1]:.3f})" if ci and None not in ci else ""
    return f"test {name} {found['value']:.3f}{interval}"
