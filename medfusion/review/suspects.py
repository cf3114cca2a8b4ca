"""Rows by how surely a model contradicts their labels."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medfusion.evaluation.label_quality import LIMIT, label_quality, residuals
from medfusion.review.predicted import Part, Source, read_predicted
from medfusion.runs import RunFolder

Rank = Literal["margin", "confidence"]
"""What labels are ranked by: normalised margin or self-confidence."""


@dataclasses.dataclass(frozen=True)
class Suspect:
    """One label and what the model says about it.

    Attributes:
        id: The row.
        column: The column of the label.
        kind: Kind of its target.
        split: Split of the row in the run.
        source: Whose prediction is judged.
        given: The label that the run learnt from or was judged by: a class, or a number.
        suggested: What the model would give instead.
        confidence: Probability of the given label; None of a number.
        probability: Probability of the suggested one; None of a number.
        usual: Mean probability of the suggested class over the rows that are labelled with it.
        distance: Of a number, its residual in robust standard deviations.
        score: What rows are ranked by, the lowest first.
        suspect: Whether confident learning counts the label as wrong.
    """

    id: str
    column: str
    kind: str
    split: str
    source: Source
    given: str
    suggested: str
    confidence: float | None
    probability: float | None
    usual: float | None
    distance: float | None
    score: float
    suspect: bool

    @property
    def weak(self) -> bool:
        """Whether the model learnt from this very label, which makes its word a weaker one."""
        return self.source == "train"

    @property
    def why(self) -> str:
        """The reason in a sentence."""
        if self.confidence is None:
            side = "above" if (self.distance or 0) > 0 else "below"
            return (
                f"{self.given} is {abs(self.distance or 0):.1f} robust standard deviations {side} "
                f"the prediction {self.suggested}"
            )
        weak = "; the model learnt from this label, so its word is weaker" if self.weak else ""
        usual = "" if self.usual is None else f" (rows labelled so get {self.usual:.2f} on average)"
        return (
            f"probability of {self.given} {self.confidence:.2f}, of {self.suggested} "
            f"{self.probability or 0:.2f}{usual}{weak}"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """All labels of a run, those first that the model contradicts most.

    Attributes:
        items: The labels.
        classes: Classes of each column; empty for numbers.
        noise: Estimated share of wrong labels of each column, of rows that the model did not learn
            from; nothing for numbers, or where there are no such rows.
        folds: Runs whose test rows were judged.
        passed: Tasks that have no labels to review.
    """

    items: list[Suspect]
    classes: dict[str, tuple[str, ...]]
    noise: dict[str, float]
    folds: int
    passed: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of labels that confident learning counts as wrong; they come first."""
        return sum(one.suspect for one in self.items)

    @property
    def sources(self) -> dict[str, int]:
        """Number of labels by whose prediction is judged."""
        return dict(Counter(one.source for one in self.items))


def find_suspects(run: RunFolder, rank: Rank = "margin") -> Findings:
    """Rank the labels of a run.

    Those that confident learning counts as wrong come first, each group by its score. Thresholds are
    those of rows the model learnt from and of other rows apart, since it is surer of the former.

    Args:
        run: A run with predictions.
        rank: What to rank by.

    Raises:
        InputError: Its target has no labels to review.
        RunError: It has no predictions yet.

    Example:
        >>> findings = find_suspects(RunFolder("runs/skin-1"))  # doctest: +SKIP
        >>> findings.items[0].id, findings.items[0].suggested  # doctest: +SKIP
        ('ISIC_0031023', 'malignant')
    """
    found = read_predicted(run)
    items: list[Suspect] = []
    noise: dict[str, float] = {}
    for part in found.parts:
        learnt = np.array([source == "train" for source in part.sources], dtype=bool)
        for rows in (np.flatnonzero(~learnt), np.flatnonzero(learnt)):
            if not len(rows):
                continue
            if not part.classes:
                items += _numbers(part, rows)
                continue
            quality = label_quality(part.given[rows], part.predicted[rows])
            if not learnt[rows[0]]:
                noise[part.column] = quality.noise
            scores = quality.margin if rank == "margin" else quality.confidence
            for place, row in enumerate(rows.tolist()):
                other = int(quality.suggested[place])
                usual = float(quality.thresholds[other])
                items.append(
                    Suspect(
                        **_of(part, row),
                        given=part.classes[int(part.given[row])],
                        suggested=part.classes[other],
                        confidence=float(quality.confidence[place]),
                        probability=float(part.predicted[row, other]),
                        usual=usual if np.isfinite(usual) else None,
                        distance=None,
                        score=float(scores[place]),
                        suspect=bool(quality.suspect[place]),
                    )
                )
    items.sort(key=lambda one: (not one.suspect, one.score))
    return Findings(
        items=items,
        classes={part.column: part.classes for part in found.parts},
        noise=noise,
        folds=found.folds,
        passed=found.passed,
    )


def _of(part: Part, row: int) -> dict[str, Any]:
    return {
        "id": part.ids[row],
        "column": part.column,
        "kind": part.kind,
        "split": part.splits[row],
        "source": part.sources[row],
    }


def _numbers(part: Part, rows: NDArray[np.int64]) -> Iterator[Suspect]:
    judged = residuals(part.given[rows], part.predicted[rows])
    for place, row in enumerate(rows.tolist()):
        distance = float(judged.distance[place])
        far = 1 - abs(distance) / LIMIT
        yield Suspect(
            **_of(part, row),
            given=f"{float(part.given[row]):.6g}",
            suggested=f"{float(part.predicted[row]):.4g}",
            confidence=None,
            probability=None,
            usual=None,
            distance=distance,
            score=far / (1 + abs(far)),
            suspect=bool(judged.suspect[place]),
        )
