"""What a person says about a run: tags and a note, in notes.json beside what the run itself wrote."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from medfusion.errors import RunError
from medfusion.runs import atomic

FILE = "notes.json"
LONGEST_TAG = 40
LONGEST_NOTE = 4000
MOST_TAGS = 30


@dataclasses.dataclass(frozen=True)
class Notes:
    """Tags and note of a run. They are no part of what was executed: no hash changes with them.

    Attributes:
        tags: Short words to sort runs by, each once, in the order they were given.
        note: Free text.

    Raises:
        RunError: A tag or the note is no text that can stand there.

    Example:
        >>> Notes().changed(tag=["best", "paper"], untag=["paper"], note="for the poster")
        Notes(tags=('best',), note='for the poster')
    """

    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        for tag in self.tags:
            _check_tag(tag)
        if len(self.tags) > MOST_TAGS:
            msg = f"{len(self.tags)} tags; a run has at most {MOST_TAGS}"
            raise RunError(msg)
        if not isinstance(self.note, str) or len(self.note) > LONGEST_NOTE or _odd(self.note, "\n"):
            msg = f"a note is text of at most {LONGEST_NOTE} characters, without control characters"
            raise RunError(msg)

    def changed(
        self, *, tag: Iterable[str] = (), untag: Iterable[str] = (), note: str | None = None
    ) -> Self:
        """Return these notes with tags put on and taken off, and another note where one is given.

        Raises:
            RunError: A tag or the note is no text that can stand there.
        """
        off = set(untag)
        kept = [one for one in (*self.tags, *tag) if one not in off]
        return type(self)(tuple(dict.fromkeys(kept)), self.note if note is None else note)

    def write(self, folder: Path) -> None:
        """Write notes.json atomically.

        Raises:
            StorageError: It cannot be written.
        """
        atomic.write_json(folder / FILE, {"tags": list(self.tags), "note": self.note})


def read(folder: Path) -> Notes:
    """Return the notes of a run; empty where nobody said anything.

    Raises:
        RunError: The file is damaged.
    """
    path = folder / FILE
    try:
        return _of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Notes()
    except (ValueError, TypeError, KeyError, RecursionError, OSError, RunError) as error:
        msg = f"{path}: damaged ({error}); correct or delete this file, the run does not need it"
        raise RunError(msg) from None


def _of(document: Any) -> Notes:
    return Notes(tuple(document["tags"]), document["note"])


def _check_tag(tag: Any) -> None:
    sound = isinstance(tag, str) and 0 < len(tag) <= LONGEST_TAG and tag == tag.strip()
    if not sound or "," in tag or _odd(tag):
        msg = (
            f"{tag!r} is no tag: use 1 to {LONGEST_TAG} characters without commas, line breaks or "
            "blanks at the ends"
        )
        raise RunError(msg)


def _odd(text: str, allowed: str = "") -> bool:
    """Whether a text has control characters, or what cannot be written as UTF-8."""
    return any(c not in allowed and unicodedata.category(c) in ("Cc", "Cs") for c in text)
