"""The metrics of a survival target, each defined once: for one sample and for its replicates.

Censoring is estimated on the training rows and stays the same in every replicate. A figure of one
horizon has it in brackets: "auc[365]".
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np

from medfusion import _rust
from medfusion.evaluation.binary import mean_of
from medfusion.evaluation.bootstrap import Weights
from medfusion.evaluation.follow_up import FollowUp, written
from medfusion.evaluation.sample import Floats, Sample
from medfusion.evaluation.scorecard import Entry, impossible
from medfusion.evaluation.survival.brier import integrated_errors, squared_errors_at
from medfusion.evaluation.survival.censoring import Censoring
from medfusion.evaluation.survival.concordant_pairs import replicated_concordance
from medfusion.evaluation.survival.kaplan_meier import replicated_survival
from medfusion.evaluation.survival.slope import log_hazard, replicated_slope
from medfusion.evaluation.survival.time_dependent import replicated_auc_at, replicated_mean_auc


def entries(sample: Sample) -> dict[str, Entry]:
    """Return the metrics of a survival sample; without its follow-up the C-index alone."""
    found = {"c_index": _harrell(sample)}
    known = sample.follow_up
    if known is not None:
        censoring = Censoring(known.time, known.event)
        found["c_index_uno"] = _uno(sample, known, censoring)
        if sample.prediction.shape[1] > 1:
            found |= _over_time(sample, known, censoring)
            found["calibration_slope"] = _slope(sample, known)
            for at in known.horizons:
                found |= _at(sample, known, censoring, at)
    return impossible(found, sample.too_few or _stuck(sample))


def _stuck(sample: Sample) -> str:
    if not sample.target[:, 1].any():
        return "no case has the event"
    return ""


def _harrell(sample: Sample) -> Entry:
    time, event = (np.ascontiguousarray(column) for column in sample.target.T.astype(np.float64))
    risk = np.ascontiguousarray(sample.prediction[:, 0])
    seen = event.astype(np.uint8)

    def c_index(weights: Weights) -> Floats:
        if weights.own and weights.counts.shape == (1, sample.n) and (weights.counts == 1).all():
            concordant, discordant, tied = _rust.concordance(time, seen, risk)
            pairs = concordant + discordant + tied
            return np.array([(concordant + tied / 2) / pairs if pairs else np.nan])
        return replicated_concordance(time, event, risk, np.ones(sample.n), weights.rows())

    return Entry(
        c_index,
        sample.n,
        reason=_flat(risk),
        replicates=lambda count, seed: _rust.bootstrap_concordance(
            time, seen, risk, sample.group, count, seed
        ),
        failing="no event has a case that lived longer",
    )


def _flat(risk: Floats) -> str:
    return "all cases have the same risk" if len(risk) and (risk == risk[0]).all() else ""


def _uno(sample: Sample, known: FollowUp, censoring: Censoring) -> Entry:
    time, event = sample.target.T.astype(np.float64)
    risk = sample.prediction[:, 0]
    # Late events have weights without bounds: pairs count up to the last time that is predicted.
    end = known.times[-1] if known.times else np.inf
    weight = np.where(time < end, censoring.weights(time, event) ** 2, 0.0)
    note = f"events before {written(end)}" if np.isfinite(end) else ""
    return Entry(
        lambda weights: replicated_concordance(time, event, risk, weight, weights.rows()),
        sample.n,
        reason=_flat(risk),
        note=note,
        failing="no event of that span has a case that lived longer",
    )


def _over_time(sample: Sample, known: FollowUp, censoring: Censoring) -> dict[str, Entry]:
    """Return the means over the times that are observed here and in training."""
    time, event = sample.target.T.astype(np.float64)
    last = time.max() if sample.n else 0.0
    usable = [
        (place, at)
        for place, at in enumerate(known.times, start=1)
        if at < last and censoring.at([at])[0] > 0
    ]
    places, times = [place for place, _ in usable], [at for _, at in usable]
    reason = "" if len(times) > 1 else "fewer than two of the times are observed"
    survival = sample.prediction[:, places]
    weight = censoring.weights(time, event)
    span = f"over times from {written(times[0])} to {written(times[-1])}" if times else ""
    mean = cache(lambda: mean_of(integrated_errors(time, event, survival, times, censoring)))

    def errors(weights: Weights) -> Floats:
        return mean()(weights)

    return {
        "auc_mean": Entry(
            partial(replicated_mean_auc, time, event, 1 - survival, times, weight),
            sample.n,
            reason=reason,
            note=span,
        ),
        "ibs": Entry(errors, sample.n, reason=reason, note=span),
    }


def _slope(sample: Sample, known: FollowUp) -> Entry:
    time, event = sample.target.T.astype(np.float64)
    at = (known.horizons or known.times)[-1]
    score = log_hazard(sample.prediction[:, 1 + known.times.index(at)])
    whole = cache(lambda: float(replicated_slope(time, event, score, np.ones((1, sample.n)))[0]))

    def slope(weights: Weights) -> Floats:
        return replicated_slope(time, event, score, weights.rows(), whole())

    return Entry(
        slope,
        sample.n,
        reason=_flat(score),
        note=f"of the risk at {written(at)}",
        failing="the fit has no end, the risk separates the events",
    )


def _at(sample: Sample, known: FollowUp, censoring: Censoring, at: float) -> dict[str, Entry]:
    time, event = sample.target.T.astype(np.float64)
    survival = sample.prediction[:, 1 + known.times.index(at)]
    weight = censoring.weights(time, event)
    followed = censoring.at([at])[0] > 0
    reason = "" if followed else "no training row is followed that long"
    died = bool(((time <= at) & (event == 1)).any())
    longer = bool((time > at).any())
    lacking = "" if died else "no case has the event by then"
    lacking = lacking or ("" if longer else "no case is observed for longer")

    def auc(weights: Weights) -> Floats:
        return replicated_auc_at(time, event, 1 - survival, at, weight, weights.rows())

    def ratio(weights: Weights) -> Floats:
        rows = weights.rows()
        expected = (rows @ (1 - survival)) / rows.sum(axis=1)
        observed = 1 - replicated_survival(time, event, rows, at)
        found: Floats = np.where(
            expected > 0, observed / np.where(expected > 0, expected, 1), np.nan
        )
        return found

    mean = cache(lambda: mean_of(squared_errors_at(time, event, survival, at, censoring)))

    def errors(weights: Weights) -> Floats:
        return mean()(weights)

    name = written(at)
    return {
        f"auc[{name}]": Entry(
            auc,
            sample.n,
            reason=reason or lacking or _flat(survival),
        ),
        f"brier[{name}]": Entry(errors, sample.n, reason=reason),
        f"observed_expected[{name}]": Entry(
            ratio, sample.n, failing="nobody is observed that long, or no risk is predicted"
        ),
    }
