"""Every family of timm gives one kind of map and vector; frozen parts stand still."""

from pathlib import Path

import pytest
import torch
from torch import nn

from medfusion import spec
from medfusion.errors import InputError, UnknownNameError
from medfusion.models import list_architectures, weight_licence
from medfusion.models.backbones.freezing import stages
from medfusion.registry import create

FAMILIES = {
    "resnet18": (512, 512, 4),
    "convnext_atto": (320, 320, 4),
    "efficientnet_b0": (1280, 1280, 4),
    "mobilenetv3_small_100": (1024, 576, 4),
    "regnetx_002": (368, 368, 4),
    "vit_tiny_patch16_224": (192, 192, 16),
    "deit_tiny_distilled_patch16_224": (192, 192, 16),
    "test_vit2": (64, 64, 16),
}
BIG = {
    "densenet121": (1024, 1024, 4),
    "vit_small_patch16_dinov3": (384, 384, 16),
    "volo_d1_224": (384, 384, 16),
}


def make(name="resnet18", channels=3, size=(64, 64), **settings):
    torch.manual_seed(0)
    settings = spec.TimmEncoder(name=name, **settings)
    return create(settings, channels=channels, sizes=[size], folder=Path())


@pytest.mark.parametrize("name", FAMILIES)
def test_family_gives_a_map_and_a_vector(name):
    vector, tokens, positions = FAMILIES[name]
    encoder = make(name)
    assert encoder.width == (vector, tokens)
    assert encoder.positions((64, 64)) == positions
    images = torch.randn(2, 3, 64, 64)
    found = encoder(images)
    side = int(positions**0.5)
    assert found.vector.shape == (2, vector)
    assert found.map.shape == (2, tokens, side, side)
    (found.vector.square().mean() + found.map.square().mean()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())

    encoder.eval()
    with torch.no_grad():
        raw = encoder.body.forward_features(images)
        pooled = encoder.body.forward_head(raw, pre_logits=True)
        found = encoder(images)
        torch.testing.assert_close(found.vector, pooled, rtol=1e-4, atol=1e-5)
        if raw.ndim == 3:
            # Token k of the map is the patch in row k // side and column k % side.
            prefix = raw.shape[1] - positions
            assert prefix == encoder.body.num_prefix_tokens
            torch.testing.assert_close(found.map.flatten(2).transpose(1, 2), raw[:, prefix:])


@pytest.mark.parametrize("name", BIG)
def test_big_family_has_the_shapes_without_memory(name):
    vector, tokens, positions = BIG[name]
    with torch.device("meta"):
        encoder = make(name)
        found = encoder.eval()(torch.zeros(2, 3, 64, 64))
    side = int(positions**0.5)
    assert encoder.width == (vector, tokens)
    assert found.vector.shape == (2, vector)
    assert found.map.shape == (2, tokens, side, side)


def test_a_map_of_channels_last_features_is_turned_and_normed():
    # The smallest net with Swin's layout that timm has at hand is Swin's own tiny one.
    encoder = make("swin_tiny_patch4_window7_224").eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found, raw = encoder(images), encoder.body.forward_features(images)
        last = encoder.body.forward_intermediates(
            images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )[-1]
    assert raw.shape == (1, 2, 2, 768)
    torch.testing.assert_close(found.map, last)
    torch.testing.assert_close(found.vector, found.map.mean(dim=(2, 3)))


