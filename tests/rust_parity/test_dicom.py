"""Headers and frames of DICOM files, against pydicom."""

import os
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from medfusion import _rust

NUMBERS = {
    "rows": "Rows",
    "columns": "Columns",
    "samples_per_pixel": "SamplesPerPixel",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "high_bit": "HighBit",
    "planar": "PlanarConfiguration",
    "position": "ImagePositionPatient",
    "orientation": "ImageOrientationPatient",
    "pixel_spacing": "PixelSpacing",
    "slice_thickness": "SliceThickness",
    "instance_number": "InstanceNumber",
    "series_number": "SeriesNumber",
    "slope": "RescaleSlope",
    "intercept": "RescaleIntercept",
    "echo_time": "EchoTime",
    "gantry_tilt": "GantryDetectorTilt",
    "frames": "NumberOfFrames",
}
TEXTS = {
    "sop_class": "SOPClassUID",
    "sop_uid": "SOPInstanceUID",
    "series_uid": "SeriesInstanceUID",
    "study_uid": "StudyInstanceUID",
    "frame_of_reference_uid": "FrameOfReferenceUID",
    "modality": "Modality",
    "photometric": "PhotometricInterpretation",
    "manufacturer": "Manufacturer",
    "series_description": "SeriesDescription",
    "acquisition_time": "AcquisitionTime",
    "rescale_type": "RescaleType",
    "body_part": "BodyPartExamined",
}


def numbers(value):
    if value is None or value == "":
        return None
    if isinstance(value, list | tuple | pydicom.multival.MultiValue):
        return [float(one) for one in value]
    return float(value)


def header(path):
    (found,) = _rust.dicom_headers([path], 1)
    return found


def pixel_array(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path).pixel_array


@pytest.fixture
def kinds(tmp_path, dicom_files):
    """Path of a small file of each kind."""
    return {
        name: dicom_files.write(ds, tmp_path / name) for name, ds in dicom_files.kinds().items()
    }


@pytest.fixture
def save(tmp_path, dicom_files):
    return lambda ds, name="a.dcm": dicom_files.write(ds, tmp_path / name)


