"""The model page's part of a panel: the catalogue, what parts are, and a live diagram's numbers."""

from __future__ import annotations

import functools
import re
from typing import Any

from medfusion.errors import InputError, unknown
from medfusion.models.description import families, parse
from medfusion.models.image_families import FAMILIES
from medfusion.models.image_licences import commercial_use, curated_licence
from medfusion.spec import MLPEncoder, Model
from medfusion.widgets.draft_panel import DraftPanel, word
from medfusion.widgets.model_outline import Outline, outline
from medfusion.widgets.model_worker import Answer, Worker, shared_worker
from medfusion.widgets.panel import answers

SHOWN = ("fusion", "views", "table", "attention", "head")
"""Families of parts that the page offers beside image encoders."""


class ModelDesk:
    """Answers the model page of a panel of a draft, and keeps the panel's `state["model"]`.

    The numbers come from another process, which imports torch; the panel waits for nothing. They
    follow every change of the draft from the moment that a page asks for them.

    Args:
        panel: The panel; it attaches this part.
        worker: Who works the numbers out; by default the one of all panels.

    Example:
        >>> panel.attach(ModelDesk(panel))  # doctest: +SKIP
    """

    def __init__(self, panel: DraftPanel, worker: Worker | None = None) -> None:
        self._panel = panel
        self._worker = worker
        self._shown: Outline | None = None
        self._open = False
        panel.publish(model=None)

    @answers
    def model_open(self) -> dict[str, Any]:
        """Begin to follow the draft; return the catalogue and what every part is."""
        if not self._open:
            self._open = True
            self._worker = self._worker or shared_worker()
            self._worker.start(self._told)
            self._panel.observe(self._follow, names="state")
            self._follow()
        return {
            "families": _families(),
            "encoders": _encoders(),
            "parts": self._parts(),
            "defaults": _defaults(),
        }

    @answers
    def model_pick(self, name: str) -> None:
        """Choose an image encoder and keep the rest of what is said of it."""
        draft, path = self._panel.draft, ("model", "image")
        said = draft.get(path)
        kept = said if isinstance(said, dict) else {}
        if kept.get("name", "resnet18") != word(name):
            # A file of weights belongs to the encoder that it was saved from.
            kept = {key: value for key, value in kept.items() if key != "weights"}
        draft.set(path, {"kind": "timm", **kept, "name": name})
        self._panel.changed()

    @answers
    def model_part(self, family: str, kind: str | None) -> None:
        """Choose the kind of a part; nothing, where it may be left out."""
        if word(family) not in SHOWN:
            raise InputError(unknown("part of a model", family, SHOWN))
        path = ("model", "image", "attention") if family == "attention" else ("model", family)
        draft = self._panel.draft
        if kind is not None:
            draft.choose(path, word(kind))
        elif draft.get(path) is not None:
            draft.remove(path)
        self._panel.changed()

    # The numbers ------------------------------------------------------------------------------------

    def _follow(self, _change: Any = None) -> None:
        found = outline(self._panel.draft)
        if found == self._shown:
            return
        self._shown = found
        known: Answer | None = None
        waits = False
        if found.question is not None and self._worker is not None:
            done = functools.partial(self._answered, found)
            known = self._worker.ask(self, "blueprint", found.question, done)
            waits = known is None
        self._panel.publish(model=self._state(found, known, waits=waits))

    def _answered(self, asked: Outline, answer: Answer) -> None:
        def change(shown: Any) -> Any:
            now = self._shown
            if now is None or now.question != asked.question:
                return shown  # nobody wants to know any more
            return self._state(now, answer, waits=False)

        self._panel.change("model", change)

    def _state(self, found: Outline, answer: Answer | None, *, waits: bool) -> dict[str, Any]:
        """Return what the page shows."""
        wrong = {block: list(said) for block, said in found.wrong.items()}
        facts, assumed = None, list(found.assumed)
        if answer is not None and "error" in answer:
            wrong.setdefault(answer["block"], []).append(answer["error"])
        elif answer is not None:
            assumed += answer["assumed"]
            facts = {key: value for key, value in answer.items() if key != "assumed"}
        return {
            "blocks": found.blocks,
            "wrong": wrong,
            "assumed": assumed,
            "waits": waits,
            "facts": facts,
            "batch": found.batch,
            "device": found.device,
            **self._known(),
        }

    # The catalogue ------------------------------------------------------------------------------------

    def _formulas(self) -> Answer | None:
        worker = self._worker
        return None if worker is None else worker.answers.get(worker.answers.key("parts", None))

    def _parts(self) -> dict[str, Any]:
        """Return what parts are: with formulas once the other process has told them."""
        known = None
        if self._worker is not None:
            known = self._worker.ask(self, "parts", None, self._told)
        told = known or {}
        return {family: told.get(family) or kinds for family, kinds in _summaries().items()}

    def _told(self, _answer: Answer | None = None) -> None:
        """Show what the other process has told beside numbers: formulas, the machine's memory."""
        self._panel.change("model", lambda shown: shown and {**shown, **self._known()})

    def _known(self) -> dict[str, Any]:
        machine = None if self._worker is None else self._worker.machine
        return {"machine": machine, "formulas": self._formulas() is not None}


@functools.cache
def _defaults() -> dict[str, str]:
    """Return the kind of each part that holds where none is said."""
    model = Model(table=MLPEncoder())
    kinds = {name: getattr(model, name).kind for name in SHOWN if name != "attention"}
    return kinds | {"attention": ""}


@functools.cache
def _families() -> list[dict[str, str]]:
    return [
        {"name": one.name, "title": one.title, "paper": one.paper, "summary": one.summary}
        for one in FAMILIES
    ]


@functools.cache
def _encoders() -> list[dict[str, Any]]:
    found = []
    for group in FAMILIES:
        for member in group.members:
            licence = curated_licence(group.name, member.name)
            terms = {"licence": licence, "commercial": commercial_use(licence)}
            found.append({"family": group.name, **member._asdict(), **terms})
    return found


@functools.cache
def _summaries() -> dict[str, dict[str, Any]]:
    """Return the first sentence and the papers of each kind, which need no torch."""
    found: dict[str, dict[str, Any]] = {}
    for family, kinds in families().items():
        if family not in SHOWN:
            continue
        for kind, made in kinds.items():
            said = parse(made.__doc__ or "").paragraphs
            text = "\n".join(said)
            summary = " ".join(said[0].split()) if said else ""
            papers = re.findall(r"https?://[^\s)>,;]+[^\s)>,;.:]", text)
            found.setdefault(family, {})[kind] = {"summary": summary, "text": [], "papers": papers}
    return found
