"""Reports: what a run did and how good it is, in one file that can be attached to a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfusion.report.plotly_bundle import plotly_js as plotly_js

if TYPE_CHECKING:
    from medfusion.report.html import report_html as report_html
    from medfusion.report.html import write_report as write_report

__all__ = ["plotly_js", "report_html", "write_report"]


def __getattr__(name: str) -> object:
    # The live panel needs plotly_js only, and opens faster without the rest.
    if name in ("report_html", "write_report"):
        from medfusion.report import html

        return getattr(html, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