def test_headers_of_real_files_equal_pydicom(data_root):
    files = [
        str(path)
        for folder in ("dicom_odd", "dicom_mr_pgbm003")
        for path in sorted((data_root / folder).rglob("*"))
        if path.is_file()
    ]
    compared = 0
    for path, found in zip(files, _rust.dicom_headers(files), strict=True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ds = pydicom.dcmread(path, stop_before_pixels=True)
        except pydicom.errors.InvalidDicomError:
            continue
        compared += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for key, name in TEXTS.items():
                value = str(ds.get(name) or "").strip(" \0")
                assert (found[key] or "") == value, (path, key)
            for key, name in NUMBERS.items():
                if path.endswith("badVR.dcm") and key == "frames":
                    assert found[key] == "1A"
                    continue
                value = ds.get(name)
                if key == "slope" and value is None:  # doses are scaled by an element of their own
                    value = ds.get("DoseGridScaling")
                assert numbers(found[key]) == numbers(value), (path, key)
    assert compared > 200


def test_a_header_has_no_word_of_the_patient(kinds):
    for path in kinds.values():
        text = repr(header(path))
        assert not any(word in text for word in ("Doe", "Jane", "4711", "19700101"))


def test_a_damaged_length_cannot_swallow_the_patient(tmp_path, kinds):
    content = Path(kinds["explicit"]).read_bytes()
    place = content.index(b"\x08\0\x60\0CS")
    (tmp_path / "a").write_bytes(content[: place + 6] + b"\x50\1" + content[place + 8 :])
    assert "Doe" not in repr(header(tmp_path / "a"))


def test_pixels_of_every_kind_equal_pydicom(kinds):
    for name, path in kinds.items():
        ours, theirs = _rust.read_dicom_pixels(path), pixel_array(path)
        assert ours.shape == theirs.shape, name
        assert ours.dtype == theirs.dtype.newbyteorder("="), name
        if name.startswith("jpeg") and name in {"jpeg", "jpeg rgb"}:
            assert np.abs(ours.astype(int) - theirs).max() <= 3, name
        else:
            np.testing.assert_array_equal(ours, theirs, name)


def test_frames_equal_pixels_rescaled_as_numpy_does_it(kinds):
    for name, path in kinds.items():
        pixels = _rust.read_dicom_pixels(path)
        colour = pixels.ndim > 2 and pixels.shape[-1] == 3
        if pixels.ndim == 2 + colour:
            pixels = pixels[None]
        n = len(pixels)
        slope, intercept = np.linspace(0.1, 2.7, n), np.linspace(-1024.3, 3, n)
        for threads in (1, 2, 5):
            out = np.full(pixels.shape, np.nan, np.float32)
            items = [(path, frame) for frame in range(n)]
            assert _rust.read_dicom_frames(items, out, (slope, intercept), threads) == []
            for frame in range(n):
                expected = pixels[frame].astype(np.float32) * np.float32(slope[frame])
                expected += np.float32(intercept[frame])
                np.testing.assert_array_equal(out[frame], expected, name)
        out = np.full(pixels.shape, -1, np.float32)
        assert _rust.read_dicom_frames(items, out) == []
        np.testing.assert_array_equal(out, pixels)


def test_frames_as_integers(kinds):
    for name, dtypes in {
        "explicit": ("int16", "int32"),
        "implicit": ("int16", "uint16", "int32"),
        "rgb": ("uint8", "int16", "uint16", "int32"),
        "bits": ("uint8", "int16"),
    }.items():
        pixels = _rust.read_dicom_pixels(kinds[name])
        for dtype in dtypes:
            out = np.empty((1, *pixels.shape), dtype)
            assert _rust.read_dicom_frames([(kinds[name], 0)], out) == []
            np.testing.assert_array_equal(out[0], pixels)
    for name, dtype in {"explicit": np.uint16, "deflated": np.int16, "big": np.uint8}.items():
        out = np.ones((1, 12, 10), dtype)
        ((position, message),) = _rust.read_dicom_frames([(kinds[name], 0)], out)
        assert position == 0
        assert "the array asks for" in message
        assert not out.any()


def test_some_frames(kinds):
    for name in ("frames", "rle", "enhanced", "deflated frames"):
        pixels = _rust.read_dicom_pixels(kinds[name])
        np.testing.assert_array_equal(
            _rust.read_dicom_pixels(kinds[name], [1, 0, 1]), pixels[[1, 0, 1]]
        )
        assert _rust.read_dicom_pixels(kinds[name], []).shape == (0, 12, 10)
        with pytest.raises(_rust.DicomReadError, match="frame 9 does not exist"):
            _rust.read_dicom_pixels(kinds[name], [9])
    assert _rust.read_dicom_pixels(kinds["explicit"], [0]).shape == (1, 12, 10)


def test_failures_are_named_and_their_slots_zero(kinds, tmp_path):
    items = [
        (kinds["explicit"], 0),
        (tmp_path / "none", 0),
        (kinds["rgb"], 0),
        (kinds["explicit"], 3),
        (kinds["frames"], 1),
        (kinds["frames"], 2),
    ]
    for threads in (1, 3):
        out = np.full((6, 12, 10), 7, np.float32)
        failures = dict(_rust.read_dicom_frames(items, out, None, threads))
        assert sorted(failures) == [1, 2, 3, 5]
        assert failures[1] == "the file does not exist"
        assert "12 x 10 x 3" in failures[2]
        assert "frame 3 does not exist: the file has 1" in failures[3]
        assert not out[[1, 2, 3, 5]].any()
        assert out[[0, 4]].any(axis=(1, 2)).all()


def test_arguments_that_do_not_fit_are_errors(kinds):
    item = (kinds["explicit"], 0)
    with pytest.raises(TypeError, match="out must be a NumPy array of float32"):
        _rust.read_dicom_frames([item], np.empty((1, 12, 10)))
    with pytest.raises(TypeError, match="scale needs"):
        _rust.read_dicom_frames([item], np.empty((1, 12, 10), np.int16), ([1.0], [0.0]))
    with pytest.raises(ValueError, match="contiguous"):
        _rust.read_dicom_frames([item], np.empty((1, 12, 20), np.float32)[..., ::2])
    with pytest.raises(ValueError, match=r"\[N, H, W\]"):
        _rust.read_dicom_frames([item], np.empty((2, 12, 10), np.float32))
    with pytest.raises(ValueError, match="slope"):
        _rust.read_dicom_frames([item], np.empty((1, 12, 10), np.float32), ([1.0, 2.0], [0.0]))
    locked = np.empty((1, 12, 10), np.float32)
    locked.setflags(write=False)
    with pytest.raises(ValueError, match="out"):
        _rust.read_dicom_frames([item], locked)
    assert _rust.read_dicom_frames([], np.empty((0, 12, 10), np.float32)) == []


def test_functional_groups(kinds):
    groups = header(kinds["enhanced"])["per_frame"]
    assert groups["frames"] == 4
    assert groups["positions"] == [[0, 0, 0], [0, 0, 3], [0, 0, 6], [0, 0, 9]]
    assert groups["orientations"] == [[1, 0, 0, 0, 1, 0]] * 4
    assert groups["spacing"] == [[0.5, 0.75]] * 4
    assert groups["thickness"] == [3] * 4
    assert groups["slope"] == [2, 3, 2, 2]
    assert groups["intercept"] == [-10, -5, -10, -10]
    assert groups["stack_id"] == ["1"] * 4
    assert groups["in_stack"] == [1, 2, 3, 4]
    assert groups["dimension_index"] == [[1, 1], [1, 2], [1, 3], [1, 4]]
    assert "echo_time" not in groups
    assert header(kinds["frames"])["per_frame"] is None


@pytest.mark.parametrize("stored", [1, 5, 8, 11, 12, 15, 16])
@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_bits_above_those_stored_mean_nothing(save, rng, dicom_files, stored, dtype):
    """Overlays and rubbish in them: signs are extended, the rest is cleared."""
    raw = rng.integers(0, 65_536, (6, 7)).astype(np.uint16).view(dtype)
    path = save(dicom_files.dataset(raw, stored=stored))
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path), pixel_array(path))
    out = np.empty((1, 6, 7), np.float32)
    assert _rust.read_dicom_frames([(path, 0)], out) == []
    np.testing.assert_array_equal(out[0], pixel_array(path))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("order", ["little", "big", "implicit"])
