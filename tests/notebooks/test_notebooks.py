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


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(path, work)
    notebook = nbformat.read(work / path.name, as_version=4)
    client = NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(work)}}
    )
    client.execute()
    shown = "\n".join(text for cell in notebook.cells for text in texts(cell))
    assert "Test AUC" in shown
    run = next((work / "quickstart" / "runs").iterdir())
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    auc = json.loads((run / "metrics.json").read_text())["test"]["auc"]
    assert auc["ci"][0] < auc["value"] < auc["ci"][1]
    assert auc["value"] > 0.6  # it learns; the phantom's best is 0.91
    assert (work / "quickstart" / "report.html").stat().st_size > 100_000
