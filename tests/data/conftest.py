"""Small cohorts on disk: a table, optional images, and an Experiment that reads them."""

import csv

import numpy as np
import pytest

from medfusion.data.phantom import png
from medfusion.spec import Experiment


@pytest.fixture
def write_csv(tmp_path):
    """Write columns as table.csv and return its path."""

    def write(columns, name="table.csv"):
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return path

    return write


@pytest.fixture
def write_image(tmp_path):
    """Write a grey PNG below the table's folder; a number is one flat grey, else an array."""

    def write(name, pixels=0, size=(16, 16)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if np.isscalar(pixels):
            pixels = np.full(size, pixels, dtype=np.uint8)
        path.write_bytes(png.encode(np.asarray(pixels, dtype=np.uint8)))
        return path

    return write


@pytest.fixture
def experiment(tmp_path):
    """An Experiment over table.csv in the test's folder; keywords change its data part."""

    def make(**data):
        document = {
            "medfusion": 1,
            "data": {
                "table": "table.csv",
                "id": "id",
                "target": {"kind": "binary", "column": "y"},
                "split": {"kind": "column", "column": "split"},
            }
            | data,
        }
        return Experiment.from_mapping(document, folder=tmp_path)

    return make


@pytest.fixture
def plain(write_csv):
    """Write a clean table of n rows in a fixed 60/20/20 split and return its columns."""

    def make(n=100, seed=0, **extra):
        rng = np.random.default_rng(seed)
        columns = {
            "id": [f"{i:04d}" for i in range(n)],
            "age": [f"{value:.1f}" for value in rng.normal(60, 10, n)],
            "sex": rng.choice(["f", "m"], n).tolist(),
            "y": rng.integers(0, 2, n).tolist(),
            "split": [("train", "train", "train", "val", "test")[i % 5] for i in range(n)],
        } | extra
        write_csv(columns)
        return columns

    return make
