"""`medfusion browse`: images need a page, so a terminal says where they are."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.errors import InputError


def execute(arguments: argparse.Namespace) -> Outcome:
    """Say how the data browser is opened.

    Raises:
        InputError: Always; in a notebook the magic opens it instead.
    """
    words = " ".join(["%medfusion browse", *filter(None, [arguments.file])])
    msg = (
        f"browse: images need a notebook; start one by `medfusion lab` and run `{words}` in it, or "
        "see `medfusion data inspect` for the columns of a table"
    )
    raise InputError(msg)
