"""DICOM folders as volumes: sorted by geometry, split into series, oddities named."""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import generate_uid

from medfusion import _rust
from medfusion.data import find_series, read_volume
from medfusion.data.dicom.grouping import group_frames
from medfusion.data.dicom.scan import Scan, scan, scan_files
from medfusion.data.dicom.series import read_dicom_volume
from medfusion.errors import GeometryWarning, VolumeReadError

CT = "dicom_ct_lidc0314"
MR = "dicom_mr_pgbm003"
REAL = [CT, f"{MR}/11-T1post-18670", f"{MR}/36468-FLAIRreg-58706", f"{MR}/11_HCropVolume"]


def simpleitk(folder):
    """Read a series as SimpleITK does."""
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def rewritten(path, **attributes):
    """Change attributes of a file in place."""
    data = pydicom.dcmread(path)
    for key, value in attributes.items():
        setattr(data, key, value)
    data.save_as(path)


# Against SimpleITK ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_real_series_equal_simpleitk(shared_data, name):
    image = simpleitk(shared_data / name)
    volume = read_volume(shared_data / name)
    assert volume.array.dtype == np.float32
    assert volume.array.flags.c_contiguous
    np.testing.assert_array_equal(
        volume.array, SimpleITK.GetArrayFromImage(image).astype(np.float32)
    )
    np.testing.assert_allclose(volume.spacing, image.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(volume.origin, image.GetOrigin(), atol=1e-5)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    np.testing.assert_allclose(volume.direction, direction, atol=1e-5)
    index = (3, 5, 7)
    place = volume.affine @ [*index, 1]
    np.testing.assert_allclose(place[:3], image.TransformIndexToPhysicalPoint(index), atol=1e-4)
    assert len(volume.source.files) == len(volume.source.instance_uids) == len(volume.array)


@pytest.mark.parametrize("name", REAL)
def test_names_and_instance_numbers_do_not_matter(shared_data, tmp_path, name):
    expected = read_volume(shared_data / name)
    files = sorted((shared_data / name).glob("*.dcm"))
    rng = np.random.default_rng(0)
    for number, place in enumerate(rng.permutation(len(files))):
        folder = tmp_path / ("deep/er" if number % 2 else ".")
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / f"IM{number:05d}"
        shutil.copyfile(files[place], copy)
        rewritten(copy, InstanceNumber=len(files) - number)
    found = read_volume(tmp_path)
    np.testing.assert_array_equal(found.array, expected.array)
    np.testing.assert_array_equal(found.affine, expected.affine)
    assert found.source.instance_uids == expected.source.instance_uids


def test_hounsfield_units_and_source(shared_data):
    volume = read_volume(shared_data / CT)
    assert volume.units == "HU"
    assert -1100 < volume.array.min() < -900
    assert volume.source.modality == "CT"
    assert volume.source.reader == "medfusion"
    assert volume.source.format == "DICOM, Implicit VR Little Endian"
    assert all(Path(file).is_file() for file in volume.source.files)


def test_grouping_is_that_of_headers_read_by_pydicom(shared_data, monkeypatch):
    """The oracle of the header parser: pydicom's headers give the same series."""
    names = ("SOPClassUID sop_class,SOPInstanceUID sop_uid,SeriesInstanceUID series_uid,"
             "StudyInstanceUID study_uid,FrameOfReferenceUID frame_of_reference_uid,"
             "Modality modality,Rows rows,Columns columns,SamplesPerPixel samples_per_pixel,"
             "BitsAllocated bits_allocated,PhotometricInterpretation photometric,"
             "ImagePositionPatient position,ImageOrientationPatient orientation,"
             "PixelSpacing pixel_spacing,ImagerPixelSpacing imager_pixel_spacing,"
             "SliceThickness slice_thickness,SpacingBetweenSlices spacing_between_slices,"
             "InstanceNumber instance_number,AcquisitionNumber acquisition_number,"
             "EchoTime echo_time,TemporalPositionIdentifier temporal_position,"
             "AcquisitionTime acquisition_time,RescaleSlope slope,RescaleIntercept intercept,"
             "SeriesDescription series_description,ImageType image_type,"
             "BodyPartExamined body_part,SeriesNumber series_number")  # fmt: skip

    def headers(paths, _threads=0):
        found = []
        for path in paths:
            try:
                data = pydicom.dcmread(path, stop_before_pixels=True)
            except pydicom.errors.InvalidDicomError as error:
                found.append(str(error))
                continue
            header = {}
            for pair in names.split(","):
                keyword, key = pair.split()
                value = data.get(keyword)
                several = isinstance(value, pydicom.multival.MultiValue)
                # IS is a str in one setting of pydicom and an int in others.
                value = int(value) if key.endswith("number") and value is not None else value
                header[key] = list(value) if several else value
            header["signed"] = data.PixelRepresentation == 1
            header["transfer_syntax"] = data.file_meta.TransferSyntaxUID
            header["has_pixels"] = True
            found.append(header)
        return found

    for name in (CT, MR):
        ours = find_series(shared_data / name)
        with monkeypatch.context() as patch:
            patch.setattr(_rust, "dicom_headers", headers)
            theirs = find_series(shared_data / name)
        assert [one.to_json() for one in ours] == [one.to_json() for one in theirs]
        assert [one.files for one in ours] == [one.files for one in theirs]


# What is no one volume -------------------------------------------------------------------------


def test_several_series_are_an_error_that_lists_them(shared_data):
    with pytest.raises(VolumeReadError) as error:
        read_volume(shared_data / MR)
    message = str(error.value)
    assert "3 volumes" in message
    for series in find_series(shared_data / MR):
        assert series.uid in message
        assert repr(series.description) in message
        assert f"{series.slices} slices" in message


def test_series_are_picked_by_uid_or_description(shared_data):
    listed = find_series(shared_data / MR)
    for info in listed:
        expected = read_volume(Path(info.files[0]).parent).array
        for word in (info.uid, info.description, info.description[:5].upper(), info.uid[-20:]):
            np.testing.assert_array_equal(
                read_volume(shared_data / MR, series=word).array, expected
            )
    with pytest.raises(VolumeReadError, match="no series has 'T2'"):
        read_volume(shared_data / MR, series="T2")
    with pytest.raises(VolumeReadError, match="fits 2 volumes"):
        read_volume(shared_data / MR, series="4429.7055")


def test_a_localizer_in_a_series_is_apart(write_stack, write_slice, tmp_path):
    write_stack(range(5))
    write_slice("scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
                ImageOrientationPatient=[1, 0, 0, 0, 0, -1])  # fmt: skip
    with pytest.raises(VolumeReadError, match="one series, but its images make 2 volumes"):
        read_volume(tmp_path / "series")
    first, scout = find_series(tmp_path)
    assert (first.slices, scout.slices) == (5, 1)
    assert scout.units == ""
    assert read_volume(tmp_path / "series", series=first.key).array.shape == (5, 4, 6)
    assert read_volume(tmp_path / "series", series="1.2.3.4#2").array.shape == (1, 4, 6)


@pytest.mark.parametrize(
    "odd",
    [
        {"PixelSpacing": [2.0, 3.1]},
        {"ImageOrientationPatient": [0, 1, 0, -1, 0, 0]},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"Modality": "MR"},
    ],
)
def test_what_an_array_has_once_splits_a_series(write_stack, write_slice, tmp_path, odd):
    write_stack(range(5))
    write_slice("odd", **{"ImagePositionPatient": [0, 0, 5], **odd})
    assert [info.slices for info in find_series(tmp_path)] == [5, 1]


