"""A report as one HTML file that needs no network and runs no script but its own."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from medfusion.data.visible_text import visible
from medfusion.modalities import ComparisonFolder
from medfusion.report import fusion_verdict
from medfusion.report.blocks import Document
from medfusion.report.document import compose
from medfusion.report.evidence import gather
from medfusion.report.plotly_bundle import plotly_js
from medfusion.runs import RunFolder, atomic

TEMPLATES = Path(__file__).parent / "templates"


def write_report(run: RunFolder, out: str | Path) -> Path:
    """Write the report of a run as one HTML file.

    A run that is not finished is reported as far as it got.

    Args:
        run: The run.
        out: The file, replaced where it exists; its folder is made where missing.

    Returns:
        The file's absolute path.

    Raises:
        RunError: A file of the run is damaged.
        StorageError: The file cannot be written.

    Example:
        >>> from medfusion.runs import list_runs
        >>> for run in list_runs("runs")[:1]:
        ...     path = write_report(run, "report.html")
    """
    return _write(report_html(run), out)


def write_comparison(comparison: ComparisonFolder, out: str | Path) -> Path:
    """Write the report of a comparison of modalities as one HTML file.

    Args:
        comparison: The comparison, finished.
        out: The file, replaced where it exists; its folder is made where missing.

    Returns:
        The file's absolute path.

    Raises:
        RunError: It is not finished, or damaged.
        StorageError: The file cannot be written.

    Example:
        >>> from medfusion.modalities import ComparisonFolder
        >>> comparison = ComparisonFolder("runs/skin-modalities-1a2b3c4d")  # doctest: +SKIP
        >>> write_comparison(comparison, "verdict.html")  # doctest: +SKIP
    """
    return _write(comparison_html(comparison), out)


def comparison_html(comparison: ComparisonFolder) -> str:
    """Return the report of a comparison of modalities as the text of one HTML file.

    Raises:
        RunError: It is not finished, or damaged.
    """
    return render(fusion_verdict.compose(comparison))


def _write(content: str, out: str | Path) -> Path:
    path = Path(out).resolve()
    with atomic.storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, content)
    return path


def report_html(run: RunFolder) -> str:
    """Return the report of a run as the text of one HTML file.

    Raises:
        RunError: A file of the run is damaged.
        SpecError: Its experiment.yaml is damaged.
    """
    return render(compose(gather(run)))


def render(document: Document) -> str:
    """Return a report as HTML; all text in it is escaped, its scripts are named by their hashes."""
    scripts = [plotly_js(), _asset("figures.js")]
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            policy=policy,
            # Our own files: the only text that is not escaped.
            scripts=[Markup(script) for script in scripts],  # noqa: S704
            style=Markup(_asset("report.css")),  # noqa: S704
        )
    )


def script_json(value: Any) -> Markup:
    r"""Return JSON that can stand in a script element.

    >>> script_json({"name": "</script>"})
    Markup('{"name":"\\u003c/script\\u003e"}')
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can end the element


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@functools.cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = script_json
    return environment
