"""Changes of values equal their formulas, on friendly and on hostile values."""

import numpy as np
import pytest

from medfusion.data.transforms import (
    Cast,
    Clip,
    Equalize,
    MatchHistogram,
    MinMax,
    Percentile,
    Window,
    ZScore,
)
from medfusion.data.volume import Volume
from medfusion.errors import SpecError, TransformError

F = np.float32
ALL = [
    MinMax(), ZScore(), Percentile(), Window(40, width=400), Clip(-100, high=100),
    Window(40, width=400, function="sigmoid"), Equalize(tiles=(2, 2)),
    MatchHistogram(values=(0.0, 1.0), quantiles=(0.5, 1.0)),
]  # fmt: skip


def ids(transform):
    return type(transform).__name__


def test_min_max_is_its_formula(make):
    volume = make()
    low, high = volume.array.min(), volume.array.max()
    wanted = (volume.array - low) / (high - low) * F(3) + F(-1)
    assert np.array_equal(MinMax(-1, high=2)(volume).array, wanted)


def test_z_score_is_its_formula(make):
    volume = make(dtype=np.int16)
    values = volume.array.astype(np.float64)
    wanted = (volume.array.astype(F) - F(values.mean())) / F(values.std())
    np.testing.assert_allclose(ZScore()(volume).array, wanted, rtol=1e-6, atol=1e-7)


def test_z_score_of_what_is_not_zero(make):
    volume = make()
    volume.array[volume.array < 0] = 0
    inside = volume.array != 0
    found = ZScore(nonzero=True)(volume).array
    values = volume.array[inside].astype(np.float64)
    assert (found[~inside] == 0).all()
    np.testing.assert_allclose(found[inside], (values - values.mean()) / values.std(), atol=1e-5)


@pytest.mark.parametrize("axes", ["CDHW", "TCDHW", "TDHW"])
def test_each_channel_for_itself(make, axes):
    volume = make(axes=axes)
    at = axes.find("C")
    channels = np.moveaxis(volume.array, at, 0) if at >= 0 else [volume.array]
    for transform in (
        ZScore(per_channel=True),
        MinMax(per_channel=True),
        Percentile(per_channel=True),
    ):
        found = transform(volume).array
        parts = np.moveaxis(found, at, 0) if at >= 0 else [found]
        alone = type(transform)()
        for part, channel in zip(parts, channels, strict=True):
            flat = np.ascontiguousarray(channel)
            assert np.array_equal(part, alone(flat.reshape(1, 1, -1)).reshape(flat.shape))


@pytest.mark.parametrize("clip", [True, False])
def test_percentiles_are_their_formula(make, clip):
    volume = make((40, 40, 30))
    low, high = np.percentile(volume.array.astype(np.float64), (2, 97))
    wanted = (volume.array - F(low)) / (F(high) - F(low))
    wanted = wanted.clip(0, 1) if clip else wanted
    found = Percentile(2, upper=97, clip=clip)(volume).array
    np.testing.assert_allclose(found, wanted * 1, atol=1e-6)


def test_equal_percentiles_are_a_step():
    values = np.zeros((1, 1, 1000), F)
    values[0, 0, :2] = -1, 9
    found = Percentile(10, upper=90)(values)
    assert found[0, 0, :4].tolist() == [0, 1, 0, 0]
    with pytest.raises(TransformError, match="no line through"):
        Percentile(10, upper=90, clip=False)(values)


def test_windows_are_dicoms():
    # The examples of DICOM PS3.3 C.11.2.1.2.1 (c 2048, w 4096; c 0, w 100; c 0, w 1), to 0..255.
    x = np.arange(-200, 4400, dtype=F).reshape(1, -1)
    for center, width in ((2048, 4096), (0, 100), (0, 1)):
        found = Window(center, width=width, function="linear", high=255)(x)
        c, w = center - 0.5, width - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            line = ((x - c) / w + 0.5) * 255
        wanted = np.where(x <= c - w / 2, 0, np.where(x > c + w / 2, 255, line))
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    exact = Window(40, width=400, low=-1, high=1)(x)
    np.testing.assert_allclose(exact, np.clip((x + 160) / 400, 0, 1) * 2 - 1, atol=1e-6)
    sigmoid = Window(40, width=400, function="sigmoid", high=255)(x)
    np.testing.assert_allclose(sigmoid, 255 / (1 + np.exp(-4 * (x - 40.0) / 400)), atol=1e-3)
    far = Window(0, width=1, function="sigmoid")(np.array([[-1e30, 1e30]], F))
    assert far.tolist() == [[0, 1]]