def test_two_blocks_of_one_series_are_two_volumes(write_stack, tmp_path):
    write_stack([*range(6), *range(100, 106)], AcquisitionNumber=lambda k: 1 + k // 6)
    assert [info.slices for info in find_series(tmp_path)] == [6, 6]


def test_interleaved_acquisitions_are_one_volume(write_stack, tmp_path):
    write_stack(range(8), AcquisitionNumber=lambda k: 1 + k % 2)
    assert [info.slices for info in find_series(tmp_path)] == [8]


# Repeats ----------------------------------------------------------------------------------------


def test_time_points_become_an_axis(write_stack, tmp_path):
    for t in (2, 0, 1):
        write_stack(range(4), prefix=f"t{t}_", TemporalPositionIdentifier=t + 1,
                    AcquisitionTime=f"1000{t * 2 + 10:02d}.5", RescaleIntercept=1000 * t,
                    RescaleSlope=1)  # fmt: skip
    volume = read_volume(tmp_path / "series")
    assert volume.axes == "TDHW"
    assert volume.array.shape == (3, 4, 4, 6)
    assert volume.interval == pytest.approx(2)
    expected = 1000 * np.arange(3)[:, None] + 100 * np.arange(4)
    np.testing.assert_array_equal(volume.array[:, :, 0, 0], expected)
    assert volume.spacing == (3.0, 2.0, 1.0)


def test_acquisition_times_that_differ_by_slice_order_time_points(write_stack, tmp_path):
    for t in (1, 0):
        write_stack(range(3), prefix=f"t{t}_", RescaleIntercept=1000 * t,
                    AcquisitionTime=lambda k, t=t: f"1000{t * 9 + k * 2:02d}")  # fmt: skip
    volume = read_volume(tmp_path / "series")
    assert volume.array[:, 0, 0, 0].tolist() == [0, 1000]
    assert volume.interval == pytest.approx(9)


@pytest.mark.parametrize(
    ("key", "values", "word"),
    [
        ("EchoTime", [12, 96], "echo time: 12, 96 ms"),
        ("DiffusionBValue", [0, 800], "b-value: 0, 8"),
    ],
)
def test_echoes_and_b_values_become_an_axis(write_stack, tmp_path, key, values, word):
    for value in reversed(values):
        write_stack(range(3), prefix=f"e{value}_", RescaleIntercept=value, Modality="MR",
                    **{key: value})  # fmt: skip
    volume = read_volume(tmp_path / "series")
    assert volume.axes == "TDHW"
    assert volume.array[:, 0, 0, 0].tolist() == values
    assert word in volume.source.notes[0]
    assert volume.interval is None


def test_magnitude_and_phase_are_two_volumes(write_stack, tmp_path):
    for kind in "MP":
        write_stack(range(3), prefix=kind, ImageType=["ORIGINAL", "PRIMARY", kind], Modality="MR")
    assert [info.axes for info in find_series(tmp_path)] == ["DHW", "DHW"]


def test_an_incomplete_time_point_is_apart(write_stack, tmp_path):
    paths = [write_stack(range(4), prefix=f"t{t}_", TemporalPositionIdentifier=t) for t in range(3)]
    paths[1][2].unlink()
    whole, part = find_series(tmp_path)
    assert (whole.axes, whole.shape) == ("TDHW", (2, 4, 4, 6))
    assert (part.axes, part.shape) == ("DHW", (3, 4, 6))


def test_exact_copies_are_left_out_with_a_note(write_stack, tmp_path):
    paths = write_stack(range(5))
    shutil.copy(paths[2], tmp_path / "series" / "copy")
    volume = read_volume(tmp_path / "series")
    assert volume.array.shape == (5, 4, 6)
    (note,) = volume.source.notes
    assert "1 file holds an image that is there already" in note
    rewritten(tmp_path / "series" / "copy", PatientComments="other header, same pixels")
    assert read_volume(tmp_path / "series").array.shape == (5, 4, 6)


def test_one_uid_with_other_pixels_is_an_error(write_stack, tmp_path):
    paths = write_stack(range(5))
    shutil.copy(paths[2], tmp_path / "series" / "copy")
    rewritten(tmp_path / "series" / "copy", PixelData=bytes(48))
    with pytest.raises(VolumeReadError, match="one SOP instance UID but different pixels"):
        read_volume(tmp_path / "series")


def test_unexplained_duplicates_are_an_error_that_names_the_files(write_stack, tmp_path):
    paths = write_stack(range(5))
    shutil.copy(paths[2], tmp_path / "series" / "again")
    rewritten(tmp_path / "series" / "again", SOPInstanceUID=generate_uid(), InstanceNumber=77)
    with pytest.raises(VolumeReadError, match=r"nothing in the headers.*again, s002"):
        read_volume(tmp_path / "series")
    assert "again" in find_series(tmp_path)[0].problem


def test_slices_of_one_uid_are_told_apart_by_place(write_stack, tmp_path):
    write_stack(range(4), SOPInstanceUID="1.2.3.4.5")
    assert read_volume(tmp_path / "series").array.shape == (4, 4, 6)


# Folders as they are ----------------------------------------------------------------------------


def test_other_files_links_and_folders_do_no_harm(write_stack, write_slice, tmp_path):
    write_stack(range(4))
    folder = tmp_path / "series"
    (folder / "notes.txt").write_text("not DICOM")
    (folder / "empty").touch()
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / "loop").symlink_to(folder)
    (folder / "again").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    write_slice("sr", Modality="SR", SeriesInstanceUID="9.9")
    data = pydicom.dcmread(folder / "sr")
    del data.PixelData
    data.save_as(folder / "sr")
    found = scan(folder)
    assert {Path(path).name for path in found.other} == {"notes.txt", "empty", "DICOMDIR"}
    assert found.imageless == {"SR": 1}
    volume = read_volume(folder)
    assert volume.array.shape == (4, 4, 6)
    assert volume.source.notes == ()


