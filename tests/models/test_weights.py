"""Weights from files and from the hub: all of them, or an error that says what to do."""

import socket
import time
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from medfusion import spec
from medfusion.errors import InputError, WeightsError
from medfusion.models.backbones import hub
from medfusion.registry import create


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def published(folder):
    """A resnet18 for RGB with its classifier, as one would download it."""
    torch.manual_seed(3)
    tensors = timm.create_model("resnet18", num_classes=1000).state_dict()
    save_file(tensors, folder / "resnet18.safetensors")
    return tensors


def make(folder, file, name="resnet18", channels=3, size=64):
    settings = spec.TimmEncoder(name=name, pretrained=True, weights=file)
    return create(settings, channels=channels, sizes=[(size, size)], folder=Path(folder))


def test_every_weight_but_the_classifier_is_loaded(folder, published):
    loaded = make(folder, "resnet18.safetensors").body.state_dict()
    assert set(published) - set(loaded) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(loaded[name], published[name]) for name in loaded)


def test_an_absolute_path_works_too(folder, published):
    loaded = make("/nowhere", str(folder / "resnet18.safetensors")).body.state_dict()
    assert torch.equal(loaded["conv1.weight"], published["conv1.weight"])


def test_one_channel_is_the_sum_over_rgb(folder, published):
    encoder = make(folder, "resnet18.safetensors", channels=1).eval()
    expected = published["conv1.weight"].sum(dim=1, keepdim=True)
    torch.testing.assert_close(encoder.body.conv1.weight.detach(), expected)
    grey = torch.randn(2, 1, 64, 64)
    colour = make(folder, "resnet18.safetensors").eval()
    torch.testing.assert_close(
        encoder(grey).vector, colour(grey.expand(-1, 3, -1, -1)).vector, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("channels", [2, 5])
def test_other_channels_are_adapted(folder, published, channels):
    loaded = make(folder, "resnet18.safetensors", channels=channels).body.state_dict()
    assert loaded["conv1.weight"].shape[1] == channels
    assert torch.equal(loaded["layer4.1.conv2.weight"], published["layer4.1.conv2.weight"])


def test_a_file_of_the_same_channels_is_taken_as_it_is(folder):
    tensors = timm.create_model("resnet18", num_classes=0, in_chans=1).state_dict()
    save_file(tensors, folder / "grey.safetensors")
    loaded = make(folder, "grey.safetensors", channels=1).body.state_dict()
    assert all(torch.equal(loaded[name], tensors[name]) for name in loaded)


def test_half_precision_files_are_read(folder, published):
    half = {k: v.half() if v.is_floating_point() else v for k, v in published.items()}
    save_file(half, folder / "half.safetensors")
    loaded = make(folder, "half.safetensors").body.conv1.weight
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded.detach(), half["conv1.weight"].float())


def test_position_embeddings_follow_the_size(folder):
    tensors = timm.create_model("vit_tiny_patch16_224", num_classes=10).state_dict()
    save_file(tensors, folder / "vit.safetensors")
    body = make(folder, "vit.safetensors", "vit_tiny_patch16_224").body
    assert body.pos_embed.shape == (1, 17, 192)
    assert torch.equal(body.blocks[0].attn.qkv.weight, tensors["blocks.0.attn.qkv.weight"])


