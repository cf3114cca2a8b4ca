"""Resampling equals MONAI's grid, scipy's and torch's values, and SimpleITK."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its users' name
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medfusion.data.transforms import Orient, Resample, Resize
from medfusion.data.transforms.resample import spacing_grid
from medfusion.data.volume import LPS_FROM_RAS, Volume
from medfusion.errors import SpecError, TransformError

MONAI = json.loads((Path(__file__).parent / "monai_spacing.json").read_text())["cases"]


def by_scipy(volume, affine, size, order=1):
    """The values at the centres of a grid's voxels, in double precision."""
    places = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij")).reshape(3, -1)
    matrix = np.linalg.solve(volume.affine, affine)
    places = (matrix[:3, :3] @ places + matrix[:3, 3:])[::-1]
    values = ndimage.map_coordinates(
        volume.array.astype(np.float64), places, order=order, mode="nearest", prefilter=False
    )
    return values.reshape(size).T


def as_image(volume):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction.ravel().tolist())
    return image


@pytest.mark.parametrize("number", range(len(MONAI)))
def test_the_grid_is_monais(number):
    case = MONAI[number]
    size = tuple(case["size"])
    ramp = np.arange(np.prod(size), dtype=np.float32).reshape(size) * np.float32(0.37) % 11
    volume = Volume(np.ascontiguousarray(ramp.T), LPS_FROM_RAS @ np.array(case["affine"]))
    found = Resample(case["spacing"])(volume)
    assert list(found.size) == case["result_size"]
    np.testing.assert_allclose(found.ras_affine, case["result_affine"], atol=1e-9)
    assert found.array.mean(dtype=np.float64) == pytest.approx(case["mean"], abs=2e-5)
    corners = found.array.T[:: max(found.size[0] - 1, 1), -1, 0]
    np.testing.assert_allclose(corners, case["corners"], atol=2e-5)


@pytest.mark.parametrize("oblique", [0.0, 0.4])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", "int8"]
)
def test_values_are_scipys(make, oblique, dtype):
    volume = make((13, 11, 9), oblique=oblique)
    scaled = np.clip(volume.array, 0, 120).astype(dtype)
    volume = volume.replace(array=scaled)
    turned = Orient("PIR")(make((8, 9, 10), oblique=oblique / 2))
    for transform in (Resample((1.1, 0.9, 0.8)), Resample((4, 3, 5)), Resample.to(turned)):
        found = transform(volume)
        assert found.array.dtype == np.float32
        wanted = by_scipy(volume, found.affine, found.size)
        np.testing.assert_allclose(found.array, wanted, atol=2e-4)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(*[st.integers(1, 12)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 6)] * 3),
    code=st.sampled_from(["LPS", "RAS", "SAL", "PIR", "ILA"]),
)
def test_any_turned_grid_is_scipys(seed, size, spacing, code):
    draw = np.random.default_rng(seed)
    affine = np.diag([*draw.uniform(0.3, 4, 3), 1.0])
    volume = Orient(code)(Volume(draw.normal(size=size[::-1]).astype(np.float32), affine))
    found = Resample(spacing)(volume)
    wanted = by_scipy(volume, found.affine, found.size)
    np.testing.assert_allclose(found.array, wanted, atol=1e-5)
    world = Resample.to(found)(volume)
    assert np.array_equal(world.array, found.array)


def test_values_are_torchs(make):
    volume = make((12, 10, 6))
    for size in ((7, 21, 6), (1, 1, 1), (24, 5, 3)):
        found = Resize(size)(volume)
        wanted = torch.nn.functional.interpolate(
            torch.from_numpy(volume.array)[None, None], size[::-1], mode="trilinear"
        )[0, 0]
        np.testing.assert_allclose(found.array, wanted, atol=1e-3)
        # The outer edges stay where they are.
        for corner in corners():
            old = volume.affine @ [*(np.array(corner) * volume.size - 0.5), 1]
            new = found.affine @ [*(np.array(corner) * found.size - 0.5), 1]
            np.testing.assert_allclose(old, new, atol=1e-9)


