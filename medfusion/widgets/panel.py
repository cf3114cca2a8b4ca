"""The base of panels that a page asks things: questions come in, answers and the state go out."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import anywidget
import traitlets

from medfusion.errors import InputError, MedFusionError, unknown
from medfusion.widgets import assets

Answer = dict[str, Any] | tuple[dict[str, Any], Sequence[bytes]] | None
"""What a question is answered with: plain values, with buffers where there are many numbers."""

Answering = Callable[..., Answer]


def answers(method: Answering) -> Answering:
    """Let a method of a panel answer the page's questions of its name.

    Its arguments are the question's values, by name. It returns plain values, or a pair of these
    and buffers; an `InputError` becomes an answer that the page shows as it is.
    """
    method._answers = True  # type: ignore[attr-defined]  # noqa: SLF001 - read below
    return method


class Panel(anywidget.AnyWidget):
    """A widget whose browser side asks by name and is answered.

    `state` is what all views of the panel show; it is in the kernel alone, so that a page that is
    loaded again has it at once. A panel changes it by `publish`.

    Args:
        built: Name of the built browser side, such as "builder".
        names: Keyword arguments that the panel knows, for the message about one that it does not.
        arguments: Those that were left over.

    Raises:
        TypeError: An argument that the panel does not have.
        MedFusionError: The browser side was not built.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    state = traitlets.Dict(read_only=True).tag(sync=True)

    _questions: ClassVar[dict[str, Answering]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {
            name: method for name, method in vars(cls).items() if getattr(method, "_answers", False)
        }
        cls._questions = {**cls._questions, **own}

    def __init__(self, built: str, names: Sequence[str] = (), **arguments: Any) -> None:
        if arguments:
            msg = unknown(f"argument of {type(self).__name__}", next(iter(arguments)), names)
            raise TypeError(msg)
        self._parts: dict[str, Callable[..., Answer]] = {}
        self._publishing = threading.RLock()
        super().__init__(_esm=assets.read(f"{built}.js"), _css=assets.read(f"{built}.css"))
        self.on_msg(_heard)

    def publish(self, **changed: Any) -> None:
        """Change parts of the state in all views at once; any thread may, none loses another's."""
        with self._publishing:
            self.set_trait("state", {**self.state, **changed})

    def change(self, name: str, change: Callable[[Any], Any]) -> None:
        """Change one part of the state by what it is now, with no other thread in between."""
        with self._publishing:
            self.publish(**{name: change(self.state.get(name))})

    def show_inside(self, **panels: anywidget.AnyWidget | None) -> None:
        """Show other panels in this one's page, each at the place of its name.

        The caller keeps them, and closes those that are shown no longer.
        """
        references = {
            name: None if panel is None else f"anywidget:{panel.model_id}"
            for name, panel in panels.items()
        }
        self.publish(panels={**self.state.get("panels", {}), **references})

    def attach(self, part: object) -> None:
        """Let a part of the panel answer questions, too: those of its `answers` methods.

        Args:
            part: Any object; its questions are named by its methods.
        """
        for name in dir(type(part)):
            if getattr(getattr(type(part), name), "_answers", False):
                self._parts[name] = getattr(part, name)

    def answer(self, content: Any) -> tuple[dict[str, Any], Sequence[bytes]] | None:
        """Return the answer to a message of the page; None where it is no question.

        Args:
            content: `{"kind": "ask", "id": ..., "name": ..., "values": {...}}`.
        """
        if not isinstance(content, dict) or content.get("kind") != "ask":
            return None
        reply: dict[str, Any] = {"kind": "answer", "id": content.get("id")}
        try:
            values, buffers = self._answered(content.get("name"), content.get("values", {}))
        except (MedFusionError, OSError) as error:
            return reply | {"error": {"type": type(error).__name__, "message": str(error)}}, ()
        except Exception as error:
            # The page would wait for ever, and the notebook show nothing of it.
            self.log.exception("a question of the page could not be answered")
            fault = f"a fault of MedFusion: {type(error).__name__}: {error}"
            return reply | {"error": {"type": "fault", "message": fault}}, ()
        return reply | {"values": values}, buffers

    def _answered(self, name: Any, values: Any) -> tuple[dict[str, Any], Sequence[bytes]]:
        method: Callable[..., Answer] | None = None
        if isinstance(name, str) and name in self._questions:
            method = functools.partial(self._questions[name], self)
        elif isinstance(name, str):
            method = self._parts.get(name)
        if method is None or not isinstance(values, dict):
            msg = f"this panel does not answer {name!r}; save the notebook and load the page again"
            raise InputError(msg)
        try:
            inspect.signature(method).bind(**values)
        except TypeError as error:
            msg = f"{name}: {error}; save the notebook and load the page again"
            raise InputError(msg) from None
        found = method(**values)
        if isinstance(found, tuple):
            return found
        return found or {}, ()


def _heard(panel: Panel, content: Any, _buffers: Any) -> None:
    found = panel.answer(content)
    if found is not None:
        panel.send(found[0], buffers=list(found[1]))