PLACES = {
    "resnet18": 128,
    "densenet121": 128,
    "efficientnet_b0": 224,
    "mobilenetv3_small_100": 224,
    "regnety_002": 128,
    "convnext_atto": 64,
    "convnextv2_atto": 64,
    "vit_tiny_patch16_224": 64,
    "deit_tiny_distilled_patch16_224": 64,
    "eva02_tiny_patch14_224": 56,
    "swin_tiny_patch4_window7_224": 64,
    "hiera_tiny_224": 64,
    "test_vit2": 64,
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_of_the_map_is_that_place_of_the_image(name):
    """A bright quarter of the image changes that quarter of the map most."""
    side = PLACES[name]
    encoder = make(name, channels=1, size=(side, side)).eval()
    for module in encoder.modules():
        # Blocks whose last norm starts at zero would see through to single pixels.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    image = 0.1 * torch.randn(1, 1, side, side)
    spots = image.repeat(4, 1, 1, 1)
    for quarter in range(4):
        _quarter(spots[quarter, 0], quarter).add_(3.0)
    with torch.no_grad():
        change = (encoder(spots).map - encoder(image).map).abs().sum(dim=1)
    moved = torch.stack(
        [torch.stack([_quarter(c, quarter).mean() for quarter in range(4)]) for c in change]
    )
    # Places differ in how much they move at all: borders see less of the image.
    assert (moved / moved.sum(dim=0)).argmax(dim=1).tolist() == [0, 1, 2, 3]


def _quarter(image, quarter):
    height, width = image.shape[0] // 2, image.shape[1] // 2
    top, left = divmod(quarter, 2)
    return image[top * height : (top + 1) * height, left * width : (left + 1) * width]


def test_dinov2_follows_the_images_size_and_refuses_cut_patches():
    with torch.device("meta"):
        encoder = make("vit_small_patch14_dinov2", size=(56, 84))
        assert encoder.positions((56, 84)) == 4 * 6
        found = encoder.eval()(torch.zeros(1, 3, 56, 84))
        assert found.map.shape == (1, 384, 4, 6)
        with pytest.raises(InputError, match=r"multiple of that: set the view's size to 56 or 70"):
            make("vit_small_patch14_dinov2", size=(64, 64))


def test_several_sizes_where_the_architecture_can():
    settings = spec.TimmEncoder(name="vit_tiny_patch16_224")
    sizes = [(64, 64), (32, 96)]
    encoder = create(settings, channels=3, sizes=sizes, folder=Path())
    assert encoder(torch.randn(2, 3, 32, 96)).map.shape == (2, 192, 2, 6)
    settings = spec.TimmEncoder(name="mixer_s32_224")
    with torch.device("meta"), pytest.raises(InputError, match="same size for all views"):
        create(settings, channels=3, sizes=sizes, folder=Path())
    with pytest.raises(ValueError, match="was made for"):
        encoder(torch.randn(2, 3, 48, 48))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels(channels):
    assert make(channels=channels)(torch.randn(2, channels, 64, 64)).vector.shape == (2, 512)


def test_a_size_that_cannot_be_served_is_refused_at_once():
    with torch.device("meta"), pytest.raises(InputError, match="cannot serve images of 8 x 8"):
        make("levit_128s", size=(8, 8))


@pytest.mark.parametrize(("name", "side"), [("pit_ti_224", 64), ("crossvit_9_240", 240)])
def test_an_architecture_that_ends_without_a_map_is_refused(name, side):
    with torch.device("meta"), pytest.raises(InputError, match="without features per position"):
        make(name, size=(side, side))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet19", "resnet18"),
        ("vit_tiny", "vit_tiny_patch16_224"),
        ("mobilenet_v2", "mobilenetv2_100"),
    ],
)
def test_an_unknown_name_is_answered_by_near_ones(name, near):
    with pytest.raises(UnknownNameError, match=near):
        make(name)


def test_an_unknown_tag_is_answered_by_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"Known: .*a1_in1k"):
        make("resnet18.nothing")
    with pytest.raises(UnknownNameError, match="unknown image encoder"):
        make("hf-hub:someone/something")
    with pytest.raises(UnknownNameError):
        make("\x00<script>" * 100)


def test_licences():
    assert weight_licence("resnet18") == "apache-2.0"
    assert weight_licence("convnextv2_atto.fcmae") == "cc-by-nc-4.0"
    assert weight_licence("vit_small_patch16_dinov3") == "dinov3-license"
    with pytest.raises(UnknownNameError):
        weight_licence("resnet19")
    assert {"resnet18", "swin_tiny_patch4_window7_224"} <= set(list_architectures())


