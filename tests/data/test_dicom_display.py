"""DICOM frames as they are shown, against pydicom's functions and the formulas of PS3.3 C.11."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from medfusion import _rust
from medfusion.data.dicom.file import (
    DicomFallbackWarning,
    decode_dicom,
    dicom_facts,
    display_image,
    read_dicom,
)
from medfusion.data.images import read_image
from medfusion.errors import ImageReadError, VolumeReadError


@pytest.fixture(scope="module")
def dicom_files():
    path = Path(__file__).parents[1] / "rust_parity" / "dicom_files.py"
    spec = importlib.util.spec_from_file_location("dicom_files", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def save(tmp_path, dicom_files):
    return lambda ds: dicom_files.write(ds, tmp_path / "a.dcm")


@pytest.fixture
def ct(dicom_files):
    """Values from -1000 to 1990 in steps of 10, stored as CT scanners do."""
    pixels = np.arange(24, 324, dtype=np.int16).reshape(15, 20) * 10 - 216
    return lambda **elements: dicom_files.dataset(
        pixels, RescaleSlope=1, RescaleIntercept=-1024, **elements
    )


def table(entries, first, bits, data, vr="US"):
    item = pydicom.Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [entries, first, bits])
    item.add_new(0x00283006, vr, data)
    return pydicom.Sequence([item])


def to_bytes(values, least, most):
    return np.rint(np.clip((values - least) / (most - least), 0, 1) * 255).astype(np.uint8)


def assert_shown(found, expected):
    """Equal, but for values that lie between two greys to the last digit."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("window", [(40, 400), (-600, 1500), (40.5, 1), (0, 80.25)])
def test_windows_equal_pydicom(save, ct, function, window):
    ds = ct(WindowCenter=window[0], WindowWidth=window[1])
    if function:
        ds.VOILUTFunction = function
    path = save(ds)
    stored = read_dicom(path)
    with np.errstate(over="ignore"):
        shown = apply_voi_lut(apply_modality_lut(stored, ds), ds)
    expected = to_bytes(shown, -32_768 - 1024, 32_767 - 1024)
    assert_shown(display_image(path), expected)
    assert_shown(display_image(path, window=window), expected)


def test_the_first_of_several_windows_is_taken_and_another_can_be_given(save, ct):
    path = save(ct(WindowCenter=[40, -600], WindowWidth=[400, 1500]))
    np.testing.assert_array_equal(display_image(path), display_image(path, window=(40, 400)))
    assert (display_image(path) != display_image(path, window=(-600, 1500))).any()


def test_values_are_spread_where_there_is_no_window(save, ct):
    ds = ct()
    path = save(ds)
    values = read_dicom(path).astype(float)
    assert_shown(display_image(path), to_bytes(values, values.min(), values.max()))
    ds.PixelPaddingValue = int(values.min())
    path = save(ds)
    least = np.unique(values)[1]
    assert_shown(display_image(path), to_bytes(values, least, values.max()))
    flat = ct()
    flat.PixelData = bytes(len(flat.PixelData))
    assert not display_image(save(flat)).any()


