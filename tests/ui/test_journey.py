"""The whole way in the builder, by clicks: table, roles, model, training, stop, resume, report."""

import shutil

import pytest

from medfusion import Experiment
from medfusion.runs import RunFolder

OPEN = "import medfusion as mf\nbuilder = mf.Builder(folder={folder!r})\nbuilder"


def page_of(lab, name):
    lab.page.get_by_role("tab", name=name).first.click()


def shown_run(lab):
    return RunFolder(lab.kernel("print(builder.run.path)"))


def trained(lab):
    """Press Train on the page Review, and return the run once it works."""
    before = lab.kernel("print(builder.run)")
    page_of(lab, "Review")
    lab.page.get_by_text("Nothing is missing or wrong.").wait_for()
    lab.page.get_by_role("button", name="Train", exact=True).click()
    lab.page.get_by_role("tab", name="Runs", exact=True, selected=True).wait_for()
    assert lab.kernel("print(builder.run)") != before
    wait_run(lab, "running", timeout=90_000)
    return shown_run(lab)


def run_button(lab, name):
    """A button of the run's panel; the table of runs below it has such buttons, too."""
    controls = lab.page.locator(".mf-inner .mf-controls").first
    return controls.get_by_role("button", name=name, exact=True)


def wait_run(lab, word, timeout=60_000):
    """Wait for the state of the run that is shown; the table below it has those of others."""
    shown = lab.page.locator(".mf-inner").first
    shown.locator(".mf-badge", has_text=word).first.wait_for(timeout=timeout)


def stop(lab):
    """Press Stop, and once more as it asks."""
    run_button(lab, "Stop").click()
    run_button(lab, "Stop now?").click()
    wait_run(lab, "stopped", timeout=60_000)


def settings(lab, epochs):
    page_of(lab, "Training")
    field = lab.page.locator('[data-path="training.epochs"] input')
    field.fill(str(epochs))
    lab.page.locator("pre[aria-label=YAML]").filter(has_text=f"epochs: {epochs}").wait_for()


def every_page(lab):
    """Take pictures of the pages, in both themes."""
    for theme, word in (("JupyterLab Dark", "dark"), ("JupyterLab Light", "light")):
        lab.theme(theme)
        for name in ("Data", "Model", "Training", "Evaluation", "Review", "Runs"):
            page_of(lab, name)
            lab.picture(f"builder_{name.lower()}_{word}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("data", ["phantom", "skin_ham"])
def test_from_a_table_to_the_report_of_two_compared_runs(lab, work, data, shared_data):
    page = lab.page
    folder = work / f"journey-{data}"
    folder.mkdir()
    if data == "skin_ham":
        shutil.copytree(shared_data / "skin_ham", folder / "skin")
    lab.open(f"journey-{data}.ipynb", OPEN.format(folder=folder.name))
    lab.run_all()
    if data == "phantom":
        page.get_by_role("button", name="Use practice data").click()
        target, spare = "malignant", "bmi"
    else:
        page.locator(".mf-table-choice > select").select_option("skin/metadata.csv")
        target, spare = "malignant", "localization"
    role = page.locator(f'.mf-roles-line[data-column="{spare}"] select')
    role.wait_for()
    assert page.locator(f'.mf-roles-line[data-column="{target}"] select').input_value() == "target"
    role.select_option("unused")
    yaml = page.locator("pre[aria-label=YAML]")
    page.wait_for_function(
        "name => !document.querySelector('pre[aria-label=YAML]').textContent.includes(name)",
        arg=spare,
    )
    page_of(lab, "Model")
    page.get_by_label("Search", exact=True).fill("resnet10t")
    page.locator(".mf-grid-hint button").click()  # any name of timm's may be typed
    yaml.filter(has_text="resnet10t").wait_for(state="attached")

    # Trained, the page and the kernel lost on the way, stopped, resumed.
    settings(lab, 30)
    first = trained(lab)
    lab.reopen(f"journey-{data}.ipynb")
    lab.wait_idle()
    lab.run_cell(0)
    page_of(lab, "Runs")
    wait_run(lab, "running")
    assert shown_run(lab).path == first.path
    stop(lab)
    assert first.status.state == "stopped"
    epochs_before = first.status.epoch
    run_button(lab, "Resume").click()
    wait_run(lab, "running", timeout=60_000)
    stop(lab)
    assert first.status.epoch >= epochs_before

    # Two runs to the end, of two fusions, compared.
    settings(lab, 2)
    runs = []
    for fusion in ("gated", "film"):
        page_of(lab, "Model")
        page.locator('select[data-family="fusion"]').select_option(fusion)
        yaml.filter(has_text=f"kind: {fusion}").wait_for(state="attached")
        runs.append(trained(lab))
        wait_run(lab, "finished", timeout=180_000)
    said = [run.experiment.model.fusion.kind for run in runs]
    assert said == ["gated", "film"]
    for run in runs:
        row = page.locator(".mf-grid-row", has_text=run.name)
        row.get_by_role("checkbox").click()
    page.locator(".mf-cmp-differences li").wait_for()
    assert "AUC" in page.locator(".mf-cmp-differences li").first.inner_text()

    # The Python that the page prints, elsewhere, is the experiment that was trained.
    code = lab.kernel("print(builder.code)")
    names = {}
    exec(code, names)
    assert isinstance(names["exp"], Experiment)
    assert names["exp"].hash == runs[1].environment["experiment_hash"]

    if data == "phantom":
        every_page(lab)
        page_of(lab, "Runs")

    # The report.
    page.locator(".mf-grid-row", has_text=runs[1].name).click()
    page.get_by_role("button", name="Report", exact=True).click()
    link = page.get_by_role("link", name="Open the report")
    link.wait_for(timeout=90_000)
    with page.expect_popup() as opened:
        link.click()
    opened.value.get_by_role("heading", name="experiment", exact=True).wait_for()
    opened.value.close()
