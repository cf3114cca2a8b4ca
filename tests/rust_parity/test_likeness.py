"""Perceptual hashes equal those of ImageHash, and their near pairs those of NumPy."""

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dct

from medfusion import _rust


def picture(seed, height, width, channels):
    """Blobs of several sizes, [H, W, C] uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    total = np.zeros((height, width, channels))
    for channel in range(channels):
        for _ in range(12):
            centre, size = rng.random(2), rng.uniform(0.03, 0.4)
            distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
            total[:, :, channel] += rng.normal() * np.exp(-distance / size**2)
    return np.round(np.clip(128 + 50 * total, 0, 255)).astype(np.uint8)


def save(path, samples):
    Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples).save(path)
    return str(path)


# imagehash.phash(Image.open(path))  (ImageHash 4.3.2, Pillow 13)
PUBLISHED = [
    (0, (32, 32, 1), 0xADF45A42EDA96458),
    (1, (61, 97, 1), 0xA5AA5354AE55AA55),
    (2, (300, 200, 3), 0xB9395AC3878F0F82),
    (3, (20, 25, 3), 0xE040E19A3D1E3F1F),
    (4, (512, 640, 1), 0x95734C6DCC8B4C1B),
    (5, (33, 1000, 3), 0xD597AB92B8959660),
]


@pytest.mark.parametrize(("seed", "shape", "expected"), PUBLISHED)
def test_hashes_equal_imagehash(tmp_path, seed, shape, expected):
    (found,) = _rust.perceptual_hashes([save(tmp_path / "a.png", picture(seed, *shape))])
    assert found == expected


def taps(side):
    """Pillow's Lanczos weights from `side` samples to 32, in its fixed point: first sample, weights."""
    scale = side / 32
    for place in range(32):
        centre, wide = (place + 0.5) * scale, max(scale, 1)
        first, end = max(int(centre - 3 * wide + 0.5), 0), min(int(centre + 3 * wide + 0.5), side)
        x = (np.arange(first, end) + 0.5 - centre) / wide
        weights = np.sinc(x) * np.sinc(x / 3) * (np.abs(x) < 3)
        yield first, np.round(weights / weights.sum() * 2**22) / 2**22


def shrunk(image):
    """Along the last axis to 32, rounded to levels."""
    columns = [image[:, first : first + len(w)] @ w for first, w in taps(image.shape[1])]
    return np.clip(np.floor(np.stack(columns, 1) + 0.5), 0, 255)


def by_definition(path):
    """Rows first, then columns, as Pillow does where it does not swap them to save work."""
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L"), float)
    small = shrunk(shrunk(grey).T).T
    low = dct(dct(small, axis=0), axis=1)[:8, :8]
    return int("".join("01"[bit] for bit in (low > np.median(low)).ravel().astype(int)), 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_hashes_are_those_of_the_definition(tmp_path, channels):
    rng = np.random.default_rng(channels)
    paths = [
        save(tmp_path / f"{n}.png", picture(n, *rng.integers(8, 300, 2), channels))
        for n in range(60)
    ]
    found = _rust.perceptual_hashes(paths)
    assert found == [by_definition(path) for path in paths]
    for threads in (1, 3):
        assert _rust.perceptual_hashes(paths, threads) == found


def test_sixteen_bits_look_as_eight_do(tmp_path):
    eight = picture(5, 120, 90, 1)
    paths = [save(tmp_path / "a.png", eight)]
    for factor in (1, 257):
        path = tmp_path / f"{factor}.png"
        Image.fromarray(eight[:, :, 0].astype(np.uint16) * factor).save(path)
        paths.append(str(path))
    first, *others = _rust.perceptual_hashes(paths)
    assert others[0] == others[1]
    assert (first ^ others[0]).bit_count() <= 2


def test_what_has_no_hash(tmp_path):
    flat = save(tmp_path / "flat.png", np.full((40, 50, 3), 90, np.uint8))
    (tmp_path / "text.png").write_text("no image")
    found = _rust.perceptual_hashes([flat, tmp_path / "none.png", tmp_path / "text.png"])
    assert found[:2] == [None, "the file does not exist"]
    assert found[2].startswith("not an image that is known")
    assert _rust.perceptual_hashes([]) == []


@pytest.mark.parametrize("threshold", [0, 3, 10, 64])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_near_pairs_are_those_of_numpy(threshold, threads):
    rng = np.random.default_rng(threshold)
    hashes = rng.integers(0, 2**64, 300, dtype=np.uint64)
    for near in range(100):
        flips = sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, 12), replace=False))
        hashes[near] = hashes[-1 - near] ^ np.uint64(flips)
    distance = np.bitwise_count(hashes[:, None] ^ hashes)
    first, second = np.nonzero(np.triu(distance <= threshold, 1))
    expected = list(
        zip(first.tolist(), second.tolist(), distance[first, second].tolist(), strict=True)
    )
    found, total = _rust.near_pairs(hashes, threshold, 10**6, threads)
    assert (found, total) == (expected, len(expected))
    assert _rust.near_pairs(hashes, threshold, 7, threads) == (expected[:7], total)


def test_hashes_must_be_an_array_of_64_bits():
    with pytest.raises(TypeError, match="array of uint64"):
        _rust.near_pairs([1, 2], 3)
    with pytest.raises(TypeError, match="array of uint64"):
        _rust.near_pairs(np.array([1, 2]), 3)
    assert _rust.near_pairs(np.array([], np.uint64), 3) == ([], 0)
