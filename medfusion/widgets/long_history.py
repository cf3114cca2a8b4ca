"""The history of a run with very many steps, read by column in about a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medfusion.runs import events
from medfusion.runs.events import EventReader
from medfusion.runs.history import Curve, History

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONG_BYTES = 8 << 20
"""From this size on (about 50 000 steps) columns are read at once rather than line by line."""

SAMPLES = 300
SAMPLE_BYTES = 1024


class _Tail(EventReader):
    """Reads on from a place in the file."""

    def __init__(self, folder: Path, offset: int, seq: int) -> None:
        super().__init__(folder)
        self._offset = offset
        self._seq = seq


class LongHistory(History):
    """A `History` whose first reading of a long file is quick and does not hold the kernel up.

    A million steps take about a second in place of a dozen. A file with damaged lines is read line
    by line as ever.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder
        self._opened = False

    def update(self) -> bool:
        """Read what was appended since the last call; return whether there was anything."""
        if not self._opened:
            self._opened = True
            path = self._folder / events.FILE
            if path.is_file() and path.stat().st_size >= LONG_BYTES and self._read_columns(path):
                return True
        return super().update()

    def _read_columns(self, path: Path) -> bool:
        import pyarrow as pa
        from pyarrow import compute
        from pyarrow import json as arrow_json

        content = path.read_bytes()
        complete = content.rfind(b"\n") + 1
        names = ("step", *self.STEP_VALUES)
        schema = pa.schema(
            [("seq", pa.int64()), ("kind", pa.string())]
            + [(name, pa.int64() if name == "step" else pa.float64()) for name in names]
        )
        try:
            table = arrow_json.read_json(
                pa.BufferReader(memoryview(content)[:complete]),
                read_options=arrow_json.ReadOptions(block_size=4 << 20),
                parse_options=arrow_json.ParseOptions(
                    explicit_schema=schema, unexpected_field_behavior="ignore"
                ),
            )
            seq = table["seq"].to_numpy()
            steps = table.filter(compute.equal(table["kind"], "step"))
            if not np.all(np.diff(seq) > 0) or steps["step"].null_count:
                return False
        except (pa.ArrowInvalid, ValueError):
            return False
        ends = np.flatnonzero(np.frombuffer(content, np.uint8, complete) == ord("\n"))
        if len(ends) != len(table):  # blank lines: rows and lines do not match
            return False
        rows = np.flatnonzero(compute.not_equal(table["kind"], "step").to_numpy())
        starts = np.concatenate([[0], ends + 1])
        others = [json.loads(content[starts[row] : ends[row]]) for row in rows]
        self._fill(others, steps["seq"].to_numpy(), steps)
        self._reader = _Tail(self._folder, complete, int(seq[-1]))
        return True

    def _fill(self, others: list[Any], seq: NDArray[np.int64], steps: Any) -> None:
        for event in others:
            self._fold(event)
        step = steps["step"].to_numpy()
        keep = np.ones(len(step), dtype=bool)
        for event in others:
            if event["kind"] == "resume":
                keep &= (seq > event["seq"]) | (step <= event["step"])
        for name in self.STEP_VALUES:
            value = steps[name].to_numpy()
            good = keep & np.isfinite(value)
            if good.any():
                self.curves[f"step/{name}"] = Curve(step[good].tolist(), value[good].tolist())


def sample(folder: Path) -> dict[str, Curve]:
    """Return a coarse sketch of the curves of the steps: a few lines from many places of the file.

    Takes a tenth of a second whatever the file's length.
    """
    path = folder / events.FILE
    found: dict[int, dict[str, Any]] = {}
    with path.open("rb") as file:
        size = file.seek(0, 2)
        for place in np.linspace(0, max(0, size - SAMPLE_BYTES), SAMPLES).astype(int):
            file.seek(place)
            for line in file.read(SAMPLE_BYTES).split(b"\n")[1:-1]:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict) and isinstance(event.get("step"), int):
                    found[event["step"]] = event
    curves = {}
    for name in History.STEP_VALUES:
        pairs = [(step, found[step].get(name)) for step in sorted(found)]
        good = [(step, value) for step, value in pairs if isinstance(value, (int, float))]
        curves[f"step/{name}"] = Curve([step for step, _ in good], [value for _, value in good])
    return curves
