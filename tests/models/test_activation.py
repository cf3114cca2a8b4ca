"""Class-activation maps: equal to Grad-CAM worked out independently, with any encoder and fusion."""

from pathlib import Path

import pytest
import torch

import medfusion.models.multimodal  # noqa: F401 - registers every kind
from medfusion import registry, spec
from medfusion.errors import InputError
from medfusion.models import MultimodalModel
from medfusion.models.activation import class_activation
from medfusion.models.backbones import TimmEncoder
from medfusion.spec.supervision import ATTENDING

SIZE = 64
FUSIONS = registry.list_kinds("fusion")
AGGREGATORS = registry.list_kinds("views")
ENCODERS = [
    "test_resnet", "test_byobnet", "test_efficientnet", "test_convnext", "test_nfnet",
    "test_mambaout", "test_vit", "test_vit2", "test_vit3", "test_vit_relpos", "test_maxvit",
    "test_coatnet", "swin",
]  # fmt: skip
"""Convolutions, states, class token, register tokens, attention pooling, windows in NHWC."""


@pytest.fixture(scope="module", autouse=True)
def _small_swin():
    """Teach timm a Swin of test size: it has none."""
    from timm.models import swin_transformer

    def small(name, **options):
        small_sizes = {"embed_dim": 16, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4}
        return original(name, **{**options, **small_sizes})

    original = swin_transformer._create_swin_transformer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swin_transformer, "_create_swin_transformer", small)
        yield


def make(encoder="test_resnet", fusion=None, views_of=None):
    torch.manual_seed(0)
    name = "swin_tiny_patch4_window7_224" if encoder == "swin" else encoder
    return MultimodalModel(
        spec.Model(
            image=spec.TimmEncoder(name=name),
            fusion=fusion or spec.GatedFusion(dim=8),
            views=views_of or spec.MeanViews(),
            modality_dropout=0.0,
        ),
        views=dict.fromkeys(("front", "side"), (1, SIZE, SIZE)),
        numeric=2,
        categories=[3],
        outputs=3,
        folder=Path(),
    )


def rows(count=4):
    torch.manual_seed(0)
    return {
        "images": {name: torch.randn(count, 1, SIZE, SIZE) for name in ("front", "side")},
        "image_present": torch.ones(count, 2).bool(),
        "numeric": torch.randn(count, 2),
        "numeric_present": torch.ones(count, 2).bool(),
        "categorical": torch.ones(count, 1).long(),
    }


def light(kind, family="fusion"):
    made, _ = registry.describe(family, kind)
    small = {"dim": 8, "heads": 2, "rank": 2, "latents": 3, "experts": 3, "hidden": 8}
    return made(**{name: value for name, value in small.items() if name in made.model_fields})


def by_hand(model, inputs, column, view, arrange, module):
    """Grad-CAM of one view by hooks on a module of the body, image by image, in plain loops."""
    model.eval()
    maps = []
    for row in range(len(inputs["numeric"])):
        kept = []
        one = {
            name: {n: v[row : row + 1] for n, v in value.items()}
            if isinstance(value, dict)
            else value[row : row + 1]
            for name, value in inputs.items()
        }
        handle = module.register_forward_hook(lambda _m, _i, out, kept=kept: kept.append(out))
        logits = model(**one).logits
        handle.remove()
        (features,) = kept
        (slope,) = torch.autograd.grad(logits[0, column], features)
        place = list(one["images"]).index(view)
        f, g = (arrange(x)[place].detach().numpy() for x in (features, slope))
        weights = g.reshape(g.shape[0], -1).mean(axis=1)
        total = sum(weights[k] * f[k] for k in range(len(weights)))
        maps.append(torch.from_numpy(total))
    return torch.stack(maps)


def tokens(prefix, side):
    return lambda x: x[:, prefix:].transpose(1, 2).reshape(len(x), x.shape[2], side, side)


@pytest.mark.parametrize(
    ("encoder", "module", "arrange"),
    [
        ("test_resnet", lambda body: body.layer2, lambda x: x),
        ("test_vit2", lambda body: body.blocks[-1], tokens(1, 4)),
        ("test_vit", lambda body: body.blocks[-2], tokens(1, 4)),
        ("swin", lambda body: body.norm, lambda x: x.permute(0, 3, 1, 2)),
    ],
)
@pytest.mark.parametrize("fusion", ["gated", "cross-attention"])
def test_maps_are_grad_cam(encoder, module, arrange, fusion):
    model, inputs = make(encoder, light(fusion)), rows()
    for column in (0, 1):
        shown = class_activation(model, inputs, lambda logits: logits[:, column])  # noqa: B023
        model.eval()
        model.keep_evidence()
        evidence = model(**inputs).evidence
        signed = evidence.activation(evidence.logits[:, column])
        model.keep_evidence(False)
        for view in ("front", "side"):
            wanted = by_hand(model, inputs, column, view, arrange, module(model.image.body))
            size = float(wanted.abs().max())
            assert size > 0
            torch.testing.assert_close(signed[view], wanted, rtol=1e-3, atol=1e-4 * size)
            torch.testing.assert_close(shown[view], wanted.relu(), rtol=1e-3, atol=1e-4 * size)


