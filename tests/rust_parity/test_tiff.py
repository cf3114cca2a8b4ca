"""TIFF: every kind that is read equals what was written, and Pillow; others are named."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from medfusion import _rust

GREY, RGB, PALETTE = 1, 2, 3


def pack_bits(data):
    """Literal runs and one long copy where bytes repeat."""
    out, at = bytearray(), 0
    while at < len(data):
        run = 1
        while at + run < len(data) and run < 128 and data[at + run] == data[at]:
            run += 1
        if run > 2:
            out += bytes([257 - run, data[at]])
        else:
            run = min(len(data) - at, 100)
            out += bytes([run - 1]) + data[at : at + run]
        at += run
    return bytes(out)


COMPRESS = {1: bytes, 8: zlib.compress, 32_946: zlib.compress, 32_773: pack_bits}


def tiff(samples, *, order="<", big=False, bits=8, kind=GREY, compression=1, rows=None, tile=None,
         planar=False, differences=False, fill_last=False, pages=1, kinds=(), extra=()):  # fmt: skip
    """Return a TIFF of samples [H, W, C], written tag by tag."""
    height, width, channels = samples.shape
    down, across = tile or (rows or height, width)

    def packed(part):
        part = part.astype(int)
        if differences:
            part = np.diff(part, axis=1, prepend=0) % (1 << bits)
        if bits == 16:
            return part.astype(f"{order}u2").tobytes()
        if bits == 8:
            return part.astype(np.uint8).tobytes()
        digits = np.unpackbits(part.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
        return np.packbits(digits.reshape(len(part), -1), axis=1).tobytes()

    parts = []
    for plane in range(channels) if planar else [slice(None)]:
        for y, x in itertools.product(range(0, height, down), range(0, width, across)):
            part = np.atleast_3d(samples[y : y + down, x : x + across, plane])
            if tile or fill_last:
                missing = [(0, down - part.shape[0]), (0, across - part.shape[1]), (0, 0)]
                part = np.pad(part, missing)
            parts.append(COMPRESS[compression](packed(part)))
    places = (324, 325) if tile else (273, 279)
    pointer, offset = ("Q", 16) if big else ("I", 8)
    head = b"II" if order == "<" else b"MM"
    head += struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, 0) if big else (42, 0)))
    body, offsets = bytearray(head), []
    for part in parts:
        offsets.append(len(body))
        body += part + bytes(len(part) % 2)
    tags = [(256, "H", [width]), (257, "H", [height]), (258, "H", [bits] * channels),
            (259, "H", [compression]), (262, "H", [kind]), (277, "H", [channels]),
            (284, "H", [2 if planar else 1]), (317, "H", [2 if differences else 1]),
            (places[0], pointer, offsets), (places[1], "I", [len(part) for part in parts])]  # fmt: skip
    tags += [(322, "H", [across]), (323, "H", [down])] if tile else [(278, "H", [down])]
    link = offset - struct.calcsize(pointer)
    for page in range(pages):
        own = [*tags, *extra]
        own += [(254, "I", [kinds[page]])] if page < len(kinds) else []
        own.sort()
        values = []
        for _, code, numbers in own:
            value = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
            if len(value) > (8 if big else 4):
                values.append(struct.pack(order + pointer, len(body)))
                body += value
            else:
                values.append(value.ljust(8 if big else 4, b"\0"))
        body[link : link + struct.calcsize(pointer)] = struct.pack(order + pointer, len(body))
        body += struct.pack(order + ("Q" if big else "H"), len(own))
        for (tag, code, numbers), value in zip(own, values, strict=True):
            kind_of = {"H": 3, "I": 4, "Q": 16, "B": 1}[code]
            body += struct.pack(order + "HH" + pointer, tag, kind_of, len(numbers)) + value
        link = len(body)
        body += struct.pack(order + pointer, 0)
    return bytes(body)


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "a.tif"
        path.write_bytes(content)
        found = _rust.read_image(path)
        bits = 16 if found.dtype == np.uint16 else 8
        assert _rust.probe_image(path) == (*found.shape, bits)
        return found

    return read


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("layout", [{}, {"rows": 5}, {"tile": (16, 32)}, {"tile": (16, 48)}])
@pytest.mark.parametrize("compression", sorted(COMPRESS))
def test_samples_are_those_written(read, rng, order, big, bits, layout, compression):
    for channels, planar in [(1, False), (2, False), (3, False), (4, False), (3, True), (4, True)]:
        samples = rng.integers(0, 1 << bits, (37, 48, channels))
        content = tiff(samples, order=order, big=big, bits=bits, compression=compression,
                       kind=GREY if channels < 3 else RGB, planar=planar,
                       differences=compression == 8, **layout)  # fmt: skip
        np.testing.assert_array_equal(read(content), samples[:, :, : 1 if channels < 3 else 3])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_few_bits_palettes_and_white_as_nothing(read, rng, bits, order):
    samples = rng.integers(0, 1 << bits, (9, 13, 1))
    step = 255 // ((1 << bits) - 1)
    options = {"bits": bits, "order": order, "rows": 4}
    np.testing.assert_array_equal(read(tiff(samples, **options)), samples * step)
    np.testing.assert_array_equal(read(tiff(samples, kind=0, **options)), 255 - samples * step)
    palette = rng.integers(0, 65_536, (3, 1 << bits))
    content = tiff(samples, kind=PALETTE, extra=[(320, "H", palette.ravel())], **options)
    np.testing.assert_array_equal(read(content), (palette.T >> 8)[samples[:, :, 0]])


def test_sixteen_bits_with_white_as_nothing(read, rng):
    samples = rng.integers(0, 65_536, (9, 13, 1))
    np.testing.assert_array_equal(read(tiff(samples, bits=16, kind=0)), 65_535 - samples)


def test_a_last_strip_that_is_filled_up(read, rng):
    samples = rng.integers(0, 256, (10, 7, 1))
    for compression in COMPRESS:
        content = tiff(samples, rows=4, fill_last=True, compression=compression)
        np.testing.assert_array_equal(read(content), samples)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16", "LA"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_files_by_pillow_read_the_same(tmp_path, smooth, mode, compression):
    image = Image.fromarray(smooth(61, 47))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 200)
    else:
        image = image.convert(mode)
    path = tmp_path / "a.tif"
    image.save(path, compression=compression)
    with Image.open(path) as opened:
        convert = {"1": "L", "LA": "L", "RGBA": "RGB", "P": "RGB"}.get(mode)
        expected = np.atleast_3d(np.asarray(opened.convert(convert) if convert else opened))
    np.testing.assert_array_equal(_rust.read_image(path), expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_jpeg_inside(tmp_path, smooth, mode):
    path = tmp_path / "a.tif"
    Image.fromarray(smooth(61, 47)).convert(mode).save(path, compression="jpeg", quality=90)
    with Image.open(path) as opened:
        expected = np.atleast_3d(np.asarray(opened.convert("L" if mode == "L" else "RGB")))
    difference = np.abs(_rust.read_image(path).astype(int) - expected)
    assert difference.max() <= 5
    assert difference.mean() < 0.6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_honoured(read, tmp_path, rng, orientation):
    samples = rng.integers(0, 256, (6, 9, 3))
    content = tiff(samples, kind=RGB, extra=[(274, "H", [orientation])])
    (tmp_path / "b.tif").write_bytes(content)
    with Image.open(tmp_path / "b.tif") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read(content), expected)


def test_batches_hold_tiff_files(tmp_path, smooth):
    image = Image.fromarray(smooth(90, 70))
    paths = [tmp_path / "a.tif", tmp_path / "a.png"]
    for path in paths:
        image.save(path)
    out = np.empty((2, 3, 32, 32), np.float32)
    assert _rust.decode_images(paths, out, [0.5] * 3, [0.25] * 3) == []
    np.testing.assert_array_equal(out[0], out[1])


def test_a_page_and_its_thumbnail_are_one_image_two_pages_are_none(read, rng):
    samples = rng.integers(0, 256, (6, 9, 1))
    np.testing.assert_array_equal(read(tiff(samples, pages=3, kinds=[0, 1, 4])), samples)
    with pytest.raises(_rust.ImageDecodeError, match="several pages; save each page"):
        read(tiff(samples, pages=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"extra": [(339, "H", [3])]}, "floating-point samples"),
        ({"extra": [(339, "H", [2])]}, "signed samples"),
        ({"bits": 16, "kind": PALETTE}, "palette of 65536"),
        ({"kind": 5}, "CMYK"),
        ({"kind": 6}, "YCbCr colours that are not"),
        ({"kind": 8}, "Lab"),
        ({"kind": PALETTE}, "palette has another size"),
        ({"kind": RGB}, "1 samples a pixel"),
    ],
)
def test_other_kinds_are_named(read, rng, options, message):
    with pytest.raises(_rust.ImageDecodeError, match=message):
        read(tiff(rng.integers(0, 256, (6, 9, 1)), **options))


@pytest.mark.parametrize(
    ("method", "message"),
    [(4, "fax"), (6, "old way"), (34_712, "JPEG 2000"), (50_000, "Zstandard"), (9, "method 9")],
)
def test_other_compressions_are_named(read, monkeypatch, method, message):
    monkeypatch.setitem(COMPRESS, method, bytes)
    with pytest.raises(_rust.ImageDecodeError, match=message):
        read(tiff(np.zeros((2, 2, 1)), compression=method))
