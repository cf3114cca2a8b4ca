"""What a report is made of, apart from any output format: sections of text, tables and figures.

All strings here are plain text; whoever renders them escapes them.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

Align = Literal["text", "number"]
Outcome = Literal["PASS", "WARN", "FAIL"]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What is shown.
        value: The number behind it in full precision, where the cell stands for one.
        note: Small print below the text.
        mark: Letter of a footnote.
        strong: Whether it stands out.
        shade: 0 to 1, how deeply the cell is coloured (confusion matrices).
    """

    text: str
    value: float | None = None
    note: str = ""
    mark: str = ""
    strong: bool = False
    shade: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: its header and its cells.

    Attributes:
        header: First cell.
        cells: The others.
        level: 1 for a row that belongs to the one above it, such as a level of a category.
    """

    header: Cell
    cells: Sequence[Cell]
    level: int = 0


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with one header row and a header in each row.

    Attributes:
        name: Names the table for links and tests, unique in a report.
        caption: A sentence that can stand in a paper.
        columns: Header of each column, the row headers' first.
        rows: The rows.
        notes: Footnotes.
        align: How the cells besides the row headers are set.
        over: Header above the columns but the first, for instance "Predicted class".
        wide: Whether a table with such a header takes the whole width, however few its columns.
    """

    kind: ClassVar[str] = "table"
    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    align: Align = "number"
    over: str = ""
    wide: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """One plot of a figure.

    Attributes:
        title: Short title above the plot.
        plot: Plotly figure: data and layout.
        alt: What the plot shows, for those who cannot see it.
        shape: Its proportions.
    """

    title: str
    plot: dict[str, Any]
    alt: str
    shape: Literal["square", "wide", "tall"] = "wide"


@dataclasses.dataclass(frozen=True)
class Figure:
    """One or more plots with one caption."""

    kind: ClassVar[str] = "figure"
    name: str
    caption: str
    panels: Sequence[Panel]


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image with a line below it.

    Attributes:
        png: Content of a PNG file.
        title: The line.
        alt: What it shows, for those who cannot see it.
    """

    png: bytes
    title: str
    alt: str

    @property
    def source(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Pictures side by side with one caption."""

    kind: ClassVar[str] = "gallery"
    name: str
    caption: str
    pictures: Sequence[Picture]


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """Running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclasses.dataclass(frozen=True)
class Missing:
    """Says that something is not there and why."""

    kind: ClassVar[str] = "missing"
    text: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """One outcome of a check."""

    outcome: Outcome
    name: str
    message: str


@dataclasses.dataclass(frozen=True)
class Findings:
    """Outcomes of checks; those that passed are folded."""

    kind: ClassVar[str] = "findings"
    open: Sequence[Finding]
    folded: Sequence[Finding]


@dataclasses.dataclass(frozen=True)
class FlowBox:
    """One box of a flow diagram: a title, a count, further lines."""

    title: str
    count: str = ""
    lines: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Flow:
    """Rows from the table to the splits."""

    kind: ClassVar[str] = "flow"
    caption: str
    start: FlowBox
    excluded: FlowBox
    analysed: FlowBox
    splits: Sequence[FlowBox]


@dataclasses.dataclass(frozen=True)
class Listing:
    """Text with its line breaks, folded under a title."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class KeyNumber:
    """A number to read first."""

    label: str
    text: str
    note: str
    value: float | None = None


Block = Table | Figure | Gallery | Paragraph | Missing | Findings | Flow | Listing | Facts


@dataclasses.dataclass(frozen=True)
class Section:
    """A titled part of the report."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclasses.dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: The experiment's name.
        state: State of the run, for instance "finished".
        facts: Line below the title.
        summary: One or two sentences.
        alert: What the reader must know before anything else, such as a failed run.
        numbers: Numbers to read first.
        sections: The parts, in order.
        kind: What it is a report of.
    """

    title: str
    state: str
    facts: Sequence[str]
    summary: str
    alert: str
    numbers: Sequence[KeyNumber]
    sections: Sequence[Section]
    kind: str = "Model report"