def check(model, *, everything=True):
    """Assert that maps are there, can be learnt from, and are zero where a view is missing."""
    inputs = rows()
    inputs["image_present"][0] = False
    inputs["image_present"][1, 0] = False
    inputs["images"]["front"][:2] = torch.nan
    inputs["images"]["side"][0] = torch.nan
    model.train()
    model.keep_evidence()
    evidence = model(**inputs).evidence
    maps = evidence.activation(evidence.logits[:, 0], create_graph=True)
    assert maps["front"].shape == (4, *model.image.map_source.grids[SIZE, SIZE])
    for name, places in (("front", [2, 3]), ("side", [1, 2, 3])):
        there = maps[name].abs().amax(dim=(1, 2)) > 0
        assert not there[[row for row in range(4) if row not in places]].any()
        assert not everything or there[places].all(), "a map is zero"
    loss = sum((found / found.detach().abs().max()).square().sum() for found in maps.values())
    loss.backward()
    grads = [p.grad for p in model.image.parameters() if p.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)
    assert sum(float(grad.abs().sum()) for grad in grads) > 0, "no gradient reaches the encoder"


@pytest.mark.parametrize("encoder", ENCODERS)
def test_maps_of_every_kind_of_encoder_can_be_learnt_from(encoder):
    check(make(encoder))


@pytest.mark.parametrize("side", [32, 64, 224])
@pytest.mark.parametrize(
    "name", ["test_resnet", "test_convnext", "test_maxvit", "swin_tiny_patch4_window7_224"]
)
def test_a_map_is_taken_where_it_is_fine_enough(name, side):
    size = (side, side)
    image = TimmEncoder(spec.TimmEncoder(name=name), channels=1, sizes=[size], folder=Path())
    image.trace()
    height, width = image.map_source.grids[size]
    assert 7 <= height == width <= side / 4
    assert (image.map_source.name == "") == (image.grid(size)[0] >= 7)
    assert image.map_source.name or image.grid(size) == (height, width)


@pytest.mark.parametrize("encoder", ["test_resnet", "test_vit"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_maps_with_every_fusion_can_be_learnt_from(fusion, encoder):
    check(make(encoder, light(fusion)))


@pytest.mark.parametrize("kind", AGGREGATORS)
def test_maps_with_every_aggregator_can_be_learnt_from(kind):
    views = light(kind, "views")
    # The highest or the largest need not come from every view.
    check(make(views_of=views), everything=kind not in {"max", "top-mean"})


def test_only_who_is_asked_keeps_anything():
    model, inputs = make(fusion=light("cross-attention")), rows()
    plain = model.eval()(**inputs)
    assert plain.evidence is None
    model.keep_evidence(attention=True)
    asked = model(**inputs)
    assert asked.evidence is not None
    torch.testing.assert_close(asked.logits, plain.logits)
    with torch.no_grad():
        assert model(**inputs).evidence is None
    model.keep_evidence(False)
    again = model(**inputs)
    assert again.evidence is None
    assert torch.equal(again.logits, plain.logits)
    assert not model.fusion.return_weights


@pytest.mark.parametrize("encoder", ["test_resnet", "test_vit"])
def test_a_frozen_encoder_has_the_same_maps_and_the_model_stays_as_it_was(encoder):
    model, inputs = make(encoder), rows()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    free = class_activation(model, inputs, lambda logits: logits[:, 2])
    for parameter in model.image.parameters():
        parameter.requires_grad_(False)
    frozen = class_activation(model, inputs, lambda logits: logits[:, 2])
    for name, found in free.items():
        torch.testing.assert_close(found, frozen[name])
        assert not found.requires_grad
        assert (found >= 0).all()
    assert model.training
    assert model.keeps == (False, False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", FUSIONS)
def test_fusions_that_attend_to_positions_say_how_much(kind):
    model, inputs = make(fusion=light(kind)), rows()
    model.train()
    model.keep_evidence(attention=True)
    evidence = model(**inputs).evidence
    if kind not in ATTENDING:
        with pytest.raises(ValueError, match="not kept"):
            evidence.attended()
        return
    maps = evidence.attended()
    grid = model.image.grid((SIZE, SIZE))
    assert {name: found.shape for name, found in maps.items()} == {
        "front": (4, *grid), "side": (4, *grid)
    }  # fmt: skip
    whole = sum(found.sum(dim=(1, 2)) for found in maps.values())
    assert (whole > 0).all()
    if kind == "cross-attention":  # a table's queries share their attention out over the positions
        torch.testing.assert_close(whole, torch.ones(4))
    # Attention is even at first: what is wanted is its gradient, not its size.
    (maps["front"] * torch.randn(4, *grid)).sum().backward()
    reached = sum(float(p.grad.abs().sum()) for p in model.image.parameters() if p.grad is not None)
    assert reached > 0


def test_without_images_there_are_no_maps():
    model = MultimodalModel(
        spec.Model(), views={}, numeric=2, categories=[], outputs=1, folder=Path()
    )
    with pytest.raises(InputError, match="no image encoder"):
        model.keep_evidence()
    model, inputs = make(), rows()
    inputs["image_present"][:] = False
    model.keep_evidence()
    evidence = model(**inputs).evidence
    maps = evidence.activation(evidence.logits[:, 0], create_graph=True)
    assert all(found.shape == (4, 8, 8) and not found.any() for found in maps.values())


def test_an_encoder_whose_answer_comes_from_no_map_is_refused(monkeypatch):
    model = make("test_vit")
    monkeypatch.setattr(model.image.body, "forward_head", lambda raw, pre_logits: raw[:, 0] * 0)  # noqa: ARG005
    with pytest.raises(InputError, match="no feature map that its answer comes from"):
        model.keep_evidence()


def test_under_mixed_precision_the_maps_are_nearly_the_same():
    model, inputs = make(), rows()
    exact = class_activation(model, inputs, lambda logits: logits[:, 0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = class_activation(model, inputs, lambda logits: logits[:, 0].float())
    for name, found in exact.items():
        assert rough[name].dtype == torch.float32
        torch.testing.assert_close(rough[name], found, rtol=0.1, atol=0.05 * float(found.max()))
