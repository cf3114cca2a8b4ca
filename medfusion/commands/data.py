"""`medfusion data`: what a table, an image, a volume or a folder is; the cache of decoded images."""

from __future__ import annotations

import argparse
import datetime as dt

from medfusion.commands.outcome import Outcome
from medfusion.errors import StorageError

_BOUNDLESS = 2.0**30  # in GiB: looking at the cache must not make it smaller


def execute(arguments: argparse.Namespace) -> Outcome:
    """Say what a path is, or show and clear the cache.

    Raises:
        InputError: There is no such file, or it cannot be read.
        StorageError: The cache cannot be removed.
    """
    return _cache(arguments) if arguments.action == "cache" else _inspect(arguments)


def _inspect(arguments: argparse.Namespace) -> Outcome:
    from medfusion.data.inspection import inspect
    from medfusion.data.inspection_view import Inspection, inspection_text

    facts = inspect(arguments.path)
    return Outcome(text=inspection_text(facts), document=facts, shown=Inspection(facts))


def _cache(arguments: argparse.Namespace) -> Outcome:
    from medfusion.data.cache import Cache

    cache = Cache.default(_BOUNDLESS)
    if cache is None:
        return Outcome(text="the cache is switched off (MEDFUSION_CACHE)", document={"path": None})
    if arguments.clear:
        try:
            removed = cache.clear()
        except OSError as error:
            msg = f"{cache.path}: cannot be removed: {error.strerror}"
            raise StorageError(msg) from error
        return Outcome(
            text=f"{cache.path}: {_size(removed)} removed",
            document={"path": str(cache.path), "removed": removed},
            path=cache.path,
        )
    facts = cache.facts()
    used = facts["last_used"]
    lines = [f"{facts['path']}: {facts['arrays']} arrays, {_size(facts['bytes'])}"]
    if used is not None:
        day = dt.datetime.fromtimestamp(used, tz=dt.UTC).astimezone()
        lines.append(f"last used {day:%Y-%m-%d %H:%M}")
    lines += cache.notes
    return Outcome(text="\n".join(lines), document={**facts, "notes": cache.notes}, path=cache.path)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
