"""The data browser: a table chosen, its columns understood, its images and findings looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from medfusion.spec import Draft, text
from medfusion.widgets import plotly_library
from medfusion.widgets.data_desk import DataDesk
from medfusion.widgets.draft_file import name_after
from medfusion.widgets.draft_panel import DraftPanel

NEW = "data"
"""Name of the draft of a browser that was given no file."""


class DataBrowser(DraftPanel):
    """Chooses a table, says what its columns are, and shows what is in it.

    What a person decides becomes the `data` part of an experiment: a draft as in `Builder`, kept on
    disk after every step, and shown as YAML. No code is needed.

    Args:
        source: A table, the path of an experiment's YAML, or nothing: then the page asks.
        name: Name of the draft; by default that of the file. A `Builder` of the same name in the
            same folder goes on with the same draft.
        folder: Folder below which tables are offered; by default the working directory, for a
            YAML its own.

    Raises:
        SpecError: The YAML cannot be read.
        TableError: The table cannot be read.
        TypeError: An argument that the browser does not have.

    Example:
        >>> browser = DataBrowser("skin.csv")  # doctest: +SKIP
        >>> browser.draft.get(("data", "target"))  # doctest: +SKIP
        {'kind': 'binary', 'column': 'malignant'}
    """

    library = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )

    def __init__(
        self,
        source: str | Path | None = None,
        *,
        name: str | None = None,
        folder: str | Path | None = None,
        **arguments: Any,
    ) -> None:
        path = None if source is None else Path(source)
        given: Draft | None = None
        if path is not None and path.suffix.lower() in (".yaml", ".yml"):
            given = Draft.from_yaml_text(
                text.read_file(path), folder=folder or path.resolve().parent
            )
        super().__init__(
            "data_browser",
            ["source", "name", "folder"],
            given=given,
            name=name or (NEW if path is None else name_after(path)),
            folder=Path(folder or (Path.cwd() if given is None else given.folder)),
            **arguments,
        )
        self.set_trait("library", plotly_library.found())
        self._source = path
        self.desk = DataDesk(self)
        self.attach(self.desk)
        if path is not None and given is None:
            self._open(path)

    def _open(self, path: Path) -> None:
        """Open a table, unless the draft that was left is of this table."""
        target = path.resolve()
        said = self.draft.get(("data", "table"))
        if isinstance(said, str) and (self.draft.folder / said).resolve() == target:
            return
        self.desk.data_open(str(target), typed=True)

    def __repr__(self) -> str:
        return (
            f"DataBrowser({str(self._source)!r})"
            if self._source
            else f"DataBrowser(name={self.draft_name!r})"
        )
