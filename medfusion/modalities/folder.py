"""A comparison's folder: what was asked for, the runs, and what came out; the folder is the truth."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any, Self

from medfusion.errors import CorrectionsError, InputError, RunError, SplitError
from medfusion.modalities.candidates import Candidate, candidates_of, default_fusions
from medfusion.runs import RunFolder, Status, atomic, control, status
from medfusion.runs import folder as files
from medfusion.spec import Experiment, GroupedKFoldSplit
from medfusion.spec.data import ColumnSplit

FILE = "comparison.json"
RUNS = "runs"
FOLDS = 5
FEWEST_FOLDS = 3


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a comparison is asked for.

    Attributes:
        fusions: Kinds of fusion; by default the experiment's own, and late fusion where known.
        folds: Number of folds; by default those of the experiment's grouped-kfold split, one fold
            for a column split, else 5.
        own_split: Keep the experiment's own split: one fold, its test rows.
        rivals: Compare with scikit-learn on the table alone too.
        complete_rows: Compare with the first fusion trained on complete rows alone too.
        smallest_gain: Smallest gain that would matter, in units of the metric; by default 0.01,
            or 1 % of the best single model's value for a metric in units of the target.
    """

    fusions: tuple[str, ...] = ()
    folds: int | None = None
    own_split: bool = False
    rivals: bool = True
    complete_rows: bool = False
    smallest_gain: float | None = None

    def __post_init__(self) -> None:
        if self.folds is not None and self.folds < FEWEST_FOLDS:
            msg = (
                f"--folds {self.folds}: at least {FEWEST_FOLDS} are needed, one each to test and "
                "to validate on and one to learn from; --own-split keeps the experiment's split"
            )
            raise InputError(msg)
        if self.folds is not None and self.own_split:
            msg = "give --folds or --own-split, not both"
            raise InputError(msg)
        if self.smallest_gain is not None and not 0 < self.smallest_gain < float("inf"):
            msg = f"the smallest gain must be a number above 0, got {self.smallest_gain:g}"
            raise InputError(msg)


