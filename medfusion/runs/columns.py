"""Long event files read by column: a million steps in about a second, the kernel left free."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medfusion.runs import events

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfusion.runs.events import Event

LONG_BYTES = 8 << 20
"""From this size on (about 50 000 steps) columns are read at once rather than line by line."""


class Columns(NamedTuple):
    """The events of a long file.

    Attributes:
        step: Steps of the step events that stand, int64 [n]: what a resumed run did anew is gone.
        values: Their values by name, float64 [n], NaN where there is none.
        others: All other events, in order.
        seq: Number of the last event.
        offset: Bytes that were read: up to the last whole line.
    """

    step: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    others: list[Event]
    seq: int
    offset: int


def read(folder: Path, names: tuple[str, ...]) -> Columns | None:
    """Read a long file by column; None where it is short, or damaged, and read by line as ever.

    Args:
        folder: The run folder.
        names: Values of the step events that are wanted.
    """
    path = folder / events.FILE
    if not path.is_file() or path.stat().st_size < LONG_BYTES:
        return None
    import pyarrow as pa
    from pyarrow import compute
    from pyarrow import json as arrow_json

    content = path.read_bytes()
    complete = content.rfind(b"\n") + 1
    schema = pa.schema(
        [("seq", pa.int64()), ("kind", pa.string()), ("step", pa.int64())]
        + [(name, pa.float64()) for name in names]
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
            return None
    except (pa.ArrowInvalid, ValueError):
        return None
    ends = np.flatnonzero(np.frombuffer(content, np.uint8, complete) == ord("\n"))
    if len(ends) != len(table):  # blank lines: rows and lines do not match
        return None
    rows = np.flatnonzero(compute.not_equal(table["kind"], "step").to_numpy())
    starts = np.concatenate([[0], ends + 1])
    others = [json.loads(content[starts[row] : ends[row]]) for row in rows]
    step = steps["step"].to_numpy()
    keep = _standing(step, steps["seq"].to_numpy(), others)
    values = {name: steps[name].to_numpy()[keep] for name in names}
    return Columns(step[keep], values, others, int(seq[-1]), complete)


def _standing(
    step: NDArray[np.int64], seq: NDArray[np.int64], others: list[Any]
) -> NDArray[np.bool_]:
    """Return which steps were not done anew by a resumed run."""
    keep = np.ones(len(step), dtype=bool)
    for event in others:
        if event["kind"] == "resume":
            keep &= (seq > event["seq"]) | (step <= event["step"])
    return keep
