"""How much better one candidate is than another: paired, on the same cases, signed as a gain."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.evaluation import Metric, compare
from medfusion.evaluation.evaluate import entries_at
from medfusion.evaluation.sample import check
from medfusion.evaluation.scorecard import card, values
from medfusion.modalities.pooling import Floats, Pooled
from medfusion.spec import SMALLER_IS_BETTER, Evaluation

NO_RANKING = frozenset({"auc", "c_index", "concordance"})
"""Metrics that are one half by definition where all cases get the same prediction."""


@dataclasses.dataclass(frozen=True)
class Gain:
    """By how much the first candidate is better than the second.

    Attributes:
        first: Name of one candidate.
        second: Name of the other.
        value: The gain, above 0 where the first is better whichever way the metric improves.
        ci: Its paired interval; None where there is none.
        p: Two-sided p value of no difference.
        p_holm: The same adjusted for the family of tests it belongs to.
        method: How the interval was worked out.
        n: Cases.
        note: Why there is no value or no interval.
    """

    first: str
    second: str
    value: float | None
    ci: tuple[float, float] | None
    p: float | None
    p_holm: float | None = None
    method: str = ""
    n: int = 0
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = dataclasses.asdict(self)
        return plain | {"ci": None if self.ci is None else list(self.ci)}


@dataclasses.dataclass(frozen=True)
class Judge:
    """Works out one metric, with intervals that respect groups.

    Attributes:
        metric: Its name.
        settings: Level and replicates.
        seed: Seed of the bootstrap.
    """

    metric: str
    settings: Evaluation
    seed: int

    @property
    def sign(self) -> int:
        """1 where larger is better, -1 where smaller is."""
        return -1 if self.metric in SMALLER_IS_BETTER else 1

    def measure(
        self, pooled: Pooled, prediction: Floats, rows: NDArray[np.int64] | None = None
    ) -> Metric:
        """Return the metric of predictions with its interval.

        Args:
            pooled: The cases.
            prediction: Their predictions, [n, columns].
            rows: Which of the cases; by default all.
        """
        rows = np.arange(len(pooled)) if rows is None else rows
        sample = check(
            pooled.kind,
            pooled.target[rows],
            prediction[rows],
            pooled.classes,
            [pooled.groups[row] for row in rows],
        )
        entries = entries_at(sample, None, self.settings)
        chosen = {self.metric: entries[self.metric]}
        level, replicates = self.settings.confidence, self.settings.bootstrap
        return card(chosen, sample, level, replicates, self.seed)[self.metric]

    def value(self, pooled: Pooled, prediction: Floats, rows: NDArray[np.int64]) -> float | None:
        """Return the metric of some cases without an interval; None where not estimable."""
        sample = check(pooled.kind, pooled.target[rows], prediction[rows], pooled.classes)
        entries = entries_at(sample, None, self.settings)
        return values({self.metric: entries[self.metric]}, sample.n).get(self.metric)

    def gain(self, pooled: Pooled, first: str, second: str) -> Gain:
        """Return by how much one candidate is better than another on the same cases."""
        found = compare(
            pooled.kind,
            self.metric,
            pooled.target,
            pooled.predictions[first],
            pooled.predictions[second],
            pooled.groups,
            settings=self.settings,
            classes=pooled.classes,
            seed=self.seed,
        )
        difference = found.difference
        value, ci = difference.value, difference.ci
        if self.sign < 0:
            value = None if value is None else -value
            ci = None if ci is None else (-ci[1], -ci[0])
        return Gain(
            first,
            second,
            value,
            ci,
            found.p,
            None,
            difference.method,
            difference.n,
            difference.note,
        )
