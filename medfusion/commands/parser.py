"""The words that `medfusion` understands. Building the parser imports nothing heavy."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import Any, NoReturn

from medfusion.commands.outcome import Outcome
from medfusion.errors import InputError, unknown

# A fixed width: help reads the same in a terminal, in a notebook and in the docs.
_Formatter = functools.partial(argparse.RawDescriptionHelpFormatter, width=88)

_Adding = Callable[[str, str, str], argparse.ArgumentParser]
"""Adds a verb: its name, what it does, an example."""

_Changing = Callable[[argparse.ArgumentParser], None]
"""Adds options to a verb."""


class UsageError(InputError):
    """Words that the command line does not understand."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        msg = f"{message}\n{self.format_usage().rstrip()}\nMore: {self.prog} --help"
        raise UsageError(msg)


class _Help(Exception):  # noqa: N818 - not an error
    """Help or version was asked for."""


class _HelpAction(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        raise _Help(parser.format_help().rstrip())


class _VersionAction(argparse.Action):
    def __call__(self, *_: Any) -> None:
        from medfusion import __version__

        text = f"medfusion {__version__}"
        raise _Help(text)


def parser() -> argparse.ArgumentParser:  # noqa: PLR0915 - a list of verbs
    """Return the parser of all verbs."""
    root = _Parser(
        prog="medfusion",
        description="Multimodal medical deep learning: images and clinical tables.",
        epilog="Example:\n  medfusion demo --out demo\n\n"
        "Exit codes: 0 done, 2 something you gave is wrong, 1 a fault of MedFusion.",
        formatter_class=_Formatter,
        add_help=False,
    )
    root.add_argument("-h", "--help", action=_HelpAction, nargs=0, help="show this help")
    root.add_argument("--version", action=_VersionAction, nargs=0, help="show the version")
    verbs = root.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)

    def add(verb: str, summary: str, example: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            verb,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=f"Example:\n  medfusion {example}",
            formatter_class=_Formatter,
            add_help=False,
        )
        sub.add_argument("-h", "--help", action=_HelpAction, nargs=0, help="show this help")
        return sub

    def add_json(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--json", action="store_true", help="print one JSON document")

    def add_changes(sub: argparse._ActionsContainer) -> None:
        sub.add_argument(
            "--set",
            action="append",
            default=[],
            dest="changes",
            metavar="PATH=VALUE",
            help="change the experiment, for instance training.epochs=3 (repeatable)",
        )
        sub.add_argument(
            "--skip-unreadable",
            action="store_true",
            help="leave out rows whose image cannot be read, and record them",
        )

    def add_modalities(sub: argparse.ArgumentParser) -> None:
        group = sub.add_argument_group(
            "does fusion pay",
            "each modality alone, the fusions and simple rivals, trained on identical folds; the "
            "same words again go on with what is not finished",
        )
        group.add_argument(
            "--modalities",
            metavar="EXPERIMENT.yaml",
            help="compare the modalities of this experiment",
        )
        group.add_argument(
            "--fusions",
            metavar="FUSION,FUSION",
            help="kinds of fusion (the experiment's own, and late fusion where known)",
        )
        group.add_argument(
            "--folds",
            type=int,
            metavar="N",
            help="number of folds over groups (5; a column split is kept as it is)",
        )
        group.add_argument(
            "--own-split", action="store_true", help="keep the experiment's split: one fold"
        )
        group.add_argument(
            "--smallest-gain",
            type=float,
            metavar="X",
            help="smallest gain in the metric that would matter (0.01)",
        )
        group.add_argument(
            "--complete-rows",
            action="store_true",
            help="compare with fusion trained on rows that lack nothing, too",
        )
        group.add_argument(
            "--no-rivals", action="store_true", help="leave out the rivals from scikit-learn"
        )
        group.add_argument(
            "--runs", default="runs", metavar="DIR", help="folder of the runs (runs)"
        )
        group.add_argument(
            "--out", metavar="FILE.html|.json", help="write the report, or the results"
        )
        group.add_argument(
            "--detach", action="store_true", help="return at once; it goes on by itself"
        )
        add_changes(group)

    sub = add("validate", "check an experiment and its data", "validate skin.yaml")
    sub.add_argument("experiment", metavar="EXPERIMENT.yaml")
    add_changes(sub)
    add_json(sub)

    sub = add(
        "train", "train an experiment and evaluate it", "train skin.yaml --set training.epochs=3"
    )
    sub.add_argument("experiment", metavar="EXPERIMENT.yaml")
    sub.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs (runs)")
    sub.add_argument(
        "--detach", action="store_true", help="return at once; the run goes on by itself"
    )
    add_changes(sub)
    add_json(sub)

    sub = add(
        "resume", "go on with a run that was stopped or killed", "resume runs/skin-20260101-120000"
    )
    sub.add_argument("run", metavar="RUN")
    sub.add_argument(
        "--detach", action="store_true", help="return at once; the run goes on by itself"
    )
    add_json(sub)

    sub = add("stop", "stop a run after its current step", "stop runs/skin-20260101-120000")
    sub.add_argument("run", metavar="RUN")
    add_json(sub)

    sub = add(
        "runs",
        "list the runs, tag them, write notes, delete them",
        "runs --state finished --text resnet\n"
        '  medfusion runs skin-20260101-120000 --tag best --note "for the paper"\n'
        "  medfusion runs skin-20260101-120000 --delete --yes",
    )
    sub.add_argument("chosen", nargs="*", metavar="RUN", help="these runs only, by name or folder")
    sub.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs (runs)")
    sub.add_argument("--state", help="list runs in this state, such as finished")
    sub.add_argument("--tagged", metavar="TAG", help="list runs with this tag")
    sub.add_argument("--text", help="list runs whose name, tags, note or model has these words")
    sub.add_argument("--metric", help="metric of the test split to list (the main one)")
    sub.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="put a tag on (repeatable)"
    )
    sub.add_argument(
        "--untag", action="append", default=[], metavar="TAG", help="take a tag off (repeatable)"
    )
    sub.add_argument("--note", metavar="TEXT", help="write the note; it replaces the one before")
    sub.add_argument("--delete", action="store_true", help="delete the runs for good")
    sub.add_argument("--yes", action="store_true", help="with --delete: yes, really")
    add_json(sub)

    _add_versions(add, add_json)

    sub = add(
        "compare",
        "compare runs on their test split, or find out whether fusing image and table pays",
        "compare runs/a runs/b\n"
        "  medfusion compare --modalities skin.yaml --fusions gated,concatenate --folds 5",
    )
    sub.add_argument("compared", nargs="*", metavar="RUN")
    sub.add_argument("--split", default="test", choices=("train", "val", "test"))
    add_modalities(sub)
    add_json(sub)

    sub = add("evaluate", "predict and judge a run's splits anew", "evaluate RUN --split test")
    sub.add_argument("run", metavar="RUN")
    sub.add_argument("--split", choices=("train", "val", "test"), help="show this split only")
    add_json(sub)

    sub = add(
        "predict", "predict the rows of a new table", "predict RUN new.csv --out predicted.csv"
    )
    sub.add_argument("run", metavar="RUN")
    sub.add_argument("table", metavar="TABLE")
    sub.add_argument("--out", required=True, metavar="FILE.csv|.parquet")
    sub.add_argument(
        "--masks", metavar="DIR", help="write a segmentation's masks there, one PNG a row"
    )
    add_json(sub)

    sub = add("explain", "explain one prediction", "explain RUN --id ISIC_0024320 --out explained")
    sub.add_argument("run", metavar="RUN")
    sub.add_argument("--id", required=True)
    sub.add_argument("--out", required=True, metavar="DIR")
    add_json(sub)

    sub = add(
        "report",
        "write the report of a run or of a comparison of modalities, one file that opens offline",
        "report RUN --out report.html",
    )
    sub.add_argument("run", metavar="RUN")
    sub.add_argument("--out", required=True, metavar="FILE.html")
    add_json(sub)

    sub = add(
        "review",
        "list the labels that a run contradicts, and decide about them (in a notebook the magic of "
        "the same words shows them with their images)",
        "review runs/skin-20260101-120000 --most 20\n"
        "  medfusion review RUN --relabel P7=benign --exclude P9 --reason 'seen with Dr. Li'\n"
        "  medfusion train skin.yaml --set data.corrections=cohort.corrections.jsonl",
    )
    sub.add_argument("run", metavar="RUN")
    sub.add_argument(
        "--relabel",
        action="append",
        default=[],
        metavar="ID[=LABEL]",
        help="give a row another label, by default the suggested one (repeatable)",
    )
    for action, meaning in (
        ("exclude", "leave a row out"),
        ("flag", "mark a row to be looked at again"),
        ("keep", "say that a label is right"),
    ):
        sub.add_argument(
            f"--{action}", action="append", default=[], metavar="ID", help=f"{meaning} (repeatable)"
        )
    sub.add_argument(
        "--undo",
        nargs="?",
        const="",
        metavar="ID",
        help="take back the last decision, or the one about a row",
    )
    sub.add_argument("--redo", action="store_true", help="take it again")
    sub.add_argument("--column", metavar="NAME", help="which label, where a row has several")
    sub.add_argument("--reason", default="", metavar="TEXT", help="why")
    sub.add_argument("--who", default="", metavar="NAME", help="who decides")
    sub.add_argument(
        "--journal",
        metavar="FILE.jsonl",
        help="the journal (the run's own, else <table>.corrections.jsonl beside the experiment)",
    )
    sub.add_argument(
        "--rank",
        default="margin",
        choices=("margin", "confidence"),
        help="rank by normalised margin (default) or by self-confidence",
    )
    sub.add_argument("--most", type=int, default=20, metavar="N", help="labels to list (20)")
    add_json(sub)

    sub = add(
        "models",
        "list what models are made of",
        "models fusion\n"
        "  medfusion models image --family convnext --max-parameters 30 --commercial\n"
        "  medfusion models image resnet18 --size 224 224 --batch 32",
    )
    sub.add_argument("kind", nargs="?", metavar="KIND", help="a part, such as image or fusion")
    sub.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="one of them: what it is, or facts of an image encoder",
    )
    sub.add_argument("--family", help="image encoders of one family, such as convnext")
    sub.add_argument(
        "--max-parameters", type=float, metavar="MILLIONS", help="image encoders up to this size"
    )
    sub.add_argument(
        "--commercial", action="store_true", help="only weights that may be used commercially"
    )
    sub.add_argument(
        "--size", type=int, nargs="+", metavar="PIXELS", help="with NAME: height and width"
    )
    sub.add_argument("--channels", type=int, metavar="N", help="with NAME: of the image (3)")
    sub.add_argument("--batch", type=int, metavar="N", help="with NAME: images at once (1)")
    sub.add_argument("--markdown", action="store_true", help="print the page of the docs")
    add_json(sub)

    sub = add("schema", "print the JSON Schema of experiments", "schema > experiment.schema.json")

    sub = add("data", "look at data", "data inspect cohort.csv")
    actions = sub.add_subparsers(
        dest="action", metavar="inspect|cache", required=True, parser_class=_Parser
    )
    inspect = actions.add_parser(
        "inspect",
        help="say what a file or a folder is",
        description="Say what a table, an image, a volume (NIfTI, DICOM) or a folder is, from headers "
        "alone.",
        epilog="Example:\n  medfusion data inspect cohort.csv\n  medfusion data inspect study/",
        formatter_class=_Formatter,
        add_help=False,
    )
    inspect.add_argument("-h", "--help", action=_HelpAction, nargs=0, help="show this help")
    inspect.add_argument("path", metavar="PATH")
    add_json(inspect)
    cache = actions.add_parser(
        "cache",
        help="show or clear the cache of decoded images",
        description="Show where decoded images and volumes are cached and how much they take, or "
        "clear the cache.\n\nIts folder is MEDFUSION_CACHE (off: no cache), else medfusion in the "
        "user's cache folder.\nHow much an experiment may keep is its data.cache_gigabytes.",
        epilog="Example:\n  medfusion data cache --clear",
        formatter_class=_Formatter,
        add_help=False,
    )
    cache.add_argument("-h", "--help", action=_HelpAction, nargs=0, help="show this help")
    cache.add_argument("--clear", action="store_true", help="remove what is cached")
    add_json(cache)

    sub = add("demo", "the whole way on built-in phantom data", "demo --out demo")
    sub.add_argument("--out", default="demo", metavar="DIR", help="folder to work in (demo)")
    add_json(sub)

    sub = add(
        "build",
        "build an experiment by forms, in a notebook: %%medfusion build",
        "build skin.yaml",
    )
    sub.add_argument("experiment", nargs="?", metavar="EXPERIMENT.yaml", help="where to start")

    sub = add(
        "browse",
        "look through a table and its images, in a notebook: %%medfusion browse",
        "browse skin.csv",
    )
    sub.add_argument("file", nargs="?", metavar="FILE", help="a table, or an experiment's YAML")
    _add_workflow(add, add_json)

    sub = add("lab", "start JupyterLab with the quickstart", "lab")
    sub.add_argument("--no-browser", action="store_true", help="do not open a browser")
    sub.add_argument("--port", type=int, default=8888)
    return root


