import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def texts(cell):
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield "".join(output.get("data", {}).get("text/plain", ""))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def run_in(work, path, monkeypatch, private):
    """Run a notebook in a folder of its own and return it with its outputs."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(private / name))
    work.mkdir()
    shutil.copy(path, work)
    notebook = nbformat.read(work / path.name, as_version=4)
    NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(work)}}
    ).execute()
    return notebook


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_quickstart_ends_with_a_reported_model(tmp_path, monkeypatch):
    work = tmp_path / "work"
    notebook = run_in(work, ROOT / "notebooks" / "01_quickstart.ipynb", monkeypatch, tmp_path)
    shown = "\n".join(text for cell in notebook.cells for text in texts(cell))
    assert "Test AUC" in shown
    run = next((work / "quickstart" / "runs").iterdir())
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    auc = json.loads((run / "metrics.json").read_text())["test"]["auc"]
    assert auc["ci"][0] < auc["value"] < auc["ci"][1]
    assert auc["value"] > 0.6  # it learns; the phantom's best is 0.91
    assert (work / "quickstart" / "report.html").stat().st_size > 100_000


def test_the_notebook_without_code_shows_the_builder(tmp_path, monkeypatch):
    notebook = run_in(
        tmp_path / "work", ROOT / "notebooks" / "02_no_code.ipynb", monkeypatch, tmp_path
    )
    [cell] = [cell for cell in notebook.cells if cell.cell_type == "code"]
    [output] = cell.outputs
    assert "application/vnd.jupyter.widget-view+json" in output["data"]
    assert "Builder(" in output["data"]["text/plain"]
