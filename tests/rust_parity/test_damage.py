"""Hostile and damaged files give errors: no panic, no crash, no hang, no huge memory."""

import os
import resource
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from medfusion import _rust


@pytest.fixture
def samples(tmp_path, smooth, write_png):
    """One small file of each kind."""
    made = {}
    for name, options in {
        "baseline.jpg": {"subsampling": 0},
        "sampled.jpg": {"subsampling": 2},
        "progressive.jpg": {"progressive": True},
        "grey.jpg": {"mode": "L"},
        "cmyk.jpg": {"mode": "CMYK"},
        "rgb.png": {},
        "palette.png": {"mode": "P"},
    }.items():
        image = Image.fromarray(smooth(37, 29)).convert(options.pop("mode", "RGB"))
        image.save(tmp_path / name, **options)
        made[name] = (tmp_path / name).read_bytes()
    write_png(tmp_path / "deep.png", smooth(20, 20).astype(int) * 256, bits=16, interlaced=True)
    made["deep.png"] = (tmp_path / "deep.png").read_bytes()
    for name, compression in {
        "raw.tif": None,
        "lzw.tif": "tiff_lzw",
        "deflate.tif": "tiff_adobe_deflate",
        "packbits.tif": "packbits",
        "jpeg.tif": "jpeg",
    }.items():
        image = Image.fromarray(smooth(37, 29)).convert("L" if name == "raw.tif" else "RGB")
        image.save(tmp_path / name, compression=compression)
        made[name] = (tmp_path / name).read_bytes()
    return made


def reads(path):
    """Whether the image is read; anything but the one error type fails the test."""
    try:
        found = _rust.read_image(path)
    except _rust.ImageDecodeError:
        return False
    assert found.ndim == 3
    return True


