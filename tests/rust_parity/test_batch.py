"""A batch equals Pillow's decode, resize and NumPy's normalisation; it lands in the caller's memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medfusion import _rust
from medfusion.data.images import decode_images, read_image
from medfusion.errors import ImageReadError

PLAIN = {1: ([0.0], [1.0]), 3: ([0.0] * 3, [1.0] * 3)}


def batch(paths, channels, size, mean=None, std=None, **options):
    out = np.full((len(paths), channels, *size), np.nan, np.float32)
    failed = _rust.decode_images(
        paths, out, mean or PLAIN[channels][0], std or PLAIN[channels][1], **options
    )
    assert failed == []
    return out


def resized_in_float(array, size):
    """Pillow's antialiased bilinear on floats, channel by channel: [C, H, W]."""
    return np.stack(
        [
            np.asarray(
                Image.fromarray(channel.astype(np.float32)).resize(
                    size[::-1], Image.Resampling.BILINEAR
                )
            )
            for channel in np.moveaxis(array, -1, 0)
        ]
    )


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from([1, 3]),
    st.sampled_from([8, 16]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_resize_equals_pillow(tmp_path_factory, write_png, size, target, channels, bits, seed):
    samples = np.random.default_rng(seed).integers(0, 1 << bits, (*size, channels))
    path = write_png(tmp_path_factory.getbasetemp() / "one.png", samples, bits=bits)
    found = batch([path], channels, target)[0]
    expected = resized_in_float(samples, target) / ((1 << bits) - 1)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("target", [(64, 64), (128, 128), (200, 150), (7, 300)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_resize_is_within_one_grey_level_of_pillow_on_8_bits(tmp_path, smooth, mode, target):
    image = Image.fromarray(smooth(120, 140)).convert(mode)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.resize(target[::-1], Image.Resampling.BILINEAR))
    found = batch([tmp_path / "a.png"], len(image.getbands()), target)[0]
    expected = np.moveaxis(np.atleast_3d(expected), -1, 0) / 255
    assert np.abs(found - expected).max() <= 1 / 255 + 1e-6


def test_the_same_size_is_exact(tmp_path, rng):
    samples = rng.integers(0, 256, (33, 41, 3), np.uint8)
    Image.fromarray(samples).save(tmp_path / "a.png")
    found = batch([tmp_path / "a.png"], 3, (33, 41))[0]
    np.testing.assert_allclose(found * 255, np.moveaxis(samples, -1, 0), atol=1e-4)


def test_values_are_normalised_per_channel(skin):
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    plain, normalised = batch(skin[:8], 3, (64, 64)), batch(skin[:8], 3, (64, 64), mean, std)
    shape = (1, 3, 1, 1)
    expected = (plain - np.reshape(mean, shape)) / np.reshape(std, shape)
    np.testing.assert_allclose(normalised, expected, atol=1e-5)


def test_colour_becomes_grey_by_bt601_and_grey_becomes_rgb(tmp_path, smooth):
    image = Image.fromarray(smooth(20, 30))
    image.save(tmp_path / "rgb.png")
    image.convert("L").save(tmp_path / "grey.png")
    from_colour = batch([tmp_path / "rgb.png"], 1, (20, 30))
    from_grey = batch([tmp_path / "grey.png"], 1, (20, 30))
    np.testing.assert_array_equal(from_colour, from_grey)
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 3.0]
    as_rgb = batch([tmp_path / "grey.png"], 3, (20, 30), mean, std)
    for channel in range(3):
        expected = (from_grey[:, 0] - mean[channel]) / std[channel]
        np.testing.assert_allclose(as_rgb[:, channel], expected, atol=1e-6)


def test_16_bit_colour_becomes_grey_without_overflow(tmp_path, write_png):
    white = np.full((2, 2, 3), 65535)
    path = write_png(tmp_path / "a.png", white, bits=16)
    np.testing.assert_allclose(batch([path], 1, (2, 2)), 1, rtol=1e-6)


def test_a_batch_of_many_sizes_and_kinds(tmp_path, smooth):
    paths = []
    for number in range(12):
        image = Image.fromarray(smooth(10 + 7 * number, 90 - 6 * number))
        path = tmp_path / f"{number}.{'jpg' if number % 3 else 'png'}"
        (image.convert("L") if number % 2 else image).save(path, quality=95)
        paths.append(str(path))
    together = batch(paths, 3, (32, 40))
    for path, one in zip(paths, together, strict=True):
        np.testing.assert_array_equal(one, batch([path], 3, (32, 40))[0])


@pytest.mark.parametrize("threads", [0, 2, 3, 50])
def test_threads_do_not_change_a_bit(skin, threads):
    one = batch(skin[:40], 3, (64, 64), threads=1)
    np.testing.assert_array_equal(one, batch(skin[:40], 3, (64, 64), threads=threads))


def test_it_writes_into_the_memory_of_a_torch_tensor(skin):
    torch = pytest.importorskip("torch")
    tensor = torch.full((4, 3, 32, 32), float("nan"))
    view, address = tensor.numpy(), tensor.data_ptr()
    assert view.ctypes.data == address
    _rust.decode_images(skin[:4], view, *PLAIN[3])
    assert tensor.data_ptr() == view.ctypes.data == address
    np.testing.assert_array_equal(tensor.numpy(), batch(skin[:4], 3, (32, 32)))


def test_a_part_of_a_larger_buffer_can_be_filled(skin):
    buffer = np.full((6, 3, 16, 16), 7, np.float32)
    _rust.decode_images(skin[:4], buffer[1:5], *PLAIN[3])
    assert (buffer[[0, 5]] == 7).all()
    np.testing.assert_array_equal(buffer[1:5], batch(skin[:4], 3, (16, 16)))


def test_failures_are_named_and_their_slots_are_zero(tmp_path, skin):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    paths = [skin[0], str(tmp_path / "bad.jpg"), skin[1], str(tmp_path / "none.png")]
    out = np.full((4, 3, 8, 8), np.nan, np.float32)
    failed = _rust.decode_images(paths, out, *PLAIN[3])
    assert [position for position, _ in failed] == [1, 3]
    assert failed[1][1] == "the file does not exist"
    assert (out[[1, 3]] == 0).all()
    np.testing.assert_array_equal(out[[0, 2]], batch(skin[:2], 3, (8, 8)))


def test_an_empty_batch_is_fine():
    assert _rust.decode_images([], np.empty((0, 3, 8, 8), np.float32), *PLAIN[3]) == []


def writeable_f32(*shape):
    return np.zeros(shape, np.float32)


def unaligned():
    memory = np.zeros(2 * 3 * 8 * 8 * 4 + 1, np.uint8)
    return memory[1:].view(np.float32).reshape(2, 3, 8, 8)


def read_only():
    array = writeable_f32(2, 3, 8, 8)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: [[0.0]], TypeError, "not a list"),
        (lambda: np.zeros((2, 3, 8, 8)), TypeError, "4-dimensional array of float64"),
        (lambda: np.zeros((2, 3, 8, 8), ">f4"), TypeError, "float32"),
        (lambda: writeable_f32(2, 3, 8), TypeError, "3-dimensional array of float32"),
        (lambda: writeable_f32(2, 3, 8, 16)[..., ::2], ValueError, "C-contiguous"),
        (lambda: np.asfortranarray(writeable_f32(2, 3, 8, 8)), ValueError, "C-contiguous"),
        (read_only, ValueError, "out"),
        (unaligned, ValueError, "aligned"),
        (lambda: writeable_f32(3, 3, 8, 8), ValueError, "out holds 3 images but there are 2 paths"),
        (lambda: writeable_f32(2, 2, 8, 8), ValueError, "out has 2 channels"),
        (lambda: writeable_f32(2, 1, 8, 8), ValueError, "mean has 3 values"),
        (lambda: writeable_f32(2, 3, 0, 8), ValueError, "0 x 8 pixels"),
    ],
)
def test_a_buffer_that_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        _rust.decode_images(["a", "b"], make(), *PLAIN[3])


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.0], [1.0] * 3, "mean has 1 values"),
        ([0.0] * 3, [1.0] * 2, "std has 2 values"),
        ([0.0] * 3, [1.0, 0.0, 1.0], "std is 0"),
        ([0.0] * 3, [1.0, -1.0, 1.0], "std is -1"),
        ([0.0] * 3, [1.0, float("nan"), 1.0], "std is NaN"),
        ([0.0, float("inf"), 0.0], [1.0] * 3, "mean is inf"),
    ],
)
def test_numbers_that_cannot_normalise_are_refused(mean, std, message):
    with pytest.raises(ValueError, match=message):
        _rust.decode_images(["a"], writeable_f32(1, 3, 8, 8), mean, std)


def test_python_errors_name_the_files(tmp_path, skin):
    missing = tmp_path / "none.jpg"
    with pytest.raises(ImageReadError, match=r"none\.jpg.*does not exist"):
        read_image(missing)
    out = writeable_f32(2, 3, 8, 8)
    with pytest.raises(ImageReadError, match=r"cannot read 1 image: .*none\.jpg"):
        decode_images([skin[0], missing], out, mean=[0.0] * 3, std=[1.0] * 3)
    failed = decode_images(
        [skin[0], missing], out, mean=[0.0] * 3, std=[1.0] * 3, failures="return"
    )
    assert failed == [(1, str(missing), "the file does not exist")]
    many = [tmp_path / f"{number}.png" for number in range(30)]
    with pytest.raises(ImageReadError, match=r"cannot read 30 images: .*and 20 more"):
        decode_images(many, writeable_f32(30, 1, 2, 2), mean=[0.0], std=[1.0])
    assert read_image(skin[0]).shape == (128, 128, 3)