def test_damaged_files_are_named(write_stack, shared_data, tmp_path):
    write_stack(range(4))
    folder = tmp_path / "series"
    names = ("CT_small_cut02.dcm", "preamble_only.dcm", "empty.dcm")
    for name in names:
        shutil.copy(shared_data / "malformed" / name, folder)
    with pytest.warns(GeometryWarning, match="3 files are damaged and left out"):
        volume = read_volume(folder)
    assert volume.array.shape == (4, 4, 6)
    assert all(name in volume.source.notes[0] for name in names)
    assert len(find_series(folder).damaged) == 3


def test_pixels_that_are_cut_off_are_an_error(write_stack, tmp_path):
    paths = write_stack(range(4))
    paths[1].write_bytes(paths[1].read_bytes()[:-30])
    with pytest.raises(VolumeReadError, match="s001"):
        read_volume(tmp_path / "series")


def test_a_declared_size_beyond_the_file_takes_no_memory(write_slice):
    path = write_slice("huge", Rows=60000, Columns=60000)
    with pytest.raises(VolumeReadError, match="huge"):
        read_volume(path)
    for count in (150_000, 2_000_000_000):
        path = write_slice("frames", NumberOfFrames=count)
        with pytest.raises(VolumeReadError, match=f"declares {count} frames"):
            read_volume(path)


