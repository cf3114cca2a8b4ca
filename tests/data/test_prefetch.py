"""The loader for a plain PyTorch loop: deterministic, safe to leave, and the same with a cache."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from medfusion import _rust
from medfusion.data import Pictures, PrefetchLoader, prefetch, volume_samples
from medfusion.data.ahead import NAME, work_ahead
from medfusion.data.buffers import BufferPool
from medfusion.data.cache import Cache
from medfusion.data.reading import read_volume
from medfusion.data.transforms import Crop, MinMax, Orient, Pipeline
from medfusion.data.volume import Volume
from medfusion.errors import ImageReadError, InputError, TransformError
from medfusion.spec import Augmentation
from medfusion.spec.base import Spec

GREY = Pictures(size=(16, 20), channels=1, mean=(0.5,), std=(0.25,))


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache" / "prepared" / "prepared.cache", 2**26)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for number in range(13):
        shape = (30 + number, 40) + ((3,) if number % 2 else ())
        Image.fromarray(draw.integers(0, 256, shape, np.uint8)).save(folder / f"{number:02d}.png")
    return sorted(str(path) for path in folder.iterdir())


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    draw = np.random.default_rng(1)
    for number in range(7):
        array = draw.normal(size=(6, 5, 4)).astype(np.float32)
        affine = np.diag([1.0, 2.0, 3.0, 1.0])
        nibabel.Nifti1Image(array, affine).to_filename(folder / f"{number}.nii.gz")
        mask = (array > 0).astype(np.uint8)
        nibabel.Nifti1Image(mask, affine).to_filename(folder / f"{number}-mask.nii")
    return [
        {
            "image": str(folder / f"{number}.nii.gz"), "mask": folder / f"{number}-mask.nii",
            "label": number % 2, "age": 50.5 + number, "id": f"p{number}", "old": number > 3,
            "row": np.arange(3) + number,
        }
        for number in range(7)
    ]  # fmt: skip


def epochs(loader, count=2):
    return [
        [{name: copied(value) for name, value in batch.items()} for batch in loader]
        for _ in range(count)
    ]


def copied(value):
    return value.clone() if isinstance(value, torch.Tensor) else value


def same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert [batch.keys() for batch in one] == [batch.keys() for batch in other]
        for a, b in zip(one, other, strict=True):
            for name, value in a.items():
                equal = torch.equal if isinstance(value, torch.Tensor) else list.__eq__
                assert equal(value, b[name]), name
    return True


def workers():
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def test_pictures_are_those_of_pillow(pictures, cache):
    loader = PrefetchLoader(pictures, GREY, batch_size=4, cache=cache)
    assert len(loader) == 4
    assert loader.batch_size == 4
    assert len(loader.dataset) == 13
    for epoch in epochs(loader):
        assert [len(batch["index"]) for batch in epoch] == [4, 4, 4, 1]
        for batch in epoch:
            assert batch["image"].shape[1:] == (1, 16, 20)
            for row, found in zip(batch["index"].tolist(), batch["image"], strict=True):
                image = Image.open(pictures[row]).convert("L")
                wanted = np.asarray(image.resize((20, 16), Image.Resampling.BILINEAR)) / 255
                # Within one grey level: Pillow rounds between its two passes too.
                assert np.abs(found[0].numpy() * 0.25 + 0.5 - wanted).max() < 1.01 / 255


def test_volumes_are_those_of_nibabel(volumes, cache):
    loader = PrefetchLoader(volumes, batch_size=3, labels=["mask"], cache=cache)
    for epoch in epochs(loader):
        rows = [row for batch in epoch for row in batch["index"].tolist()]
        assert rows == list(range(7))
        for batch in epoch:
            assert batch["image"].dtype == torch.float32
            assert batch["mask"].dtype == torch.uint8
            for place, row in enumerate(batch["index"].tolist()):
                wanted = nibabel.load(volumes[row]["image"]).get_fdata(dtype=np.float32)
                np.testing.assert_array_equal(batch["image"][place, 0].numpy(), wanted.T)
                np.testing.assert_array_equal(batch["mask"][place, 0].numpy(), wanted.T > 0)
        assert torch.cat([batch["label"] for batch in epoch]).tolist() == [0, 1, 0, 1, 0, 1, 0]
        assert epoch[0]["age"].dtype == torch.float32
        assert epoch[0]["id"] == ["p0", "p1", "p2"]
        assert epoch[1]["old"].tolist() == [False, True, True]
        assert epoch[0]["row"].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]


def double(volume):
    return volume.replace(array=volume.array * 2)


@pytest.mark.parametrize("kind", ["pictures", "volumes", "function"])
def test_cache_threads_and_start_change_nothing(pictures, volumes, cache, kind):
    def made(**settings):
        settings = {"batch_size": 3, "shuffle": True, "seed": 4, "cache": cache} | settings
        if kind == "pictures":
            changed = Pictures((16, 20), 1, (0.5,), (0.25,), Augmentation())
            return PrefetchLoader(pictures, changed, **settings)
        paths = [sample["image"] for sample in volumes]
        return PrefetchLoader(paths, double if kind == "function" else None, **settings)

    wanted = epochs(made(cache=0, threads=1, ahead=1))
    assert not same_order(wanted[0], wanted[1])
    for settings in ({}, {}, {"threads": 4}, {"threads": 3, "ahead": 9}, {"threads": 0}):
        assert same(epochs(made(**settings)), wanted)
    assert cache.notes == []
    assert cache.facts()["arrays"] > 0
    loader = made()
    loader.set_epoch(1)
    assert same([list(loader)], wanted[1:])
    assert same([list(loader.epoch(1, start=2))], [wanted[1][2:]])
    assert not same_order(epochs(made(seed=5))[0], wanted[0])


def same_order(first, second):
    return [b["index"].tolist() for b in first] == [b["index"].tolist() for b in second]


def test_what_is_cached_is_not_read_again(volumes, cache, monkeypatch):
    paths = [sample["image"] for sample in volumes]
    wanted = epochs(PrefetchLoader(paths, double, batch_size=2, cache=cache), 1)

    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(volume_samples.VolumeSamples, "_read", fail)
    assert same(epochs(PrefetchLoader(paths, double, batch_size=2, cache=cache), 1), wanted)


def test_a_volume_comes_from_the_cache_with_all_that_is_known_of_it(volumes, cache):
    seen = []

    def look(volume):
        seen.append(volume)
        volume.array[...] = 0  # what it is given is its own
        return volume

    for _ in range(2):
        list(PrefetchLoader([volumes[0]["image"]], look, cache=cache))
    first, second = seen
    assert (first.affine == second.affine).all()
    assert first.source == second.source
    assert (first.axes, first.units, first.labels) == (second.axes, second.units, second.labels)
    assert PrefetchLoader([volumes[0]["image"]], cache=cache).epoch(0).__next__()["image"].any()


def test_volumes_of_one_slice_can_be_flat():
    def shape(**settings):
        volume = Volume(np.zeros((1, 4, 5), np.float32))
        return next(iter(PrefetchLoader([volume] * 2, batch_size=2, **settings)))["image"].shape

    assert shape() == (2, 1, 1, 4, 5)
    assert shape(flat=True) == (2, 1, 4, 5)
    with pytest.raises(TransformError, match="flat"):
        next(iter(PrefetchLoader([Volume(np.zeros((2, 4, 5), np.float32))], flat=True)))


def test_drop_last(pictures):
    loader = PrefetchLoader(pictures, GREY, batch_size=4, drop_last=True, cache=0)
    assert len(loader) == 3
    assert [len(batch["index"]) for batch in loader] == [4, 4, 4]
    assert list(PrefetchLoader([], GREY)) == []


def test_it_stands_where_a_dataloader_stood(volumes):
    class Set(torch.utils.data.Dataset):
        def __len__(self):
            return len(volumes)

        def __getitem__(self, index):
            return {"image": Volume(np.full((2, 2, 2), index, np.float32)), "y": index}

    loader = PrefetchLoader(Set(), batch_size=2)
    found = [float(batch["image"].mean()) for batch in loader]
    assert found == [0.5, 2.5, 4.5, 6.0]


# Errors ------------------------------------------------------------------------------------------


def test_an_error_names_the_file_and_comes_in_its_place(volumes, pictures, tmp_path):
    def fail(volume):
        if volume.source.path.endswith("4.nii.gz"):
            msg = "odd"
            raise KeyError(msg)
        return volume

    paths = [sample["image"] for sample in volumes]
    batches = iter(PrefetchLoader(paths, fail, batch_size=2, threads=3, cache=0))
    assert len(next(batches)["index"]) == 2
    assert len(next(batches)["index"]) == 2
    with pytest.raises(TransformError, match=r"4\.nii\.gz: KeyError: 'odd'"):
        next(batches)
    assert not workers()
    missing = str(tmp_path / "none.nii")
    with pytest.raises(InputError, match=r"none\.nii"):
        list(PrefetchLoader([paths[0], missing]))
    with pytest.raises(ImageReadError, match=r"none\.nii"):
        list(PrefetchLoader([pictures[0], missing], GREY, batch_size=2))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([(1, 2)], "a sample is a tuple"),
        ([{"picture": "x"}], r"none of the volumes \['image'\], but \['picture'\]"),
        ([{"image": None}], "not NoneType"),
        ([{"image": 1}, {"image": 2, "y": 1}], "sample 1 has"),
        ([Volume(np.zeros((1, 2, 3))), Volume(np.zeros((1, 2, 4)))], "crop or pad them"),
        ([{"image": Volume(np.zeros((1, 2, 3))), "y": None}], "y is a NoneType"),
    ],
)
def test_samples_that_make_no_batch_are_named(samples, message):
    with pytest.raises((InputError, TypeError), match=message):
        list(PrefetchLoader(samples, batch_size=2))
    assert not workers()


def test_settings_that_make_no_sense_are_refused():
    for settings in ({"batch_size": 0}, {"ahead": 0}, {"threads": -1}):
        with pytest.raises(ValueError, match="at least"):
            PrefetchLoader([], **settings)


# Threads and processes ---------------------------------------------------------------------------


def test_an_abandoned_epoch_leaves_nothing(pictures, volumes):
    paths = [sample["image"] for sample in volumes]
    for loader in (PrefetchLoader(pictures, GREY), PrefetchLoader(paths, threads=2)):
        batches = iter(loader)
        next(batches)
        assert workers()
        batches.close()
        assert not workers()
        for batch in loader:
            del batch
            break
        gc.collect()
        assert not workers()


def test_two_epochs_at_once(pictures):
    loader = PrefetchLoader(pictures, GREY, batch_size=2, shuffle=True)
    wanted = epochs(loader)
    loader.set_epoch(0)
    pairs = list(zip(loader, loader, strict=True))
    assert same([[a for a, _ in pairs], [b for _, b in pairs]], wanted)


def test_a_forked_child_makes_its_batches_itself(pictures, volumes, cache):
    paths = [sample["image"] for sample in volumes]
    loaders = [
        PrefetchLoader(pictures, GREY, batch_size=2, cache=cache),
        PrefetchLoader(paths, batch_size=2, cache=cache, threads=2),
    ]
    wanted = [epochs(loader, 1)[0] for loader in loaders]
    running = [loader.epoch(0) for loader in loaders]
    for batches in running:
        next(batches)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            for batches, loader, whole in zip(running, loaders, wanted, strict=True):
                assert same([list(batches)], [whole[1:]])
                assert same([list(loader.epoch(0))], [whole])
            code = 0
        except BaseException:  # noqa: BLE001 - the child must end here
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 0
    for batches, whole in zip(running, wanted, strict=True):
        assert same([list(batches)], [whole[1:]])


def test_ctrl_c_while_waiting_ends_at_once():
    program = """
