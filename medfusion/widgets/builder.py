"""The no-code door: an experiment by forms, every click of which is YAML and Python as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from medfusion.errors import InputError
from medfusion.runs import RunFolder, atomic, list_runs, process
from medfusion.spec import Draft, Experiment, text
from medfusion.widgets import plotly_library
from medfusion.widgets.data_desk import DataDesk
from medfusion.widgets.draft_file import name_after
from medfusion.widgets.draft_panel import DraftPanel, word
from medfusion.widgets.model_desk import ModelDesk
from medfusion.widgets.panel import Panel, answers
from medfusion.widgets.run_panel import RunPanel

PRACTICE = "practice-data"
"""Folder of the generated patients, beside the experiment."""

QUICK = {
    ("model", "image"): {"kind": "timm", "name": "resnet10t"},
    ("training",): {"epochs": 8, "optimizer": {"kind": "adamw", "lr": 0.002}},
}
"""What practice is done with: a minute on a laptop."""

RUNS = "runs"
"""Folder of the runs, beside the experiment."""

NEW = "experiment"
"""Name of the draft of an experiment that has no name yet."""


class Builder(DraftPanel):
    """Builds an experiment by forms; no code is needed, and all of it is shown.

    The panel's state is a draft of the experiment (`Draft`), kept on disk after every step: a
    kernel started anew or a page loaded again goes on where it was, steps back included. What it
    trains lies in the folder `runs` beside the experiment; opened again, it shows the latest run.

    Args:
        experiment: Where to start: an Experiment, the path of its YAML, or nothing. A path is also
            where `save` writes.
        name: Name of the draft; by default that of the file or of the experiment. Whoever opens the
            same name in the same folder goes on with the same draft.
        folder: Folder from which relative paths start; by default that of the file, else the
            working directory.

    Raises:
        SpecError: The file is missing or not YAML, or the name cannot be a file's.
        TypeError: An argument that the builder does not have.

    Example:
        >>> builder = Builder("skin.yaml")  # doctest: +SKIP
        >>> builder.experiment.hash  # doctest: +SKIP
    """

    library = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )

    def __init__(
        self,
        experiment: Experiment | str | Path | None = None,
        *,
        name: str | None = None,
        folder: str | Path | None = None,
        **arguments: Any,
    ) -> None:
        self._path: Path | None = None
        self._run: RunPanel | None = None
        self._table: Panel | None = None
        given: Draft | None = None
        if isinstance(experiment, Experiment):
            given, name = Draft.of(experiment), name or experiment.name
        elif experiment is not None:
            self._path = Path(experiment)
            content = text.read_file(self._path)
            given = Draft.from_yaml_text(content, folder=self._path.resolve().parent)
            name = name or name_after(self._path)
        if folder is not None and given is not None:
            given = Draft(given.document, folder=folder)
        super().__init__(
            "builder",
            ["experiment", "name", "folder"],
            given=given,
            name=name or NEW,
            folder=Path(folder or (Path.cwd() if given is None else given.folder)),
            **arguments,
        )
        self.set_trait("library", plotly_library.found())
        self._data = DataDesk(self)
        self.attach(self._data)
        self.attach(ModelDesk(self))
        self._show_file()
        self._attach()

    @answers
    def practice(self) -> None:
        """Take generated patients as data, written below the folder where they are not yet."""
        folder = self.draft.folder / PRACTICE
        table = folder / "table.csv"
        if not table.is_file():
            from medfusion.data.phantom import write_phantom

            write_phantom(folder, subjects=300, size=48, seed=1)
        self._data.data_open(f"{PRACTICE}/{table.name}")
        for path, value in QUICK.items():
            self.draft.set(path, value)
        self.changed()

    @answers
    def train(self) -> dict[str, Any]:
        """Train what was built, in a process of its own, and show the run."""
        run = RunFolder.create(self.experiment, self._runs)
        process.start(run.path)
        self._show_run(run)
        return {"name": run.name}

    @answers
    def runs_page(self) -> None:
        """Show the table of all runs, from its first asking on."""
        if self._table is None:
            from medfusion.widgets.runs_table import RunsTable

            self._table = RunsTable(self._runs)
            self.show_inside(runs=self._table)

    @answers
    def save(self, path: str | None = None) -> dict[str, Any]:
        """Write the YAML to a file, by default the one it was read from."""
        target = self._path if path is None else self._draft.folder / word(path)
        if target is None:
            msg = "say where to save: a name that ends in .yaml"
            raise InputError(msg)
        if target.suffix.lower() not in (".yaml", ".yml"):
            msg = f"{target.name}: an experiment is saved as a .yaml file"
            raise InputError(msg)
        if not target.resolve().is_relative_to(self._draft.folder) and path is not None:
            msg = f"{path}: leaves the folder {self._draft.folder}; save below it"
            raise InputError(msg)
        atomic.write_bytes(target, self.yaml.encode())
        self._path = target
        self._show_file()
        return {"path": str(target)}

    def close(self) -> None:
        """Take the builder and what it shows off the page; runs go on."""
        super().close()
        for panel in filter(None, (self._run, self._table)):
            panel.close()

    @property
    def run(self) -> RunFolder | None:
        """The run that is shown; None where nothing of this name was trained yet."""
        return None if self._run is None else self._run.run

    @property
    def _runs(self) -> Path:
        return self.draft.folder / RUNS

    def _attach(self) -> None:
        """Show the latest run of this name, as when the kernel was started anew."""
        name = self.draft.get(("name",), Experiment.model_fields["name"].default)
        for run in list_runs(self._runs):
            try:
                named = run.experiment.name
            except InputError:  # damaged, or made by a later version
                continue
            if named == name:
                self._show_run(run)
                return

    def _show_run(self, run: RunFolder) -> None:
        before, self._run = self._run, RunPanel(run)
        self.show_inside(run=self._run)
        if before is not None:
            before.close()

    def _show_file(self) -> None:
        self.publish(file=None if self._path is None else str(self._path), widget=self.model_id)

    def __repr__(self) -> str:
        return (
            f"Builder({str(self._path)!r})" if self._path else f"Builder(name={self.draft_name!r})"
        )
