"""Turning and resampling equal NumPy, SciPy and PyTorch, and refuse what does not fit."""

import os

import numpy as np
import pytest
import torch
from scipy import ndimage

from medfusion import _rust

F = np.float32


def by_scipy(volume, matrix, shape, order=1):
    """`[N, D, H, W]` resampled in double precision; the matrix works on i, j, k."""
    flip = np.ascontiguousarray(matrix[::-1, [2, 1, 0, 3]])
    return np.stack(
        [
            ndimage.affine_transform(
                item.astype(np.float64), flip[:, :3], flip[:, 3], output_shape=shape, order=order,
                mode="nearest", prefilter=False,
            )
            for item in volume
        ]
    )  # fmt: skip


def matrices(rng):
    """Maps of every kind: aligned, flipped, swapped, turned, degenerate."""
    scale = np.diag([0.6, 1.7, 0.45])
    aligned = np.c_[scale, [0.3, -2.0, 1.0]]
    flipped = np.c_[-scale, [7.0, 15.0, 6.0]]
    swapped = np.c_[scale[[2, 0, 1]], [0.5, 0.25, 1.0]]
    turned = np.c_[np.linalg.qr(rng.normal(size=(3, 3)))[0], [4.0, 5.0, 3.0]]
    return {
        "aligned": aligned, "flipped": flipped, "swapped": swapped, "turned": turned,
        "a point": np.c_[np.zeros((3, 3)), [1.5, 2.5, 3.5]],
        "far away": np.c_[np.eye(3) * 1e12, [-1e15, 1e15, 0.0]],
        "slices halved": np.c_[np.diag([1.0, 1.0, 2.7]), [0.0, 0.5, 0.2]],
    }  # fmt: skip


KINDS = ["aligned", "flipped", "swapped", "turned", "a point", "far away", "slices halved"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_linear_is_scipys(kind, dtype, rng):
    volume = rng.integers(0, 250, (2, 8, 10, 9)).astype(dtype)
    matrix = matrices(rng)[kind]
    wanted = by_scipy(volume, matrix, (7, 12, 11))
    results = []
    for threads in (1, 4):
        out = np.full((2, 7, 12, 11), np.nan, F)
        _rust.resample_volume(volume, out, matrix, threads=threads)
        results.append(out)
    assert np.array_equal(*results)
    np.testing.assert_allclose(results[0], wanted, atol=2e-4)


@pytest.mark.parametrize("kind", ["aligned", "flipped", "turned"])
def test_linear_is_torchs(kind, rng):
    volume = rng.normal(size=(1, 8, 10, 9)).astype(F)
    matrix = matrices(rng)[kind]
    size, new = np.array([9, 10, 8]), np.array([11, 12, 7])
    # From -1..1 of the result to -1..1 of the volume, x first: align_corners=False.
    out_step = np.c_[np.diag(new / 2), (new - 1) / 2]
    full = matrix @ np.r_[out_step, [[0, 0, 0, 1]]]
    theta = np.c_[full[:, :3] / (size / 2)[:, None], (full[:, 3] - (size - 1) / 2) / (size / 2)]
    grid = torch.nn.functional.affine_grid(
        torch.from_numpy(theta)[None], [1, 1, 7, 12, 11], align_corners=False
    )
    wanted = torch.nn.functional.grid_sample(
        torch.from_numpy(volume)[None].double(), grid, padding_mode="border", align_corners=False
    )[0]
    out = np.empty((1, 7, 12, 11), F)
    _rust.resample_volume(volume, out, matrix)
    np.testing.assert_allclose(out, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_nearest_is_scipys(kind, bits, rng):
    volume = rng.integers(0, 250, (2, 8, 10, 9)).astype(bits)
    matrix = matrices(rng)[kind]
    if kind == "a point":
        matrix[:, 3] += 0.1
    if kind in ("aligned", "flipped", "swapped", "slices halved"):
        matrix[:, 3] += 0.0123
    out = np.empty((2, 7, 12, 11), bits)
    _rust.resample_nearest(volume, out, matrix)
    assert np.array_equal(out, by_scipy(volume, matrix, (7, 12, 11), order=0))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 30, 20), (40, 1, 3), (3, 64, 1)])
def test_thin_volumes(shape, rng):
    volume = rng.normal(size=(1, *shape)).astype(F)
    for kind in ("aligned", "turned"):
        matrix = matrices(rng)[kind]
        out = np.empty((1, 5, 6, 7), F)
        _rust.resample_volume(volume, out, matrix)
        places = np.stack(np.meshgrid(*map(np.arange, (7, 6, 5)), indexing="ij")).reshape(3, -1)
        places = (matrix[:, :3] @ places + matrix[:, 3:])[::-1]
        wanted = ndimage.map_coordinates(
            volume[0].astype(np.float64), places, order=1, mode="nearest"
        )
        np.testing.assert_allclose(out[0], wanted.reshape(7, 6, 5).T, atol=1e-5)


