"""The magics: words of the command line in a notebook, YAML in a cell."""

from __future__ import annotations

import argparse
import keyword
import shlex
from pathlib import Path
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from medfusion.commands import execute, parser
from medfusion.commands.parser import UsageError
from medfusion.errors import InputError
from medfusion.magics import panels
from medfusion.spec import Experiment

DETACHED = ("train", "resume")


@magics_class
class MedFusionMagics(Magics):
    """`%medfusion` and `%%medfusion`."""

    @line_cell_magic
    def medfusion(self, line: str, cell: str | None = None) -> Any:
        """Multimodal medical deep learning: the commands of `medfusion`, and experiments as YAML.

        As a line, the words of the command line; `train` and `resume` return at once, show the live
        panel and give the run; `browse`, `build`, `runs`, `compare`, `review` and `workflow edit` open
        their panels:

            %medfusion
            %medfusion browse skin.csv
            %medfusion build skin.yaml
            %medfusion validate skin.yaml
            %medfusion train skin.yaml --set training.epochs=3
            run = %medfusion train skin.yaml
            %medfusion runs
            %medfusion compare runs/skin-1 runs/skin-2
            %medfusion versions
            %medfusion review runs/skin-1
            %medfusion data inspect series/
            %medfusion report {run.path} --out report.html
            %medfusion workflow edit skin.medfusion
            %medfusion workflow run skin.medfusion

        As a cell, an experiment: checked, summed up, and kept in a variable; --train trains it:

            %%medfusion [--name VARIABLE] [--train] [--runs DIR]
            medfusion: 1
            name: skin
            data:
              ...

        Tab completes commands, options, files and runs, and in a cell keys and kinds;
        `%medfusion VERB --help` tells what a command takes.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            msg = f"%medfusion {line}: {error}"
            raise UsageError(msg) from None
        if cell is not None:
            return self._cell(words, cell)
        return _line(words)

    def _cell(self, words: list[str], cell: str) -> Any:
        options = cell_parser().parse_args(words)
        if not options.name.isidentifier() or keyword.iskeyword(options.name):
            msg = f"--name {options.name}: not a name for a variable"
            raise UsageError(msg)
        # The magic's own line is line 1 of the cell, as the editor counts.
        experiment = Experiment.from_yaml_text("\n" + cell, folder=Path.cwd(), source="cell")
        if self.shell is not None:
            self.shell.user_ns[options.name] = experiment
        if options.train:
            from medfusion.api import train

            return train(experiment, runs=options.runs, show=False)
        print(summary(experiment, options.name))  # noqa: T201 - the cell's output
        return None


def _line(words: list[str]) -> Any:
    verb = words[0] if words else ""
    if verb == "lab":
        msg = "lab: this is JupyterLab already"
        raise InputError(msg)
    if verb == "demo":
        # The demo itself works where it is called and would keep the kernel busy.
        return _demo(parser().parse_args(words).out if not _asks_help(words) else None)
    panel = None if _asks_help(words) else panels.opened(verb, words)
    if panel is not None:
        return panel
    if verb == "workflow" and words[1:2] == ["run"] and "--detach" not in words:
        words = [*words, "--detach"]  # the kernel stays free
    detached = verb in DETACHED and not _asks_help(words)
    outcome = execute([*words, "--detach"] if detached else words)
    if detached and outcome.run is not None:
        from medfusion.api import Run

        return Run(outcome.run)
    if outcome.json:
        return outcome.document
    if outcome.shown is not None:
        return outcome.shown
    print(outcome.text)  # noqa: T201 - the cell's output
    return None


def _asks_help(words: list[str]) -> bool:
    return "-h" in words or "--help" in words


def _demo(out: str | None) -> Any:
    if out is None:
        print(execute(["demo", "--help"]).text)  # noqa: T201 - the cell's output
        return None
    from medfusion.api import train
    from medfusion.data.phantom import write_phantom

    folder = Path(out)
    phantom = write_phantom(folder / "data")
    print(  # noqa: T201 - the cell's output
        f"Phantom data in {folder / 'data'}; the best possible test AUC is {phantom.bayes_auc:.3f}.\n"
        "When the run has finished: run.metrics['test']['auc'], run.report('report.html')"
    )
    return train(folder / "data" / "experiment.yaml", runs=folder / "runs", show=False)


class _CellParser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        msg = f"{message}\n{self.format_usage().rstrip()}"
        raise UsageError(msg)


def cell_parser() -> argparse.ArgumentParser:
    """Return the parser of the words after `%%medfusion`."""
    found = _CellParser(prog="%%medfusion", add_help=False)
    found.add_argument("--name", default="experiment", metavar="VARIABLE", help="where to keep it")
    found.add_argument("--train", action="store_true", help="train it and show the live panel")
    found.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs")
    return found


def summary(experiment: Experiment, variable: str) -> str:
    """Return what an experiment says, in a few lines."""
    data, model, training = experiment.data, experiment.model, experiment.training
    views = ", ".join(
        f"{name} ({view.size[0]} x {view.size[1]} px)" for name, view in data.images.items()
    )
    columns = [*data.numeric, *data.categorical]
    rows = {
        "table": data.table,
        "images": views or "none",
        "columns": ", ".join(columns) or "none",
        "target": f"{', '.join(data.target.columns)} ({data.target.kind})",
        "split": f"{data.split.kind}, by {data.group or data.id}",
        "model": _parts(model),
        "training": f"at most {training.epochs} epochs, batches of {training.batch_size}, "
        f"{training.optimizer.kind} at {training.optimizer.lr:g}",
    }
    width = max(map(len, rows))
    lines = [f"{experiment.name}: valid, kept in `{variable}`"]
    lines += [f"  {key.ljust(width)}  {value}" for key, value in rows.items()]
    lines += [f"  note: {idle}" for idle in experiment.idle]
    lines.append(f"Next: mf.train({variable}), or %%medfusion --train")
    return "\n".join(lines)


def _parts(model: Any) -> str:
    parts = []
    if model.image is not None:
        parts.append(f"{model.image.name} on images")
    if model.table is not None:
        parts.append(f"{model.table.kind} on columns")
    if len(parts) == 2:
        parts.append(f"{model.fusion.kind} fusion")
    return ", ".join(parts)
