"""Damage small DICOM files in many ways and read each; run by test_dicom_mutations.py.

usage: dicom_mutants.py SEEDS_FOLDER COUNT SEED KEEP_FOLDER

Prints JSON: how many were read, refused, what must never happen, and the peak of memory and time.
Every 100th mutant whose pixels were read is kept, for the comparison with pydicom.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from medfusion import _rust

EXTREMES = [
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\0",
    b"\xfe\xff\xff\xff",
    b"\0\0\0\x80",
]


def damage(rng, seed, other):
    """Return one damaged copy."""
    content = bytearray(seed)
    kind = rng.integers(0, 10)
    size = len(content)
    if kind <= 3:  # bytes anywhere after the preamble
        for place in rng.integers(128, size, rng.integers(1, 9)):
            content[place] = rng.integers(0, 256)
    elif kind == 4:  # one bit
        content[rng.integers(128, size)] ^= 1 << rng.integers(0, 8)
    elif kind == 5:  # a length, or what is taken for one
        place = rng.integers(132, size - 4)
        content[place : place + 4] = EXTREMES[rng.integers(0, len(EXTREMES))]
    elif kind == 6:
        content = content[: rng.integers(0, size)]
    elif kind == 7:  # a block taken out, or put in twice
        start, end = np.sort(rng.integers(128, size, 2))
        end = min(end, start + 200)
        content = content[:start] + (content[end:] if rng.random() < 0.5 else content[start - 50 :])
    elif kind == 8:  # the image description
        places = [at for at in range(132, size - 12) if content[at : at + 2] == b"\x28\0"]
        for _ in range(rng.integers(1, 3)):
            if places:
                place = places[rng.integers(0, len(places))] + 8
                content[place : place + 2] = rng.bytes(2)
    else:
        content = content[: rng.integers(0, size)] + other[rng.integers(0, len(other)) :]
    return bytes(content)


def main(folder, count, seed, keep):
    rng = np.random.default_rng(seed)
    seeds = [path.read_bytes() for path in sorted(folder.iterdir())]
    found = {"read": 0, "refused": 0, "panics": [], "others": [], "slowest": 0.0, "wrong": []}
    out = np.empty((2, 12, 10), np.float32)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as box:
        path = Path(box) / "mutant.dcm"
        name = str(path)
        path.write_bytes(seeds[0])
        _rust.read_dicom_pixels(name)
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for n in range(count):
            mutant = damage(rng, seeds[n % len(seeds)], seeds[rng.integers(0, len(seeds))])
            path.write_bytes(mutant)
            start = time.perf_counter()
            try:
                (header,) = _rust.dicom_headers([name], 1)
                failures = _rust.read_dicom_frames([(name, 0), (name, 1)], out, None, 1)
                if n % 3 == 0:
                    _rust.show_dicom(name)
                array = _rust.read_dicom_pixels(name)
                found["read"] += 1
                if isinstance(header, str) or not header["has_pixels"]:
                    found["wrong"].append(n)
                if found["read"] % 100 == 0:
                    (keep / f"{n}.dcm").write_bytes(mutant)
                    np.save(keep / f"{n}.npy", array)
                messages = [reason for _, reason in failures]
            except _rust.DicomReadError as error:
                found["refused"] += 1
                messages = [str(error)]
            except Exception as error:  # noqa: BLE001 - what is looked for
                messages = []
                found["others"].append(f"{n}: {error!r}")
            found["panics"] += [f"{n}: {text}" for text in messages if "gave up" in text]
            found["slowest"] = max(found["slowest"], time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(found | {"mib_above_base": (peak - base) / 1024}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
