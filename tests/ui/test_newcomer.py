"""From `make lab` to a trained model without a line of code, click by click."""

import shutil
from pathlib import Path

import pytest

from medfusion.runs import RunFolder

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"


class Clicks:
    """Clicks as a person does, and counts them."""

    count = 0

    def __call__(self, what):
        what.click()
        self.count += 1


@pytest.mark.timeout(300)
def test_a_trained_model_in_at_most_twelve_clicks(lab, work):
    (work / "notebooks").mkdir()
    for name in ("01_quickstart.ipynb", "02_no_code.ipynb"):
        shutil.copy(NOTEBOOKS / name, work / "notebooks" / name)
    page, click = lab.page, Clicks()
    lab.open("notebooks/01_quickstart.ipynb")  # what `make lab` opens
    click(page.get_by_role("link", name="the notebook without code"))
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.title.label === '02_no_code.ipynb'"
    )
    lab.wait_idle()
    notebook = page.locator(".jp-NotebookPanel:visible")
    click(notebook.locator(".jp-CodeCell .jp-InputArea-editor"))
    click(
        notebook.locator(
            "[data-command='notebook:run-cell-and-select-next'], [data-jp-item-name='run']"
        ).first
    )
    builder = page.locator(".mf-builder")
    click(builder.get_by_role("button", name="Use practice data"))
    builder.locator("pre[aria-label=YAML]").filter(has_text="malignant").wait_for(state="attached")
    lab.picture("newcomer_data")
    click(builder.get_by_role("tab", name="Review"))
    builder.get_by_text("Nothing is missing or wrong.").wait_for()
    click(builder.get_by_role("button", name="Train", exact=True))
    lab.wait_state("finished", timeout=240_000)
    assert click.count <= 12
    run = RunFolder(lab.kernel("print(builder.run.path)"))
    assert run.metrics["test"]["auc"]["value"] > 0.6  # it learns; the best possible is 0.9
    lab.picture("newcomer_run")
