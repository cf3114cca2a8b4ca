"""The process that imports torch so that the kernel need not: lines of JSON in, lines of JSON out.

It ends when its input does, that is, with whoever started it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

MOST_TABLE = 256 << 20
"""Bytes of a table that is read for the number of its categories."""

KNOWN = 4
"""Known values of a categorical column, and classes less one, where no table tells them."""

_PLACES = (
    (re.compile(r"model\.image\.attention"), "attention"),
    (re.compile(r"model\.(image|views|instances|table|fusion|head|alignment|auxiliary)\b"), None),
    (re.compile(r"(unknown )?image encoder|all views|the stages of|stage "), "image"),
    (re.compile(r"cross-view|learned-weight"), "instances"),
    (re.compile(r"a (kronecker|mixture)"), "fusion"),
)
"""The block that a message is about, by how it begins."""


def block_of(message: str) -> str:
    """Return the block that a message is about; "model" where it does not say.

    >>> block_of("image encoder 'x' cannot serve images of 80 x 80 pixels")
    'image'
    """
    for pattern, block in _PLACES:
        found = pattern.match(message)
        if found is not None:
            return block or found[1]
    return "model"


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Return the blueprint of a model, or what is wrong with it.

    Args:
        question: As `model_outline.Outline.question`.
    """
    from pydantic import ValidationError

    from medfusion.errors import MedFusionError
    from medfusion.models.blueprint import Inputs, blueprint
    from medfusion.spec import Model
    from medfusion.widgets.model_outline import outputs_of

    assumed: set[str] = set()
    columns = _Columns(question["table"], assumed)
    try:
        model = Model.model_validate(question["model"])
        inputs = Inputs(
            views={name: tuple(shape) for name, shape in question["views"].items()},
            instances=question["instances"],
            places=tuple(question["places"]),
            edges=[columns.edges(name, model.numeric_bins) for name in question["numeric"]],
            categories=[2 + columns.values(name, "categories") for name in question["categorical"]],
            outputs=outputs_of(
                question["target"],
                question["loss"],
                lambda name: columns.values(name, "classes"),
            ),
            segmented=question["segmented"],
        )
        found = blueprint(model, inputs, moments=question["moments"])
    except (MedFusionError, ValidationError) as error:
        return {"error": str(error), "block": block_of(str(error))}
    return {**found.to_json(), "assumed": sorted(assumed), "outputs": inputs.outputs}


def machine() -> dict[str, Any]:
    """Return the memory at hand, in bytes."""
    import psutil
    import torch

    gpu = None
    if torch.cuda.is_available():
        named = torch.cuda.get_device_properties(0)
        gpu = {"name": named.name, "bytes": named.total_memory}
    return {"bytes": psutil.virtual_memory().total, "gpu": gpu}


def descriptions() -> dict[str, Any]:
    """Return what every kind of part is, by family and kind, with formulas and papers."""
    import medfusion.models.multimodal  # noqa: F401 - registers every kind
    from medfusion.models.description import describe, families

    found: dict[str, dict[str, Any]] = {}
    for family, kinds in families().items():
        for kind, made in kinds.items():
            said = describe(made)
            found.setdefault(family, {})[kind] = {
                "summary": said.summary,
                "text": list(said.text[1:]),
                "papers": list(said.papers),
            }
    return found


class _Columns:
    """The columns of a table, or what is taken for them where there is none."""

    def __init__(self, table: dict[str, Any] | None, assumed: set[str]) -> None:
        self._assumed = assumed
        self._counts: dict[str, int] = {}
        if table is not None and table["bytes"] <= MOST_TABLE:
            self._counts = _distinct(table["path"], table["changed"])

    def values(self, name: str, what: str) -> int:
        """Return how many values a column has; `what` is noted where that is not known."""
        if name not in self._counts:
            self._assumed.add(what)
        return self._counts.get(name, KNOWN)

    def edges(self, name: str, bins: int) -> int:
        """Return how many edges the bins of a numeric column have."""
        if bins == 0:
            return 0
        return min(bins, max(1, self._counts.get(name, bins + 1) - 1)) + 1


@lru_cache(maxsize=4)
def _distinct(path: str, changed: int) -> dict[str, int]:
    """Return how many values each column of a table has; nothing where it cannot be read."""
    del changed
    from medfusion.data import read_table
    from medfusion.errors import MedFusionError

    try:
        frame = read_table(Path(path)).frame
    except (MedFusionError, OSError):
        return {}
    return {str(name): int(frame[name].nunique()) for name in frame.columns}


def main() -> None:
    """Answer until the input ends."""
    if hasattr(os, "nice"):
        os.nice(5)  # the page and the kernel come first
    # Libraries that print must not disturb the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    questions: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, questions), daemon=True).start()
    import torch

    torch.set_num_threads(1)
    import medfusion.models.blueprint  # noqa: F401 - what takes long is done before the first question

    _say(out, {"machine": machine()})
    while True:
        question = questions.get()
        try:
            found = descriptions() if question["ask"] == "parts" else answer(question["of"])
        except Exception as error:  # noqa: BLE001 - whoever asks must hear of it
            found = {"error": f"{type(error).__name__}: {error}", "block": "model", "fault": True}
        _say(out, {"id": question["id"], "answer": found})


def _listen(source: IO[str], questions: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in source:
        questions.put(json.loads(line))
    os._exit(0)  # nobody listens any more


def _say(out: IO[str], message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
