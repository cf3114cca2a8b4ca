"""DICOM files made to do harm: errors, without memory or time."""

import os
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from medfusion import _rust


def frames(path):
    failures = _rust.read_dicom_frames([(path, 0)], np.empty((1, 8, 8), np.float32), None, 1)
    if failures:
        raise _rust.DicomReadError(failures[0][1])


FUNCTIONS = (_rust.read_dicom_pixels, _rust.show_dicom, frames)


@pytest.fixture
def refused(tmp_path):
    """Write bytes to a file and check that every reader refuses it, fast and in little memory."""

    def check(content, match=None, *, header=True):
        path = tmp_path / "hostile"
        path.write_bytes(content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        found = _rust.dicom_headers([path], 1)[0]
        assert isinstance(found, dict) is header, found
        for function in FUNCTIONS:
            with pytest.raises(_rust.DicomReadError, match=match):
                function(path)
            assert time.process_time() - start < 2
            start = time.process_time()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10

    return check


@pytest.fixture
def content(tmp_path, dicom_files):
    """Bytes of an object."""

    def write(ds):
        return (tmp_path / dicom_files.write(ds, tmp_path / "written")).read_bytes()

    return write


def element(group, number, vr, value, length=None):
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", group, number, vr)
    if vr in {b"OB", b"OW", b"SQ", b"UN", b"UT"}:
        return head + struct.pack("<HI", 0, length) + value
    return head + struct.pack("<H", length) + value


def meta(syntax):
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + element(2, 0x10, b"UI", value)


def test_malformed_files_are_read_or_refused(data_root):
    """Those that are read are read as pydicom reads them, or are lossy."""
    files = sorted((data_root / "malformed").glob("*.dcm"))
    assert len(files) > 90
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read, messages = 0, []
    for path in files:
        start = time.process_time()
        assert len(_rust.dicom_headers([path])) == 1
        for function in FUNCTIONS:
            try:
                function(path)
                read += 1
            except _rust.DicomReadError as error:
                messages.append(str(error))
        assert time.process_time() - start < 2, path
    assert 0 < read < len(files) * 3
    assert not [text for text in messages if "gave up" in text]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 << 10


@pytest.mark.parametrize(
    ("sizes", "match"),
    [
        ({"Rows": 65_535, "Columns": 65_535}, "bytes of|asks for"),
        ({"Rows": 65_535, "Columns": 65_535, "NumberOfFrames": 2**31 - 1}, "bytes of|asks for"),
        ({"NumberOfFrames": 99_999_999_999}, "frames"),
        ({"NumberOfFrames": -3}, "frames"),
        ({"Rows": 0}, "Rows 0"),
        ({"SamplesPerPixel": 65_535}, "Samples per Pixel 65535"),
        ({"BitsAllocated": 65_535}, "Bits Allocated 65535"),
        ({"BitsAllocated": 24, "BitsStored": 24}, "24 bits"),
        ({"BitsStored": 17}, "Bits Stored 17"),
        ({"BitsStored": 0}, "Bits Stored 0"),
        ({"PixelRepresentation": 2}, "Pixel Representation 2"),
    ],
)
def test_sizes_beyond_the_file(refused, content, dicom_files, sizes, match):
    ds = dicom_files.dataset(np.zeros((8, 10), np.uint16))
    for name, value in sizes.items():
        setattr(ds, name, value)
    refused(content(ds), match)


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGBaseline8Bit]
)
@pytest.mark.parametrize("sizes", [{}, {"Rows": 65_535, "Columns": 65_535}])
def test_compressed_frames_that_claim_too_much(refused, content, dicom_files, syntax, sizes):
    """The header and the frame itself say that the image is huge; or one of the two."""
    if syntax == JPEGBaseline8Bit:
        ds = dicom_files.jpeg(dicom_files.smooth((40, 50)))
    else:
        ds = dicom_files.compressed(dicom_files.smooth((40, 50)), syntax)
    written = bytearray(content(ds))
    if not sizes:  # the frame alone
        for old, new in {
            struct.pack(">HH", 40, 50): struct.pack(">HH", 65_535, 65_535),
            struct.pack(">II", 50, 40): struct.pack(">II", 2**31, 2**31),
        }.items():
            written = written.replace(old, new)
        if syntax == RLELossless:
            return
    else:
        ds.update({})
        for name, value in sizes.items():
            setattr(ds, name, value)
        written = content(ds)
        for old, new in {
            struct.pack(">HH", 40, 50): struct.pack(">HH", 65_535, 65_535),
            struct.pack(">II", 50, 40): struct.pack(">II", 65_535, 65_535),
        }.items():
            written = written.replace(old, new)
    refused(bytes(written))


