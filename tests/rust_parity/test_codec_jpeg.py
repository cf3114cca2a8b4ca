"""JPEG processes against libjpeg, with frames of a small encoder made here (ITU-T T.81)."""

import io
import struct

import libjpeg
import numpy as np
import pytest
from PIL import Image
from scipy import fft

from medfusion import _rust

# Place of each coefficient of a block in the order in which they are coded.
ZIGZAG = sorted(
    range(64),
    key=lambda at: (at // 8 + at % 8, at % 8 if (at // 8 + at % 8) % 2 == 0 else at // 8),
)


class Writer:
    """Bits with a zero byte behind each byte of ones."""

    def __init__(self):
        self.text = []

    def put(self, value, count):
        if count:
            self.text.append(format(value, f"0{count}b"))

    def finish(self):
        text = "".join(self.text)
        text += "1" * (-len(text) % 8)
        content = int(text or "1", 2).to_bytes(max(1, len(text) // 8), "big")
        return content.replace(b"\xff", b"\xff\x00")


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def huffman(kind, symbols):
    """A table with short and long codes: returns its segment and the codes."""
    symbols = sorted(symbols)
    counts, codes, code = [0] * 16, {}, 0
    middle = len(symbols) // 2
    for symbol in symbols[:middle]:
        codes[symbol] = (code, 9)
        code += 1
    code <<= 4
    for symbol in symbols[middle:]:
        codes[symbol] = (code, 13)
        code += 1
    counts[8], counts[12] = middle, len(symbols) - middle
    return segment(0xC4, bytes([kind, *counts, *symbols])), codes


def category(value):
    """Size of a number and its bits."""
    size = abs(value).bit_length()
    return size, value if value >= 0 else value + (1 << size) - 1


def frame_header(marker, values, precision, tables=0):
    rows, columns, samples = values.shape
    parts = b"".join(bytes([1 + one, 0x11, tables]) for one in range(samples))
    return segment(marker, struct.pack(">BHHB", precision, rows, columns, samples) + parts)


def scan_header(chosen, *rest):
    parts = b"".join(bytes([1 + one, 0]) for one in chosen)
    return segment(0xDA, bytes([len(chosen)]) + parts + bytes(rest))


def predictions(values, predictor, precision, restart):
    """What each sample [H, W] is predicted as (T.81, H.1.2.1)."""
    guess = np.zeros_like(values)
    a = values[:, :-1]
    guess[0, 0], guess[0, 1:] = 1 << (precision - 1), values[0, :-1]
    guess[1:, 0] = values[:-1, 0]
    b, c, a = values[:-1, 1:], values[:-1, :-1], a[1:]
    guess[1:, 1:] = {
        1: a,
        2: b,
        3: c,
        4: a + b - c,
        5: a + ((b - c) >> 1),
        6: b + ((a - c) >> 1),
        7: (a + b) >> 1,
    }[predictor]
    for line in range(restart, len(values), restart) if restart else ():
        guess[line, 0], guess[line, 1:] = 1 << (precision - 1), values[line, :-1]
    return guess


def lossless(values, precision, *, predictor=1, point=0, restart=0, interleaved=True):
    """Encode [H, W, C]; `restart` lines apart."""
    values = values.astype(np.int64) >> point
    rows, columns, samples = values.shape
    table, codes = huffman(0, range(17))
    content = b"\xff\xd8" + frame_header(0xC3, values, precision) + table
    if restart:
        content += segment(0xDD, struct.pack(">H", restart * columns))
    guess = np.dstack(
        [
            predictions(values[..., one], predictor, precision - point, restart)
            for one in range(samples)
        ]
    )
    errors = ((values - guess + 0x8000) & 0xFFFF) - 0x8000
    scans = [range(samples)] if interleaved else [[one] for one in range(samples)]
    for chosen in scans:
        content += scan_header(chosen, predictor, 0, point)
        for number, line in enumerate(range(0, rows, restart or rows)):
            writer = Writer()
            part = errors[line : line + (restart or rows)][..., list(chosen)]
            for error in part.ravel().tolist():
                size, bits = category(error) if error != -0x8000 else (16, 0)
                writer.put(*codes[size])
                writer.put(bits, size if size < 16 else 0)
            if number:
                content += bytes([0xFF, 0xD0 + (number - 1) % 8])
            content += writer.finish()
    return content + b"\xff\xd9"


def transformed(values, step, marker=0xC1, restart=0):
    """Encode 12 bits [H, W] by cosine transform, one quantisation step for all."""
    rows, columns = values.shape
    padded = np.pad(values, ((0, -rows % 8), (0, -columns % 8)), mode="edge") - 2048.0
    blocks = padded.reshape(padded.shape[0] // 8, 8, -1, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    blocks = np.rint(fft.dctn(blocks, axes=(1, 2), norm="ortho") / step).astype(int)
    coded, last = [], 0
    for number, block in enumerate(blocks.reshape(-1, 64)[:, ZIGZAG].tolist()):
        last = 0 if restart and number % restart == 0 else last
        symbols = [(0, *category(block[0] - last))]
        last, run = block[0], 0
        for value in block[1:]:
            if value == 0:
                run += 1
                continue
            symbols += [(0xF0, 0, 0)] * (run // 16)
            size, bits = category(value)
            symbols.append((run % 16 << 4 | size, size, bits))
            run = 0
        coded.append(symbols + ([(0, 0, 0)] if run else []))
    first, first_codes = huffman(0, {one[0][1] for one in coded} | {0, 1})
    rest, rest_codes = huffman(0x10, {two[0] for one in coded for two in one[1:]} | {0, 1})
    wide = bytes([0x10]) + struct.pack(">H", step) * 64
    content = b"\xff\xd8" + segment(0xDB, wide) + frame_header(marker, values[..., None], 12)
    content += first + rest
    if restart:
        content += segment(0xDD, struct.pack(">H", restart))
    content += scan_header([0], 0, 63, 0)
    length = restart or len(coded)
    for number, at in enumerate(range(0, len(coded), length)):
        if number:
            content += bytes([0xFF, 0xD0 + (number - 1) % 8])
        writer = Writer()
        for (_, size, bits), *others in coded[at : at + length]:
            writer.put(*first_codes[size])
            writer.put(bits, size)
            for symbol, length_of_bits, rest_bits in others:
                writer.put(*rest_codes[symbol])
                writer.put(rest_bits, length_of_bits)
        content += writer.finish()
    return content + b"\xff\xd9"


def structured(rng, rows, columns, precision, samples=1):
    """Waves, an edge, noise and flat parts."""
    y, x = np.mgrid[:rows, :columns]
    image = np.sin(x / 5) * np.cos(y / 7) + (x > columns / 2) * (y > rows / 3)
    image = (image - image.min()) / max(np.ptp(image), 1e-9) * (2**precision - 1)
    image = image[..., None] + rng.integers(0, 3, (rows, columns, samples))
    image[: rows // 4] = 0
    return np.clip(image, 0, 2**precision - 1).astype(int)


def decode(content, values, precision, **options):
    rows, columns, samples = values.shape
    found = _rust.decode_frame(
        "jpeg",
        content,
        rows,
        columns,
        samples=samples,
        bits_allocated=8 if precision <= 8 else 16,
        bits_stored=precision,
        **options,
    )
    return found.reshape(values.shape)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("precision", [2, 8, 12, 16])
def test_lossless_predictors_and_precisions(rng, predictor, precision):
    values = structured(rng, 29, 37, precision)
    content = lossless(values, precision, predictor=predictor)
    np.testing.assert_array_equal(decode(content, values, precision), values)
    if precision >= 8:
        oracle = libjpeg.decode(content).reshape(values.shape)
        np.testing.assert_array_equal(oracle, values)


@pytest.mark.parametrize("precision", range(2, 17))
def test_lossless_noise_of_every_precision(rng, precision):
    values = rng.integers(0, 2**precision, (9, 11, 1))
    content = lossless(values, precision, predictor=1 + precision % 7)
    np.testing.assert_array_equal(decode(content, values, precision), values)


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("point", [0, 3])
@pytest.mark.parametrize("restart", [0, 1, 4])
def test_lossless_colours_restarts_and_point_transforms(rng, interleaved, point, restart):
    values = structured(rng, 13, 10, 8, samples=3)
    content = lossless(
        values, 8, predictor=4, point=point, restart=restart, interleaved=interleaved
    )
    np.testing.assert_array_equal(decode(content, values, 8), values >> point << point)


def test_lossless_one_column_and_one_row(rng):
    for shape in [(1, 1, 1), (1, 9, 1), (9, 1, 1), (1, 2, 3), (2, 1, 3)]:
        values = rng.integers(0, 2**16, shape)
        for predictor in range(1, 8):
            content = lossless(values, 16, predictor=predictor)
            np.testing.assert_array_equal(decode(content, values, 16), values)


def test_signed_values_are_extended_from_the_bits_stored(rng):
    values = rng.integers(-2048, 2048, (8, 8, 1))
    content = lossless(values & 0xFFF, 12)
    found = decode(content, values, 12, signed=True)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("step", [1, 7, 60])
@pytest.mark.parametrize("marker", [0xC0, 0xC1])
@pytest.mark.parametrize("shape", [(8, 8), (29, 37), (64, 51)])
def test_twelve_bits_by_cosine_transform(rng, step, marker, shape):
    values = structured(rng, *shape, 12)
    content = transformed(values[..., 0], step, marker)
    found = decode(content, values, 12).astype(int)
    assert abs(found - values).max() <= 4 * step
    if marker == 0xC1:
        oracle = libjpeg.decode(content).reshape(values.shape).astype(int)
        assert abs(found - oracle).max() <= 2


def test_twelve_bits_with_restarts(rng):
    values = structured(rng, 40, 33, 12)
    whole = decode(transformed(values[..., 0], 3), values, 12)
    np.testing.assert_array_equal(
        decode(transformed(values[..., 0], 3, restart=2), values, 12), whole
    )


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_eight_bits_are_those_of_libjpeg_as_they_are_coded(rng, options, mode, subsampling):
    values = structured(rng, 43, 61, 8, samples=3).astype(np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(values).convert(mode)
    image.save(buffer, "JPEG", quality=92, subsampling=subsampling, **options)
    content = buffer.getvalue()
    samples = 1 if mode == "L" else 3
    found = _rust.decode_frame("jpeg", content, 43, 61, samples, 8, 8).astype(int)
    oracle = libjpeg.decode(content).astype(int)  # without a colour transform
    # Decoders differ by 1 in the transform, and in how they spread subsampled colours.
    difference = abs(found - oracle)
    assert difference.reshape(43, 61, samples)[..., 0].max() <= 1
    assert difference.max() <= (1 if subsampling == 0 or mode == "L" else 3)


def test_eight_bits_in_sixteen(rng):
    values = structured(rng, 16, 16, 8)[..., 0].astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "JPEG", quality=100)
    narrow = _rust.decode_frame("jpeg", buffer.getvalue(), 16, 16, 1, 8, 8)
    wide = _rust.decode_frame("jpeg", buffer.getvalue(), 16, 16, 1, 16, 8)
    assert wide.dtype == np.uint16
    np.testing.assert_array_equal(narrow, wide)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda content: content[:-30], "truncated"),
        (lambda content: content.replace(b"\xff\xc3", b"\xff\xcb"), "arithmetic"),
        (lambda content: content.replace(b"\xff\xc3", b"\xff\xc7"), "hierarchical"),
        (lambda content: content.replace(b"\xff\xc4", b"\xff\xfe"), "missing"),
        (lambda content: b"\xff" + content[2:], "start-of-image"),
        (lambda _: b"", "start-of-image"),
    ],
)
def test_what_cannot_be_read_is_named(rng, change, part):
    values = structured(rng, 20, 20, 8)
    content = change(lossless(values, 8))
    with pytest.raises(_rust.FrameDecodeError, match=part):
        decode(content, values, 8)


def test_a_frame_that_is_not_what_the_header_says(rng):
    values = structured(rng, 20, 20, 12)
    content = lossless(values, 12)
    for rows, columns, samples, allocated in [
        (21, 20, 1, 16),
        (20, 10, 1, 16),
        (20, 20, 3, 16),
        (20, 20, 1, 8),
    ]:
        with pytest.raises(_rust.FrameDecodeError, match="JPEG"):
            _rust.decode_frame("jpeg", content, rows, columns, samples, allocated, 8)
