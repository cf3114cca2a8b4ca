"""A comparison of corrected data: all folds and candidates see the same cases and labels."""

import numpy as np
import pytest

from medfusion.data import Cohort
from medfusion.data.journal import Journal
from medfusion.errors import RunError, SplitError
from medfusion.modalities import ComparisonFolder, Settings
from medfusion.modalities.folds import draw_folds, write_table
from medfusion.spec import Experiment


@pytest.fixture
def corrected(make_experiment):
    """An experiment with ten labels relabelled and ten rows left out, and its journal."""
    experiment = make_experiment(subjects=90, seed=2)
    cohort = Cohort.load(experiment)
    journal = Journal(experiment.folder / "fixed.jsonl", "table.csv", "id")
    for row in range(20):
        label = str(cohort.target[row])
        words = {"id": cohort.ids[row], "column": "malignant", "given": label}
        if row % 2:
            journal.decide(action="exclude", to=label, **words)
        else:
            journal.decide(action="relabel", to=str(1 - cohort.target[row]), **words)
    document = experiment.model_dump(mode="json")
    document["data"]["corrections"] = "fixed.jsonl"
    return Experiment.from_mapping(document, folder=experiment.folder), journal


def test_every_fold_has_the_cases_of_its_run(corrected, tmp_path):
    experiment, journal = corrected
    comparison = ComparisonFolder.create(experiment, Settings(folds=3), tmp_path / "runs")
    journal.undo()  # what is decided later is not this comparison's business
    folds = draw_folds(comparison.experiment, comparison.document["splits"])
    assert len(folds.cohort) == 80
    for fold, spec in enumerate(folds.specs):
        document = folds.experiment.model_dump(mode="json")
        document["data"]["split"] = dict(spec)
        run = Experiment.from_mapping(document, folder=comparison.path)
        cohort = Cohort.load(run)
        assert cohort.ids == folds.cohort.ids
        assert cohort.split.tolist() == folds.sides[fold].tolist()
        assert (cohort.target == folds.cohort.target).all()
        # A table of fewer rows holds corrected labels, which are not corrected once more.
        document["data"] |= write_table(folds, fold, np.arange(70), tmp_path / "fewer.csv")
        fewer = Cohort.load(Experiment.from_mapping(document, folder=comparison.path))
        assert fewer.ids == cohort.ids[:70]
        assert (fewer.target == cohort.target[:70]).all()
    assert sum((side == "test").sum() for side in folds.sides) == 80


def test_other_corrections_are_another_comparison(corrected, tmp_path):
    experiment, journal = corrected
    ComparisonFolder.create(experiment, Settings(folds=3), tmp_path / "runs")
    ComparisonFolder.create(experiment, Settings(folds=3), tmp_path / "runs")
    journal.undo()
    with pytest.raises(RunError, match="labels were corrected since this comparison began"):
        ComparisonFolder.create(experiment, Settings(folds=3), tmp_path / "runs")


def test_folds_cannot_each_have_a_judge_of_their_own(corrected, tmp_path):
    experiment, _ = corrected
    document = experiment.model_dump(mode="json")
    document["data"]["correct_test"] = False
    experiment = Experiment.from_mapping(document, folder=experiment.folder)
    comparison = ComparisonFolder.create(experiment, Settings(folds=3), tmp_path / "runs")
    with pytest.raises(SplitError, match="leaves other labels in every fold"):
        draw_folds(comparison.experiment, comparison.document["splits"])
