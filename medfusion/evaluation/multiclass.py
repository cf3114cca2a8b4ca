"""The metrics of a multiclass target; macro averages weigh each class that occurs the same.

A case is called the class of its largest probability (of equal ones, the first). Macro averages
are over the classes that occur in the sample; where some do not, a note names them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from medfusion.evaluation import calibration
from medfusion.evaluation.binary import mean_of, rust_auc
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.discrimination import delong_interval, replicated_auc
from medfusion.evaluation.operating_point import wilson
from medfusion.evaluation.sample import Floats, Ints, Sample
from medfusion.evaluation.scorecard import Entry, impossible


def entries(sample: Sample) -> dict[str, Entry]:
    """Return the metrics of a multiclass sample."""
    found = discrimination(sample) | _decisions(sample)
    found["log_loss"] = log_loss(sample)
    reason = stuck(sample)
    order = (
        *("auc", "auc_micro", "accuracy", "balanced_accuracy", "f1", "f1_micro", "log_loss"),
        *(f"{name}[{label}]" for name in _PER_CLASS for label in sample.classes),
    )
    return impossible({name: found[name] for name in order}, reason)


_PER_CLASS = ("auc", "sensitivity", "specificity")


def confusion_matrix(target: Ints, called: Ints, classes: int) -> Ints:
    """Return how many cases of each class (rows) were called each class (columns), [K, K].

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
        array([[1, 0],
               [1, 1]])
    """
    cells = np.asarray(target) * classes + np.asarray(called)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def stuck(sample: Sample) -> str:
    """Return why nothing is estimable; empty where it is."""
    if sample.too_few:
        return sample.too_few
    if (sample.target == sample.target[0]).all():
        return f"all cases are of class {sample.classes[int(sample.target[0])]!r}"
    if (sample.prediction == sample.prediction[0]).all():
        return "all cases have the same probabilities"
    return ""


def _present(sample: Sample) -> tuple[Ints, str]:
    """Return the classes that occur, and a note on those that do not."""
    counts = np.bincount(sample.target.astype(np.int64), minlength=len(sample.classes))
    absent = [label for label, count in zip(sample.classes, counts, strict=True) if not count]
    note = f"without {', '.join(repr(label) for label in absent)}: no case" if absent else ""
    return np.flatnonzero(counts), note


def discrimination(sample: Sample) -> dict[str, Entry]:
    """Return the AUC over all classes and of each against the rest."""
    n, count = sample.n, len(sample.classes)
    present, note = _present(sample)
    truth = (sample.target[:, None] == np.arange(count)).astype(np.float64)
    prob = sample.prediction

    def macro(weights: Weights) -> Floats:
        each = [replicated_auc(truth[:, k], prob[:, k], weights) for k in present]
        mean: Floats = np.stack(each).mean(axis=0)
        return mean

    def macro_replicates(replicates: int, seed: int) -> Floats:
        # Equal seeds draw equal groups, so the classes of a replicate belong together.
        each = [rust_auc(sample, truth[:, k], prob[:, k], replicates, seed) for k in present]
        mean: Floats = np.stack(each).mean(axis=0)
        return mean

    case = np.repeat(np.arange(n, dtype=np.int64), count)
    found = {
        "auc": Entry(
            macro, n, replicates=macro_replicates, note=_joined("macro, one against the rest", note)
        ),
        "auc_micro": Entry(
            partial(replicated_auc, truth.ravel(), prob.ravel(), case=case),
            n,
            replicates=lambda replicates, seed: rust_auc(
                sample, truth.ravel(), prob.ravel(), replicates, seed, sample.group[case]
            ),
            note="micro: all pairs of case and class pooled",
        ),
    }
    for k, label in enumerate(sample.classes):
        one, score = truth[:, k], prob[:, k]
        reason = "" if k in present else f"no case of class {label!r}"
        if not reason and n and (score == score[0]).all():
            reason = f"all cases have the same probability of {label!r}"
        found[f"auc[{label}]"] = Entry(
            partial(replicated_auc, one, score),
            n,
            reason,
            interval=partial(delong_interval, one, score),
            interval_name="DeLong",
            replicates=partial(rust_auc, sample, one, score),
        )
    return found


class _Tally(NamedTuple):
    """Weighted counts in each replicate: all cases [B], and per class [B, K]."""

    total: Floats
    own: Floats
    called: Floats
    right: Floats


def _decisions(sample: Sample) -> dict[str, Entry]:
    n, count = sample.n, len(sample.classes)
    present, note = _present(sample)
    own = sample.target[:, None] == np.arange(count)
    called = np.zeros((n, count), dtype=bool)
    if n:
        called[np.arange(n), sample.prediction.argmax(axis=1)] = True
    columns = np.concatenate([own, called, own & called], axis=1).astype(np.float64)

    def of(formula: Callable[[_Tally], Floats]) -> Callable[[Weights], Floats]:
        def statistic(weights: Weights) -> Floats:
            sums = weights.sums(columns)
            parts = [sums[:, k * count : (k + 1) * count] for k in range(3)]
            return formula(_Tally(parts[0].sum(axis=1), *parts))

        return statistic

    def shares(
        formula: Callable[[_Tally], Floats], part: int, whole: int, reason: str = "", note: str = ""
    ) -> Entry:
        ends = partial(wilson, part, whole)
        return Entry(of(formula), whole, reason, ends, "Wilson", note=note)

    def average(formula: Callable[[_Tally], Floats]) -> Callable[[_Tally], Floats]:
        return lambda tally: formula(tally)[:, present].mean(axis=1)

    def of_class(formula: Callable[[_Tally], Floats], k: int) -> Callable[[_Tally], Floats]:
        return lambda tally: formula(tally)[:, k]

    hits = int((own & called).sum())
    found = {
        "accuracy": shares(_accuracy, hits, n),
        "balanced_accuracy": Entry(of(average(_recall)), n, note=note),
        "f1": Entry(of(average(_f1)), n, note=_joined("macro", note)),
        "f1_micro": shares(_accuracy, hits, n, note="micro: the same as accuracy"),
    }
    for k, label in enumerate(sample.classes):
        mine, said = own[:, k], called[:, k]
        reason = "" if mine.any() else f"no case of class {label!r}"
        found[f"sensitivity[{label}]"] = shares(
            of_class(_recall, k), int((mine & said).sum()), int(mine.sum()), reason
        )
        found[f"specificity[{label}]"] = shares(
            of_class(_specificity, k), int((~mine & ~said).sum()), int((~mine).sum())
        )
    return found


def _accuracy(tally: _Tally) -> Floats:
    right: Floats = tally.right.sum(axis=1)
    return right / tally.total


def _recall(tally: _Tally) -> Floats:
    return tally.right / tally.own


def _f1(tally: _Tally) -> Floats:
    return 2 * tally.right / (tally.own + tally.called)


def _specificity(tally: _Tally) -> Floats:
    others = tally.total[:, None] - tally.own
    return (others - tally.called + tally.right) / others


def log_loss(sample: Sample) -> Entry:
    """Return the mean of minus the logarithm of the own class's probability."""
    own = sample.prediction[np.arange(sample.n), sample.target.astype(np.int64)]
    return Entry(mean_of(-np.log(np.clip(own, calibration.FLOOR, 1))), sample.n)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