def test_a_truncated_file_is_an_error_wherever_it_is_cut(tmp_path, samples):
    path = tmp_path / "cut"
    for name, content in samples.items():
        if name.endswith(".tif"):
            continue  # its end need not be pixels or tags
        for length in {*range(0, len(content), max(1, len(content) // 40)), len(content) - 1}:
            path.write_bytes(content[:length])
            assert not reads(path), (name, length)
        path.write_bytes(content)
        assert reads(path)


def test_flipped_bytes_never_escape_as_anything_but_an_error(tmp_path, samples, rng, capfd):
    path, refused = tmp_path / "flipped", 0
    for content in samples.values():
        for _ in range(60):
            damaged = bytearray(content)
            for position in rng.integers(0, len(damaged), rng.integers(1, 6)):
                damaged[position] = rng.integers(0, 256)
            path.write_bytes(damaged)
            refused += not reads(path)
            out = np.empty((1, 3, 8, 8), np.float32)
            _rust.decode_images([path], out, [0.0] * 3, [1.0] * 3)
            assert np.isfinite(out).all()
    assert refused > 100
    assert "panicked" not in capfd.readouterr().err


def test_thousands_of_mutations_are_read_or_refused_at_once(tmp_path, samples, capfd):
    """Seeded: bytes flipped, numbers made huge, blocks moved, ends cut off."""
    rng, path, read, slowest = np.random.default_rng(31), tmp_path / "mutant", 0, 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in samples.values():
        for _ in range(390):
            mutant = bytearray(content)
            for _ in range(rng.integers(1, 4)):
                at = int(rng.integers(0, len(mutant)))
                match rng.integers(0, 5):
                    case 0:
                        mutant[at] ^= 1 << rng.integers(0, 8)
                    case 1:
                        mutant[at : at + 4] = rng.choice(
                            [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"]
                        )
                    case 2:
                        mutant[at : at + 8] = rng.bytes(8)
                    case 3:
                        start = int(rng.integers(0, len(mutant)))
                        mutant[at:at] = mutant[start : start + 30]
                    case 4:
                        # Mostly in the header, where the sizes are.
                        mutant[at % 64] = rng.integers(0, 256)
            if rng.random() < 0.1:
                del mutant[int(rng.integers(0, len(mutant))) :]
            path.write_bytes(mutant)
            start = time.perf_counter()
            read += reads(path)
            slowest = max(slowest, time.perf_counter() - start)
    assert 100 < read < 390 * len(samples)
    assert slowest < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024
    assert "panicked" not in capfd.readouterr().err


def test_removed_inserted_and_repeated_blocks(tmp_path, samples, rng):
    path = tmp_path / "shuffled"
    for content in samples.values():
        for _ in range(20):
            start, end = np.sort(rng.integers(0, len(content), 2))
            for damaged in (
                content[:start] + content[end:],
                content[:end] + content[start:],
                content[:start] + rng.bytes(50) + content[start:],
            ):
                path.write_bytes(damaged)
                reads(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF89a", "a GIF file: only PNG, JPEG, TIFF and DICOM"),
        (b"BM\0\0", "a BMP file"),
        (b"II*\0", "the TIFF file is truncated"),
        (b"RIFF\0\0\0\0WEBP", "a WebP file"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"hello", "not an image that is known"),
        (bytes(1000), "not an image that is known"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for function in (_rust.read_image, _rust.probe_image):
        with pytest.raises(_rust.ImageDecodeError, match=message):
            function(path)


def png_header(width, height, bits=8, colour=2):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    start = (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    )
    data = b"IDAT" + zlib.compress(bytes(10))
    return start + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def tiff_header(width, height, *, compression=1, tile=None, following=0, bits=8):
    tags = [(256, width), (257, height), (258, bits), (259, compression), (262, 1)]
    tags += [(273, 8), (278, height), (279, 10)] if tile is None else []
    tags += [(322, tile), (323, tile), (324, 8), (325, 10)] if tile is not None else []
    body = struct.pack("<H", len(tags))
    body += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 20) + bytes(12) + body + struct.pack("<I", following)


def jpeg_header(width, height):
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    scan = struct.pack(">HB", 12, 3) + b"\1\0\2\0\3\0\0\x3f\0"
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda" + scan + b"\0\xff\xd9"


@pytest.mark.parametrize(
    "content",
    [
        png_header(16_385, 1),
        png_header(1, 16_385),
        png_header(16_384, 16_384),
        png_header(2**31 - 1, 2**31 - 1),
        png_header(16_384, 8_192, bits=16, colour=6),
        jpeg_header(65_535, 65_535),
        jpeg_header(16_384, 16_384),
        jpeg_header(16_385, 2),
        tiff_header(16_385, 1),
        tiff_header(2**32 - 1, 2**32 - 1),
        tiff_header(16_384, 16_384, bits=16),
        tiff_header(100, 100, tile=2**31),
    ],
)
def test_sizes_are_checked_before_memory_is_taken(tmp_path, content):
    path = tmp_path / "huge"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for function in (_rust.read_image, _rust.probe_image):
        with pytest.raises(_rust.ImageDecodeError, match="at most 16384 a side and 512 MiB"):
            function(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png_header(16_000, 10_000), "truncated"),
        (tiff_header(16_000, 16_000), "truncated"),
        (tiff_header(16_000, 16_000, compression=8), "damaged"),
        (tiff_header(16_000, 16_000, compression=5), "truncated|damaged"),
        (tiff_header(16_000, 16_000, compression=32_773), "truncated"),
        (tiff_header(16_000, 16_000, tile=1), "fewer strips or tiles"),
        (tiff_header(9, 9, following=20), "several pages"),
        (tiff_header(9, 9, following=2**31), "truncated"),
        (tiff_header(0, 9), "no pixels"),
        (tiff_header(9, 9, tile=0), "no pixels"),
        (tiff_header(9, 9, bits=0), "samples of 0 bits"),
        (tiff_header(9, 9, compression=0), "method 0"),
    ],
)
def test_a_header_that_promises_pixels_takes_no_memory(tmp_path, content, message):
    path = tmp_path / "huge"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(_rust.ImageDecodeError, match=message):
        _rust.read_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_bombs_stay_within_their_limit(tmp_path):
    """Small files of 240 MB of pixels: read or refused, in time and in memory."""
    flat = Image.fromarray(np.zeros((15_000, 16_000), np.uint8))
    flat.save(tmp_path / "a.png", compress_level=9)
    flat.save(tmp_path / "a.tif", compression="tiff_adobe_deflate", strip_size=2**30)
    code = (
        "import resource, sys, time\n"
        "from medfusion import _rust\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "start = time.perf_counter()\n"
        "try:\n    _rust.check_images([sys.argv[1]])\n"
        "finally:\n    took = time.perf_counter() - start\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, took)"
    )
    for name in ("a.png", "a.tif"):
        command = [sys.executable, "-c", code, str(tmp_path / name)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        memory, took = map(float, out.split())
        assert memory < 512 + 16, name
        assert took < 5, name


def test_a_text_chunk_that_inflates_to_gigabytes_is_skipped(tmp_path, write_png, smooth):
    bomb = b"key\0\0" + zlib.compress(bytes(200_000_000), 9)
    path = write_png(tmp_path / "a.png", smooth(4, 4), extra=[(b"zTXt", bomb), (b"iCCP", bomb)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert _rust.read_image(path).shape == (4, 4, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        (tmp_path / "none", "does not exist"),
        ("a\0b", "cannot be read"),
        ("", "does not exist"),
    ]:
        with pytest.raises(_rust.ImageDecodeError, match=message):
            _rust.read_image(path)
    assert _rust.hash_files([tmp_path / "pipe", tmp_path, "a\0b"]) == [None] * 3


def test_a_file_above_the_limit_is_not_read(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate((512 << 20) + 1)
    with pytest.raises(_rust.ImageDecodeError, match="536870913 bytes"):
        _rust.read_image(path)


def test_names_that_are_not_utf8_are_names(tmp_path, smooth):
    Image.fromarray(smooth(4, 5)).save(tmp_path / "a.png")
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")
    (tmp_path / "a.png").rename(name)
    assert _rust.read_image(name).shape == (4, 5, 3)


def test_check_images_says_which_and_why(tmp_path, samples):
    paths = [tmp_path / "rgb.png", tmp_path / "cut.png", tmp_path / "none"] * 20
    paths[1].write_bytes(samples["rgb.png"][:-30])
    for threads in (0, 1, 3):
        found = _rust.check_images(paths, threads)
        expected = [None, "the PNG file is truncated", "the file does not exist"] * 20
        assert found == expected
