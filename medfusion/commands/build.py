"""`medfusion build`: forms need a page, so a terminal says where they are."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.errors import InputError


def execute(arguments: argparse.Namespace) -> Outcome:
    """Say how the builder is opened.

    Raises:
        InputError: Always; in a notebook the magic opens it instead.
    """
    words = " ".join(["%medfusion build", *filter(None, [arguments.experiment])])
    msg = f"build: forms need a notebook; start one by `medfusion lab` and run `{words}` in it"
    raise InputError(msg)
