"""Configuration and environment: all that it takes to do the run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medfusion.report.blocks import Block, Facts, Listing, Missing, Paragraph, Section
from medfusion.report.evidence import Evidence


def section(evidence: Evidence) -> Section:
    """Show the experiment as executed, and where it was."""
    blocks: list[Block] = [
        Paragraph(
            "The experiment as executed, with every default written out; given to medfusion train, "
            "it does the same again."
        ),
        Listing("experiment.yaml", evidence.experiment_text),
    ]
    if evidence.environment is None:
        blocks.append(Missing("The environment is not recorded."))
    else:
        blocks.append(Facts([("Run", evidence.name), *_flat(evidence.environment)]))
    return Section("reproduction", "Configuration and environment", blocks)


_NAMES = {
    "python": "Python",
    "platform": "System",
    "packages": "Packages",
    "hardware": "Hardware",
    "git": "Git",
    "experiment_hash": "Experiment (SHA-256)",
    "data_fingerprint": "Data (fingerprint)",
    "experiment_folder": "Folder of the experiment",
    "corrections": "Label corrections",
    "sha256": "SHA-256",
    "seed": "Seed",
    "torch_threads": "Processor threads",
    "memory_gib": "memory (GiB)",
}


def _flat(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (_NAMES.get(name, name.replace("_", " ").capitalize()), _text(value))
        for name, value in facts.items()
        if value is not None
    ]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        parts = (
            f"{_NAMES.get(str(name), str(name))} {_text(one)}"
            for name, one in value.items()
            if one is not None
        )
        return ", ".join(parts)
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
