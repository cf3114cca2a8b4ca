"""`path=value` changes of an experiment from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from medfusion.errors import SpecError
from medfusion.spec import text
from medfusion.spec.experiment import Experiment


def apply(experiment: Experiment, changes: Iterable[str]) -> Experiment:
    """Return the experiment with changes such as `training.epochs=3`.

    Args:
        experiment: The experiment to start from.
        changes: `path=value`; the path is dotted, the value is YAML.

    Raises:
        SpecError: A change is not of that form, or the result does not follow the schema.
    """
    changes = list(changes)
    if not changes:
        return experiment
    document = experiment.model_dump(mode="json", exclude_unset=True)
    for change in changes:
        path, sign, value = change.partition("=")
        if not sign or not path.strip():
            msg = f"--set {change}: write path=value, for instance training.epochs=3"
            raise SpecError(msg)
        parsed, _ = text.parse(f"value: {value}", f"--set {change}")
        _put(document, path.strip().split("."), parsed["value"], change)
    source = "with " + ", ".join(f"--set {change}" for change in changes)
    return Experiment.from_mapping(document, folder=experiment.folder, source=source)


def _put(document: dict[str, Any], path: list[str], value: Any, change: str) -> None:
    here: Any = document
    for part in path[:-1]:
        if isinstance(here, dict) and here.get(part) is None:
            here[part] = {}
        here = here[part] if isinstance(here, dict) else None
        if not isinstance(here, dict):
            msg = f"--set {change}: {part!r} has no parts of its own"
            raise SpecError(msg)
    here[path[-1]] = value
