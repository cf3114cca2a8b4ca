"""Losses on where a model looks: formulas, schedules, edges, and gradients that reach the encoder."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from medfusion import registry, spec
from medfusion.data.batch import Batch
from medfusion.models import ModelOutput, MultimodalModel
from medfusion.models.activation import Evidence, ShownImages
from medfusion.registry import create
from medfusion.spec import (
    BinaryTarget,
    ClassActivationSupervision,
    ConsistencySupervision,
    MaskSupervision,
    MulticlassTarget,
    MultilabelTarget,
    MultitaskTarget,
    OrdinalTarget,
    RegressionTarget,
    SurvivalTarget,
    Training,
)
from medfusion.training.objective import Moment, Objective, forward
from medfusion.training.supervision.consistency import Turn, draw_turn
from medfusion.training.supervision.contract import SupervisionTerm, weight_at
from medfusion.training.supervision.mask import divergence, mismatch, shares
from medfusion.training.tasks import fit_task

NOW = Moment(0.0, 10)
SIZE = 64
KINDS = [MaskSupervision(), ClassActivationSupervision(), ConsistencySupervision()]
BINARY = fit_task(BinaryTarget(column="y"), ("n", "y"), np.array([0, 1, 1]), Training())


def make(encoder="test_resnet", fusion=None, outputs=1, dropout=0.0, attention=False):
    torch.manual_seed(0)
    model = MultimodalModel(
        spec.Model(
            image=spec.TimmEncoder(name=encoder),
            fusion=fusion or spec.GatedFusion(dim=8),
            modality_dropout=dropout,
        ),
        views=dict.fromkeys(("front", "side"), (1, SIZE, SIZE)),
        numeric=2,
        categories=[3],
        outputs=outputs,
        folder=Path(),
    )
    model.keep_evidence(attention=attention)
    return model


def rows(count=4, target=None):
    """Return a batch with a square mask in the first view and none in the second."""
    torch.manual_seed(1)
    masks = torch.zeros(count, SIZE, SIZE, dtype=torch.uint8)
    masks[:, 8:32, 8:24] = 1
    return Batch(
        images={name: torch.randn(count, 1, SIZE, SIZE) for name in ("front", "side")},
        image_present=torch.ones(count, 2).bool(),
        numeric=torch.randn(count, 2),
        numeric_present=torch.ones(count, 2).bool(),
        categorical=torch.ones(count, 1).long(),
        target=torch.tensor([1, 0] * count)[:count] if target is None else target,
        row=np.arange(count),
        masks={"front": masks},
        mask_present={"front": torch.ones(count).bool()},
    )


def term(settings, task=BINARY):
    masked = isinstance(settings, MaskSupervision)
    needs = {"regions": {"front": (1,)}} if masked else {}
    return create(settings, task=task, views=("front",) if masked else ("front", "side"), **needs)


def value(settings, model, batch, task=BINARY, moment=NOW):
    return term(settings, task)(model, batch, forward(model, batch), moment)


def reached(model):
    grads = [p.grad for p in model.image.parameters() if p.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)
    return sum(float(grad.abs().sum()) for grad in grads)


# Formulas ----------------------------------------------------------------------------------------


def test_the_loss_of_a_mask_is_that_of_the_papers():
    rng = np.random.default_rng(0)
    strength, inside = rng.random((5, 9)), rng.random((5, 9))
    known = np.minimum(1, inside + rng.random((5, 9)))
    tensors = [torch.from_numpy(x).float() for x in (strength, inside, known)]
    p = strength * known / (strength * known).sum(1, keepdims=True)
    m = inside / known
    energy = -np.log((p * m / m.max(1, keepdims=True)).sum(1))
    found, _ = mismatch(*tensors)
    np.testing.assert_allclose(found.numpy(), energy, rtol=1e-4)
    q = inside**2 / (inside**2).sum(1, keepdims=True)
    found, counts = divergence(*tensors)
    np.testing.assert_allclose(found.numpy(), (q * np.log(q / p)).sum(1), rtol=1e-3, atol=1e-4)
    assert counts.all()


def test_masks_are_averaged_to_positions_and_unknown_pixels_count_neither_way():
    masks = torch.zeros(1, 4, 6, dtype=torch.uint8)
    masks[0, :2, :3] = torch.tensor([[1, 1, 2], [1, 255, 255]])
    inside, known = shares(masks, (1, 2), torch.Size([2, 2]))
    assert inside[0].tolist() == [[pytest.approx(4 / 6), 0], [0, 0]]
    assert known[0].tolist() == [[pytest.approx(4 / 6), 1], [1, 1]]
    only, _ = shares(masks, (2,), torch.Size([2, 2]))
    assert float(only[0, 0, 0]) == pytest.approx(1 / 6)


def test_what_has_nowhere_to_be_drawn_to_does_not_count():
    known = torch.ones(4, 4)
    inside = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]])
    strength = torch.ones(4, 4)
    strength[3] = 0
    for divide in (mismatch, divergence):
        strength = strength.detach().requires_grad_()
        loss, counts = divide(strength, inside, known)
        assert counts.tolist() == [True, False, False, False]
        torch.where(counts, loss, 0.0).sum().backward()
        assert torch.isfinite(strength.grad).all()


@pytest.mark.parametrize("rise", ["linear", "cosine"])
def test_the_weight_starts_late_and_rises(rise):
    settings = MaskSupervision(weight=3.0, start=2.0, ramp=4.0, rise=rise)
    found = [weight_at(settings, Moment(epoch, 10)) for epoch in (0, 1.99, 3, 4, 6, 10)]
    third = 0.75 if rise == "linear" else 3 * (1 - math.cos(math.pi / 4)) / 2
    assert found == pytest.approx([0, 0, third, 1.5, 3, 3])
    assert weight_at(MaskSupervision(weight=0.2), NOW) == 0.2


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
def test_the_weight_multiplies_and_nothing_is_computed_where_it_is_zero(settings):
    model, batch = make(), rows()
    model.train()

    def at(**changes):
        torch.manual_seed(5)
        return float(value(settings.model_copy(update=changes), model, batch).detach())

    assert at(weight=1.0) > 0
    assert at(weight=3.0) == pytest.approx(3 * at(weight=1.0), rel=1e-4)
    late = term(settings.model_copy(update={"start": 1.0}))
    assert float(late(None, batch, forward(model, batch), NOW)) == 0


def test_erasing_is_the_paper_s():
    model, batch = make(), rows(target=torch.tensor([1, 0, 1, 1]))
    model.eval()
    output = forward(model, batch)
    maps = output.evidence.activation(output.evidence.logits[:, 0])
    images = {}
    for name, found in maps.items():
        a = found.detach().relu()
        a = a / a.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
        large = torch.nn.functional.interpolate(a[:, None], size=(SIZE, SIZE), mode="bilinear")
        soft = 1 / (1 + torch.exp(-10 * (large - 0.5)))
        images[name] = batch.images[name] * (1 - soft)
    chance = torch.sigmoid(forward(model, dataclasses.replace(batch, images=images)).logits[:, 0])
    some = torch.stack([m.relu().amax(dim=(1, 2)) > 0 for m in maps.values()]).any(dim=0)
    counts = some & (batch.target == 1)
    wanted = chance[counts].mean() if counts.any() else torch.zeros(())
    found = value(ClassActivationSupervision(weight=1.0), model, batch)
    torch.testing.assert_close(found, wanted)


# Every encoder and fusion ------------------------------------------------------------------------


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
@pytest.mark.parametrize("fusion", registry.list_kinds("fusion"))
def test_the_gradient_reaches_the_encoder_with_every_fusion(settings, fusion):
    made, _ = registry.describe("fusion", fusion)
    small = {"dim": 8, "heads": 2, "rank": 2, "latents": 3, "experts": 3}
    light = made(**{name: v for name, v in small.items() if name in made.model_fields})
    if settings.kind == "mask":
        settings = settings.model_copy(update={"evidence": "both"})
    model = make("test_vit", light)
    model.train()
    loss = value(settings, model, rows(6))
    assert torch.isfinite(loss)
    loss.backward()
    assert reached(model) > 0


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
@pytest.mark.parametrize(
    "encoder", ["test_resnet", "test_vit2", "test_vit3", "test_convnext", "test_maxvit"]
)
def test_the_gradient_reaches_every_kind_of_encoder(settings, encoder):
    if settings.kind == "mask":
        settings = settings.model_copy(update={"evidence": "both"})
    model = make(encoder)
    model.train()
    loss = value(settings, model, rows(6))
    loss.backward()
    assert torch.isfinite(loss)
    assert reached(model) > 0


@pytest.mark.parametrize("kind", [MaskSupervision, ConsistencySupervision])
@pytest.mark.parametrize(
    "fusion", [spec.CrossAttentionFusion, spec.PerceiverFusion, spec.TabAttentionFusion]
)
def test_the_attention_of_a_fusion_can_be_supervised_too(kind, fusion):
    heads = {"heads": 2} if "heads" in fusion.model_fields else {}
    model = make("test_resnet", fusion(dim=8, **heads), attention=True)
    model.train()
    loss = value(kind(map="attention"), model, rows())
    loss.backward()
    assert float(loss.detach()) > 0
    assert reached(model) > 0


# Edges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
def test_rows_without_an_image_do_not_count(settings):
    batch = rows()
    batch.image_present[:] = False
    model = make()
    model.train()
    torch.manual_seed(0)
    assert float(value(settings, model, batch).detach()) == 0

    whole = rows(4)
    whole.image_present[2:] = False
    for images in whole.images.values():
        images[2:] = torch.nan
    model.eval()
    torch.manual_seed(0)
    some = value(settings, model, whole)
    part = dataclasses.replace(
        whole,
        images={name: images[:2] for name, images in whole.images.items()},
        image_present=whole.image_present[:2], numeric=whole.numeric[:2],
        numeric_present=whole.numeric_present[:2], categorical=whole.categorical[:2],
        target=whole.target[:2], row=whole.row[:2],
        masks={"front": whole.masks["front"][:2]}, mask_present={"front": torch.ones(2).bool()},
    )  # fmt: skip
    torch.manual_seed(0)
    torch.testing.assert_close(some, value(settings, model, part), rtol=1e-4, atol=1e-6)
    some.backward()
    assert math.isfinite(reached(model))


def test_rows_without_a_mask_do_not_count():
    model, batch = make(), rows()
    model.eval()
    settings = MaskSupervision(evidence="both")
    batch.mask_present["front"][:] = torch.tensor([True, False, False, False])
    alone = value(settings, model, batch)
    batch.masks["front"][1:] = 0
    torch.testing.assert_close(value(settings, model, batch), alone)
    batch.mask_present["front"][:] = True  # empty ones do not count either
    torch.testing.assert_close(value(settings, model, batch), alone)
    batch.mask_present["front"][:] = False
    assert float(value(settings, model, batch).detach()) == 0


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
@pytest.mark.parametrize("count", [1, 6])
def test_it_is_finite_with_modality_dropout_and_for_a_lone_row(settings, count):
    model, batch = make(dropout=0.5), rows(count)
    model.train()
    objective = Objective(BINARY, [term(settings)])
    for seed in range(4):
        torch.manual_seed(seed)
        loss = sum(objective(model, batch, NOW).values())
        loss.backward()
        assert torch.isfinite(loss)
        assert math.isfinite(reached(model))


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
@pytest.mark.parametrize("encoder", ["test_resnet", "test_vit"])
def test_mixed_precision_and_the_hooks_of_fabric_do_not_disturb(settings, encoder):
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    plain = make(encoder)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.0)
    model, optimizer = fabric.setup(plain, optimizer)
    model.train()
    batch = rows(4)
    if settings.kind == "mask":
        settings = settings.model_copy(update={"evidence": "both"})
    parts = Objective(BINARY, [term(settings)])(model, batch, NOW)
    fabric.backward(sum(parts.values()))
    assert all(torch.isfinite(part) for part in parts.values())
    assert reached(plain) > 0


def test_running_statistics_learn_from_the_true_images_alone():
    once, thrice = make(), make()
    batch = rows()
    for model in (once, thrice):
        model.train()
    forward(once, batch)
    terms = [term(s) for s in (ClassActivationSupervision(), ConsistencySupervision())]
    Objective(BINARY, terms)(thrice, batch, NOW)
    buffers = dict(once.named_buffers())
    for name, found in thrice.named_buffers():
        torch.testing.assert_close(found, buffers[name], msg=name)


# Scores ------------------------------------------------------------------------------------------


def test_the_score_is_that_of_the_answer():
    logits = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    three = ("a", "b", "c")

    def score(target, classes, values, logits=logits):
        made = fit_task(target, classes, np.asarray(values), Training())
        return made.score(logits, torch.as_tensor(values)).tolist()

    assert score(BinaryTarget(column="y"), ("n", "y"), [0, 1], logits[:, :1]) == [1, 8]
    assert score(MulticlassTarget(column="y"), three, [2, 0]) == [4, 8]
    labels = np.array([[1.0, np.nan, 1.0], [0.0, 0.0, 1.0]])
    assert score(MultilabelTarget(columns=three), three, labels) == [5, 32]
    assert score(OrdinalTarget(column="y", classes=three), three, [2, 0], logits[:, :2]) == [3, 24]
    assert score(RegressionTarget(column="y"), (), [0.5, 2.5], logits[:, :1]) == [1, 8]
    times = np.array([[3.0, 1.0], [5.0, 1.0]])
    assert score(SurvivalTarget(time="t", event="e"), (), times, logits[:, :1]) == [1, 8]
    both = MultitaskTarget(tasks={"y": BinaryTarget(column="y"), "n": RegressionTarget(column="n")})
    values = np.array([[1.0, 0.5], [0.0, np.nan]])
    task = fit_task(both, ("y/n", "y/y"), np.array([[1.0, 0.5], [0.0, 1.5]]), Training())
    assert task.score(logits[:, :2], torch.from_numpy(values)).tolist() == [3, 8]


# Consistency -------------------------------------------------------------------------------------


class Equivariant(torch.nn.Module):
    """A model whose map is its image, seen position by position."""

    def __init__(self):
        super().__init__()
        self.see = torch.nn.Conv2d(1, 3, 1)
        self.say = torch.nn.Linear(3, 1)

    def forward(self, images, image_present, **_):
        source = torch.tanh(self.see(images["front"]))
        logits = self.say(source.mean(dim=(2, 3)))
        shown = ShownImages(source, image_present, ["front"], lambda x: x)
        grids = {"front": tuple(source.shape[2:])}
        evidence = Evidence(logits, [shown], shown={"front": image_present[:, 0]}, grids=grids)
        return ModelOutput(logits, {}, evidence=evidence)


@pytest.mark.parametrize("size", [(12, 12), (8, 12)])
def test_an_equivariant_model_is_perfectly_consistent(size):
    model = Equivariant()
    batch = dataclasses.replace(
        rows(), images={"front": torch.randn(4, 1, *size)}, image_present=torch.ones(4, 1).bool()
    )
    settings = ConsistencySupervision(outputs=1.0)
    found = create(settings, task=BINARY, views=("front",))
    for seed in range(12):
        torch.manual_seed(seed)
        loss = found.measure(model, batch, model(batch.images, batch.image_present))
        assert float(loss.detach()) < 1e-6


def test_every_turn_is_drawn_and_none_changes_nothing():
    images = torch.arange(16.0).reshape(1, 4, 4)
    torch.manual_seed(0)

    def drawn(square=True, **changes):
        turns = [draw_turn(ConsistencySupervision(**changes), square=square) for _ in range(200)]
        results = {tuple(turn(images).flatten().tolist()) for turn in turns}
        assert tuple(images.flatten().tolist()) not in results
        return len(results)

    assert drawn() == 7
    assert drawn(rotate=False) == 2
    assert drawn(flip=False) == 3
    assert drawn(flip=False, square=False) == 1
    assert drawn(square=False) == 3
    wide = draw_turn(ConsistencySupervision(), square=False)(torch.zeros(2, 4, 6))
    assert wide.shape == (2, 4, 6)


def test_a_part_is_enlarged_about_its_place():
    ramp = torch.linspace(-1, 1, 64).expand(1, 64, 64)
    found = Turn(0, flip=False, zoom=2.0, place=(0.5, 1.0))(ramp)
    torch.testing.assert_close(
        found[0, 0, 2:-2], (1 + torch.linspace(-1, 1, 64))[2:-2] / 2, atol=0.02, rtol=0
    )
    torch.manual_seed(3)
    turn = draw_turn(ConsistencySupervision(scale=0.5), square=True)
    assert 1 <= turn.zoom <= 1.5


def test_every_kind_of_supervision_is_registered():
    kinds = set(registry.list_kinds("supervision"))
    assert kinds == {settings.kind for settings in KINDS}
    assert all(issubclass(registry.describe("supervision", k)[1], SupervisionTerm) for k in kinds)
