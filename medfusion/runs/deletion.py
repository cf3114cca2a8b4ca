"""A run deleted: moved out of sight in one step, then removed; nothing outside of it is touched."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path

from medfusion.errors import RunError, StorageError
from medfusion.runs import atomic, process, status, versions
from medfusion.runs.folder import EXPERIMENT

PREFIX = ".deleted-"
"""How the name of a run begins that is being removed; no list of runs shows it."""


def delete(run: str | Path) -> None:
    """Delete a run for good.

    Its folder is renamed first, so that a kill at any moment leaves either the whole run or none;
    what such a kill left behind goes with the next deletion. Links inside of it are removed, never
    what they point to.

    Args:
        run: The run folder itself, not a link to it.

    Raises:
        RunError: It is no run, at work, a link, or a named version of a model.
        StorageError: It cannot be moved or removed.
    """
    path = Path(run)
    # The folder's own name is kept, since it may be a link; the way to it may well be one.
    path = path.parent.resolve() / path.name
    if path.is_symlink():
        msg = f"{run}: is a link, not a run; delete the link, or the run where it is"
        raise RunError(msg)
    if not (path / EXPERIMENT).is_file():
        msg = f"{run}: not a run folder (it has no {EXPERIMENT})"
        raise RunError(msg)
    named = versions.of_run(path)
    if named:
        msg = f"{run}: is the model version {', '.join(named)}; remove that first"
        raise RunError(msg)
    _refuse_active(path, path)
    _sweep(path.parent)
    away = path.with_name(f"{PREFIX}{path.name}-{secrets.token_hex(4)}")
    with atomic.storage_errors(path):
        path.rename(away)
    try:
        _refuse_active(away, path)  # it may have been started in the same moment
    except RunError:
        away.rename(path)
        raise
    atomic.sync_folder(path.parent)
    _remove(away)


def _refuse_active(folder: Path, path: Path) -> None:
    if process.at_work(path):
        msg = f"{path}: is at work; stop it first (`medfusion stop`), then delete it"
        raise RunError(msg)
    try:
        found = status.read(folder)
    except RunError:  # damaged: nobody has written it for a while, or it would be whole
        file = folder / status.FILE
        if file.is_file() and time.time() - file.stat().st_mtime < status.STALE_SECONDS:
            raise
        return
    if found.active:
        msg = f"{path}: is {found.state}; stop it first (`medfusion stop`), then delete it"
        raise RunError(msg)


def _sweep(runs: Path) -> None:
    for left in runs.glob(f"{PREFIX}*"):
        if left.is_dir() and not left.is_symlink():
            _remove(left)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        msg = f"{folder}: cannot be removed whole ({error.strerror or error}); delete it by hand"
        raise StorageError(msg) from error
