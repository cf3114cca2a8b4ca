"""Bootstrap intervals: whole groups are drawn, many replicates are worked out at once.

A replicate is how often each group was drawn. A statistic is a function of such counts, so that
its value (each case once) and its replicates come from the same few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from medfusion.evaluation.sample import Floats, Ints

_CHUNK = 4_000_000  # counts held at a time: 32 MB


@dataclass(frozen=True)
class Weights:
    """How often each case counts, in each of B replicates.

    Attributes:
        counts: How often each group was drawn, [B, groups].
        group: Number of each case's group, [n].
        own: Each case is its own group, in order.
    """

    counts: Floats
    group: Ints
    own: bool

    @classmethod
    def once(cls, n: int) -> Weights:
        """Return the one replicate in which each case counts once."""
        return cls(np.ones((1, n)), np.arange(n, dtype=np.int64), own=True)

    def rows(self, case: Ints | None = None) -> Floats:
        """Return the weight of each case, or of the cases with these numbers, [B, n]."""
        if case is not None:
            return self.counts[:, self.group[case]]
        return self.counts if self.own else self.counts[:, self.group]

    def sums(self, columns: Floats) -> Floats:
        """Return the weighted sum over the cases of columns [n, k], as [B, k]."""
        if not self.own:
            size = self.counts.shape[1]
            parts = [np.bincount(self.group, column, size) for column in columns.T]
            columns = np.stack(parts, axis=1)
        return self.counts @ columns


Statistic = Callable[[Weights], Floats]
"""A statistic for each of B replicates, [B]; NaN where it is not estimable."""


def draws(group: Ints, groups: int, replicates: int, seed: int) -> Iterator[Weights]:
    """Draw as many groups as there are, with replacement, `replicates` times.

    Args:
        group: Number of each case's group, [n].
        groups: How many groups there are.
        replicates: How many replicates.
        seed: The same seed gives the same draws.
    """
    random = np.random.default_rng(seed)
    own = groups == len(group) and bool((group == np.arange(groups)).all())
    step = max(1, min(replicates, _CHUNK // max(len(group), 1)))
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        drawn = random.integers(groups, size=(size, groups))
        drawn += np.arange(size)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups)
        yield Weights(counts.astype(np.float64), group, own)


def replicate(
    statistics: Mapping[str, Statistic], group: Ints, groups: int, replicates: int, seed: int
) -> dict[str, Floats]:
    """Return each statistic in each replicate; all of them see the same draws.

    Example:
        >>> y = np.array([1.0, 2.0, 3.0])
        >>> mean = lambda w: w.sums(y[:, None])[:, 0] / w.rows().sum(axis=1)
        >>> replicate({"mean": mean}, np.arange(3), 3, replicates=100, seed=0)["mean"].shape
        (100,)
    """
    if not statistics:
        return {}
    parts: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in draws(group, groups, replicates, seed):
        with np.errstate(all="ignore"):
            for name, statistic in statistics.items():
                parts[name].append(statistic(weights))
    return {name: np.concatenate(values) for name, values in parts.items()}


@dataclass(frozen=True)
class Interval:
    """A percentile interval; `ci` is None where too few replicates were estimable.

    Attributes:
        ci: Lower and upper end.
        estimable: Replicates with a value.
        replicates: Replicates in all.
    """

    ci: tuple[float, float] | None
    estimable: int
    replicates: int


def percentile(values: Floats, confidence: float) -> Interval:
    """Return the percentile interval of replicates (https://doi.org/10.1214/ss/1177013815).

    Replicates that are not estimable (NaN) are left out and counted; there is no interval where
    they are the half or more.

    Example:
        >>> percentile(np.arange(101.0), 0.5).ci
        (25.0, 75.0)
    """
    finite = values[np.isfinite(values)]
    if len(finite) == 0 or 2 * len(finite) <= len(values):
        return Interval(None, len(finite), len(values))
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval((float(low), float(high)), len(finite), len(values))
