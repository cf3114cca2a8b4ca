"""The live panel of a run: curves, time left, log, load, Pause, Resume and Stop."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display

from medfusion.errors import InputError, unknown
from medfusion.runs import RunFolder, process
from medfusion.widgets import assets, plotly_library, still
from medfusion.widgets.feed import Feed

TICK_SECONDS = 0.2
FRAME_SECONDS = 3.0
STILL_SECONDS = 30.0
QUIET_TICKS = 5


class RunPanel(anywidget.AnyWidget):
    """Shows a run while it works and afterwards; reads its folder and keeps nothing of its own.

    The panel of a run can be opened any number of times, in any notebook, during the run or years
    later: it always shows the whole history. Pause, Resume and Stop write a wish into the run
    folder, which the run's own process heeds after its current step.

    Args:
        run: The run, or the path of its folder.

    Raises:
        RunError: There is no run folder.
        MedFusionError: The browser side was not built.
        TypeError: An argument that a panel does not have.

    Example:
        >>> RunPanel("runs/skin-20260101-120000")  # doctest: +SKIP
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    library = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    name = traitlets.Unicode(read_only=True).tag(sync=True)
    path = traitlets.Unicode(read_only=True).tag(sync=True)
    monitor = traitlets.Unicode(read_only=True).tag(sync=True)
    yaml = traitlets.Unicode(read_only=True).tag(sync=True)
    code = traitlets.Unicode(read_only=True).tag(sync=True)
    frame = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(self, run: RunFolder | str | Path, **unknown_arguments: Any) -> None:
        self._wake = threading.Event()
        if unknown_arguments:
            msg = unknown("argument of RunPanel", next(iter(unknown_arguments)), ["run"])
            raise TypeError(msg)
        self.run = run if isinstance(run, RunFolder) else RunFolder(run)
        super().__init__(
            _esm=assets.read("run_panel.js"),
            _css=assets.read("run_panel.css"),
            library=plotly_library.shared_or_none(),
        )
        self._describe()
        self._feed = Feed(self.run)
        self._view_asked = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._still: Any = None
        self.on_msg(_handle)
        if self._feed.long:
            self.set_trait("frame", self._feed.sketch())
        else:
            self._feed.poll()
            self.set_trait("frame", self._feed.frame())
        self.follow()

    def follow(self) -> None:
        """Read the run folder from now on, until the run has ended; in a thread of its own."""
        with self._starting:
            self._wake.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._follow, name=f"panel of {self.run.name}", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """Take the panel off the page and stop reading; the run goes on."""
        super().close()
        self._wake.set()

    def _describe(self) -> None:
        monitor = yaml = code = ""
        try:
            experiment = self.run.experiment
        except InputError as error:
            yaml = code = f"# {error}"
        else:
            monitor, yaml, code = experiment.monitor, experiment.to_yaml(), experiment.code
        for trait, value in {
            "name": self.run.name,
            "path": str(self.run.path),
            "monitor": monitor,
            "yaml": yaml,
            "code": code,
        }.items():
            self.set_trait(trait, value)

    # In the thread --------------------------------------------------------------------------------

    def _follow(self) -> None:
        state, quiet, frame_at, still_at = "", 0, 0.0, 0.0
        stale = False
        # A closing kernel takes the channel away under the thread.
        with contextlib.suppress(RuntimeError, OSError):
            while self.comm is not None and quiet < QUIET_TICKS:
                self._wake.clear()
                news = self._news()
                now, before, state = time.monotonic(), state, self._feed.state
                if news is not None:
                    self.send(news[0], buffers=news[1])
                    stale = True
                quiet = quiet + 1 if self._feed.ended and news is None else 0
                if stale and (state != before or now - frame_at > FRAME_SECONDS or quiet):
                    self.set_trait("frame", self._feed.frame())
                    stale, frame_at = False, now
                if state != before or now - still_at > STILL_SECONDS:
                    self._renew_still()
                    still_at = now
                self._wake.wait(TICK_SECONDS)
            if self.comm is not None:
                self._renew_still()

    def _news(self) -> tuple[dict[str, Any], list[bytes]] | None:
        news = self._feed.poll()
        if self._view_asked.is_set():
            self._view_asked.clear()
            return self._feed.everything()
        return news

    def _renew_still(self) -> None:
        if self._still is not None:
            self._still.update(_picture(self))

    # From the page --------------------------------------------------------------------------------

    def _answer(self, kind: str) -> None:
        """Do what a view asks for and say what came of it."""
        answer = {"kind": "answer", "to": kind, "text": ""}
        try:
            if kind == "open":
                self._view_asked.set()
            elif kind == "pause":
                self.run.pause()
            elif kind == "stop":
                self.run.stop()
            elif kind == "resume":
                self._resume()
            else:
                return
        except (InputError, OSError) as error:
            answer["text"] = str(error)
        self.send(answer)
        self.follow()

    def _resume(self) -> None:
        if self.run.status.active:
            self.run.proceed()
        else:
            process.start(self.run.path)

    # In the notebook's file -----------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        """Show the panel, and below it a still picture that the saved notebook keeps.

        The page shows the picture only while there is no live panel.
        """
        display(self._view(), raw=True)  # type: ignore[no-untyped-call]
        if getattr(get_ipython(), "kernel", None) is None:
            return  # a terminal cannot show the picture, nor renew it in place
        self._still = display(_picture(self), display_id=True)  # type: ignore[no-untyped-call]

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        picture = {"text/html": still.html(self.name, self.path, self.frame)}
        return self._view(**kwargs) | picture, {}

    def _view(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**(data or {}), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"RunPanel({str(self.run.path)!r})"


def _handle(panel: RunPanel, content: Any, _buffers: Any) -> None:
    if isinstance(content, dict) and isinstance(content.get("kind"), str):
        panel._answer(content["kind"])  # noqa: SLF001 - the panel's own messages


def _picture(panel: RunPanel) -> HTML:
    return HTML(still.html(panel.name, panel.path, panel.frame))  # type: ignore[no-untyped-call]
