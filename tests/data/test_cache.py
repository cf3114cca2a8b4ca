"""The cache: never a wrong array, whatever happens to its file or to the process that writes it."""

import hashlib
import os
import random
import resource
import stat
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest

from medfusion.data import cache as module
from medfusion.data import cache_file
from medfusion.data.cache import Cache, Item, cache_folder
from medfusion.data.content import Contents
from medfusion.data.samples import ImageSamples

ROOM = 2**24


def item(number, count=None):
    """An array that its number alone decides, of any size, type and number of axes."""
    draw = np.random.default_rng(number)
    count = int(draw.integers(0, 3000)) if count is None else count
    kind = ["u1", "<u2", "<f4", "<i8", "?"][number % 5]
    array = draw.integers(0, 2 if kind == "?" else 200, count).astype(kind)
    if number % 3 == 0:
        array = array.reshape(1, count, 1)
    name = f"{number}".encode()
    return Item(hashlib.sha256(name).digest(), hashlib.md5(name).digest(), array)


def same(found, wanted):
    return found is not None and found.dtype == wanted.dtype and found.shape == wanted.shape and (
        found == wanted
    ).all()  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "prepared" / "prepared.cache"


def opened(path, room=ROOM):
    return Cache(path, room)


def forked(work):
    """Start `work` in a forked child and return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must end here
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def ended(child, seconds=60):
    deadline = time.monotonic() + seconds
    while (done := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(done[1])


def test_what_is_put_is_found_also_later(path):
    items = [item(number) for number in range(40)]
    first = opened(path)
    assert first.get([items[0].key, None]) == [None, None]
    first.put(items[:25])
    first.put(items[20:])
    for cache in (first, opened(path)):
        found = cache.get([one.key for one in items])
        assert all(same(a, one.array) for a, one in zip(found, items, strict=True))
        assert cache.get([b"\0" * 32]) == [None]
        assert cache.notes == []
        assert cache.facts()["arrays"] == 40
    assert not any(array.flags.writeable for array in found)
    assert path.stat().st_size == first.facts()["bytes"] < ROOM


def test_arrays_are_looked_at_not_copied(path):
    cache = opened(path)
    one = item(7, 100_000)
    cache.put([one])
    (first,), (second,) = cache.get([one.key]), cache.get([one.key])
    assert first.ctypes.data == second.ctypes.data
    assert not first.flags.owndata
    assert first.ctypes.data % cache_file.ALIGNMENT == 0


def test_arrays_stay_valid_when_the_file_is_gone(path):
    cache = opened(path)
    one = item(3, 50_000)
    cache.put([one])
    (found,) = cache.get([one.key])
    assert cache.clear() > 50_000
    assert not path.exists()
    assert same(found, one.array)
    assert cache.get([one.key]) == [None]
    cache.put([one])
    assert same(cache.get([one.key])[0], one.array)


def test_only_the_user_can_read_it(path):
    cache = opened(path)
    path.parent.mkdir(parents=True, mode=0o755)
    cache.put([item(1)])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_kinds_that_the_file_cannot_hold_are_passed_over(path):
    cache = opened(path)
    odd = [np.array(["a"]), np.zeros(3, ">i4"), np.zeros((4, 4))[:, ::2], np.zeros((1,) * 7)]
    cache.put([item(1)._replace(array=array) for array in odd])
    assert cache.get([item(1).key]) == [None]
    assert cache.notes == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_leaves_a_whole_file(path):
    def write(start):
        cache = opened(path, 2**30)
        for number in range(start, start + 100_000, 4):
            cache.put([item(n) for n in range(number, number + 4)])

    draw = random.Random(3)
    known = 0
    for attempt in range(20):
        child = forked(lambda start=attempt * 100_000: write(start))
        time.sleep(draw.uniform(0.002, 0.06))
        os.kill(child, 9)
        os.waitpid(child, 0)
        cache = opened(path, 2**30)
        cache.put([item(-attempt + 10**9)])
        assert cache.notes == []
        count = cache.facts()["arrays"]
        assert count > known
        known = count
    numbers = [a * 100_000 + n for a in range(20) for n in range(3000)]
    found = cache.get([item(number).key for number in numbers[::7]])
    there = [(n, array) for n, array in zip(numbers[::7], found, strict=True) if array is not None]
    assert there
    assert all(same(array, item(number).array) for number, array in there)
    assert cache.notes == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_writers_at_once(path):
    def write(numbers):
        cache = opened(path)
        for number in numbers:
            cache.put([item(number), item(number + 1)])
            assert same(cache.get([item(number).key])[0], item(number).array)
        assert cache.notes == []

    children = [forked(lambda: write(range(120))), forked(lambda: write(range(119, 60, -1)))]
    assert [ended(child) for child in children] == [0, 0]
    cache = opened(path)
    found = cache.get([item(number).key for number in range(121)])
    assert all(same(array, item(n).array) for n, array in enumerate(found))
    assert sum(len(part.entries) for part in cache._file.segments) == 121, "none is kept twice"


def test_what_another_process_appends_is_seen(path):
    first, second = opened(path), opened(path)
    first.put([item(1)])
    assert same(second.get([item(1).key])[0], item(1).array)
    first.put([item(2, 30_000)])
    assert same(second.get([item(2).key])[0], item(2, 30_000).array)
    first.clear()
    second.put([item(3)])
    third = opened(path)
    assert third.get([item(1).key]) == [None]
    assert same(third.get([item(3).key])[0], item(3).array)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_a_thread_works_does_not_hang(path):
    cache = opened(path)
    cache.put([item(1)])
    held, over = threading.Event(), threading.Event()

    def hold():
        with cache._lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def child():
        assert same(cache.get([item(1).key])[0], item(1).array)
        cache.put([item(2)])
        assert same(cache.get([item(2).key])[0], item(2).array)

    try:
        assert ended(forked(child), 20) == 0
    finally:
        over.set()
        thread.join()
    assert same(cache.get([item(2).key])[0], item(2).array)


def test_every_damaged_byte_is_noticed(path):
    items = [item(number, 40) for number in range(6)]
    opened(path).put(items[:3])
    opened(path).put(items[3:])
    content = path.read_bytes()
    draw = random.Random(1)
    places = [*range(80), *draw.sample(range(len(content)), 200)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        cache = opened(path)
        found = cache.get([one.key for one in items])
        assert all(a is None or same(a, one.array) for a, one in zip(found, items, strict=True))
        if any(array is None for array in found):
            assert cache.notes, place
        cache.put(items)
        again = cache.get([one.key for one in items])
        assert all(same(a, one.array) for a, one in zip(again, items, strict=True)), place


@pytest.mark.parametrize("length", [0, 1, 15, 63, 64, 65, 127, 128, 500, -1])
def test_a_file_that_was_cut_is_begun_anew(path, length):
    opened(path).put([item(1, 100), item(2, 100)])
    content = path.read_bytes()
    path.write_bytes(content[:length])
    cache = opened(path)
    assert cache.get([item(1).key, item(2).key]) == [None, None]
    assert "begun anew" in cache.notes[0] or length == 64
    cache.put([item(1)])
    assert same(opened(path).get([item(1).key])[0], item(1).array)


def test_a_file_that_is_cut_while_it_is_open_is_noticed(path):
    cache = opened(path)
    cache.put([item(1, 1000)])
    cache.put([item(2, 100_000)])  # never mapped yet
    os.truncate(path, 200)
    assert cache.get([item(2).key]) == [None]
    cache.put([item(3)])
    assert cache.notes
    assert same(opened(path).get([item(3).key])[0], item(3).array)


@pytest.mark.parametrize("foreign", [b"", b"hello", b"\x93MEDFUSE", bytes(4096), b"\xff" * 4096])
def test_a_foreign_file_is_begun_anew(path, foreign):
    path.parent.mkdir(parents=True)
    path.write_bytes(foreign)
    cache = opened(path)
    cache.put([item(1)])
    assert same(opened(path).get([item(1).key])[0], item(1).array)
    assert "begun anew" in cache.notes[0]


def test_another_version_is_begun_anew(path, monkeypatch):
    opened(path).put([item(1)])
    monkeypatch.setattr(cache_file, "VERSION", 2)
    cache = opened(path)
    assert cache.get([item(1).key]) == [None]
    assert "version 1, not 2" in cache.notes[0]
    cache.put([item(1)])
    monkeypatch.undo()
    assert opened(path).get([item(1).key]) == [None]


def test_what_does_not_fit_is_not_kept(path):
    cache = opened(path, 40_000)
    cache.put([item(1, 10_000)._replace(array=np.zeros(10_000, np.uint8))])
    cache.put([item(2)._replace(array=np.zeros(50_000, np.uint8))])
    cache.put([item(3)._replace(array=np.zeros(5_000, np.uint8))])
    found = cache.get([item(1).key, item(2).key, item(3).key])
    assert [array is not None for array in found] == [True, False, True]
    assert "is full" in cache.notes[0]
    assert path.stat().st_size <= 40_000
    opened(path, 100).put([item(4)])
    assert opened(path, 40_000).get([item(4).key]) == [None]


def test_a_disk_that_is_nearly_full_is_left_alone(path, monkeypatch):
    facts = module.shutil.disk_usage(path.parent.parent.parent)
    nearly = type(facts)(facts.total, facts.total - 10_000, 10_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: nearly)
    cache = opened(path)
    cache.put([item(1)])
    assert cache.get([item(1).key]) == [None]
    assert "is full" in cache.notes[0]


def test_stale_arrays_go_when_it_is_opened_nearly_full(path, monkeypatch):
    def big(number, slot):
        content = np.full(3000, number, np.uint8)
        return Item(hashlib.sha256(bytes([number])).digest(), bytes([slot]) * 16, content)

    cache = opened(path, 20_000)
    for number in range(5):
        cache.put([big(number, slot=number // 2)])  # 1 replaces 0, and 3 replaces 2
    mapped = cache.get([big(number, 0).key for number in range(5)])
    before = path.stat().st_size
    assert before > 15_000
    again = opened(path, 20_000)
    found = again.get([big(number, 0).key for number in range(5)])
    assert [array is not None for array in found] == [False, True, False, True, True]
    assert path.stat().st_size < before
    assert all((array == number).all() for number, array in enumerate(mapped)), "still mapped"
    cache.put([big(9, 9)])  # the first process finds the new file by itself
    assert again.get([big(9, 9).key])[0] is not None

    # What nobody has used for a day goes too, the longest unused first; the rest stays.
    again.put([big(10, 10)])
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 2 * cache_file.DAY)
    later = opened(path, 20_000)
    kept = [number for number in (1, 3, 4, 9, 10) if later.get([big(number, 0).key])[0] is not None]
    assert kept == [4, 9, 10]
    assert later.notes == []


def test_compacting_leaves_nothing_behind(path):
    cache = opened(path, 2**20)
    for number in range(40):
        cache.put([item(number, 4000)._replace(slot=bytes([number % 4]) * 16)])
    (path.parent / f".{path.name}.left.part").write_bytes(b"of a process that was killed")
    wanted = {number: item(number, 4000) for number in range(36, 40)}
    small = opened(path, 100_000)
    found = small.get([one.key for one in wanted.values()])
    assert all(same(a, one.array) for a, one in zip(found, wanted.values(), strict=True))
    names = {found.name for found in path.parent.iterdir()}
    assert names <= {path.name, f"{path.name}.lock"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_folder_that_cannot_be_made_is_told_and_done_without(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for place in (Path("/proc/nowhere/cache"), tmp_path / "file" / "cache"):
        cache = opened(place / "prepared" / "prepared.cache")
        cache.put([item(1)])
        assert cache.get([item(1).key]) == [None]
        assert len(cache.notes) == 1
        assert "nothing more is cached" in cache.notes[0]


def test_a_file_that_is_read_only_is_still_read(path, monkeypatch):
    opened(path).put([item(1)])
    really = os.open

    def refuse(name, flags, *rest):
        if flags & os.O_RDWR and str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(name))
        return really(name, flags, *rest)

    monkeypatch.setattr(cache_file.os, "open", refuse)
    cache = opened(path)
    assert same(cache.get([item(1).key])[0], item(1).array)
    cache.put([item(2)])
    assert cache.get([item(2).key]) == [None]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_folder_of_another_user_is_not_used(path):
    opened(path).put([item(1)])
    os.chown(path.parent, 12345, 12345)
    cache = opened(path)
    assert cache.get([item(1).key]) == [None]
    assert "another user" in cache.notes[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_full_disk_ends_caching_and_nothing_else(path):
    cache = opened(path)
    cache.put([item(1, 1000)])

    def child():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
        cache.put([item(2)._replace(array=np.zeros(100_000, np.uint8))])
        assert "nothing more is cached" in cache.notes[0], cache.notes
        assert "too large" in cache.notes[0].lower(), cache.notes
        assert cache.get([item(1).key]) == [None]
        fresh = opened(path)
        assert same(fresh.get([item(1).key])[0], item(1, 1000).array)
        assert fresh.get([item(2).key]) == [None]

    assert ended(forked(child)) == 0
    after = opened(path)
    after.put([item(3)])
    assert same(after.get([item(1).key])[0], item(1, 1000).array)
    assert same(after.get([item(3).key])[0], item(3).array)
    assert after.notes == []


def test_another_process_that_writes_for_long_is_not_waited_for(path, monkeypatch):
    import filelock

    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    cache = opened(path)
    cache.put([item(1)])
    with filelock.FileLock(f"{path}.lock"):
        cache.put([item(2)])
    assert "another process is writing" in cache.notes[0]
    assert same(cache.get([item(1).key])[0], item(1).array)
    cache.put([item(2)])
    assert same(cache.get([item(2).key])[0], item(2).array)


def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDFUSION_CACHE", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x"
    assert Cache.default(1.5).max_bytes == 3 * 2**29
    assert Cache.default(0) is None
    monkeypatch.setenv("MEDFUSION_CACHE", "off")
    assert cache_folder() is None
    assert Cache.default(1.0) is None
    monkeypatch.delenv("MEDFUSION_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "y"))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "y" / "medfusion"


# What a source holds ---------------------------------------------------------------------------


def digest(contents, source):
    (content,) = contents.look([str(source)])
    return None if content is None else content.digest


def test_a_digest_is_that_of_the_content(path, tmp_path):
    contents = Contents(opened(path))
    one = tmp_path / "a"
    one.write_bytes(b"abc")
    assert digest(contents, one) == hashlib.sha256(b"abc").digest()
    assert digest(contents, tmp_path / "none") is None
    # Changed in the same tick of the clock, of the same size, with the same time: noticed.
    facts = one.stat()
    one.write_bytes(b"abd")
    os.utime(one, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert digest(contents, one) == hashlib.sha256(b"abd").digest()


def test_a_file_that_rests_is_read_once_also_by_later_processes(path, tmp_path, monkeypatch):
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.write_bytes(file.name.encode())
    really = time.time_ns
    monkeypatch.setattr("medfusion.data.content.time.time_ns", lambda: really() + 10**10)
    first = Contents(opened(path))
    wanted = [digest(first, file) for file in files]
    hashed = []
    from medfusion import _rust
    from medfusion.data import content as of

    class Spy:
        def __getattr__(self, name):
            return getattr(_rust, name)

        def hash_files(self, paths):
            hashed.extend(paths)
            return _rust.hash_files(paths)

    monkeypatch.setattr(of, "_rust", Spy())
    later = Contents(opened(path))
    assert [digest(first, file) for file in files] == wanted
    assert [digest(later, file) for file in files] == wanted
    assert hashed == []
    files[1].write_bytes(b"other")
    assert digest(later, files[1]) == hashlib.sha256(b"other").digest()
    assert hashed == [str(files[1])]


def test_a_folder_and_a_pair_are_one_source(path, tmp_path):
    contents = Contents(opened(path))
    folder = tmp_path / "series"
    (folder / "deep").mkdir(parents=True)
    (folder / "1").write_bytes(b"a")
    (folder / "deep" / "2").write_bytes(b"b")
    first = digest(contents, folder)
    folder.rename(tmp_path / "moved")
    assert digest(contents, tmp_path / "moved") == first
    (tmp_path / "moved" / "deep" / "2").write_bytes(b"c")
    assert digest(contents, tmp_path / "moved") != first
    for name in ("v.hdr", "v.img"):
        (tmp_path / name).write_bytes(name.encode())
    before = digest(contents, tmp_path / "v.hdr")
    assert digest(contents, tmp_path / "v.img") == before
    (tmp_path / "v.img").write_bytes(b"other")
    assert digest(contents, tmp_path / "v.hdr") != before
    (tmp_path / "empty").mkdir()
    assert digest(contents, tmp_path / "empty") is None


def test_a_file_that_changes_while_it_is_decoded_is_not_kept(path, tmp_path, monkeypatch):
    from PIL import Image

    from medfusion import _rust
    from medfusion.data import samples as of

    file = tmp_path / "a.png"
    Image.fromarray(np.full((8, 8), 1, np.uint8)).save(file)
    cache = opened(path)

    class Spy:
        def __getattr__(self, name):
            return getattr(_rust, name)

        def decode_samples(self, *arguments):
            Image.fromarray(np.full((8, 8), 2, np.uint8)).save(file)
            return _rust.decode_samples(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(of, "_rust", Spy())
        found, _ = ImageSamples((8, 8), 1, cache).fetch([file])
    assert (found[0] == 2).all()
    Image.fromarray(np.full((8, 8), 1, np.uint8)).save(file)
    found, _ = ImageSamples((8, 8), 1, cache).fetch([file])
    assert (found[0] == 1).all()


def test_other_settings_are_other_samples(path, tmp_path):
    from PIL import Image

    file = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)).save(file)
    cache = opened(path)
    shapes = set()
    for _ in range(2):
        for size, channels in (((8, 8), 1), ((8, 8), 3), ((4, 8), 3)):
            (found,), failures = ImageSamples(size, channels, cache).fetch([file])
            assert failures == []
            assert found.shape == (channels, *size)
            shapes.add(found.shape)
    assert len(shapes) == 3
