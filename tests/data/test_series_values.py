"""Values of DICOM volumes: slopes, units, types, colour; frames of multi-frame files."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medfusion.data import read_volume
from medfusion.errors import VolumeReadError

# Values -----------------------------------------------------------------------------------------


def test_every_slice_has_its_own_slope(write_stack, tmp_path):
    slopes = [0.1234567, 1.7, 2.5, 0.33]
    write_stack(range(4), Modality="PT", Units="BQML", RescaleIntercept=0.5,
                RescaleSlope=lambda k: slopes[k])  # fmt: skip
    volume = read_volume(tmp_path / "series")
    assert volume.units == "BQML"
    stored = np.arange(24).reshape(4, 6) + 100 * np.arange(4)[:, None, None]
    expected = stored.astype(np.float32) * np.float32(slopes)[:, None, None] + np.float32(0.5)
    np.testing.assert_array_equal(volume.array, expected)
    exact = read_volume(tmp_path / "series", dtype="float64")
    np.testing.assert_allclose(exact.array, stored * np.array(slopes)[:, None, None] + 0.5, 1e-12)
    with pytest.raises(VolumeReadError, match="int16 does not hold the values"):
        read_volume(tmp_path / "series", dtype="int16")


def test_types(write_stack, tmp_path):
    write_stack(range(3))
    folder = tmp_path / "series"
    assert read_volume(folder, dtype="native").array.dtype == np.float32
    assert read_volume(folder, dtype="int16").array[0, 0, 0] == -1024
    with pytest.raises(VolumeReadError, match="uint16 does not hold"):
        read_volume(folder, dtype="uint16")
    with pytest.raises(ValueError, match="dtype is 'string'"):
        read_volume(folder, dtype="string")
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        name = np.dtype(dtype).name
        write_stack(range(2), folder=name, dtype=dtype, RescaleSlope=None, RescaleIntercept=None)
        stored = read_volume(tmp_path / name, dtype="native").array
        assert stored.dtype == dtype
        np.testing.assert_array_equal(stored, read_volume(tmp_path / name).array)


@pytest.mark.parametrize(
    ("attributes", "units"),
    [
        ({}, "HU"),
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "US"}, ""),
        ({"RescaleType": "HU_MOD"}, "HU_MOD"),
        ({"RescaleSlope": None, "RescaleIntercept": None}, ""),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, ""),
        ({"Modality": "MR"}, ""),
        ({"Modality": "PT", "Units": "GML"}, "GML"),
    ],
)
def test_units(write_slice, attributes, units):
    assert read_volume(write_slice("one", **attributes)).units == units


def test_colour_is_channels_first(write_slice):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    volume = read_volume(
        write_slice("rgb", pixels, Modality="XC", RescaleSlope=None, RescaleIntercept=None)
    )
    assert volume.axes == "CDHW"
    np.testing.assert_array_equal(volume.array, np.moveaxis(pixels, -1, 0)[:, None])


# Multi-frame ------------------------------------------------------------------------------------


def enhanced(write_slice, places, *, temporal=None, name="multi", **attributes):
    """Write an enhanced MR object with a functional group per frame."""
    frames = len(places)
    pixels = (np.arange(24).reshape(4, 6) + 100 * np.arange(frames)[:, None, None]).astype(np.int16)
    shared, groups = Dataset(), []
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [2, 3], 1
    orientation = Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    for number, place in enumerate(places):
        group, position, content, values = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [1, 2, place]
        group.PlanePositionSequence = [position]
        if temporal is not None:
            content.TemporalPositionIndex = temporal[number]
        group.FrameContentSequence = [content]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = number + 1, -1, "US"
        group.PixelValueTransformationSequence = [values]
        groups.append(group)
    return write_slice(
        name,
        pixels,
        **{
            "Modality": "MR",
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1",
            "ImagePositionPatient": None,
            "ImageOrientationPatient": None,
            "PixelSpacing": None,
            "SliceThickness": None,
            "RescaleSlope": None,
            "RescaleIntercept": None,
            "SharedFunctionalGroupsSequence": [shared],
            "PerFrameFunctionalGroupsSequence": groups,
            **attributes,
        },
    )


def test_frames_of_an_enhanced_file_are_sorted_by_place(write_slice):
    places = [6, 0, 4, 2]
    volume = read_volume(enhanced(write_slice, places))
    np.testing.assert_array_equal(volume.origin, (1, 2, 0))
    assert volume.spacing == (3.0, 2.0, 2.0)
    order = np.argsort(places)
    stored = np.arange(24).reshape(4, 6) + 100 * order[:, None, None]
    np.testing.assert_array_equal(volume.array, stored * (order + 1)[:, None, None] - 1)
    assert len(volume.source.instance_uids) == 1


def test_time_in_an_enhanced_file_and_over_several(write_slice, tmp_path):
    path = enhanced(write_slice, [0, 1, 0, 1, 0, 1], temporal=[1, 1, 2, 2, 3, 3])
    volume = read_volume(path)
    assert volume.axes == "TDHW"
    assert volume.array.shape == (3, 2, 4, 6)
    assert volume.array[:, 0, 0, 0].tolist() == [-1, 599, 1999]
    for t in (1, 2):
        enhanced(write_slice, [0, 1], temporal=[t, t], name=f"t{t}", folder="files")
    assert read_volume(tmp_path / "files").array.shape == (2, 2, 4, 6)


def test_frames_at_spacing_between_slices(write_slice):
    pixels = np.zeros((3, 4, 6), np.int16) + np.arange(3, dtype=np.int16)[:, None, None]
    volume = read_volume(
        write_slice("nm", pixels, Modality="NM", SpacingBetweenSlices=-4.0, RescaleSlope=None,
                    ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO"], RescaleIntercept=None)
    )  # fmt: skip
    assert volume.spacing == (3.0, 2.0, 4.0)
    assert volume.array[:, 0, 0].tolist() == [2, 1, 0]
    np.testing.assert_array_equal(volume.origin, (0, 0, -8))


def test_a_cine_loop_is_time(write_slice):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 5, 7, 3), np.uint8)
    path = write_slice("us", pixels, Modality="US", FrameTime=40, ImagePositionPatient=None,
                       ImageOrientationPatient=None, RescaleSlope=None,
                       RescaleIntercept=None)  # fmt: skip
    volume = read_volume(path)
    assert volume.axes == "TCDHW"
    assert volume.interval == pytest.approx(0.04)
    np.testing.assert_array_equal(volume.array, np.moveaxis(pixels, -1, 1)[:, :, None])
