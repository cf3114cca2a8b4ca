"""Real NIfTI files are read as nibabel and SimpleITK read them; what is written is read again."""

import importlib
import re
import warnings

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name

from medfusion.data.nifti import nifti_facts, read_nifti, read_nifti_batch, write_nifti
from medfusion.data.volume import LPS_FROM_RAS, Volume
from medfusion.errors import StorageError, VolumeReadError

REFUSED = {"nifti1.hdr": "nifti1.img does not exist", "not-nifti.nii": "no NIfTI file"}
CANONICAL = re.compile(r"orient_|qform_only|sform_only|dtype_float|nifti2")


@pytest.fixture(scope="module")
def orient(shared_data):
    return shared_data / "nifti_orient"


def files(folder):
    found = sorted(path for path in folder.rglob("*") if ".nii" in path.name or ".img" in path.name)
    return [path for path in found if path.name not in REFUSED]


def assert_same(volume, path):
    """Values and affine are nibabel's, the array's axes in reverse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = nib.load(path)
        expected = np.asarray(image.dataobj, dtype=np.float32).T
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array.reshape(-1), expected.reshape(-1), str(path))
    size = (*image.shape, 1, 1)[:3]
    assert volume.size == size
    np.testing.assert_allclose(volume.ras_affine, image.affine, atol=1e-5)


def test_every_file_equals_nibabel(orient):
    found = files(orient)
    assert len(found) >= 25
    for path in found:
        volume = read_nifti(path)
        assert_same(volume, path)
        assert volume.source.reader == "medfusion"
        facts = nifti_facts(path)
        assert facts["shape"] == volume.array.shape
        assert facts["orientation"] == volume.orientation
        assert facts["spacing"] == pytest.approx(volume.spacing)
        assert facts["format"] == volume.source.format
    for name, reason in REFUSED.items():
        with pytest.raises(VolumeReadError, match=reason):
            read_nifti(next(orient.rglob(name)))


def test_spacing_is_the_header_s(orient):
    for path in files(orient):
        facts = nifti_facts(path)
        if facts["affine_from"] != "sform":
            continue
        spacing = nib.affines.voxel_sizes(nib.load(path).affine)
        np.testing.assert_allclose(facts["spacing"], spacing, atol=1e-5)


def test_all_variants_are_one_volume(orient):
    first = None
    paths = [path for path in files(orient / "variants") if CANONICAL.match(path.name)]
    assert len(paths) >= 11
    for path in paths:
        volume = read_nifti(path)
        image = nib.as_closest_canonical(nib.Nifti1Image(volume.array.T, volume.ras_affine))
        values = np.asarray(image.dataobj)
        first = first or (values, image.affine)
        np.testing.assert_array_equal(values, first[0], str(path))
        np.testing.assert_allclose(image.affine, first[1], atol=1e-5)
    scaled = read_nifti(orient / "variants" / "scaled_slope_inter.nii.gz").array
    source = read_nifti(orient / "variants" / "dtype_float32.nii.gz").array
    np.testing.assert_array_equal(scaled, 0.5 * np.rint(source) - 10)


def test_hippocampus_equals_simpleitk_voxel_by_voxel(shared_data):
    images = sorted((shared_data / "hippocampus" / "images").glob("*.nii.gz"))[::4]
    labels = [path.parents[1] / "labels" / path.name for path in images]
    assert len(images) == 20
    for path in images + labels:
        volume = read_nifti(path)
        image = sitk.ReadImage(str(path), sitk.sitkFloat32)
        np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
        np.testing.assert_allclose(volume.spacing, image.GetSpacing(), atol=1e-5)
        np.testing.assert_allclose(volume.origin, image.GetOrigin(), atol=1e-5)
        np.testing.assert_allclose(
            volume.direction, np.reshape(image.GetDirection(), (3, 3)), atol=1e-5
        )
        assert volume.size == image.GetSize()


def test_oblique_volumes_lie_where_simpleitk_has_them(orient):
    compared = 0
    for path in files(orient):
        if nifti_facts(path)["axes"] != "DHW":
            continue  # SimpleITK 2.5 writes beyond its memory on the five-dimensional file
        try:
            image = sitk.ReadImage(str(path))
        except RuntimeError:  # SimpleITK does not read shears, for one
            continue
        if image.GetDimension() != len("DHW"):
            continue
        volume = read_nifti(path)
        place = image.TransformContinuousIndexToPhysicalPoint
        for corner in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]:
            expected = volume.affine[:3] @ [*corner, 1]
            np.testing.assert_allclose(place(corner), expected, atol=2e-4, err_msg=str(path))
        compared += 1
    assert compared > 15


def test_damaged_files_are_refused_or_read_as_nibabel_reads_them(shared_data):
    refused, messages, read = [], [], []
    for path in sorted((shared_data / "malformed").glob("*.nii*")):
        try:
            volume = read_nifti(path)
        except VolumeReadError as error:
            refused.append(path.name)
            messages.append((str(path), str(error)))
            continue
        read.append(path.name)
        if path.name not in {"anatomical_isgz.nii", "anatomical_notgz.nii.gz"}:  # names that lie
            assert_same(volume, path)
    for damage in [
        "crc", "datacut", "dimhuge", "dimneg", "dtype_bad", "gzcut10", "gzcut50", "gzcut99",
        "hdrcut", "hdronly", "ndim0", "ndim9", "sform_nan", "sform_singular", "voxoff_far",
        "voxoff_nan", "voxoff_neg", "magic",
    ]:  # fmt: skip
        assert any(name.startswith(f"anatomical_{damage}.") for name in refused), damage
    assert {"empty.nii.gz", "gz_of_nothing.nii.gz"} <= set(refused)
    assert all(path in message for path, message in messages)
    assert len(read) > 12


def test_freesurfer_is_read_by_nibabel_and_says_so(orient):
    path = orient / "nibabel" / "test.mgz"
    volume = read_nifti(path)
    image = nib.load(path)
    np.testing.assert_array_equal(volume.array, np.asarray(image.dataobj).T)
    np.testing.assert_allclose(volume.ras_affine, image.affine, atol=1e-5)
    assert (volume.axes, volume.source.reader) == ("TDHW", "nibabel")
    assert "read by nibabel" in volume.source.notes[0]
    part = read_nifti(path, dtype="float64", region=((1, 4), (0, 2), (1, 3)))
    np.testing.assert_array_equal(part.array, volume.array[:, 1:4, 0:2, 1:3])
    np.testing.assert_allclose(part.origin, volume.affine[:3] @ [1, 0, 1, 1])
    assert nifti_facts(path)["reader"] == "nibabel"
    with pytest.raises(VolumeReadError, match="int16 does not hold"):
        read_nifti(path, dtype="int16")
    with pytest.raises(VolumeReadError, match="0:9 of 0:5"):
        read_nifti(path, region=((0, 9), (0, 1), (0, 1)))


@pytest.mark.parametrize("damage", ["cut", "huge", "garbage"])
def test_damaged_freesurfer_files_are_one_error(orient, tmp_path, damage):
    content = bytearray(nib.load(orient / "nibabel" / "test.mgz").to_bytes())
    if damage == "cut":
        del content[300:]
    elif damage == "huge":
        content[4:16] = (30_000).to_bytes(4, "big") * 3
    else:
        content[:] = np.random.default_rng(0).bytes(2000)
    path = tmp_path / "a.mgh"
    path.write_bytes(content)
    with pytest.raises(VolumeReadError, match=r"a\.mgh"):
        read_nifti(path)


def test_analyze_is_read_by_nibabel(tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nib.AnalyzeImage(values, np.diag([-2.0, 3, 4, 1]))
    image.to_filename(tmp_path / "a.img")
    volume = read_nifti(tmp_path / "a.hdr", dtype="native")
    np.testing.assert_array_equal(volume.array, values.T)
    assert volume.spacing == (2, 3, 4)
    assert "which side is left" in volume.source.notes[1]


def test_a_region_lies_where_it_lay(orient):
    path = orient / "variants" / "oblique17.nii.gz"
    whole = read_nifti(path)
    part = read_nifti(path, region=((3, 30), (10, 40), (5, 6)))
    np.testing.assert_array_equal(part.array, whole.array[3:30, 10:40, 5:6])
    np.testing.assert_allclose(part.origin, whole.affine[:3] @ [5, 10, 3, 1])
    np.testing.assert_array_equal(part.affine[:3, :3], whole.affine[:3, :3])


@pytest.mark.parametrize("dtype", ["float16", "uint8", "int64", "longdouble", np.float64])
def test_any_type_that_holds_the_values(tmp_path, dtype):
    values = np.array([[[0, 1, 200]]], np.float32)
    path = tmp_path / "a.nii"
    write_nifti(Volume(values), path)
    volume = read_nifti(path, dtype=dtype)
    assert volume.array.dtype == dtype
    np.testing.assert_array_equal(volume.array, values)
    for bad in ("complex64", "bool", "U3"):
        with pytest.raises(ValueError, match="floats or integers"):
            read_nifti(path, dtype=bad)
    write_nifti(Volume(values * 1e6), path)
    with pytest.raises(VolumeReadError, match="float16 does not hold"):
        read_nifti(path, dtype="float16")
    with pytest.raises(VolumeReadError, match="does not fit in int8"):
        read_nifti(path, dtype="int8")


SHAPES = {"DHW": (4, 5, 6), "TDHW": (3, 4, 5, 6), "CDHW": (2, 4, 5, 6), "TCDHW": (3, 2, 4, 5, 6)}


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("name", ["a.nii", "a.NII.GZ"])
def test_what_is_written_is_read_again(tmp_path, axes, dtype, name):
    rng = np.random.default_rng(4)
    kind = np.dtype(dtype)
    values = rng.normal(0, 1e3, SHAPES[axes]).astype(kind if kind.kind != "u" else np.int8)
    values = values.astype(kind)
    if kind.kind == "f":
        values.flat[:3] = np.nan, np.inf, -0.0
    affine = np.array([[0, -2, 0.1, 3], [1, 0, 0.2, -400], [0, 0.3, 3, 5], [0, 0, 0, 1.0]])
    volume = Volume(
        values,
        affine,
        axes=axes,
        labels=dtype == "uint8",
        interval=1.5 if "T" in axes else None,
    )
    write_nifti(volume, tmp_path / name)
    again = read_nifti(tmp_path / name, dtype="native")
    assert again.array.dtype == kind
    np.testing.assert_array_equal(again.array, values)
    np.testing.assert_allclose(again.affine, affine, rtol=1e-6)
    assert (again.axes, again.labels) == (axes, volume.labels)
    assert again.interval == volume.interval
    assert [path.name for path in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / name).dataobj).T.reshape(-1),
        (values.swapaxes(0, 1) if axes == "TCDHW" else values).reshape(-1),
    )


def test_both_affines_are_written_where_both_can_hold_it(tmp_path):
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    rigid = np.eye(4)
    rigid[:3] = np.column_stack([turn * [0.5, 0.7, 3], [1, 2, 3]])
    shear = rigid.copy()
    shear[0, 1] += 0.2
    for affine, code in ((rigid, 1), (shear, 0)):
        write_nifti(Volume(np.zeros((2, 3, 4), np.uint8), affine), tmp_path / "a.nii")
        image = nib.load(tmp_path / "a.nii")
        assert (image.header["sform_code"], image.header["qform_code"]) == (1, code)
        assert image.header.get_xyzt_units()[0] == "mm"
        np.testing.assert_allclose(LPS_FROM_RAS @ image.get_sform(), affine, atol=1e-5)
        if code:
            np.testing.assert_allclose(LPS_FROM_RAS @ image.get_qform(), affine, atol=1e-5)
            itk = sitk.ReadImage(str(tmp_path / "a.nii"))
            np.testing.assert_allclose(itk.GetOrigin(), affine[:3, 3], atol=1e-5)


def test_masks_and_half_floats_are_written_as_what_nifti_has(tmp_path):
    for dtype, stored in ((bool, "uint8"), (np.float16, "float32")):
        values = np.array([[[0, 1, 1]]], dtype)
        write_nifti(Volume(values), tmp_path / "a.nii")
        assert nifti_facts(tmp_path / "a.nii")["dtype"] == stored
        np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii").array, values)


def test_axes_too_long_for_nifti_1_make_nifti_2(tmp_path):
    values = np.arange(40_000, dtype=np.int32).reshape(1, 1, -1)
    write_nifti(Volume(values), tmp_path / "a.nii")
    assert nifti_facts(tmp_path / "a.nii")["format"] == "NIfTI-2 .nii"
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii", dtype="native").array, values)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.nii.gz"
    write_nifti(Volume(np.ones((2, 2, 2), np.uint8)), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib.Nifti1Image, "to_filename", full)
    with pytest.raises(StorageError, match="No space left"):
        write_nifti(Volume(np.zeros((2, 2, 2), np.uint8)), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.nii.gz"]


def test_what_cannot_be_written_is_named(tmp_path):
    volume = Volume(np.zeros((2, 2, 2), np.float32))
    for name in ("a.img", "a.mgz", "a"):
        with pytest.raises(StorageError, match=r"ending in \.nii"):
            write_nifti(volume, tmp_path / name)
    with pytest.raises(StorageError, match="No such file"):
        write_nifti(volume, tmp_path / "none" / "a.nii")
    with pytest.raises(StorageError, match="no object values"):
        write_nifti(Volume(np.zeros((2, 2, 2), object)), tmp_path / "a.nii")


def test_a_batch_names_every_file_that_fails(tmp_path):
    for number in range(3):
        values = np.full((2, 3, 4), number, np.int16)
        write_nifti(Volume(values, np.diag([1, 1, number + 1, 1])), tmp_path / f"{number}.nii")
    paths = [tmp_path / f"{number}.nii" for number in range(3)]
    out = np.empty((3, 2, 3, 4), np.float32)
    affines = read_nifti_batch(paths, out)
    assert out[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert affines[:, 2, 2].tolist() == [1, 2, 3]
    paths[1] = tmp_path / "none.nii"
    with pytest.raises(VolumeReadError, match=r"1 volume: .*none\.nii': the file does not exist"):
        read_nifti_batch(paths, out)


def test_importing_waits_for_nothing_heavy():
    module = importlib.import_module("medfusion.data.nifti")
    assert not {"nib", "nibabel"} & set(vars(module))
