"""The table of runs: sort, filter, tag, note, stop, resume, report, name, delete, compare."""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from medfusion.errors import InputError, RunError
from medfusion.runs import RunFolder, process, versions
from medfusion.runs.deletion import delete as delete_run
from medfusion.runs.overview import Facts, Overview
from medfusion.runs.status import ACTIVE
from medfusion.spec import METRICS
from medfusion.widgets import plotly_library, report_job
from medfusion.widgets.comparison import ComparisonPart
from medfusion.widgets.panel import Panel, answers

TICK_SECONDS = 1.0
QUIET_TICK_SECONDS = 2.0
SCAN_SHARE = 20
"""A scan of many runs costs time: the pause after it is this many times as long."""
DESCRIBE_SECONDS = 0.25
MOST_ROWS = 200
MOST_LINES = 50
COLUMNS = ("name", "state", "start", "seconds", "metric", "model", "data")
MAIN = ""
"""The metric of choice where each run shows its own main one."""


class RunsTable(Panel):
    """Shows the runs of a folder as they are now; what is chosen is compared below the table.

    All it keeps is what is shown (order, filter, selection); the runs are read from their folders.
    Tags and notes go into the run folder, names of models into versions.json beside the runs.

    Args:
        runs: The runs folder.

    Raises:
        TypeError: An argument that the panel does not have.
        MedFusionError: The browser side was not built.

    Example:
        >>> RunsTable("runs")  # doctest: +SKIP
    """

    library = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )

    def __init__(self, runs: str | Path = "runs", **arguments: Any) -> None:
        self._wake = threading.Event()
        self._lock = threading.RLock()
        super().__init__("runs_table", ["runs"], **arguments)
        self.library = plotly_library.found()
        self._folder = Path(runs)
        self._overview = Overview(runs)
        self._names: list[str] = []
        self._arranged: tuple[list[str], str] | None = None
        self._versions: dict[str, list[str]] = {}
        self._part = ComparisonPart(self, self._run)
        self.attach(self._part)
        self.publish(
            folder=str(self._overview.runs),
            home=str(Path.home()),
            order={"by": "start", "descending": True},
            filter={"text": "", "state": "", "tag": ""},
            metric=MAIN,
            selected=[],
            current=None,
            comparison=None,
            reports={},
            python=[],
            commands=[],
            version=0,
        )
        self.tick()
        threading.Thread(target=self._follow, name=f"runs in {runs}", daemon=True).start()

    def close(self) -> None:
        """Take the panel off the page and stop reading."""
        super().close()
        self._wake.set()

    def publish(self, **changed: Any) -> None:
        """Change parts of the state in all views at once; the reading thread and clicks take turns."""
        with self._lock:
            super().publish(**changed)

    def tick(self) -> None:
        """Read what has changed in the runs folder and show it."""
        with self._lock:
            changed = self._overview.update(DESCRIBE_SECONDS)
            named = self._read_versions()
            if changed or named or "total" not in self.state:
                self._arrange()
                rows = {name: self._row(name) for name in sorted(changed)[:MOST_ROWS]}
                self.send({"kind": "rows", "rows": rows})

    # What the page asks ---------------------------------------------------------------------------

    @answers
    def rows(self, first: int, count: int) -> dict[str, Any]:
        """Return the rows in view."""
        with self._lock:
            start = max(0, int(first))
            names = self._names[start : start + min(max(0, int(count)), MOST_ROWS)]
            return {
                "first": start,
                "rows": [self._row(name) for name in names],
                "version": self.state["version"],
            }

    @answers
    def arrange(self, by: str, descending: bool) -> None:
        """Sort by a column."""
        if by not in COLUMNS:
            msg = f"{by!r} is no column; there are {', '.join(COLUMNS)}"
            raise InputError(msg)
        self._show(order={"by": by, "descending": descending is True})

    @answers
    def narrow(self, **asked: str) -> None:
        """Show only runs that have the words of `text`, this `state` and this `tag`."""
        known = self.state["filter"]
        if any(name not in known or not isinstance(value, str) for name, value in asked.items()):
            msg = f"runs are filtered by {', '.join(known)}"
            raise InputError(msg)
        self._show(filter={**known, **asked})

    @answers
    def measure(self, metric: str) -> None:
        """Show another metric of the test split; an empty name shows each run's main one."""
        if metric != MAIN and metric not in self.state["metrics"]:
            msg = f"no run here has the metric {metric!r}"
            raise InputError(msg)
        self._show(metric=metric)

    @answers
    def select(self, names: list[str]) -> None:
        """Choose runs; two or more are compared."""
        with self._lock:
            chosen = [self._facts(name).name for name in dict.fromkeys(names)]
            split = (self.state["comparison"] or {}).get("split", "test")
            self._part.show(chosen, split)
            self.publish(selected=chosen)
            if len(chosen) > 1:
                paths = [self._word(name) for name in chosen]
                given = ", ".join(map(repr, paths))
                self._say(f"mf.compare({given})", "compare", *paths)

    @answers
    def turn_to(self, name: str | None) -> None:
        """Show what there is about one run; nothing closes it."""
        self.publish(current=None if name is None else self._facts(name).name)

    @answers
    def tag(self, name: str, tag: str) -> None:
        """Put a tag on a run."""
        self._edit(name).tag(tag.strip())
        self._say(
            f"{self._code(name)}.tag({tag.strip()!r})",
            "runs",
            self._word(name),
            f"--tag={tag.strip()}",
        )
        self.tick()

    @answers
    def untag(self, name: str, tag: str) -> None:
        """Take a tag off a run."""
        self._edit(name).untag(tag)
        self._say(f"{self._code(name)}.untag({tag!r})", "runs", self._word(name), f"--untag={tag}")
        self.tick()

    @answers
    def annotate(self, name: str, note: str) -> None:
        """Write the note of a run."""
        self._edit(name).annotate(note)
        self._say(
            f"{self._code(name)}.annotate({note!r})", "runs", self._word(name), f"--note={note}"
        )
        self.tick()

    @answers
    def stop(self, name: str) -> None:
        """Ask a run to save and stop."""
        self._run(name).stop()
        self._say(f"{self._code(name)}.stop()", "stop", self._word(name))

    @answers
    def resume(self, name: str) -> None:
        """Go on with a run that was stopped or killed, or let a paused one go on."""
        run = self._run(name)
        if run.status.active:
            run.proceed()
            self._say(f"{self._code(name)}.proceed()")
        else:
            process.start(run.path)
            self._say(f"{self._code(name)}.resume()", "resume", self._word(name), "--detach")

    @answers
    def report(self, name: str) -> None:
        """Write the report beside the run, in a process of its own."""
        run = self._run(name)
        found = self.state["reports"].get(name, {})
        if found.get("state") == "writing":
            return

        def told(report: dict[str, Any]) -> None:
            with self._lock:
                self.publish(reports={**self.state["reports"], name: report})

        report_job.write(run.path, told)
        out = f"{self._word(name)}/{report_job.FILE}"
        self._say(f"{self._code(name)}.report({out!r})", "report", self._word(name), "--out", out)

    @answers
    def name_version(self, name: str, model: str, note: str = "") -> dict[str, Any]:
        """Name a run's model."""
        version = versions.add(model.strip(), self._edit(name), note)
        self._say(
            f"versions.add({version.name!r}, {self._code(name)})", "versions", "add",
            version.name, self._word(name),
        )  # fmt: skip
        self.tick()
        return {"version": version.reference}

    @answers
    def delete(self, name: str, sure: bool = False) -> None:
        """Delete a run for good, once the person is sure."""
        facts = self._facts(name)
        if sure is not True:
            msg = f"{name}: say once more that it shall be deleted"
            raise InputError(msg)
        delete_run(facts.path)
        self._say(f"{self._code(name)}.delete()", "runs", self._word(name), "--delete", "--yes")
        with self._lock:
            left = [one for one in self.state["selected"] if one != name]
            if left != self.state["selected"]:
                self._part.show(left)
            current = self.state["current"]
            self.publish(selected=left, current=None if current == name else current)
            self.tick()

    # -----------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        # A closing kernel takes the channel away under the thread.
        with contextlib.suppress(RuntimeError, OSError):
            while self.comm is not None:
                began = time.monotonic()
                self.tick()
                busy = self.state["active"] or not self._overview.complete
                pause = TICK_SECONDS if busy else QUIET_TICK_SECONDS
                self._wake.wait(max(pause, SCAN_SHARE * (time.monotonic() - began)))

    def _show(self, **changed: Any) -> None:
        with self._lock:
            self.publish(**changed)
            self._arrange()

    def _arrange(self) -> None:
        """Sort and filter, and say how many runs there are."""
        every = self._overview.facts()
        asked, order, state = self.state["filter"], self.state["order"], self.state
        shown = [
            facts
            for facts in every
            if (not asked["state"] or facts.state == asked["state"])
            and (not asked["tag"] or asked["tag"] in facts.tags)
            and self._mentions(facts, asked["text"])
        ]
        by = order["by"]
        keys = {facts.name: self._key(facts, by) for facts in shown}
        there = [facts for facts in shown if keys[facts.name] is not None]
        there.sort(key=lambda facts: keys[facts.name], reverse=order["descending"])
        # What has no such value stands last, whatever the direction.
        names = [facts.name for facts in (*there, *(f for f in shown if keys[f.name] is None))]
        known = {facts.name for facts in every}
        metrics = {name for facts in every for name in facts.metrics if "[" not in name}
        arranged = (names, state["metric"])
        moved, self._arranged = arranged != self._arranged, arranged
        self._names = names
        self.publish(
            total=len(every),
            shown=len(names),
            active=any(facts.state in ACTIVE for facts in every),
            states=sorted({facts.state for facts in every}),
            tags=sorted({tag for facts in every for tag in facts.tags}),
            metrics=sorted(metrics),
            selected=[name for name in state["selected"] if name in known],
            current=state["current"] if state["current"] in known else None,
            version=state["version"] + int(moved),
        )

    def _key(self, facts: Facts, by: str) -> Any:
        if by == "metric":
            return (self._metric(facts) or (None, {}))[1].get("value")
        value = getattr(facts, by)
        return value.casefold() or None if isinstance(value, str) else value

    def _mentions(self, facts: Facts, text: str) -> bool:
        words = (facts.name, *facts.tags, facts.note, facts.model, facts.data)
        named = self._versions.get(facts.name, [])
        said = " ".join((*words, *named)).casefold()
        return all(word in said for word in text.casefold().split())

    def _metric(self, facts: Facts) -> tuple[str, dict[str, Any]] | None:
        name = self.state["metric"] or METRICS.get(facts.target, ("", ""))[1]
        found = facts.metrics.get(name)
        return None if found is None else (name, found)

    def _row(self, name: str) -> dict[str, Any] | None:
        facts = self._overview.of(name)
        if facts is None:
            return None
        metric = self._metric(facts)
        return {
            "name": facts.name,
            "state": facts.state,
            "epoch": facts.epoch,
            "epochs": facts.epochs,
            "start": facts.start,
            "seconds": facts.seconds,
            "metric": None if metric is None else {"name": metric[0], **_figure(metric[1])},
            "model": facts.model,
            "target": facts.target,
            "data": facts.data,
            "tags": list(facts.tags),
            "note": facts.note,
            "versions": self._versions.get(name, []),
            "trouble": facts.trouble,
            "path": str(facts.path),
        }

    def _read_versions(self) -> bool:
        found: dict[str, list[str]] = {}
        with contextlib.suppress(RunError):
            for one in versions.list_versions(self._overview.runs):
                found.setdefault(one.run, []).append(one.reference)
        moved = found != self._versions
        if moved:
            gone = {name for name in {*found, *self._versions} if self._overview.of(name)}
            self._versions = found
            self.send({"kind": "rows", "rows": {name: self._row(name) for name in sorted(gone)}})
        return moved

    def _facts(self, name: Any) -> Facts:
        facts = self._overview.of(name) if isinstance(name, str) else None
        if facts is None:
            msg = f"{name!r}: this run is not there any more"
            raise InputError(msg)
        return facts

    def _run(self, name: str) -> RunFolder:
        return RunFolder(self._facts(name).path)

    def _edit(self, name: str) -> RunFolder:
        """Return a run to write into; what a link leads to is not written to from here."""
        facts = self._facts(name)
        if facts.linked:
            msg = f"{name}: is a link to {facts.path.resolve()}; change the run where it is"
            raise RunError(msg)
        return RunFolder(facts.path)

    # Every click is code --------------------------------------------------------------------------

    def _say(self, python: str, *words: str) -> None:
        """Add a click to the code pane, as Python and as words of the command line."""
        shell = shlex.join(["medfusion", *words]) if words else ""
        with self._lock:
            self.publish(
                python=[*self.state["python"], python][-MOST_LINES:],
                commands=[*self.state["commands"], *filter(None, [shell])][-MOST_LINES:],
            )

    def _code(self, name: str) -> str:
        return f"mf.Run({self._word(name)!r})"

    def _word(self, name: str) -> str:
        return str(self._folder / name)

    def __repr__(self) -> str:
        return f"RunsTable({str(self._folder)!r})"


def _figure(metric: dict[str, Any]) -> dict[str, Any]:
    value, ends = metric.get("value"), metric.get("ci")
    good = isinstance(ends, list) and len(ends) == 2
    return {"value": value, "ci": ends if good else [], "n": metric.get("n")}
