import importlib.util
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

ADAM7 = [
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
]


@pytest.fixture(scope="session")
def data_root():
    root = Path(
        os.environ.get("MEDFUSION_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")
    )
    if not root.is_dir():
        pytest.skip(f"no test data in {root}: set MEDFUSION_TEST_DATA")
    return root


@pytest.fixture(scope="session")
def skin(data_root):
    return sorted(str(path) for path in (data_root / "skin_ham" / "images").glob("*.jpg"))


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def smooth(rng):
    """An image like a photograph: smooth shapes and a little noise, [H, W, C] uint8."""

    def make(height, width, channels=3):
        y, x = np.mgrid[:height, :width]
        waves = [
            np.sin(x / rng.uniform(5, 20) + rng.uniform(0, 6)) * np.cos(y / rng.uniform(5, 20))
            for _ in range(channels)
        ]
        noise = rng.normal(0, 4, (height, width, channels))
        return np.clip(128 + 90 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def write_png():
    """Write samples [H, W, C] as they are: every colour type, depth, and interlacing."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    def rows(samples, bits):
        if bits == 16:
            packed = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
        elif bits == 8:
            packed = samples.astype(np.uint8).reshape(len(samples), -1)
        else:
            unpacked = np.unpackbits(
                samples.astype(np.uint8).reshape(*samples.shape[:2], 1), axis=2
            )
            packed = np.packbits(unpacked[:, :, 8 - bits :].reshape(len(samples), -1), axis=1)
        return b"".join(b"\0" + row.tobytes() for row in packed)

    def write(path, samples, *, bits=8, colour=None, interlaced=False, palette=None, extra=()):
        height, width, channels = samples.shape
        colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if colour is None else colour
        header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
        if interlaced:
            passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7]
            body = b"".join(rows(part, bits) for part in passes if part.size)
        else:
            body = rows(samples, bits)
        chunks = [chunk(b"IHDR", header)]
        if palette is not None:
            chunks.append(chunk(b"PLTE", np.asarray(palette, np.uint8).tobytes()))
        chunks += [chunk(kind, content) for kind, content in extra]
        chunks += [chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b"")]
        Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
        return str(path)

    return write


@pytest.fixture(scope="session")
def dicom_files():
    """The module beside this file that writes DICOM files."""
    path = Path(__file__).with_name("dicom_files.py")
    spec = importlib.util.spec_from_file_location("dicom_files", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
