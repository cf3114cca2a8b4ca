"""The quickstart as a person goes through it, with real training."""

import shutil
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parent.parent.parent / "notebooks" / "01_quickstart.ipynb"


def cell_with(notebook, text):
    return next(i for i, cell in enumerate(notebook.cells) if text in cell.source)


@pytest.mark.timeout(240)
def test_watch_stop_restart_and_come_back(lab, work):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # Long enough to be stopped by hand on any machine.
    experiment = notebook.cells[cell_with(notebook, "%%medfusion --name")]
    assert "epochs: 8" in experiment.source
    experiment.source = experiment.source.replace("epochs: 8", "epochs: 500")
    nbformat.write(notebook, work / NOTEBOOK.name)
    lab.open(NOTEBOOK.name)
    train = cell_with(notebook, "run = mf.train(")
    for index, cell in enumerate(notebook.cells[: train + 1]):
        if cell.cell_type == "code":
            lab.run_cell(index)
            lab.page.wait_for_timeout(100)
            lab.wait_idle()
    lab.wait_state("running", timeout=90_000)
    lab.wait_points(5, timeout=60_000)
    first = lab.points()[0]
    lab.wait_points(first + 5, timeout=60_000)
    lab.picture("quickstart_running")

    stop = lab.page.get_by_role("button", name="Stop")
    stop.click()
    lab.page.get_by_role("button", name="Stop now?").click()
    lab.wait_state("stopped", timeout=60_000)
    path = lab.kernel("print(run.path)")
    steps = int(lab.kernel("print(run.status.step)"))
    assert steps >= first
    assert lab.kernel("import sys; print('torch' in sys.modules)") == "False"

    lab.page.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart().then(() => 1)"
    )
    lab.wait_idle()
    assert lab.kernel("'run' in globals()") == ""
    lab.open("again.ipynb", f"import medfusion as mf\nmf.Run({path!r})")
    lab.run_all()
    lab.wait_state("stopped")
    lab.wait_points(steps)
    assert lab.points()[0] == steps
    lab.picture("quickstart_reattached")
    lab.theme("JupyterLab Dark")
    lab.picture("quickstart_reattached_dark")
    lab.theme("JupyterLab Light")
    shutil.rmtree(work / "quickstart", ignore_errors=True)