def test_native_pixels(save, rng, dicom_files, dtype, planar, order):
    syntax = {
        "little": ExplicitVRLittleEndian,
        "big": pydicom.uid.ExplicitVRBigEndian,
        "implicit": ImplicitVRLittleEndian,
    }[order]
    info = np.iinfo(dtype)
    raw = rng.integers(info.min, info.max, (3, 5, 7, 3), endpoint=True).astype(dtype)
    ds = dicom_files.dataset(raw, syntax=syntax, PlanarConfiguration=planar)
    path = save(ds)
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path), pixel_array(path))
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path, [2]), pixel_array(path)[2:])


@pytest.mark.parametrize("frames", [1, 3])
def test_big_endian_words_of_bytes(save, rng, dicom_files, frames):
    """8 bits stored as OW in big endian: the bytes of each pair are swapped."""
    raw = rng.integers(0, 256, (frames, 3, 5), dtype=np.uint8)
    ds = dicom_files.dataset(raw, syntax=pydicom.uid.ExplicitVRBigEndian)
    ds["PixelData"].VR = "OW"
    padded = np.frombuffer(raw.tobytes() + b"\0" * (raw.size % 2), np.uint8)
    ds.PixelData = padded.view(np.uint16).byteswap().tobytes()
    path = save(ds)
    expected = pixel_array(path)
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path), expected)
    for frame in range(frames):
        one = expected.reshape(frames, 3, 5)[frame]
        np.testing.assert_array_equal(_rust.read_dicom_pixels(path, [frame])[0], one)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 5, 7), (2, 1, 5), (9, 3, 5)])
def test_packed_bits(save, rng, dicom_files, shape):
    raw = rng.integers(0, 2, shape, dtype=np.uint8)
    ds = dicom_files.dataset(raw)
    packed = np.packbits(raw.ravel(), bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    path = save(ds)
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path), raw)
    for frame in range(shape[0]):
        np.testing.assert_array_equal(_rust.read_dicom_pixels(path, [frame])[0], raw[frame])