def _actions(sub: argparse.ArgumentParser, verb: str, names: str) -> _Adding:
    """Give a verb verbs of its own, and return what adds one of them."""
    actions = sub.add_subparsers(dest="action", metavar=names, required=True, parser_class=_Parser)

    def action(name: str, summary: str, example: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=f"Example:\n  medfusion {verb} {example}",
            formatter_class=_Formatter,
            add_help=False,
        )
        made.add_argument("-h", "--help", action=_HelpAction, nargs=0, help="show this help")
        return made

    return action


def _add_versions(add: _Adding, add_json: _Changing) -> None:
    sub = add("versions", "name models: skin@2 is a run's trained model", "versions list")
    action = _actions(sub, "versions", "add|list|show|remove")
    one = action(
        "add",
        "name a run's trained model; it is the next version of that name",
        'add skin runs/skin-20260101-120000 --note "for the reader study"',
    )
    one.add_argument("name", metavar="NAME")
    one.add_argument("run", metavar="RUN")
    one.add_argument("--note", default="", metavar="TEXT", help="what to remember about it")
    listed = action("list", "list the versions", "list")
    listed.add_argument("name", nargs="?", metavar="NAME", help="of this model only")
    shown = action("show", "show a version after checking its weights", "show skin@2")
    shown.add_argument("version", metavar="NAME@NUMBER", help="or NAME@latest")
    gone = action("remove", "take a version off the list; the run stays", "remove skin@2")
    gone.add_argument("version", metavar="NAME@NUMBER")
    for made in (one, listed, shown, gone):
        made.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs (runs)")
        add_json(made)


