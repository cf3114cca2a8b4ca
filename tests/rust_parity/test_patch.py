"""Patches equal SciPy's, torch's and NumPy's on the same coordinates."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from scipy import ndimage, stats

from medfusion import _rust

SIZE = (9, 11, 13)  # (d, h, w)
TYPES = [np.uint8, np.int16, np.uint16, np.float32]


def volume(rng, shape=(1, 20, 24, 28), dtype=np.int16):
    low, high = (0, 200) if dtype == np.uint8 else (0, 1000)
    return (ndimage.gaussian_filter(rng.random(shape), 1.0) * (high - low) + low).astype(dtype)


def turned(rng, size=SIZE, origin=(4, 5, 3), angle=0.4):
    """A map with a turn, unequal scales and a shear, [3, 4]."""
    a, b, c = rng.uniform(-angle, angle, 3)
    i = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    j = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    k = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    linear = i @ j @ k * rng.uniform(0.8, 1.2, 3)
    linear[0, 1] += 0.1
    centre = (np.array(size[::-1]) - 1) / 2
    return np.c_[linear, np.array(origin) + centre - linear @ centre]


def places(matrix, size=SIZE):
    """Coordinates (k, j, i) of each voxel, [3, d, h, w]."""
    k, j, i = np.meshgrid(*map(np.arange, size), indexing="ij")
    points = matrix[:, :3] @ np.stack([i, j, k]).reshape(3, -1) + matrix[:, 3:]
    return points[::-1].reshape(3, *size)


def cut(source, matrix, size=SIZE, steps=(), field=None, outside=None, threads=1):
    out = np.full((1, source.shape[0], *size), np.nan, np.float32)
    _rust.cut_patches(
        [source],
        out,
        np.ascontiguousarray(matrix)[None],
        [list(steps)],
        [field],
        [outside],
        threads,
    )
    return out[0]


def cut_labels(source, matrix, size=SIZE, field=None, outside=None, dtype=np.uint8):
    out = np.zeros((1, source.shape[0], *size), dtype)
    maps = np.ascontiguousarray(matrix)[None]
    _rust.cut_label_patches([source], out, maps, [field], [outside], 1)
    return out[0]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("origin", [(4, 5, 3), (-6, 15, 12), (60, -50, 3)])
@pytest.mark.parametrize("outside", [None, 77.0])
def test_turned_patches_equal_scipy(rng, dtype, origin, outside):
    source, matrix = volume(rng, dtype=dtype), turned(rng, origin=origin)
    mode = "nearest" if outside is None else "grid-constant"
    wanted = ndimage.map_coordinates(
        source[0].astype(np.float64), places(matrix), order=1, mode=mode, cval=outside or 0.0
    )
    # Coordinates are good to about 1e-5 of a voxel.
    steepest = 1000 if outside is None else 2000
    np.testing.assert_allclose(
        cut(source, matrix, outside=outside)[0], wanted, atol=3e-5 * steepest
    )


@pytest.mark.parametrize(("outside", "padding"), [(None, "border"), (0.0, "zeros")])
def test_turned_patches_equal_torch(rng, outside, padding):
    source, matrix = volume(rng, dtype=np.float32), turned(rng, origin=(0, 10, 5))
    limits = np.array(source.shape[:0:-1])
    grid = places(matrix)[::-1].transpose(1, 2, 3, 0) / (limits - 1) * 2 - 1
    wanted = torch.nn.functional.grid_sample(
        torch.from_numpy(source[None]).double(),
        torch.from_numpy(grid[None].copy()),
        padding_mode=padding,
        align_corners=True,
    )
    np.testing.assert_allclose(cut(source, matrix, outside=outside), wanted[0], atol=0.03)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_straight_patches_are_the_voxels(rng, dtype, signs):
    source = volume(rng, (2, 20, 24, 28), dtype)
    size, origin = np.array(SIZE[::-1]), np.array([6, 2, 1])
    start = np.where(np.array(signs) > 0, origin, origin + size - 1)
    found = cut(source, np.c_[np.diag(signs).astype(float), start])
    box = source[:, 1:10, 2:13, 6:19]
    flipped = box[:, :: signs[2], :: signs[1], :: signs[0]]
    np.testing.assert_array_equal(found, flipped.astype(np.float32))


@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    start=st.tuples(*[st.integers(-12, 12)] * 3),
    signs=st.tuples(*[st.sampled_from([1, -1])] * 3),
    order=st.permutations([0, 1, 2, 3]),
    mirrored=st.lists(st.integers(0, 3), max_size=4, unique=True),
    outside=st.sampled_from([None, -5.0]),
)
@settings(deadline=None, max_examples=300)
def test_straight_patches_of_any_memory(shape, size, start, signs, order, mirrored, outside):
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 1000, [(2, *shape)[axis] for axis in order]).astype(np.int16)
    source = np.flip(dense.transpose(np.argsort(order)), mirrored)
    matrix = np.c_[np.diag(signs).astype(float), start]
    found = cut(source, matrix, size, outside=outside)
    at = [
        np.arange(count) * sign + first
        for count, sign, first in zip(size, signs[::-1], start[::-1], strict=True)
    ]
    inside = [np.clip(a, 0, n - 1) for a, n in zip(at, shape, strict=True)]
    wanted = source[:, inside[0][:, None, None], inside[1][:, None], inside[2]].astype(np.float32)
    if outside is not None:
        valid = [(a >= 0) & (a < n) for a, n in zip(at, shape, strict=True)]
        everywhere = valid[0][:, None, None] & valid[1][:, None] & valid[2]
        wanted[:, ~everywhere] = outside
    np.testing.assert_array_equal(found, wanted)
    # A turn too small to see takes the other way through the code.
    tilt = matrix.copy()
    tilt[0, 1] += 1e-7
    np.testing.assert_allclose(cut(source, tilt, size, outside=outside), wanted, atol=0.01)
    labels = cut_labels(source, tilt, size, outside=outside and int(outside), dtype=np.int16)
    np.testing.assert_array_equal(labels, wanted)


@pytest.mark.parametrize("outside", [None, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_labels_equal_scipy(rng, dtype, outside):
    source = rng.integers(0, 5, (1, 20, 24, 28)).astype(dtype)
    matrix = turned(rng, origin=(-3, 14, 8))
    where = places(matrix)
    limits = np.array(source.shape[1:])[:, None, None, None]
    nearest = np.floor(where + 0.5).astype(int)
    valid = ((nearest >= 0) & (nearest < limits)).all(0)
    k, j, i = np.clip(nearest, 0, limits - 1)
    wanted = np.where(valid | (outside is None), source[0, k, j, i], outside)
    # Nearer than 1e-4 to the middle between two voxels either may be taken.
    clear = (np.abs(where + 0.5 - np.round(where + 0.5)) > 1e-4).all(0)
    for out in (np.uint8, np.int16, np.int64):
        found = cut_labels(source, matrix, outside=outside, dtype=out)[0]
        np.testing.assert_array_equal(found[clear], wanted[clear])
        assert set(np.unique(found)) <= set(np.unique(source)) | ({9} if outside else set())


@pytest.mark.parametrize("outside", [None, 5.0])
@pytest.mark.parametrize("straight", [True, False])
def test_displacements_equal_scipy(rng, outside, straight):
    source = volume(rng, dtype=np.float32)
    matrix = np.c_[np.eye(3), [3, 2, 4]] if straight else turned(rng)
    step = np.array([0.3, 0.21, 0.0])  # along i, j, k
    counts = np.floor((np.array(SIZE[::-1]) - 1) * step).astype(int) + 4
    points = rng.normal(0, 2, (*counts[::-1], 3)).astype(np.float32)
    k, j, i = np.meshgrid(*map(np.arange, SIZE), indexing="ij")
    grid = np.stack([k * step[2] + 1, j * step[1] + 1, i * step[0] + 1])
    moved = [
        ndimage.map_coordinates(points[..., a].astype(float), grid, order=3, prefilter=False)
        for a in (2, 1, 0)
    ]
    mode = "nearest" if outside is None else "grid-constant"
    where = places(matrix) + np.stack(moved)
    wanted = ndimage.map_coordinates(
        source[0].astype(float), where, order=1, mode=mode, cval=outside or 0.0
    )
    field = (points, step.tolist())
    np.testing.assert_allclose(
        cut(source, matrix, field=field, outside=outside)[0], wanted, atol=0.06
    )
    mirror = source[:, ::-1, :, ::-1].copy()[:, ::-1, :, ::-1]
    np.testing.assert_allclose(
        cut(mirror, matrix, field=field, outside=outside), cut(source, matrix, field=field,
        outside=outside), atol=0.03,
    )  # fmt: skip
    classes = (source > 300).astype(np.uint8)
    near = np.clip(np.floor(where + 0.5), 0, np.array([[[[19]]], [[[23]]], [[[27]]]])).astype(int)
    clear = (np.abs(where + 0.5 - np.round(where + 0.5)) > 1e-3).all(0)
    labels = cut_labels(classes, matrix, field=field)[0]
    np.testing.assert_array_equal(labels[clear], classes[0][tuple(near)][clear])


def test_one_slice_is_an_image(rng):
    source = volume(rng, (1, 1, 50, 60), np.uint8)
    angle = 0.3
    matrix = np.eye(3, 4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:2, 3] = 10, 5
    size = (1, 30, 40)
    found = cut(source, matrix, size)[0, 0]
    where = places(matrix, size)[1:, 0]
    wanted = ndimage.map_coordinates(source[0, 0].astype(float), where, order=1, mode="nearest")
    np.testing.assert_allclose(found, wanted, atol=0.01)
    np.testing.assert_allclose(cut(source, matrix, size, outside=0.0)[0, 0], ndimage.map_coordinates(
        source[0, 0].astype(float), where, order=1, mode="grid-constant"), atol=0.01)  # fmt: skip


def test_coordinates_far_from_the_origin_keep_their_digits(rng):
    line = rng.random((1, 1, 1, 900_000)).astype(np.float32)
    matrix = np.c_[np.diag([0.5, 1.0, 1.0]), [899_000.25, 0, 0]]
    found = cut(line, matrix, (1, 1, 500))[0, 0, 0]
    at = 899_000.25 + 0.5 * np.arange(500)
    wanted = np.interp(at, np.arange(900_000), line[0, 0, 0].astype(float))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_steps_equal_numpy_and_scipy(rng):
    source = volume(rng, (2, 20, 24, 28))
    matrix = np.c_[np.eye(3), [3, 2, 4]]
    plain = cut(source, matrix).astype(float)
    whole = (1, 2, 3)
    low, high = plain.min(whole, keepdims=True), plain.max(whole, keepdims=True)
    mean = plain.mean(whole, keepdims=True)
    cases = [
        ([("linear", [0.5, -3])], plain * 0.5 - 3),
        ([("clamp", [400, 600])], plain.clip(400, 600)),
        (
            [("linear", [2, 0]), ("clamp", [0, 900]), ("linear", [1, 1])],
            (2 * plain).clip(0, 900) + 1,
        ),
        ([("contrast", [1.5])], ((plain - mean) * 1.5 + mean).clip(low, high)),
        ([("contrast", [0.5]), ("linear", [1, 7])], (plain - mean) * 0.5 + mean + 7),
        ([("gamma", [0.6])], ((plain - low) / (high - low)) ** 0.6 * (high - low) + low),
        ([("gamma", [3.0])], ((plain - low) / (high - low)) ** 3 * (high - low) + low),
        (
            [("blur", [1.5, 0.7, 2])],
            ndimage.gaussian_filter(plain, (0, 2, 0.7, 1.5), mode="nearest"),
        ),
        ([("blur", [0, 0, 0.1])], plain),
    ]
    for steps, wanted in cases:
        np.testing.assert_allclose(cut(source, matrix, steps=steps), wanted, atol=0.005)


def noise(stream, shape=(1, 64, 64, 64), sd=1.0):
    source = np.zeros(shape, np.float32)
    return cut(source, np.eye(3, 4), shape[1:], [("noise", [sd, *stream])])


def test_noise_is_normal():
    values = noise(_rust.random_stream(1, 2, 3, 4), (1, 128, 128, 64)).ravel().astype(float)
    assert stats.kstest(values, "norm").pvalue > 1e-3
    # Four standard errors of mean, standard deviation, skewness and kurtosis.
    n = len(values)
    assert abs(values.mean()) < 4 / np.sqrt(n)
    assert abs(values.std() - 1) < 4 / np.sqrt(2 * n)
    assert abs(stats.skew(values)) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(values)) < 4 * np.sqrt(24 / n)
    assert abs((np.abs(values) > 4).sum() - n * 2 * stats.norm.sf(4)) < 4 * np.sqrt(n * 6.3e-5)


@pytest.mark.parametrize("shift", [1, 2, 3, 31, 32, 33, 64, 127, 128, 96, 4096])
def test_noise_of_neighbours_is_independent(shift):
    values = noise(_rust.random_stream(5, 0, 1, 0), (1, 128, 64, 64)).ravel().astype(float)
    n = len(values) - shift
    for transform in (lambda v: v, np.abs, np.square):
        changed = transform(values)
        assert abs(np.corrcoef(changed[:-shift], changed[shift:])[0, 1]) < 4.5 / np.sqrt(n)


def test_noise_of_patches_is_independent():
    patches = np.stack(
        [
            noise(_rust.random_stream(seed, epoch, sample, 0), (1, 32, 32, 32)).ravel()
            for seed in (0, 1) for epoch in (0, 1) for sample in range(5)
        ]
    )  # fmt: skip
    correlation = np.corrcoef(patches) - np.eye(len(patches))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(32**3)
    # The means of many patches are spread as they must be.
    means = [noise(_rust.random_stream(9, 0, n, 0), (1, 8, 8, 8)).mean() for n in range(400)]
    assert stats.kstest(np.array(means) * np.sqrt(512), "norm").pvalue > 1e-3


def test_noise_does_not_depend_on_where_rows_end():
    stream = _rust.random_stream(3, 1, 4, 1)
    whole = noise(stream, (1, 1, 1, 60 * 7 * 5)).ravel()
    np.testing.assert_array_equal(noise(stream, (1, 5, 7, 60)).ravel(), whole)
    np.testing.assert_array_equal(noise(stream, (3, 5, 7, 20)).ravel(), whole)


def test_uniform_numbers():
    stream = _rust.random_stream(2**64 - 1, 2**32 - 1, 2**64 - 1, 2**32 - 1)
    numbers = _rust.random_uniform(stream, 100_001)
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    assert numbers.min() >= 0
    assert numbers.max() < 1
    np.testing.assert_array_equal(_rust.random_uniform(stream, 7), numbers[:7])
    assert _rust.random_uniform(stream, 0).shape == (0,)
    streams = {
        _rust.random_stream(0, e, s, p) for e in range(10) for s in range(10) for p in range(10)
    }
    assert len(streams) == 1000
    for bad in [(-1, 0, 0, 0), (0, 2**32, 0, 0), (2**64, 0, 0, 0)]:
        with pytest.raises(OverflowError):
            _rust.random_stream(*bad)


def batch(rng, count=5):
    sources = [volume(rng, (2, 20, 24, 28), TYPES[n % 4]) for n in range(count)]
    maps = np.stack([turned(rng) if n % 3 else np.eye(3, 4) for n in range(count)])
    fields = [
        (rng.normal(0, 1, (6, 6, 6, 3)).astype(np.float32), [0.2, 0.2, 0.2]) if n % 2 else None
        for n in range(count)
    ]
    steps = [
        [
            ("gamma", [0.8]),
            ("linear", [1.1, 0.2]),
            ("noise", [3.0, *_rust.random_stream(1, 0, n, 0)]),
            ("blur", [1, 0.5, 0]),
        ]
        for n in range(count)
    ]
    return sources, maps, fields, steps


def run(sources, maps, fields, steps, threads=1):
    out = np.empty((len(sources), 2, *SIZE), np.float32)
    _rust.cut_patches(sources, out, maps, steps, fields, None, threads)
    return out


def test_threads_and_batches_do_not_change_a_bit(rng):
    sources, maps, fields, steps = batch(rng)
    one = run(sources, maps, fields, steps)
    for threads in (2, 7, 0):
        np.testing.assert_array_equal(run(sources, maps, fields, steps, threads), one)
    order = [3, 0, 4]
    parts = [[part[n] for n in order] for part in (sources, maps, fields, steps)]
    parts[1] = np.stack(parts[1])
    np.testing.assert_array_equal(run(*parts), one[order])


def test_a_forked_child_gives_the_same(rng):
    sources, maps, fields, steps = batch(rng)
    here = run(sources, maps, fields, steps, threads=2)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            same = np.array_equal(run(sources, maps, fields, steps, threads=2), here)
            os.write(write, b"1" if same else b"0")
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 1) == b"1"
    os.waitpid(child, 0)
    os.close(read)


def test_nan_stays_where_it_is(rng):
    source = volume(rng, dtype=np.float32)
    source[0, 10, 10, 10] = np.nan
    straight = cut(source, np.c_[np.eye(3), [5, 5, 5]], steps=[("clamp", [0, 500])])
    assert np.argwhere(np.isnan(straight[0])).tolist() == [[5, 5, 5]]
    matrix = turned(rng)
    wanted = ndimage.map_coordinates(source[0].astype(float), places(matrix), order=1)
    found = cut(source, matrix, steps=[("gamma", [1.2])])[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))


def test_class_counts_equal_numpy(rng):
    labels = rng.integers(-1, 4, (1, 6, 7, 8)).astype(np.int16)
    for array in (labels, labels[:, ::-1, :, ::-1], labels.transpose(0, 3, 1, 2)):
        found = _rust.count_classes(array, [0, 3, 9, -1], 2)
        wanted = np.stack([(array[0] == label).sum(-1) for label in (0, 3, 9, -1)])
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_added_patches_are_the_weighted_mean(rng, gaussian, threads):
    patches = rng.random((12, 2, 4, 5, 6), np.float32)
    origins = rng.integers(-3, 8, (12, 3))
    sides = [np.exp(-(np.linspace(-2, 2, n) ** 2)) if gaussian else np.ones(n) for n in (6, 5, 4)]
    sides = [side.astype(np.float32) for side in sides]
    total, weight = np.zeros((2, 9, 10, 11)), np.zeros((9, 10, 11))
    for patch, (i, j, k) in zip(patches, origins, strict=True):
        for z, y, x in np.ndindex(4, 5, 6):
            place = k + z, j + y, i + x
            if all(0 <= a < n for a, n in zip(place, weight.shape, strict=True)):
                share = float(sides[2][z]) * sides[1][y] * sides[0][x]
                weight[place] += share
                total[(slice(None), *place)] += share * patch[:, z, y, x]
    mean, found = np.zeros((2, 9, 10, 11), np.float32), np.zeros((9, 10, 11), np.float32)
    _rust.add_patches(patches[:5], origins[:5], sides, mean, found, threads)
    _rust.add_patches(patches[5:], origins[5:], sides, mean, found, threads)
    np.testing.assert_allclose(found, weight, rtol=1e-5)
    covered = weight > 0
    np.testing.assert_allclose(mean[:, covered], (total[:, covered] / weight[covered]), rtol=1e-5)
    assert (mean[:, ~covered] == 0).all()


def test_wrong_arguments_are_named(rng):
    good = volume(rng)
    out, maps = np.zeros((1, 1, *SIZE), np.float32), np.eye(3, 4)[None]

    def call(source=good, out=out, maps=maps, steps=(), field=None):
        _rust.cut_patches([source], out, maps, [list(steps)], [field], None, 1)

    gap = good[:, ::2]
    broadcast = np.broadcast_to(good[:, :1], good.shape)
    short = as_strided(good, (1, 4, 4, 4), (2, 3, 3, 3))
    zero = np.zeros((1, 0, 4, 4), np.int16)
    nothing = np.zeros((4, 4, 4, 3), np.float32)
    infinite = maps.copy()
    infinite[0, 1, 2] = np.inf
    for error, message, arguments in [
        (TypeError, "4 dimensions", {"source": good[0]}),
        (TypeError, "float64", {"source": good.astype(float)}),
        (TypeError, ">i2|4 dimensions", {"source": good.astype(">i2")}),
        (TypeError, "NumPy array", {"source": [1]}),
        (ValueError, "dense", {"source": gap}),
        (ValueError, "dense", {"source": broadcast}),
        (ValueError, "aligned", {"source": short}),
        (ValueError, "no voxels", {"source": zero}),
        (ValueError, "float32", {"source": good.astype(np.int32)}),
        (ValueError, "channels", {"source": np.concatenate([good, good])}),
        (TypeError, "out", {"out": out.astype(float)}),
        (ValueError, "contiguous", {"out": out[..., ::2]}),
        (ValueError, "maps", {"maps": np.tile(maps, (2, 1, 1))}),
        (ValueError, "map leads", {"maps": maps * 1e300}),
        (ValueError, "map leads", {"maps": infinite}),
        (ValueError, "map leads", {"maps": maps * np.nan}),
        (ValueError, "unknown", {"steps": [("polish", [1])]}),
        (ValueError, "unknown", {"steps": [("noise", [1, 0.5, 0, 0, 0])]}),
        (ValueError, "gamma", {"steps": [("gamma", [0])]}),
        (ValueError, "blur", {"steps": [("blur", [1e9, 0, 0])]}),
        (ValueError, "clamp", {"steps": [("clamp", [np.nan, 0])]}),
        (ValueError, "cover", {"field": (nothing, [0.9] * 3)}),
        (ValueError, "cover", {"field": (nothing, [np.nan] * 3)}),
        (ValueError, "finite", {"field": (nothing + np.inf, [0.01] * 3)}),
    ]:
        with pytest.raises(error, match=message):
            call(**arguments)
    frozen = out.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="cannot be used"):
        call(out=frozen)
    with pytest.raises(ValueError, match="label 300 does not fit"):
        cut_labels(np.full((1, 3, 3, 3), 300, np.int16), np.eye(3, 4))
    with pytest.raises(ValueError, match="whole numbers"):
        cut_labels(volume(rng, dtype=np.float32), np.eye(3, 4))
    with pytest.raises(ValueError, match="positive"):
        _rust.add_patches(out, np.zeros((1, 3), np.int64), [np.zeros(n, np.float32) for n in
            SIZE[::-1]], np.zeros((1, 4, 4, 4), np.float32), np.zeros((4, 4, 4), np.float32))  # fmt: skip
    with pytest.raises(ValueError, match="patches must be"):
        _rust.add_patches(out, np.zeros((2, 3), np.int64), [np.ones(n, np.float32) for n in
            SIZE[::-1]], np.zeros((1, 4, 4, 4), np.float32), np.zeros((4, 4, 4), np.float32))  # fmt: skip


def test_empty_batches_are_no_work():
    _rust.cut_patches([], np.empty((0, 1, 4, 4, 4), np.float32), np.empty((0, 3, 4)), [])
    source = np.zeros((1, 2, 2, 2), np.int16)
    _rust.cut_patches([source], np.empty((1, 1, 0, 4, 4), np.float32), np.eye(3, 4)[None], [[]])
