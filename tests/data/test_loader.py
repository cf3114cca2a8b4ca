"""The loader: the same batches whatever the threads, the start and the history."""

import dataclasses
import gc
import os
import threading
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from medfusion import _rust
from medfusion.data import Cases, Cohort, Loader, samples
from medfusion.data import loader as module
from medfusion.data.cache import Cache
from medfusion.data.samples import ImageSamples
from medfusion.errors import ImageReadError
from medfusion.spec import Experiment


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    from medfusion.data.phantom import write_phantom

    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(
        folder, subjects=90, size=24, seed=1, views=2, missing_images=0.2, missing_table=0.1
    )
    return Cohort.load(Experiment.from_yaml(folder / "experiment.yaml"))


def loader(cohort, split="train", **changes):
    settings = {"batch_size": 8, "shuffle": True, "seed": 5, "augment": True} | changes
    rows = cohort.rows(split) if isinstance(split, str) else np.asarray(split)
    return Loader(cohort, rows, **settings)


def copies(batches):
    return [
        (batch.row.tolist(), {name: image.clone() for name, image in batch.images.items()})
        for batch in batches
    ]


def with_cache(cohort):
    """The cohort with the cache that is the default now."""
    return dataclasses.replace(cohort, cache=Cache.default(1.0))


def same(first, second):
    return len(first) == len(second) and all(
        a[0] == b[0] and all(torch.equal(a[1][name], b[1][name]) for name in a[1])
        for a, b in zip(first, second, strict=True)
    )


def test_batches_hold_what_the_cohort_says(cohort):
    for batch in loader(cohort, augment=False).epoch(0):
        assert batch.images["image"].shape == (len(batch), 1, 24, 24)
        assert batch.images["image"].dtype == torch.float32
        assert (batch.image_present.numpy() == cohort.image_present[batch.row]).all()
        assert (batch.numeric.numpy() == cohort.numeric[batch.row]).all()
        assert (batch.numeric_present.numpy() == cohort.numeric_present[batch.row]).all()
        assert (batch.categorical.numpy() == cohort.categorical[batch.row]).all()
        assert batch.target.dtype == torch.int64
        assert (batch.target.numpy() == cohort.target[batch.row]).all()
        for view, name in enumerate(batch.images):
            absent = ~batch.image_present[:, view]
            assert (batch.images[name][absent] == 0).all()
            assert (batch.images[name][~absent].flatten(1).abs().sum(1) > 0).all()


def test_images_are_the_files_normalised(cohort):
    from PIL import Image

    made = cohort.preprocessing
    for batch in loader(cohort, "test", shuffle=False, augment=False).epoch(0):
        for place, row in enumerate(batch.row):
            for name in batch.images:
                path = cohort.image_paths[name][row]
                if path is None:
                    continue
                pixels = np.asarray(Image.open(path), dtype=np.float64) / 255
                wanted = (pixels - made.image_means[name][0]) / made.image_stds[name][0]
                np.testing.assert_allclose(batch.images[name][place, 0], wanted, atol=2e-6)


def test_every_row_once_per_epoch_in_a_new_order(cohort):
    made = loader(cohort)
    orders = [np.concatenate([batch.row for batch in made.epoch(epoch)]) for epoch in range(3)]
    for order in orders:
        assert sorted(order) == cohort.rows("train").tolist()
    assert len({tuple(order) for order in orders}) == 3
    plain = loader(cohort, shuffle=False)
    assert np.concatenate([b.row for b in plain.epoch(2)]).tolist() == plain.rows.tolist()


@pytest.mark.parametrize("threads", [2, 4, 0])
def test_threads_change_nothing(cohort, threads):
    assert same(copies(loader(cohort).epoch(1)), copies(loader(cohort, threads=threads).epoch(1)))


def test_history_changes_nothing(cohort):
    fresh = copies(loader(cohort).epoch(3))
    used = loader(cohort)
    for epoch in range(3):
        copies(used.epoch(epoch))
    assert same(copies(used.epoch(3)), fresh)
    assert not same(copies(used.epoch(4)), fresh)
    assert not same(copies(loader(cohort, seed=6).epoch(3)), fresh)


