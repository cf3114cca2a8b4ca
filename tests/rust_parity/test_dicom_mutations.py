"""Thousands of damaged copies of small files of every transfer syntax."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest

MUTATIONS = 32_000
SCRIPT = Path(__file__).with_name("dicom_mutants.py")
LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")


@pytest.fixture(scope="module")
def mutated(tmp_path_factory, dicom_files):
    folder = tmp_path_factory.mktemp("dicom")
    seeds, kept = folder / "seeds", folder / "kept"
    seeds.mkdir()
    kept.mkdir()
    for name, ds in dicom_files.kinds().items():
        dicom_files.write(ds, seeds / name)
    assert len(list(seeds.iterdir())) >= 12
    done = subprocess.run(
        [sys.executable, SCRIPT, seeds, str(MUTATIONS), "20", kept],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "panicked" not in done.stderr
    return json.loads(done.stdout), kept


def test_a_damaged_file_is_read_or_refused_and_nothing_else(mutated):
    found, _ = mutated
    assert found["read"] + found["refused"] == MUTATIONS
    assert found["others"] == []
    assert found["panics"] == []
    assert found["wrong"] == []
    assert min(found["read"], found["refused"]) > MUTATIONS / 10


def test_a_damaged_file_takes_neither_memory_nor_time(mutated):
    found, _ = mutated
    assert found["mib_above_base"] < 512
    assert found["slowest"] < 2


def test_what_is_read_of_a_damaged_file_is_what_pydicom_reads(mutated):
    _, kept = mutated
    equal = compared = 0
    for path in sorted(kept.glob("*.dcm")):
        ours = np.load(path.with_suffix(".npy"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                ds = pydicom.dcmread(path, force=True)
                theirs = ds.pixel_array
                syntax = ds.file_meta.TransferSyntaxUID
            # Whatever it meets in a damaged file.
            except Exception:  # noqa: BLE001
                continue
        compared += 1
        if syntax in LOSSY:
            equal += ours.shape == theirs.shape
        else:
            equal += ours.shape == theirs.shape and np.array_equal(ours, theirs)
    assert compared > 30
    assert equal == compared
