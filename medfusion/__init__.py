"""MedFusion: multimodal medical deep learning in JupyterLab.

Example:
    >>> import medfusion as mf
    >>> exp = mf.Experiment.from_yaml("skin.yaml")  # doctest: +SKIP
    >>> run = mf.train(exp)  # doctest: +SKIP
    >>> run.wait().metrics["test"]["auc"]  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfusion.api import Comparison as Comparison
    from medfusion.api import Run as Run
    from medfusion.api import compare as compare
    from medfusion.api import compare_modalities as compare_modalities
    from medfusion.api import load_version as load_version
    from medfusion.api import train as train
    from medfusion.api import watch as watch
    from medfusion.magics import load_ipython_extension as load_ipython_extension
    from medfusion.magics import unload_ipython_extension as unload_ipython_extension
    from medfusion.spec import Experiment as Experiment
    from medfusion.widgets.builder import Builder as Builder
    from medfusion.widgets.data_browser import DataBrowser as DataBrowser
    from medfusion.widgets.label_review import LabelReview as LabelReview
    from medfusion.widgets.runs_table import RunsTable as RunsTable
    from medfusion.widgets.workflow_editor import WorkflowEditor as WorkflowEditor
    from medfusion.workflow import Workflow as Workflow

__all__ = [
    "Builder",
    "Comparison",
    "DataBrowser",
    "Experiment",
    "LabelReview",
    "Run",
    "RunsTable",
    "Workflow",
    "WorkflowEditor",
    "__version__",
    "compare",
    "compare_modalities",
    "load_version",
    "train",
    "watch",
]
__version__ = "0.1.0"

# Public names come from their modules when they are asked for (PEP 562): importing MedFusion is
# instant, and nobody waits for torch who does not train.
_HOMES = {
    "Builder": "medfusion.widgets.builder",
    "Comparison": "medfusion.api",
    "DataBrowser": "medfusion.widgets.data_browser",
    "Experiment": "medfusion.spec",
    "LabelReview": "medfusion.widgets.label_review",
    "Run": "medfusion.api",
    "Workflow": "medfusion.workflow",
    "WorkflowEditor": "medfusion.widgets.workflow_editor",
    "RunsTable": "medfusion.widgets.runs_table",
    "compare": "medfusion.api",
    "compare_modalities": "medfusion.api",
    "load_version": "medfusion.api",
    "train": "medfusion.api",
    "watch": "medfusion.api",
    "load_ipython_extension": "medfusion.magics",
    "unload_ipython_extension": "medfusion.magics",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
