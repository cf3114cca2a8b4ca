"""From a workflow's folder to its results: node after node, what is unchanged is passed over."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from medfusion.errors import InputError, MedFusionError, RunError
from medfusion.runs import Status, control, status
from medfusion.workflow.folder import WorkflowFolder
from medfusion.workflow.graph import Workflow
from medfusion.workflow.steps import Steps, Stopped, Watching, Work, result_key

LOCK = ".lock"

Tell = Callable[[str], None]


def execute(
    path: str | Path, watching: Watching = lambda: (), tell: Tell = lambda _: None
) -> Status:
    """Do what is not done yet, node after node, and return the last status.

    Works on a fresh folder, on one that was stopped, on one whose process was killed, and on one
    whose graph or data changed. Where a node fails, those that need it are blocked and the others go
    on.

    Args:
        path: The workflow's folder.
        watching: Makes who else watches a training, such as a progress bar.
        tell: Is told in a line what is done next.

    Raises:
        RunError: Another process works on it.
    """
    folder = WorkflowFolder(path)
    lock = filelock.FileLock(folder.path / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        msg = f"{folder.path}: another process works on this workflow"
        raise RunError(msg) from None
    with lock:
        control.forget_old(folder.path)
        progress = _Progress(folder)
        progress.write("running")
        try:
            with _signals(folder):
                end, error = _pass(folder, progress, watching, tell)
        except BaseException as fault:
            progress.write("failed", _words(fault))
            raise
        progress.write(end, error)
    return folder.status


def _pass(
    folder: WorkflowFolder, progress: _Progress, watching: Watching, tell: Tell
) -> tuple[Any, dict[str, str] | None]:
    workflow = folder.workflow
    steps = Steps(folder, workflow, watching)
    order, _ = workflow.order()
    progress.total = len(order)
    for name in order:
        folder.keep(name, state="waiting", sentence="", seconds=None)
    failed: dict[str, dict[str, str]] = {}
    unusable: set[str] = set()
    for number, name in enumerate(order):
        progress.done = number
        if progress.wish() == "stop":
            return "stopped", None
        needs = [first for _, first, _ in workflow.into(name) if first in unusable]
        if needs:
            unusable.add(name)
            sentence = f"waits for {', '.join(needs)}"
            folder.keep(name, state="blocked", sentence=sentence)
            continue
        if not steps.is_used(name):
            folder.keep(name, state="idle", sentence="leads to no training")
            continue
        progress.write("running")
        tell(f"[{number + 1}/{len(order)}] {name}")
        try:
            _step(folder, workflow, steps, name)
        except Stopped:
            folder.keep(name, state="stopped", sentence="stopped; start it again to go on")
            return "stopped", None
        except Exception as error:  # noqa: BLE001 - told at the node; the others go on
            failed[name] = _words(error)
            unusable.add(name)
            sentence = _sentence(error).replace(f"{workflow.folder}/", "")
            folder.keep(name, state="failed", sentence=sentence)
            tell(f"{name}: {sentence}")
    progress.done = len(order)
    if not failed:
        return "finished", None
    name, words = next(iter(failed.items()))
    return "failed", words | {"message": f"{name}: {words['message']}", "node": name}


def _step(folder: WorkflowFolder, workflow: Workflow, steps: Steps, name: str) -> None:
    kept, key = folder.node(name), steps.key(name)
    if key is not None and key == kept["key"] and _is_there(folder, kept["result"]):
        folder.keep(name, state="unchanged", sentence=kept.get("said", ""))
        return
    started = time.monotonic()
    same_before = kept["key"]
    changed: dict[str, Any] = {} if key is None else {"key": None, "result": {}}
    folder.keep(name, state="running", sentence="", **changed)
    work: Work = steps.do(name, key)
    seconds = round(time.monotonic() - started, 2)
    state = "done"
    if key is None:  # it was only looked at anew
        node = workflow.nodes[name]
        key = result_key(node.kind, node.settings, work.result)
        state = "unchanged" if key == same_before else "done"
    folder.keep(
        name,
        state=state,
        sentence=work.sentence,
        said=work.sentence,
        seconds=seconds,
        key=key,
        result=work.result,
    )


def _is_there(folder: WorkflowFolder, result: dict[str, Any]) -> bool:
    """Whether the files of a result have not been deleted since."""
    made = [result[key] for key in ("file", "folder") if key in result]
    runs = [f"runs/{result['run']}/metrics.json"] if "run" in result else []
    return all((folder.path / place).exists() for place in [*made, *runs])


def _words(error: BaseException) -> dict[str, str]:
    own = isinstance(error, InputError)
    return {
        "type": type(error).__name__,
        "message": _sentence(error),
        "fault": "no" if own else "yes",
    }


def _sentence(error: BaseException) -> str:
    said = str(error)
    return said if isinstance(error, MedFusionError) else f"{type(error).__name__}: {said}"


@contextlib.contextmanager
def _signals(folder: WorkflowFolder) -> Iterator[None]:
    """Turn SIGINT and SIGTERM between trainings into a wish to stop; trainings have their own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        if control.Control(folder.path).wish() == "stop":  # asked twice: at once
            signal.default_int_handler(number, frame)
        control.ask(folder.path, "stop")

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


class _Progress:
    """Keeps status.json: its epochs are the nodes."""

    def __init__(self, folder: WorkflowFolder) -> None:
        self._path = folder.path
        self._control = control.Control(self._path)
        self.done, self.total = 0, 0

    def write(self, state: Any, error: dict[str, str] | None = None) -> None:
        found = Status(state=state, epoch=self.done, epochs=self.total, error=error)
        dataclasses.replace(found, **status.of_this_process()).write(self._path)

    def wish(self) -> str:
        return self._control.wish()
