"""The command line: arguments in, text or one JSON document out, an exit code.

Exit codes: 0 done, 2 something that the user gave is wrong, 1 a fault of MedFusion.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from medfusion.commands import execute
from medfusion.errors import InputError


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The words after `medfusion`.
    """
    try:
        outcome = execute(list(argv))
        if outcome.json:
            print(_json(outcome.document))  # noqa: T201 - this is the terminal
        elif outcome.text:
            print(outcome.text)  # noqa: T201
        sys.stdout.flush()
    except InputError as error:
        print(f"medfusion: {error}", file=sys.stderr)  # noqa: T201
        if "--json" in argv:
            print(_json({"error": {"type": type(error).__name__, "message": str(error)}}))  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("medfusion: interrupted", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; point stdout elsewhere so that exiting is quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return outcome.code


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
