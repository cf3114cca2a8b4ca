"""Attention blocks compute what their papers say, and go behind any stage of any CNN."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import expit as sigmoid
from timm import layers
from timm.layers.cbam import CbamModule

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models import MultimodalModel
from medfusion.models.attention.eca import kernel_for
from medfusion.models.backbones.metering import RealKernels
from medfusion.models.backbones.stages import map_stages
from medfusion.registry import create

BLOCKS = [spec.CBAM(reduction=4), spec.ECA(), spec.SqueezeExcite(reduction=4)]
every_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda s: s.kind)


def made(settings, channels=24):
    """A block with weights that matter: far from its open gates at the start."""
    torch.manual_seed(0)
    block = create(settings, channels=channels).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    return block


def image_map(channels=24):
    torch.manual_seed(1)
    return torch.randn(3, channels, 6, 5, dtype=torch.float64)


def numbers(block):
    return {name: value.detach().numpy() for name, value in block.state_dict().items()}


def numpy_se(x, w):
    hidden = np.maximum(0, x.mean((2, 3)) @ w["squeeze.weight"].T + w["squeeze.bias"])
    return sigmoid(hidden @ w["excite.weight"].T + w["excite.bias"])


def numpy_eca(x, w):
    kernel, means = w["weigh.weight"][0, 0], x.mean((2, 3))
    half = len(kernel) // 2
    padded = np.pad(means, ((0, 0), (half, half)))
    return sigmoid(
        np.stack([padded[:, c : c + len(kernel)] @ kernel for c in range(x.shape[1])], axis=1)
    )


def numpy_cbam(x, w):
    def mlp(v):
        hidden = np.maximum(0, v @ w["mlp.0.weight"].T + w["mlp.0.bias"])
        return hidden @ w["mlp.2.weight"].T + w["mlp.2.bias"]

    channel = sigmoid(mlp(x.mean((2, 3))) + mlp(x.max((2, 3))))
    x = x * channel[:, :, None, None]
    pooled = np.stack([x.mean(1), x.max(1)], axis=1)
    kernel, (n, _, h, width) = w["place.weight"][0], pooled.shape
    half = kernel.shape[-1] // 2
    padded = np.pad(pooled, ((0, 0), (0, 0), (half, half), (half, half)))
    place = np.empty((n, h, width))
    for i in range(h):
        for j in range(width):
            window = padded[:, :, i : i + 2 * half + 1, j : j + 2 * half + 1]
            place[:, i, j] = (window * kernel).sum((1, 2, 3)) + w["place.bias"][0]
    return channel, sigmoid(place)


def test_squeeze_excite_equals_the_formula():
    block, x = made(BLOCKS[2]), image_map()
    found, gates = block(x), numpy_se(x.numpy(), numbers(block))
    np.testing.assert_allclose(found.gates["channel"].detach(), gates, rtol=1e-12)
    np.testing.assert_allclose(found.map.detach(), x.numpy() * gates[:, :, None, None], rtol=1e-12)


@pytest.mark.parametrize("kernel", [None, 1, 5])
def test_eca_equals_the_formula(kernel):
    block, x = made(spec.ECA(kernel=kernel)), image_map()
    found, gates = block(x), numpy_eca(x.numpy(), numbers(block))
    np.testing.assert_allclose(found.gates["channel"].detach(), gates, rtol=1e-12)
    np.testing.assert_allclose(found.map.detach(), x.numpy() * gates[:, :, None, None], rtol=1e-12)


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_cbam_equals_the_formula(kernel):
    block, x = made(spec.CBAM(reduction=4, kernel=kernel)), image_map()
    found, (channel, spatial) = block(x), numpy_cbam(x.numpy(), numbers(block))
    np.testing.assert_allclose(found.gates["channel"].detach(), channel, rtol=1e-12)
    np.testing.assert_allclose(found.gates["spatial"].detach(), spatial, rtol=1e-10)
    expected = x.numpy() * channel[:, :, None, None] * spatial[:, None]
    np.testing.assert_allclose(found.map.detach(), expected, rtol=1e-10)


def test_the_kernel_of_eca_follows_the_paper():
    for channels in (1, 7, 16, 24, 64, 96, 128, 256, 512, 1024, 2048):
        exact = (np.log2(channels) + 1) / 2
        assert kernel_for(channels) % 2 == 1
        assert abs(kernel_for(channels) - exact) <= 1
    assert layers.EcaModule(512).conv.kernel_size == (kernel_for(512),)


def test_the_blocks_equal_those_of_timm_with_the_same_weights():
    x = image_map(32)
    ours = made(spec.SqueezeExcite(reduction=4), 32)
    theirs = layers.SEModule(32, rd_channels=8).double()
    with torch.no_grad():
        theirs.fc1.weight.copy_(ours.squeeze.weight[:, :, None, None])
        theirs.fc1.bias.copy_(ours.squeeze.bias)
        theirs.fc2.weight.copy_(ours.excite.weight[:, :, None, None])
        theirs.fc2.bias.copy_(ours.excite.bias)
    torch.testing.assert_close(ours(x).map, theirs(x))

    ours = made(spec.ECA(kernel=3), 32)
    theirs = layers.EcaModule(kernel_size=3).double()
    with torch.no_grad():
        theirs.conv.weight.copy_(ours.weigh.weight)
    torch.testing.assert_close(ours(x).map, theirs(x))

    # timm's has no biases, and a batch norm behind the convolution, which starts as 1 x + 0.
    ours = made(spec.CBAM(reduction=4), 32)
    theirs = CbamModule(32, rd_channels=8).double().eval()
    theirs.spatial.conv.bn.eps = 0.0
    with torch.no_grad():
        for parameter in (ours.mlp[0].bias, ours.mlp[2].bias, ours.place.bias):
            parameter.zero_()
        theirs.channel.fc1.weight.copy_(ours.mlp[0].weight[:, :, None, None])
        theirs.channel.fc2.weight.copy_(ours.mlp[2].weight[:, :, None, None])
        theirs.spatial.conv.conv.weight.copy_(ours.place.weight)
    torch.testing.assert_close(ours(x).map, theirs(x))


@every_block
def test_gates_start_open_where_the_paper_has_a_bias(block):
    torch.manual_seed(0)
    attended = create(block, channels=64)(torch.randn(4, 64, 7, 7))
    for gates in attended.gates.values():
        assert ((gates > 0) & (gates < 1)).all()
        start = 0.5 if block.kind == "eca" else 0.95
        assert abs(float(gates.detach().mean()) - start) < 0.06


@every_block
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_and_keeps_its_type(block, dtype):
    x = 20 * torch.randn(2, 16, 4, 4)
    made_block = create(block, channels=16)
    with torch.autocast("cpu", dtype):
        attended = made_block(x.to(dtype).requires_grad_())
        attended.map.float().square().mean().backward()
    assert attended.map.dtype == dtype
    assert attended.map.isfinite().all()
    assert all(p.grad.isfinite().all() for p in made_block.parameters())


@every_block
def test_one_channel_and_one_place_are_enough(block):
    assert create(block, channels=1)(torch.randn(1, 1, 1, 1)).map.shape == (1, 1, 1, 1)


@every_block
def test_images_do_not_see_each_other(block):
    made_block, x = made(block), image_map()
    torch.testing.assert_close(made_block(x).map[1:2], made_block(x[1:2]).map)


def encoder(name="test_resnet", size=(64, 64), channels=3, **settings):
    torch.manual_seed(0)
    return create(
        spec.TimmEncoder(name=name, **settings), channels=channels, sizes=[size], folder=Path()
    )


STAGES = {
    "test_resnet": [32, 48, 192, 96],
    "resnet18": [64, 128, 256, 512],
    "seresnet33ts": [256, 512, 1536, 1280],
    "densenet121": [256, 512, 1024, 1024],
    "efficientnet_b0": [16, 24, 40, 112, 320],
    "mobilenetv2_035": [8, 8, 16, 32, 112],
    "mobilenetv3_small_050": [8, 16, 24, 288],
    "mobilenetv4_conv_small_035": [16, 24, 32, 336],
    "regnetx_002": [24, 56, 152, 368],
    "convnextv2_atto": [40, 80, 160, 320],
}


@pytest.mark.parametrize("name", STAGES)
def test_stages_of_convolutional_families(name):
    with torch.device("meta"), RealKernels():
        made_encoder = encoder(name, attention=spec.CBAM())
        stages = map_stages(made_encoder.body.eval(), torch.zeros(1, 3, 64, 64))
    assert [stage.channels for stage in stages] == STAGES[name]
    sides = [stage.height for stage in stages]
    assert sides == sorted(sides, reverse=True)
    gates = made_encoder.gate_shapes((64, 64))
    for stage in stages:
        assert gates[f"{stage.number}/channel"] == (stage.channels,)
        assert gates[f"{stage.number}/spatial"] == (stage.height, stage.width)
    assert list(made_encoder.attention) == [str(stage.number) for stage in stages]


@every_block
@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_a_block_weighs_the_map_of_its_stage(block, stage):
    """What follows a stage sees the stage's map times its gates, and nothing else changes."""
    chosen = block.model_copy(update={"stages": (stage,)})
    plain, weighed = encoder(), encoder(attention=chosen)
    weighed.body.load_state_dict(plain.body.state_dict())
    plain.eval(), weighed.eval()
    images = torch.randn(2, 3, 64, 64)

    def by_hand(_module, _inputs, features):
        return weighed.attention[str(stage)](features).map

    expected = plain.body.get_submodule(f"layer{stage}").register_forward_hook(by_hand)
    with torch.no_grad():
        found, hand = weighed(images), plain(images)
        expected.remove()
        without = plain(images)
    torch.testing.assert_close(found.map, hand.map)
    torch.testing.assert_close(found.vector, hand.vector)
    assert not torch.allclose(found.map, without.map)
    assert {name.partition("/")[0] for name in found.gates} == {str(stage)}