def test_more_frames_than_can_be(refused, content, dicom_files):
    for frames in (2**31 - 1, 100_000):
        ds = dicom_files.compressed(dicom_files.smooth((8, 10)), RLELossless)
        ds.NumberOfFrames = frames
        refused(content(ds), "frames are there")


def test_more_frames_than_anybody_reads(tmp_path, content, dicom_files):
    ds = dicom_files.dataset(np.zeros((1, 1), np.uint8))
    ds.PixelData = bytes(20_000_000)
    (tmp_path / "tiny").write_bytes(content(ds))
    with pytest.raises(_rust.DicomReadError, match="20000000 frames"):
        _rust.read_dicom_pixels(tmp_path / "tiny")
    written = content(dicom_files.dataset(np.zeros((1, 1), np.uint8)))
    start = meta(DeflatedExplicitVRLittleEndian)
    body = written[written.index(b"\x08\0\x16\0UI") :]
    place = body.index(b"\xe0\x7f\x10\0OB") + 8
    claimed = body[:place] + struct.pack("<I", 2**32 - 2) + bytes(2)
    (tmp_path / "claims").write_bytes(start + deflate(claimed))
    with pytest.raises(_rust.DicomReadError, match="frames"):
        _rust.read_dicom_pixels(tmp_path / "claims")


def test_lengths_beyond_the_file(refused, tmp_path, content, dicom_files):
    written = content(dicom_files.dataset(np.zeros((8, 10), np.uint16)))
    place = written.index(b"\xe0\x7f\x10\0OW")
    huge = struct.pack("<I", 2**32 - 2)
    cut = written[: place + 8] + huge + written[place + 12 : -10]
    refused(cut, "bytes of|asks for")
    # A whole image is read whatever its element claims, as pydicom does.
    (tmp_path / "whole").write_bytes(written[: place + 8] + huge + written[place + 12 :])
    assert _rust.read_dicom_pixels(tmp_path / "whole").shape == (8, 10)
    for vr in (b"OB", b"UN", b"UT", b"SQ"):
        header = meta("1.2.840.10008.1.2.1") + element(8, 0x60, b"CS", b"CT")
        refused(header + element(9, 0x10, vr, b"x", 0xFFFF_FFF0), "no pixel data")


def test_lookup_tables_beyond_the_file(refused):
    header = meta("1.2.840.10008.1.2.1") + element(8, 0x60, b"CS", b"CT")
    refused(header + element(0x28, 0x1201, b"OW", b"x", 0xFFFF_FFF0), "no pixel data")
    refused(header + element(0x7FE0, 1, b"OW", b"x", 0xFFFF_FFF0), "no pixel data")


@pytest.mark.parametrize("tag", [(0x0008, 0x1140), (0x5200, 0x9230)])
def test_nesting_is_bounded(refused, tag):
    start = element(*tag, b"SQ", b"", 0xFFFF_FFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 2**32 - 1)
    refused(meta("1.2.840.10008.1.2.1") + start * 100_000, "nested more than", header=False)


