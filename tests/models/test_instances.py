"""Views of several instances in the model: masks, tokens, memory, gradients."""

from pathlib import Path

import pytest
import torch

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models import MultimodalModel
from medfusion.models.backbones import TimmEncoder
from medfusion.models.instances import InstanceEncoder

FUSIONS = [
    spec.ConcatenateFusion(dim=16),
    spec.GatedFusion(dim=16),
    spec.AttentionFusion(dim=16),
    spec.CrossAttentionFusion(dim=16),
    spec.BilinearFusion(dim=16, rank=2),
]
AGGREGATORS = [
    spec.MeanViews(),
    spec.MaxViews(),
    spec.TopMeanViews(top=2),
    spec.AttentionViews(hidden=8),
    spec.GatedAttentionViews(hidden=8),
    spec.CrossViewAttention(embeddings=False, dropout=0.0),
    spec.TransMILViews(dim=16, heads=2, dropout=0.0),
]
VIEWS = {"ct": (1, 32, 32), "photo": (1, 32, 32), "bag": (1, 24, 24)}
PLACES = {"ct": 4, "bag": None}

every_fusion = pytest.mark.parametrize("fusion", FUSIONS, ids=lambda s: s.kind)
every_aggregator = pytest.mark.parametrize("instances", AGGREGATORS, ids=lambda s: s.kind)


def make(fusion=FUSIONS[1], instances=AGGREGATORS[4], seed=0, views=VIEWS, **settings):
    torch.manual_seed(seed)
    image = settings.pop("image", spec.TimmEncoder(name="test_resnet"))
    settings = {"modality_dropout": 0.0, **settings}
    return MultimodalModel(
        spec.Model(image=image, fusion=fusion, instances=instances, **settings),
        views=views,
        numeric=1,
        categories=[],
        outputs=2,
        folder=Path(),
        instances=PLACES,
    )


def batch(side=24):
    """Rows with every pattern of the three views, and bags of different sizes."""
    torch.manual_seed(1)
    slices = torch.tensor(
        [[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0]]
    ).bool()
    bag = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]).bool()
    photo = torch.tensor([1, 1, 1, 0, 0, 0]).bool()
    return {
        "images": {
            "ct": torch.randn(6, 4, 1, 32, 32),
            "photo": torch.randn(6, 1, 32, 32),
            "bag": torch.randn(6, 3, 1, side, side),
        },
        "image_present": torch.stack([slices.any(1), photo, bag.any(1)], dim=1),
        "instance_present": {"ct": slices, "bag": bag},
        "numeric": torch.randn(6, 1),
        "numeric_present": torch.tensor([[1], [0], [1], [0], [1], [0]]).bool(),
        "categorical": torch.zeros(6, 0).long(),
    }


def spoilt(given):
    """The same batch with NaN wherever nothing is."""
    images = dict(given["images"])
    for name, present in given["instance_present"].items():
        images[name] = torch.where(present[..., None, None, None], images[name], torch.nan)
    photo = given["image_present"][:, 1, None, None, None]
    images["photo"] = torch.where(photo, images["photo"], torch.nan)
    numeric = torch.where(given["numeric_present"], given["numeric"], torch.nan)
    return given | {"images": images, "numeric": numeric}


@every_fusion
def test_absent_instances_are_not_read_with_any_fusion(fusion):
    check_absent(make(fusion))


@every_aggregator
def test_absent_instances_are_not_read_with_any_aggregator(instances):
    check_absent(make(instances=instances))


def check_absent(model):
    given, gradients, statistics = batch(), [], []
    model.eval()
    output, again = model(**given), model(**spoilt(given))
    assert output.logits.isfinite().all()
    torch.testing.assert_close(again.logits, output.logits, rtol=0, atol=0)
    for name, value in output.aux.items():
        torch.testing.assert_close(again.aux[name], value, rtol=0, atol=0)
    for one in (given, spoilt(given)):
        model.zero_grad()
        torch.manual_seed(2)
        model(**one).logits.square().sum().backward()
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters()})
        statistics.append({n: b.clone() for n, b in model.named_buffers()})
    for name, gradient in gradients[0].items():
        assert gradient.isfinite().all(), name
        torch.testing.assert_close(gradients[1][name], gradient, rtol=0, atol=0)
    for name, value in statistics[0].items():
        torch.testing.assert_close(statistics[1][name], value, rtol=0, atol=0)