@pytest.mark.parametrize("transform", ALL, ids=ids)
def test_nan_stays_and_infinities_do_not_spread(make, transform):
    volume = make()
    clean = transform.fit(volume, {})
    volume.array[0, 0, 0] = np.nan
    found = transform(volume).array
    assert np.isnan(found[0, 0, 0])
    assert np.isfinite(found).sum() == found.size - 1
    volume.array[0, 0, :3] = np.inf, -np.inf, np.nan
    found = transform(volume).array
    assert np.isfinite(found[1:]).all()
    assert clean is not None


@pytest.mark.parametrize("transform", ALL, ids=ids)
@pytest.mark.parametrize("value", [0.0, -0.0, 7.0, 1e-42, -3e38])
def test_equal_values_do_not_divide_by_zero(transform, value):
    with np.errstate(all="raise"):
        found = transform(Volume(np.full((3, 4, 5), value, F))).array
    assert np.isfinite(found).all()


@pytest.mark.parametrize("transform", ALL, ids=ids)
def test_one_voxel(transform):
    if isinstance(transform, Equalize):
        transform = Equalize(tiles=(1, 1))
    assert np.isfinite(transform(np.array([[3.0]], F))).all()


@pytest.mark.parametrize("transform", [MinMax(), ZScore(), Percentile(), Equalize()], ids=ids)
def test_no_finite_value_is_an_error(transform):
    with pytest.raises(TransformError, match="no finite value"):
        transform(np.full((8, 8), np.nan, F))


def test_what_single_precision_cannot_hold_is_refused():
    with pytest.raises(TransformError, match="use Clip before"):
        MinMax()(np.array([[-3e38, 3e38]], F))


@pytest.mark.parametrize("transform", ALL, ids=ids)
def test_labels_are_left_alone(make, transform):
    labels = make(dtype=np.uint8, labels=True)
    assert transform(labels) is labels


@pytest.mark.parametrize("transform", ALL[:5], ids=ids)
def test_in_place_and_into_a_buffer_is_the_same(make, transform):
    volume = make()
    before = volume.array.copy()
    wanted = transform(volume).array
    assert np.array_equal(volume.array, before), "the given volume is left as it is"
    out = np.empty_like(before)
    found = transform(volume, out=out)
    assert found.array.ctypes.data == out.ctypes.data
    assert np.array_equal(out, wanted)
    found = transform(volume, out=volume.array)
    assert found.array.ctypes.data == volume.array.ctypes.data
    assert np.array_equal(volume.array, wanted)


def test_a_wrong_buffer_is_refused(make):
    volume = make(dtype=np.int16)
    array = volume.array
    for out in (np.empty(array.shape, np.float64), np.empty((1, 1, 1), F), array):
        with pytest.raises(TransformError, match="out"):
            MinMax()(volume, out=out)
    whole = np.empty((2, *array.shape), F)
    overlapping = Volume(whole.reshape(-1)[4 : 4 + array.size].reshape(array.shape))
    with pytest.raises(TransformError, match="shares memory"):
        MinMax()(overlapping, out=whole.reshape(-1)[: array.size].reshape(array.shape))


def test_a_cast_refuses_what_does_not_fit():
    for dtype, values in [
        ("uint8", [-1.0]), ("uint8", [255.6]), ("int16", [4e4]), ("int16", [np.nan]),
        ("float16", [7e4]), ("uint16", [np.inf]),
    ]:  # fmt: skip
        with pytest.raises(TransformError, match="can't hold"):
            Cast(dtype)(np.array([values]))
    found = Cast("uint8")(np.array([[254.5, 255.4, 0.5]]))
    assert found.dtype == np.uint8
    assert found.tolist() == [[254, 255, 0]]
    assert Cast("float16")(np.array([[1.5, np.nan, np.inf]])).dtype == np.float16
    wide = np.array([[1 << 40]])
    with pytest.raises(TransformError, match="can't hold"):
        Cast("int32")(wide)


def by_histogram(source, reference):
    """scikit-image's match_histograms for one channel, in NumPy."""
    _, at, counts = np.unique(source.ravel(), return_inverse=True, return_counts=True)
    values, reference_counts = np.unique(reference.ravel(), return_counts=True)
    quantiles = np.cumsum(counts) / source.size
    wanted = np.cumsum(reference_counts) / reference.size
    return np.interp(quantiles, wanted, values)[at].reshape(source.shape)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8])
