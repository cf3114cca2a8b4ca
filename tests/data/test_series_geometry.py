"""Where the slices of a DICOM series lie: affines, order, tilt, gaps."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfusion.data import find_series, read_volume
from medfusion.errors import GeometryWarning, VolumeReadError

CT = "dicom_ct_lidc0314"


def rewritten(path, **attributes):
    """Change attributes of a file in place."""
    data = pydicom.dcmread(path)
    for key, value in attributes.items():
        setattr(data, key, value)
    data.save_as(path)


def world(volume):
    """Return the place of every voxel by its value."""
    depth, height, width = volume.array.shape
    k, j, i = np.meshgrid(np.arange(depth), np.arange(height), np.arange(width), indexing="ij")
    points = np.stack([i, j, k, np.ones_like(i)], -1).reshape(-1, 4) @ volume.affine.T
    return {float(v): tuple(p) for v, p in zip(volume.array.ravel(), points[:, :3], strict=True)}


# Geometry -------------------------------------------------------------------------------------


def test_row_spacing_is_the_step_down_a_column(write_stack, tmp_path):
    write_stack([0, 5, 10])
    volume = read_volume(tmp_path / "series")
    # PixelSpacing [2, 3]: rows are 2 mm apart (along j), columns 3 mm (along i).
    assert volume.spacing == (3.0, 2.0, 5.0)
    np.testing.assert_array_equal(volume.affine, np.diag([3.0, 2.0, 5.0, 1.0]))


unit = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: 0.1 < np.linalg.norm(q) <= 1)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(quaternion=unit, order=st.permutations(range(5)), step=st.floats(0.3, 9))
def test_any_orientation_and_any_order_give_the_same_world(
    write_stack, tmp_path, quaternion, order, step
):
    w, x, y, z = np.array(quaternion) / np.linalg.norm(quaternion)
    rotation = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    row, column, normal = rotation.T
    shutil.rmtree(tmp_path / "series", ignore_errors=True)
    places = [order[k] * step for k in range(5)]
    write_stack(places, orientation=(*row, *column), origin=(10, -20, 30))
    volume = read_volume(tmp_path / "series")
    found = world(volume)
    for k, place in enumerate(places):
        for pixel in range(24):
            j, i = divmod(pixel, 6)
            point = np.array([10, -20, 30]) + normal * place + row * 3 * i + column * 2 * j
            np.testing.assert_allclose(found[100 * k + pixel - 1024], point, atol=2e-3)
    assert np.linalg.det(volume.direction) == pytest.approx(1)


def test_a_tilted_gantry_gives_a_sheared_affine(write_stack, tmp_path):
    angle = np.radians(15)
    places = [0, 2, 4, 6]
    write_stack(places, tilt=(0, np.tan(angle), 0), GantryDetectorTilt=15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(tmp_path / "series")
    (note,) = volume.source.notes
    assert "tilted" in note
    assert "15.00 degrees" in note
    np.testing.assert_allclose(volume.affine[:3, 2], [0, 2 * np.tan(angle), 2], atol=1e-8)
    found = world(volume)
    for k, place in enumerate(places):
        expected = (0, np.tan(angle) * place, place)
        np.testing.assert_allclose(found[100 * k - 1024], expected, atol=1e-6)


def test_a_tilt_that_positions_do_not_show_is_named(write_stack, tmp_path):
    write_stack([0, 2, 4], GantryDetectorTilt=-12)
    (note,) = read_volume(tmp_path / "series").source.notes
    assert "GantryDetectorTilt is -12" in note


def test_missing_slices_are_named(write_stack, tmp_path):
    paths = write_stack(range(12))
    for k in (3, 7, 8):
        paths[k].unlink()
    with pytest.warns(GeometryWarning, match="3 slices are missing"):
        volume = read_volume(tmp_path / "series")
    (note,) = volume.source.notes
    assert "1 between s002 and s004" in note
    assert "2 between s006 and s009" in note
    assert volume.spacing[2] == pytest.approx(1)
    assert find_series(tmp_path)[0].notes == (note,)


def test_a_removed_slice_of_a_real_series_is_named(shared_data, tmp_path):
    for file in (shared_data / CT).glob("*.dcm"):
        shutil.copy(file, tmp_path)
    order = read_volume(tmp_path).source.files
    Path(order[12]).unlink()
    with pytest.warns(GeometryWarning, match="1 slice is missing"):
        volume = read_volume(tmp_path)
    assert len(volume.array) == 29
    assert volume.spacing[2] == pytest.approx(1)


def test_uneven_slices_are_named(write_stack, tmp_path):
    write_stack([0, 1, 2.4, 3.4, 4.4])
    with pytest.warns(GeometryWarning, match="unevenly spaced: 1 to 1.4 mm"):
        volume = read_volume(tmp_path / "series")
    assert volume.spacing[2] == pytest.approx(1.1)


def test_rounded_positions_are_even(write_stack, tmp_path):
    write_stack([round(k * 0.625, 2) for k in range(40)])
    volume = read_volume(tmp_path / "series")
    assert volume.source.notes == ()
    assert volume.spacing[2] == pytest.approx(0.625, abs=1e-3)


def test_slices_shifted_in_their_plane_are_named(write_stack, tmp_path):
    paths = write_stack(range(5))
    rewritten(paths[2], ImagePositionPatient=[4, 0, 2])
    with pytest.warns(GeometryWarning, match="shifted within their plane by up to 4 mm"):
        read_volume(tmp_path / "series")


def test_slices_without_positions_follow_their_instance_numbers(write_stack, tmp_path):
    write_stack(range(4), ImagePositionPatient=None, InstanceNumber=lambda k: 9 - k)
    volume = read_volume(tmp_path / "series")
    assert volume.array[:, 0, 0].tolist() == [-724, -824, -924, -1024]
    assert any("InstanceNumber" in note for note in volume.source.notes)
    write_stack(range(4), folder="none", ImagePositionPatient=None, InstanceNumber=None)
    with pytest.raises(VolumeReadError, match="neither positions nor distinct instance numbers"):
        read_volume(tmp_path / "none")


def test_a_single_slice_has_its_thickness(write_slice):
    volume = read_volume(write_slice("one", SliceThickness=2.5))
    assert volume.array.shape == (1, 4, 6)
    assert volume.spacing == (3.0, 2.0, 2.5)


def test_a_radiograph_has_the_spacing_of_its_detector(write_slice):
    path = write_slice("cr", Modality="CR", ImagePositionPatient=None, PixelSpacing=None,
                       ImageOrientationPatient=None, ImagerPixelSpacing=[0.2, 0.1])  # fmt: skip
    volume = read_volume(path)
    assert volume.spacing[:2] == (0.1, 0.2)
    assert any("detector" in note for note in volume.source.notes)
    assert any("place and orientation" in note for note in volume.source.notes)
