"""TabM: its members are perceptrons of their own, and are trained and averaged as such."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from medfusion import spec
from medfusion.data.batch import Batch
from medfusion.models import MultimodalModel
from medfusion.models.tabular.tabm import EnsembleLinear
from medfusion.registry import create
from medfusion.training.objective import Moment, Objective
from medfusion.training.tasks import fit_task

SMALL = spec.TabMEncoder(members=3, hidden=(6, 5), embedding=4, dropout=0.0)
BINS = [[-1.0, 0.0, 1.0], []]


def make(settings=SMALL, seed=0):
    torch.manual_seed(seed)
    return create(settings, numeric=2, categories=[5], bins=BINS)


def inputs(rows=4):
    torch.manual_seed(1)
    return torch.randn(rows, 2), torch.rand(rows, 2) > 0.3, torch.randint(0, 5, (rows, 1))


def scramble(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


def test_members_are_perceptrons_with_the_elementwise_products_as_matrices():
    encoder, batch = scramble(make()), inputs()
    features = encoder(*batch)
    x = encoder.columns(*batch).flatten(1)
    for i in range(3):
        h = x
        for layer in (encoder.layers[0], encoder.layers[3]):
            r, s, b = (value.view(3, -1)[i] for value in (layer.r, layer.s, layer.bias))
            h = functional.linear(h, layer.weight * torch.outer(s, r), b).relu()
        torch.testing.assert_close(features.members[:, i], h, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.vector, features.members.mean(dim=1))


def test_one_member_with_adapters_of_one_is_the_plain_mlp():
    encoder = make(SMALL.model_copy(update={"members": 1}))
    plain = create(
        spec.MLPEncoder(hidden=(6, 5), embedding=4), numeric=2, categories=[5], bins=BINS
    )
    with torch.no_grad():
        for layer in (encoder.layers[0], encoder.layers[3]):
            layer.r.fill_(1)
            layer.s.fill_(1)
    shared = {k: v for k, v in encoder.state_dict().items() if not k.endswith((".r", ".s"))}
    plain.load_state_dict(shared)
    batch = inputs()
    torch.testing.assert_close(encoder.eval()(*batch).vector, plain.eval()(*batch).vector)


def test_adapters_begin_as_signs_per_column_and_ones():
    encoder = make(SMALL.model_copy(update={"members": 64}))
    first = encoder.layers[0].r.view(64, 3, 4)
    assert set(first.detach().unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(first, first[..., :1].expand_as(first))
    for parameter in (encoder.layers[0].s, encoder.layers[3].r, encoder.layers[3].s):
        assert torch.equal(parameter, torch.ones_like(parameter))


def test_adapters_are_spared_by_weight_decay():
    matrices = {name for name, p in make().named_parameters() if p.ndim >= 2}
    assert matrices == {
        "columns.weight", "columns.known", "columns.piecewise.weight", "layers.0.weight",
        "layers.3.weight",
    }  # fmt: skip


def test_the_layer_is_one_linear_layer_per_member():
    layer = scramble(EnsembleLinear(4, 3, members=2))
    x = torch.randn(5, 2, 4)
    r, s = layer.r.view(2, 4), layer.s.view(2, 3)
    expected = torch.einsum("bki,oi,ki,ko->bko", x, layer.weight, r, s) + layer.bias.view(2, 3)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


# In a model -----------------------------------------------------------------------------------


def model_of(settings=SMALL, *, images=False, task=None, outputs=1, **rest):
    torch.manual_seed(0)
    return MultimodalModel(
        spec.Model(
            image=spec.TimmEncoder(name="test_resnet") if images else None,
            table=settings,
            fusion=spec.GatedFusion(dim=8),
            modality_dropout=0.0,
            **rest,
        ),
        views={"photo": (1, 32, 32)} if images else {},
        numeric=2,
        categories=[5],
        outputs=outputs,
        folder=Path(),
        bins=BINS,
        **({} if task is None else {"combine": task.combine}),
    )


def batch_of(rows=6, images=False, classes=2):
    numeric, there, codes = inputs(rows)
    return Batch(
        row=np.arange(rows),
        images={"photo": torch.randn(rows, 1, 32, 32)} if images else {},
        image_present=torch.ones(rows, int(images)).bool(),
        numeric=numeric,
        numeric_present=there,
        categorical=codes,
        target=torch.arange(rows) % classes,
    )


def binary():
    return fit_task(spec.BinaryTarget(column="y"), ("n", "y"), np.array([0, 1]), spec.Training())


def multiclass():
    return fit_task(
        spec.MulticlassTarget(column="y"), ("a", "b", "c"), np.array([0, 1, 2]), spec.Training()
    )


def regression():
    return fit_task(spec.RegressionTarget(column="y"), (), np.array([1.0, 5.0]), spec.Training())


def output_of(model, batch):
    return model(
        images=batch.images,
        image_present=batch.image_present,
        numeric=batch.numeric,
        numeric_present=batch.numeric_present,
        categorical=batch.categorical,
    )


@pytest.mark.parametrize("task", [binary(), multiclass(), regression()], ids=lambda t: t.kind)
def test_alone_the_prediction_is_the_mean_of_the_members_predictions(task):
    model = model_of(task=task, outputs=task.outputs).eval()
    scramble(model)
    output = output_of(model, batch_of())
    assert output.members.weight is None
    assert output.members.outputs.shape == (6, 3, task.outputs)
    each = [task.predictions(output.members.outputs[:, i]) for i in range(3)]
    np.testing.assert_allclose(
        task.predictions(output.logits), np.mean(each, axis=0), rtol=1e-5, atol=1e-6
    )


def test_sure_members_do_not_overflow():
    extreme = torch.tensor([[[500.0], [-500.0], [500.0]]])
    assert binary().predictions(binary().combine(extreme))[0, 1] == pytest.approx(2 / 3, abs=1e-6)
    three = torch.tensor([[[800.0, 0, -800], [-800.0, 0, 800]]])
    found = multiclass().predictions(multiclass().combine(three))[0]
    np.testing.assert_allclose(found, [0.5, 0, 0.5], atol=1e-6)


def test_alone_the_loss_is_the_mean_of_the_members_losses():
    task, batch = binary(), batch_of()
    model = model_of(task=task)
    parts = Objective(task)(model, batch, Moment(0, 1))
    outputs = output_of(model, batch).members.outputs
    expected = np.mean([float(task.loss(outputs[:, i], batch.target).detach()) for i in range(3)])
    assert set(parts) == {"task"}
    assert float(parts["task"].detach()) == pytest.approx(expected, rel=1e-6)
    assert model.fusion is None
    assert model.head is None
    parts["task"].backward()
    assert all(p.grad is not None for p in model.parameters())


def test_each_members_head_is_trained_by_its_own_loss():
    task, batch = binary(), batch_of()
    model = model_of(task=task)
    Objective(task)(model, batch, Moment(0, 1))["task"].backward()
    whole = [head.linear.weight.grad.clone() for head in model.members.heads]
    model.zero_grad()
    outputs = output_of(model, batch).members.outputs
    (task.loss(outputs[:, 1], batch.target) / 3).backward()
    own = model.members.heads[1].linear.weight.grad
    torch.testing.assert_close(own, whole[1])
    assert not model.members.heads[0].linear.weight.grad.any()


def test_in_a_fusion_the_members_have_a_part_of_the_loss_over_rows_with_a_table():
    task, batch = binary(), batch_of(images=True)
    batch.numeric_present[:2], batch.categorical[:2] = False, 0
    batch.numeric_present[2:] = True
    model = model_of(images=True)
    parts = Objective(task)(model, batch, Moment(0, 1))
    assert list(parts) == ["task", "members"]
    outputs = output_of(model, batch).members.outputs[2:]
    own = [float(task.loss(outputs[:, i], batch.target[2:]).detach()) for i in range(3)]
    assert float(parts["members"].detach()) == pytest.approx(0.3 * np.mean(own), rel=1e-5)
    sum(parts.values()).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    assert output_of(model, batch).members is None


def test_without_any_row_with_a_table_the_members_loss_is_nothing():
    task, batch = binary(), batch_of(images=True)
    batch.numeric_present[:], batch.categorical[:] = False, 0
    parts = Objective(task)(model_of(images=True), batch, Moment(0, 1))
    assert float(parts["members"].detach()) == 0
    sum(parts.values()).backward()


def test_a_weight_of_nothing_leaves_the_members_without_heads():
    settings = SMALL.model_copy(update={"member_loss": 0.0})
    assert model_of(settings, images=True).members is None
    assert model_of(settings).members is not None


def test_saved_and_loaded_it_is_the_same():
    model, batch = scramble(model_of()), batch_of()
    other = model_of()
    other.load_state_dict(model.state_dict())
    assert torch.equal(output_of(other.eval(), batch).logits, output_of(model.eval(), batch).logits)


def test_rows_of_an_empty_table_and_bfloat16_are_finite():
    task, batch = binary(), batch_of()
    batch.numeric_present[:], batch.categorical[:] = False, 0
    batch.numeric[:] = torch.nan
    model = model_of(task=task)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = Objective(task)(model, batch, Moment(0, 1))
    assert parts["task"].isfinite()
    parts["task"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