def test_every_ybr_becomes_the_rgb_of_pydicom(save, dicom_files):
    """All luma and a third of all chroma."""
    y, b, r = np.meshgrid(np.arange(256), np.arange(0, 256, 3), np.arange(0, 256, 3), indexing="ij")
    raw = np.stack([y, b, r], -1).reshape(256, -1, 3).astype(np.uint8)
    path = save(dicom_files.dataset(raw, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path), pixel_array(path))


def test_subsampled_chroma(save, rng, dicom_files):
    raw = rng.integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    ds = dicom_files.dataset(raw, PhotometricInterpretation="YBR_FULL_422")
    ds.PixelData = rng.bytes(2 * 6 * 8 * 2)
    path = save(ds)
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path), pixel_array(path))
    ds.PixelData = rng.bytes(2 * 6 * 8 * 3)
    with pytest.raises(_rust.DicomReadError, match="not subsampled"):
        _rust.read_dicom_pixels(save(ds))


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_floating_point(save, rng, dicom_files, keyword):
    raw = rng.normal(size=(5, 6)).astype(np.float32 if keyword[0] == "F" else np.float64)
    ds = dicom_files.dataset(np.zeros((5, 6), np.uint16), BitsAllocated=raw.itemsize * 8)
    for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, name)
    setattr(ds, keyword, raw.tobytes())
    path = save(ds)
    found = _rust.read_dicom_pixels(path)
    assert found.dtype == raw.dtype
    np.testing.assert_array_equal(found, pixel_array(path))
    out = np.empty((1, 5, 6), np.float32)
    assert _rust.read_dicom_frames([(path, 0)], out) == []
    np.testing.assert_array_equal(out[0], raw.astype(np.float32))


def test_the_number_of_native_frames(save, rng, dicom_files):
    """Excess frames are read as pydicom reads them; a little padding is no frame."""
    raw = rng.integers(0, 4096, (5, 4, 6)).astype(np.uint16)
    for declared, padding in [
        (5, b"\0\0"),
        (3, b""),
        (3, b"abcdefg\0"),
        ("0", b""),
        (5, b"x" * 46),
    ]:
        ds = dicom_files.dataset(raw, NumberOfFrames=declared)
        ds.PixelData += padding
        path = save(ds)
        np.testing.assert_array_equal(_rust.read_dicom_pixels(path), pixel_array(path))
    path = save(dicom_files.dataset(raw, NumberOfFrames=6))
    with pytest.raises(_rust.DicomReadError, match="240 bytes of 288"):
        _rust.read_dicom_pixels(path)
    out = np.empty((1, 4, 6), np.float32)
    assert _rust.read_dicom_frames([(path, 4)], out) == []


