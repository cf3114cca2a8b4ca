"""The table of runs in a real JupyterLab: by clicks alone, and what is clicked is in the folders."""

import json
import shutil
import time

import pytest

from medfusion.runs import RunFolder, Status, list_runs, versions

SHOW = "import medfusion as mf\ntable = mf.RunsTable({path})\ntable"
CLASH = "window.hacked = 1"
HOSTILE = f'<img src=x onerror="{CLASH}">${{{CLASH}}}'


@pytest.fixture
def runs(work, judged_run):
    folder = work / "runs"
    shutil.rmtree(folder, ignore_errors=True)
    judged_run(folder, "first", seed=1, noise=0.8)
    judged_run(folder, "second", seed=2, noise=2.5, lr=0.01)
    judged_run(folder, "other", seed=3, n=90)
    stopped = judged_run(folder, "halted", seed=4)
    Status(state="stopped", epoch=2, epochs=5, step=8, steps=20, heartbeat=time.time() + 90).write(
        stopped.path
    )
    RunFolder(stopped.path).annotate(HOSTILE)
    return {run.experiment.name: run for run in list_runs(folder)}


def row(lab, name):
    return lab.page.locator(".mf-grid-row", has_text=name)


def state(lab, code):
    return json.loads(lab.kernel(f"import json; print(json.dumps({code}))"))


@pytest.mark.timeout(240)  # six pictures of the page, and a report by a process of its own
def test_by_clicks_alone(lab, runs, work, quoted):
    lab.open("table.ipynb", SHOW.format(path=quoted(work / "runs")))
    lab.run_all()
    page = lab.page
    row(lab, "first-").wait_for()
    assert page.locator(".mf-grid-row").count() == 4

    # Sorted by the metric, what has none last.
    page.get_by_role("button", name="Test metric").click()
    page.locator('[aria-sort="descending"] >> text=Test metric').wait_for()
    page.wait_for_timeout(300)
    tops = page.eval_on_selector_all(
        ".mf-grid-row", "rows => rows.map(r => [r.style.transform, r.children[1].textContent])"
    )
    by_place = sorted(tops, key=lambda one: int("".join(c for c in one[0] if c.isdigit())))
    assert by_place[0][1].startswith(("first-", "other-", "halted-"))
    assert state(lab, "table.state['order']") == {"by": "metric", "descending": True}

    # Tag, note and a name for the model.
    row(lab, "first-").click()
    page.get_by_label("New tag").fill("best")
    page.get_by_label("New tag").press("Enter")
    page.locator(".mf-chip", has_text="best").wait_for()
    page.get_by_role("textbox", name="Note").fill("for the paper")
    page.get_by_label("Name the model", exact=True).first.fill("skin")
    page.get_by_role("button", name="Name the model").click()
    page.get_by_text("Named: skin@1").wait_for()
    page.locator(".mf-grid-row", has_text="skin@1").wait_for()
    notes = runs["first"].notes
    assert (notes.tags, notes.note) == (("best",), "for the paper")
    assert versions.load("skin@1", work / "runs") == runs["first"]

    # The filter.
    page.get_by_role("searchbox").fill("best")
    page.wait_for_function("document.querySelectorAll('.mf-grid-row').length === 1")
    page.get_by_role("searchbox").fill("")
    page.wait_for_function("document.querySelectorAll('.mf-grid-row').length === 4")

    # Two runs compared.
    row(lab, "first-").get_by_role("checkbox").click()
    row(lab, "second-").get_by_role("checkbox").click()
    page.locator(".mf-cmp-differences li").wait_for()
    said = page.locator(".mf-cmp-differences li").inner_text()
    (found,) = state(lab, "table.answer({'kind': 'ask', 'id': 1, 'name': 'differences', 'values': {}})"
                     "[0]['values']['differences']")  # fmt: skip
    assert f"B \N{MINUS SIGN} A: AUC {found['value']:.3f}" in said
    assert f"(n = {found['n']})" in said
    assert page.locator(".mf-unit svg polyline").count() == 6
    page.get_by_role("row", name="training.optimizer.lr 0.001 0.01").wait_for()
    lab.picture("runs_light")
    page.set_viewport_size({"width": 1360, "height": 1900})
    lab.picture("runs_comparison_light")
    lab.theme("JupyterLab Dark")
    lab.picture("runs_comparison_dark")
    lab.theme("JupyterLab Light")
    page.set_viewport_size({"width": 700, "height": 1900})
    page.wait_for_timeout(500)
    lab.picture("runs_narrow")
    page.set_viewport_size({"width": 1360, "height": 1000})

    # Runs of other cases say why there is no difference.
    row(lab, "first-").get_by_role("checkbox").click()
    row(lab, "other-").get_by_role("checkbox").click()
    page.locator(".mf-cmp-differences li").wait_for()

    # Hostile text is text.
    row(lab, "halted-").click()
    page.get_by_role("heading", name="halted-").wait_for()
    assert page.get_by_role("textbox", name="Note").input_value() == HOSTILE

    # The report, and deletion, which asks once more.
    row(lab, "second-").click()
    page.get_by_role("button", name="Report", exact=True).click()
    link = page.get_by_role("link", name="Open the report")
    link.wait_for(timeout=60_000)
    with page.expect_popup() as opened:
        link.click()
    opened.value.get_by_role("heading", name="second", exact=True).wait_for()
    opened.value.close()
    page.get_by_role("button", name="Delete", exact=True).click()
    assert runs["second"].path.is_dir()
    page.get_by_role("button", name="Delete for good?").click()
    page.wait_for_function("document.querySelectorAll('.mf-grid-row').length === 3")
    assert not runs["second"].path.exists()
    assert page.evaluate("window.hacked") is None
    code = page.locator(".mf-code-lines pre").first.inner_text()
    for line in (".tag('best')", "versions.add('skin'", "mf.compare(", ".delete()"):
        assert line in code

    # A kernel started anew shows the same.
    lab.reopen("table.ipynb")
    lab.wait_idle()
    lab.run_all()
    page.locator(".mf-grid-row", has_text="skin@1").wait_for()
