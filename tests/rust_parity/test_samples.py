"""Prepared images equal Pillow's, normalised ones NumPy's; checksums are zlib's, stamps the system's."""

import os
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medfusion import _rust

LARGEST = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from([1, 3]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=120, deadline=None)
def test_8_bits_are_within_one_level_of_pillow(tmp_path_factory, size, target, channels, seed):
    draw = np.random.default_rng(seed)
    samples = draw.integers(0, 256, (*size, channels), np.uint8)
    image = Image.fromarray(samples if channels == 3 else samples[..., 0])
    path = tmp_path_factory.getbasetemp() / "samples.png"
    image.save(path)
    (found,) = _rust.decode_samples([path], channels, *target)
    resized = np.asarray(image.resize(target[::-1], Image.Resampling.BILINEAR))
    expected = np.moveaxis(np.atleast_3d(resized), -1, 0).astype(int)
    assert found.dtype == np.uint8
    assert found.shape == (channels, *target)
    # Pillow rounds after each of its two passes, the core once.
    assert np.abs(found - expected).max() <= 1
    if target == size:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_are_those_of_the_batch_rounded(tmp_path, write_png, rng, bits, channels):
    samples = rng.integers(0, 1 << bits, (40, 31, channels))
    path = write_png(tmp_path / "a.png", samples, bits=bits)
    (found,) = _rust.decode_samples([path], channels, 17, 50)
    batch = np.empty((1, channels, 17, 50), np.float32)
    _rust.decode_images([path], batch, [0.0] * channels, [1.0] * channels)
    exact = batch[0].astype(np.float64) * ((1 << bits) - 1)
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.abs(found - exact).max() <= 0.5 + (0.01 if bits == 16 else 1e-4)


def test_grey_keeps_one_plane_and_colour_becomes_grey(tmp_path, smooth):
    colour = Image.fromarray(smooth(20, 30))
    colour.save(tmp_path / "rgb.png")
    colour.convert("L").save(tmp_path / "grey.png")
    paths = [tmp_path / "rgb.png", tmp_path / "grey.png"]
    as_rgb = _rust.decode_samples(paths, 3, 20, 30)
    assert [found.shape[0] for found in as_rgb] == [3, 1]
    as_grey = _rust.decode_samples(paths, 1, 20, 30)
    np.testing.assert_array_equal(as_grey[0], as_grey[1])
    np.testing.assert_array_equal(as_grey[1][0], np.asarray(colour.convert("L")))


def test_failures_stand_in_their_place(tmp_path, skin):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    found = _rust.decode_samples([skin[0], tmp_path / "bad.jpg", tmp_path / "none.png"], 3, 8, 8)
    assert found[0].shape == (3, 8, 8)
    assert isinstance(found[1], str)
    assert found[2] == "the file does not exist"
    assert _rust.decode_samples([], 3, 8, 8) == []
    for size in ((2, 8, 8), (3, 0, 8), (3, 8, 0)):
        with pytest.raises(ValueError, match=r"channels|pixels"):
            _rust.decode_samples([skin[0]], *size)


@pytest.mark.parametrize("threads", [0, 2, 50])
def test_threads_do_not_change_a_bit(skin, threads):
    one = _rust.decode_samples(skin[:30], 3, 33, 47, threads=1)
    many = _rust.decode_samples(skin[:30], 3, 33, 47, threads=threads)
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))
    outs = np.empty((2, 30, 3, 33, 47), np.float32)
    for out, count in zip(outs, (1, threads), strict=True):
        _rust.normalise_samples(one, out, [0.1, 0.2, 0.3], [0.5, 0.6, 0.7], threads=count)
    np.testing.assert_array_equal(*outs)


@given(
    st.lists(st.sampled_from(["u1", "<u2", "<f4", None]), max_size=5),
    st.sampled_from([1, 3]),
    st.integers(1, 30),
    st.integers(1, 30),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=120, deadline=None)
def test_a_batch_is_numpys(kinds, channels, height, width, grey, seed):
    draw = np.random.default_rng(seed)
    images = [
        None
        if kind is None
        else (
            draw.random((1 if grey else channels, height, width)) * LARGEST[np.dtype(kind)]
        ).astype(kind)
        for kind in kinds
    ]
    mean, std = draw.random(channels), draw.uniform(0.1, 2, channels)
    out = np.full((len(images), channels, height, width), np.nan, np.float32)
    _rust.normalise_samples(images, out, mean.tolist(), std.tolist())
    for image, found in zip(images, out, strict=True):
        if image is None:
            assert (found == 0).all()
            continue
        scaled = image.astype(np.float64) / LARGEST[image.dtype]
        wanted = (scaled - mean[:, None, None]) / std[:, None, None]
        np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=1e-5)


def test_it_writes_into_the_memory_of_a_torch_tensor_and_reads_a_map(tmp_path):
    torch = pytest.importorskip("torch")
    (tmp_path / "a").write_bytes(bytes(range(64)))
    mapped = np.memmap(tmp_path / "a", np.uint8, "r").reshape(1, 8, 8)
    tensor = torch.empty(1, 1, 8, 8)
    view, place = tensor.numpy(), tensor.data_ptr()
    _rust.normalise_samples([mapped], view, [0.0], [1 / 255])
    assert tensor.data_ptr() == view.ctypes.data == place
    np.testing.assert_allclose(tensor.numpy()[0, 0], np.arange(64).reshape(8, 8), rtol=1e-6)


def test_checksums_are_zlibs(rng):
    blocks = [rng.integers(0, 256, count, np.uint8) for count in (0, 1, 7, 64, 1000, 100_001)]
    for threads in (0, 1, 3):
        assert _rust.checksums(blocks, threads) == [zlib.crc32(block) for block in blocks]
    with pytest.raises(TypeError):
        _rust.checksums([np.zeros(3)])


def test_stamps_are_the_systems(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    facts = (tmp_path / "a").stat()
    found = _rust.file_stamps([tmp_path / "a", tmp_path / "none", tmp_path])
    assert found[0][:2] == (3, facts.st_mtime_ns)
    if os.name != "nt":
        assert found[0][2:] == (facts.st_ctime_ns, facts.st_ino)
    assert found[1:] == [None, None]