import os, signal, threading, time
from medfusion.data.ahead import work_ahead
def slow(number):
    time.sleep(0.2)
    return number
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
begin = time.perf_counter()
try:
    for number in work_ahead(slow, range(1000), ahead=2, threads=2):
        pass
except KeyboardInterrupt:
    print("stopped", time.perf_counter() - begin, threading.active_count())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    word, seconds, threads = done.stdout.split()
    assert word == "stopped"
    assert float(seconds) < 2
    assert int(threads) == 1


def test_work_is_done_ahead_but_not_too_far():
    started = []

    def work(number):
        started.append(number)
        return number

    results = work_ahead(work, range(100), ahead=3, threads=2)
    assert next(results) == 0
    time.sleep(0.1)
    assert max(started) <= 3
    assert list(results) == list(range(1, 100))
    assert sorted(started) == list(range(100))


def test_work_is_handed_out_in_order_whatever_ends_first():
    def work(number):
        time.sleep(0.03 if number % 3 == 0 else 0)
        return number

    assert list(work_ahead(work, range(20), ahead=6, threads=6)) == list(range(20))


# Memory ------------------------------------------------------------------------------------------


def test_a_batch_is_the_memory_that_rust_wrote(pictures, monkeypatch):
    written = []

    class Spy:
        def __getattr__(self, name):
            return getattr(_rust, name)

        def normalise_samples(self, images, out, *rest, **more):
            written.append(out.ctypes.data)
            return _rust.normalise_samples(images, out, *rest, **more)

    monkeypatch.setattr(prefetch, "_rust", Spy())
    for batch in PrefetchLoader(pictures, GREY, batch_size=4):
        assert batch["image"].data_ptr() == batch["image"].numpy().ctypes.data == written.pop(0)


