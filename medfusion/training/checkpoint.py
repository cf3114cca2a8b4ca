"""Checkpoints: safetensors with JSON inside, written so that a kill at any moment loses nothing.

`last.safetensors` holds all that resuming needs (weights, optimizer, random states, counters) in
one file, so that one rename makes it whole; `previous.safetensors` is the one before, for the case
that a disk damages the last; `best.safetensors` holds the weights that are evaluated. No file
contains times, so an interrupted and resumed run ends with the same bytes as an uninterrupted one.

manifest.json lists the SHA-256 of each file. It is written before the file it describes is put in
place and keeps the digest of the file that it replaces, so that one of the two always fits.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from medfusion.errors import RunError
from medfusion.runs import atomic
from medfusion.runs.folder import BEST

LAST = "last.safetensors"
PREVIOUS = "previous.safetensors"
MANIFEST = "manifest.json"


def save_last(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write last.safetensors and keep the one before as previous.safetensors.

    Args:
        folder: The run's checkpoint folder.
        tensors: Weights, optimizer and random states by name.
        state: Plain values; floats are kept exactly.

    Raises:
        StorageError: The disk is full; the checkpoint before is intact.
    """
    last = folder / LAST

    def keep_previous() -> None:
        if last.exists():
            _list(folder, PREVIOUS, digest(last))
            atomic.write(folder / PREVIOUS, lambda part: _link(last, part))

    _save(folder, LAST, tensors, state, before=keep_previous)


def save_best(folder: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write best.safetensors.

    Raises:
        StorageError: The disk is full; the checkpoint before is intact.
    """
    _save(folder, BEST, tensors, state)


def load_last(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], str] | None:
    """Return tensors, state and file name of the newest intact checkpoint; None without one.

    Raises:
        RunError: There are checkpoints but none is intact.
    """
    damaged = []
    for name in (LAST, PREVIOUS):
        if (folder / name).exists():
            try:
                return (*load(folder / name), name)
            except RunError as error:
                damaged.append(str(error))
    if damaged:
        raise RunError("\n".join(damaged))
    return None


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and state of one checkpoint after checking its digest.

    Raises:
        RunError: The file is missing, damaged or not the one that the manifest lists.
    """
    if not path.exists():
        msg = f"{path}: there is no such checkpoint"
        raise RunError(msg)
    if digest(path) not in _manifest(path.parent).get(path.name, []):
        msg = f"{path}: damaged (its SHA-256 is not the one in {MANIFEST})"
        raise RunError(msg)
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: damaged ({error})"
        raise RunError(msg) from None


def _save(
    folder: Path, name: str, tensors: dict[str, Tensor], state: dict[str, Any], before: Any = None
) -> None:
    # One copy on the CPU without shared storage, as safetensors wants it.
    flat = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}

    def fill(part: Path) -> None:
        save_file(flat, part, metadata={"state": json.dumps(state, sort_keys=True)})
        content = digest(part)
        if before is not None:
            before()
        _list(folder, name, content)

    try:
        atomic.write(folder / name, fill)
    except SafetensorError as error:  # its writer wraps the operating system's error as text
        with atomic.storage_errors(folder / name):
            code = re.search(r"os error (\d+)", str(error))
            raise OSError(int(code[1]) if code else errno.EIO, str(error)) from error


def _list(folder: Path, name: str, content: str) -> None:
    """List the digest of the file to come beside that of the file that is there now."""
    path = folder / name
    digests = _manifest(folder)
    digests[name] = [content, *([digest(path)] if path.exists() else [])]
    atomic.write_json(folder / MANIFEST, digests)


def _manifest(folder: Path) -> dict[str, list[str]]:
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [str(one) for one in found] for name, found in document.items()}
    except (ValueError, AttributeError, TypeError, OSError) as error:
        msg = f"{path}: damaged ({error})"
        raise RunError(msg) from None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    target.unlink()
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def random_states() -> dict[str, Tensor]:
    """Return the states of torch's random generators."""
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        for index, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"random.cuda{index}"] = state
    return states


def restore_random_states(tensors: dict[str, Tensor]) -> None:
    """Set torch's random generators to what `random_states` gave."""
    torch.set_rng_state(tensors["random.cpu"])
    on_gpu = [tensors[name] for name in sorted(tensors) if name.startswith("random.cuda")]
    if on_gpu and torch.cuda.is_available() and torch.cuda.device_count() == len(on_gpu):
        torch.cuda.set_rng_state_all(on_gpu)