@pytest.mark.parametrize("start", [0, 1, 3, 6, 7, 99])
def test_start_skips_without_decoding(cohort, start, monkeypatch):
    made = loader(cohort)
    whole = copies(made.epoch(2))
    fetched = []
    fetch = ImageSamples.fetch
    monkeypatch.setattr(
        ImageSamples, "fetch", lambda self, paths: fetched.extend(paths) or fetch(self, paths)
    )
    assert same(copies(made.epoch(2, start=start)), whole[start:])
    if start >= len(made):
        assert fetched == []


def test_augmentation_depends_on_the_row_not_on_the_batch(cohort):
    rows = cohort.rows("train")
    one = {}
    for batch in Loader(cohort, rows, batch_size=5, shuffle=False, seed=1, augment=True).epoch(0):
        for place, row in enumerate(batch.row):
            one[row] = batch.images["image"][place].clone()
    turned = Loader(cohort, rows[::-1], batch_size=11, shuffle=True, seed=1, augment=True)
    for batch in turned.epoch(0):
        for place, row in enumerate(batch.row):
            torch.testing.assert_close(batch.images["image"][place], one[row])


@pytest.mark.parametrize(
    ("count", "size", "shuffle", "sizes"),
    [
        (9, 4, True, [4, 5]),
        (9, 4, False, [4, 4, 1]),
        (8, 4, True, [4, 4]),
        (10, 4, True, [4, 4, 2]),
        (1, 4, True, [1]),
        (3, 1, True, [1, 1, 1]),
        (5, 100, True, [5]),
        (0, 4, True, []),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before(cohort, count, size, shuffle, sizes):
    made = loader(cohort, np.arange(count), batch_size=size, shuffle=shuffle)
    assert len(made) == len(sizes)
    assert [len(batch) for batch in made.epoch(0)] == sizes


def test_a_batch_stays_valid_as_long_as_it_is_held(cohort):
    made = loader(cohort, batch_size=4, augment=False)
    wanted = copies(made.epoch(0))
    assert same([(b.row.tolist(), b.images) for b in made.epoch(0)], wanted)
    part = next(made.epoch(0)).images["image"][1:2]
    again = part.clone()
    copies(made.epoch(1))
    assert torch.equal(part, again), "a slice of a batch keeps its memory"


def test_buffers_are_used_again(cohort):
    made = loader(cohort, batch_size=4, augment=False)
    places = {b.images["image"].data_ptr() for epoch in range(6) for b in made.epoch(epoch)}
    # Two views take turns, and a last batch is of another size; 80 batches in all.
    assert len(places) <= 16


def workers():
    return [thread for thread in threading.enumerate() if thread.name == "medfusion-loader"]


def test_an_abandoned_epoch_ends_its_thread(cohort):
    made = loader(cohort)
    iterator = made.epoch(0)
    next(iterator)
    assert workers()
    iterator.close()
    assert not workers()
    for batch in made.epoch(0):
        if len(batch):
            break
    del batch
    gc.collect()
    assert not workers()
    assert len(list(made.epoch(1))) == len(made)


def test_two_epochs_at_once_do_not_mix(cohort):
    made = loader(cohort)
    wanted = copies(made.epoch(0))
    pairs = zip(made.epoch(0), made.epoch(0), strict=True)
    for index, (first, second) in enumerate(pairs):
        assert torch.equal(first.images["image"], wanted[index][1]["image"])
        assert torch.equal(second.images["image"], wanted[index][1]["image"])


def test_an_image_that_vanishes_is_an_image_error(tmp_path):
    from medfusion.data.phantom import write_phantom

    write_phantom(tmp_path, subjects=30, size=16)
    cohort = Cohort.load(Experiment.from_yaml(tmp_path / "experiment.yaml"))
    lost = cohort.rows("train")[-1]
    (tmp_path / "images" / f"{cohort.ids[lost]}_image.png").unlink()
    made = loader(cohort, shuffle=False, augment=False)
    with pytest.raises(ImageReadError, match=cohort.ids[lost]):
        copies(made.epoch(0))
    assert not workers()


def test_other_exceptions_come_as_they_are(cohort, monkeypatch):
    class OddError(Exception):
        pass

    def fail(*_args, **_kwargs):
        raise OddError

    monkeypatch.setattr(ImageSamples, "fetch", fail)
    with pytest.raises(OddError):
        next(loader(cohort).epoch(0))
    assert not workers()


def test_cases_without_target_and_tables_without_images(cohort, plain, experiment):
    cases = Cases.load(cohort.spec, cohort.table.path, cohort.preprocessing)
    batch = next(
        Loader(cases, np.arange(4), batch_size=4, shuffle=False, seed=0, augment=False).epoch(0)
    )
    assert batch.target is None
    assert batch.to("cpu").images["image"].shape == (4, 1, 24, 24)
    plain(50, y=[f"{i}.5" for i in range(50)])
    table = Cohort.load(experiment(numeric=["age"], target={"kind": "regression", "column": "y"}))
    batches = list(loader(table).epoch(0, start=1))
    assert batches[0].images == {}
    assert batches[0].image_present.shape == (8, 0)
    assert batches[0].target.dtype == torch.float32
    assert not workers()


def test_the_cache_changes_nothing(cohort, tmp_path, monkeypatch):
    """Decoded, taken from the cache, and taken from it by another loader: bit for bit the same."""
    monkeypatch.setenv("MEDFUSION_CACHE", str(tmp_path))
    again = with_cache(cohort)
    first = loader(again)
    wanted = copies(first.epoch(0))
    assert again.cache.facts()["arrays"] > 0
    assert same(copies(first.epoch(0)), wanted)
    assert same(copies(loader(with_cache(cohort)).epoch(0)), wanted)
    off = dataclasses.replace(cohort, cache=None)
    assert same(copies(loader(off).epoch(0)), wanted)


def test_what_is_cached_is_not_decoded_again(cohort, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDFUSION_CACHE", str(tmp_path))
    made = loader(with_cache(cohort))
    copies(made.epoch(0))
    decoded = []
    decode = samples._rust.decode_samples

    class Spy:
        def __getattr__(self, name):
            return getattr(_rust, name)

        def decode_samples(self, paths, *size):
            decoded.extend(paths)
            return decode(paths, *size)

    monkeypatch.setattr(samples, "_rust", Spy())
    copies(made.epoch(1))
    copies(loader(with_cache(cohort)).epoch(2))
    assert decoded == []


def test_an_image_that_changes_is_read_again(tmp_path, monkeypatch):
    from medfusion.data import png
    from medfusion.data.phantom import write_phantom

    monkeypatch.setenv("MEDFUSION_CACHE", str(tmp_path / "cache"))
    write_phantom(tmp_path, subjects=30, size=16)
    cohort = Cohort.load(Experiment.from_yaml(tmp_path / "experiment.yaml"))
    made = loader(cohort, np.arange(4), shuffle=False, augment=False)
    before = copies(made.epoch(0))
    path = Path(cohort.image_paths["image"][2])
    facts = path.stat()
    path.write_bytes(png.encode(np.full((16, 16), 7, np.uint8)))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as some tools do
    after = copies(made.epoch(0))
    mean, std = (
        cohort.preprocessing.image_means["image"],
        cohort.preprocessing.image_stds["image"],
    )
    flat = after[0][1]["image"][2].numpy()
    np.testing.assert_allclose(flat, (7 / 255 - mean[0]) / std[0], atol=1e-6)
    assert torch.equal(before[0][1]["image"][3], after[0][1]["image"][3])


def test_a_forked_child_goes_on_alone(cohort):
    """The child has none of the threads; what is left of the epoch it makes by itself."""
    made = loader(cohort)
    wanted = copies(made.epoch(0))
    batches = made.epoch(0)
    next(batches)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            rest = copies(batches)
            fresh = copies(made.epoch(0))
            code = 0 if same(rest, wanted[1:]) and same(fresh, wanted) else 2
        except BaseException:  # noqa: BLE001 - the child must end here
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 0
    assert same(copies(batches), wanted[1:]), "the parent goes on too"


def test_batches_are_the_memory_that_rust_wrote(cohort, monkeypatch):
    written = []
    write = _rust.normalise_samples

    class Spy:
        def __getattr__(self, name):
            return getattr(_rust, name)

        def normalise_samples(self, images, out, *args, **kwargs):
            written.append(out.ctypes.data)
            return write(images, out, *args, **kwargs)

    monkeypatch.setattr(module, "_rust", Spy())
    for batch in loader(cohort).epoch(0):
        for image in batch.images.values():
            assert image.data_ptr() == image.numpy().ctypes.data
            assert image.data_ptr() in written
