"""The plotly.js that reports and live panels carry with them, so that neither asks the network."""

from __future__ import annotations

import functools
from pathlib import Path

from medfusion.errors import MedFusionError

BUNDLE = Path(__file__).parent / "static" / "plotly-basic.min.js"


@functools.cache
def plotly_js() -> str:
    """Return the text of plotly.js (basic: scatter, bar, pie), about 1.2 MB.

    It can stand between `<script>` and `</script>` as it is.

    Raises:
        MedFusionError: The bundle was not built or is damaged.

    Example:
        >>> "Plotly" in plotly_js()
        True
    """
    try:
        text = BUNDLE.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    # A script element ends at the first `</script`, and `<!--` changes how it is read.
    if "Plotly" not in text or "</script" in text.lower() or "<!--" in text:
        msg = f"{BUNDLE}: plotly.js is missing or damaged; run `make install` to build it"
        raise MedFusionError(msg)
    return text.replace("\r\n", "\n").replace("\r", "\n")