@pytest.mark.parametrize("table", ["basic", "none", "extended", "wrong lengths"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_fragments(save, dicom_files, table, pieces):
    """Frames in one or several fragments, with each kind of offset table or none."""
    frames = np.stack([dicom_files.smooth((12, 10)) // (n + 1) for n in range(4)])
    one_by_one = [dicom_files.jpeg(frame).PixelData for frame in frames]
    coded = [next(generate_frames(data, number_of_frames=1)) for data in one_by_one]
    ds = dicom_files.jpeg(frames[0])
    ds.NumberOfFrames = 4
    if table in ("basic", "none"):
        ds.PixelData = encapsulate(coded, fragments_per_frame=pieces, has_bot=table == "basic")
    else:
        data, offsets, lengths = encapsulate_extended(coded)
        ds.PixelData, ds.ExtendedOffsetTable = data, offsets
        ds.ExtendedOffsetTableLengths = lengths if table == "extended" else lengths[:-8]
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    path = save(ds)
    found = _rust.read_dicom_pixels(path)
    assert found.shape == (4, 12, 10)
    singles = [_rust.read_dicom_pixels(save(dicom_files.jpeg(frame), "one")) for frame in frames]
    np.testing.assert_array_equal(found, singles)
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path, [2])[0], singles[2])


def test_fewer_fragments_than_frames(save, dicom_files):
    ds = dicom_files.compressed(np.zeros((2, 8, 9), np.uint16), RLELossless)
    ds.NumberOfFrames = 3
    with pytest.raises(_rust.DicomReadError, match="2 frames are there, the header says 3"):
        _rust.read_dicom_pixels(save(ds))


def test_a_missing_delimiter_and_what_follows_the_pixels(save, tmp_path, dicom_files):
    ds = dicom_files.compressed(dicom_files.smooth((2, 8, 9), 999, np.uint16), RLELossless)
    ds.DataSetTrailingPadding = b"\0" * 100
    path = save(ds)
    expected = _rust.read_dicom_pixels(path)
    content = (tmp_path / "a.dcm").read_bytes()
    end = content.index(b"\xfe\xff\xdd\xe0")
    (tmp_path / "cut").write_bytes(content[:end])
    np.testing.assert_array_equal(_rust.read_dicom_pixels(tmp_path / "cut"), expected)


def test_files_without_preamble_or_meta(kinds, tmp_path):
    for name in ("explicit", "implicit", "big", "jpeg"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / "bare").write_bytes(content[132:])
        expected = _rust.read_dicom_pixels(kinds[name])
        np.testing.assert_array_equal(_rust.read_dicom_pixels(tmp_path / "bare"), expected)
        if name == "jpeg":
            continue
        meta = int.from_bytes(content[140:144], "little") + 144
        (tmp_path / "none").write_bytes(content[meta:])
        np.testing.assert_array_equal(_rust.read_dicom_pixels(tmp_path / "none"), expected)
        (tmp_path / "no syntax").write_bytes(content[:132] + content[meta:])
        np.testing.assert_array_equal(_rust.read_dicom_pixels(tmp_path / "no syntax"), expected)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_before_the_pixels(save, dicom_files, implicit, undefined):
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    ds = dicom_files.dataset(dicom_files.smooth((4, 6)), syntax=syntax)
    inner = dicom_files.dataset(dicom_files.smooth((2, 2)), syntax=syntax)
    for _ in range(5):
        outer = pydicom.Dataset()
        outer.SeriesDescription = "inner"
        outer.Rows = 999
        outer.add_new(0x00091002, "UN", b"\xfe\xff\x00\xe0" * 3)
        outer.ReferencedSeriesSequence = pydicom.Sequence([inner, pydicom.Dataset(), inner])
        outer["ReferencedSeriesSequence"].is_undefined_length = undefined
        inner = outer
        inner.is_undefined_length_sequence_item = undefined
    ds.ReferencedSeriesSequence = pydicom.Sequence([inner])
    ds["ReferencedSeriesSequence"].is_undefined_length = undefined
    ds.add_new(0x00091001, "OB", b"private")
    path = save(ds)
    found = header(path)
    assert (found["rows"], found["series_description"]) == (4, "Thorax")
    np.testing.assert_array_equal(_rust.read_dicom_pixels(path), pixel_array(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ISO_IR 100", "Schädel nativ"),
        ("ISO_IR 192", "头部 Schädel"),
        ("ISO_IR 144", "Череп"),
        ("GB18030", "头部"),
        ("ISO_IR 126", "Κρανίο"),
        (["", "ISO 2022 IR 87"], "頭部"),
        (["", "ISO 2022 IR 149"], "머리"),
        ("", "Head"),
    ],
)
def test_character_sets(save, dicom_files, name, text):
    ds = dicom_files.dataset(np.zeros((2, 2), np.uint8))
    ds.SpecificCharacterSet = name
    ds.SeriesDescription = text
    path = save(ds)
    assert header(path)["series_description"] == pydicom.dcmread(path).SeriesDescription == text


def test_results_are_the_same_for_any_number_of_threads(kinds):
    paths = list(kinds.values()) * 5
    one = _rust.dicom_headers(paths, 1)
    assert one == _rust.dicom_headers(paths, 2) == _rust.dicom_headers(paths, 7)
    assert len(one) == len(paths)


def test_a_forked_child_reads_too(kinds):
    paths = list(kinds.values())
    _rust.dicom_headers(paths, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if len(_rust.dicom_headers(paths, 2)) == len(paths) else 1)
    assert os.waitpid(child, 0)[1] == 0