def state(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def step(encoder, images):
    trained = [p for p in encoder.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1) if trained else None
    encoder.train()
    found = encoder(images)
    if optimizer is not None:
        (found.vector.square().mean()).backward()
        optimizer.step()


def test_frozen_stands_still_with_its_batch_norms():
    encoder = make(trainable="none", drop_rate=0.5)
    before = state(encoder)
    step(encoder, 3 * torch.randn(4, 3, 64, 64) + 1)
    after = encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert encoder.dropout.training


@pytest.mark.parametrize("last", [1, 2, 5])
def test_partly_frozen_trains_the_last_stages_only(last):
    encoder = make(trainable=last)
    names = ["conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4."]
    moving = tuple(f"body.{n}" for n in (names[-last:] if last < 5 else names))
    for module in encoder.modules():
        # The last norm of a block starts at zero, and nothing before it learns in the first step.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    before = state(encoder)
    step(encoder, 3 * torch.randn(4, 3, 64, 64) + 1)
    after = encoder.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.startswith(moving)}
    # Twice the mode is set, twice it holds.
    encoder.eval().train()
    assert encoder.body.bn1.training == (last == 5)
    assert encoder.body.layer4[0].bn1.training


def test_a_norm_behind_the_last_stage_is_part_of_it():
    encoder = make("convnext_atto", trainable=1)
    trained = {n.split(".")[1] for n, p in encoder.named_parameters() if p.requires_grad}
    assert trained == {"stages", "head"}
    assert len(stages(encoder.body)) == 5
    vit = make("vit_tiny_patch16_224", trainable=2)
    trained = {n for n, p in vit.named_parameters() if p.requires_grad}
    assert {n.split(".")[2] for n in trained if "blocks" in n} == {"10", "11"}


def test_more_stages_than_there_are_is_an_error():
    with pytest.raises(InputError, match="trainable is 6, but this encoder has 5 stages"):
        make(trainable=6)


def test_a_lone_image_in_training_is_normed_by_the_running_statistics():
    encoder = make(size=(32, 32))
    image = torch.randn(1, 3, 32, 32)
    before = state(encoder)
    encoder.train()
    lone = encoder(image).vector
    after = encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert encoder.body.bn1.training
    torch.testing.assert_close(lone, encoder.eval()(image).vector)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_gradient_checkpointing_gives_the_same_gradients(name):
    encoder, images = make(name), torch.randn(2, 3, 64, 64)
    encoder(images).vector.square().sum().backward()
    plain = [p.grad.clone() for p in encoder.parameters() if p.grad is not None]
    encoder.zero_grad()
    encoder.set_grad_checkpointing()
    encoder(images).vector.square().sum().backward()
    again = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert len(again) == len(plain)
    for one, two in zip(plain, again, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_gradient_checkpointing_is_refused_where_there_is_none():
    with torch.device("meta"):
        encoder = make("convit_tiny", size=(224, 224))
    with pytest.raises(InputError, match="offers no gradient checkpointing"):
        encoder.set_grad_checkpointing()


def test_architectures_without_known_stages_say_so():
    with torch.device("meta"), pytest.raises(InputError, match=r"the stages of .* are not known"):
        make("poolformer_s12", trainable=1)
    with torch.device("meta"):
        assert make("lamhalobotnet50ts_256", size=(256, 256)).channels_last


def test_dropout_is_on_the_pooled_features():
    encoder = make(drop_rate=0.9, trainable="none").train()
    found = encoder(torch.randn(4, 3, 64, 64))
    assert 0.8 < float((found.vector == 0).float().mean()) < 0.97
    encoder.eval()
    assert float((encoder(torch.randn(4, 3, 64, 64)).vector == 0).float().mean()) < 0.5


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_gradients_for_activation_maps_come_through_raw(name):
    encoder, seen = make(name).eval(), []
    handle = encoder.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    found = encoder(torch.randn(1, 3, 64, 64))
    handle.remove()
    (gradient,) = torch.autograd.grad(found.vector.square().sum(), seen[0].raw)
    turned = encoder.to_map(gradient, (64, 64))
    assert turned.shape == found.map.shape
    assert turned.isfinite().all()