class ComparisonFolder:
    """One comparison of modalities, read from its folder.

    Args:
        path: The folder.

    Raises:
        RunError: There is no comparison.

    Example:
        >>> comparison = ComparisonFolder("runs/skin-modalities-1a2b3c4d")  # doctest: +SKIP
        >>> comparison.verdict  # doctest: +SKIP
        'Fusion (gated) gains 0.021 AUC [0.004, 0.038] over the image alone (p = 0.010).'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        if not (self.path / FILE).is_file():
            msg = f"{path}: not a comparison (it has no {FILE})"
            raise RunError(msg)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def document(self) -> dict[str, Any]:
        """The content of comparison.json.

        Raises:
            RunError: The file is damaged.
        """
        path = self.path / FILE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or "experiment" not in found:
                msg = "it names no experiment"
                raise ValueError(msg)  # noqa: TRY301 - told like the other damages
        except (ValueError, OSError) as error:
            msg = f"{path}: damaged ({error})"
            raise RunError(msg) from None
        return found

    @property
    def settings(self) -> Settings:
        """What was asked for."""
        plain = self.document["settings"]
        return Settings(**plain | {"fusions": tuple(plain["fusions"])})

    @property
    def experiment(self) -> Experiment:
        """The experiment whose modalities are compared."""
        return Experiment.from_mapping(
            self.document["experiment"], folder=self.path, source=str(self.path / FILE)
        )

    @property
    def candidates(self) -> list[Candidate]:
        """What is compared."""
        settings = self.settings
        return candidates_of(
            self.experiment,
            settings.fusions,
            rivals=settings.rivals,
            complete_rows=settings.complete_rows,
        )

    @property
    def status(self) -> Status:
        """What it is doing; its epochs are the trainings."""
        return status.read(self.path)

    @property
    def runs(self) -> dict[tuple[str, int], RunFolder]:
        """The runs so far, by name of the candidate and fold from 0."""
        return {
            (item["candidate"], item["fold"]): RunFolder(self.path / RUNS / item["run"])
            for item in self.document["runs"]
        }

    @property
    def results(self) -> dict[str, Any]:
        """What came out.

        Raises:
            RunError: It is not finished.
        """
        found = self.document.get("results")
        if found is None:
            msg = (
                f"{self.path}: is not finished ({self.status.state}); "
                "`medfusion resume` goes on with it"
            )
            raise RunError(msg)
        return dict(found)

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        return str(self.results["verdict"]["text"])

    def stop(self) -> None:
        """Ask it to save and stop after the current step; it can be resumed."""
        control.ask(self.path, "stop")

    def update(self, **content: Any) -> None:
        """Replace parts of comparison.json, atomically."""
        atomic.write_json(self.path / FILE, self.document | content)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @classmethod
    def create(cls, experiment: Experiment, settings: Settings, runs: str | Path = "runs") -> Self:
        """Make the folder of a comparison, or open the one of the same experiment and folds.

        What is trained there already is not trained again; other settings replace those before.

        Args:
            experiment: Has images and table columns.
            settings: What to compare and how.
            runs: Folder that holds it; made where missing.

        Raises:
            InputError: The experiment has nothing to compare, or a fusion is unknown.
            RunError: It is at work.
            StorageError: The folder cannot be made.
        """
        experiment = experiment.resolved()
        journal = experiment.data.corrections
        corrections = None if journal is None else _read(Path(journal))
        if not settings.fusions:
            settings = dataclasses.replace(settings, fusions=tuple(default_fusions(experiment)))
        candidates_of(experiment, settings.fusions)
        splits = splits_of(experiment, settings)
        key = hashlib.sha256(json.dumps([experiment.hash, splits]).encode()).hexdigest()
        stem = re.sub(r"[^\w.+-]+", "-", experiment.name).strip("-.") or "experiment"
        path = Path(runs) / f"{stem}-modalities-{key[:8]}"
        plain = dataclasses.asdict(settings) | {"fusions": list(settings.fusions)}
        with atomic.storage_errors(path):
            (path / RUNS).mkdir(parents=True, exist_ok=True)
        path = path.resolve()
        if (path / FILE).is_file():
            found = cls(path)
            if found.status.active:
                msg = f"{path}: is running already; `medfusion stop` stops it"
                raise RunError(msg)
            if corrections is not None and corrections != _read(path / files.CORRECTIONS):
                msg = (
                    f"{path}: labels were corrected since this comparison began; give another "
                    "--runs folder, or delete this one"
                )
                raise RunError(msg)
            found.update(settings=plain, results=None)
            return found
        if corrections is not None:  # all its runs learn from the same labels
            atomic.write_bytes(path / files.CORRECTIONS, corrections)
            data = experiment.data.model_copy(update={"corrections": files.CORRECTIONS})
            executed = experiment.model_copy(update={"data": data})
        else:
            executed = experiment
        Status().write(path)
        document = {
            "experiment": executed.model_dump(mode="json"),
            "hash": experiment.hash,
            "settings": plain,
            "splits": splits,
            "fingerprint": None,
            "runs": [],
            "results": None,
        }
        atomic.write_json(path / FILE, document)
        return cls(path)


def _read(journal: Path) -> bytes:
    try:
        return journal.read_bytes()
    except OSError as error:
        msg = f"{journal}: the journal of corrections cannot be read ({error.strerror or error})"
        raise CorrectionsError(msg) from None


def splits_of(experiment: Experiment, settings: Settings) -> list[dict[str, Any]]:
    """Return the split of each fold, as an experiment says it.

    Raises:
        SplitError: The folds asked for cannot be drawn.
    """
    split = experiment.data.split
    alone = settings.own_split or (settings.folds is None and isinstance(split, ColumnSplit))
    if alone:
        return [split.model_dump(mode="json")]
    stratify, seed = getattr(split, "stratify", True), getattr(split, "seed", 0)
    folds = settings.folds
    if folds is None:
        folds = split.folds if isinstance(split, GroupedKFoldSplit) else FOLDS
    try:
        drawn = [
            GroupedKFoldSplit(folds=folds, fold=fold, stratify=stratify, seed=seed)
            for fold in range(folds)
        ]
    except ValueError:
        msg = f"--folds {folds}: that many cannot be drawn"
        raise SplitError(msg) from None
    return [split.model_dump(mode="json") for split in drawn]


def is_comparison(path: str | Path) -> bool:
    """Whether a folder holds a comparison."""
    return (Path(path) / FILE).is_file()
