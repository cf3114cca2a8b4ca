"""Comparisons on small phantoms: tiny encoders, few epochs, one thread."""

import pytest

from medfusion.data.phantom import write_phantom
from medfusion.modalities import ComparisonFolder, Settings, execute
from medfusion.spec import Experiment, override

QUICK = [
    "model.image={kind: timm, name: test_resnet}",
    "model.table={kind: mlp, hidden: [32], dropout: 0.0}",
    "model.fusion={kind: gated, dim: 32, dropout: 0.0}",
    "data.images.image.augmentation=null",
    "evaluation={bootstrap: 400}",
]


@pytest.fixture(scope="session")
def make_experiment(tmp_path_factory):
    """Write a phantom and return its experiment with a tiny model."""

    def make(*changes, epochs=2, **settings):
        folder = tmp_path_factory.mktemp("phantom")
        write_phantom(folder, size=32, noise=0.02, **settings)
        training = (
            f"training={{epochs: {epochs}, threads: 1, batch_size: 16, "
            "clip_norm: 1.0, schedule: {kind: one-cycle}, optimizer: {kind: adamw, lr: 0.01}}"
        )
        experiment = Experiment.from_yaml(folder / "experiment.yaml")
        return override.apply(experiment, [*QUICK, training, *changes])

    return make


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """Compare the modalities of an experiment here and return the finished comparison."""

    def compare(experiment, settings=None, runs=None, **more):
        folder = runs or tmp_path_factory.mktemp("runs")
        comparison = ComparisonFolder.create(experiment, settings or Settings(**more), folder)
        assert execute(comparison.path).state == "finished"
        return comparison

    return compare


@pytest.fixture(scope="session")
def small(make_experiment, compared):
    """Three folds of 150 rows with gaps, two views, two fusions; who learns what is no matter here."""
    experiment = make_experiment(
        "data.images.image_2.augmentation=null", subjects=150, seed=4, views=2,
        missing_images=0.2, missing_table=0.15, epochs=1,
    )  # fmt: skip
    return compared(experiment, fusions=("gated", "concatenate"), folds=3, complete_rows=True)
