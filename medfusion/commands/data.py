"""`medfusion data inspect`: what a table, an image, a volume or a folder is."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome


def execute(arguments: argparse.Namespace) -> Outcome:
    """Say what the path is.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    from medfusion.data.inspection import inspect
    from medfusion.data.inspection_view import Inspection, inspection_text

    facts = inspect(arguments.path)
    return Outcome(text=inspection_text(facts), document=facts, shown=Inspection(facts))