def test_names_beyond_ascii(write_stack, tmp_path):
    write_stack(range(3), folder="Größe 肺 🫁", prefix="é ", SeriesDescription="Thorax")
    volume = read_volume(tmp_path / "Größe 肺 🫁")
    assert volume.array.shape == (3, 4, 6)
    assert "Größe 肺 🫁" in volume.source.files[0]


def test_files_without_meta_header(write_slice, tmp_path):
    for k in range(3):
        write_slice(f"{k}", meta=False, ImagePositionPatient=[0, 0, k])
    assert read_volume(tmp_path / "series").array.shape == (3, 4, 6)


def test_folders_that_may_not_be_opened(write_stack, tmp_path, monkeypatch):
    write_stack(range(3))
    (tmp_path / "series" / "closed").mkdir()
    real = os.scandir

    def closed(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.warns(GeometryWarning, match=r"closed: Permission denied"):
        read_volume(tmp_path / "series")
    with pytest.raises(VolumeReadError, match="Permission denied"):
        read_volume(tmp_path / "series" / "closed")


def test_the_order_of_files_changes_nothing(shared_data):
    files = [str(path) for path in sorted((shared_data / "dicom_odd").rglob("*")) if path.is_file()]
    expected = None
    for seed in range(3):
        np.random.default_rng(seed).shuffle(files)
        groups = group_frames(scan_files(files, Scan("odd")).frames)
        found = [[(f.file, f.number) for f in group.frames] for group in groups]
        expected = expected or found
        assert found == expected


def test_every_odd_file_is_read_or_refused(shared_data):
    """No DICOM file at all gives another error than the one that is promised."""
    read = 0
    for path in sorted((shared_data / "dicom_odd").rglob("*")):
        if path.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    volume = read_dicom_volume(path)
                except VolumeReadError as error:
                    assert path.name in str(error)  # noqa: PT017
                else:
                    read += 1
                    assert np.isfinite(volume.affine).all()
    assert read > 150


def test_nothing_names_the_patient(write_stack, tmp_path):
    write_stack(range(3))
    volume = read_volume(tmp_path / "series")
    shown = repr(volume) + volume._repr_mimebundle_()["text/html"] + str(volume.source)
    listed = find_series(tmp_path)
    shown += repr(listed) + listed._repr_mimebundle_()["text/html"]
    assert "secret" not in shown.lower()


def test_series_show_themselves_as_tables(write_stack, tmp_path):
    write_stack(range(3), SeriesDescription="<script>alert(1)</script>")
    write_stack(range(3), folder="two", SeriesInstanceUID="7.8.9")
    listed = find_series(tmp_path)
    html = listed._repr_mimebundle_()["text/html"]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "7.8.9" in repr(listed)
    assert "3 x 2 x 1" in repr(listed)
