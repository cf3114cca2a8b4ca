"""The assembly: any modalities, any views, anything missing, and nothing that leaks."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models import MultimodalModel

FUSIONS = [
    spec.ConcatenateFusion(dim=16),
    spec.GatedFusion(dim=16),
    spec.AttentionFusion(dim=16),
    spec.CrossAttentionFusion(dim=16),
    spec.BilinearFusion(dim=16, rank=2),
    spec.PerceiverFusion(dim=16, latents=4),
    spec.KroneckerFusion(dim=16, width=4),
    spec.MFBFusion(dim=16, factors=2),
    spec.FiLMFusion(dim=16),
    spec.DAFTFusion(dim=16),
    spec.TabAttentionFusion(dim=16),
    spec.MixtureOfExpertsFusion(dim=16),
    spec.LateFusion(dim=16),
    spec.ProductOfExpertsFusion(dim=16),
]
TWO = {"front": (1, 32, 32), "side": (1, 32, 32)}
KINDS = ["image+table", "image", "table"]

every_fusion = pytest.mark.parametrize("fusion", FUSIONS, ids=lambda s: s.kind)
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(fusion=FUSIONS[1], kind="image+table", views=None, seed=0, outputs=2, **settings):
    torch.manual_seed(seed)
    image = settings.pop("image", spec.TimmEncoder(name="test_resnet"))
    settings = {"modality_dropout": 0.0, **settings}
    return MultimodalModel(
        spec.Model(image=image, fusion=fusion, **settings),
        views=(views or TWO) if "image" in kind else {},
        numeric=2 if "table" in kind else 0,
        categories=[4, 3] if "table" in kind else [],
        outputs=outputs,
        folder=Path(),
    )


def patterns(kind):
    """Inputs with one row per subset of the two views and of the table."""
    rows = list(itertools.product([True, False], repeat=3))
    shown = torch.tensor([row[:2] for row in rows])
    table = torch.tensor([row[2] for row in rows])
    torch.manual_seed(1)
    codes = torch.randint(1, 3, (8, 2)) * table[:, None]
    batch = {
        "images": {name: torch.randn(8, *shape) for name, shape in TWO.items()},
        "image_present": shown,
        "numeric": torch.randn(8, 2),
        "numeric_present": table[:, None] & torch.tensor([True, False]),
        "categorical": codes,
    }
    if "image" not in kind:
        batch |= {"images": {}, "image_present": torch.zeros(8, 0).bool()}
    if "table" not in kind:
        batch |= {
            "numeric": torch.zeros(8, 0),
            "numeric_present": torch.zeros(8, 0).bool(),
            "categorical": torch.zeros(8, 0).long(),
        }
    return batch


def spoilt(batch):
    """The same batch with NaN wherever nothing is present."""
    changed = dict(batch)
    changed["images"] = {
        name: torch.where(batch["image_present"][:, v, None, None, None], image, torch.nan)
        for v, (name, image) in enumerate(batch["images"].items())
    }
    changed["numeric"] = torch.where(batch["numeric_present"], batch["numeric"], torch.nan)
    return changed


def rows_of(batch, rows):
    return {
        name: {k: v[rows] for k, v in value.items()} if name == "images" else value[rows]
        for name, value in batch.items()
    }


@every_fusion
@every_kind
def test_every_pattern_is_finite_and_absent_content_is_not_read(fusion, kind):
    model, batch = make(fusion, kind), patterns(kind)
    for train in (True, False):
        model.train(train)
        torch.manual_seed(2)
        output = model(**batch)
        state = {k: v.clone() for k, v in model.state_dict().items()}
        assert output.logits.shape == (8, 2)
        assert output.logits.isfinite().all()
        if train:
            continue
        again = model(**spoilt(batch))
        torch.testing.assert_close(again.logits, output.logits, rtol=0, atol=0)
        for name, value in output.aux.items():
            torch.testing.assert_close(again.aux[name], value, rtol=0, atol=0)
        assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


@every_fusion
@every_kind
def test_training_on_spoilt_rows_gives_the_same_gradients(fusion, kind):
    gradients, statistics = [], []
    for batch in (patterns(kind), spoilt(patterns(kind))):
        model = make(fusion, kind).train()
        torch.manual_seed(2)
        model(**batch).logits.square().sum().backward()
        gradients.append({n: p.grad for n, p in model.named_parameters()})
        statistics.append(dict(model.named_buffers()))
    for name, gradient in gradients[0].items():
        assert gradient is not None, name
        torch.testing.assert_close(gradients[1][name], gradient, rtol=0, atol=0)
    for name, value in statistics[0].items():
        torch.testing.assert_close(statistics[1][name], value, rtol=0, atol=0)


@every_fusion
def test_gradient_reaches_both_encoders(fusion):
    model = make(fusion, image=spec.TimmEncoder(name="test_vit")).train()
    model(**patterns("image+table")).logits.square().sum().backward()
    for part in (model.image, model.table, model.fusion, model.head):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in part.parameters())
        assert any(p.grad.any() for p in part.parameters())


@every_fusion
def test_order_of_the_views_dictionary_does_not_matter(fusion):
    model, batch = make(fusion).eval(), patterns("image+table")
    turned = batch | {"images": dict(reversed(batch["images"].items()))}
    torch.testing.assert_close(model(**turned).logits, model(**batch).logits, rtol=0, atol=0)


@every_fusion
def test_saved_and_loaded_it_is_the_same(fusion):
    model, other, batch = make(fusion), make(fusion, seed=9), patterns("image+table")
    model(**batch)
    other.load_state_dict(model.state_dict())
    model.eval(), other.eval()
    torch.testing.assert_close(other(**batch).logits, model(**batch).logits, rtol=0, atol=0)


def test_modalities_and_their_parts():
    assert make().modalities == ("image", "table")
    assert make(kind="image").modalities == ("image",)
    table = make(kind="table")
    assert table.modalities == ("table",)
    assert table.encoder_parameters() == []
    model = make()
    inside = {id(p) for p in model.encoder_parameters()}
    assert inside == {id(p) for n, p in model.named_parameters() if n.startswith("image.")}


def test_defaults_of_the_spec_fill_in():
    model = MultimodalModel(
        spec.Model(), views={"x": (3, 32, 32)}, numeric=1, categories=[], outputs=1, folder=Path()
    )
    assert model.image.name == "resnet18"
    assert model.table.width.vector == 32


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(InputError, match="nothing to learn from"):
        make(kind="")
    with pytest.raises(InputError, match="same number of channels"):
        make(views={"a": (1, 32, 32), "b": (3, 32, 32)})


def test_a_table_of_nothing_but_missing_cells_is_absent():
    model, batch = make().eval(), patterns("image+table")
    gates = model(**batch).aux["gates"]
    # Rows 6 and 7 have no view; row 7 no table either, so there e_m stand for both.
    assert not torch.allclose(gates[6], gates[7])
    lone = make(FUSIONS[2]).eval()(**batch).aux["weights"]
    expected = torch.stack([batch["image_present"].any(1), batch["numeric_present"].any(1)], 1)
    assert torch.equal(lone[:7] > 0, expected[:7])


def test_absent_images_do_not_enter_the_statistics_of_batch_norm():
    batch = patterns("image")
    shown = batch["image_present"]
    model, oracle = make(kind="image").train(), make(kind="image").train()
    model(**spoilt(batch))
    stacked = torch.stack(list(batch["images"].values()), dim=1)
    oracle.image(stacked[shown])
    for (name, value), other in zip(
        model.image.named_buffers(), oracle.image.buffers(), strict=True
    ):
        torch.testing.assert_close(value, other, msg=name)
    assert float(model.image.body.state_dict()["conv1.1.running_mean"].abs().sum()) > 0


def test_the_mean_of_views_is_of_those_present():
    model, batch = make(kind="image").eval(), patterns("image")
    seen = []
    model.fusion.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]["image"]))
    model(**batch)
    front, side = (model.image(image) for image in batch["images"].values())
    vector, tokens, mask, _ = seen[0]
    torch.testing.assert_close(vector[0], (front.vector[0] + side.vector[0]) / 2)
    torch.testing.assert_close(vector[2], front.vector[2])
    torch.testing.assert_close(vector[4], side.vector[4])
    positions = tokens.shape[1] // 2
    assert positions == model.image.positions((32, 32))
    torch.testing.assert_close(tokens[4, positions:], side.map.flatten(2).transpose(1, 2)[4])
    assert torch.equal(mask[:, 0], batch["image_present"][:, 0])
    assert torch.equal(mask[:, -1], batch["image_present"][:, 1])


def test_views_of_several_sizes():
    views = {"wide": (1, 32, 64), "small": (1, 32, 32)}
    model, batch = make(spec.CrossAttentionFusion(dim=16), views=views), patterns("image+table")
    batch["images"] = {name: torch.randn(8, *shape) for name, shape in views.items()}
    assert model.eval()(**batch).logits.isfinite().all()
    model.train()(**spoilt(batch)).logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@every_fusion
@every_kind
@pytest.mark.parametrize("rows", [[], [0], [7], [6, 7]], ids=["none", "one", "empty", "no-image"])
def test_small_batches_and_batches_without_images(fusion, kind, rows):
    model, batch = make(fusion, kind).train(), rows_of(patterns(kind), rows)
    logits = model(**batch).logits
    assert logits.shape == (len(rows), 2)
    assert logits.isfinite().all()
    logits.sum().backward()


def test_a_single_image_among_many_rows_trains():
    batch = patterns("image")
    batch["image_present"] = torch.zeros(8, 2).bool()
    batch["image_present"][3, 1] = True
    model = make(kind="image").train()
    model(**batch).logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.image.parameters() if p.grad is not None)


@every_fusion
def test_mixed_precision_and_deterministic_algorithms(fusion):
    batch = spoilt(patterns("image+table"))
    torch.use_deterministic_algorithms(mode=True)
    try:
        for train in (True, False):
            model = make(fusion, modality_dropout=0.3).train(train)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(**batch).logits.float()
            assert logits.isfinite().all()
            logits.sum().backward()
            assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    finally:
        torch.use_deterministic_algorithms(mode=False)


def test_modality_dropout_acts_in_training_only_and_is_replayed():
    batch = patterns("image+table")
    batch["image_present"][:], batch["numeric_present"][:] = True, True
    model = make(FUSIONS[2], modality_dropout=0.5)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    weights = model.train()(**batch).aux["weights"]
    assert (weights == 0).any()
    assert ((weights > 0).any(dim=1)).all()
    torch.set_rng_state(state)
    assert torch.equal(model(**batch).aux["weights"], weights)
    assert (model.eval()(**batch).aux["weights"] > 0).all()


def test_attention_over_positions_and_columns_comes_out_when_asked():
    model, batch = make(spec.CrossAttentionFusion(dim=16, heads=2)).eval(), patterns("image+table")
    assert model(**batch).aux == {}
    model.fusion.return_weights = True
    aux = model(**batch).aux
    positions = model.image.positions((32, 32))
    assert aux["attention/table"].shape == (8, 1, 2, 1 + 4, 2 * positions)
    assert aux["attention/image"].shape == (8, 1, 2, 1 + 2 * positions, 4)


def test_gradient_checkpointing_needs_an_image_encoder():
    make().set_grad_checkpointing()
    with pytest.raises(InputError, match="no image encoder"):
        make(kind="table").set_grad_checkpointing()


def test_importing_the_package_does_not_import_torch():
    code = (
        "import sys, medfusion.models as m; dir(m); "
        "print([n for n in ('torch', 'timm', 'numpy') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    import medfusion.models

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = medfusion.models.Nothing
