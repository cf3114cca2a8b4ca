"""The curated image encoders exist, their figures are true, and wrong names find right ones."""

import numpy as np
import pytest
import timm
import torch

from medfusion import spec
from medfusion.errors import InputError, UnknownNameError
from medfusion.models import facts, search_catalogue, weight_licence
from medfusion.models.backbones.body import near_sizes
from medfusion.models.backbones.catalogue import check_name, nearest_names, recommended_size
from medfusion.models.backbones.metering import RealKernels, measure
from medfusion.models.image_families import FAMILIES
from medfusion.models.image_licences import commercial_use, curated_licence

MEMBERS = [member for family in FAMILIES for member in family.members]
# The lightest of each family, but for those that take long even without numbers.
LIGHT = [
    family.members[0]
    for family in FAMILIES
    if family.name not in {"maxvit", "coatnet", "mae", "siglip", "beitv2", "wide-resnet"}
]


def test_the_catalogue_is_whole():
    names = [member.name for member in MEMBERS]
    assert len(names) >= 40
    assert len(names) == len(set(names))
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.paper.startswith("https://arxiv.org/abs/")
        assert family.summary.endswith(".")
    for member in MEMBERS:
        check_name(member.name)
        assert member.summary.endswith(".")
        assert member.parameters > 0
        assert member.multiply_adds > 0
    assert recommended_size("vit_small_patch14_dinov2") == (224, 224)


@pytest.mark.parametrize("member", LIGHT, ids=lambda m: m.name)
def test_the_figures_of_the_catalogue_are_those_worked_out(member):
    found = facts(member.name)
    assert found.size == (member.size, member.size)
    assert round(found.parameters / 1e6, 2) == member.parameters
    assert round(found.multiply_adds / 1e9, 2) == member.multiply_adds
    assert found.training_bytes > 4 * found.inference_bytes / 2 > 0


# Weights and multiply-adds as their papers, or torchvision's page of models, print them.
PUBLISHED = {
    "resnet18": (11.69, 1.81, 512 * 1000 + 1000),
    "resnet50": (25.56, 4.09, 2048 * 1000 + 1000),
    "densenet121": (7.98, 2.83, 1024 * 1000 + 1000),
    "efficientnet_b0": (5.29, 0.39, 1280 * 1000 + 1000),
    "convnext_tiny": (28.59, 4.46, 768 * 1000 + 1000),
    "swin_tiny_patch4_window7_224": (28.29, 4.49, 768 * 1000 + 1000),
    "vit_base_patch16_224": (86.57, 17.56, 768 * 1000 + 1000),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name):
    millions, giga, classifier = PUBLISHED[name]
    found = facts(name, size=(224, 224))
    assert (found.parameters + classifier) / 1e6 == pytest.approx(millions, abs=0.006)
    assert found.multiply_adds / 1e9 == pytest.approx(giga, rel=0.02)


def test_facts_say_shapes_stages_and_licences():
    found = facts("vit_tiny_patch16_224", size=(64, 96), channels=1, batch=4)
    assert (found.tokens, found.map, found.width) == (24, (192, 4, 6), 192)
    assert found.stages == ()
    assert found.family == "vit"
    found = facts("resnet18", size=(64, 64))
    assert [stage.module for stage in found.stages] == ["layer1", "layer2", "layer3", "layer4"]
    assert found.weights[0].commercial == "yes"
    assert {"a1_in1k", "tv_in1k"} <= {weights.tag for weights in found.weights}
    assert (
        facts("vit_tiny_patch16_224.augreg_in21k", size=(32, 32)).weights[0].tag == "augreg_in21k"
    )
    document = found.to_json()
    assert document["stages"][0]["channels"] == 64
    other = facts("test_vit2", size=(64, 64))
    assert other.family is None
    assert other.tokens == 16


def test_memory_grows_as_it_should():
    one, eight = (facts("resnet18", size=(64, 64), batch=batch) for batch in (1, 8))
    weights = 4 * one.parameters
    assert weights < one.inference_bytes < eight.inference_bytes
    assert 4 * weights < one.training_bytes < eight.training_bytes
    kept = [found.training_bytes - 4 * weights for found in (one, eight)]
    assert kept[1] == pytest.approx(8 * kept[0], rel=0.05)
    # Four times the pixels, four times the activations and the work.
    large = facts("resnet18", size=(128, 128), batch=8)
    assert large.training_bytes - 4 * weights == pytest.approx(4 * kept[1], rel=0.05)
    assert large.multiply_adds == pytest.approx(4 * eight.multiply_adds, rel=0.01)


def test_the_meter_counts_what_autograd_keeps():
    with torch.device("meta"), RealKernels():
        model = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1, bias=False),  # keeps its input
            torch.nn.BatchNorm2d(4),  # keeps its input
            torch.nn.ReLU(inplace=True),  # keeps its output, which is the norm's
            torch.nn.Conv2d(4, 2, 1, bias=False),  # keeps its input: the same again
        )
        cost = measure(model, model, torch.zeros(3, 1, 8, 8))
    pixels = 4 * 3 * 8 * 8
    assert cost.saved == pixels * (1 + 4 + 4)
    assert cost.peak == pixels * (1 + 4 + 4)
    assert cost.multiply_adds == 3 * 8 * 8 * (4 * 9 + 2 * 4)


def test_attention_does_not_keep_all_pairs():
    with torch.device("meta"), RealKernels():
        queries = torch.zeros(1, 2, 64, 8)
        layer = torch.nn.Identity()

        def forward(x):
            mask = torch.zeros(64, 64)
            return torch.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)

        cost = measure(layer, forward, queries)
    assert cost.multiply_adds == 2 * 2 * 64 * 64 * 8
    assert cost.saved < 4 * 2 * 64 * 64


