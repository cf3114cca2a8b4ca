"""From the statistics of a sample to a report card: values, and the right interval for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from medfusion.evaluation.bootstrap import Interval, Statistic, Weights, percentile, replicate
from medfusion.evaluation.metric import Metric
from medfusion.evaluation.sample import FEWEST_CASES, Floats, Sample

Ends = tuple[float, float]


@dataclass(frozen=True)
class Entry:
    """A metric before it is worked out.

    Attributes:
        of: The statistic; its value is that with each case counted once.
        n: Cases that it rests on.
        reason: Why it is not estimable; empty where it is.
        interval: Gives the interval of independent cases at a level, NaN where there is none;
            without it, and where groups have several cases, the interval is a bootstrap.
        interval_name: What to call that interval.
        replicates: A faster way to the bootstrap: replicates and seed to values, NaN where a
            replicate is not estimable. Seeds that are equal must mean draws that are equal.
        note: What a reader has to know besides.
        failing: Why it is not estimable should the statistic give no number.
    """

    of: Statistic
    n: int
    reason: str = ""
    interval: Callable[[float], Ends] | None = None
    interval_name: str = ""
    replicates: Callable[[int, int], Floats] | None = None
    note: str = ""
    failing: str = "it has no finite value"


def impossible(entries: Mapping[str, Entry], reason: str) -> dict[str, Entry]:
    """Return the entries with a reason why none of them is estimable, where there is one."""
    if not reason:
        return dict(entries)
    return {name: replace(entry, reason=reason) for name, entry in entries.items()}


def values(entries: Mapping[str, Entry], n: int) -> dict[str, float]:
    """Return the values of those entries that are estimable."""
    once = Weights.once(n)
    with np.errstate(all="ignore"):
        found = {
            name: float(entry.of(once)[0]) for name, entry in entries.items() if not entry.reason
        }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def card(
    entries: Mapping[str, Entry], sample: Sample, confidence: float, replicates: int, seed: int
) -> dict[str, Metric]:
    """Work out every entry with its interval.

    Args:
        entries: What to work out.
        sample: The cases.
        confidence: Level of the intervals.
        replicates: Bootstrap replicates; all entries see the same draws.
        seed: Seed of the draws.
    """
    found = values(entries, sample.n)
    direct, drawn = {}, {}
    for name in found:
        entry = entries[name]
        if entry.interval is not None and not sample.repeated:
            direct[name] = entry.interval(confidence)
        elif sample.groups > 1:
            drawn[name] = entry
    slow = {name: entry.of for name, entry in drawn.items() if entry.replicates is None}
    samples = replicate(slow, sample.group, sample.groups, replicates, seed)
    for name, entry in drawn.items():
        if entry.replicates is not None:
            samples[name] = entry.replicates(replicates, seed)
    level = f"{100 * confidence:g} %"
    cards = {}
    for name, entry in entries.items():
        if name not in found:
            cards[name] = Metric.not_estimable(entry.reason or entry.failing, entry.n)
        elif name in direct:
            cards[name] = _directly(found[name], entry, direct[name], level)
        elif name in samples:
            interval = percentile(samples[name], confidence)
            cards[name] = _by_bootstrap(found[name], entry, interval, sample, level)
        else:
            note = _joined(entry.note, "no interval: all cases are of one group")
            cards[name] = Metric(found[name], None, "", entry.n, note)
    return cards


def describe(interval: Interval, sample: Sample, level: str) -> str:
    """Return how a bootstrap interval was worked out."""
    share = (
        f"{interval.replicates} replicates"
        if interval.estimable == interval.replicates
        else f"{interval.estimable} of {interval.replicates} replicates estimable"
    )
    if sample.repeated:
        return f"group bootstrap ({sample.groups} groups, {share}), {level}"
    return f"bootstrap ({share}), {level}"


def _directly(value: float, entry: Entry, ends: Ends, level: str) -> Metric:
    if not np.isfinite(ends).all() or ends[0] == ends[1]:
        note = _joined(entry.note, f"no interval: {entry.interval_name} gives none here")
        return Metric(value, None, "", entry.n, note)
    return Metric(value, ends, f"{entry.interval_name}, {level}", entry.n, entry.note)


def _by_bootstrap(
    value: float, entry: Entry, interval: Interval, sample: Sample, level: str
) -> Metric:
    method = describe(interval, sample, level)
    if interval.ci is None:
        note = _joined(entry.note, "no interval: too few bootstrap replicates were estimable")
        return Metric(value, None, method, entry.n, note)
    if interval.ci[0] == interval.ci[1]:
        note = _joined(entry.note, "no interval: every bootstrap replicate gave the same")
        return Metric(value, None, method, entry.n, note)
    few = f"rough interval: only {sample.groups} groups" if sample.groups < FEWEST_CASES else ""
    return Metric(value, interval.ci, method, entry.n, _joined(entry.note, few))


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