@pytest.mark.parametrize("first", [-5, 0, 100])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_voi_lookup_tables_equal_pydicom(save, dicom_files, first, bits):
    pixels = np.arange(-60, 240, dtype=np.int16).reshape(15, 20)
    ds = dicom_files.dataset(pixels)
    entries = (np.sqrt(np.arange(128) / 127) * (2**bits - 1)).astype(int)
    ds.VOILUTSequence = table(128, first, bits, entries.tolist())
    ds.WindowCenter, ds.WindowWidth = 40, 400
    path = save(ds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = apply_voi_lut(read_dicom(path), ds)
    np.testing.assert_array_equal(display_image(path), to_bytes(expected, 0, 2**bits - 1))
    windowed = display_image(path, window=(40, 400))
    assert (windowed != display_image(path)).any()


@pytest.mark.parametrize("vr", ["US", "OW"])
def test_modality_lookup_tables_equal_pydicom(save, dicom_files, vr):
    ds = dicom_files.dataset(np.arange(300, dtype=np.uint16).reshape(15, 20), stored=12)
    entries = (np.arange(200) ** 2).astype("<u2")
    ds.ModalityLUTSequence = table(
        200, 10, 16, entries.tobytes() if vr == "OW" else entries.tolist(), vr
    )
    ds.WindowCenter, ds.WindowWidth = 20_000, 40_000
    path = save(ds)
    expected = apply_voi_lut(apply_modality_lut(read_dicom(path), ds), ds)
    np.testing.assert_array_equal(display_image(path), to_bytes(expected, 0, 65_535))


def test_monochrome1_and_the_inverse_shape_are_inverted_once(save, ct):
    plain = display_image(save(ct(WindowCenter=40, WindowWidth=400)))
    inverted = ct(WindowCenter=40, WindowWidth=400, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(display_image(save(inverted)), 255 - plain)
    inverted.PresentationLUTShape = "INVERSE"
    np.testing.assert_array_equal(display_image(save(inverted)), 255 - plain)
    inverted.PhotometricInterpretation = "MONOCHROME2"
    np.testing.assert_array_equal(display_image(save(inverted)), 255 - plain)


def palette(dicom_files, bits, data, *, segmented=False, first=0, entries=256):
    # pydicom wraps indices beyond a table of 8 bits, where the standard takes the last entry.
    pixels = (np.arange(300) % 256).astype(np.uint16).reshape(15, 20)
    ds = dicom_files.dataset(pixels, PhotometricInterpretation="PALETTE COLOR")
    for n, colour in enumerate(("Red", "Green", "Blue")):
        name = f"{colour}PaletteColorLookupTable"
        setattr(ds, f"{name}Descriptor", [entries, first, bits])
        setattr(ds, f"Segmented{name}Data" if segmented else f"{name}Data", data(n))
    return ds


@pytest.mark.parametrize(
    ("bits", "dtype", "scale"), [(16, "<u2", 257), (8, "<u2", 1), (8, "u1", 1), (16, "<u2", 1)]
)
@pytest.mark.parametrize("first", [0, 20])
def test_palettes_equal_pydicom(save, dicom_files, bits, dtype, scale, first):
    rng = np.random.default_rng(1)
    tables = rng.integers(0, 256, (3, 256)) * scale
    ds = palette(dicom_files, bits, lambda n: tables[n].astype(dtype).tobytes(), first=first)
    path = save(ds)
    expected = apply_color_lut(read_dicom(path), ds)
    np.testing.assert_array_equal(display_image(path), (expected // scale).astype(np.uint8))


@pytest.mark.parametrize("bits", [8, 16])
def test_segmented_palettes_equal_pydicom(save, dicom_files, bits):
    top = 2**bits - 1
    segments = [
        0,
        3,
        5,
        top,
        top // 2,
        1,
        100,
        top,
        1,
        53,
        7,
        2,
        1,
        *([5, 0, 0, 0] if bits == 8 else [5, 0]),
        0,
        0,
    ]
    dtype = "u1" if bits == 8 else "<u2"
    ds = palette(
        dicom_files,
        bits,
        lambda _: np.array([min(one, top) for one in segments], dtype).tobytes(),
        segmented=True,
    )
    path = save(ds)
    expected = apply_color_lut(read_dicom(path), ds)
    np.testing.assert_array_equal(display_image(path), expected >> (bits - 8))


def test_colour_is_shown_as_rgb_of_8_bits(save, dicom_files):
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 4096, (4, 5, 3)).astype(np.uint16)
    np.testing.assert_array_equal(
        display_image(save(dicom_files.dataset(pixels, stored=12))), pixels >> 4
    )
    small = rng.integers(0, 256, (4, 5, 3)).astype(np.uint8)
    path = save(dicom_files.dataset(small, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_array_equal(display_image(path), pydicom.dcmread(path).pixel_array)


def test_a_frame_has_its_own_rescaling_and_window(save, dicom_files):
    path = save(dicom_files.enhanced())
    stored = read_dicom(path).astype(float)
    for frame, (slope, intercept) in enumerate([(2, -10), (3, -5), (2, -10)]):
        values = stored[frame] * slope + intercept
        share = (values - 999.5) / 1999 + 0.5
        expected = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
        found = display_image(path, frame, window=(1000, 2000))
        np.testing.assert_array_equal(found, expected)


def test_real_files_are_shown_as_pydicom_shows_them(shared_data):
    compared = 0
    for path in sorted((shared_data / "dicom_odd").rglob("*"))[::3]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ds = pydicom.dcmread(path)
                stored = read_dicom(path)
        except (VolumeReadError, pydicom.errors.InvalidDicomError, OSError):
            continue
        windowed = ds.get("WindowCenter") not in (None, "") and "RescaleSlope" not in ds
        if stored.ndim != 2 or "PALETTE" in ds.PhotometricInterpretation or not windowed:
            continue
        shown = apply_voi_lut(apply_modality_lut(stored, ds), ds)
        low = -(2 ** (ds.BitsStored - 1)) * ds.PixelRepresentation
        expected = to_bytes(shown, low, low + 2**ds.BitsStored - 1)
        if ds.PhotometricInterpretation == "MONOCHROME1":
            expected = 255 - expected
        assert_shown(display_image(path), expected)
        compared += 1
    assert compared > 5


def test_facts_hold_nothing_that_names_a_patient(save, dicom_files):
    facts = dicom_facts(save(dicom_files.enhanced()))
    assert facts["object"] == "CT image"
    assert facts["transfer_syntax"] == "Explicit VR Little Endian"
    assert (facts["frames"], facts["rows"], facts["columns"]) == (4, 12, 10)
    assert "Doe" not in repr(facts)
    assert "4711" not in repr(facts)
    assert "slope" not in facts


def test_what_the_core_does_not_read_is_left_to_pydicom_and_said(save, dicom_files):
    pixels = np.arange(2 * 6 * 5, dtype=np.uint64).reshape(2, 6, 5)
    path = save(dicom_files.dataset(pixels))
    decoded = decode_dicom(path)
    assert decoded.reader == "pydicom"
    assert "64 bits allocated" in decoded.notes[0]
    with pytest.warns(DicomFallbackWarning, match="read by pydicom"):
        np.testing.assert_array_equal(read_dicom(path), pixels)
    with pytest.warns(DicomFallbackWarning):
        np.testing.assert_array_equal(read_dicom(path, frames=1), pixels[1])
    with pytest.warns(DicomFallbackWarning):
        assert display_image(path, 1).max() == 255
    with pytest.raises(VolumeReadError, match="2 frames"):
        decode_dicom(path, frames=[2])


def test_damage_is_an_error_and_no_reason_for_another_reader(save, dicom_files, tmp_path):
    path = Path(save(dicom_files.dataset(np.zeros((6, 5), np.uint16))))
    path.write_bytes(path.read_bytes()[:-10])
    for function in (read_dicom, display_image):
        with pytest.raises(VolumeReadError, match="truncated"):
            function(path)
    for function in (read_dicom, display_image, dicom_facts):
        with pytest.raises(VolumeReadError, match=r"none\.dcm.*does not exist"):
            function(tmp_path / "none.dcm")


def test_an_unknown_transfer_syntax_names_both_readers(save, dicom_files):
    ds = dicom_files.jpeg(dicom_files.smooth((12, 10)))
    path = Path(save(ds))
    content = path.read_bytes().replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.10")
    path.write_bytes(content)
    with pytest.raises(VolumeReadError, match=r"transfer syntax .*4\.10; nor does pydicom"):
        read_dicom(path)
    assert dicom_facts(path)["rows"] == 12


def test_frames_are_picked(save, dicom_files):
    path = save(dicom_files.enhanced())
    everything = read_dicom(path)
    assert everything.shape == (4, 12, 10)
    np.testing.assert_array_equal(read_dicom(path, frames=2), everything[2])
    np.testing.assert_array_equal(read_dicom(path, frames=[3, 0]), everything[[3, 0]])


def test_big_endian_files_give_what_pydicom_gives(save, dicom_files):
    ds = dicom_files.dataset(
        np.arange(30, dtype=np.int16).reshape(5, 6), syntax="1.2.840.10008.1.2.2"
    )
    path = save(ds)
    ours, theirs = read_dicom(path), pydicom.dcmread(path).pixel_array
    assert ours.dtype == theirs.dtype
    assert ours.tobytes() == theirs.tobytes()


def test_a_dicom_file_of_one_frame_is_an_image_of_a_cohort(save, ct, dicom_files, tmp_path):
    path = save(ct(WindowCenter=40, WindowWidth=400))
    np.testing.assert_array_equal(read_image(path)[..., 0], display_image(path))
    out = np.empty((1, 1, 15, 20), np.float32)
    assert _rust.decode_images([path], out, [0.0], [1.0]) == []
    np.testing.assert_allclose(out[0, 0], display_image(path) / 255, atol=1e-6)
    assert _rust.probe_image(path) == (15, 20, 1, 8)
    colour = save(dicom_files.dataset(dicom_files.smooth((6, 7, 3))))
    assert read_image(colour).shape == (6, 7, 3)
    with pytest.raises(ImageReadError, match="it has 4 frames: read it as a volume"):
        read_image(save(dicom_files.enhanced()))
    cut = tmp_path / "cut"
    cut.write_bytes(Path(save(ct())).read_bytes()[:-9])
    with pytest.raises(ImageReadError, match="DICOM file is truncated"):
        read_image(cut)