def test_facts_need_no_network_and_no_numbers(monkeypatch):
    def none(*_args, **_kwargs):
        msg = "the network was asked"
        raise AssertionError(msg)

    monkeypatch.setattr("socket.socket.connect", none)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", none)
    assert facts("vit_large_patch14_dinov2", size=(56, 56)).parameters > 0.3e9


@pytest.mark.parametrize("wrong", [{"size": (0, 64)}, {"channels": 0}, {"batch": -1}])
def test_facts_refuse_what_is_no_image(wrong):
    with pytest.raises(InputError, match="at least 1"):
        facts("resnet18", **wrong)


def test_a_refusal_says_which_sizes_work():
    with (
        torch.device("meta"),
        pytest.raises(InputError, match="set the view's size to 64 x 64 or 96 x 96"),
    ):
        facts("hiera_tiny_224", size=(80, 80))
    with pytest.raises(InputError, match="set the view's size to 32 x 32"):
        facts("convnext_atto", size=(28, 28))
    assert near_sizes("test_vit", 1, (60, 100)) == [(32, 96), (64, 128)]
    for size in ((64, 64), (96, 96)):
        assert facts("hiera_tiny_224", size=size).tokens == (size[0] // 32) ** 2


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("vit_tiny", "vit_tiny_patch16_224"),
        ("vit_b_16", "vit_base_patch16_224"),
        ("mobilenet_v2", "mobilenetv2_100"),
        ("mobilenet_v3_small", "mobilenetv3_small_100"),
        ("mae", "vit_base_patch16_224.mae"),
        ("ResNet50", "resnet50"),
        ("resnet-18", "resnet18"),
        ("resent50", "resnet50"),
        ("swin_t", "swin_tiny_patch4_window7_224"),
        ("swin_v2", "swinv2_tiny_window8_256"),
        ("convnext", "convnext_atto"),
        ("ConvNeXt V2", "convnextv2_atto"),
        ("dinov2", "vit_small_patch14_dinov2"),
        ("dino_v3", "vit_small_patch16_dinov3"),
        ("efficientnet", "efficientnet_b0"),
        ("efficientnetb0", "efficientnet_b0"),
        ("beit", "beit_base_patch16_224"),
        ("deit", "deit_tiny_patch16_224"),
        ("eva02", "eva02_tiny_patch14_224"),
    ],
)
def test_wrong_names_find_the_right_ones(wrong, right):
    assert right in nearest_names(wrong)
    with pytest.raises(UnknownNameError, match=right.replace(".", r"\.")):
        check_name(wrong)


@pytest.mark.parametrize("strange", ["", "...", "\x00", "💀" * 50, "[a-z", "(" * 99])
def test_strange_names_are_unknown_names(strange):
    with pytest.raises(UnknownNameError):
        check_name(strange)


def test_search():
    light = search_catalogue("convnext", max_parameters=30, commercial=True)
    assert [member.name for _, member in light] == [
        "convnext_atto",
        "convnext_nano",
        "convnext_tiny",
    ]
    assert search_catalogue("convnextv2", commercial=True) == []
    assert search_catalogue("dinov3", commercial=True) == []
    assert len(search_catalogue()) == len(MEMBERS)
    with pytest.raises(UnknownNameError, match="did you mean 'convnext'"):
        search_catalogue("convnex")


def test_terms_of_licences():
    assert commercial_use(weight_licence("vit_base_patch16_224.mae")) == "no"
    assert commercial_use(weight_licence("convnextv2_tiny")) == "no"
    assert commercial_use(weight_licence("hiera_tiny_224")) != "yes"
    assert commercial_use(weight_licence("convnext_tiny.dinov3_lvd1689m")) == "own terms"
    assert commercial_use(weight_licence("vit_small_patch14_dinov2")) == "yes"
    assert commercial_use("fair-noncommercial-research-license") == "no"
    assert commercial_use(None) == "unstated"
    # Every licence of timm has a verdict; a new kind of free licence would only be "own terms".
    found = {weight_licence(name) for name in timm.list_pretrained("*convnext*")}
    assert {commercial_use(licence) for licence in found} >= {"yes", "no", "own terms"}


def test_licences_known_without_timm_are_those_that_timm_states():
    for group in FAMILIES:
        for member in group.members:
            assert curated_licence(group.name, member.name) == weight_licence(member.name)


def test_memory_is_near_what_is_really_kept():
    """On real tensors: bytes of the storages that the graph of a forward pass holds on to."""
    from pathlib import Path

    from medfusion.registry import create

    encoder = create(
        spec.TimmEncoder(name="resnet18"), channels=3, sizes=[(64, 64)], folder=Path()
    ).train()
    kept, seen = 0, {p.untyped_storage().data_ptr() for p in encoder.parameters()}
    seen |= {b.untyped_storage().data_ptr() for b in encoder.buffers()}
    held = []

    def note(tensor):
        nonlocal kept
        pointer = tensor.untyped_storage().data_ptr()
        if pointer not in seen:
            seen.add(pointer)
            held.append(tensor)
            kept += tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = encoder(torch.randn(4, 3, 64, 64))
    assert np.isfinite(float(output.vector.detach().sum()))
    found = facts("resnet18", size=(64, 64), batch=4)
    buffers = sum(buffer.nbytes for buffer in encoder.buffers())
    estimate = found.training_bytes - 16 * found.parameters - buffers
    assert estimate == pytest.approx(kept, rel=0.1)