def test_matched_histograms_are_numpys(rng, dtype):
    source = rng.gamma(2, 20, (5, 30, 30)).clip(0, 250).astype(dtype)
    reference = Volume(rng.normal(100, 20, (7, 20, 20)).round().astype(np.float32))
    found = MatchHistogram.to(reference)(Volume(source)).array
    np.testing.assert_allclose(found, by_histogram(source, reference.array), atol=1e-4)
    wide = Volume(rng.normal(size=(50, 40, 40)).astype(F))
    near = MatchHistogram.to(wide)(Volume(source)).array
    assert len(MatchHistogram.to(wide).spec.values) <= 4096
    assert np.abs(near - by_histogram(source, wide.array)).mean() < 2e-3


def test_matched_channels(rng):
    source = Volume(rng.normal(size=(2, 3, 4, 5, 6)).astype(F), axes="TCDHW")
    match = MatchHistogram(values=(1.0, 2.0, 5.0), quantiles=(0.1, 0.5, 1.0), per_channel=True)
    found = match(source).array
    alone = MatchHistogram(values=(1.0, 2.0, 5.0), quantiles=(0.1, 0.5, 1.0))
    for channel in range(3):
        one = np.ascontiguousarray(source.array[:, channel])
        assert np.array_equal(found[:, channel], alone(one.reshape(1, 8, -1)).reshape(one.shape))


def clahe(image, tiles, clip, bins):
    """OpenCV's createCLAHE in NumPy, of levels 0..bins-1, without its last rounding."""
    (across, down), (rows, columns) = tiles, image.shape
    if rows % down or columns % across:
        right, below = across - columns % across, down - rows % down
        extended = np.pad(image, ((0, below), (0, right)), mode="reflect")
    else:
        extended = image
    height, width = extended.shape[0] // down, extended.shape[1] // across
    tables = np.empty((down, across, bins))
    for a in range(down):
        for b in range(across):
            tile = extended[a * height : (a + 1) * height, b * width : (b + 1) * width]
            histogram = np.bincount(tile.ravel(), minlength=bins)
            if clip > 0:
                limit = max(int(clip * tile.size / bins), 1)
                cut = np.maximum(histogram - limit, 0).sum()
                histogram = np.minimum(histogram, limit) + cut // bins
                rest = cut % bins
                if rest:
                    histogram[np.arange(0, bins, max(bins // rest, 1))[:rest]] += 1
            tables[a, b] = np.rint(np.cumsum(histogram).astype(F) * (F(bins - 1) / F(tile.size)))
    y, x = np.arange(rows) / height - 0.5, np.arange(columns) / width - 0.5
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    wy, wx = (y - y0)[:, None], (x - x0)[None]

    def at(row, column):
        row, column = np.clip(row, 0, down - 1), np.clip(column, 0, across - 1)
        return tables[row[:, None], column[None], image]

    upper = at(y0, x0) * (1 - wx) + at(y0, x0 + 1) * wx
    lower = at(y0 + 1, x0) * (1 - wx) + at(y0 + 1, x0 + 1) * wx
    return upper * (1 - wy) + lower * wy


@pytest.mark.parametrize("size", [(64, 64), (61, 50), (64, 50), (9, 200)])
@pytest.mark.parametrize(("tiles", "clip"), [((8, 8), 2.0), ((3, 5), 40.0), ((1, 1), 0.0)])
def test_equalised_slices_are_opencvs(rng, size, tiles, clip):
    image = (rng.gamma(2, 20, (3, *size)).clip(0, 255)).astype(np.uint8)
    found = Equalize(tiles=tiles, clip=clip, low=0, high=255)(image)
    for one, result in zip(image, found, strict=True):
        np.testing.assert_allclose(result * 255, clahe(one, tiles, clip, 256), atol=1e-3)


def test_more_tiles_than_pixels_are_refused():
    with pytest.raises(TransformError, match="ask for fewer tiles"):
        Equalize()(np.zeros((4, 4), F))
    with pytest.raises(TransformError, match="can't be equalised"):
        Equalize(tiles=(200, 200), bins=65_536)(np.zeros((400, 400), F))


def test_settings_that_contradict_are_named():
    for make_wrong, text in [
        (lambda: Clip(3, high=1), "must be less"),
        (lambda: Window(0, width=0.5, function="linear"), "at least 1"),
        (lambda: Percentile(60, upper=40), "must be less"),
        (lambda: ZScore(nonzero=True, mask="m"), "either nonzero or mask"),
        (lambda: MinMax(lo=3), "did you mean 'low'"),
        (lambda: MatchHistogram(values=(1.0, 1.0), quantiles=(0.5, 1.0)), "must rise"),
        (lambda: MinMax(1, 2, 3, 4), "at most 3 values"),
        (lambda: Cast("int15"), "int16"),
    ]:
        with pytest.raises(SpecError, match=text):
            make_wrong()
