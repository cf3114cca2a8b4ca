"""What differs between runs: in the experiment that was executed, and in where it was executed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from medfusion.runs.folder import RunFolder

LONGEST = 120


@dataclasses.dataclass(frozen=True)
class Difference:
    """A field that is not the same in all runs.

    Attributes:
        field: Its path, such as "training.optimizer.lr".
        values: Its value in each run.
        given: Whether each run has the field at all.
    """

    field: str
    values: tuple[Any, ...]
    given: tuple[bool, ...]

    @property
    def words(self) -> list[str]:
        """The values as short texts, "-" where a run does not have the field."""
        pairs = zip(self.values, self.given, strict=True)
        return [_worded(value) if there else "-" for value, there in pairs]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; None for what a run does not have."""
        return {"field": self.field, "values": list(self.values)}


def differing(documents: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return the fields in which documents differ, in the order in which they first occur.

    Example:
        >>> found = differing([{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}])
        >>> [(item.field, item.values) for item in found]
        [('b.c', (2, 3))]
    """
    flat = [_flat(document) for document in documents]
    names = dict.fromkeys(name for one in flat for name in one)
    found = []
    for name in names:
        given = tuple(name in one for one in flat)
        values = tuple(one.get(name) for one in flat)
        if not all(given) or any(value != values[0] for value in values[1:]):
            found.append(Difference(name, values, given))
    return found


def configuration(runs: Sequence[RunFolder]) -> list[Difference]:
    """Return the fields of the experiments that differ.

    Raises:
        SpecError: An experiment is damaged.
    """
    return differing([run.experiment.model_dump(mode="json") for run in runs])


def environment(runs: Sequence[RunFolder]) -> list[Difference]:
    """Return what differs in versions, hardware, seeds, git and data.

    Raises:
        RunError: An environment.json is damaged.
    """
    return differing([run.environment for run in runs])


def _flat(document: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{start}{name}.")
        else:
            found[f"{start}{name}"] = value
    return found


def _worded(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
