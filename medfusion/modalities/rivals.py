"""Rivals without a neural network, from scikit-learn, on the table alone.

They learn from the rows that the networks learn from, prepared alike, and are tuned on the
validation rows as the networks are (which pick their epoch there). Where fusion of two networks
does not beat them, it is not worth its trouble.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfusion.data import Cohort
from medfusion.data.preprocessing import UNSEEN_CODE
from medfusion.errors import RunError
from medfusion.evaluation.layout import layout
from medfusion.runs import RunFolder, atomic

Floats = NDArray[np.float64]

KINDS = frozenset({"binary", "multiclass", "ordinal", "regression"})
"""Kinds of target that there are rivals for."""

PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""Strengths of the penalty that are tried, the inverse of scikit-learn's C."""

TREES = 200
"""Most rounds of boosting; how many are kept is chosen on validation."""

_RATE = 0.05
_CATEGORIES_AT_MOST = 255
_SMALLEST = 1e-12


@dataclasses.dataclass(frozen=True)
class Table:
    """The table of one fold as rivals take it.

    Attributes:
        linear: Scaled numbers (0 where missing), marks of missing ones, one column per category.
        trees: Scaled numbers (NaN where missing), then the codes of the categories.
        coded: Which columns of `trees` are codes, bool.
        target: Class index [n] or value [n].
        classes: Names of the classes; empty for a number.
    """

    linear: Floats
    trees: Floats
    coded: NDArray[np.bool_]
    target: NDArray[Any]
    classes: tuple[str, ...]


def prepare(cohort: Cohort, train: NDArray[np.int64]) -> Table:
    """Return the table of a fold, prepared by what its training rows gave.

    Args:
        cohort: All cases, with the preprocessing of the fold's run on the table alone.
        train: The training rows.
    """
    numeric = cohort.numeric.astype(np.float64)
    present = cohort.numeric_present
    gaps = ~present[train].all(axis=0)
    columns = [numeric, (~present[:, gaps]).astype(np.float64)]
    for index, count in enumerate(cohort.preprocessing.cardinalities):
        codes = [code for code in range(count) if code != UNSEEN_CODE]
        columns.append((cohort.categorical[:, [index]] == codes).astype(np.float64))
    coded = np.concatenate(
        [
            np.zeros(numeric.shape[1], dtype=bool),
            np.array(cohort.preprocessing.cardinalities, dtype=int) <= _CATEGORIES_AT_MOST,
        ]
    )
    trees = np.column_stack([np.where(present, numeric, np.nan), cohort.categorical])
    return Table(np.column_stack(columns), trees, coded, cohort.target, cohort.classes)


def fit(
    name: str, table: Table, train: NDArray[np.int64], val: NDArray[np.int64], seed: int
) -> tuple[Floats, str]:
    """Fit a rival on the training rows, tune it on the validation rows, predict all rows.

    Args:
        name: "logistic" (a linear regression with a penalty for a number) or "boosting".
        table: The prepared table.
        train: Rows to learn from.
        val: Rows to tune on.
        seed: Seed of the boosting.

    Returns:
        Probabilities [n, classes] or values [n, 1], and what was chosen on validation.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 1))
        >>> y = (x[:, 0] > 0).astype(np.int64)
        >>> table = Table(x, x, np.array([False]), y, ("no", "yes"))
        >>> predicted, chosen = fit("logistic", table, np.arange(150), np.arange(150, 200), 0)
        >>> predicted.shape
        (200, 2)
    """
    loss = _log_loss if table.classes else _squared_error
    tried = _linear(table, train) if name == "logistic" else _boosting(table, train, seed)
    best: tuple[float, Floats, str] | None = None
    for predicted, setting in tried:
        value = loss(table.target[val], predicted[val])
        if best is None or value < best[0]:
            best = (value, predicted.copy(), setting)
    if best is None:
        msg = f"{name}: nothing was fitted"
        raise RuntimeError(msg)
    return best[1], best[2]


