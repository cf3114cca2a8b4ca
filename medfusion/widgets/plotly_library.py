"""Plotly for the panels of a page: sent once a kernel, kept by the page, never from a network."""

from __future__ import annotations

import gzip

import anywidget
import traitlets

from medfusion.errors import MedFusionError

_shared: list[PlotlyLibrary] = []


class PlotlyLibrary(anywidget.AnyWidget):
    """Carries plotly.js, gzip-compressed, to the page; it shows nothing itself.

    A trait and not an answer to a message: a page must get it while a cell keeps the kernel busy.
    """

    _esm = traitlets.Unicode("export default {};").tag(sync=True)
    code = traitlets.Bytes().tag(sync=True)


def shared() -> PlotlyLibrary:
    """Return the one library of this kernel, made on the first call.

    Raises:
        MedFusionError: plotly.js was not built.
    """
    if not _shared or _shared[0].comm is None:
        from medfusion.report import plotly_js

        _shared[:] = [PlotlyLibrary(code=gzip.compress(plotly_js().encode(), 6, mtime=0))]
    return _shared[0]


def found() -> PlotlyLibrary | None:
    """Return the library; None where plotly.js was not built, and panels draw plain curves."""
    try:
        return shared()
    except MedFusionError:
        return None
