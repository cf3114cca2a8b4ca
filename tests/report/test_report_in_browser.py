"""The report in chromium, from file:// and with every other request refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medfusion.report import write_report
from tests import hostile

pytestmark = pytest.mark.ui

HOSTILE = "</script><img src=x onerror=window.X=1><svg onload=window.X=1>\"'{{7*7}}"


@pytest.fixture
def show(browser, tmp_path):
    """Return a function that opens a run's report and hands back page, refused requests, log."""
    opened = []

    def open_report(run, **options):
        path = write_report(run, tmp_path / f"{run.name}.html")
        context = browser.new_context(**options)
        opened.append(context)
        page = context.new_page()
        refused: list[str] = []
        log: list[str] = []

        def guard(route):
            if route.request.url.startswith("file:"):
                route.continue_()
            else:
                refused.append(route.request.url)
                route.abort()

        page.route("**/*", guard)
        page.on("console", lambda message: log.append(message.text))
        page.on("pageerror", lambda error: log.append(str(error)))
        page.on("dialog", lambda dialog: (log.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        page.wait_for_function(
            "() => [...document.querySelectorAll('.plot')].every((p) => p.querySelector('.main-svg'))"
        )
        return page, refused, log

    yield open_report
    for context in opened:
        context.close()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_figures_are_drawn_and_nothing_is_asked_of_the_network(make_run, show, kind):
    page, refused, log = show(make_run(kind))
    plots = page.locator(".plot").count()
    assert plots >= 7
    assert page.locator(".plot .xtitle").count() >= plots
    assert (refused, log) == ([], [])


def test_hostile_names_do_nothing(make_run, show, hostile_names):
    for kind in ("binary", "multiclass", "regression"):
        page, refused, log = show(make_run(kind, hostile_names(HOSTILE, kind), state="failed"))
        assert page.evaluate("window.X === undefined")
        assert HOSTILE in page.inner_text("main")
        assert (refused, log) == ([], [])


@pytest.mark.parametrize("family", hostile.FAMILIES)
def test_nothing_of_120_hostile_strings_runs(make_run, show, hostile_names, family):
    kind = ("binary", "multiclass", "regression")[list(hostile.FAMILIES).index(family) % 3]
    names = hostile_names("\N{BULLET}".join(hostile.FAMILIES[family]), kind)
    page, refused, log = show(make_run(kind, names, n=90, state="failed"))
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("main :is(img[src], iframe, object, embed, form, base)").count() == 0
    # Plotly has no MathJax here and says so of names in dollars; it shows them as they are.
    assert (refused, [line for line in log if "MathJax is not loaded" not in line]) == ([], [])
    assert all(one in page.inner_text("main") for one in hostile.FAMILIES[family] if "evil" in one)


def test_the_page_fits_phones_and_paper(make_run, show):
    page, _, log = show(make_run(), viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.set_viewport_size({"width": 1300, "height": 900})
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    widest = "Math.max(...[...document.querySelectorAll('.main-svg')].map((s) => s.clientWidth))"
    assert page.evaluate(widest) <= 672
    assert page.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("[...document.querySelectorAll('details')].some((one) => one.open)")
    assert page.pdf().startswith(b"%PDF")
    assert log == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(make_run, show, scheme):
    page, _, _ = show(make_run(), color_scheme=scheme)
    colours = page.evaluate(
        """() => {
          const ground = getComputedStyle(document.body).backgroundColor;
          const seen = [...document.querySelectorAll('main p, main td, main li, nav a, figcaption')];
          return seen.map((one) => [getComputedStyle(one).color, ground]);
        }"""
    )
    worst = min(_contrast(*pair) for pair in {tuple(pair) for pair in colours})
    assert worst >= 4.5  # WCAG 2.1 AA


def _contrast(first: str, second: str) -> float:
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.strip("rgba()").split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_picture_for_the_reader(make_run, show, tmp_path):
    folder = Path(os.environ.get("MEDFUSION_SCREENSHOTS", tmp_path))
    page, _, _ = show(make_run(n=1500), viewport={"width": 1360, "height": 1000})
    page.screenshot(path=folder / "report.png")
    assert (folder / "report.png").stat().st_size > 20_000
