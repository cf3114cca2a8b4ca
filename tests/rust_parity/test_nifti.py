"""NIfTI in Rust equals nibabel: values, places, types, regions, batches, any number of threads."""

import gzip
import os
import signal
import sys
import threading
import time
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medfusion import _rust

sys.path.insert(0, str(Path(__file__).parent))
try:
    from nifti_files import CODES, content, header, write
finally:
    sys.path.pop(0)

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def reference(path, dtype=np.float32):
    """nibabel's values as [..., k, j, i], and its affine in LPS."""
    image = nib.load(path)
    return np.asarray(image.dataobj, dtype=dtype).T, RAS @ image.affine


def values_of(rng, dtype, shape):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.normal(0, 1e3, shape).astype(kind)
    limits = np.iinfo(kind)
    values = rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    values.flat[:2] = limits.min, limits.max
    return values


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_every_type_order_and_version_equals_nibabel(tmp_path, rng, dtype, endian, version, name):
    values = values_of(rng, dtype, (7, 5, 3))
    path = write(tmp_path / name, values, endian=endian, version=version)
    expected, affine = reference(path)
    array, facts = _rust.read_nifti(path)
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_allclose(facts["affine"], affine, atol=1e-5)
    native, facts = _rust.read_nifti(path, "native")
    assert native.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(native, values.T)
    assert (facts["big_endian"], facts["dtype"]) == (endian == ">", dtype)
    double, _ = _rust.read_nifti(path, "float64")
    np.testing.assert_array_equal(double, values.T.astype(np.float64))
    for array in (native, double):
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.flags.aligned


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize(
    ("slope", "inter"),
    [(1, 0), (0.5, -10), (1, 7), (-3, 0), (0, 5), (np.nan, 1), (np.inf, 1), (1e-3, 1e4)],
)
def test_scaling_equals_nibabel(tmp_path, rng, dtype, slope, inter):
    values = values_of(rng, dtype, (6, 5, 4))
    path = write(tmp_path / "a.nii.gz", values, scl_slope=slope, scl_inter=inter)
    scaled = slope not in (0, np.inf) and not np.isnan(slope) and (slope, inter) != (1, 0)
    for wanted in ("float32", "float64"):
        array, facts = _rust.read_nifti(path, wanted)
        np.testing.assert_array_equal(array, reference(path, wanted)[0])
        assert (facts["scaling"] is not None) == scaled
    assert _rust.read_nifti(path, "native")[0].dtype == (np.float32 if scaled else dtype)


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((4,), "DHW", (1, 1, 4)),
        ((4, 3), "DHW", (1, 3, 4)),
        ((4, 3, 1), "DHW", (1, 3, 4)),
        ((1, 1, 1), "DHW", (1, 1, 1)),
        ((4, 3, 2, 1, 1), "DHW", (2, 3, 4)),
        ((4, 3, 2, 5), "TDHW", (5, 2, 3, 4)),
        ((4, 3, 2, 1, 3), "CDHW", (3, 2, 3, 4)),
        ((4, 3, 2, 1, 1, 3), "CDHW", (3, 2, 3, 4)),
        ((4, 3, 2, 5, 3), "TCDHW", (5, 3, 2, 3, 4)),
        ((4, 3, 2, 5, 3, 1, 1), "TCDHW", (5, 3, 2, 3, 4)),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_dimensions_become_axes(tmp_path, rng, shape, axes, expected, name):
    values = rng.integers(-99, 99, shape, dtype=np.int16)
    path = write(tmp_path / name, values)
    array, facts = _rust.read_nifti(path)
    assert (array.shape, facts["axes"], facts["shape"]) == (expected, axes, expected)
    transposed = values.T.reshape([size for size in values.T.shape if size > 1] or [1])
    if axes == "TCDHW":
        transposed = transposed.swapaxes(0, 1)
    np.testing.assert_array_equal(array.ravel(), transposed.ravel())


