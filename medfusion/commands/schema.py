"""`medfusion schema`: the JSON Schema of experiments, for editors and other tools."""

from __future__ import annotations

import argparse

from medfusion.commands.outcome import Outcome
from medfusion.spec import Experiment


def execute(arguments: argparse.Namespace) -> Outcome:  # noqa: ARG001 - every verb takes them
    """Return the schema as a document."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return Outcome(document=document | Experiment.model_json_schema(), json=True)