def test_weights_of_the_plain_encoder_load_and_freezing_leaves_the_blocks():
    plain = encoder()
    attended = encoder(attention=spec.CBAM(stages=[2, 4]), trainable="none")
    assert set(attended.body.state_dict()) == set(plain.body.state_dict())
    trained = {name for name, p in attended.named_parameters() if p.requires_grad}
    assert trained == {name for name, _ in attended.named_parameters() if "attention" in name}
    before = {name: value.clone() for name, value in attended.state_dict().items()}
    attended.train()
    optimizer = torch.optim.SGD([p for p in attended.parameters() if p.requires_grad], lr=1.0)
    attended(torch.randn(4, 3, 64, 64)).vector.square().mean().backward()
    optimizer.step()
    moved = {k for k, v in attended.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == trained


@pytest.mark.parametrize("name", ["test_resnet", "regnetx_002", "convnext_atto", "mobilenetv2_035"])
def test_gradient_checkpointing_runs_the_blocks_too(name):
    made_encoder, images = encoder(name, attention=spec.CBAM()), torch.randn(2, 3, 64, 64)
    first = made_encoder(images)
    first.vector.square().sum().backward()
    plain = [p.grad.clone() for p in made_encoder.parameters() if p.grad is not None]
    made_encoder.zero_grad()
    made_encoder.set_grad_checkpointing()
    second = made_encoder(images)
    second.vector.square().sum().backward()
    again = [p.grad for p in made_encoder.parameters() if p.grad is not None]
    for one, two in zip(plain, again, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    assert first.gates.keys() == second.gates.keys()


def test_a_copy_has_blocks_of_its_own():
    original = encoder(attention=spec.SqueezeExcite()).eval()
    clone, images = copy.deepcopy(original), torch.randn(1, 3, 64, 64)
    expected = original(images).vector
    for parameter in original.attention.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(clone(images).vector, expected)
    assert not torch.allclose(original(images).vector, expected)


@pytest.mark.parametrize("name", ["test_vit", "swin_tiny_patch4_window7_224"])
def test_transformers_have_no_stages(name):
    with (
        torch.device("meta"),
        RealKernels(),
        pytest.raises(InputError, match="no convolutional stages"),
    ):
        encoder(name, attention=spec.CBAM())


def test_a_stage_that_does_not_exist_is_an_error():
    with pytest.raises(InputError, match=r"no stage 5 and 9. It has 1 \(layer1, 32 channels\)"):
        encoder(attention=spec.ECA(stages=[1, 5, 9]))


@pytest.mark.parametrize(
    "wrong",
    [{"stages": []}, {"stages": [0]}, {"stages": [2, 2]}, {"kernel": 4}, {"reduction": 0}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        spec.CBAM(**wrong)


def test_attention_that_is_there_already_is_a_stated_fact():
    with torch.device("meta"), RealKernels():
        made_encoder = encoder("regnety_002", attention=spec.SqueezeExcite(stages=[4]))
        assert encoder("regnetx_002", attention=spec.SqueezeExcite()).notes == ()
    (note,) = made_encoder.notes
    assert "stage 4 of regnety_002 has attention of its own (SEModule)" in note


# In the model ---------------------------------------------------------------------------------------

ALIKE = {"front": (1, 32, 32), "side": (1, 32, 32)}
UNLIKE = {"front": (1, 32, 32), "side": (1, 64, 64)}


def model(views, **settings):
    torch.manual_seed(0)
    image = spec.TimmEncoder(name="test_resnet", attention=spec.CBAM(stages=[2, 4]), **settings)
    return MultimodalModel(
        spec.Model(image=image, modality_dropout=0.0),
        views=views, numeric=1, categories=[], outputs=1, folder=Path(),
    )  # fmt: skip


def inputs(views, shown):
    torch.manual_seed(1)
    rows = len(shown)
    return {
        "images": {name: torch.randn(rows, *shape) for name, shape in views.items()},
        "image_present": torch.tensor(shown),
        "numeric": torch.zeros(rows, 1),
        "numeric_present": torch.ones(rows, 1).bool(),
        "categorical": torch.zeros(rows, 0).long(),
    }


@pytest.mark.parametrize(
    "shown",
    [
        [[True, True], [True, False], [False, False]],
        [[True, True]] * 3,
        [[False, False]] * 3,
    ],
)
def test_gates_come_out_of_the_model_batch_first(shown):
    made_model, batch = model(ALIKE).eval(), inputs(ALIKE, shown)
    aux = made_model(**batch).aux
    assert aux["attention/2/channel"].shape == (3, 2, 48)
    assert aux["attention/2/spatial"].shape == (3, 2, 4, 4)
    assert aux["attention/4/channel"].shape == (3, 2, 96)
    present = batch["image_present"]
    assert ((aux["attention/4/channel"] > 0).all(dim=2) == present).all()
    # A row's gates are its own, whoever else is in the batch.
    alone = made_model(**{k: {n: i[:1] for n, i in v.items()} if k == "images" else v[:1]
                          for k, v in batch.items()}).aux  # fmt: skip
    torch.testing.assert_close(alone["attention/2/spatial"], aux["attention/2/spatial"][:1])


def test_views_of_different_sizes_have_spatial_gates_each():
    made_model, batch = model(UNLIKE).eval(), inputs(UNLIKE, [[True, True], [False, True]])
    aux = made_model(**batch).aux
    assert aux["attention/4/channel"].shape == (2, 2, 96)
    assert aux["attention/2/spatial/front"].shape == (2, 4, 4)
    assert aux["attention/2/spatial/side"].shape == (2, 8, 8)


def test_blocks_learn_at_the_rate_of_what_is_new():
    made_model = model(ALIKE)
    names = {id(p): name for name, p in made_model.named_parameters()}
    slow = {names[id(p)] for p in made_model.encoder_parameters()}
    assert slow == {n for n in names.values() if n.startswith("image.body.")}


def test_the_state_of_a_model_with_blocks_comes_back():
    one, two = model(ALIKE).eval(), model(ALIKE).eval()
    for parameter in one.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    two.load_state_dict(one.state_dict())
    batch = inputs(ALIKE, [[True, False]] * 2)
    assert torch.equal(one(**batch).logits, two(**batch).logits)
