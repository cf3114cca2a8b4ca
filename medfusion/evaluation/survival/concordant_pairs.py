"""Weighted concordance of many bootstrap replicates at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BLOCK = 256


def replicated_concordance(
    time: Floats, event: Floats, risk: Floats, weight: Floats, rows: Floats
) -> Floats:
    """Return the share of concordant pairs in each replicate, [B]; NaN without a pair.

    A pair is an event and a case that lived longer; it counts `weight` of the event. With weights
    of 1 it is Harrell's C, with squared inverse probabilities of censoring Uno's.

    Args:
        time: Time of the event or of censoring, [n].
        event: 1 where it is the event, [n].
        risk: Higher for an earlier event, [n].
        weight: What a pair of each event counts, [n]; events with 0 are left out.
        rows: How often each case counts in each replicate, whole numbers, [B, n].
    """
    order = np.lexsort((1 - event, time))  # of one time, events come first
    time, event, risk, weight = time[order], event[order], risk[order], weight[order]
    # Pairs are counted by matrix products; whole numbers and halves are exact in 32 bits.
    drawn = rows[:, order].astype(np.float32)
    behind = np.zeros((len(drawn), len(order) + 1))
    behind[:, :-1] = drawn[:, ::-1].cumsum(axis=1, dtype=np.float64)[:, ::-1]
    first_event = (event == 1) & (weight > 0)
    # Where the cases begin that outlived the event: behind the events of the same time.
    later = np.searchsorted(time, time, side="left")
    events_before = np.concatenate([[0], np.cumsum(event)])
    ends = np.searchsorted(time, time, side="right")
    later = later + (events_before[ends] - events_before[later]).astype(np.int64)
    won, pairs = np.zeros(len(drawn)), np.zeros(len(drawn))
    places = np.flatnonzero(first_event)
    for start in range(0, len(places), _BLOCK):
        block = places[start : start + _BLOCK]
        begin = int(later[block].min())
        others = risk[begin:]
        better = (risk[block][:, None] > others).astype(np.float32)
        better += 0.5 * (risk[block][:, None] == others)
        better[np.arange(begin, len(risk)) < later[block][:, None]] = 0
        counted = drawn[:, block] * weight[block]
        won += (counted * (drawn[:, begin:] @ better.T)).sum(axis=1)
        pairs += (counted * behind[:, later[block]]).sum(axis=1)
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1), np.nan)