@every_fusion
def test_gradient_reaches_every_part(fusion):
    views = VIEWS | {"bag": (1, 32, 32)}
    model = make(fusion, image=spec.TimmEncoder(name="test_vit"), views=views).train()
    model(**batch(32)).logits.square().sum().backward()
    for part in (model.image, model.instances.join, model.table, model.fusion, model.head):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in part.parameters())
        assert any(p.grad.any() for p in part.parameters())


@every_aggregator
def test_saved_and_loaded_it_is_the_same(instances):
    model, other = make(instances=instances), make(instances=instances, seed=9)
    model(**batch())
    other.load_state_dict(model.state_dict())
    model.eval(), other.eval()
    torch.testing.assert_close(other(**batch()).logits, model(**batch()).logits, rtol=0, atol=0)


def test_a_row_does_not_depend_on_the_others_nor_on_empty_places():
    model, given = make().eval(), batch()
    whole = model(**given).logits
    for row in range(6):
        one = {
            name: {k: v[row : row + 1] for k, v in value.items()}
            if isinstance(value, dict)
            else value[row : row + 1]
            for name, value in given.items()
        }
        torch.testing.assert_close(model(**one).logits[0], whole[row])
    more = torch.cat([given["images"]["bag"], torch.full((6, 5, 1, 24, 24), torch.nan)], dim=1)
    there = torch.cat([given["instance_present"]["bag"], torch.zeros(6, 5).bool()], dim=1)
    wide = given | {
        "images": given["images"] | {"bag": more},
        "instance_present": given["instance_present"] | {"bag": there},
    }
    torch.testing.assert_close(model(**wide).logits, whole)


def test_a_view_without_any_instance_is_absent_whatever_is_said():
    model, given = make().eval(), batch()
    said = given | {"image_present": torch.ones(6, 3).bool()}
    said["image_present"][:, 1] = given["image_present"][:, 1]
    torch.testing.assert_close(model(**said).logits, model(**given).logits, rtol=0, atol=0)


def test_what_panels_plot_and_what_token_fusions_get():
    model, given = make(FUSIONS[3]).eval(), batch()
    output = model(**given)
    for name in ("ct", "bag"):
        weights = output.aux[f"instances/{name}/weights"]
        present = given["instance_present"][name]
        assert weights.shape == present.shape
        torch.testing.assert_close(weights.sum(dim=1), present.any(dim=1).float())
        assert (weights[~present] == 0).all()
    features, _, _ = model._see(given["images"], given["image_present"], given["instance_present"])
    photo = model.image.positions((32, 32))
    assert features.tokens.shape == (6, 4 + photo + 3, model.image.width.tokens)
    wanted = torch.cat(
        [
            given["instance_present"]["ct"],
            given["image_present"][:, 1:2].expand(6, photo),
            given["instance_present"]["bag"],
        ],
        dim=1,
    )
    assert torch.equal(features.mask, wanted)
    token = model.image(given["images"]["ct"][0, 2:3]).map.mean(dim=(2, 3))[0]
    torch.testing.assert_close(features.tokens[0, 2], token)
    assert (features.tokens[2, :4] == 0).all()


@pytest.mark.parametrize("at_once", [3, 256])
def test_gates_of_attention_blocks_come_out_per_instance(at_once):
    image = spec.TimmEncoder(name="test_resnet", attention=spec.CBAM(stages=(4,)))
    model, given = make(image=image, instances_at_once=at_once).eval(), batch()
    there = given["instance_present"]["bag"]
    found = model(**given).aux["instances/bag/attention/4/spatial"]
    alone = model.image(given["images"]["bag"][there]).gates["4/spatial"]
    torch.testing.assert_close(found[there], alone)
    assert found.shape[:2] == there.shape
    assert (found[~there] == 0).all()
    model.train()
    model(**given).logits.sum().backward()
    given["instance_present"]["bag"][:] = False
    assert not model(**given).aux["instances/bag/attention/4/spatial"].any()


def test_views_aggregate_after_their_instances():
    model, given = make(instances=spec.MeanViews()).eval(), batch()
    features, _, _ = model._see(given["images"], given["image_present"], given["instance_present"])
    ct = model.image(given["images"]["ct"][0]).vector.mean(dim=0)
    photo = model.image(given["images"]["photo"][:1]).vector[0]
    bag = model.image(given["images"]["bag"][0]).vector.mean(dim=0)
    torch.testing.assert_close(features.vector[0], (ct + photo + bag) / 3)