def _add_workflow(add: _Adding, add_json: _Changing) -> None:
    sub = add(
        "workflow", "run and share graphs of steps (.medfusion)", "workflow run skin.medfusion"
    )
    added = _actions(sub, "workflow", "run|validate|show|export|import|templates|edit")

    def action(name: str, summary: str, example: str, file: str | None) -> argparse.ArgumentParser:
        made = added(name, summary, f"{name} {example}".rstrip())
        if file is not None:
            made.add_argument("file", metavar=file)
        return made

    summary = "do every step that is new or changed since the last time"
    run = action("run", summary, "skin.medfusion", "FILE.medfusion")
    run.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs (runs)")
    run.add_argument("--detach", action="store_true", help="return at once; it goes on by itself")
    add_json(run)
    summary = "say what is missing or wrong, each at its node and port"
    add_json(action("validate", summary, "skin.medfusion", "FILE.medfusion"))
    show = action("show", "list the nodes and how far they are", "skin.medfusion", "FILE.medfusion")
    show.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs (runs)")
    add_json(show)
    summary = "write a file to share, or the experiment of a training node"
    export = action("export", summary, "skin.medfusion --out skin.yaml", "FILE.medfusion")
    export.add_argument("--out", required=True, metavar="FILE.medfusion|.yaml")
    export.add_argument("--training", metavar="NODE", help="the training node, where several are")
    add_json(export)
    summary = "make a workflow of an experiment, or take over one from elsewhere"
    taken = action("import", summary, "skin.yaml --out skin.medfusion", "FILE.yaml|.medfusion")
    taken.add_argument("--out", required=True, metavar="FILE.medfusion")
    add_json(taken)
    summary = "list the templates, or write one with its phantom data"
    templates = action("templates", summary, "survival --out trial", None)
    templates.add_argument("name", nargs="?", metavar="NAME")
    templates.add_argument("--out", default=".", metavar="DIR", help="folder to write to (.)")
    add_json(templates)
    edit = action("edit", "draw a workflow, in a notebook: %%medfusion workflow edit", "", None)
    edit.add_argument("file", nargs="?", metavar="FILE.medfusion", help="where to start")


def verbs() -> list[str]:
    """Return the names of all verbs."""
    for action in parser()._actions:  # noqa: SLF001 - argparse has no public way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return list(action.choices)
    return []


def execute(argv: list[str]) -> Outcome:
    """Parse the words of one command and do what they say.

    Args:
        argv: The words after `medfusion`.

    Raises:
        UsageError: The words are not understood.
        InputError: Something that the user gave is wrong.
    """
    known = verbs()
    if argv and not argv[0].startswith("-") and argv[0] not in known:
        raise UsageError(unknown("command", argv[0], known))
    try:
        arguments = parser().parse_args(argv or ["--help"])
    except _Help as help_text:
        return Outcome(text=str(help_text))
    if arguments.verb is None:
        return Outcome(text=parser().format_help().rstrip())
    module = importlib.import_module(f"medfusion.commands.{arguments.verb}")
    outcome: Outcome = module.execute(arguments)
    return dataclasses.replace(outcome, json=getattr(arguments, "json", outcome.json))