@pytest.mark.parametrize(("code", "channels"), [(128, 3), (2304, 4)])
@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 2)])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_colours_become_channels(tmp_path, rng, code, channels, shape, name):
    values = rng.integers(0, 256, (channels, *shape), dtype=np.uint8)
    made = header(shape, code).binaryblock + bytes(4) + values.tobytes("F")
    path = tmp_path / name
    path.write_bytes(gzip.compress(made) if name.endswith("gz") else made)
    stored = np.asarray(nib.load(path).dataobj)
    expected = np.stack([stored[colour].T for colour in "RGBA"[:channels]], axis=-4)
    for dtype in ("float32", "native", "int16"):
        array, facts = _rust.read_nifti(path, dtype)
        np.testing.assert_array_equal(array, expected)
    assert facts["axes"] == ("CDHW" if len(shape) == 3 else "TCDHW")
    region = ((1, 3), (0, 2), (2, 5))
    array, _ = _rust.read_nifti(path, "native", region)
    np.testing.assert_array_equal(array, expected[..., 1:3, 0:2, 2:5])


REGIONS = [
    ((0, 9), (0, 11), (0, 13)),
    ((0, 1), (0, 1), (0, 1)),
    ((8, 9), (10, 11), (12, 13)),
    ((2, 7), (0, 11), (0, 13)),
    ((2, 7), (3, 8), (0, 13)),
    ((0, 9), (3, 8), (5, 6)),
    ((0, 2), (1, 9), (4, 11)),
    ((6, 9), (1, 9), (4, 11)),
]


@pytest.mark.parametrize("shape", [(13, 11, 9), (13, 11, 9, 3), (13, 11, 9, 3, 2)])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_region_is_what_slicing_gives(tmp_path, rng, shape, name):
    values = rng.integers(-999, 999, shape, dtype=np.int16)
    path = write(tmp_path / name, values, endian=">", scl_slope=2, scl_inter=1)
    whole, _ = _rust.read_nifti(path)
    for region in REGIONS:
        expected = whole[(..., *(slice(*bounds) for bounds in region))]
        np.testing.assert_array_equal(_rust.read_nifti(path, "float32", region)[0], expected)
        np.testing.assert_array_equal(_rust.read_nifti(path, "int16", region)[0], expected)


@pytest.mark.parametrize(
    "region",
    [
        ((0, 0), (0, 1), (0, 1)),
        ((3, 2), (0, 1), (0, 1)),
        ((0, 10), (0, 1), (0, 1)),
        ((0, 1), (11, 12), (0, 1)),
        ((0, 1), (0, 1), (0, 2**40)),
    ],
)
def test_a_region_outside_is_refused(tmp_path, rng, region):
    path = write(tmp_path / "a.nii", rng.integers(0, 9, (13, 11, 9), dtype=np.uint8))
    with pytest.raises(_rust.NiftiReadError, match="is not within 0:"):
        _rust.read_nifti(path, "float32", region)


def test_integers_are_given_only_where_they_hold_the_values(tmp_path):
    values = np.array([[[0.0, 1, 255]]], np.float32)
    path = write(tmp_path / "a.nii.gz", values)
    assert _rust.read_nifti(path, "uint8")[0].ravel().tolist() == [0, 1, 255]
    for bad in (256, -1, 0.5, np.nan, np.inf):
        path = write(tmp_path / "a.nii.gz", np.append(values, np.float32(bad)))
        with pytest.raises(_rust.NiftiReadError, match="does not fit in uint8"):
            _rust.read_nifti(path, "uint8")
    with pytest.raises(ValueError, match='"native" or one of uint8'):
        _rust.read_nifti(path, "complex64")


