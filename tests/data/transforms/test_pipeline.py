"""Chains: fused and single steps agree, images and masks, records that replay."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from medfusion import spec
from medfusion.data.transforms import (
    Clip,
    CropForeground,
    MinMax,
    Orient,
    Percentile,
    Pipeline,
    Resample,
    SampleKey,
    Window,
    ZScore,
)
from medfusion.data.transforms.prepare import fusible
from medfusion.data.volume import Volume
from medfusion.errors import SpecError, TransformError
from medfusion.registry import create, list_kinds

CUTS = [[], [Clip(-100, high=250)], [Window(50, width=300, low=-1, high=3)]]
SCALES = [[], [ZScore()], [MinMax(-2, high=5)], [ZScore(per_channel=True)]]
GRIDS = [
    [Orient("RAS"), Resample((1, 1, 1))],
    [Resample((2.5, 0.6, 1.4))],
    [Orient("SAL"), Resample((3, 3, 3), outside=0.0)],
]


class Shift:
    """A random transform like those of other modules: it draws a number and adds it."""

    def __init__(self):
        self.spec = spec.Clip(low=0.0, high=1.0)

    def draw(self, key, size):
        assert len(size) == 3
        return {"by": float(np.random.default_rng([key.seed, key.epoch, key.sample]).normal())}

    def apply(self, volume, drawn):
        return volume.replace(array=volume.array + np.float32(drawn["by"]))


@pytest.mark.parametrize(
    ("grid", "cut", "scale"), list(itertools.product(GRIDS, CUTS, SCALES)), ids=str
)
@pytest.mark.parametrize("axes", ["DHW", "CDHW", "TCDHW"])
@pytest.mark.parametrize("oblique", [0.0, 0.3])
def test_a_fused_chain_is_its_steps(make, grid, cut, scale, axes, oblique):
    volume = make((12, 9, 7), axes=axes, oblique=oblique, dtype=np.int16)
    steps = [*grid, *cut, *scale]
    assert fusible(steps) == len(steps)
    found = Pipeline(steps).apply(volume)
    wanted, fitted = volume, {}
    for step in steps:
        fitted = step.fit(wanted, {"": wanted})
        wanted = step(wanted)
    result = found.volumes["image"]
    largest = np.abs(wanted.array).max()
    np.testing.assert_allclose(result.array, wanted.array, rtol=0, atol=1e-6 * largest)
    np.testing.assert_allclose(result.affine, wanted.affine, atol=1e-9)
    assert (result.axes, result.units, result.labels) == (wanted.axes, wanted.units, wanted.labels)
    recorded = found.record["transforms"][-1].get("fitted", {}).get("image", {})
    assert recorded.keys() == fitted.keys()
    for name, values in fitted.items():
        np.testing.assert_allclose(recorded[name], values, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("steps", [[*GRIDS[0], *CUTS[1], ZScore()], [*GRIDS[2], Percentile()]])
def test_any_number_of_threads_gives_the_same(make, steps):
    volume = make((90, 80, 70), dtype=np.int16)
    results = [Pipeline(steps)(volume, threads=threads).array for threads in (1, 2, 5)]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_images_and_masks_go_together(make, rng):
    image = make((10, 9, 8))
    mask = image.replace(array=rng.choice([0, 1, 4], (8, 9, 10)).astype(np.uint8), labels=True)
    steps = [Orient("RAS"), Resample((1, 1, 1)), Clip(0, high=100), ZScore(mask="mask")]
    found = Pipeline(steps)({"image": image, "mask": mask})
    assert found["image"].size == found["mask"].size
    assert np.array_equal(found["image"].affine, found["mask"].affine)
    assert found["mask"].array.dtype == np.uint8
    assert set(np.unique(found["mask"].array)) <= {0, 1, 4}
    inside = found["image"].array[found["mask"].array != 0].astype(np.float64)
    assert abs(inside.mean()) < 1e-5
    assert inside.std() == pytest.approx(1, abs=1e-5)
    with pytest.raises(TransformError, match="no volume 'lesion'"):
        Pipeline([ZScore(mask="lesion")])({"image": image, "mask": mask})


def test_a_record_replays_bit_by_bit(make):
    volume = make((20, 18, 16), dtype=np.int16)
    steps = [
        CropForeground(above=50, margin=1), Orient("RAS"), Resample((1, 1, 1)),
        Clip(-100, high=400), ZScore(), Percentile(),
    ]  # fmt: skip
    pipeline = Pipeline(steps)
    found = pipeline(volume)
    record = json.loads(json.dumps(pipeline.record))
    again = Pipeline.replay(record, volume, threads=2)
    assert np.array_equal(found.array, again.array)
    assert np.array_equal(found.affine, again.affine)
    assert [entry["spec"]["kind"] for entry in record["transforms"]] == [
        "crop-foreground", "orient", "resample", "clip", "z-score", "percentile",
    ]  # fmt: skip
    assert record["transforms"][0]["fitted"]["size"]
    assert record["transforms"][4]["fitted"]["image"]["mean"]
    both = {"image": volume, "other": make((20, 18, 16))}
    found = pipeline(both)
    again = Pipeline.replay(pipeline.record, both)
    assert all(np.array_equal(found[name].array, again[name].array) for name in both)


def test_random_steps_draw_from_the_key(make):
    volume = make()
    pipeline = Pipeline([Shift(), Shift()])
    first = pipeline(volume, key=SampleKey(1, 2, 3)).array
    drawn = [entry["drawn"]["by"] for entry in pipeline.record["transforms"]]
    assert drawn[0] != drawn[1], "two alike draw apart"
    assert np.array_equal(first, pipeline(volume, key=SampleKey(1, 2, 3)).array)
    assert not np.array_equal(first, pipeline(volume, key=SampleKey(1, 2, 4)).array)
    assert pipeline.record["key"] == [1, 2, 4]
    with pytest.raises(TransformError, match="key=SampleKey"):
        pipeline(volume)
    with pytest.raises(TransformError, match="one size"):
        pipeline({"a": volume, "b": make((3, 3, 3))}, key=SampleKey(1, 2, 3))


def test_a_batch_is_its_samples(make):
    volumes = [make((20, 21, 10 + n)) for n in range(5)]
    pipeline = Pipeline([Resample((1, 1, 1)), ZScore()])
    for threads in (1, 3):
        found = pipeline.batch(volumes, threads=threads)
        for one, volume in zip(found, volumes, strict=True):
            assert np.array_equal(one.volumes["image"].array, pipeline(volume).array)
    keys = [SampleKey(0, 0, n) for n in range(5)]
    drawn = Pipeline([Shift()]).batch(volumes, keys=keys, threads=2)
    assert len({one.record["transforms"][0]["drawn"]["by"] for one in drawn}) == 5
    with pytest.raises(TransformError, match="4 keys"):
        pipeline.batch(volumes, keys=keys[:4])
    assert pipeline.batch([]) == []


def test_specs_mappings_yaml_and_transforms_are_alike():
    text = "- {kind: orient, axes: ras}\n- {kind: resample, spacing: [1, 1, 2]}\n"
    wanted = (spec.Orient(axes="RAS"), spec.Resample(spacing=(1, 1, 2)))
    given = [{"kind": "orient", "axes": "RAS"}, {"kind": "resample", "spacing": [1, 1, 2]}]
    for pipeline in (
        Pipeline(text), Pipeline("transforms:\n" + text), Pipeline(given), Pipeline(wanted),
        Pipeline([Orient("RAS"), Resample(spacing=(1, 1, 2))]),
    ):  # fmt: skip
        assert pipeline.specs == wanted
    assert Pipeline([])(Volume(np.zeros((1, 1, 1)))).array.shape == (1, 1, 1)


def test_wrong_chains_are_named():
    for given, text in [
        ([{"kind": "orientt"}], "transform 1: unknown kind 'orientt'; did you mean 'orient'"),
        ([spec.ZScore(), {"kind": "clip", "low": 1}], "transform 2: high: is missing"),
        ([{"kind": "z-score", "nonzer": True}], "did you mean 'nonzero'"),
        ("kind: orient", "is a list"),
        ([3], "give a transform"),
    ]:
        with pytest.raises(SpecError, match=text):
            Pipeline(given)
    with pytest.raises(SpecError, match="version 9"):
        Pipeline.replay({"version": 9, "transforms": []}, Volume(np.zeros((1, 1, 1))))
    with pytest.raises(TransformError, match="no record yet"):
        Pipeline([]).record  # noqa: B018 - the property raises
    with pytest.raises(TransformError, match="no volumes"):
        Pipeline([])({})


def test_a_fused_chain_names_faults_like_its_steps(make):
    volume = make()
    volume.array[...] = np.nan
    for scale in (ZScore(), MinMax()):
        with pytest.raises(TransformError, match="no finite value"):
            Pipeline([Resample((1, 1, 1)), scale])(volume)
    flat = Volume(np.zeros((2, 2, 2), np.float32), np.diag([1.0, 1, 0, 1]))
    with pytest.raises(TransformError, match="no size"):
        Pipeline([Resample((1, 1, 1)), ZScore()])(flat)
    with pytest.raises(TransformError, match="the result would have"):
        Pipeline([Resample((1e-6, 1, 1)), ZScore()])(make())


def test_every_kind_is_registered_and_made():
    Pipeline([])
    kinds = list_kinds("transform")
    assert {"orient", "resample", "percentile", "equalize", "cast"} <= set(kinds)
    made = create(spec.Orient(axes="RAS"))
    assert made == Orient("RAS") == Orient(axes="RAS") == Orient(spec.Orient(axes="RAS"))
    assert repr(made) == "Orient(axes='RAS')"
    assert hash(made) == hash(Orient("RAS"))


def test_the_names_are_light():
    code = (
        "import sys; from medfusion.data.transforms import Pipeline, Orient, ZScore;"
        "Pipeline([Orient('RAS'), ZScore()]);"
        "print(sorted({'torch', 'pandas', 'scipy', 'nibabel', 'pydicom'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
