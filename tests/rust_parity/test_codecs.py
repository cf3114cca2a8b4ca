"""Compressed frames against pydicom, pylibjpeg, CharLS and OpenJPEG."""

import csv
import io
import itertools
import logging
import warnings
from concurrent.futures import ThreadPoolExecutor

import jpeg_ls
import numpy as np
import openjpeg
import pydicom
import pytest
from openjpeg.utils import encode_array
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.pixels.encoders import native

from medfusion import _rust

CODECS = {
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.4.50": "jpeg",
    "1.2.840.10008.1.2.4.51": "jpeg",
    "1.2.840.10008.1.2.4.57": "jpeg",
    "1.2.840.10008.1.2.4.70": "jpeg",
    "1.2.840.10008.1.2.4.80": "jpeg-ls",
    "1.2.840.10008.1.2.4.81": "jpeg-ls",
    "1.2.840.10008.1.2.4.90": "jpeg2000",
    "1.2.840.10008.1.2.4.91": "jpeg2000",
    "1.2.840.10008.1.2.4.201": "jpeg2000",
    "1.2.840.10008.1.2.4.202": "jpeg2000",
    "1.2.840.10008.1.2.4.203": "jpeg2000",
}
# Decoders of JPEG by cosine transform may differ by one; all else is equal to the last bit.
TOLERANCE = {"1.2.840.10008.1.2.4.50": 1, "1.2.840.10008.1.2.4.51": 1}


