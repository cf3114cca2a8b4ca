"""What a verb gives back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of a verb, to be printed or shown.

    Attributes:
        text: For a person.
        document: For a program; one JSON object.
        code: Exit code.
        json: Whether the document was asked for in place of the text.
        run: The run folder that the verb was about, where there is one.
        path: The file that the verb wrote, where it wrote one.
        shown: What a notebook shows in place of the text.
    """

    text: str = ""
    document: dict[str, Any] = dataclasses.field(default_factory=dict)
    code: int = 0
    json: bool = False
    run: Path | None = None
    path: Path | None = None
    shown: Any = None


def interval(metric: dict[str, Any] | None) -> str:
    """Return a metric of metrics.json as `0.812 (0.766 to 0.858)`.

    >>> interval({"value": 0.5, "ci": [0.25, 0.75]})
    '0.500 (0.250 to 0.750)'
    """
    if metric is None:
        return "-"
    if metric["value"] is None:
        return "not estimable"
    value = f"{metric['value']:.3f}"
    if metric.get("ci") is None:
        return value
    return f"{value} ({metric['ci'][0]:.3f} to {metric['ci'][1]:.3f})"
