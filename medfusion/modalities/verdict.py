"""The verdict in words that can stand in a paper: does fusion pay here, and by how much."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from medfusion.modalities.gain import Gain

Outcome = Literal["pays", "does-not-pay", "undecided", "not-estimable"]


@dataclasses.dataclass(frozen=True)
class Names:
    """How things are called in the verdict.

    Attributes:
        metric: The metric, for instance "AUC".
        candidates: Each candidate inside a sentence, for instance "the image alone".
        unit: Unit of the metric, with a leading blank; empty where it has none.
        smaller: Whether smaller values of the metric are better.
    """

    metric: str
    candidates: Mapping[str, str]
    unit: str = ""
    smaller: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came out.

    Attributes:
        outcome: "pays", "does-not-pay", "undecided" or "not-estimable".
        fusion: The fusion it speaks of.
        reference: The single modality it is held against, chosen on validation.
        gain: Of that fusion over it.
        smallest_gain: Smallest gain that would matter.
        cases_needed: About how many cases would decide it, where it is undecided.
        lead: What is to be said first: that a simple rival does as well; empty where none does.
        sentence: The verdict.
    """

    outcome: Outcome
    fusion: str
    reference: str
    gain: Gain
    smallest_gain: float
    cases_needed: int | None
    lead: str
    sentence: str

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.lead} {self.sentence}".strip()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return plain | {"gain": self.gain.to_json(), "text": self.text}


def judge(
    gains: Sequence[Gain],
    primary: str,
    smallest: float,
    names: Names,
    *,
    confidence: float = 0.95,
    lead: str = "",
) -> Verdict:
    """Return the verdict.

    Fusion pays where a fusion is better than the best single modality at the level of the
    intervals, after Holm's adjustment for all fusions. It does not where every fusion's interval
    ends below the smallest gain that would matter. All else is undecided.

    Args:
        gains: Of every fusion over the best single modality.
        primary: The fusion chosen on validation; of several it is spoken of first.
        smallest: Smallest gain that would matter.
        names: How things are called.
        confidence: Level of the intervals.
        lead: What is to be said first.

    Example:
        >>> found = Gain("gated", "image", 0.021, (0.004, 0.038), 0.01, 0.01, n=600)
        >>> names = Names("AUC", {"gated": "gated", "image": "the image alone"})
        >>> judge([found], "gated", 0.01, names).sentence
        'Fusion (gated) gains 0.021 AUC [0.004, 0.038] over the image alone (p = 0.010).'
    """
    known = [gain for gain in gains if gain.value is not None and gain.ci is not None]
    first = next(gain for gain in gains if gain.first == primary)
    alpha = 1 - confidence
    words = _Words(names, len(gains), smallest)
    if not known:
        sentence = f"Whether fusion pays cannot be estimated here: {first.note or 'too few cases'}."
        return _made("not-estimable", first, smallest, None, lead, sentence)
    real = [gain for gain in known if _above(gain, alpha)]
    if all(_upper(gain) < smallest for gain in known):
        told = first if first in known else max(known, key=_upper)
        return _made("does-not-pay", told, smallest, None, lead, words.no(told))
    if real:
        told = first if first in real else max(real, key=_value)
        if _upper(told) < smallest:
            told = max(real, key=_upper)
        if _upper(told) >= smallest:
            sentence = words.yes(told)
            if told is not first and first.value is not None:
                sentence += " " + words.other(first)
            return _made("pays", told, smallest, None, lead, sentence)
    told = first if first in known and _upper(first) >= smallest else max(known, key=_upper)
    needed = cases_needed(told, smallest)
    return _made("undecided", told, smallest, needed, lead, words.undecided(told, needed))


def cases_needed(gain: Gain, smallest: float) -> int | None:
    """Return about how many cases would make the interval too narrow to hold both 0 and a gain.

    Intervals shrink with the root of the number of cases, and one narrower than the smallest gain
    of interest cannot include both no gain and that gain. Rounded to two digits.

    Example:
        >>> cases_needed(Gain("a", "b", 0.0, (-0.02, 0.02), 1.0, n=100), 0.02)
        400
    """
    if gain.ci is None or not gain.n:
        return None
    needed = gain.n * ((gain.ci[1] - gain.ci[0]) / smallest) ** 2
    if not math.isfinite(needed) or needed <= gain.n:
        return None
    digits = 1 - math.floor(math.log10(needed))
    return int(math.ceil(needed * 10.0**digits - 1e-9) / 10.0**digits)