def test_millions_of_items(refused):
    empty = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    items = element(0x5200, 0x9230, b"SQ", empty * 1_000_000)
    refused(meta("1.2.840.10008.1.2.1") + element(8, 0x60, b"CS", b"CT") + items, "no pixel data")


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_deflated_bombs(refused):
    start = meta(DeflatedExplicitVRLittleEndian)
    zeros = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = element(8, 0x60, b"CS", b"CT") + element(9, 0x10, b"OB", b"", 0xF000_0000)
    bomb = packer.compress(head) + b"".join(packer.compress(zeros) for _ in range(300))
    refused(start + bomb + packer.flush(), "longer than 256 MiB", header=False)
    refused(start + b"\xff\xff\xff\xff", "cannot be inflated", header=False)


def test_deflated_pixels_that_are_not_there(refused):
    image = b"".join(
        [
            element(8, 0x60, b"CS", b"CT"),
            element(0x28, 2, b"US", b"\1\0"),
            element(0x28, 4, b"CS", b"MONOCHROME2 "),
            element(0x28, 8, b"IS", b"9999"),
            element(0x28, 0x10, b"US", b"\xff\xff"),
            element(0x28, 0x11, b"US", b"\xff\xff"),
            element(0x28, 0x100, b"US", b"\x10\0"),
            element(0x28, 0x101, b"US", b"\x10\0"),
            element(0x28, 0x102, b"US", b"\x0f\0"),
            element(0x28, 0x103, b"US", b"\0\0"),
            element(0x7FE0, 0x10, b"OW", bytes(1000), 0xFFFF_FFF0),
        ]
    )
    refused(meta(DeflatedExplicitVRLittleEndian) + deflate(image))


def test_a_deflated_frame_that_inflates_too_far(tmp_path, dicom_files):
    """Deflated Image Frame Compression: no more is inflated than the frame has."""
    from pydicom.encaps import encapsulate

    ds = dicom_files.dataset(np.zeros((8, 10), np.uint16))
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.PixelData = encapsulate([deflate(bytes(100_000_000))])
    ds["PixelData"].is_undefined_length = True
    path = tmp_path / "a"
    dicom_files.write(ds, path)
    written = path.read_bytes().replace(JPEGBaseline8Bit.encode(), b"1.2.840.10008.1.2.8.1\0", 1)
    path.write_bytes(written)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not _rust.read_dicom_pixels(path).any()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10


@pytest.mark.parametrize(
    ("segments", "match"),
    [
        ([1, 5, 7], "begins with a line"),
        ([0, 200, 1], "ends early"),
        ([0, 1, 5, 2, 9, 3, 0], "refers to itself|too many"),
        ([0, 1, 5] + [1, 65_535, 7] * 3, "too many"),
        ([9, 1, 5], "unknown segment"),
    ],
)
def test_hostile_palettes(tmp_path, dicom_files, segments, match):
    ds = dicom_files.dataset(np.zeros((8, 10), np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        data = np.array(segments, "<u2").tobytes()
        setattr(ds, f"Segmented{colour}PaletteColorLookupTableData", data)
    path = dicom_files.write(ds, tmp_path / "a")
    with pytest.raises(_rust.DicomReadError, match=match):
        _rust.show_dicom(path)


def test_what_is_no_dicom_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, content, message in [
        ("empty", b"", "it is empty"),
        ("text", b"hello, this is a text " * 20, "neither DICOM's magic word"),
        ("gz", b"\x1f\x8b\x08" + bytes(200), "a gzip file"),
        ("png", b"\x89PNG\r\n\x1a\n" + bytes(200), "a PNG image"),
        ("nii", b"\x5c\x01\0\0" + bytes(400), "a NIfTI file"),
        ("zeros", bytes(1000), "neither DICOM's magic word"),
        ("like", b"\x08\0\x05\0CS\2\0ab" * 20, "neither DICOM's magic word"),
    ]:
        (tmp_path / name).write_bytes(content)
        (found,) = _rust.dicom_headers([tmp_path / name])
        assert "not a DICOM file" in found
        assert message in found
    assert _rust.dicom_headers([tmp_path, tmp_path / "pipe", tmp_path / "none", "a\0b"])[:3] == [
        "not a regular file",
        "not a regular file",
        "the file does not exist",
    ]