@pytest.mark.parametrize("kind", ["aligned", "turned", "slices halved"])
def test_clip_and_scale_in_the_same_pass(kind, rng):
    volume = rng.normal(0, 300, (3, 40, 50, 30)).astype(np.int16)
    matrix = matrices(rng)[kind]
    plain = np.empty((3, 33, 60, 41), F)
    _rust.resample_volume(volume, plain, matrix)
    cut = plain.clip(-100, 200).astype(np.float64)
    out = np.empty_like(plain)
    for per_item in (True, False):
        axes = (1, 2, 3) if per_item else None
        mean, deviation = (f(axis=axes, keepdims=True) for f in (cut.mean, cut.std))
        low, high = (f(axis=axes, keepdims=True) for f in (cut.min, cut.max))
        results = []
        for threads in (1, 3):
            options = {"clip": (-100, 200), "per_item": per_item, "threads": threads}
            found = _rust.resample_volume(volume, out, matrix, normalise="z-score", **options)
            np.testing.assert_allclose(out, (cut - mean) / deviation, atol=3e-6)
            np.testing.assert_allclose([one[0] for one in found], np.resize(mean, 3), rtol=1e-9)
            np.testing.assert_allclose(
                [one[1] for one in found], np.resize(deviation, 3), rtol=1e-9
            )
            results.append(out.copy())
            _rust.resample_volume(volume, out, matrix, normalise="min-max", to=(2, 3), **options)
            np.testing.assert_allclose(out, (cut - low) / (high - low) + 2, atol=1e-6)
        assert np.array_equal(*results)
    _rust.resample_volume(volume, out, matrix, clip=(-100, 200), normalise="range", to=(-1, 1))
    np.testing.assert_allclose(out, (cut + 100) / 150 - 1, atol=1e-6)


def test_results_are_written_into_the_callers_memory(rng):
    volume = rng.normal(size=(1, 4, 5, 6)).astype(F)
    tensor = torch.empty((1, 4, 5, 6))
    view = tensor.numpy()
    _rust.resample_volume(volume, view, np.eye(3, 4))
    assert view.ctypes.data == tensor.data_ptr()
    assert np.array_equal(tensor.numpy(), volume)


def test_a_forked_child_resamples(rng):
    volume = rng.normal(size=(1, 60, 60, 60)).astype(F)
    out = np.empty((1, 100, 100, 100), F)
    matrix = np.c_[np.eye(3) * 0.59, np.zeros(3)]
    _rust.resample_volume(volume, out, matrix, threads=2)
    child = os.fork()
    if child == 0:
        again = np.empty_like(out)
        _rust.resample_volume(volume, again, matrix, threads=2)
        os._exit(0 if np.array_equal(out, again) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_wrong_arguments_are_refused(rng):
    volume = rng.normal(size=(1, 4, 5, 6)).astype(F)
    out, eye = np.empty((1, 4, 5, 6), F), np.eye(3, 4)
    bits = volume.view(np.uint32)
    same = ((0, 1, 2), (False,) * 3)
    for error, call in [
        (TypeError, lambda: _rust.resample_volume(volume[0], out, eye)),
        (TypeError, lambda: _rust.resample_volume(volume.astype(np.float64), out, eye)),
        (TypeError, lambda: _rust.resample_volume(volume, out.astype(np.float64), eye)),
        (TypeError, lambda: _rust.resample_volume(volume, out, np.eye(4))),
        (ValueError, lambda: _rust.resample_volume(volume, out, eye * np.nan)),
        (ValueError, lambda: _rust.resample_volume(volume, np.empty((2, 4, 5, 6), F), eye)),
        (ValueError, lambda: _rust.resample_volume(volume, np.empty((1, 0, 5, 6), F), eye)),
        (ValueError, lambda: _rust.resample_volume(volume[:, :0], out, eye)),
        (ValueError, lambda: _rust.resample_volume(volume, volume, eye)),
        (ValueError, lambda: _rust.resample_volume(volume.transpose(0, 3, 2, 1), out, eye)),
        (ValueError, lambda: _rust.resample_volume(volume, out, eye, clip=(2, 1))),
        (ValueError, lambda: _rust.resample_volume(volume, out, eye, normalise="sigma")),
        (ValueError, lambda: _rust.resample_volume(volume, out, eye, normalise="range")),
        (TypeError, lambda: _rust.resample_nearest(volume, out, eye)),
        (TypeError, lambda: _rust.resample_nearest(bits, out, eye)),
        (ValueError, lambda: _rust.resample_nearest(bits, np.empty_like(bits), eye, 1 << 40)),
        (TypeError, lambda: _rust.orient_volume(volume, out, *same)),
        (ValueError, lambda: _rust.orient_volume(bits, np.empty((1, 9, 9, 9), "u4"), *same)),
        (ValueError, lambda: _rust.orient_volume(bits, np.empty_like(bits), (0, 0, 2), same[1])),
        (ValueError, lambda: _rust.orient_volume(bits, np.empty_like(bits), (0, 1, 9), same[1])),
        (ValueError, lambda: _rust.foreground_bounds(volume[:, :0], 0)),
    ]:
        with pytest.raises(error):
            call()


def test_a_turn_is_numpys(rng):
    volume = rng.integers(0, 255, (2, 33, 40, 70)).astype(np.uint8)
    for axes, numpy_axes in [((2, 0, 1), (0, 2, 3, 1)), ((1, 2, 0), (0, 3, 1, 2))]:
        # New i, j, k are old axes; NumPy's order is k, j, i.
        order = [0, *(3 - axis for axis in axes[::-1])]
        assert order == list(numpy_axes)
        wanted = volume.transpose(order)[:, ::-1, :, ::-1]
        out = np.empty(wanted.shape, np.uint8)
        _rust.orient_volume(volume, out, axes, (True, False, True))
        assert np.array_equal(out, wanted)


def test_foreground_of_large_volumes(rng):
    volume = np.zeros((1, 70, 130, 140), np.int16)
    volume[0, 20:50, 7:9, 100:131] = rng.integers(1, 9, (30, 2, 31))
    for threads in (1, 2):
        found = _rust.foreground_bounds(volume, 0.5, threads=threads)
        assert found == [[100, 131], [7, 9], [20, 50]]
    assert _rust.foreground_bounds(volume, 100) is None
