"""Long calls leave the interpreter free, stop on Ctrl-C and survive a fork."""

import os
import subprocess
import sys
import threading
import time
import traceback
import warnings

import numpy as np
import pytest

from medfusion import _rust

N = 200_000


@pytest.fixture(scope="module")
def cases():
    rng = np.random.default_rng(1)
    target = (rng.random(N) < 0.3).astype(np.uint8)
    return target, rng.normal(size=N) + target


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    from PIL import Image

    path = tmp_path_factory.mktemp("images") / "noise.png"
    noise = np.random.default_rng(2).integers(0, 256, (1024, 1024, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return [str(path)] * 24


def long_calls(cases, paths):
    out = np.empty((len(paths), 3, 64, 64), np.float32)
    return {
        "bootstrap_auc": lambda: _rust.bootstrap_auc(*cases, None, 150, 0, threads=1),
        "decode_images": lambda: _rust.decode_images(paths, out, [0.0] * 3, [1.0] * 3, threads=1),
        "check_images": lambda: _rust.check_images(paths, 1),
        "hash_files": lambda: _rust.hash_files(paths * 20, 1),
        "read_image": lambda: [_rust.read_image(path) for path in paths],
    }


@pytest.mark.parametrize(
    "name", ["bootstrap_auc", "decode_images", "check_images", "hash_files", "read_image"]
)
def test_other_threads_make_progress_meanwhile(cases, paths, name):
    call = long_calls(cases, paths)[name]
    counter, stop = [0], threading.Event()
    ticks = []

    def count():
        while not stop.is_set():
            counter[0] += 1
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        begin = time.perf_counter()
        call()
        end = time.perf_counter()
    finally:
        stop.set()
        thread.join()
    inside = sum(begin < tick < end for tick in ticks)
    # With the lock held for the whole call there would be no tick between its ends.
    assert inside > 5
    assert end - begin > 0.02


@pytest.mark.parametrize("call", ["bootstrap", "decode"])
def test_ctrl_c_stops_a_long_call(paths, call):
    program = f"""
import os, signal, threading, time
import numpy as np
from medfusion import _rust
threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
begin = time.perf_counter()
try:
    if {call == "bootstrap"}:
        target = np.arange(1000, dtype=np.uint8) % 2
        _rust.bootstrap_auc(target, np.random.default_rng(0).random(1000), None, 20_000_000, 0)
    else:
        paths = {paths!r} * 200
        out = np.empty((len(paths), 3, 4, 4), np.float32)
        _rust.decode_images(paths, out, [0.0] * 3, [1.0] * 3, threads=2)
except KeyboardInterrupt:
    print("stopped", time.perf_counter() - begin)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    word, seconds = done.stdout.split()
    assert word == "stopped"
    assert float(seconds) < 5


def in_a_fork(work):
    """Run `work` in a forked child and return its exit code."""
    with warnings.catch_warnings():
        # From Python 3.12 a fork of a process with threads warns; that it works is the test.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


def test_a_forked_child_computes_the_same(cases, paths):
    def everything():
        out = np.empty((4, 3, 16, 16), np.float32)
        _rust.decode_images(paths[:4], out, [0.0] * 3, [1.0] * 3, threads=2)
        return out, _rust.bootstrap_auc(cases[0][:5000], cases[1][:5000], None, 200, 3, threads=2)

    image, auc = everything()

    def child():
        for _ in range(2):
            again_image, again_auc = everything()
            assert (again_image == image).all()
            assert (again_auc == auc).all()

    assert in_a_fork(child) == 0
    np.testing.assert_array_equal(everything()[1], auc)


def test_a_fork_in_the_middle_of_a_call_is_safe(cases, paths):
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            _rust.bootstrap_auc(*cases, None, 20, 0, threads=2)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(5):
            assert in_a_fork(lambda: _rust.check_images(paths[:2], 2)) == 0
    finally:
        stop.set()
        thread.join()


def test_calls_from_many_threads_at_once(paths):
    found = [None] * 6

    def work(number):
        out = np.empty((2, 3, 16, 16), np.float32)
        _rust.decode_images(paths[:2], out, [0.0] * 3, [1.0] * 3, threads=2)
        found[number] = out

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])


def test_one_buffer_is_not_written_by_two_calls_at_once(paths):
    out = np.zeros((24, 3, 16, 16), np.float32)
    started = threading.Event()

    def work():
        started.set()
        _rust.decode_images(paths, out, [0.0] * 3, [1.0] * 3, threads=1)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    time.sleep(0.05)
    try:
        with pytest.raises(ValueError, match="borrowed"):
            _rust.decode_images(paths, out, [0.0] * 3, [1.0] * 3, threads=1)
    finally:
        thread.join()


def test_it_imports_neither_torch_nor_pandas():
    program = (
        "import sys, medfusion._rust; from importlib import util; "
        "spec = util.spec_from_file_location('images', sys.argv[1]); "
        "module = util.module_from_spec(spec); spec.loader.exec_module(module); "
        "print(sorted({'torch', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    from medfusion.data import images

    done = subprocess.run(
        [sys.executable, "-c", program, images.__file__], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_release_build_is_tested():
    import medfusion

    assert _rust.build_profile in {"release", "debug"}
    assert _rust.__version__ == medfusion.__version__


@pytest.mark.slow
def test_the_stub_is_that_of_the_binary():
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "medfusion._rust"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
