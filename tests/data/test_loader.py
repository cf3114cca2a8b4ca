"""The loader: the same batches whatever the threads, the start and the history."""

import gc
import threading
import time

import numpy as np
import pytest
import torch

from medfusion.data import Cases, Cohort, Loader
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
    from medfusion.data import loader as module

    decoded = []
    decode = module.decode_images
    monkeypatch.setattr(
        module,
        "decode_images",
        lambda files, *a, **k: decoded.extend(files) or decode(files, *a, **k),
    )
    assert same(copies(made.epoch(2, start=start)), whole[start:])
    if start >= len(made):
        assert decoded == []


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


def test_a_batch_stays_valid_until_the_next_but_one(cohort):
    made = loader(cohort, batch_size=4, augment=False)
    wanted = copies(made.epoch(0))
    previous = None
    for index, batch in enumerate(made.epoch(0)):
        time.sleep(0.01)  # the thread runs ahead as far as it may
        if previous is not None:
            assert torch.equal(previous.images["image"], wanted[index - 1][1]["image"])
        assert torch.equal(batch.images["image"], wanted[index][1]["image"])
        previous = batch


def test_buffers_are_used_again(cohort):
    made = loader(cohort, batch_size=4, augment=False)
    places = {b.images["image"].data_ptr() for epoch in (0, 1) for b in made.epoch(epoch)}
    assert len(places) <= 4


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
    from medfusion.data import loader as module

    class OddError(Exception):
        pass

    def fail(*_args, **_kwargs):
        raise OddError

    monkeypatch.setattr(module, "decode_images", fail)
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
