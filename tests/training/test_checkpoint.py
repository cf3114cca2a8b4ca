"""Checkpoints: whole after a kill, refused when damaged, the one before as reserve."""

import subprocess
import sys
import time

import pytest
import torch

from medfusion.errors import RunError, StorageError
from medfusion.training import checkpoint


def tensors(value):
    return {"model.w": torch.full((64, 64), float(value)), "model.n": torch.tensor(value)}


def test_what_is_saved_is_loaded_exactly(tmp_path):
    state = {"progress": {"loss_sum": 0.1 + 0.2, "best": None}, "nested": [1, 1e-300]}
    checkpoint.save_last(tmp_path, tensors(3), state)
    found, read, name = checkpoint.load_last(tmp_path)
    assert read == state
    assert name == "last.safetensors"
    assert all(torch.equal(found[key], value) for key, value in tensors(3).items())
    assert checkpoint.load_last(tmp_path / "none") is None


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        checkpoint.save_last(tmp_path / name, tensors(1), {"b": 1, "a": 2})
    assert (tmp_path / "a" / "last.safetensors").read_bytes() == (
        tmp_path / "b" / "last.safetensors"
    ).read_bytes()


def test_a_damaged_last_falls_back_to_the_one_before(tmp_path):
    for value in (1, 2, 3):
        checkpoint.save_last(tmp_path, tensors(value), {"n": value})
    path = tmp_path / "last.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    _, state, name = checkpoint.load_last(tmp_path)
    assert (state["n"], name) == (2, "previous.safetensors")
    (tmp_path / "previous.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        checkpoint.load_last(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"last.safetensors": 3}'])
def test_a_damaged_manifest_is_named(tmp_path, content):
    checkpoint.save_last(tmp_path, tensors(1), {})
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(RunError, match=r"manifest\.json: damaged|SHA-256"):
        checkpoint.load(tmp_path / "last.safetensors")


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    checkpoint.save_last(tmp_path, tensors(1), {"n": 1})

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(StorageError, match="the disk is full"):
        checkpoint.save_last(tmp_path, tensors(2), {"n": 2})
    monkeypatch.undo()
    assert checkpoint.load_last(tmp_path)[1] == {"n": 1}


@pytest.mark.parametrize("attempt", range(4))
def test_there_is_an_intact_checkpoint_after_a_kill_at_any_moment(tmp_path, attempt):
    code = (
        "import sys, torch; from pathlib import Path; from medfusion.training import checkpoint\n"
        "torch.set_num_threads(1)\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    checkpoint.save_last(Path(sys.argv[1]), {'w': torch.full((200_000,), float(n))}, {'n': n})\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while not (tmp_path / "previous.safetensors").exists():
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(0.03 + 0.05 * attempt)
    child.kill()
    child.wait()
    found, state, _ = checkpoint.load_last(tmp_path)
    assert float(found["w"][0]) == state["n"]
    checkpoint.save_last(tmp_path, {"w": found["w"]}, state)
    assert checkpoint.load_last(tmp_path)[2] == "last.safetensors"
