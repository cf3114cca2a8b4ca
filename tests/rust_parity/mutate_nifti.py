"""Reads many damaged NIfTI files and says how it went, as JSON.

python mutate_nifti.py FOLDER COUNT SEED
"""

import gzip
import json
import logging
import resource
import sys
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
from nifti_files import content, header

from medfusion import _rust

EXTREME = {
    "i": [0, 1, -1, 2, 7, 8, 255, 32767, -32768, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)],
    "f": [0, -0.0, 1, -1, 0.5, np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-38, 352, 353.7, 1e9],
}
FIELDS = [
    "sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter",
    "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x",
    "srow_x", "srow_y", "srow_z", "magic", "intent_code",
]  # fmt: skip


def seeds(rng):
    """Small valid files: name -> (header, bytes, compressed)."""
    made = {}

    def add(name, shape, dtype, *, packed=False, extra=b"\0\0\0\0", **fields):
        head = header(shape, dtype, **fields)
        stored = {128: "uint8"}.get(dtype, dtype)
        size = (3 * shape[0], *shape[1:]) if dtype == 128 else shape
        values = rng.integers(0, 99, size).astype(stored)
        made[name] = head, content(values, head, extension=extra), packed

    add("int16", (9, 7, 5), "int16")
    add("float32 big endian", (9, 7, 5), "float32", endian=">", sform_code=0, qform_code=1)
    add("scaled gz", (9, 7, 5), "uint8", packed=True, scl_slope=0.5, scl_inter=-3)
    add("time gz", (5, 4, 3, 6), "int16", packed=True, xyzt_units=10)
    add("nifti2 gz", (9, 7, 5), "float64", packed=True, version=2, endian=">")
    add("nifti2", (9, 7, 5, 1, 2), "uint16", version=2, sform_code=0)
    add("rgb gz", (5, 4, 3), 128, packed=True)
    extension = b"\1\0\0\0\x20\0\0\0\6\0\0\0" + b"x" * 24
    add("extension", (9, 7, 5), "int8", extra=extension, vox_offset=384)
    return made


def attack_header(rng, head, made):
    """Set one to three fields of the header to extreme values."""
    changed = head.structarr.copy()
    for _ in range(rng.integers(1, 4)):
        field = FIELDS[rng.integers(len(FIELDS))]
        target = changed[field]
        if field == "magic":
            changed[field] = rng.choice([b"n+1", b"ni1", b"n+2", b"ni2", b"", b"xx"])
            continue
        kind = "f" if target.dtype.kind == "f" else "i"
        value = EXTREME[kind][rng.integers(len(EXTREME[kind]))]
        with np.errstate(all="ignore"):
            value = np.array(value).astype(target.dtype)
        if target.shape:
            at = 0 if field == "dim" and rng.random() < 0.3 else rng.integers(len(target))
            changed[field][at] = value
        else:
            changed[field] = value
    return changed.tobytes() + made[changed.nbytes :]


def attack_bytes(rng, made):
    """Flip, cut, insert, remove or repeat bytes; the header is met more often than the rest."""
    damaged = bytearray(made)
    kind = rng.integers(6)
    if kind <= 1:
        reach = len(damaged) if rng.random() < 0.5 else min(len(damaged), 360)
        for at in rng.integers(0, reach, rng.integers(1, 9)):
            damaged[at] = rng.integers(256) if kind else damaged[at] ^ (1 << rng.integers(8))
    elif kind == 2:
        del damaged[rng.integers(0, len(damaged)) :]
    elif kind == 3:
        at = rng.integers(0, len(damaged))
        damaged[at:at] = rng.bytes(rng.integers(1, 40))
    elif kind == 4:
        at = rng.integers(0, len(damaged))
        del damaged[at : at + rng.integers(1, 40)]
    else:
        start, end = sorted(rng.integers(0, len(damaged), 2))
        damaged[start:start] = damaged[start:end]
    return bytes(damaged)


def pack(content):
    return gzip.compress(content, 1, mtime=0)


def mutate(rng, head, made, packed):
    """Return one damaged file."""
    if rng.random() < 0.4:
        damaged = attack_header(rng, head, made)
        return pack(damaged) if packed else damaged
    if not packed:
        return attack_bytes(rng, made)
    if rng.random() < 0.5:
        return pack(attack_bytes(rng, made))
    damaged = attack_bytes(rng, pack(made))
    if rng.random() < 0.3:  # sound around what is damaged
        damaged = damaged[:-8] + zlib.crc32(made).to_bytes(4, "little") + damaged[-4:]
    return damaged


def compare(path, array, facts):
    """Say whether nibabel reads the same: "same", "different" or why it does not read."""
    try:
        image = nib.load(path)
        units = {1: 1000, 3: 0.001}.get(int(image.header["xyzt_units"]) & 7, 1)
        affine = np.diag([-1, -1, 1, 1]) @ image.affine
        affine[:3] *= units
        if image.dataobj.offset == 0:
            return "no offset"
        values = np.asarray(image.dataobj)
        if values.dtype.names:
            values = np.stack([values[name] for name in values.dtype.names], axis=-1)
        expected = values.astype(np.float32).T
    except Exception as error:  # noqa: BLE001 - nibabel has no one type of error
        return f"{type(error).__name__}: {str(error)[:60]}"
    expected = expected.reshape([size for size in expected.shape if size > 1])
    array = array.reshape([size for size in array.shape if size > 1])
    if facts["axes"] == "TCDHW" and expected.shape != array.shape:
        array = array.swapaxes(0, 1)
    same = np.array_equal(expected, array, equal_nan=True)
    scale = np.abs(affine).max()
    same &= np.allclose(affine, facts["affine"], rtol=1e-5, atol=1e-5 * max(scale, 1))
    return "same" if same else "different"


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder, count, seed):
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    rng = np.random.default_rng(seed)
    made = list(seeds(rng).values())
    paths = {False: Path(folder, "a.nii"), True: Path(folder, "a.nii.gz")}
    for head, valid, packed in made:
        paths[packed].write_bytes(pack(valid) if packed else valid)
        array, facts = _rust.read_nifti(paths[packed])
        assert compare(paths[packed], array, facts) == "same", head
    refused, compared, slowest, base = Counter(), Counter(), 0.0, peak()
    accepted, different = 0, []
    for number in range(count):
        head, valid, packed = made[number % len(made)]
        path = paths[packed]
        damaged = mutate(rng, head, valid, packed)
        path.write_bytes(damaged)
        begin = time.process_time()
        try:
            array, facts = _rust.read_nifti(path)
        except (_rust.NiftiReadError, MemoryError) as error:
            array = None
            refused[str(error)[:24]] += 1
        slowest = max(slowest, time.process_time() - begin)
        if array is not None:
            accepted += 1
            if accepted % 10 == 0:
                result = compare(path, array, facts)
                compared[result] += 1
                if result == "different":
                    different.append(damaged.hex())
    print(
        json.dumps(
            {
                "accepted": accepted,
                "refused": dict(refused.most_common(40)),
                "compared": dict(compared.most_common(40)),
                "different": different[:3],
                "slowest": slowest,
                "grown": peak() - base,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
