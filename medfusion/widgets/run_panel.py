"""The live panel of runs: curves, time left, log, load, Pause, Resume and Stop."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display

from medfusion.errors import InputError, unknown
from medfusion.runs import RunFolder, control, process
from medfusion.widgets import plotly_library, still
from medfusion.widgets.feed import Feed
from medfusion.widgets.panel import Panel, answers
from medfusion.widgets.wrong_cases import WrongCases

TICK_SECONDS = 0.2
FRAME_SECONDS = 3.0
STILL_SECONDS = 30.0
QUIET_TICKS = 5
TROUBLES = 5
TROUBLED_SECONDS = 30.0

LOOK: dict[str, Any] = {"smoothing": 0.0, "log": False, "hidden": [], "chosen": 0, "metric": ""}
"""How the curves are shown: the same in all views of a panel."""


class RunPanel(Panel):
    """Shows runs while they work and afterwards; reads their folders and keeps nothing of its own.

    The panel of a run can be opened any number of times, in any notebook, during the run or years
    later: it always shows the whole history. Several runs are laid over each other; any of them can
    be hidden. Pause, Resume and Stop write a wish into the run folder, which the run's own process
    heeds after its current step; while a cell keeps the kernel busy, the page writes it itself,
    through the Jupyter server.

    Args:
        runs: The runs, or the paths of their folders; at least one.

    Raises:
        InputError: No run is given.
        RunError: There is no run folder.
        MedFusionError: The browser side was not built.
        TypeError: An argument that a panel does not have.

    Example:
        >>> RunPanel("runs/skin-20260101-120000")  # doctest: +SKIP
        >>> RunPanel("runs/skin-20260101-120000", "runs/skin-20260102-090000")  # doctest: +SKIP
    """

    library = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    frames: traitlets.List[Any] = traitlets.List(read_only=True).tag(sync=True)

    def __init__(self, *runs: RunFolder | str | Path, **unknown_arguments: Any) -> None:
        self._wake = threading.Event()
        if not runs:
            msg = "RunPanel needs at least one run: RunPanel('runs/...')"
            raise InputError(msg)
        self.runs = tuple(run if isinstance(run, RunFolder) else RunFolder(run) for run in runs)
        super().__init__("run_panel", ["runs"], **unknown_arguments)
        self.library = plotly_library.found()
        self.publish(
            runs=[_described(run) for run in self.runs], look=dict(LOOK), open=self._opening()
        )
        self._feeds = [Feed(run) for run in self.runs]
        self.attach(WrongCases(self.runs))
        self._view_asked = threading.Event()
        self._wished: dict[str, int] = {}  # by page: its last wish
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._still: Any = None
        self.set_trait("frames", [_first(feed) for feed in self._feeds])
        self.follow()

    @property
    def run(self) -> RunFolder:
        """The first run."""
        return self.runs[0]

    @property
    def yaml(self) -> str:
        """The first run's experiment as YAML."""
        return str(self.state["runs"][0]["yaml"])

    @property
    def code(self) -> str:
        """The first run's experiment as Python."""
        return str(self.state["runs"][0]["code"])

    @property
    def following(self) -> bool:
        """Whether the run folders are being read."""
        return self._thread is not None

    def follow(self) -> None:
        """Read the run folders from now on, until all runs have ended; in a thread of its own."""
        with self._starting:
            self._wake.set()
            if self._thread is None:
                names = ", ".join(run.name for run in self.runs)
                self._thread = threading.Thread(
                    target=self._follow, name=f"panel of {names}", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """Take the panel off the page and stop reading; the runs go on."""
        super().close()
        self._wake.set()

    # In the thread --------------------------------------------------------------------------------

    def _follow(self) -> None:
        try:
            self._read_in_spite_of_troubles()
        finally:  # whatever ended it, the next call of `follow` starts it anew
            with self._starting:
                if self._thread is threading.current_thread():
                    self._thread = None
        with contextlib.suppress(RuntimeError, OSError):
            if self.comm is not None:
                self._renew_still()

    def _read_in_spite_of_troubles(self) -> None:
        troubles: deque[float] = deque([-math.inf] * TROUBLES, TROUBLES)
        while True:
            try:
                return self._read_on()
            # A disk may stumble once; a closing kernel takes the channel away for good.
            except (RuntimeError, OSError):
                troubles.append(time.monotonic())
                if troubles[-1] - troubles[0] < TROUBLED_SECONDS:
                    return None
                self._wake.wait(TICK_SECONDS)

    def _read_on(self) -> None:
        states: list[str] = []
        quiet, frame_at, still_at = 0, 0.0, 0.0
        stale = False
        while self.comm is not None:
            self._wake.clear()
            news = self._news()
            before, states = states, [feed.state for feed in self._feeds]
            now = time.monotonic()
            if news is not None:
                self.send(news[0], buffers=news[1])
                stale = True
            ended = all(feed.ended for feed in self._feeds)
            quiet = quiet + 1 if ended and news is None else 0
            if stale and (states != before or now - frame_at > FRAME_SECONDS or quiet):
                self.set_trait("frames", [feed.frame() for feed in self._feeds])
                stale, frame_at = False, now
            if states != before or now - still_at > STILL_SECONDS:
                self._renew_still()
                still_at = now
            if quiet >= QUIET_TICKS and self._is_done():
                return
            self._wake.wait(TICK_SECONDS)

    def _is_done(self) -> bool:
        """Return whether nobody has asked to go on; who asks from now on starts another thread."""
        with self._starting:
            if self._wake.is_set():
                return False
            self._thread = None
            return True

    def _news(self) -> tuple[dict[str, Any], list[bytes]] | None:
        """Return what is new in all runs as one message, or None."""
        whole = self._view_asked.is_set()
        self._view_asked.clear()
        news: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        for number, feed in enumerate(self._feeds):
            found = feed.poll()
            if whole:
                found = feed.everything()
            if found is not None:
                news.append({**found[0], "run": number, "buffers": len(found[1])})
                buffers += found[1]
        return ({"kind": "news", "news": news}, buffers) if news else None

    def _renew_still(self) -> None:
        if self._still is not None:
            self._still.update(_picture(self))

    # From the page --------------------------------------------------------------------------------

    @answers
    def everything(self) -> None:
        """Send all curves whole: a view was opened, or missed a message."""
        self._view_asked.set()
        self.follow()

    @answers
    def look(self, **changed: Any) -> None:
        """Change how the curves are shown, in all views.

        Raises:
            InputError: A value that is none.
        """
        found = {**self.state["look"], **changed}
        sound = (
            found.keys() == LOOK.keys()
            and isinstance(found["smoothing"], (int, float))
            and 0 <= found["smoothing"] < 1
            and isinstance(found["log"], bool)
            and isinstance(found["metric"], str)
            and isinstance(found["hidden"], list)
            and all(self._is_run(number) for number in [found["chosen"], *found["hidden"]])
        )
        if not sound:
            msg = f"the curves cannot be shown like this: {changed}"
            raise InputError(msg)
        self.publish(look=found)

    @answers
    def wish(self, run: int, wish: str, page: str, count: int) -> None:
        """Pause, resume or stop a run.

        Args:
            run: Which of the panel's.
            wish: "pause", "resume" or "stop".
            page: What the view calls itself.
            count: The number of the wish among the view's.

        Raises:
            InputError: There is no such run or wish, or the run cannot do it.
        """
        if not self._is_run(run) or wish not in ("pause", "resume", "stop"):
            msg = unknown("wish", str(wish), ["pause", "resume", "stop"])
            raise InputError(msg)
        folder = self.runs[run]
        # Messages may come in over two channels of the kernel: a later wish overrules this one.
        late = count <= self._wished.get(page, 0)
        self._wished[page] = max(count, self._wished.get(page, 0))
        if late or control.done_by_page(folder.path, page, count):
            return  # the page did it, while the kernel was busy
        if wish == "pause":
            folder.pause()
        elif wish == "stop":
            folder.stop()
        elif folder.status.active:
            folder.proceed()
        else:
            process.start(folder.path)
        self.follow()

    def _is_run(self, number: Any) -> bool:
        return type(number) is int and 0 <= number < len(self.runs)

    # In the notebook's file -----------------------------------------------------------------------

    def _opening(self) -> str:
        """Return the code that opens these runs in any notebook, now or later."""
        paths = ", ".join(repr(str(run.path)) for run in self.runs)
        return f"mf.watch({paths})" if len(self.runs) > 1 else f"mf.Run({paths})"

    def _ipython_display_(self) -> None:
        """Show the panel, and below it a still picture that the saved notebook keeps.

        The page shows the picture only while there is no live panel.
        """
        display(self._view(), raw=True)  # type: ignore[no-untyped-call]
        if getattr(get_ipython(), "kernel", None) is None:
            return  # a terminal cannot show the picture, nor renew it in place
        self._still = display(_picture(self), display_id=True)  # type: ignore[no-untyped-call]

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._view(**kwargs) | {"text/html": _stills(self)}, {}

    def _view(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**(data or {}), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"RunPanel({', '.join(repr(str(run.path)) for run in self.runs)})"


def _described(run: RunFolder) -> dict[str, str]:
    monitor = yaml = code = ""
    try:
        experiment = run.experiment
    except InputError as error:
        yaml = code = f"# {error}"
    else:
        monitor, yaml, code = experiment.monitor, experiment.to_yaml(), experiment.code
    return {
        "name": run.name,
        "path": str(run.path),
        "monitor": monitor,
        "yaml": yaml,
        "code": code,
    }


def _first(feed: Feed) -> dict[str, Any]:
    if feed.long:
        return feed.sketch()
    feed.poll()
    return feed.frame()


def _stills(panel: RunPanel) -> str:
    frames: Sequence[Any] = panel.frames
    return "\n".join(
        still.html(run.name, str(run.path), frame)
        for run, frame in zip(panel.runs, frames, strict=True)
    )


def _picture(panel: RunPanel) -> HTML:
    return HTML(_stills(panel))  # type: ignore[no-untyped-call]