def damaged(published, kind):
    tensors = dict(published)
    if kind == "missing key":
        del tensors["layer2.0.conv1.weight"]
    elif kind == "unknown key":
        tensors["layer9.weight"] = torch.zeros(3)
    elif kind == "shape":
        tensors["layer2.0.conv1.weight"] = torch.zeros(3, 3)
    elif kind == "nan":
        tensors["layer2.0.conv1.weight"] = tensors["layer2.0.conv1.weight"] * torch.nan
    elif kind == "prefix":
        tensors = {f"encoder.{k}": v for k, v in tensors.items()}
    elif kind == "empty":
        tensors = {}
    return tensors


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing key", r"lacks 1 \(layer2.0.conv1.weight\)"),
        ("unknown key", r"unknown 1 \(layer9.weight\)"),
        ("shape", "size mismatch for layer2.0.conv1.weight"),
        ("nan", "not numbers: layer2.0.conv1.weight"),
        ("prefix", r"lacks 100 \(conv1.weight, .* unknown 122 \(encoder\."),
        ("empty", "holds no weights"),
    ],
)
def test_files_that_do_not_fit(folder, published, kind, message):
    file = f"{kind}.safetensors"
    save_file(damaged(published, kind), folder / file)
    with pytest.raises(WeightsError, match=message) as caught:
        make(folder, file)
    assert file in str(caught.value)


def test_weights_of_a_deeper_net_are_refused(folder, published):
    assert published
    with pytest.raises(WeightsError, match="do not fit 'resnet34'"):
        make(folder, "resnet18.safetensors", "resnet34")


def test_weights_of_a_net_that_has_more_are_refused(folder, published):
    # All that resnet18 needs is there, and layer5 besides.
    more = {k.replace("layer4", "layer5"): v.clone() for k, v in published.items() if "layer4" in k}
    save_file({**published, **more}, folder / "more.safetensors")
    with pytest.raises(WeightsError, match=r"do not fit 'resnet18': it has unknown 30 "):
        make(folder, "more.safetensors")


def test_missing_files_folders_and_pickles(folder):
    with pytest.raises(WeightsError, match="there is no such file"):
        make(folder, "nothing.safetensors")
    with pytest.raises(WeightsError, match="there is no such file"):
        make(folder, ".")
    torch.save({"a": torch.zeros(1)}, folder / "pickle.pth")
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        make(folder, "pickle.pth")
    (folder / "cut.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        make(folder, "cut.safetensors")
    assert issubclass(WeightsError, InputError)


@pytest.fixture
def hub_at(monkeypatch, tmp_path):
    def move(endpoint):
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(huggingface_hub.file_download.constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    return move


def from_hub(name="resnet18"):
    settings = spec.TimmEncoder(name=name, pretrained=True)
    return create(settings, channels=3, sizes=[(64, 64)], folder=Path())


@pytest.mark.parametrize(
    "endpoint",
    ["https://hub.invalid", "http://127.0.0.1:9", "http://10.255.255.1", "https://[::1]:9"],
)
def test_without_a_network_the_error_comes_at_once(hub_at, endpoint):
    hub_at(endpoint)
    started = time.monotonic()
    with pytest.raises(WeightsError, match="cannot be downloaded") as caught:
        from_hub()
    assert time.monotonic() - started < 2
    message = str(caught.value)
    assert "model.image.weights" in message
    assert "timm/resnet18.a1_in1k/resolve/main/model.safetensors" in message
    assert "pretrained to false" in message


def test_a_silent_hub_is_not_waited_for(hub_at, monkeypatch):
    monkeypatch.setattr(hub, "ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        hub_at(f"http://127.0.0.1:{server.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(WeightsError, match="cannot be downloaded"):
            from_hub()
    assert time.monotonic() - started < 4


def test_offline_mode_is_named(hub_at, monkeypatch):
    hub_at("http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE forbids the network"):
        from_hub()


def test_what_is_in_the_cache_needs_no_network(hub_at, monkeypatch, folder, published):
    hub_at("http://127.0.0.1:9")
    found = str(folder / "resnet18.safetensors")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: found)
    assert torch.equal(from_hub().body.conv1.weight.detach(), published["conv1.weight"])


def test_an_architecture_without_published_weights():
    with pytest.raises(WeightsError, match="no published weights"):
        from_hub("botnet50ts_256")


def test_a_proxy_is_asked_in_place_of_the_hub(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        assert hub._reachable("https://hub.invalid")
    assert not hub._reachable("https://hub.invalid")