def encoder(seed=0):
    torch.manual_seed(seed)
    settings = spec.TimmEncoder(name="test_resnet", drop_rate=0.3)
    return TimmEncoder(settings, channels=1, sizes=[(32, 32)], folder=Path())


def joined(at_once, settings=None):
    torch.manual_seed(4)
    width = encoder().width.vector
    return InstanceEncoder(
        settings or spec.MeanViews(), width=width, places={"ct": 5}, at_once=at_once
    )


def test_in_parts_it_is_the_same_outside_training():
    images, shown = torch.randn(4, 5, 1, 32, 32), torch.rand(4, 5) > 0.3
    net = encoder().eval()
    with torch.no_grad():
        whole = joined(256)("ct", net, images, shown)
        for at_once in (2, 3, 7):
            parts = joined(at_once)("ct", net, images, shown)
            torch.testing.assert_close(parts.vector, whole.vector)
            torch.testing.assert_close(parts.tokens, whole.tokens)


def test_in_parts_gradients_are_those_of_activations_that_are_kept(monkeypatch):
    images, shown = torch.randn(4, 5, 1, 32, 32), torch.ones(4, 5).bool()
    found = []
    for keep in (True, False):
        if keep:
            monkeypatch.setattr(
                "medfusion.models.instances.checkpoint", lambda f, part, **_: f(part)
            )
        else:
            monkeypatch.undo()
        net = encoder().train()
        torch.manual_seed(7)
        result = joined(8)("ct", net, images, shown)
        (result.vector.square().sum() + result.tokens.sum()).backward()
        found.append((result, dict(net.named_parameters()), dict(net.named_buffers())))
    (kept, first, before), (again, second, after) = found
    torch.testing.assert_close(again.vector, kept.vector, rtol=0, atol=0)
    for name, parameter in first.items():
        torch.testing.assert_close(second[name].grad, parameter.grad)
    for name, value in before.items():  # running statistics move once a part, not twice
        torch.testing.assert_close(after[name], value, rtol=0, atol=0)


def test_in_parts_only_what_is_needed_is_kept():
    """Count what autograd saves: with parts it does not grow with the number of instances."""
    saved = []
    images, shown = torch.randn(2, 16, 1, 32, 32), torch.ones(2, 16).bool()
    for at_once in (256, 4):
        net, kept = encoder().train(), {}

        def note(tensor, kept=kept):
            kept[tensor.data_ptr()] = tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            joined(at_once)("ct", net, images, shown)
        own = {p.data_ptr() for p in net.parameters()} | {images.data_ptr()}
        saved.append(sum(size for place, size in kept.items() if place not in own))
    assert saved[1] < saved[0] / 10


def test_half_precision():
    model, given = make().eval(), batch()
    whole = model(**given).logits
    with torch.autocast("cpu", torch.bfloat16):
        half = model(**given).logits
    assert half.isfinite().all()
    torch.testing.assert_close(half.float(), whole, rtol=0.1, atol=0.1)


def test_nothing_at_all():
    model, given = make().train(), batch()
    empty = given | {
        "image_present": torch.zeros(6, 3).bool(),
        "instance_present": {k: torch.zeros_like(v) for k, v in given["instance_present"].items()},
        "numeric_present": torch.zeros(6, 1).bool(),
    }
    assert model(**empty).logits.isfinite().all()
    assert model.eval()(**spoilt(empty)).logits.isfinite().all()


def test_hidden_views_are_not_encoded():
    model, given = make(modality_dropout=0.9).train(), batch()
    seen = []
    encode = model.image.forward
    model.image.forward = lambda images: seen.append(len(images)) or encode(images)
    torch.manual_seed(0)
    model(**given)
    everything = sum(int(v.sum()) for v in given["instance_present"].values()) + 3
    assert sum(seen) < everything


def test_a_bag_has_no_places_to_learn():
    with pytest.raises(InputError, match="learned-weight needs the same places"):
        make(instances=spec.LearnedWeightViews())
    made = InstanceEncoder(spec.LearnedWeightViews(), width=4, places={"keys": 3}, at_once=2)
    assert len(made.join["view_keys"].scores) == 3
