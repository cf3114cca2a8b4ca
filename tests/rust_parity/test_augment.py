"""The Rust augmentation equals PyTorch's affine_grid, grid_sample and plain arithmetic."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from medfusion import _rust


def by_torch(images, theta, brightness, contrast, offset):
    images, theta = torch.from_numpy(images).double(), torch.from_numpy(theta).double()
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)
    b, c = (torch.from_numpy(x).double().view(-1, 1, 1, 1) for x in (brightness, contrast))
    moved = moved * b + torch.from_numpy(offset).double().view(1, -1, 1, 1) * (b - 1)
    centre = moved.mean(dim=(2, 3), keepdim=True)
    return ((moved - centre) * c + centre).numpy()


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    spread=st.sampled_from([0.1, 1.0, 3.0]),
)
def test_the_result_is_pytorchs(seed, count, channels, height, width, spread):
    draw = np.random.default_rng(seed)
    images = draw.normal(size=(count, channels, height, width)).astype(np.float32)
    theta = (np.eye(2, 3) + spread * draw.normal(size=(count, 2, 3))).astype(np.float32)
    brightness, contrast = draw.uniform(0.5, 1.5, size=(2, count)).astype(np.float32)
    offset = draw.normal(size=channels).astype(np.float32)
    wanted = by_torch(images, theta, brightness, contrast, offset)
    found = []
    for threads in (1, 3):
        out = np.full_like(images, np.nan)
        _rust.augment_images(images, out, theta, brightness, contrast, offset, threads=threads)
        found.append(out)
    assert np.array_equal(*found), "any number of threads gives the same"
    # Coordinates are in single precision; at a fold of the reflection their error is not more.
    assert np.abs(found[0] - wanted).max() < 2e-3
    assert np.abs(found[0] - wanted).mean() < 2e-5


def test_arrays_that_do_not_fit_are_refused():
    images = np.zeros((2, 1, 4, 4), np.float32)
    good = {
        "images": images, "out": images.copy(), "theta": np.zeros((2, 2, 3), np.float32),
        "brightness": np.ones(2, np.float32), "contrast": np.ones(2, np.float32),
        "offset": np.zeros(1, np.float32),
    }  # fmt: skip
    _rust.augment_images(**good)
    readonly = images.copy()
    readonly.flags.writeable = False
    for name, value, error in [
        ("out", readonly, ValueError),
        ("out", np.zeros((2, 1, 4, 5), np.float32), ValueError),
        ("theta", np.zeros((1, 2, 3), np.float32), ValueError),
        ("brightness", np.ones(3, np.float32), ValueError),
        ("offset", np.zeros(3, np.float32), ValueError),
        ("images", images.astype(np.float64), TypeError),
        ("theta", np.zeros((2, 6), np.float32), TypeError),
    ]:
        with pytest.raises(error):
            _rust.augment_images(**(good | {name: value}))
