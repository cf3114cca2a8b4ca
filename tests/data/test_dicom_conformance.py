"""Every file of dicom_odd: the pixels in its index, an error where pydicom has one, or a known difference."""

import csv
import hashlib
import warnings

import numpy as np
import pytest

from medfusion import _rust
from medfusion.data.dicom.file import read_dicom
from medfusion.errors import VolumeReadError

OWN_MORE = {
    "WG04/JPLY/MR1_JPLY": "12-bit JPEG, which no decoder of pydicom's read there",
    "WG04/JPLY/MR3_JPLY": "12-bit JPEG, which no decoder of pydicom's read there",
    "WG04/JPLY/NM1_JPLY": "12-bit JPEG, which no decoder of pydicom's read there",
    "WG04/JPLY/XA1_JPLY": "12-bit JPEG, which no decoder of pydicom's read there",
    "pydicom/JPEG-lossy.dcm": "12-bit JPEG, which no decoder of pydicom's read there",
    "pydicom-data/JLSL_RGB_ILV0.dcm": "no preamble: pydicom has to be forced",
    "pydicom-data/JLSL_RGB_ILV1.dcm": "no preamble: pydicom has to be forced",
    "pydicom-data/JLSL_RGB_ILV2.dcm": "no preamble: pydicom has to be forced",
    "pydicom-data/JLSN_RGB_ILV0.dcm": "no preamble: pydicom has to be forced",
    "pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm": "no delimiter after the last frame, but all frames",
    "pydicom-data/liver_deflate.dcm": "deflated frames, a syntax that pydicom has not",
    "pydicom-data/liver_nonbyte_aligned_deflate.dcm": "deflated frames, a syntax that pydicom has not",
    "pydicom-data/liver_rle.dcm": "single bits in RLE, which pydicom does not decode",
    "pydicom-data/liver_nonbyte_aligned_rle.dcm": "single bits in RLE, which pydicom does not decode",
}
"""Files that are read here, though the index says that pydicom did not; and why."""

SAME_AS = {
    "pydicom-data/JLSL_RGB_ILV1.dcm": "pydicom-data/JLSL_RGB_ILV0.dcm",
    "pydicom-data/JLSL_RGB_ILV2.dcm": "pydicom-data/JLSL_RGB_ILV0.dcm",
    "pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm": "pydicom-data/emri_small.dcm",
    "pydicom-data/liver_deflate.dcm": "pydicom-data/liver.dcm",
    "pydicom-data/liver_nonbyte_aligned_deflate.dcm": "pydicom-data/liver_nonbyte_aligned.dcm",
    "pydicom-data/liver_rle.dcm": "pydicom-data/liver.dcm",
    "pydicom-data/liver_nonbyte_aligned_rle.dcm": "pydicom-data/liver_nonbyte_aligned.dcm",
    "pydicom/JPEG-lossy.dcm": "pydicom/JPGExtended.dcm",
}
"""What some of them must equal: another copy of the image."""

LOSSY = {
    "1.2.840.10008.1.2.4.50": (3, "ITU-T T.81 leaves the rounding of the inverse DCT open"),
    "1.2.840.10008.1.2.4.51": (1, "ITU-T T.81 leaves the rounding of the inverse DCT open"),
}
"""Lossy codecs: the largest difference of a value from pydicom's, and why there may be one."""

COPIES = ("CT1", "MR1", "MR3", "NM1")


@pytest.fixture(scope="module")
def odd(shared_data):
    return shared_data / "dicom_odd"


@pytest.fixture(scope="module")
def index(odd):
    with (odd / "index.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def pixels(odd, index):
    """The array of each file, or its error; no file may need another reader."""
    found = {}
    for name in index:
        try:
            found[name] = read_dicom(odd / name)
        except VolumeReadError as error:
            found[name] = error
    return found


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def test_every_file_that_pydicom_decodes(index, pixels):
    wrong = []
    exact = 0
    for name, row in index.items():
        if not row["pixels_sha256_16"]:
            continue
        array = pixels[name]
        _, shape, dtype = row["pydicom3_decode"].split()
        if not isinstance(array, np.ndarray):
            wrong.append(f"{name}: {array}")
        elif "x".join(map(str, array.shape)) != shape or array.dtype != np.dtype(dtype):
            wrong.append(f"{name}: {array.dtype} {array.shape}, not {dtype} {shape}")
        elif digest(array) == row["pixels_sha256_16"]:
            exact += 1
        elif row["transfer_syntax_uid"] not in LOSSY:
            wrong.append(f"{name}: other pixels")
    assert wrong == []
    assert exact > 150


def test_lossy_codecs_are_within_their_tolerance(odd, index, pixels):
    import pydicom

    compared = 0
    for name, row in index.items():
        tolerance, _ = LOSSY.get(row["transfer_syntax_uid"], (0, ""))
        if not tolerance or not row["pixels_sha256_16"]:
            continue
        if digest(pixels[name]) == row["pixels_sha256_16"]:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pydicom.dcmread(odd / name).pixel_array
        if digest(theirs) != row["pixels_sha256_16"]:
            continue  # this installation's decoders are not those of the index
        compared += 1
        assert np.abs(pixels[name].astype(int) - theirs).max() <= tolerance, name
    assert compared > 0


def test_files_that_pydicom_does_not_decode(index, pixels):
    read = {
        name
        for name, row in index.items()
        if not row["pixels_sha256_16"] and isinstance(pixels[name], np.ndarray)
    }
    assert read == set(OWN_MORE)
    for name, other in SAME_AS.items():
        np.testing.assert_array_equal(pixels[name], pixels[other], name)
    near = pixels["pydicom-data/JLSN_RGB_ILV0.dcm"].astype(int)
    assert np.abs(near - pixels["pydicom-data/JLSL_RGB_ILV0.dcm"]).max() <= 3


def test_lossy_copies_are_near_the_lossless_ones(pixels):
    for image, most in {"MR1": 0.02, "MR3": 0.02, "NM1": 0.02}.items():
        lossless = pixels[f"WG04/JPLL/{image}_JPLL"].astype(float)
        lossy = pixels[f"WG04/JPLY/{image}_JPLY"].astype(float)
        scale = lossless.max() / lossy.max() if image == "NM1" else 1.0
        error = np.abs(lossy * scale - lossless).mean()
        assert error <= most * np.ptp(lossless), image


def test_all_copies_of_an_image_agree(pixels):
    for image in COPIES:
        arrays = [
            array
            for name, array in pixels.items()
            if name.startswith("WG04/")
            and name.endswith((f"{image}_J2KR", f"{image}_JLSL", f"{image}_JPLL", f"{image}_RLE"))
        ]
        assert len(arrays) >= 3
        for array in arrays[1:]:
            np.testing.assert_array_equal(array, arrays[0], image)


def test_frames_one_by_one_are_those_of_the_whole(odd, index, pixels):
    """By number and into a batch of float32."""
    for name in index:
        array = pixels[name]
        if not isinstance(array, np.ndarray) or array.nbytes > 4 << 20:
            continue
        colour = array.ndim > 2 and array.shape[-1] == 3
        frames = array if array.ndim == 3 + colour else array[np.newaxis]
        picked = sorted({0, len(frames) - 1})
        np.testing.assert_array_equal(read_dicom(odd / name, frames=picked), frames[picked], name)
        out = np.empty((len(picked), *frames.shape[1:]), np.float32)
        items = [(str(odd / name), frame) for frame in picked]
        failures = _rust.read_dicom_frames(items, out, None, 2)
        assert failures == [], name
        np.testing.assert_array_equal(out, frames[picked].astype(np.float32), name)
