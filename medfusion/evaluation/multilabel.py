"""The metrics of labels, each of which holds or does not; unknown ones are left out.

A label is called from a probability of one half on. Macro averages weigh every label that can be
estimated the same; a note names the others. A bootstrap replicate in which a label cannot be
estimated averages over the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from medfusion.evaluation.binary import rust_auc
from medfusion.evaluation.bootstrap import Statistic, Weights
from medfusion.evaluation.calibration import squared_errors
from medfusion.evaluation.discrimination import (
    delong_interval,
    replicated_auc,
    replicated_average_precision,
)
from medfusion.evaluation.operating_point import wilson
from medfusion.evaluation.sample import FEWEST_CASES, Floats, Ints, Sample
from medfusion.evaluation.scorecard import Entry, impossible

THRESHOLD = 0.5
"""Where a label is called."""

_MACRO = ("auc", "average_precision", "f1", "brier")
_PER_LABEL = ("auc", "average_precision", "f1", "brier", "sensitivity", "specificity", "prevalence")


@dataclass(frozen=True, eq=False)
class _Label:
    """One label on the cases in which it is known.

    Attributes:
        name: Its name.
        truth: 0 or 1, [m].
        prob: Predicted probability, [m].
        case: Which cases these are, [m].
        few: Why nothing is estimable; empty where something is.
        lacking: Why nothing that needs both values is estimable.
    """

    name: str
    truth: Floats
    prob: Floats
    case: Ints
    few: str
    lacking: str


def entries(sample: Sample) -> dict[str, Entry]:
    """Return the metrics of a multilabel sample."""
    labels = [_label(sample, place) for place in range(len(sample.classes))]
    single = {one.name: _of_label(sample, one) for one in labels}
    found = {name: _macro(sample, name, single) for name in _MACRO}
    found["auc_micro"] = _micro(sample, labels)
    found["f1_micro"] = _f1_micro(sample)
    order = ("auc", "auc_micro", "average_precision", "f1", "f1_micro", "brier")
    found = impossible({name: found[name] for name in order}, sample.too_few)
    for metric in _PER_LABEL:
        found |= {f"{metric}[{name}]": parts[metric] for name, parts in single.items()}
    return found


def _label(sample: Sample, place: int) -> _Label:
    column = sample.target[:, place]
    case = np.flatnonzero(~np.isnan(column))
    truth, prob = column[case].astype(np.float64), sample.prediction[case, place]
    few = lacking = sample.too_few
    if not few and len(case) < FEWEST_CASES:
        few = lacking = f"known in {len(case)} cases only, at least {FEWEST_CASES} are needed"
    if not lacking and (truth == truth[0]).all():
        lacking = f"it {'holds in every' if truth[0] else 'holds in no'} case"
    if not lacking and (prob == prob[0]).all():
        lacking = "all cases have the same probability"
    return _Label(sample.classes[place], truth, prob, case, few, lacking)


def _of_label(sample: Sample, one: _Label) -> dict[str, Entry]:
    n = len(one.case)
    called = (one.prob >= THRESHOLD).astype(np.float64)
    hit, miss = one.truth * called, one.truth * (1 - called)
    clear, alarm = (1 - one.truth) * (1 - called), (1 - one.truth) * called
    columns = _spread(sample, one, np.stack([hit, miss, clear, alarm], axis=1))

    def of(formula: Callable[..., Floats]) -> Statistic:
        return lambda weights: formula(*weights.sums(columns).T)

    def share(formula: Callable[..., Floats], part: Floats, whole: Floats, nobody: str) -> Entry:
        size = int(whole.sum())
        return Entry(
            of(formula),
            size,
            one.few or ("" if size else nobody),
            interval=partial(wilson, int(part.sum()), size),
            interval_name="Wilson",
        )

    squared = _spread(
        sample, one, np.stack([squared_errors(one.truth, one.prob), np.ones(n)], axis=1)
    )
    holds, not_holds = hit + miss, clear + alarm
    return {
        "auc": Entry(
            partial(replicated_auc, one.truth, one.prob, case=one.case),
            n,
            one.lacking,
            interval=partial(delong_interval, one.truth, one.prob),
            interval_name="DeLong",
            replicates=lambda replicates, seed: rust_auc(
                sample, one.truth, one.prob, replicates, seed, sample.group[one.case]
            ),
        ),
        "average_precision": Entry(
            _Remembered(partial(replicated_average_precision, one.truth, one.prob, case=one.case)),
            n,
            one.lacking,
        ),
        "f1": Entry(
            _Remembered(of(lambda hit, miss, _, alarm: 2 * hit / (2 * hit + miss + alarm))),
            n,
            one.few,
            failing="the label holds nowhere and is called nowhere",
        ),
        "brier": Entry(lambda weights: np.divide(*weights.sums(squared).T), n, one.few),
        "sensitivity": share(
            lambda hit, miss, *_: hit / (hit + miss), hit, holds, "it holds in no case"
        ),
        "specificity": share(
            lambda _h, _m, clear, alarm: clear / (clear + alarm),
            clear,
            not_holds,
            "it holds in every case",
        ),
        "prevalence": share(
            lambda hit, miss, clear, alarm: (hit + miss) / (hit + miss + clear + alarm),
            holds,
            holds + not_holds,
            "",
        ),
    }


def _spread(sample: Sample, one: _Label, columns: Floats) -> Floats:
    """Return columns over the cases of a label as columns over all cases, 0 elsewhere."""
    spread = np.zeros((sample.n, columns.shape[1]))
    spread[one.case] = columns
    return spread


class _Remembered:
    """A statistic that is worked out once for the weights that it saw last.

    A label's figures are also part of the averages; both see the same weights in turn.
    """

    def __init__(self, statistic: Statistic) -> None:
        self._statistic = statistic
        self._weights: Weights | None = None
        self._value: Floats = np.empty(0)

    def __call__(self, weights: Weights) -> Floats:
        if weights is not self._weights:
            self._weights, self._value = weights, self._statistic(weights)
        return self._value


def _macro(sample: Sample, metric: str, single: dict[str, dict[str, Entry]]) -> Entry:
    once = Weights.once(sample.n)
    usable: dict[str, Entry] = {}
    for name, parts in single.items():
        entry = parts[metric]
        with np.errstate(all="ignore"):
            if not entry.reason and np.isfinite(entry.of(once)[0]):
                usable[name] = entry
    absent = [repr(name) for name in single if name not in usable]
    note = "macro" + (f"; without {', '.join(absent)}: not estimable" if absent else "")

    def mean(each: list[Floats]) -> Floats:
        values = np.stack(each)
        there = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            found: Floats = np.where(there, values, 0).sum(axis=0) / there.sum(axis=0)
        return found

    def drawn(replicates: int, seed: int) -> Floats:
        makers = [entry.replicates for entry in usable.values()]
        return mean([make(replicates, seed) for make in makers if make is not None])

    # The fast way draws among the groups of a label: the labels of a replicate belong together
    # only where all are known in every case.
    complete = metric == "auc" and not np.isnan(sample.target).any()
    return Entry(
        lambda weights: mean([entry.of(weights) for entry in usable.values()]),
        sample.n,
        "" if usable else "no label can be estimated",
        replicates=drawn if complete else None,
        note=note,
    )


def _micro(sample: Sample, labels: list[_Label]) -> Entry:
    truth = np.concatenate([one.truth for one in labels])
    prob = np.concatenate([one.prob for one in labels])
    case = np.concatenate([one.case for one in labels])
    reason = "" if len(truth) else "no label is known in any case"
    if not reason and (truth == truth[0]).all():
        reason = "all labels hold in every case" if truth[0] else "no label holds in any case"
    return Entry(
        partial(replicated_auc, truth, prob, case=case),
        sample.n,
        reason,
        note="micro: all pairs of case and known label pooled",
    )


def _f1_micro(sample: Sample) -> Entry:
    known = ~np.isnan(sample.target)
    truth = np.where(known, sample.target, 0)
    called = (sample.prediction >= THRESHOLD) & known
    columns = np.stack(
        [(truth * called).sum(axis=1), truth.sum(axis=1), called.sum(axis=1)], axis=1
    )

    def f1(weights: Weights) -> Floats:
        hit, holds, said = weights.sums(columns).T
        value: Floats = 2 * hit / (holds + said)
        return value

    return Entry(f1, sample.n, failing="no label holds or is called", note="micro")
