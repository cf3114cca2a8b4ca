"""How well a risk orders survival times that are partly censored."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medfusion import _rust
from medfusion.errors import InputError
from medfusion.evaluation.bootstrap import percentile
from medfusion.evaluation.metric import Metric
from medfusion.evaluation.sample import FEWEST_CASES, group_index
from medfusion.evaluation.survival.censoring import Censoring
from medfusion.evaluation.survival.concordant_pairs import replicated_concordance


class Pairs(NamedTuple):
    """Comparable pairs of cases, by whether the risk agrees with the times.

    Attributes:
        concordant: The case with the earlier event has the higher risk.
        discordant: It has the lower risk.
        tied: Both have the same risk; they count half.
    """

    concordant: int
    discordant: int
    tied: int

    @property
    def c_index(self) -> float:
        """Share of concordant pairs (Harrell's C); NaN where no pair is comparable."""
        pairs = sum(self)
        return (self.concordant + self.tied / 2) / pairs if pairs else float("nan")


def concordance(time: npt.ArrayLike, event: npt.ArrayLike, risk: npt.ArrayLike) -> Pairs:
    """Count the comparable pairs of survival times by whether the risk agrees.

    A pair is comparable where the earlier time is an event; a case that is censored at the very
    time of an event lived longer, and two events at one time are no pair. Harrell et al.,
    https://doi.org/10.1001/jama.1982.03320430047030.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where the event was seen, 0 where the case is censored, [n].
        risk: Any number that is higher for earlier events, [n].

    Raises:
        InputError: An event that is neither 0 nor 1.
        ValueError: Lengths that differ, NaN.

    Example:
        >>> concordance([5, 3, 8, 8], [1, 1, 0, 1], [0.2, 0.9, 0.2, 0.1])
        Pairs(concordant=4, discordant=1, tied=1)
    """
    return Pairs(*_rust.concordance(_floats(time), _events(event), _floats(risk)))


def concordance_index(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    risk: npt.ArrayLike,
    groups: Iterable[Hashable] | None = None,
    *,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> Metric:
    """Return Harrell's C-index with its bootstrap interval.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where the event was seen, 0 where the case is censored, [n].
        risk: Any number that is higher for earlier events, [n].
        groups: The group of each case, [n], drawn as a whole; by default each case is its own.
        confidence: Level of the interval.
        replicates: How many the interval rests on.
        seed: Seed of the draws.

    Raises:
        InputError: Not one group per case, an event that is neither 0 nor 1.
        ValueError: Lengths that differ, NaN.

    Example:
        >>> time, event = [4, 3, 1, 1, 2, 2, 3, 5, 6, 7], [1, 1, 1, 0, 1, 1, 0, 1, 1, 0]
        >>> risk = [0.1, 0.6, 0.7, 0.8, 0.9, 0.3, 0.2, 0.4, 0.2, 0.1]
        >>> round(concordance_index(time, event, risk).value, 3)
        0.797
    """
    times, events, risks = _floats(time), _events(event), _floats(risk)
    value = Pairs(*_rust.concordance(times, events, risks)).c_index
    n = len(times)
    if n < FEWEST_CASES:
        return Metric.not_estimable(f"{n} cases, at least {FEWEST_CASES} are needed", n)
    if not np.isfinite(value):
        return Metric.not_estimable("no event has a case that lived longer", n)
    group, count = group_index(groups, n)
    drawn = _rust.bootstrap_concordance(times, events, risks, group, replicates, seed)
    found = percentile(drawn, confidence)
    if found.ci is None:
        return Metric(value, None, "", n, "no interval: too few replicates have a comparable pair")
    share = f"{replicates} replicates"
    if found.estimable < replicates:
        share = f"{found.estimable} of {replicates} replicates estimable"
    kind = f"group bootstrap ({count} groups, {share})" if count < n else f"bootstrap ({share})"
    method = f"{kind}, {100 * confidence:g} %"
    return Metric(value, found.ci, method, n)


def uno_index(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    risk: npt.ArrayLike,
    censoring: Censoring | None = None,
    end: float = float("inf"),
) -> float:
    """Return Uno's C-index, which does not depend on how many are censored; NaN without a pair.

    Pairs are weighted by the squared inverse probability of censoring; events at times where that
    probability is nought are left out. Uno et al. 2011, https://doi.org/10.1002/sim.4154.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where the event was seen, 0 where the case is censored, [n].
        risk: Any number that is higher for earlier events, [n].
        censoring: Where the weights come from; by default these very cases.
        end: Events from this time on are left out: the latest have weights without bounds.

    Example:
        >>> round(uno_index([5, 3, 8, 9], [1, 1, 0, 1], [0.2, 0.9, 0.4, 0.1]), 3)
        0.8
    """
    times, events, risks = (_floats(values) for values in (time, event, risk))
    weight = (censoring or Censoring(times, events)).weights(times, events) ** 2
    weight = np.where(times < end, weight, 0.0)
    return float(replicated_concordance(times, events, risks, weight, np.ones((1, len(times))))[0])


def _floats(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)


def _events(values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    given = np.asarray(values)
    wrong = np.flatnonzero((given != 0) & (given != 1))
    if len(wrong):
        msg = f"event: case {wrong[0]} is {given[wrong[0]]}, not 0 (censored) or 1 (event)"
        raise InputError(msg)
    return np.ascontiguousarray(given, dtype=np.uint8)
