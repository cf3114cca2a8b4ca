"""The label review in a real JupyterLab: by clicks and keys, undone, read back, applied by a run."""

import csv
import json

import pytest

from medfusion.data import Cohort
from medfusion.data.phantom import write_phantom
from medfusion.report import report_html
from medfusion.review import Review
from medfusion.runs import RunFolder, Status
from medfusion.spec import Experiment, override

SHOW = "import medfusion as mf\nreview = mf.LabelReview({path})\nreview"
MARKUP = "read again <b>twice</b>"
DECISIONS = (
    "print([(one.id, one.action, one.given, one.to, one.reason) for one in "
    "review.review.decisions.standing.values()])"
)
REACTION = """async (place) => {
  const row = document.querySelectorAll('.mf-suspect')[place];
  const start = performance.now();
  row.click();
  while (row.getAttribute('aria-selected') !== 'true'
         || document.querySelector('.mf-case h4').textContent !== row.querySelector('b').textContent) {
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - start;
}"""


@pytest.fixture
def reviewed(work):
    """Make a run over a phantom that contradicts eight labels: reviewed(folder) -> (run, ids)."""
    return lambda name: _reviewed(work / name)


def _reviewed(folder):
    write_phantom(folder, subjects=120, size=32, seed=8)
    changes = [
        "model.image={kind: timm, name: test_resnet}",
        "model.fusion={kind: gated, dim: 16}",
        "training={epochs: 1, batch_size: 32, threads: 1}",
        "evaluation={bootstrap: 100}",
    ]
    experiment = override.apply(Experiment.from_yaml(folder / "experiment.yaml"), changes)
    run = RunFolder.create(experiment, folder / "runs")
    cohort = Cohort.load(run.experiment)
    wrong = [cohort.ids[row] for row in range(5, 120, 15)]
    with (run.path / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "target", "prob_0", "prob_1"])
        for row, name in enumerate(cohort.ids):
            label = int(cohort.target[row])
            said = 1 - label if name in wrong else label
            sure = 0.9 + 0.001 * (len(wrong) - wrong.index(name)) if name in wrong else 0.9
            p = sure if said else 1 - sure
            writer.writerow([name, cohort.split[row], label, 1 - p, p])
    Status(state="finished").write(run.path)
    return run, wrong


def wait_chosen(lab, name):
    lab.page.locator(".mf-case h4", has_text=name).wait_for()


def wait_done(lab, place, word):
    lab.page.locator(".mf-suspect").nth(place).locator(".mf-did", has_text=word).wait_for()