@pytest.mark.parametrize("version", [1, 2])
def test_any_quaternion_places_voxels_as_nibabel_does(tmp_path, rng, version):
    path = tmp_path / "a.nii"
    for _ in range(60):
        quaternion = rng.normal(size=4)
        quaternion *= np.sign(quaternion[0]) / np.linalg.norm(quaternion)
        if rng.random() < 0.3:  # half a turn: the part that is not stored is 0 but for rounding
            quaternion[0] = 0
            quaternion /= np.linalg.norm(quaternion)
        pixdim = [rng.choice([-1, 1, 0, 5]), *rng.uniform(0.1, 9, 3), 1, 1, 1, 1]
        write(
            path,
            np.zeros((4, 3, 2), np.uint8),
            version=version,
            sform_code=0,
            qform_code=rng.integers(1, 6),
            pixdim=pixdim,
            **dict(zip(["quatern_b", "quatern_c", "quatern_d"], quaternion[1:], strict=True)),
            **dict(zip(["qoffset_x", "qoffset_y", "qoffset_z"], rng.normal(0, 99, 3), strict=True)),
        )
        try:
            expected = RAS @ nib.load(path).affine
        except ValueError:  # NIfTI-2 leaves no room for rounding
            with pytest.raises(_rust.NiftiReadError, match="quaternion"):
                _rust.nifti_facts(path)
            continue
        np.testing.assert_allclose(_rust.nifti_facts(path)["affine"], expected, atol=1e-5)


@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 2), (3, 4), (9, -1), (77, 0), (0, 6)])
@pytest.mark.parametrize("pixdim", [(1, 2, 3, 4), (-1, 2, 0, 4), (0, -2, 3, 4), (np.nan, 1, 2, 3)])
@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4), (5,)])
def test_the_choice_of_the_affine_is_nibabels(tmp_path, codes, pixdim, shape):
    path = write(
        tmp_path / "a.nii",
        np.zeros(shape, np.uint8),
        sform_code=codes[0],
        qform_code=codes[1],
        pixdim=[*pixdim, 1, 1, 1, 1],
        quatern_b=0.5,
        qoffset_x=7,
    )
    np.testing.assert_allclose(
        _rust.nifti_facts(path)["affine"], RAS @ nib.load(path).affine, atol=1e-5
    )


@pytest.mark.parametrize(
    ("code", "factor"), [(0, 1), (2, 1), (1, 1000), (3, 0.001), (2 + 8, 1), (1 + 16, 1000)]
)
def test_spatial_units_become_mm(tmp_path, code, factor):
    path = write(tmp_path / "a.nii", np.zeros((2, 2, 2), np.uint8), xyzt_units=code)
    facts = _rust.nifti_facts(path)
    np.testing.assert_allclose(np.diag(facts["affine"])[:3], np.array([-2, -3, 4]) * factor)
    assert len(facts["notes"]) == (factor != 1)


@pytest.mark.parametrize(
    ("code", "step", "seconds"),
    [(8, 2.5, 2.5), (16, 2000, 2), (24, 2e6, 2), (0, 2, None), (32, 2, None), (8, 0, None)],
)
def test_time_becomes_seconds(tmp_path, code, step, seconds):
    pixdim = [1, 1, 1, 1, step, 1, 1, 1]
    values = np.zeros((2, 2, 2, 3), np.uint8)
    path = write(tmp_path / "a.nii", values, xyzt_units=2 + code, pixdim=pixdim)
    assert _rust.nifti_facts(path)["interval"] == (seconds and pytest.approx(seconds))
    path = write(tmp_path / "a.nii", values[..., 0], xyzt_units=2 + code, pixdim=pixdim)
    assert _rust.nifti_facts(path)["interval"] is None


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_pair_is_read_by_either_name(tmp_path, rng, version, packed):
    values = rng.integers(-99, 99, (4, 3, 2), dtype=np.int16)
    head = header(values.shape, version=version, pair=True, vox_offset=16).binaryblock
    body = bytes(16) + values.tobytes("F")
    pack = gzip.compress if packed else bytes
    (tmp_path / f"a.hdr{packed}").write_bytes(pack(head))
    (tmp_path / f"a.img{packed}").write_bytes(pack(body))
    for name in ("a.hdr", "a.img"):
        path = tmp_path / (name + packed)
        array, facts = _rust.read_nifti(path)
        np.testing.assert_array_equal(array, values.T)
        np.testing.assert_array_equal(array, reference(path)[0])
        assert [Path(file).name for file in facts["files"]] == [
            f"a.hdr{packed}",
            f"a.img{packed}",
        ]
    # Half of the pair may be compressed.
    (tmp_path / f"a.img{packed}").rename(tmp_path / "b.img")
    (tmp_path / "b.hdr.gz").write_bytes(gzip.compress(head))
    np.testing.assert_array_equal(_rust.read_nifti(tmp_path / "b.img")[0], values.T)
    with pytest.raises(_rust.NiftiReadError, match="one half of a pair"):
        _rust.read_nifti(tmp_path / f"a.hdr{packed}")