def test_memory_is_used_again_only_when_nobody_holds_it():
    pool = BufferPool()
    first = pool.take((3, 4))
    part = first[1:]
    place = first.data_ptr()
    del first
    gc.collect()
    second = pool.take((3, 4))
    assert second.data_ptr() != place
    part[:] = 7
    second[:] = 8
    assert (part == 7).all()
    array = part.numpy()
    del part
    assert pool.take((3, 4)).data_ptr() != place
    del array
    assert pool.take((3, 4)).data_ptr() == place
    assert pool.take((2, 2), np.dtype(np.int64)).dtype == torch.int64


def test_batches_that_are_kept_stay_as_they_are(pictures):
    loader = PrefetchLoader(pictures, GREY, batch_size=2)
    held = list(loader)
    assert same([held], [epochs(loader, 1)[0]])


class Shift:
    """A random transform: adds what it draws."""

    spec = Spec()

    def draw(self, key, size):  # noqa: ARG002
        return {"by": float(np.random.default_rng(list(key)).random())}

    def apply(self, volume, drawn):
        return volume.replace(array=volume.array + np.float32(drawn["by"]))


def test_a_pipeline_is_cached_up_to_its_first_random_transform(volumes, cache, monkeypatch):
    pipeline = Pipeline([Orient("RAS"), MinMax(), Shift(), Crop(size=(2, 2, 2))])
    first, rest = volume_samples._parts(pipeline)
    assert [type(step) for step in first.transforms] == [Orient, MinMax]
    assert [type(step) for step in rest.transforms] == [Shift, Crop]
    assert volume_samples._parts(Pipeline([Orient("RAS")]))[1] is None
    assert volume_samples._parts(Pipeline([Shift()]))[0] is None
    assert volume_samples._parts(double) == (None, double)

    settings = {"batch_size": 2, "labels": ["mask"], "shuffle": True, "seed": 3}
    wanted = epochs(PrefetchLoader(volumes, pipeline, cache=0, **settings))
    prepared = Pipeline(pipeline.transforms[:2])
    row = wanted[1][0]["index"][0].item()
    volume = prepared(read_volume(volumes[row]["image"]))
    whole = volume.array + np.float32(Shift().draw((3, 1, row), None)["by"])
    crop = Pipeline([Crop(size=(2, 2, 2))])(volume.replace(array=whole))
    np.testing.assert_array_equal(wanted[1][0]["image"][0, 0].numpy(), crop.array)
    assert same(epochs(PrefetchLoader(volumes, pipeline, cache=cache, **settings)), wanted)

    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(volume_samples.VolumeSamples, "_read", fail)
    assert same(epochs(PrefetchLoader(volumes, pipeline, cache=cache, **settings)), wanted)
    other = Pipeline([Orient("RAS"), MinMax(low=-1), Shift(), Crop(size=(2, 2, 2))])
    with pytest.raises(TransformError, match="AssertionError"):
        list(PrefetchLoader(volumes, other, cache=cache, **settings))
