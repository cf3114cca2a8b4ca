"""Augmentation against exact flips, rotations and shifts, and within its bounds."""

import numpy as np
import pytest
import torch

from medfusion import _rust
from medfusion.data.augmentation import changes, draw
from medfusion.spec import Augmentation

OFF = {"flip": "none", "rotate": 0.0, "scale": 0.0, "shift": 0.0, "intensity": 0.0}


def numbers(**given):
    places = ("flip_x", "flip_y", "angle", "scale", "shift_x", "shift_y", "brightness", "contrast")
    return np.array([[given.get(name, 0.5 if i > 1 else 0.0) for i, name in enumerate(places)]])


def changed(images, draws, **settings):
    """Change normalised images; the samples they were made of are those of mean and std below."""
    spec = Augmentation(**(OFF | settings))
    channels = images.shape[1]
    out = torch.empty_like(images)
    _rust.normalise_samples(
        list((images * 0.25 + 0.5).numpy()), out.numpy(), [0.5] * channels, [0.25] * channels,
        *changes(spec, draws, images.shape[-2:]),
    )  # fmt: skip
    return out


@pytest.fixture
def images():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 20, 20)).astype(np.float32))


def test_nothing_asked_nothing_done():
    assert changes(Augmentation(**OFF), numbers(), (20, 20)) is None


def test_flips(images):
    x = changed(images, numbers(flip_x=0.9), flip="horizontal")
    torch.testing.assert_close(x, images.flip(3), atol=1e-5, rtol=0)
    y = changed(images, numbers(flip_y=0.9), flip="both")
    torch.testing.assert_close(y, images.flip(2), atol=1e-5, rtol=0)
    none = changed(images, numbers(flip_y=0.9), flip="horizontal")
    torch.testing.assert_close(none, images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("quarter", [0.0, 1.0])
def test_quarter_turns(images, quarter):
    turned = changed(images, numbers(angle=quarter), rotate=90.0)
    wanted = torch.rot90(images, 1 if quarter == 1.0 else -1, dims=(2, 3))
    torch.testing.assert_close(turned, wanted, atol=1e-4, rtol=0)


def test_half_turn_of_an_oblong_image():
    image = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 1, 12, 30)).astype("float32"))
    turned = changed(image, numbers(angle=1.0), rotate=180.0)
    torch.testing.assert_close(turned, image.flip(2, 3), atol=1e-4, rtol=0)


def test_an_oblong_image_turns_without_shear():
    grid_y, grid_x = np.mgrid[0:40, 0:80]
    disc = ((grid_x - 39.5) ** 2 + (grid_y - 19.5) ** 2 < 10**2).astype(np.float32)
    turned = changed(torch.from_numpy(disc)[None, None], numbers(angle=0.8), rotate=45.0)[0, 0]
    assert np.abs(turned.numpy() - disc).mean() < 0.01


def test_shift_in_fractions_of_the_side(images):
    moved = changed(images, numbers(shift_x=1.0), shift=0.1)
    torch.testing.assert_close(moved[..., :-2], images[..., 2:], atol=1e-5, rtol=0)
    moved = changed(images, numbers(shift_y=0.0), shift=0.1)
    torch.testing.assert_close(moved[..., 2:, :], images[..., :-2, :], atol=1e-5, rtol=0)


def test_scale_grows_with_its_number():
    grid = np.mgrid[0:64, 0:64] - 31.5
    disc = torch.from_numpy((np.hypot(*grid) < 15).astype(np.float32))[None, None]
    area = {
        value: float(changed(disc, numbers(scale=value), scale=0.2).sum() / disc.sum())
        for value in (0.0, 0.5, 1.0)
    }
    assert area[0.0] == pytest.approx(0.8**2, rel=0.03)
    assert area[0.5] == pytest.approx(1.0, rel=0.01)
    assert area[1.0] == pytest.approx(1.2**2, rel=0.03)


def test_intensity_acts_on_the_samples_before_normalising(images):
    raw = images * 0.25 + 0.5
    bright = changed(images, numbers(brightness=1.0), intensity=0.2)
    torch.testing.assert_close(bright * 0.25 + 0.5, raw * 1.2, atol=1e-5, rtol=0)
    flat = changed(images, numbers(contrast=0.0), intensity=0.2) * 0.25 + 0.5
    centre = raw.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(flat, (raw - centre) * 0.8 + centre, atol=1e-5, rtol=0)


def test_draws_are_uniform_and_independent():
    found = np.concatenate([draw(1, epoch, 0, np.arange(500)) for epoch in range(4)])
    assert found.min() >= 0
    assert found.max() < 1
    assert np.abs(found.mean(axis=0) - 0.5).max() < 0.03
    assert np.abs(found.var(axis=0) - 1 / 12).max() < 0.01
    assert np.abs(np.corrcoef(found.T) - np.eye(8)).max() < 0.08
    assert len(np.unique(found)) == found.size


def test_draws_differ_by_seed_epoch_view_and_row():
    rows = np.array([3])
    found = [draw(*key, rows) for key in ((1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1))]
    found.append(draw(1, 0, 0, np.array([4])))
    assert len({values.tobytes() for values in found}) == 5
    assert (draw(1, 0, 0, rows) == found[0]).all()
