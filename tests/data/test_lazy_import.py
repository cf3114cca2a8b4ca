"""Naming the data package waits for nothing heavy."""

import subprocess
import sys

import pytest

import medfusion.data


def modules_after(code):
    code += "\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_loads_neither_torch_nor_pandas():
    loaded = modules_after("import medfusion.data")
    assert not loaded & {"torch", "pandas", "numpy", "sklearn", "openpyxl", "pyarrow"}


def test_cohorts_and_the_phantom_need_no_torch():
    loaded = modules_after(
        "from medfusion.data import Cohort, Cases, Preprocessing, read_table, read_image\n"
        "import medfusion.data.phantom"
    )
    assert not loaded & {"torch", "sklearn", "openpyxl"}


def test_every_name_is_there():
    for name in medfusion.data.__all__:
        assert getattr(medfusion.data, name) is not None
    assert dir(medfusion.data) == sorted(medfusion.data.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Chohort'"):
        _ = medfusion.data.Chohort
