"""Orient equals nibabel and SimpleITK, and keeps every voxel in its place."""

import itertools

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its users' name

from medfusion.data.transforms import Orient
from medfusion.data.volume import LPS_FROM_RAS, orientation_of
from medfusion.errors import SpecError, TransformError

CODES = [
    "".join(letters)
    for axes in itertools.permutations(["LR", "PA", "SI"])
    for letters in itertools.product(*axes)
]


def test_there_are_48_codes():
    assert len(set(CODES)) == 48


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_nibabels(make, code):
    volume = Orient(CODES[(CODES.index(code) * 7 + 11) % 48])(make(oblique=0.2))
    found = Orient(code)(volume)
    start = nibabel.orientations.io_orientation(volume.ras_affine)
    change = nibabel.orientations.ornt_transform(
        start, nibabel.orientations.axcodes2ornt(tuple(code))
    )
    values = nibabel.orientations.apply_orientation(volume.array.T, change)
    affine = volume.ras_affine @ nibabel.orientations.inv_ornt_aff(change, volume.array.T.shape)
    assert np.array_equal(found.array, values.T)
    np.testing.assert_allclose(found.affine, LPS_FROM_RAS @ affine, atol=1e-9)
    assert found.orientation == code == orientation_of(found.affine)
    assert found.array.flags.c_contiguous


@pytest.mark.parametrize("code", CODES[::5])
def test_there_and_back_is_the_same(make, code):
    volume = make(oblique=0.3)
    back = Orient(volume.orientation)(Orient(code)(volume))
    assert np.array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-10)


@pytest.mark.parametrize("code", ["RAS", "LPS", "PSR", "AIL"])
def test_the_result_is_simpleitks(make, code):
    volume = make()
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction.ravel().tolist())
    wanted = sitk.DICOMOrient(image, code)
    found = Orient(code)(volume)
    assert np.array_equal(found.array, sitk.GetArrayFromImage(wanted))
    np.testing.assert_allclose(found.origin, wanted.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(found.direction.ravel(), wanted.GetDirection(), atol=1e-12)


def test_closest_canonical_is_ras(make):
    volume = make(oblique=0.3)
    image = nibabel.as_closest_canonical(
        nibabel.Nifti1Image(volume.array.T, volume.ras_affine, dtype=np.float32)
    )
    found = Orient("RAS")(volume)
    assert np.array_equal(found.array.T, np.asarray(image.dataobj))
    np.testing.assert_allclose(found.ras_affine, image.affine, atol=1e-5)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "float16", "int32", "int64", "float64", ">i2"]
)
def test_every_type_is_kept(make, dtype):
    volume = make(dtype=dtype, axes="TCDHW")
    found = Orient("ASL")(volume)
    assert found.array.dtype == volume.array.dtype
    assert np.array_equal(
        Orient(volume.orientation)(found).array,
        volume.array,
        equal_nan=volume.array.dtype.kind == "f",
    )


def test_memory_is_the_callers(make):
    volume = make(dtype=np.int16)
    out = np.empty(volume.array.shape[::-1], np.int16)
    found = Orient("IAR")(volume, out=out)
    assert found.array.ctypes.data == out.ctypes.data
    with pytest.raises(TransformError, match="out is"):
        Orient("IAR")(volume, out=np.empty(volume.array.shape, np.int16))
    with pytest.raises(TransformError, match="shares memory"):
        Orient("RPS")(volume, out=volume.array)


def test_a_wrong_code_is_named():
    for code in ("RAR", "RA", "XYZ", "", "RASL"):
        with pytest.raises(SpecError, match="one each of"):
            Orient(code)