def test_extensions_are_passed_over(tmp_path, rng):
    values = rng.integers(-99, 99, (4, 3, 2), dtype=np.int16)
    for dtype in ("int16", "float32", "float64"):
        stored = values.astype(dtype)
        made = content(
            stored,
            header(values.shape, dtype, vox_offset=352 + 64),
            extension=b"\1\0\0\0"
            + (64).to_bytes(4, "little")
            + (6).to_bytes(4, "little")
            + b"x" * 56,
        )
        for name, packed in (("a.nii", made), ("a.nii.gz", gzip.compress(made))):
            (tmp_path / name).write_bytes(packed)
            for wanted in ("native", "float32", "float64"):
                array, _ = _rust.read_nifti(tmp_path / name, wanted)
                np.testing.assert_array_equal(array, values.T)
            np.testing.assert_array_equal(reference(tmp_path / name)[0], values.T)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_gzip_in_many_forms(tmp_path, rng, dtype):
    values = rng.integers(0, 99, (31, 17, 13)).astype(dtype)
    made = content(values, header(values.shape, dtype))
    cut = len(made) // 3
    named = b"\x1f\x8b\x08\x1c" + bytes(6) + b"\3\0abc" + b"name\0" + b"comment\0"
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    named += body.compress(made) + body.flush()
    named += zlib.crc32(made).to_bytes(4, "little") + len(made).to_bytes(4, "little")
    forms = {
        "members": b"".join(
            gzip.compress(made[at : at + 1000]) for at in range(0, len(made), 1000)
        ),
        "empty members": gzip.compress(b"") * 3 + gzip.compress(made) + gzip.compress(b"") * 3,
        "stored": gzip.compress(made, 0),
        "header": named,
        "padded": gzip.compress(made) + bytes(512),
        "garbage": gzip.compress(made) + b"garbage",
        "longer": gzip.compress(made + bytes(999)),
        "longer members": gzip.compress(made[:cut]) + gzip.compress(made[cut:] + b"more"),
    }
    path = tmp_path / "a.nii.gz"
    for name, packed in forms.items():
        path.write_bytes(packed)
        for wanted in ("float32", "native", "float64"):
            array, _ = _rust.read_nifti(path, wanted)
            np.testing.assert_array_equal(array, values.T, err_msg=name)
    for name, packed in {
        "checksum": forms["stored"][:-8] + b"abcd" + forms["stored"][-4:],
        "size": forms["stored"][:-1] + b"\1",
        "second": gzip.compress(made[:cut]) + gzip.compress(made[cut:])[:-5],
        "cut": forms["header"][:-9],
        "zero": gzip.compress(made[:cut]) + b"garbage",
    }.items():
        path.write_bytes(packed)
        with pytest.raises(_rust.NiftiReadError, match=r"damaged|cut off|truncated"):
            print(name, _rust.read_nifti(path))


def test_names_do_not_matter(tmp_path, rng):
    values = rng.integers(0, 99, (4, 3, 2), dtype=np.uint8)
    made = content(values, header(values.shape, "uint8"))
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.nii")
    for name, packed in (("a.nii.gz", made), ("a.nii", gzip.compress(made)), ("image", made)):
        (tmp_path / name).write_bytes(packed)
        np.testing.assert_array_equal(_rust.read_nifti(tmp_path / name)[0], values.T)
    (tmp_path / "image").rename(odd)
    np.testing.assert_array_equal(_rust.read_nifti(odd)[0], values.T)
    assert _rust.nifti_facts(odd)["files"] == (odd,)


