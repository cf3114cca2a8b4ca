"""120 strings that want to be code, wherever a person's text is shown: they stay text, always."""

import shutil

import pytest

from tests import hostile
from tests.ui import hostile_work

CELLS = {
    "data": "import medfusion as mf\nbrowser = mf.DataBrowser({table}, folder={folder})\nbrowser",
    "builder": "builder = mf.Builder({experiment})\nbuilder",
    "run": "panel = mf.watch({live}, {judged})\npanel",
    "runs": "table = mf.RunsTable({runs})\ntable",
    "review": "review = mf.LabelReview({reviewed})\nreview",
    "workflow": "editor = mf.WorkflowEditor({workflow})\neditor",
}

# What a string may have become. A panel's own pictures are blobs, the still picture's is data.
FOUND = """() => {
  const seen = [...document.querySelectorAll('.jp-OutputArea-output, .jp-OutputArea-output *')];
  const evil = /evil|hacked|javascript:|passwd/i;
  const bad = (one) => {
    const name = one.localName;
    if (/^(script|iframe|object|embed|form|base|link|meta|audio|video|marquee|template)$/.test(name)) return true;
    if (name === 'img' && !/^(blob:|data:image\\/)/.test(one.getAttribute('src') ?? '')) return true;
    return [...one.attributes].some(({name, value}) =>
      /^on/i.test(name) || (/^(src|href|xlink:href|srcdoc|action|style)$/i.test(name) && evil.test(value)));
  };
  const told = seen.filter(bad).map((one) => one.outerHTML.slice(0, 300));
  const sheets = [...document.querySelectorAll('style')].filter((one) => evil.test(one.textContent));
  const hacked = [window, ...Array.from(window.frames)].some((one) => one.hacked !== undefined);
  const polluted = ({}).hacked !== undefined;
  return {told, sheets: sheets.length, hacked, polluted};
}"""
NOTHING = {"told": [], "sheets": 0, "hacked": False, "polluted": False}

# All that can be read in a panel: text, what fields hold, and what is told of pictures.
TEXT = """(cell) => {
  const {node} = jupyterapp.shell.currentWidget.content.widgets[cell];
  const fields = [...node.querySelectorAll('input, textarea')].map((one) => one.value);
  const labels = [...node.querySelectorAll('[aria-label]')].map((one) => one.ariaLabel);
  return [node.querySelector('.jp-OutputArea')?.textContent ?? '', ...fields, ...labels].join(' ');
}"""


@pytest.fixture(scope="module")
def hostile_folder(work, judged_run):
    """Everything that the panels open, by name."""
    folder = work / "injection"
    shutil.rmtree(folder, ignore_errors=True)
    table = hostile_work.write_table(folder)
    experiment = hostile_work.write_experiment(table)
    runs = [
        judged_run(folder / "runs", f"run-{family}", kind="multiclass", classes=tuple(names), n=40)
        for family, names in hostile.FAMILIES.items()
    ]
    # A second run of the same classes, to compare.
    names = tuple(hostile.HTML)
    judged_run(
        folder / "runs", "more-html", kind="multiclass", classes=names, n=40, seed=1, noise=2.0
    )
    for run, names in zip(runs, hostile.FAMILIES.values(), strict=True):
        hostile_work.describe_run(run, names)
    return {
        "folder": folder,
        "table": table,
        "experiment": experiment,
        "live": hostile_work.write_live_run(table).path,
        "judged": runs[0].path,
        "runs": folder / "runs",
        "reviewed": hostile_work.write_reviewed_run(table).path,
        "workflow": hostile_work.write_workflow(table),
    }


def flat(text):
    return " ".join(text.split())


def missing(lab, cell, names=hostile_work.READ):
    """Return which of the strings cannot be read in the output of a cell."""
    shown = flat(lab.page.evaluate(TEXT, list(CELLS).index(cell)))
    return [name for name in names if flat(name) not in shown]


def cell_of(lab, name):
    """Return a cell of the notebook, brought into view."""
    found = lab.page.locator(".jp-Notebook .jp-Cell").nth(list(CELLS).index(name))
    found.scroll_into_view_if_needed()
    return found


def tabs(lab, within):
    """Open each tab, also those within tabs, and yield its name."""
    for tab in within.get_by_role("tab").all():
        if tab.is_visible():
            tab.click()
            lab.page.wait_for_timeout(200)
            yield tab.inner_text()


def hover(lab, within):
    for chart in within.locator(".mf-plot:visible").all():
        box = chart.bounding_box()
        lab.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + box["height"] / 2)
        lab.page.wait_for_timeout(60)


