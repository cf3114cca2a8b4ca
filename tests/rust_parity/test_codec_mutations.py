"""Thousands of damaged frames, and frames that claim to be huge: one error type, soon."""

import io
import resource
import struct
import subprocess
import sys
import textwrap
import time

import jpeg_ls
import numpy as np
import pytest
from PIL import Image

from medfusion import _rust

MUTANTS = 60_000
PEAK_MIB = 512


def lossless_jpeg(rows, columns):
    """A lossless JPEG of no errors: all samples are the first one's prediction."""
    frame = struct.pack(">BHHB", 8, rows, columns, 1) + b"\x01\x11\x00"
    table = bytes([0, 1, *[0] * 15, 0])
    return b"".join(
        [
            b"\xff\xd8\xff\xc3",
            struct.pack(">H", len(frame) + 2) + frame,
            b"\xff\xc4" + struct.pack(">H", len(table) + 2) + table,
            b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00",
            bytes(rows * columns // 8 + 1),
            b"\xff\xd9",
        ]
    )


def rle(*planes):
    """Each plane [H, W] as literals."""
    segments = []
    for plane in planes:
        flat = plane.tobytes()
        parts = [flat[at : at + 100] for at in range(0, len(flat), 100)]
        segments.append(b"".join(bytes([len(part) - 1]) + part for part in parts))
    header = np.zeros(16, "<u4")
    header[0] = len(segments)
    header[1 : 1 + len(segments)] = 64 + np.cumsum([0, *map(len, segments[:-1])])
    return header.tobytes() + b"".join(segments)


def pillow(values, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def seeds():
    """Small frames of every kind: codec, bytes and shape."""
    rng = np.random.default_rng(3)
    grey = (np.add.outer(np.arange(24), np.arange(28)) * 3 % 256).astype(np.uint8)
    grey += rng.integers(0, 3, grey.shape, dtype=np.uint8)
    colour = np.dstack([grey, grey // 2, 255 - grey])
    deep = grey.astype(np.uint16) * 16
    tiles = {"tile_size": (16, 16), "precinct_size": (16, 16), "codeblock_size": (8, 8)}
    layers = {"quality_mode": "rates", "quality_layers": [8, 0]}
    one, three, wide = (24, 28, 1, 8, 8), (24, 28, 3, 8, 8), (24, 28, 1, 16, 12)
    found = [
        ("rle", rle(grey), one),
        ("rle", rle(*np.moveaxis(colour, -1, 0)), three),
        ("jpeg", pillow(grey, "JPEG"), one),
        ("jpeg", pillow(colour, "JPEG", restart_marker_blocks=2), three),
        ("jpeg", pillow(colour, "JPEG", progressive=True), three),
        ("jpeg", lossless_jpeg(24, 28), one),
        ("jpeg-ls", jpeg_ls.encode_array(grey), one),
        ("jpeg-ls", jpeg_ls.encode_array(deep, lossy_error=2), wide),
        ("jpeg-ls", jpeg_ls.encode_array(colour, interleave_mode=1), three),
        ("jpeg-ls", jpeg_ls.encode_array(colour, interleave_mode=2), three),
        ("jpeg2000", pillow(grey, "JPEG2000", num_resolutions=3), one),
        ("jpeg2000", pillow(colour, "JPEG2000", no_jp2=True, **tiles, **layers), three),
        ("jpeg2000", pillow(colour, "JPEG2000", irreversible=True, num_resolutions=4), three),
        ("jpeg2000", pillow(deep, "JPEG2000", num_resolutions=2, no_jp2=True), (24, 28, 1, 16, 16)),
    ]
    return [(codec, bytes(content), shape) for codec, content, shape in found]


def high_throughput(shared_data):
    """A real frame of HTJ2K, the only ones that no encoder at hand makes."""
    import pydicom
    from pydicom.encaps import generate_frames

    dataset = pydicom.dcmread(shared_data / "dicom_odd" / "pydicom-data" / "HTJ2K_08_RGB.dcm")
    content = next(generate_frames(dataset.PixelData, number_of_frames=1))
    return "jpeg2000", content, (480, 640, 3, 8, 8)


def decodes(codec, content, shape):
    """Whether a frame is decoded; all but the one error type, or slow ones, fail the test."""
    start, reason = time.perf_counter(), None
    try:
        _rust.decode_frame(codec, content, *shape)
    except _rust.FrameDecodeError as error:
        reason = str(error)
    assert time.perf_counter() - start < 2
    assert "gave up" not in (reason or "")  # it did panic
    return reason is None


def mutate(rng, content):
    """Change, drop, double or cut a few bytes, more often in the headers."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        length = len(changed)
        if length < 4:
            break
        at = int(rng.integers(length if rng.random() < 0.5 else min(length, 150)))
        match rng.integers(6):
            case 0:
                changed[at] = rng.integers(256)
            case 1:
                changed[at] ^= 1 << rng.integers(8)
            case 2:
                changed[at : at + 2] = rng.choice([b"\xff\xff", b"\0\0", b"\xff\xd9", b"\x7f\xff"])
            case 3:
                del changed[at : at + int(rng.integers(1, 9))]
            case 4:
                changed[at:at] = changed[at : at + int(rng.integers(1, 30))]
            case _:
                if rng.random() < 0.2:
                    del changed[at:]
    return bytes(changed)


def test_mutants(seeds, capfd):
    for codec, content, shape in seeds:
        assert decodes(codec, content, shape), codec
    rng = np.random.default_rng(20)
    read = 0
    for number in range(MUTANTS):
        codec, content, shape = seeds[number % len(seeds)]
        read += decodes(codec, mutate(rng, content), shape)
    # Many changes only change values, which no decoder can know.
    assert MUTANTS * 0.05 < read < MUTANTS * 0.8
    assert "panicked" not in capfd.readouterr().err


def test_mutants_of_high_throughput_frames(shared_data):
    codec, content, shape = high_throughput(shared_data)
    rng = np.random.default_rng(21)
    assert decodes(codec, content, shape)
    for _ in range(60):
        changed = bytearray(content)
        for at in rng.integers(0, len(content), 20):
            changed[at] = rng.integers(256)
        decodes(codec, bytes(changed), shape)
        decodes(codec, mutate(rng, content), shape)


def test_every_truncation_is_an_error_or_loses_nothing(seeds):
    for codec, content, shape in seeds:
        whole = _rust.decode_frame(codec, content, *shape)
        for length in range(len(content)):
            try:
                found = _rust.decode_frame(codec, content[:length], *shape)
            except _rust.FrameDecodeError:
                continue
            # Only what comes behind the last sample may be absent.
            if codec != "jpeg2000":
                np.testing.assert_array_equal(found, whole)


def siz(columns, rows, tile, components=1):
    """A codestream of that size with one empty tile."""
    size = struct.pack(">HIIIIIIIIH", 0, columns, rows, 0, 0, *tile, 0, 0, components)
    size += b"\x07\x01\x01" * components
    return b"".join(
        [
            b"\xff\x4f\xff\x51",
            struct.pack(">H", len(size) + 2) + size,
            b"\xff\x52\x00\x0c\x00\x00\x00\x01\x00\x05\x04\x04\x00\x01",
            b"\xff\x5c\x00\x13\x40" + b"\x40" * 16,
            b"\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x01\xff\x93",
        ]
    )


BOMBS = {
    "rle": ("rle", rle(np.zeros((4, 4), np.uint8)), (65535, 4000, 1, 8, 8)),
    "rle of too many bytes": ("rle", rle(np.zeros((4, 4), np.uint8)), (65535, 65535, 1, 8, 8)),
    "jpeg": ("jpeg", lossless_jpeg(2, 2).replace(b"\0\2\0\2", b"\xff\xff\x0f\xff"), (65535, 4095)),
    "progressive jpeg": (
        "jpeg",
        pillow(np.zeros((8, 8), np.uint8), "JPEG", progressive=True).replace(
            b"\x08\0\x08\0\x08\x01", b"\x08\xff\xff\x0f\xff\x01"
        ),
        (65535, 4095),
    ),
    "jpeg 2000 of huge tiles": ("jpeg2000", siz(65535, 65535, (65535, 65535)), (65535, 65535)),
    "jpeg 2000 of large tiles": ("jpeg2000", siz(5000, 5000, (5000, 5000)), (5000, 5000)),
    "jpeg 2000 of tiny tiles": ("jpeg2000", siz(5000, 5000, (1, 1)), (5000, 5000)),
    "jpeg 2000 of many components": ("jpeg2000", siz(9, 9, (9, 9), 16384), (9, 9)),
    "jpeg 2000 of no tile": ("jpeg2000", siz(9, 9, (0, 0)), (9, 9)),
}


def flat_jpeg_ls(rows, columns):
    """A few bytes that are all runs of zeros."""
    frame = struct.pack(">BHHB", 8, rows, columns, 1) + b"\x01\x11\x00"
    head = b"\xff\xd8\xff\xf7" + struct.pack(">H", len(frame) + 2) + frame
    return head + b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + b"\xff\x7f" * 60_000 + b"\xff\xd9"


def test_bombs_take_neither_memory_nor_time():
    """In a process of its own, whose peak is its own."""
    code = textwrap.dedent(
        """
        import pickle, resource, sys, time
        import numpy
        from medfusion import _rust

        bombs = pickle.load(sys.stdin.buffer)
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name, (codec, content, shape) in bombs.items():
            shape = shape if len(shape) == 5 else (*shape, 1, 8, 8)
            start = time.perf_counter()
            try:
                _rust.decode_frame(codec, content, *shape)
            except _rust.FrameDecodeError as error:
                assert "gave up" not in str(error), error
            else:
                assert "decodes" in name, name
            assert time.perf_counter() - start < 2, name
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
        """
    )
    import pickle

    bombs = dict(BOMBS)
    bombs["jpeg-ls"] = ("jpeg-ls", flat_jpeg_ls(65535, 65535), (65535, 65535))
    bombs["jpeg-ls that decodes"] = ("jpeg-ls", flat_jpeg_ls(4000, 65535), (4000, 65535))
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(bombs), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) <= PEAK_MIB


def test_the_mutants_take_little_memory(seeds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rng = np.random.default_rng(22)
    for number in range(1000):
        codec, content, shape = seeds[number % len(seeds)]
        decodes(codec, mutate(rng, content), shape)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) / 1024 <= PEAK_MIB
