"""A draft on disk, so that a restarted kernel or a page loaded again goes on where it was."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from medfusion.errors import SpecError
from medfusion.runs import atomic
from medfusion.spec import Draft

FOLDER = Path(".medfusion") / "drafts"
"""Where drafts lie, below the folder that the experiment's paths start from."""

MOST_BYTES = 32 << 20

_NEVER = r'[/\\:*?"<>|\0]'


def name_after(path: Path) -> str:
    """Return the name of the draft of a file: the file's own, where that can name a draft.

    Example:
        >>> name_after(Path("data/skin.csv"))
        'skin'
        >>> name_after(Path("a<b>.csv"))
        'a-b--4e07dd89'
    """
    stem = path.stem
    plain = re.sub(_NEVER, "-", stem).lstrip(".")[:80]
    if plain and plain == stem:
        return stem
    return f"{plain}-{hashlib.sha256(stem.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


class DraftFile:
    """Keeps a draft in a file of its own beside the notebook.

    It is written after every step, whole or not at all. Whoever opens the same name goes on with
    what was there; a damaged file is put aside, never overwritten.

    Args:
        name: Name of the draft.
        folder: Folder from which the experiment's relative paths start.

    Raises:
        SpecError: The name cannot be a file's.
    """

    def __init__(self, name: str, folder: str | Path) -> None:
        if not name or name.startswith(".") or re.search(_NEVER, name) or len(name) > 100:
            msg = f"{name!r} cannot name a draft: use letters, digits, blanks and - _ + ."
            raise SpecError(msg)
        self.folder = Path(folder).resolve()
        self.path = self.folder / FOLDER / f"{name}.json"

    def load(self) -> Draft | None:
        """Return the draft that is there; None where there is none, or it was damaged."""
        try:
            if self.path.stat().st_size > MOST_BYTES:
                raise ValueError  # noqa: TRY301 - as damaged as what cannot be read
            return Draft.from_json(json.loads(self.path.read_text("utf-8")), folder=self.folder)
        except FileNotFoundError:
            return None
        except (ValueError, SpecError, RecursionError):
            self.path.replace(self.path.with_suffix(".damaged.json"))
            return None

    def save(self, draft: Draft) -> None:
        """Write the draft.

        Raises:
            StorageError: It cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_json(self.path, draft.to_json())

    def forget(self) -> None:
        """Delete the file, if it is there."""
        self.path.unlink(missing_ok=True)
