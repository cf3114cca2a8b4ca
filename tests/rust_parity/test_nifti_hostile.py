"""Files made to take memory or time: refused by what the file can hold, or read within bounds."""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from medfusion import _rust

sys.path.insert(0, str(Path(__file__).parent))
try:
    from nifti_files import content, header
finally:
    sys.path.pop(0)

SCRIPT = Path(__file__).with_name("hostile_nifti.py")
MIB = 1 << 20
STEP = 16 * MIB


def bomb(path, head, byte, size, *, tail=b""):
    """Write a gzip file of the header and `size` equal bytes, quickly, at the highest ratio."""
    start = head.binaryblock + bytes(4)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block, checksum = bytes([byte]) * STEP, zlib.crc32(start)
    repeated = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(size // STEP):
        packed += repeated
        checksum = zlib.crc32(block, checksum)
    packed += packer.compress(tail) + packer.flush()
    checksum, total = zlib.crc32(tail, checksum), len(start) + size + len(tail)
    ends = checksum.to_bytes(4, "little") + (total % 2**32).to_bytes(4, "little")
    path.write_bytes(b"\x1f\x8b\x08" + bytes(7) + packed + ends)
    return path


def read(path, dtype="float32"):
    """Read in a process of its own; it may take 512 MiB and two seconds."""
    done = subprocess.run(
        [sys.executable, SCRIPT, path, dtype],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["grown"] < 512
    return found


@pytest.mark.parametrize(
    ("size", "shape", "dtype", "message"),
    [
        (64, (4, 4, 4), "uint8", None),
        (512, (64, 64, 64), "uint8", "decompression bomb"),
        (512, (8000, 8000, 8000), "float64", "truncated"),
        (464, (1024, 1024, 481), "uint8", "truncated"),
        (1024, (1024, 1024, 1024), "uint8", "decompression bomb"),
        (1024, (1024, 1024, 512), "int16", "decompression bomb"),
    ],
)
def test_a_bomb_is_refused_before_it_unpacks(tmp_path, size, shape, dtype, message):
    path = bomb(tmp_path / "a.nii.gz", header(shape, dtype), 0, size * MIB)
    found = read(path)
    if message is None:
        assert found["result"] == list(shape)
    else:
        assert message in found["result"]
        assert found["grown"] < 256
        assert found["seconds"] < 2


def test_memory_follows_the_content(tmp_path):
    shape, size = (1024, 1024, 480), 480 * MIB
    zeros = bomb(tmp_path / "zeros.nii.gz", header(shape, "uint8"), 0, size)
    found = read(zeros)  # an empty mask: 1.9 GiB of zeros that take no memory
    assert found["result"] == [480, 1024, 1024]
    assert found["grown"] < 64
    ones = bomb(tmp_path / "ones.nii.gz", header(shape, "uint8"), 1, size)
    found = read(ones)
    assert "decompression bomb" in found["result"]
    assert found["seconds"] < 2


def test_a_sparse_file_is_no_image(tmp_path):
    path = tmp_path / "a.nii"
    with path.open("wb") as file:
        file.write(header((8000, 8000, 8000), "float32").binaryblock)
        file.truncate(352 + 8000**3 * 4)
    if path.stat().st_blocks * 512 > MIB:
        pytest.skip("this file system has no sparse files")
    found = read(path)
    assert "decompression bomb" in found["result"]
    assert found["seconds"] < 1


def test_what_follows_the_voxels_is_bounded(tmp_path):
    head = header((64, 64, 64), "uint8", vox_offset=200 * MIB)
    path = bomb(tmp_path / "a.nii.gz", head, 0, 208 * MIB)
    assert read(path)["result"] == [64, 64, 64]
    damaged = bomb(tmp_path / "b.nii.gz", head, 0, 208 * MIB, tail=b"x")
    damaged.write_bytes(damaged.read_bytes()[:-8] + bytes(8))
    assert "damaged" in read(damaged)["result"]


SIZES = [
    ("int16", (32767, 32767, 32767), {}),
    ("float64", (2**15 - 1,) * 7, {}),
    ("float64", (2**62, 2, 2), {"version": 2}),
    ("uint8", (2**63 - 1, 2**63 - 1), {"version": 2}),
    ("uint8", (2**40, 1, 1), {"version": 2, "vox_offset": 2**62}),
    ("uint8", (4, 4, 4), {"version": 2, "vox_offset": -(2**63)}),
]


@pytest.mark.parametrize(("dtype", "shape", "fields"), SIZES)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_declared_sizes_are_compared_with_the_file(tmp_path, dtype, shape, fields, name):
    path, made = tmp_path / name, header(shape, dtype, **fields)
    packer = zlib.compressobj(wbits=31)
    body = content(np.zeros(100, np.uint8), made)
    path.write_bytes(packer.compress(body) + packer.flush() if name.endswith("gz") else body)
    for read_it in (_rust.read_nifti, lambda path: _rust.read_nifti(path, "uint8", ((0, 1),) * 3)):
        with pytest.raises(_rust.NiftiReadError, match=r"truncated|damaged|at most one dimension"):
            read_it(path)


@pytest.mark.parametrize("name", ["folder", "pipe", "none.nii", "/dev/zero", "a\0b"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for function in (_rust.read_nifti, _rust.nifti_facts):
        with pytest.raises(_rust.NiftiReadError, match=r"not a regular|not exist|cannot be read"):
            function(os.path.join(tmp_path, name))  # noqa: PTH118 - a null byte is no path


def test_no_memory_is_an_error(tmp_path):
    # A file with enough bytes for its header, and more voxels than the process may hold.
    path = tmp_path / "a.nii"
    program = f"""
import resource
from medfusion.data.nifti import read_nifti
from medfusion.errors import VolumeReadError
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    read_nifti({str(path)!r}, dtype="float64")
except VolumeReadError as error:
    print(error)
"""
    path.write_bytes(header((1024, 1024, 300), "uint8").binaryblock + os.urandom(4 + 300 * MIB))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2]), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "cannot read the volume" in done.stdout