def lead_of(
    rival: str,
    over_fusion: Gain,
    over_single: Gain,
    over_table: Gain,
    smallest: float,
    names: Names,
    *,
    told: bool = False,
) -> str:
    """Return that a simple rival does as well, where it does; empty where it does not.

    Args:
        rival: The rival, chosen on validation.
        over_fusion: Gain of the fusion chosen on validation over it.
        over_single: Gain of the best network on one modality over it.
        over_table: Gain of the network on the table over it.
        smallest: Smallest gain that would matter.
        names: How things are called.
        told: The verdict itself holds fusion against this rival.
    """
    who = names.candidates[rival]
    who = who[:1].upper() + who[1:]
    fusion = f"the best fusion ({names.candidates[over_fusion.first]})"
    words = _Words(names, 1, smallest)
    if _none_of(over_fusion, smallest) and _none_of(over_single, smallest):
        more = "" if told else f": {fusion} {words.change(over_fusion)} {_over(over_fusion)} it"
        return f"{who} is as good as everything else here{more}."
    if over_fusion.ci is not None and over_fusion.ci[0] <= 0 and not told:
        return (
            f"{who} does as well as fusion as far as can be told: "
            f"{fusion} {words.change(over_fusion)} {_over(over_fusion)} it."
        )
    table = f"the neural network on the table {words.change(over_table)} {_over(over_table)} it"
    if _none_of(over_table, smallest):
        return f"{who} is as good as the neural network on the table: {table}."
    if over_table.ci is not None and over_table.ci[0] <= 0:
        return (
            f"{who} does as well as the neural network on the table as far as can be told: {table}."
        )
    return ""


class _Words:
    def __init__(self, names: Names, family: int, smallest: float) -> None:
        self.names, self.family, self.smallest = names, family, smallest

    def yes(self, gain: Gain) -> str:
        who, reference = self._who(gain), self.names.candidates[gain.second]
        return f"Fusion ({who}) {self.change(gain)} over {reference} ({self._p(gain)})."

    def other(self, gain: Gain) -> str:
        return (
            f"The fusion that validation would choose ({self._who(gain)}) {self.change(gain)} "
            f"({self._p(gain)})."
        )

    def no(self, gain: Gain) -> str:
        who, reference = self._who(gain), self.names.candidates[gain.second]
        return (
            f"Fusion does not pay here: {who} {self.change(gain)} {_over(gain)} {reference} "
            f"({self._p(gain)}); a gain of {self._least()} {self._metric()} or more is "
            "ruled out."
        )

    def undecided(self, gain: Gain, needed: int | None) -> str:
        who, reference = self._who(gain), self.names.candidates[gain.second]
        said = (
            f"Undecided whether fusion pays here: {who} {self.change(gain)} {_over(gain)} {reference} "
            f"({self._p(gain)});"
        )
        if gain.ci is not None and gain.ci[0] > 0:
            return (
                f"{said} the gain does not stand once {self.family} fusions are allowed for by "
                "Holm's method."
            )
        said += f" the interval includes no gain and a gain of {self._least()}."
        if needed is None:
            return said
        return (
            f"{said} About {needed:,} cases would be needed to tell them apart ({gain.n:,} here)."
        )

    def change(self, gain: Gain) -> str:
        """Return `gains 0.021 AUC [0.004, 0.038]`; of what shall fall, `lowers`."""
        value, ci = _value(gain), gain.ci
        if self.names.smaller:
            verb = "lowers" if value >= 0 else "raises"
            said = f"{verb} {self.names.metric} by {_number(abs(value))}{self.names.unit}"
        else:
            verb = "gains" if value >= 0 else "loses"
            said = f"{verb} {_number(abs(value))} {self._metric()}"
        if ci is None:
            return said
        low, high = ci if value >= 0 else (-ci[1], -ci[0])
        return f"{said} [{_number(low)}, {_number(high)}]"

    def _who(self, gain: Gain) -> str:
        return self.names.candidates[gain.first]

    def _metric(self) -> str:
        return f"{self.names.metric}{self.names.unit}"

    def _least(self) -> str:
        return f"{self.smallest:.3g}"

    def _p(self, gain: Gain) -> str:
        adjusted = gain.p if gain.p_holm is None else gain.p_holm
        if adjusted is None:
            return "no p value"
        said = "p < 0.001" if adjusted < 0.001 else f"p = {adjusted:.3f}"
        return f"{said}, adjusted for {self.family} fusions" if self.family > 1 else said


def _over(gain: Gain) -> str:
    return "over" if _value(gain) >= 0 else "against"


def _number(value: float) -> str:
    text = f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
    return "0.000" if text == "-0.000" else text.replace("-", "\N{MINUS SIGN}")


def _made(
    outcome: Outcome, gain: Gain, smallest: float, needed: int | None, lead: str, sentence: str
) -> Verdict:
    return Verdict(outcome, gain.first, gain.second, gain, smallest, needed, lead, sentence)


def _value(gain: Gain) -> float:
    return -math.inf if gain.value is None else gain.value


def _upper(gain: Gain) -> float:
    return math.inf if gain.ci is None else gain.ci[1]


def _above(gain: Gain, alpha: float) -> bool:
    p = gain.p if gain.p_holm is None else gain.p_holm
    return gain.ci is not None and gain.ci[0] > 0 and p is not None and p < alpha


def _none_of(gain: Gain, smallest: float) -> bool:
    return gain.ci is not None and gain.ci[1] < smallest
