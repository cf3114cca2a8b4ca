"""One figure of a report: its value, its interval, how both were worked out, on how many cases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

NOT_ESTIMABLE = "not estimable"


@dataclass(frozen=True)
class Metric:
    """A value with its interval; a value that cannot be had is None and the note says why.

    Attributes:
        value: The estimate, never NaN or infinite; None where it is not estimable.
        ci: Lower and upper end of the interval, None where there is none.
        method: How the interval was worked out, with its level: "DeLong, 95 %".
        n: Cases that the value rests on (for a sensitivity the positive ones).
        note: What a reader has to know besides; "not estimable: ..." where value is None.

    Example:
        >>> auc = Metric(0.731, (0.630, 0.833), "DeLong, 95 %", n=113)
        >>> print(auc)
        0.731 (0.630 to 0.833)
        >>> auc.to_json()["ci"]
        [0.63, 0.833]
        >>> print(Metric.not_estimable("no cases"))
        not estimable: no cases
    """

    value: float | None
    ci: tuple[float, float] | None = None
    method: str = ""
    n: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        for number in (self.value, *(self.ci or ())):
            if number is not None and not math.isfinite(number):
                msg = f"a metric's numbers must be finite, got {number}"
                raise ValueError(msg)
        if self.value is None and not self.note.startswith(NOT_ESTIMABLE):
            msg = "a metric without a value needs a note that says why"
            raise ValueError(msg)

    @classmethod
    def not_estimable(cls, reason: str, n: int = 0) -> Self:
        """Return the metric without a value; `reason` completes "not estimable: ..."."""
        return cls(None, n=n, note=f"{NOT_ESTIMABLE}: {reason.removeprefix(f'{NOT_ESTIMABLE}: ')}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values for metrics.json; a note is written only where there is one."""
        plain: dict[str, Any] = {
            "value": self.value,
            "ci": None if self.ci is None else list(self.ci),
            "method": self.method,
            "n": self.n,
        }
        return plain | {"note": self.note} if self.note else plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return the metric that `to_json` wrote."""
        ci = plain.get("ci")
        return cls(
            plain["value"],
            None if ci is None else (ci[0], ci[1]),
            plain.get("method", ""),
            plain.get("n", 0),
            plain.get("note", ""),
        )

    def __str__(self) -> str:
        if self.value is None:
            return self.note
        interval = f" ({self.ci[0]:.3f} to {self.ci[1]:.3f})" if self.ci else ""
        return f"{self.value:.3f}{interval}"