def predict_fold(
    name: str, run: RunFolder, folder: Path, fold: int, sides: NDArray[np.str_]
) -> Path:
    """Fit a rival on one fold and write its predictions, unless they are there already.

    Args:
        name: The rival.
        run: The finished run on the table alone, whose rows and preprocessing are used.
        folder: Where the predictions go.
        fold: Which fold, from 0.
        sides: Side of each case, as the run drew it.

    Returns:
        The predictions, in the form of predictions.csv.

    Raises:
        RunError: The run is not finished.
    """
    path = folder / f"{name}-fold-{fold + 1}.csv"
    facts = path.with_suffix(".json")
    mark = {"rival": name, "experiment_hash": run.environment.get("experiment_hash")}
    if path.exists() and _mark(facts).items() >= mark.items():
        return path
    from medfusion.training.prediction import read_preprocessing, saved_split

    cohort = Cohort.load(
        run.experiment, split=saved_split(run), preprocessing=read_preprocessing(run)
    )
    if not np.array_equal(cohort.split, sides):
        msg = f"{run.path}: its rows are divided otherwise than the comparison's; start anew"
        raise RunError(msg)
    train, val = cohort.rows("train"), cohort.rows("val")
    predicted, chosen = fit(name, prepare(cohort, train), train, val, run.experiment.seed)
    form = layout(cohort.spec.target.kind)
    header = form.columns([*(f"prob_{name}" for name in cohort.classes)])
    target = form.write(cohort.target, cohort.classes)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "split", *target, *header])
    writer.writerows(
        [*cells, *map(repr, numbers)]
        for *cells, numbers in zip(
            cohort.ids, cohort.split, *target.values(), predicted.tolist(), strict=True
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, text.getvalue())
    atomic.write_json(facts, mark | {"chosen": chosen})
    return path


def _mark(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _linear(table: Table, train: NDArray[np.int64]) -> Iterator[tuple[Floats, str]]:
    from sklearn.linear_model import LogisticRegression, Ridge

    for penalty in PENALTIES:
        setting = f"penalty {penalty:g}"
        if table.classes:
            model: Any = LogisticRegression(C=1 / penalty, max_iter=10_000)
            model.fit(table.linear[train], table.target[train])
            yield _spread(model.predict_proba(table.linear), model.classes_, table), setting
        else:
            model = Ridge(alpha=penalty).fit(table.linear[train], table.target[train])
            yield model.predict(table.linear).reshape(-1, 1), setting


def _boosting(table: Table, train: NDArray[np.int64], seed: int) -> Iterator[tuple[Floats, str]]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings: dict[str, Any] = {
        "max_iter": TREES,
        "learning_rate": _RATE,
        "early_stopping": False,
        "categorical_features": table.coded,
        "random_state": seed,
    }
    stages: Callable[[Floats], Iterator[Floats]]
    if table.classes:
        model: Any = HistGradientBoostingClassifier(**settings)
        model.fit(table.trees[train], table.target[train])
        known: Sequence[int] = model.classes_
        stages = model.staged_predict_proba
    else:
        model = HistGradientBoostingRegressor(**settings)
        model.fit(table.trees[train], table.target[train])
        known, stages = (), model.staged_predict
    for count, predicted in enumerate(stages(table.trees), start=1):
        done = _spread(predicted, known, table) if table.classes else predicted.reshape(-1, 1)
        yield done, f"{count} trees"


def _spread(predicted: Floats, known: Sequence[int], table: Table) -> Floats:
    """Put probabilities of the classes seen in training into columns of all classes."""
    spread = np.zeros((len(predicted), len(table.classes)))
    spread[:, list(known)] = predicted
    return spread


def _log_loss(target: NDArray[Any], predicted: Floats) -> float:
    chosen = predicted[np.arange(len(target)), target.astype(np.int64)]
    return float(-np.log(np.maximum(chosen, _SMALLEST)).mean())


def _squared_error(target: NDArray[Any], predicted: Floats) -> float:
    return float(np.square(predicted[:, 0] - target).mean())
