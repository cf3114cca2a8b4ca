"""Labels flipped on purpose are found, corrected, and the next run and its report know of it."""

import csv

import numpy as np
import pytest

from medfusion.data.phantom import write_phantom
from medfusion.report import report_html
from medfusion.review import Review
from medfusion.runs import RunFolder
from medfusion.spec import Experiment, override
from medfusion.training import execution

FOLDS = 3


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Runs over all folds of a phantom, 5 % of whose labels were flipped: (runs, flipped ids)."""
    folder = tmp_path_factory.mktemp("planted")
    write_phantom(folder, subjects=600, size=16, seed=5, image_weight=0, table_weight=12)
    with (folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = np.random.default_rng(9).choice(len(rows), len(rows) // 20, replace=False)
    for row in chosen:
        rows[row]["malignant"] = "10"[int(rows[row]["malignant"])]
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    runs = []
    for fold in range(FOLDS):
        changes = [
            f"data.split={{kind: grouped-kfold, folds: {FOLDS}, fold: {fold}}}",
            "data.images={}",
            "training={epochs: 8, batch_size: 32, threads: 1, optimizer: {kind: adamw, lr: 0.01}}",
            "evaluation={bootstrap: 100}",
        ]
        experiment = override.apply(Experiment.from_yaml(folder / "experiment.yaml"), changes)
        run = RunFolder.create(experiment, folder / "runs")
        assert execution.execute(run.path).state == "finished"
        runs.append(run)
    return runs, {rows[row]["id"] for row in chosen}


def test_most_planted_flips_are_in_the_first_tenth(planted):
    runs, flipped = planted
    found = Review(runs[0]).findings
    assert found.folds == FOLDS
    assert found.sources == {"fold": 400, "test": 200}
    first = {one.id for one in found.items[: len(found.items) // 10]}
    assert len(first & flipped) > 0.7 * len(flipped)
    assert found.noise["malignant"] == pytest.approx(0.05, abs=0.04)
    by_confidence = Review(runs[0], rank="confidence").findings
    first = {one.id for one in by_confidence.items[:60]}
    assert len(first & flipped) > 0.7 * len(flipped)
    # A single fold judges the rows it learnt from as well, and says which these are.
    alone = RunFolder(runs[1].path)
    alone.path.rename(alone.path.parents[1] / "alone")
    found = Review(alone.path.parents[1] / "alone").findings
    (alone.path.parents[1] / "alone").rename(alone.path)
    assert found.folds == 1
    assert sum(one.weak for one in found.items) == 200
    first = {one.id for one in found.items[:60]}
    assert len(first & flipped) > 0.6 * len(flipped)


def test_the_next_run_applies_what_was_decided_and_the_report_says_so(planted):
    runs, flipped = planted
    folder = runs[0].path.parents[1]
    before = (folder / "table.csv").read_bytes()
    review = Review(runs[0])
    known = [one for one in review.findings.items if one.id in flipped]
    for one in known[:-1]:
        review.decide("relabel", one.id)
    review.decide("exclude", known[-1].id)
    run = RunFolder.create(review.experiment, folder / "runs")
    assert execution.execute(run.path).state == "finished"
    assert (folder / "table.csv").read_bytes() == before
    said = {row["id"]: row["target"] for row in run.predictions}
    assert known[-1].id not in said
    assert all(said[one.id] == one.suggested for one in known[:-1])
    old = {row["id"]: row for row in runs[0].predictions}
    assert all(row["split"] == old[row["id"]]["split"] for row in run.predictions)
    assert run.metrics["test"]["auc"]["value"] > runs[0].metrics["test"]["auc"]["value"]
    assert run.environment["data_fingerprint"] != runs[0].environment["data_fingerprint"]
    messages = " ".join(line["text"] for line in run.history().messages)
    assert "WARN label corrections: 29 corrected, 1 left out;" in messages
    html = report_html(run)
    assert "Label corrections" in html
    assert "left out by label review: 1" in html
    assert "the journal table.corrections.jsonl (SHA-256" in html
    assert "29 labels were corrected and 1 row left out" in html
    assert not any(one.id in html for one in known)
    assert "Label corrections" not in report_html(runs[0])