def wait_nothing_missing(lab, cell, names=hostile_work.READ, timeout=30_000):
    """Wait until every string can be read in the output of a cell."""
    for _ in range(timeout // 250):
        lacking = missing(lab, cell, names)
        if not lacking:
            return
        lab.page.wait_for_timeout(250)
    pytest.fail(f"{cell} shows not: {lacking}")


def look_at_data(lab):
    panel = cell_of(lab, "data").locator(".mf-data")
    panel.locator(".mf-roles-line").nth(122).wait_for(timeout=60_000)
    panel.locator('[data-column="class"] select').select_option("target")
    wait_nothing_missing(lab, "data")
    for name in tabs(lab, panel):
        if name == "Images":
            panel.locator(".mf-tile img").first.wait_for()
        elif name == "Rows":
            panel.locator(".mf-grid-row div").first.wait_for()
            wait_nothing_missing(lab, "data")
        elif name == "Distributions":
            chosen = panel.get_by_label("Column", exact=True)
            count = chosen.locator("option").count()
            for place in range(0, count, max(1, count // 3)):
                chosen.select_option(index=place)
                lab.page.wait_for_timeout(300)
                hover(lab, panel)
        elif name.startswith("Checks"):
            panel.locator("[class*='mf-check-']").first.wait_for(timeout=60_000)
    panel.get_by_role("tab", name="Images").click()
    panel.locator(".mf-tile img").first.click()
    panel.locator(".mf-subject-value").first.wait_for()
    wait_nothing_missing(lab, "data")
    lab.page.keyboard.press("Escape")


def look_at_builder(lab):
    panel = cell_of(lab, "builder").locator(".mf-builder")
    panel.get_by_role("tab").first.wait_for(timeout=60_000)
    seen = []
    for name in tabs(lab, panel):
        seen.append(name)
        if name == "Model":
            panel.locator('.mf-diagram [data-block="image"]').wait_for(timeout=60_000)
    assert {"Data", "Model", "Review", "Runs"} <= set(seen)
    panel.get_by_role("tab", name="Data", exact=True).click()
    for name, said in {"YAML": "yaml", "Python": "code"}.items():
        panel.get_by_role("tab", name=name, exact=True).click()
        shown = panel.locator(f'[aria-label="{name}"]:visible').text_content()
        assert shown.strip() == lab.kernel(f"print(builder.{said})")


def look_at_run(lab):
    cell = cell_of(lab, "run")
    panel = cell.locator(".mf-panel")
    panel.locator(".mf-badge", has_text="failed").first.wait_for(timeout=60_000)
    seen = []
    for name in tabs(lab, panel):
        seen.append(name)
        if name in ("Results", "Most wrong") or name.startswith(("Log", "Data checks")):
            wait_nothing_missing(lab, "run")
        if name in ("Classes", "Inside the model"):
            hover(lab, panel)
    assert "Most wrong" in seen


def look_at_runs(lab):
    panel = cell_of(lab, "runs").locator(".mf-panel").first
    panel.locator(".mf-grid-row").nth(6).wait_for(timeout=60_000)
    for family, names in hostile.FAMILIES.items():
        panel.locator(".mf-grid-row", has_text=f"run-{family}").first.click()
        panel.get_by_role("heading", name=f"run-{family}").wait_for()
        wait_nothing_missing(lab, "runs", ["".join(c for c in n if c.isprintable()) for n in names])
    for row in panel.locator(".mf-grid-row", has_text="-html").all():
        row.get_by_role("checkbox").click()
    panel.locator(".mf-cmp-differences li").first.wait_for(timeout=60_000)
    wait_nothing_missing(lab, "runs", hostile.HTML)


def look_at_review(lab):
    panel = cell_of(lab, "review").locator(".mf-review")
    panel.get_by_text("of 120 suspects reviewed").wait_for(timeout=60_000)
    panel.locator(".mf-suspect").first.click()
    panel.locator(".mf-images img").first.wait_for()
    wait_nothing_missing(lab, "review")
    note = "Note, kept with the decision"
    panel.get_by_label(note).fill(hostile.HTML[0])
    panel.locator(".mf-case").get_by_role("button", name="Relabel").click()
    panel.locator(".mf-did", has_text="now").first.wait_for()
    given = "print([one.reason for one in review.review.decisions.standing.values()])"
    assert hostile.HTML[0] in lab.kernel(given)


def look_at_workflow(lab):
    panel = cell_of(lab, "workflow").locator(".mf-workflow")
    panel.locator(".mf-wf-node").nth(119).wait_for(state="attached", timeout=60_000)
    wait_nothing_missing(lab, "workflow", [name[:80] for name in hostile_work.READ])
    for place in (20, 60, 100):
        lab.page.evaluate(
            "(name) => document.querySelector(`[data-node=${name}]`).click()", f"n{place}"
        )
        wait_nothing_missing(lab, "workflow", [hostile_work.READ[place]])


LOOKS = {
    "data": look_at_data,
    "builder": look_at_builder,
    "run": look_at_run,
    "runs": look_at_runs,
    "review": look_at_review,
    "workflow": look_at_workflow,
}


@pytest.mark.timeout(420)  # two times six panels in one page, on a busy machine
def test_nothing_of_120_hostile_strings_runs_live_saved_or_reopened(lab, hostile_folder, quoted):
    given = {name: quoted(path) for name, path in hostile_folder.items()}
    cells = [cell.format(**given) for cell in CELLS.values()]
    lab.page.set_viewport_size({"width": 1360, "height": 1400})
    lab.open("injection.ipynb", *cells)
    lab.run_all()
    for name, look in LOOKS.items():
        look(lab)
        assert lab.page.evaluate(FOUND) == NOTHING, name

    # Another day, before anything was run: what the notebook kept.
    lab.kernel("import time\nwhile panel.following: time.sleep(0.1)")
    lab.reopen("injection.ipynb")
    still = lab.page.locator(".mf-still")
    still.get_by_text(hostile.HTML[1]).first.wait_for(timeout=30_000)
    lab.page.wait_for_timeout(500)
    assert lab.page.evaluate(FOUND) == NOTHING

    # And run again: the drafts, notes and decisions are read back.
    lab.wait_idle()
    lab.run_all()
    cell_of(lab, "data").locator(".mf-roles-line").nth(122).wait_for(timeout=60_000)
    wait_nothing_missing(lab, "data")
    cell_of(lab, "builder").locator(".mf-builder [role=tab]").first.wait_for(timeout=60_000)
    cell_of(lab, "review").get_by_text("1 of 120 suspects reviewed").wait_for(timeout=60_000)
    look_at_workflow(lab)
    assert lab.page.evaluate(FOUND) == NOTHING
