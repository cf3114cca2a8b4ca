"""Learning where to look: a phantom with a planted lesion, and a mark that tells the answer falsely.

The label hangs on the size of the lesion. In the training images a bright square in a corner tells
the label too; in the test images it is there at random, so that who looks at it is wrong.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from medfusion import Experiment, spec
from medfusion.data import Cohort, Loader
from medfusion.data.phantom import write_phantom
from medfusion.models import MultimodalModel
from medfusion.models.activation import class_activation
from medfusion.registry import create
from medfusion.spec import override
from medfusion.training.objective import Moment, Objective, forward
from medfusion.training.supervision.consistency import Turn
from medfusion.training.tasks.binary import BinaryTask

SIZE, EPOCHS, BATCH, RATE = 64, 10, 32, 0.002
SEEDS = (0, 1, 2)
TASK = BinaryTask(("no", "yes"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """Training and test rows for each seed, in memory."""
    return {seed: _rows(tmp_path_factory.mktemp(f"phantom{seed}"), seed) for seed in SEEDS}


def _rows(folder, seed):
    phantom = write_phantom(
        folder, subjects=320, seed=seed, size=SIZE, label="image", prevalence=0.5, per_group=(1, 1)
    )
    cohort = Cohort.load(
        override.apply(
            Experiment.from_yaml(phantom.experiment),
            ["data.images.image.mask={column: image_mask}"],
        )
    )

    def whole(*splits):
        chosen = np.concatenate([cohort.rows(split) for split in splits])
        loader = Loader(
            cohort, chosen, batch_size=len(chosen), shuffle=False, seed=0, augment=False, threads=1
        )
        return next(iter(loader.epoch(0)))

    return whole("train"), whole("val", "test")


def marked(batch, tells):
    """Return the batch with a bright square in the corner of the rows that `tells` names."""
    images = batch.images["image"].clone()
    images[tells, :, :10, :10] = images.max()
    return dataclasses.replace(batch, images={"image": images})


def rows_of(batch, chosen, turn=None):
    """Return some rows, perhaps turned."""
    move = turn or (lambda x: x)
    return dataclasses.replace(
        batch,
        images={"image": move(batch.images["image"][chosen])},
        image_present=batch.image_present[chosen],
        numeric=batch.numeric[chosen][:, :0],
        numeric_present=batch.numeric_present[chosen][:, :0],
        categorical=batch.categorical[chosen][:, :0],
        target=batch.target[chosen],
        row=batch.row[chosen.numpy()],
        masks={"image": move(batch.masks["image"][chosen])},
        mask_present={"image": batch.mask_present["image"][chosen]},
    )


def term(settings):
    masked = isinstance(settings, spec.MaskSupervision)
    regions = {"regions": {"image": (1,)}} if masked else {}
    return create(settings, task=TASK, views=("image",), **regions)


def trained(train, settings, seed):
    """Return a model trained on rows with some supervision."""
    torch.manual_seed(seed)
    model = MultimodalModel(
        spec.Model(
            image=spec.TimmEncoder(name="test_vit2"),
            fusion=spec.ConcatenateFusion(dim=16, dropout=0.0),
        ),
        views={"image": (1, SIZE, SIZE)}, numeric=0, categories=[], outputs=1, folder=Path(),
    )  # fmt: skip
    model.keep_evidence()
    objective = Objective(TASK, [term(one) for one in settings])
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    steps = len(train) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps)
    draws = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        order = torch.from_numpy(draws.permutation(len(train)))
        for step in range(steps):
            turn = Turn(int(draws.integers(4)), bool(draws.integers(2)))
            batch = rows_of(train, order[step * BATCH : (step + 1) * BATCH], turn)
            parts = objective(model, batch, Moment(epoch + step / steps, EPOCHS))
            optimizer.zero_grad()
            sum(parts.values()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def judged(model, test):
    """Return the AUC, the share of the map inside the mask, and the overlap, over the test rows."""
    batch = rows_of(test, torch.arange(len(test)))
    inputs = {
        name: getattr(batch, name)
        for name in ("images", "image_present", "numeric", "numeric_present", "categorical")
    }
    maps = class_activation(model, inputs, lambda logits: logits[:, 0])["image"]
    large = functional.interpolate(maps[:, None], size=(SIZE, SIZE), mode="bilinear")[:, 0]
    inside = batch.masks["image"] == 1
    energy = (large * inside).sum(dim=(1, 2)) / large.sum(dim=(1, 2)).clamp(min=1e-12)
    overlaps = []
    for found, mask in zip(large.flatten(1), inside.flatten(1), strict=True):
        size = int(mask.sum())  # as many of the highest pixels as the mask has
        shared = int(mask[found.topk(size).indices].sum())
        overlaps.append(shared / (2 * size - shared))
    with torch.no_grad():
        logits = forward(model, batch).logits[:, 0]
    auc = roc_auc_score(batch.target.numpy(), logits.numpy())
    return auc, float(energy.mean()), float(np.mean(overlaps))


def measured(model, settings, test, seed=0):
    """Return the unweighted loss of a supervision on the test rows."""
    batch = rows_of(test, torch.arange(len(test)))
    torch.manual_seed(seed)
    return float(term(settings).measure(model, batch, forward(model, batch)).detach())


def test_masks_turn_the_model_from_a_false_mark_to_the_lesion(cohorts):
    gains = []
    for seed, (plain, unseen) in cohorts.items():
        train = marked(plain, plain.target == 1)
        chance = torch.from_numpy(np.random.default_rng(seed).random(len(unseen)) < 0.5)
        test = marked(unseen, chance)
        without, drawn = (
            judged(trained(train, settings, seed), test)
            for settings in ((), (spec.MaskSupervision(weight=0.5),))
        )
        gains.append(np.subtract(drawn, without))
    gains = np.array(gains)
    assert (gains > 0).all(), gains  # AUC, share inside the mask and overlap, for every seed
    assert (gains.mean(axis=0) > [0.05, 0.1, 0.1]).all(), gains


@pytest.fixture(scope="module")
def unguided(cohorts):
    """Models without supervision, of images without a false mark, for one seed."""
    return {seed: trained(cohorts[seed][0], (), seed) for seed in SEEDS[:1]}


@pytest.mark.parametrize(
    "settings",
    [spec.ClassActivationSupervision(), spec.ConsistencySupervision()],
    ids=lambda s: s.kind,
)
def test_self_guidance_lowers_its_own_measure_and_keeps_what_the_model_knows(
    cohorts, unguided, settings
):
    for seed, without in unguided.items():
        train, test = cohorts[seed]
        guided = trained(train, (settings,), seed)
        assert measured(guided, settings, test) < measured(without, settings, test)
        assert judged(guided, test)[0] > judged(without, test)[0] - 0.1
