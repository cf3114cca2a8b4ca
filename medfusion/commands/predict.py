"""`medfusion predict`: predictions of a trained run for a new table."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from medfusion.commands.outcome import Outcome
from medfusion.errors import InputError
from medfusion.runs import atomic
from medfusion.runs.versions import find_run


def execute(arguments: argparse.Namespace) -> Outcome:
    """Write the predictions as CSV or Parquet.

    Raises:
        InputError: The file's ending is neither, or the run or the table do not allow it.
    """
    out = Path(arguments.out)
    if out.suffix not in (".csv", ".parquet"):
        msg = f"{out}: write to a file that ends in .csv or .parquet"
        raise InputError(msg)
    run = find_run(arguments.run)
    from medfusion.training.prediction import predict, prediction_frame, prediction_table

    masks = None if arguments.masks is None else Path(arguments.masks)
    ids, predictions, task = predict(run, arguments.table, masks)
    header, rows = prediction_table(ids, predictions, task)
    if out.suffix == ".parquet":
        frame = prediction_frame(ids, predictions, task)
        atomic.write(out, lambda part: frame.to_parquet(part, index=False))
    else:

        def fill(part: Path) -> None:
            with part.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([header, *rows])

        atomic.write(out, fill)
    where = {} if masks is None else {"masks": str(masks)}
    return Outcome(
        text=f"{out}: {len(ids)} predictions" + (f", masks in {masks}" if masks else ""),
        document={"run": str(run.path), "out": str(out), "rows": len(ids), "columns": header}
        | where,
        run=run.path,
        path=out,
    )
