"""Reports: what a run did and how good it is, in one file that can be attached to a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfusion.report.plotly_bundle import plotly_js as plotly_js

if TYPE_CHECKING:
    from medfusion.report.html import comparison_html as comparison_html
    from medfusion.report.html import report_html as report_html
    from medfusion.report.html import write_comparison as write_comparison
    from medfusion.report.html import write_report as write_report

__all__ = ["comparison_html", "plotly_js", "report_html", "write_comparison", "write_report"]


def __getattr__(name: str) -> object:
    # The live panel needs plotly_js only, and opens faster without the rest.
    if name in __all__ and name != "plotly_js":
        from medfusion.report import html

        return getattr(html, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
