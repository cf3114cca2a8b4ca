"""Cases of a segmentation that a run has drawn."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from medfusion.errors import RunError

FOLDER, FACTS = "examples", "examples.json"

_PNG = b"\x89PNG\r\n\x1a\n"


class ExampleFacts(BaseModel):
    """One entry of examples.json."""

    model_config = ConfigDict(frozen=True)

    file: str = Field(pattern=r"^\d+\.png$")
    id: str
    split: str
    what: Literal["best", "median", "worst"]
    dice: float


@dataclasses.dataclass(frozen=True)
class Example:
    """A case with its picture.

    Attributes:
        facts: What it shows.
        png: Content of the picture's file.
    """

    facts: ExampleFacts
    png: bytes


def read_examples(run: Path) -> tuple[Example, ...]:
    """Return the cases that a run has drawn; none where it has not.

    Args:
        run: The run's folder.

    Raises:
        RunError: A file is damaged.
    """
    path = run / FOLDER / FACTS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        msg = f"{path}: damaged ({error})"
        raise RunError(msg) from None
    try:
        facts = TypeAdapter(tuple[ExampleFacts, ...]).validate_json(content)
        examples = tuple(Example(one, (path.parent / one.file).read_bytes()) for one in facts)
    except (OSError, ValidationError) as error:
        msg = f"{path}: damaged ({error}); `medfusion evaluate` makes it anew"
        raise RunError(msg) from None
    for example in examples:
        if not example.png.startswith(_PNG):
            msg = f"{path.parent / example.facts.file}: damaged (no PNG); `medfusion evaluate` makes it anew"
            raise RunError(msg)
    return examples