def test_freesurfers_long_vectors(tmp_path, rng):
    values = rng.normal(size=(163_842, 1, 1)).astype(np.float32)
    head = header((27_307, 1, 6), "float32")
    (tmp_path / "a.nii").write_bytes(content(values, head))
    long = header((1, 1, 1), "float32", dim=[3, -1, 1, 1, 1, 1, 1, 1], glmin=163_842)
    (tmp_path / "b.nii").write_bytes(content(values, long))
    for name in ("a.nii", "b.nii"):
        array, _ = _rust.read_nifti(tmp_path / name)
        np.testing.assert_array_equal(array, reference(tmp_path / name)[0])


@pytest.fixture
def many(tmp_path, rng):
    """Eight files of one shape in several kinds, and a damaged one."""
    kinds = [("int16", ".nii"), ("float32", ".nii.gz"), ("uint8", ".nii.gz"), ("float64", ".nii")]
    paths = []
    for number in range(8):
        dtype, end = kinds[number % 4]
        values = rng.integers(0, 200, (19, 17, 11)).astype(dtype)
        slope = 0.25 if number > 4 else 1
        paths.append(write(tmp_path / f"{number}{end}", values, scl_slope=slope, scl_inter=0))
    return paths


def test_a_batch_is_the_same_for_any_number_of_threads(many, tmp_path):
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(many[1].read_bytes()[:-40])
    other = write(tmp_path / "other.nii", np.zeros((19, 17, 12), np.uint8))
    paths = [*many, cut, other, tmp_path / "none.nii"]
    expected = [reference(path) for path in many]
    for threads in (1, 2, 5, 0):
        out = np.full((len(paths), 11, 17, 19), np.nan, np.float32)
        found = _rust.read_nifti_batch(paths, out, threads)
        for slot, affine, (values, place) in zip(out, found, expected, strict=False):
            np.testing.assert_array_equal(slot, values)
            np.testing.assert_allclose(affine, place, atol=1e-5)
        assert not out[len(many) :].any()
        assert found[-3] == "the gzip data is cut off"
        assert found[-2] == "the volume has shape [12, 17, 19], and [11, 17, 19] is asked for"
        assert found[-1] == "the file does not exist"


def test_a_batch_says_what_is_wrong_with_the_array(many):
    good = np.zeros((8, 11, 17, 19), np.float32)
    for out, error in [
        (good.astype(np.float64), TypeError),
        (good[0], TypeError),
        (None, TypeError),
        (good[:7], ValueError),
        (np.empty((8, 11, 17, 38), np.float32)[..., ::2], ValueError),
    ]:
        with pytest.raises(error):
            _rust.read_nifti_batch(many, out)
    good.setflags(write=False)
    with pytest.raises(ValueError, match="out"):
        _rust.read_nifti_batch(many, good)
    assert _rust.read_nifti_batch([], np.empty((0, 1, 1, 1), np.float32)) == []
    with pytest.raises(ValueError, match="volumes"):
        _rust.read_nifti_batch(many[:1], np.empty((1, 0, 1, 1), np.float32))


def test_a_forked_process_reads_too(many):
    out = np.empty((8, 11, 17, 19), np.float32)
    _rust.read_nifti_batch(many, out, 3)
    child = os.fork()
    if child == 0:
        try:
            again = np.empty_like(out)
            _rust.read_nifti_batch(many, again, 3)
            os._exit(not np.array_equal(again, out))
        except BaseException:  # noqa: BLE001 - the child must not run pytest's teardown
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture
def large(tmp_path, rng):
    """A file that takes a while."""
    values = rng.integers(0, 99, (256, 256, 64), dtype=np.int16)
    made = content(values, header(values.shape))
    path = tmp_path / "large.nii.gz"
    path.write_bytes(gzip.compress(made, 1))
    return path


def test_other_threads_run_meanwhile_and_ctrl_c_stops_a_batch(large):
    ticks, stop = [], threading.Event()

    def count():
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    begin = time.perf_counter()
    _rust.read_nifti(large)
    end = time.perf_counter()
    stop.set()
    thread.join()
    assert sum(begin < tick < end for tick in ticks) > 5

    out = np.empty((12, 64, 256, 256), np.float32)
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        _rust.read_nifti_batch([large] * len(out), out, 1)
    timer.join()
