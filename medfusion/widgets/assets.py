"""The built browser side of the panels."""

from __future__ import annotations

import functools
from pathlib import Path

from medfusion.errors import MedFusionError

STATIC = Path(__file__).parent / "static"


@functools.cache
def read(name: str) -> str:
    """Return a built file's text.

    Raises:
        MedFusionError: The file was not built.
    """
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except OSError:
        msg = f"{STATIC / name}: not built; run `make install` (or `npm ci && npm run build` in widgets/)"
        raise MedFusionError(msg) from None
