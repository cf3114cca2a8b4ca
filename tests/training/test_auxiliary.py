"""The losses of auxiliary heads: on the right rows, with any task, and in a run's record."""

import json

import numpy as np
import pytest
import torch

from medfusion.data.batch import Batch
from medfusion.models import ModelOutput
from medfusion.runs import RunFolder
from medfusion.spec import (
    AuxiliaryHeads,
    BinaryTarget,
    MulticlassTarget,
    RegressionTarget,
    Training,
    override,
)
from medfusion.training.auxiliary import AuxiliaryTerm, auxiliary_terms
from medfusion.training.execution import execute
from medfusion.training.objective import Moment
from medfusion.training.tasks import fit_task

TASKS = {
    "binary": fit_task(BinaryTarget(column="y"), ("n", "y"), np.array([0, 1, 1]), Training()),
    "multiclass": fit_task(
        MulticlassTarget(column="y"), ("a", "b", "c"), np.array([0, 1, 2, 2]),
        Training(class_weights="balanced"),
    ),
    "regression": fit_task(RegressionTarget(column="y"), (), np.array([1.0, 2.0, 5.0]), Training()),
}  # fmt: skip


def batch(target):
    empty = torch.zeros(len(target), 0)
    return Batch(
        {}, empty.bool(), empty, empty.bool(), empty.long(), target, np.arange(len(target))
    )


@pytest.mark.parametrize("kind", list(TASKS))
def test_the_loss_is_the_tasks_on_the_rows_that_showed_the_modality(kind):
    task = TASKS[kind]
    torch.manual_seed(0)
    alone = torch.randn(4, task.outputs)
    target = torch.tensor([0, 1, 1, 0]) if kind != "regression" else torch.randn(4)
    shown = torch.tensor([True, False, True, True])
    term = AuxiliaryTerm(task, "image", 0.3)
    output = ModelOutput(torch.zeros(4, 1), {}, {}, {"image": alone}, {"image": shown})
    found = term(None, batch(target), output, Moment(0.0, 1))
    torch.testing.assert_close(found, 0.3 * task.loss(alone[shown], target[shown]))
    nobody = output._replace(shown={"image": torch.zeros(4).bool()})
    assert term(None, batch(target), nobody, Moment(0.0, 1)).item() == 0


def test_there_is_a_term_for_each_modality():
    terms = auxiliary_terms(AuxiliaryHeads(weight=0.5), ("image", "table"), TASKS["binary"])
    assert [term.name for term in terms] == ["auxiliary/image", "auxiliary/table"]
    assert auxiliary_terms(None, ("image", "table"), TASKS["binary"]) == []


def test_a_run_records_every_part_and_can_be_evaluated(phantom, tmp_path):
    experiment = override.apply(
        phantom,
        [
            "model.alignment={kind: contrastive}",
            "model.auxiliary={weight: 0.3}",
            "model.fusion={kind: mixture-of-experts, dim: 16}",
            "training.epochs=1",
        ],
    )
    run = RunFolder.create(experiment, tmp_path)
    assert execute(run.path).state == "finished"
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    parts = next(event["parts"] for event in events if event["kind"] == "step")
    assert set(parts) == {"task", "balance", "alignment", "auxiliary/image", "auxiliary/table"}
    assert all(np.isfinite(value) for value in parts.values())
    assert "auc" in run.metrics["test"]