def structured(rng, rows, columns, bits, samples=1):
    """Waves, an edge, noise and flat parts: [H, W] or [H, W, 3]."""
    y, x = np.mgrid[:rows, :columns]
    image = np.sin(x / 5) * np.cos(y / 7) + (x > columns / 2) * (y > rows / 3)
    image = (image - image.min()) / max(np.ptp(image), 1e-9) * (2**bits - 1)
    image = image[..., None] + rng.integers(0, 2 ** max(1, bits // 3), (rows, columns, samples))
    image[: rows // 4] = 0
    image = np.clip(image, 0, 2**bits - 1).astype(np.uint8 if bits <= 8 else np.uint16)
    return image[..., 0] if samples == 1 else image


def decode(codec, content, values, bits, *, signed=False):
    return _rust.decode_frame(
        codec,
        bytes(content),
        values.shape[0],
        values.shape[1],
        samples=1 if values.ndim == 2 else 3,
        bits_allocated=8 * values.dtype.itemsize,
        bits_stored=bits,
        signed=signed,
    )


# RLE


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (64, 65), (130, 71), (200, 200)])
def test_rle(rng, dtype, samples, shape):
    full = shape if samples == 1 else (*shape, 3)
    values = rng.integers(0, 4, full).astype(dtype) * rng.integers(0, np.iinfo(dtype).max // 4)
    values[: shape[0] // 2] = rng.integers(0, np.iinfo(dtype).max, full)[: shape[0] // 2]
    values = values.astype(dtype)
    planes = values.astype(values.dtype.newbyteorder(">")).view(np.uint8)
    planes = np.moveaxis(planes.reshape(*shape, -1), -1, 0)
    segments = [bytes(native._encode_segment(one.tobytes(), shape[1])) for one in planes]
    starts = 64 + np.cumsum([0, *map(len, segments[:-1])])
    header = np.zeros(16, "<u4")
    header[0], header[1 : 1 + len(segments)] = len(segments), starts
    content = header.tobytes() + b"".join(segments)
    found = decode("rle", content, values, 8 * values.itemsize)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


# JPEG-LS


@pytest.mark.parametrize(
    ("bits", "near"), [one for one in itertools.product(range(2, 17), [0, 1, 3]) if one != (2, 3)]
)
def test_jpeg_ls_of_every_precision(rng, bits, near):
    values = structured(rng, 47, 61, bits)
    values[-1, -1] = 2**bits - 1  # the encoder takes the precision from the largest value
    content = jpeg_ls.encode_array(values, lossy_error=near)
    found = decode("jpeg-ls", content, values, bits)
    oracle = jpeg_ls.decode(np.frombuffer(content, np.uint8))
    np.testing.assert_array_equal(found, oracle.reshape(found.shape))
    assert abs(found.astype(int) - values).max() <= near


@pytest.mark.parametrize("interleave", [0, 1, 2])
@pytest.mark.parametrize("near", [0, 2, 9])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_jpeg_ls_of_colours(rng, interleave, near, bits):
    values = structured(rng, 40, 33, bits, samples=3)
    values[10:20] = values[10, 10]  # runs in all components
    # CharLS takes planes for planes, and pixels for the two others.
    given = np.ascontiguousarray(values.transpose(2, 0, 1)) if interleave == 0 else values
    content = jpeg_ls.encode_array(given, lossy_error=near, interleave_mode=interleave)
    found = decode("jpeg-ls", content, values, bits)
    assert abs(found.astype(int) - values).max() <= near


@pytest.mark.parametrize("kind", ["noise", "flat", "steps", "sparse"])
def test_jpeg_ls_of_noise_and_runs(rng, kind):
    for rows, columns in [(2, 300), (300, 2), (257, 129)]:
        values = {
            "noise": rng.integers(0, 2**14, (rows, columns)),
            "flat": np.full((rows, columns), 700),
            "steps": np.repeat(rng.integers(0, 2**12, (rows, -(-columns // 9))), 9, 1)[:, :columns],
            "sparse": (rng.random((rows, columns)) > 0.97) * 30_000,
        }[kind].astype(np.uint16)
        values[0, 0] = 2**16 - 1
        content = jpeg_ls.encode_array(values)
        np.testing.assert_array_equal(decode("jpeg-ls", content, values, 16), values)


def test_jpeg_ls_of_signed_values(rng):
    values = rng.integers(-2048, 2048, (30, 30)).astype(np.int16)
    stored = (values & 0xFFF).astype(np.uint16)
    stored[0, 0], values[0, 0] = 0xFFF, -1
    content = jpeg_ls.encode_array(stored)
    np.testing.assert_array_equal(decode("jpeg-ls", content, values, 12, signed=True), values)


def with_presets(content, *numbers):
    """Put a segment of preset parameters in front of the scan."""
    at = content.index(b"\xff\xda")
    words = b"".join(int(number).to_bytes(2, "big") for number in numbers)
    return content[:at] + b"\xff\xf8\x00\x0d\x01" + words + content[at:]


def test_jpeg_ls_presets_that_are_the_defaults_change_nothing(rng):
    values = structured(rng, 30, 40, 8)
    content = bytes(jpeg_ls.encode_array(values))
    explicit = with_presets(content, 255, 3, 7, 21, 64)
    np.testing.assert_array_equal(decode("jpeg-ls", explicit, values, 8), values)
    for wrong in [(300, 3, 7, 21, 64), (255, 9, 7, 21, 64), (255, 3, 7, 21, 1)]:
        with pytest.raises(_rust.FrameDecodeError, match="JPEG-LS"):
            decode("jpeg-ls", with_presets(content, *wrong), values, 8)


# JPEG 2000


def jpeg2000(values, **options):
    buffer = io.BytesIO()
    image = Image.fromarray(values)
    image.save(buffer, "JPEG2000", **options)
    return buffer.getvalue()


VARIANTS = {
    "plain": {},
    "codestream": {"no_jp2": True},
    "one resolution": {"num_resolutions": 1},
    "six resolutions": {"num_resolutions": 6},
    "tiles": {"tile_size": (37, 29)},
    "offset tiles": {"tile_size": (40, 48), "offset": (13, 7), "tile_offset": (5, 3)},
    "small blocks": {"codeblock_size": (4, 4)},
    "flat blocks": {"codeblock_size": (1024, 4)},
    "tall blocks": {"codeblock_size": (4, 1024)},
    "precincts": {"precinct_size": (32, 64), "codeblock_size": (16, 16)},
    "layers": {"quality_mode": "rates", "quality_layers": [40, 10, 3, 0]},
    "no colour transform": {"mct": 0},
    "packet lengths": {"plt": True},
}
ORDERS = ["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"]


@pytest.mark.parametrize("kind", ["grey", "deep", "colours"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_reversible_jpeg_2000(rng, kind, variant):
    bits, samples = {"grey": (8, 1), "deep": (16, 1), "colours": (8, 3)}[kind]
    values = structured(rng, 101, 87, bits, samples)
    content = jpeg2000(values, **VARIANTS[variant])
    found = decode("jpeg2000", content, values, bits)
    oracle = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(found, oracle)
    if not (kind == "deep" and "tiles" in variant):  # which Pillow writes wrongly
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("tiles", [None, (64, 50)])
def test_progressions(rng, order, tiles):
    values = structured(rng, 130, 117, 8, 3)
    options = {"progression": order, "precinct_size": (32, 32), "codeblock_size": (8, 16)}
    options |= {"quality_mode": "rates", "quality_layers": [30, 8, 0]}
    if tiles:
        options["tile_size"] = tiles
    content = jpeg2000(values, **options)
    np.testing.assert_array_equal(decode("jpeg2000", content, values, 8), values)


@pytest.mark.parametrize("kind", ["grey", "deep", "colours"])
@pytest.mark.parametrize("rate", [3, 20, 100])
@pytest.mark.parametrize("irreversible", [True, False])
def test_lossy_jpeg_2000_is_that_of_openjpeg(rng, kind, rate, irreversible):
    bits, samples = {"grey": (8, 1), "deep": (16, 1), "colours": (8, 3)}[kind]
    values = structured(rng, 129, 140, bits, samples)
    content = jpeg2000(
        values,
        irreversible=irreversible,
        quality_mode="rates",
        quality_layers=[rate],
        no_jp2=True,
        tile_size=(100, 90),
    )
    oracle = openjpeg.decode(content)
    np.testing.assert_array_equal(decode("jpeg2000", content, values, bits), oracle)


@pytest.mark.parametrize(
    ("bits", "signed"),
    [(1, False), *itertools.product([2, 7, 8, 9, 12, 15, 16, 20], [False, True])],
)
def test_jpeg_2000_of_every_precision(rng, bits, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2 if bits <= 16 else 4}")
    values = rng.integers(low, high, (33, 47)).astype(dtype)
    content = encode_array(values, bits_stored=bits, photometric_interpretation=2)
    found = decode("jpeg2000", content, values, bits, signed=signed)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def test_the_sign_is_that_of_the_header(rng):
    values = rng.integers(-4096, 4096, (40, 40)).astype(np.int16)
    unsigned = (values & 0x1FFF).astype(np.uint16)
    content = encode_array(unsigned, bits_stored=13, photometric_interpretation=2)
    np.testing.assert_array_equal(decode("jpeg2000", content, values, 13, signed=True), values)
    content = encode_array(values, bits_stored=13, photometric_interpretation=2)
    np.testing.assert_array_equal(decode("jpeg2000", content, unsigned, 13), unsigned)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 50), (50, 1), (3, 5), (8, 8)])
@pytest.mark.parametrize("irreversible", [True, False])
def test_tiny_jpeg_2000(rng, shape, irreversible):
    values = rng.integers(0, 256, shape).astype(np.uint8)
    most = min(shape).bit_length()
    offsets = [(0, 0), (1, 0), (0, 1), (3, 5)]
    for resolutions, offset in itertools.product(range(1, most + 1), offsets):
        options = {"offset": offset, "tile_size": (64, 64), "num_resolutions": resolutions}
        content = jpeg2000(values, irreversible=irreversible, **options)
        oracle = np.asarray(Image.open(io.BytesIO(content))).reshape(shape)
        np.testing.assert_array_equal(decode("jpeg2000", content, values, 8), oracle)


# All of them


def compressed(folder):
    """Path and transfer syntax of every compressed file that has pixels."""
    with (folder / "index.csv").open() as lines:
        for row in csv.DictReader(lines):
            if row["transfer_syntax_uid"] in CODECS and row["pydicom3_decode"] != "no pixels":
                yield folder / row["path"], row["transfer_syntax_uid"]


def frames(dataset):
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    return list(itertools.islice(generate_frames(dataset.PixelData, number_of_frames=count), count))


def decode_dataset(dataset, codec):
    shape = {
        "rows": dataset.Rows,
        "columns": dataset.Columns,
        "samples": dataset.SamplesPerPixel,
        "bits_allocated": max(8, dataset.BitsAllocated),
        "bits_stored": dataset.BitsStored,
        "signed": bool(dataset.PixelRepresentation),
    }
    found = [_rust.decode_frame(codec, one, **shape) for one in frames(dataset)]
    return found[0] if len(found) == 1 else np.stack(found)


def test_every_compressed_file_is_that_of_pydicom(shared_data):
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    checked = refused = 0
    for path, syntax in compressed(shared_data / "dicom_odd"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            try:
                oracle, _ = get_decoder(syntax).as_array(dataset, raw=True)
            except RuntimeError:
                oracle = None
        try:
            found = decode_dataset(dataset, CODECS[syntax])
        except _rust.FrameDecodeError:
            assert oracle is None, path
            refused += 1
            continue
        if oracle is not None:
            assert (found.shape, found.dtype) == (oracle.shape, oracle.dtype), path
            difference = abs(found.astype(np.int64) - oracle.astype(np.int64)).max()
            assert difference <= TOLERANCE.get(syntax, 0), path
            checked += 1
    assert checked >= 80
    assert refused <= 3


def test_all_forms_of_one_image_are_equal(shared_data):
    found = {}
    for path, syntax in compressed(shared_data / "dicom_odd"):
        if path.parent.name in {"J2KR", "JLSL", "JPLL", "RLE"}:
            dataset = pydicom.dcmread(path)
            values = decode_dataset(dataset, CODECS[syntax])
            found.setdefault(path.name.split("_")[0], []).append(values)
    assert {"CT1", "MR1", "MR3", "NM1"} <= set(found)
    for forms in found.values():
        for one in forms[1:]:
            np.testing.assert_array_equal(one, forms[0])


def test_twelve_bit_frames_that_pydicom_refuses_resemble_their_lossless_form(shared_data):
    folder = shared_data / "dicom_odd" / "WG04"
    for name in ["MR1", "MR3", "NM1"]:
        lossy = pydicom.dcmread(folder / "JPLY" / f"{name}_JPLY")
        whole = pydicom.dcmread(folder / "J2KR" / f"{name}_J2KR")
        found = decode_dataset(lossy, "jpeg").astype(float)
        oracle = decode_dataset(whole, "jpeg2000").astype(float)
        assert np.corrcoef(found.ravel(), oracle.ravel())[0, 1] > 0.98, name


def test_many_threads_get_what_one_gets(rng):
    values = structured(rng, 120, 130, 12)
    work = [
        ("jpeg-ls", bytes(jpeg_ls.encode_array(values))),
        ("jpeg2000", encode_array(values, 12, 2)),
    ] * 10
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda one: decode(*one, values, 12), work):
            np.testing.assert_array_equal(found, values)


def test_an_unknown_codec_is_named():
    with pytest.raises(ValueError, match="zip"):
        _rust.decode_frame("zip", b"", 1, 1)


@pytest.mark.parametrize("codec", ["rle", "jpeg", "jpeg-ls", "jpeg2000"])
@pytest.mark.parametrize(
    "shape",
    [
        (0, 1, 1, 8, 8),
        (1, 1, 2, 8, 8),
        (1, 1, 1, 12, 12),
        (1, 1, 1, 8, 9),
        (1, 1, 1, 8, 0),
        (65535, 65535, 3, 32, 32),
    ],
)
def test_shapes_that_cannot_be(codec, shape):
    with pytest.raises(_rust.FrameDecodeError):
        _rust.decode_frame(codec, b"\xff\xd8" * 100, *shape)
