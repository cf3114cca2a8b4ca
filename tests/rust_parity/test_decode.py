"""Decoded images equal Pillow's, and the pixels that were written."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from medfusion import _rust


def pillow(path, mode=None):
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        array = np.asarray(upright.convert(mode) if mode else upright)
    return array[:, :, None] if array.ndim == 2 else array


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 31)])
def test_png_pixels_are_those_written(tmp_path, write_png, rng, channels, bits, size, interlaced):
    samples = rng.integers(0, 1 << bits, (*size, channels))
    path = write_png(tmp_path / "a.png", samples, bits=bits, interlaced=interlaced)
    found = _rust.read_image(path)
    kept = samples[:, :, : 1 if channels < 3 else 3]
    assert found.dtype == (np.uint16 if bits == 16 else np.uint8)
    np.testing.assert_array_equal(found, kept)
    assert _rust.probe_image(path) == (*found.shape, bits)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits_spans_the_grey_scale(tmp_path, write_png, rng, bits, interlaced):
    samples = rng.integers(0, 1 << bits, (9, 13, 1))
    path = write_png(tmp_path / "a.png", samples, bits=bits, interlaced=interlaced)
    found = _rust.read_image(path)
    np.testing.assert_array_equal(found, samples * (255 // ((1 << bits) - 1)))
    np.testing.assert_array_equal(found, pillow(path, "L"))
    assert _rust.probe_image(path) == (9, 13, 1, 8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_png_palette_becomes_rgb(tmp_path, write_png, rng, bits, transparent):
    palette = rng.integers(0, 256, (1 << bits, 3))
    samples = rng.integers(0, 1 << bits, (9, 13, 1))
    extra = [(b"tRNS", bytes(rng.integers(0, 256, 1 << bits, np.uint8)))] if transparent else []
    path = write_png(tmp_path / "a.png", samples, bits=bits, colour=3, palette=palette, extra=extra)
    np.testing.assert_array_equal(_rust.read_image(path), palette[samples[:, :, 0]])
    np.testing.assert_array_equal(_rust.read_image(path), pillow(path, "RGBA")[:, :, :3])


def test_png_transparent_colour_does_not_change_the_pixels(tmp_path, write_png, rng):
    grey = rng.integers(0, 256, (5, 6, 1))
    path = write_png(tmp_path / "a.png", grey, extra=[(b"tRNS", struct.pack(">H", 7))])
    np.testing.assert_array_equal(_rust.read_image(path), grey)
    assert _rust.probe_image(path) == (5, 6, 1, 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_png_by_pillow_reads_the_same(tmp_path, smooth, mode):
    image = Image.fromarray(smooth(40, 30))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 200)
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.png")
    convert = {"1": "L", "LA": "L", "RGBA": "RGB", "P": "RGB"}.get(mode)
    found = _rust.read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found, pillow(tmp_path / "a.png", convert))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (61, 47)])
def test_jpeg_is_within_the_rounding_of_the_transform(
    tmp_path, smooth, mode, subsampling, progressive, size
):
    path = tmp_path / "a.jpg"
    image = Image.fromarray(smooth(*size)).convert(mode)
    image.save(path, quality=90, subsampling=subsampling, progressive=progressive)
    found, expected = _rust.read_image(path), pillow(path, "L" if mode == "L" else "RGB")
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    # The standard leaves 1 level of Y, Cb and Cr to the inverse transform, and the upsampling of
    # Cb and Cr to the decoder; blue is Y + 1.772 Cb.
    assert difference.max() <= 5
    assert difference.mean() < (0.5 if min(size) > 8 else 1)
    assert _rust.probe_image(path) == (*size, 1 if mode == "L" else 3, 8)


def test_real_photographs_equal_pillow(skin):
    levels = np.zeros(256, int)
    for path in skin[::40]:
        difference = np.abs(_rust.read_image(path).astype(int) - pillow(path, "RGB"))
        assert difference.mean() < 0.5
        levels += np.bincount(difference.ravel(), minlength=256)
    assert levels[6:].sum() == 0
    assert levels[3:].sum() / levels.sum() < 0.001


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_exif_orientation_is_honoured(tmp_path, smooth, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    Image.fromarray(smooth(16, 24)).save(path, exif=exif, quality=95, subsampling=0)
    found = _rust.read_image(path)
    assert found.shape == ((16, 24, 3) if orientation < 5 else (24, 16, 3))
    np.testing.assert_allclose(found.astype(int), pillow(path), atol=0 if kind == "png" else 3)
    assert _rust.probe_image(path) == (*found.shape, 8)


def test_the_content_decides_not_the_name(tmp_path, smooth):
    image = Image.fromarray(smooth(8, 9))
    image.save(tmp_path / "really.png", format="JPEG")
    image.save(tmp_path / "really.jpg", format="PNG")
    image.save(tmp_path / "none", format="PNG")
    for name in ["really.png", "really.jpg", "none"]:
        assert _rust.read_image(tmp_path / name).shape == (8, 9, 3)


def test_a_header_longer_than_the_first_block_is_probed(tmp_path, smooth):
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth(8, 9)).save(path)
    content = path.read_bytes()
    comment = b"\xff\xfe" + struct.pack(">H", 60_002) + bytes(60_000)
    path.write_bytes(content[:2] + comment * 3 + content[2:])
    assert _rust.probe_image(path) == (8, 9, 3, 8)
