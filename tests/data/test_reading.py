"""read_volume: what a path holds is found out by content, and what is no volume is said."""

import gzip
import os
import shutil

import numpy as np
import pytest

from medfusion.data import Volume, png, read_volume, write_nifti
from medfusion.data.nifti import read_nifti
from medfusion.data.reading import kind_of
from medfusion.errors import InputError, VolumeReadError


@pytest.fixture
def nifti(tmp_path):
    """Write a small NIfTI file and return its path."""

    def write(name="scan.nii.gz"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        affine = np.diag([1.0, 2, 3, 1])
        write_nifti(Volume(array, affine), path)
        return path

    return write


def test_content_decides_and_not_the_name(nifti, write_slice, tmp_path):
    scan = nifti()
    expected = read_nifti(scan)
    for name in ("scan.dcm", "IM0001", "scan.png", "scan.nii"):
        shutil.copy(scan, tmp_path / name)
        found = read_volume(tmp_path / name)
        np.testing.assert_array_equal(found.array, expected.array)
        np.testing.assert_array_equal(found.affine, expected.affine)
    dicom = write_slice("image.nii.gz")
    assert read_volume(dicom).source.modality == "CT"


def test_dtype_is_passed_on(nifti):
    scan = nifti()
    assert read_volume(scan).array.dtype == np.float32
    assert read_volume(scan, dtype="native").array.dtype == np.int16
    assert read_volume(scan, dtype="float64").array.dtype == np.float64
    for wrong in ("string", "complex64", "nonsense"):
        with pytest.raises(ValueError, match="dtype is"):
            read_volume(scan, dtype=wrong)


def test_a_folder_with_one_nifti_file_reads_it(nifti, tmp_path):
    expected = read_nifti(nifti("case/deep/scan.nii.gz"))
    (tmp_path / "case" / "notes.txt").write_text("a note")
    np.testing.assert_array_equal(read_volume(tmp_path / "case").array, expected.array)
    nifti("case/mask.nii")
    with pytest.raises(VolumeReadError, match=r"holds 2 NIfTI files; name one.*mask\.nii"):
        read_volume(tmp_path / "case")


def test_a_pair_in_a_folder_is_one_volume(tmp_path):
    import nibabel as nib

    image = nib.Nifti1Pair(np.arange(24, dtype=np.int16).reshape(4, 3, 2), np.eye(4))
    nib.save(image, str(tmp_path / "pair.hdr"))
    for path in (tmp_path, tmp_path / "pair.hdr", tmp_path / "pair.img"):
        np.testing.assert_array_equal(read_volume(path).array, image.get_fdata().T)


def test_dicom_and_nifti_in_one_folder_is_an_error(nifti, write_stack, tmp_path):
    write_stack(range(3))
    nifti("series/mask.nii.gz")
    with pytest.raises(VolumeReadError, match=r"DICOM images and 1 NIfTI file\(s\) \(mask.nii.gz"):
        read_volume(tmp_path / "series")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty", b"", "an empty file"),
        ("table.csv", b"a,b\n1,2\n", "a table, not a volume"),
        ("scan.nrrd", b"NRRD0004\ntype: short\n", "an NRRD file"),
        ("scan.mha", b"ObjectType = Image\n", "a MetaImage header"),
        ("array.npy", b"\x93NUMPY\x01\x00", "a NumPy array"),
        ("all.zip", b"PK\x03\x04", "a ZIP archive"),
        ("word", b"hello, this is text and nothing else", "neither NIfTI nor DICOM"),
        ("text.dcm", b"hello, this is text and nothing else", "text.dcm"),
        ("scan.nii.gz", gzip.compress(b"no header"), "scan.nii.gz"),
        ("scan.nii", b"\x5c\x01\0\0", "scan.nii"),
        ("preamble", bytes(128) + b"DICM", "preamble"),
    ],
)
def test_what_is_no_volume_is_said(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VolumeReadError, match=message) as error:
        read_volume(path)
    assert name in str(error.value)


def test_paths_that_are_not_there(tmp_path):
    with pytest.raises(VolumeReadError, match="No such file"):
        read_volume(tmp_path / "none")
    with pytest.raises(VolumeReadError, match="cannot be opened"):
        read_volume("nul\0byte")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VolumeReadError, match="an empty folder"):
        read_volume(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VolumeReadError, match="neither a file nor a folder"):
        read_volume(tmp_path / "pipe")


def test_folders_of_something_else(tmp_path, write_image):
    write_image("pictures/a.png")
    write_image("pictures/b.png")
    with pytest.raises(VolumeReadError, match=r"2 plain images \(a.png, b.png\)"):
        read_volume(tmp_path / "pictures")
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("words")
    with pytest.raises(VolumeReadError, match=r"no DICOM image among 1 file"):
        read_volume(tmp_path / "words")


def test_a_plain_image_is_one_slice(tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (5, 7), np.uint8)
    path = tmp_path / "grey"
    path.write_bytes(png.encode(grey))
    volume = read_volume(path)
    assert volume.axes == "DHW"
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, grey[None])
    assert volume.spacing == (1.0, 1.0, 1.0)
    assert any("spacing is unknown" in note for note in volume.source.notes)
    assert volume.source.format == "PNG"
    assert read_volume(path, dtype="native").array.dtype == np.uint8
    colour = rng.integers(0, 255, (5, 7, 3), np.uint8)
    path.write_bytes(png.encode(colour))
    volume = read_volume(path, dtype="native")
    assert volume.axes == "CDHW"
    np.testing.assert_array_equal(volume.array, np.moveaxis(colour, -1, 0)[:, None])
    path.write_bytes(png.encode(colour)[:60])
    with pytest.raises(VolumeReadError, match="grey"):
        read_volume(path)


def test_dicom_without_pixels_is_said(write_slice):
    import pydicom

    path = write_slice("report", Modality="SR")
    data = pydicom.dcmread(path)
    del data.PixelData
    data.save_as(path)
    with pytest.raises(VolumeReadError, match=r"DICOM without pixels \(1 SR\)"):
        read_volume(path)


def test_malformed_files_give_typed_errors(shared_data):
    read, refused = 0, 0
    for path in sorted((shared_data / "malformed").iterdir()):
        if path.suffix in (".md", ".csv"):
            continue
        try:
            assert read_volume(path).array.size
            read += 1
        except VolumeReadError as error:
            assert path.name in str(error)  # noqa: PT017
            refused += 1
    assert read + refused > 130
    assert refused > 60


def test_kinds(shared_data, nifti, write_slice, write_image):
    assert kind_of(nifti()) == "nifti"
    assert kind_of(write_slice("one")) == "dicom"
    assert kind_of(write_image("grey.png")) == "image"
    assert kind_of(shared_data / "README.md") == ""
    assert kind_of(shared_data / "nifti_orient" / "nibabel" / "test.mgz") == "nifti"
    with pytest.raises(InputError, match="No such file"):
        kind_of("none")


def test_a_tiff_image_is_one_slice(tmp_path):
    import PIL.Image

    grey = np.arange(35, dtype=np.uint16).reshape(5, 7) * 900
    PIL.Image.fromarray(grey).save(tmp_path / "grey.tif")
    volume = read_volume(tmp_path / "grey.tif", dtype="native")
    assert volume.source.format == "TIFF"
    np.testing.assert_array_equal(volume.array, grey[None])