def corners():
    return [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize("oblique", [0.0, 0.35])
@pytest.mark.parametrize("outside", [-1000.0, 7.5])
def test_a_reference_grid_is_simpleitks(make, oblique, outside):
    volume = make((14, 12, 10), oblique=oblique)
    centre = volume.affine @ [6.5, 5.5, 4.5, 1]
    reference = make((11, 16, 9), spacing=(2.2, 0.9, 2.9))
    affine = reference.affine.copy()
    affine[:3, 3] += centre[:3] - (reference.affine @ [5, 7.6, 4.1, 1])[:3]
    reference = reference.replace(affine=affine)
    found = Resample.to(reference, outside=outside)(volume)
    wanted = sitk.Resample(
        as_image(volume), as_image(reference), sitk.Transform(), sitk.sitkLinear, outside
    )
    wanted = sitk.GetArrayFromImage(wanted)
    assert (wanted == outside).any(), "the grid reaches beyond the volume"
    np.testing.assert_allclose(found.array, wanted, atol=2e-3)
    edge = Resample.to(reference)(volume)
    assert np.isin(edge.array[wanted != outside], found.array).all()


@pytest.mark.parametrize("oblique", [0.0, 0.35])
def test_labels_keep_their_values_and_type(make, rng, oblique):
    labels = make((14, 12, 10), oblique=oblique, dtype=np.int16, labels=True)
    labels = labels.replace(array=rng.choice([0, 3, 7, -2], labels.array.shape).astype(np.int16))
    found = Resample((0.8, 1.1, 1.2345))(labels)
    assert found.array.dtype == np.int16
    assert set(np.unique(found.array)) <= {0, 3, 7, -2}
    wanted = by_scipy(labels, found.affine, found.size, order=0)
    assert np.array_equal(found.array, wanted)
    beyond = Resample.to(found.replace(affine=np.diag([50.0, 50, 50, 1])), outside=-1.0)(labels)
    assert set(np.unique(beyond.array)) <= {0, 3, 7, -2}, "labels are 0 outside"


def test_in_the_middle_the_even_voxel_is_taken():
    labels = Volume(np.arange(6, dtype=np.uint8).reshape(1, 1, 6), labels=True)
    found = Resample((0.5, 1, 1))(labels)
    assert found.array.ravel().tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5]


def test_the_same_place_has_the_same_value(make):
    """A linear function of the place is kept wherever it is not beyond the border."""
    volume = make((12, 11, 10), oblique=0.4)
    slope = np.array([0.3, -0.7, 0.2])

    def world(one):
        i, j, k = np.meshgrid(*(np.arange(n) for n in one.size), indexing="ij")
        places = np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1)
        return ((one.affine @ places)[:3].T @ slope).reshape(one.size).T

    volume = volume.replace(array=world(volume).astype(np.float32))
    found = Resample((0.9, 1.3, 1.7))(volume)
    matrix = np.linalg.solve(volume.affine, found.affine)
    i, j, k = np.meshgrid(*(np.arange(n) for n in found.size), indexing="ij")
    places = (matrix @ np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1))[:3]
    last = np.array(volume.size)[:, None] - 1
    inside = ((places >= 0) & (places <= last)).all(axis=0).reshape(found.size).T
    assert inside.mean() > 0.5
    np.testing.assert_allclose(found.array[inside], world(found)[inside], atol=1e-3)


@pytest.mark.parametrize("oblique", [0.0, 0.4])
def test_its_own_grid_changes_nothing(make, oblique):
    volume = make(oblique=oblique)
    for transform in (Resample(volume.spacing), Resample.to(volume), Resize(volume.size)):
        found = transform(volume)
        assert np.array_equal(found.array, volume.array)
        np.testing.assert_allclose(found.affine, volume.affine, atol=1e-12)


def test_shear_is_taken_out():
    affine = np.eye(4)
    affine[1, 2] = 0.4
    grid = spacing_grid(affine, (8, 8, 8), (1.0, 1.0, 1.0))
    axes = grid.affine[:3, :3]
    np.testing.assert_allclose(axes.T @ axes, np.diag(np.diag(axes.T @ axes)), atol=1e-12)


