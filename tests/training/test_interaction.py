"""Learning, not only shapes: a target that neither the image nor the table tells alone.

In this phantom the sign of the table's signal decides whether a large lesion is good or bad: the best
possible AUC is 0.93, that of either modality alone 0.50.
"""

import typing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from medfusion import Experiment, spec
from medfusion.data import Cohort, Loader
from medfusion.data.phantom import write_phantom
from medfusion.evaluation.compare import compare_auc
from medfusion.models import MultimodalModel

FUSIONS = typing.get_args(spec.Model.model_fields["fusion"].annotation)
SIZE, EPOCHS, BATCH, RATE = 32, 18, 32, 0.003
SMALL = spec.GatedFusion(dim=16, dropout=0.0)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Training and test rows, in memory, with the sizes of the table."""
    folder = tmp_path_factory.mktemp("interaction")
    phantom = write_phantom(
        folder, subjects=1200, seed=1, size=SIZE, noise=0.02, prevalence=0.5, per_group=(1, 1),
        image_weight=0.0, table_weight=0.0, interaction=3.0,
    )  # fmt: skip
    assert phantom.bayes_auc > 0.9
    assert max(phantom.bayes_auc_image, phantom.bayes_auc_table) < 0.51
    cohort = Cohort.load(Experiment.from_yaml(phantom.experiment))

    def whole(*splits):
        chosen = np.concatenate([cohort.rows(split) for split in splits])
        loader = Loader(
            cohort, chosen, batch_size=len(chosen), shuffle=False, seed=0, augment=False, threads=1
        )
        return next(iter(loader.epoch(0)))

    return whole("train"), whole("val", "test"), cohort.preprocessing.cardinalities


def predictions(rows, fusion, modalities=("image", "table")):
    """Train a small model with one fusion and predict the test rows."""
    train, test, categories = rows
    torch.manual_seed(0)
    image, table = (name in modalities for name in ("image", "table"))
    model = MultimodalModel(
        spec.Model(
            image=spec.TimmEncoder(name="test_resnet"),
            table=spec.MLPEncoder(hidden=(32, 16), dropout=0.0),
            fusion=fusion,
            modality_dropout=0.0,
        ),
        views={"image": (1, SIZE, SIZE)} if image else {},
        numeric=train.numeric.shape[1] if table else 0,
        categories=categories if table else [],
        outputs=1,
        folder=Path(),
    )

    def forward(batch, chosen, *, turn=False):
        shown = batch.images["image"][chosen]
        for axis in (2, 3) if turn else ():
            flipped = torch.rand(len(chosen), 1, 1, 1) < 0.5
            shown = torch.where(flipped, shown.flip(axis), shown)
        return model(
            images={"image": shown} if image else {},
            image_present=batch.image_present[chosen][:, : int(image)],
            numeric=batch.numeric[chosen][:, : batch.numeric.shape[1] * table],
            numeric_present=batch.numeric_present[chosen][:, : batch.numeric.shape[1] * table],
            categorical=batch.categorical[chosen][:, : batch.categorical.shape[1] * table],
        )

    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    steps = len(train) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(train))
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            output = forward(train, chosen, turn=True)
            loss = functional.binary_cross_entropy_with_logits(
                output.logits[:, 0], train.target[chosen].float()
            )
            optimizer.zero_grad()
            (loss + sum(output.losses.values())).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        logits = forward(test, torch.arange(len(test))).logits[:, 0]
    return torch.sigmoid(logits).double().numpy()


@pytest.fixture(scope="module")
def alone(rows):
    """Predictions from the image alone and from the table alone."""
    return {name: predictions(rows, SMALL, (name,)) for name in ("image", "table")}


@pytest.mark.parametrize("kind", FUSIONS, ids=lambda s: s.model_fields["kind"].default)
def test_what_only_the_combination_tells_is_learned_by_all_but_late_fusion(rows, alone, kind):
    found = predictions(rows, kind(dim=16, dropout=0.0))
    target = rows[1].target.numpy()
    gains = [compare_auc(target, found, one).difference for one in alone.values()]
    if kind is spec.LateFusion:
        # A sum of what each says: nothing to say here, whatever the weights.
        assert all(gain.ci[0] < 0.05 for gain in gains)
    else:
        assert all(gain.ci[0] > 0.05 for gain in gains), gains
