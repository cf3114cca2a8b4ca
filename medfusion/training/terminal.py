"""Progress on a terminal: a bar with the time left, or one line an epoch where there is none."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from medfusion.training.callbacks import Callback, EpochReport, StepReport

WORTH_TELLING = 0.05
"""Share of the time waited for data from which on it is shown."""


class TerminalProgress(Callback):
    """Shows training on standard error; standard output stays free for results."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._total_epochs = 0

    def on_train_begin(self, engine: Any) -> None:
        """Draw the bar."""
        self._total_epochs = engine.settings.epochs
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=engine.steps_per_epoch * engine.settings.epochs,
                initial=engine.progress.step,
                unit="step",
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} steps, "
                "{elapsed} gone, {remaining} left{postfix}",
            )

    def on_step_end(self, engine: Any, report: StepReport) -> None:  # noqa: ARG002
        """Move the bar."""
        if self._bar is not None:
            self._bar.set_description_str(
                f"epoch {report.epoch}/{self._total_epochs}", refresh=False
            )
            self._bar.set_postfix_str(f"loss {report.loss:.3f}", refresh=False)
            self._bar.update()

    def on_epoch_end(self, engine: Any, report: EpochReport) -> None:
        """Print the epoch's line."""
        shown = dict.fromkeys(("train/loss", "val/loss", engine.monitor))
        values = "  ".join(f"{n} {report.metrics[n]:.3f}" for n in shown if n in report.metrics)
        mark = "  (best)" if report.best else ""
        if report.data_wait >= WORTH_TELLING:
            mark = f"  ({report.data_wait:.0%} of it waiting for data){mark}"
        line = (
            f"epoch {report.epoch:>3}/{self._total_epochs}  {values}  {report.seconds:.1f} s{mark}"
        )
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal

    def on_train_end(self, engine: Any) -> None:  # noqa: ARG002
        """Leave the bar where it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