@pytest.mark.parametrize("axes", ["CDHW", "TDHW", "TCDHW"])
def test_channels_and_times_are_alike(make, axes):
    volume = make(axes=axes)
    found = Resample((1, 1, 1))(volume)
    flat = volume.array.reshape(-1, *volume.array.shape[-3:])
    wanted = [Resample((1, 1, 1))(Volume(one, volume.affine)).array for one in flat]
    assert found.axes == axes
    assert np.array_equal(found.array.reshape(-1, *found.array.shape[-3:]), np.stack(wanted))


def test_one_voxel_and_one_slice():
    one = Volume(np.full((1, 1, 1), 4, np.int16), np.diag([3.0, 3, 3, 1]))
    assert Resample((1, 1, 1))(one).array.tolist() == [[[4.0]]]
    flat = Volume(np.arange(6, dtype=np.float32).reshape(1, 2, 3), np.diag([2.0, 2, 5, 1]))
    found = Resample((1, 1, 1))(flat)
    assert found.size == (5, 3, 1)
    assert found.array[0, 1].tolist() == [1.5, 2.0, 2.5, 3.0, 3.5]


def test_a_huge_result_is_refused(make):
    volume = make()
    for transform in (Resample((1e-6, 1, 1)), Resample((1e-6,) * 3), Resize((65_536,) * 3)):
        with pytest.raises(TransformError, match="the result would have"):
            transform(volume)


def test_what_cannot_be_resampled_is_named():
    with pytest.raises(TransformError, match="no voxels"):
        Resample((1, 1, 1))(Volume(np.zeros((0, 4, 4), np.float32)))
    flat = Volume(np.zeros((2, 2, 2), np.float32), np.diag([1.0, 1, 0, 1]))
    with pytest.raises(TransformError, match="no size"):
        Resample((1, 1, 1))(flat)
    with pytest.raises(TransformError, match="not numbers"):
        Resample((1, 1, 1))(Volume(np.zeros((2, 2, 2), np.complex64)))
    with pytest.raises(TransformError, match="needs a Volume"):
        Resample((1, 1, 1))(np.zeros((2, 2, 2)))
    for bad in ({}, {"spacing": (1, 1, 0)}, {"size": (1, 2, 3)}, {"spacing": (1, 1, float("nan"))}):
        with pytest.raises(SpecError):
            Resample(**bad)


def test_a_nan_stays_near(make):
    volume = make()
    volume.array[2, 3, 4] = np.nan
    found = Resample((1.5, 0.7, 1.0))(volume)
    assert np.isnan(found.array).sum() == 3
    assert np.isnan(found.array[3:6, 3, 4]).all()


def test_infinities_of_voxels_that_have_no_weight_do_not_matter(make):
    for oblique in (0.0, 0.3):
        volume = make((6, 5, 4), oblique=oblique)
        volume.array[1, 2, 3] = np.inf
        found = Resample.to(volume)(volume)
        assert np.array_equal(found.array, volume.array)
    volume = make((6, 5, 4))
    volume.array[1, 2, 3] = -np.inf
    found = Resample(tuple(np.array(volume.spacing) / 2))(volume)
    assert np.array_equal(found.array[::2, ::2, ::2], volume.array)


def test_a_small_grid_is_no_rounding_error(make):
    """Micrometres are far below the 0.001 mm within which spacings are the same."""
    volume = make(spacing=(2e-5, 2e-5, 2e-5))
    shifted = volume.affine.copy()
    shifted[:3, 3] += 1e-5
    found = Resample.to(volume.replace(affine=shifted))(volume)
    assert not np.array_equal(found.array, volume.array)
    assert np.array_equal(found.affine, shifted)


def test_memory_is_the_callers(make):
    volume = make()
    out = np.empty((9, 7, 9), np.float32)
    found = Resample((1.5, 0.7, 1.0))(volume, out=out)
    assert found.array.ctypes.data == out.ctypes.data
    assert np.array_equal(out, Resample((1.5, 0.7, 1.0))(volume).array)
