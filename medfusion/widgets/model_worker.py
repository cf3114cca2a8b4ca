"""Asks another process what needs torch, and keeps its answers on disk."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from medfusion.runs import atomic

MODULE = "medfusion.widgets.model_process"
VERSION = 1
"""Counts changes of what is answered to the same question."""

MOST_FILES = 2000
MOST_TRIES = 2
"""How often a question is asked of a process that dies of it."""

Answer = dict[str, Any]
Done = Callable[[Answer], None]


class Answers:
    """Answers on disk, by what was asked; the oldest give way.

    Args:
        folder: Where; None keeps them in memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: OrderedDict[str, Answer] = OrderedDict()

    @staticmethod
    def key(ask: str, question: Any) -> str:
        """Return the name of a question, other with other versions of what answers it."""
        content = json.dumps([VERSION, _versions(), ask, question], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def get(self, key: str) -> Answer | None:
        """Return an answer; None where it is not known."""
        if key not in self._known and self._folder is not None:
            try:
                read = json.loads((self._folder / f"{key}.json").read_text("utf-8"))
            except (OSError, ValueError):
                return None
            if isinstance(read, dict):
                self._known[key] = read
        return self._known.get(key)

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; where the disk does not take it, in memory."""
        self._known[key] = answer
        while len(self._known) > MOST_FILES:
            self._known.popitem(last=False)
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic.write_json(self._folder / f"{key}.json", answer)
            self._thin_out()
        except OSError:
            self._folder = None

    def _thin_out(self) -> None:
        folder = self._folder
        files = [] if folder is None else list(folder.glob("*.json"))
        if len(files) <= MOST_FILES:
            return
        files.sort(key=lambda path: path.stat().st_mtime)
        for path in files[: len(files) - MOST_FILES * 9 // 10]:
            path.unlink(missing_ok=True)


class Worker:
    """A process with torch, started at the first question and again after it died.

    Of each asker only the newest question waits: who goes on typing does not wait for what he does
    not want to know any more. `done` is called on another thread, once, unless a newer question of
    the same asker came before its turn.

    Args:
        answers: Where answers are kept.

    Attributes:
        machine: The memory at hand, once the process has told it.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.machine: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._waiting: OrderedDict[tuple[int, str], tuple[str, Any, Done]] = OrderedDict()
        self._asked: tuple[int, str, Any, Done, int] | None = None
        self._count = 0
        self._ready: list[Callable[[], None]] = []

    def start(self, ready: Callable[[], None] = lambda: None) -> None:
        """Start the process, so that it is warm when the first question comes.

        Args:
            ready: Called once, on another thread, when `machine` is known; not where it is already.
        """
        with self._lock:
            if self.machine is None:
                self._ready.append(ready)
            self._run()

    def ask(self, asker: object, ask: str, question: Any, done: Done) -> Answer | None:
        """Return the answer where it is known; else ask, and hand it to `done` later.

        Args:
            asker: Who asks.
            ask: "blueprint" or "parts".
            question: Plain values.
            done: Takes the answer.
        """
        place = (id(asker), ask)
        known = self.answers.get(self.answers.key(ask, question))
        with self._lock:
            self._waiting.pop(place, None)
            if known is None:
                self._waiting[place] = (ask, question, done)
                self._run()
                self._next()
        return known

    def stop(self) -> None:
        """End the process; a later question starts another."""
        with self._lock:
            process, self._process = self._process, None
            self._waiting.clear()
            self._asked = None
        if process is not None:
            process.terminate()
            process.wait()

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    # The lock is held in these ----------------------------------------------------------------------

    def _run(self) -> None:
        if self.pid is not None:
            return
        environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,  # an interrupted cell does not interrupt it
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def _next(self, tries: int = 0) -> None:
        if self._asked is not None or not self._waiting or self._process is None:
            return
        _, (ask, question, done) = self._waiting.popitem(last=False)
        self._count += 1
        self._asked = (self._count, ask, question, done, tries)
        self._send()

    def _send(self) -> None:
        if self._asked is None or self._process is None or self._process.stdin is None:
            return
        number, ask, question, _, _ = self._asked
        try:
            self._process.stdin.write(json.dumps({"id": number, "ask": ask, "of": question}) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it died: whoever listens to it sees to that

    # On the listening thread ------------------------------------------------------------------------

    def _listen(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "machine" in message:
                with self._lock:
                    self.machine = message["machine"]
                    told, self._ready = self._ready, []
                for ready in told:
                    ready()
            else:
                self._take(message)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what could not be sent any more
                if pipe is not None:
                    pipe.close()
        self._ended(process)

    def _take(self, message: dict[str, Any]) -> None:
        with self._lock:
            asked = self._asked
            if asked is None or asked[0] != message["id"]:
                return
            self._asked = None
            _, ask, question, done, _ = asked
            if not message["answer"].get("fault"):
                self.answers.put(self.answers.key(ask, question), message["answer"])
            self._next()
        done(message["answer"])

    def _ended(self, process: subprocess.Popen[str]) -> None:
        """Ask again where the process died of anything, but not for ever."""
        with self._lock:
            if process is not self._process:
                return
            self._process = None
            asked, self._asked = self._asked, None
            if asked is not None and asked[4] + 1 < MOST_TRIES:
                self._run()
                self._asked = (*asked[:4], asked[4] + 1)
                self._send()
                return
            if self._waiting:
                self._run()
                self._next()
        if asked is not None:
            said = "the process that works this out ended; too little memory is the usual reason"
            asked[3]({"error": said, "block": "model", "fault": True})


@cache
def shared_worker() -> Worker:
    """Return the worker of all panels of this kernel."""
    from medfusion.data.cache import cache_folder

    folder = cache_folder()
    return Worker(Answers(None if folder is None else folder / "models"))


@cache
def _versions() -> list[str]:
    return [importlib.metadata.version(name) for name in ("medfusion", "torch", "timm")]