def test_labels_are_corrected_by_clicks_and_keys_and_taken_back(lab, reviewed, quoted, work):
    run, wrong = reviewed("review")
    lab.open("review.ipynb", SHOW.format(path=quoted(run.path.relative_to(work))))
    lab.run_all()
    lab.page.get_by_text("0 of 8 suspects reviewed").wait_for()
    names = lab.page.locator(".mf-suspect b").all_text_contents()
    assert names == wrong
    lab.page.wait_for_function("document.querySelectorAll('.mf-thumb img').length === 8")
    lab.page.wait_for_function(
        "document.querySelector('.mf-images img')?.naturalWidth === 32"
    )  # the picture of the case itself, decoded
    times = [lab.page.evaluate(REACTION, place) for place in range(8)]
    assert sorted(times)[4] < 150, times

    # By click, with a note; then by keys, the next case being chosen each time.
    lab.page.locator(".mf-suspect").first.click()
    wait_chosen(lab, wrong[0])
    lab.page.get_by_label("Note, kept with the decision").fill(MARKUP)
    lab.page.locator(".mf-case").get_by_role("button", name="Relabel").click()
    wait_done(lab, 0, "now")
    wait_chosen(lab, wrong[1])
    lab.page.locator(".mf-list").focus()
    lab.page.keyboard.press("e")
    wait_done(lab, 1, "excluded")
    wait_chosen(lab, wrong[2])
    lab.page.keyboard.press("f")
    wait_done(lab, 2, "flagged")
    wait_chosen(lab, wrong[3])
    lab.page.keyboard.press("k")
    wait_done(lab, 3, "kept")
    wait_chosen(lab, wrong[4])
    lab.page.get_by_text("4 of 8 suspects reviewed · Relabel 1 · Exclude 1").wait_for()
    lab.picture("review_light")
    lab.theme("JupyterLab Dark")
    lab.picture("review_dark")
    lab.theme("JupyterLab Light")
    lab.page.set_viewport_size({"width": 600, "height": 1300})
    lab.page.wait_for_timeout(400)
    lab.picture("review_narrow")
    lab.page.set_viewport_size({"width": 1360, "height": 1000})

    # Back by key and by button, and once more forth; the notebook's own keys stay out of it.
    lab.page.locator(".mf-list").focus()
    lab.page.keyboard.press("Control+z")
    lab.page.get_by_text("3 of 8 suspects reviewed").wait_for()
    wait_chosen(lab, wrong[3])
    lab.page.locator(".mf-review").get_by_role("button", name="Undo").click()
    lab.page.get_by_text("2 of 8 suspects reviewed").wait_for()
    wait_chosen(lab, wrong[2])
    lab.page.locator(".mf-review").get_by_role("button", name="Redo").click()
    wait_done(lab, 2, "flagged")
    assert lab.page.locator(".jp-Notebook .jp-Cell").count() == 1
    lab.page.locator(".mf-list").focus()
    lab.page.keyboard.press("Home")
    wait_chosen(lab, wrong[0])
    lab.page.keyboard.press("ArrowDown")
    wait_chosen(lab, wrong[1])

    given = {row["id"]: row["target"] for row in run.predictions}
    other = {"0": "1", "1": "0"}
    expected = [
        (wrong[0], "relabel", given[wrong[0]], other[given[wrong[0]]], MARKUP),
        (wrong[1], "exclude", given[wrong[1]], given[wrong[1]], ""),
        (wrong[2], "flag", given[wrong[2]], given[wrong[2]], ""),
    ]
    assert lab.kernel(DECISIONS) == str(expected)
    journal = run.path.parents[1] / "table.corrections.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line.get("action") for line in lines[1:]] == [
        "relabel", "exclude", "flag", "keep", "undo", "undo", "redo"
    ]  # fmt: skip


@pytest.mark.timeout(240)
def test_another_day_the_next_run_knows_what_was_decided(lab, reviewed, quoted, work):
    run, wrong = reviewed("later")
    table = run.path.parents[1] / "table.csv"
    before = table.read_bytes()
    given = {row["id"]: row["target"] for row in run.predictions}
    review = Review(run)
    review.decide("relabel", wrong[0], reason=MARKUP)
    review.decide("exclude", wrong[1])
    lab.open("later.ipynb", SHOW.format(path=quoted(run.path.relative_to(work))))
    lab.run_all()
    lab.page.get_by_text("2 of 8 suspects reviewed").wait_for()
    assert lab.kernel(DECISIONS).count(MARKUP) == 1
    assert lab.page.locator(".mf-review b b, .mf-review script").count() == 0
    lab.page.get_by_role("button", name="Train with corrections").click()
    lab.page.locator(".mf-inner .mf-badge[role=status]").wait_for(timeout=60_000)
    wait = "from medfusion.runs import process; print(process.wait(review.run.path, 90).state)"
    assert lab.kernel(wait) == "finished"
    trained = RunFolder(lab.kernel("print(review.run.path)"))
    said = {row["id"]: row["target"] for row in trained.predictions}
    assert said[wrong[0]] == {"0": "1", "1": "0"}[given[wrong[0]]]
    assert wrong[1] not in said
    assert len(said) == 119
    assert "1 label was corrected and 1 row left out" in report_html(trained)
    assert table.read_bytes() == before
