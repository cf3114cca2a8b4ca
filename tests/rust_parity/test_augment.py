"""The Rust augmentation equals PyTorch's affine_grid, grid_sample and plain arithmetic."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from medfusion import _rust


def by_torch(samples, mean, std, theta, brightness, contrast):
    shape = (1, -1, 1, 1)
    images = (torch.from_numpy(samples).double() - torch.tensor(mean).view(shape)) / (
        torch.tensor(std).view(shape)
    )
    theta = torch.from_numpy(theta).double()
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)
    b, c = (torch.from_numpy(x).double().view(-1, 1, 1, 1) for x in (brightness, contrast))
    moved = moved * b + (torch.tensor(mean) / torch.tensor(std)).view(shape) * (b - 1)
    centre = moved.mean(dim=(2, 3), keepdim=True)
    return ((moved - centre) * c + centre).numpy()


LARGEST = {np.uint8: 255, np.uint16: 65535, np.float32: 1}


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    spread=st.sampled_from([0.1, 1.0, 3.0]),
    kind=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
def test_the_result_is_pytorchs(seed, count, channels, height, width, spread, kind):
    draw = np.random.default_rng(seed)
    shape = (count, channels, height, width)
    images = (draw.random(shape) * LARGEST[kind]).astype(kind)
    theta = (np.eye(2, 3) + spread * draw.normal(size=(count, 2, 3))).astype(np.float32)
    brightness, contrast = draw.uniform(0.5, 1.5, size=(2, count)).astype(np.float32)
    mean, std = draw.random(channels).tolist(), draw.uniform(0.3, 1, channels).tolist()
    wanted = by_torch(images / LARGEST[kind], mean, std, theta, brightness, contrast)
    found = []
    for threads in (1, 3):
        out = np.full(shape, np.nan, np.float32)
        _rust.normalise_samples(
            list(images), out, mean, std, theta, brightness, contrast, threads=threads
        )
        found.append(out)
    assert np.array_equal(*found), "any number of threads gives the same"
    # Coordinates are in single precision; at a fold of the reflection their error is not more.
    assert np.abs(found[0] - wanted).max() < 2e-3
    assert np.abs(found[0] - wanted).mean() < 2e-5


def test_one_plane_is_changed_like_three():
    draw = np.random.default_rng(1)
    grey = draw.integers(0, 256, (1, 9, 7), np.uint8)
    changes = (
        draw.normal(size=(1, 2, 3)).astype(np.float32), np.array([1.2], np.float32),
        np.array([0.8], np.float32),
    )  # fmt: skip
    found = np.empty((2, 1, 3, 9, 7), np.float32)
    for out, image in zip(found, [grey, np.repeat(grey, 3, axis=0)], strict=True):
        _rust.normalise_samples([image], out, [0.1, 0.2, 0.3], [1.0, 2.0, 3.0], *changes)
    assert np.array_equal(*found)


def test_arrays_that_do_not_fit_are_refused():
    image = np.zeros((1, 4, 4), np.float32)
    good = {
        "images": [image, image], "out": np.empty((2, 1, 4, 4), np.float32),
        "mean": [0.0], "std": [1.0], "theta": np.zeros((2, 2, 3), np.float32),
        "brightness": np.ones(2, np.float32), "contrast": np.ones(2, np.float32),
    }  # fmt: skip
    _rust.normalise_samples(**good)
    readonly = good["out"].copy()
    readonly.flags.writeable = False
    odd = np.zeros(65, np.uint8)[1:].view(np.float32).reshape(1, 4, 4)
    for name, value, error in [
        ("out", readonly, ValueError),
        ("out", np.zeros((2, 1, 4, 5), np.float32), ValueError),
        ("out", np.zeros((3, 1, 4, 4), np.float32), ValueError),
        ("theta", np.zeros((1, 2, 3), np.float32), ValueError),
        ("theta", None, ValueError),
        ("brightness", np.ones(3, np.float32), ValueError),
        ("std", [0.0], ValueError),
        ("mean", [0.0, 0.0], ValueError),
        ("images", [image, np.zeros((3, 4, 4), np.uint8)], ValueError),
        ("images", [image, np.zeros((1, 4, 8), np.uint8)[..., ::2]], ValueError),
        ("images", [image, odd], ValueError),
        ("images", [image, good["out"][1]], ValueError),
        ("images", [image, image.astype(np.float64)], TypeError),
        ("images", [image, image[0]], TypeError),
        ("theta", np.zeros((2, 6), np.float32), TypeError),
    ]:
        with pytest.raises(error):
            _rust.normalise_samples(**(good | {name: value}))
