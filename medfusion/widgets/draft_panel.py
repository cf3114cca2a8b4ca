"""The base of panels that edit an experiment: its draft, and what the page says of it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from medfusion.errors import InputError, SpecError
from medfusion.spec import Draft, Experiment
from medfusion.widgets.draft_file import DraftFile
from medfusion.widgets.panel import Panel, answers


class DraftPanel(Panel):
    """Edits an experiment; its state is the draft, kept on disk after every step.

    A kernel started anew or a page loaded again goes on where it was, steps back included. Panels
    of the same draft's name in one folder go on with the same draft.

    Args:
        built: Name of the built browser side, such as "builder".
        names: Keyword arguments that the panel knows.
        given: What to start with; None goes on with what was left, or starts empty.
        name: Name of the draft.
        folder: Folder from which relative paths start.
        arguments: Keyword arguments that were left over.

    Raises:
        SpecError: The name cannot be a file's.
        TypeError: An argument that the panel does not have.
    """

    def __init__(
        self,
        built: str,
        names: list[str],
        *,
        given: Draft | None,
        name: str,
        folder: Path,
        **arguments: Any,
    ) -> None:
        super().__init__(built, names, **arguments)
        self._file = DraftFile(name, folder)
        self._draft = self._opened(given)
        self._show()

    @property
    def draft(self) -> Draft:
        """The experiment in the making."""
        return self._draft

    @property
    def draft_name(self) -> str:
        """Name of the draft."""
        return self._file.path.stem

    @property
    def experiment(self) -> Experiment:
        """The experiment.

        Raises:
            SpecError: Something is missing or wrong still; the message says what.
        """
        found = self._draft.experiment
        if found is None:
            lines = [
                f"{'.'.join(map(str, path))}: {sentence}" if own else sentence
                for path, sentence, own in self._draft.problems
            ]
            raise SpecError("\n".join(lines))
        return found

    @property
    def yaml(self) -> str:
        """What was said, as YAML."""
        return self._draft.yaml

    @property
    def code(self) -> str:
        """The experiment as Python; empty while anything is missing or wrong."""
        return self._draft.code

    # What the page asks ---------------------------------------------------------------------------

    @answers
    def set(self, path: list[Any], value: Any, merge: bool = False) -> None:
        """Say something at a place."""
        self._draft.set(place(path), value, merge=merge is True)
        self.changed()

    @answers
    def remove(self, path: list[Any]) -> None:
        """Take back what is said at a place."""
        self._draft.remove(place(path))
        self.changed()

    @answers
    def rename(self, path: list[Any], name: str) -> None:
        """Give an entry another name."""
        self._draft.rename(place(path), word(name))
        self.changed()

    @answers
    def choose(self, path: list[Any], kind: str) -> None:
        """Choose the kind of a part."""
        self._draft.choose(place(path), word(kind))
        self.changed()

    @answers
    def undo(self) -> None:
        """Take the last step back."""
        if self._draft.undo():
            self.changed()

    @answers
    def redo(self) -> None:
        """Take it again."""
        if self._draft.redo():
            self.changed()

    @answers
    def read(self, content: str) -> None:
        """Take over a whole experiment from YAML; one step, which can be taken back."""
        made = Draft.from_yaml_text(word(content), folder=self._draft.folder)
        self._draft.set((), made.document)
        self.changed()

    @answers
    def schema(self) -> dict[str, Any]:
        """Return the schema that the forms are made from."""
        return {"schema": _schema()}

    def _opened(self, given: Draft | None) -> Draft:
        """Return the draft that was left, with what is given now as a step in it."""
        left = self._file.load()
        if left is None:
            return Draft(folder=self._file.folder) if given is None else given
        if given is not None:
            left.set((), given.document)
        return left

    def changed(self) -> None:
        """Keep the draft on disk and show it; to be called after every step in it."""
        self._file.save(self._draft)
        self._show()

    def _show(self) -> None:
        draft = self._draft
        back, forth = draft.steps
        self.publish(
            document=draft.document,
            problems=[
                {"path": list(path), "sentence": sentence} for path, sentence, _ in draft.problems
            ],
            yaml=draft.yaml,
            code=draft.code,
            steps=[back, forth],
            name=self.draft_name,
            folder=str(draft.folder),
        )


@functools.cache
def _schema() -> dict[str, Any]:
    return Experiment.model_json_schema()


def place(given: Any) -> tuple[str | int, ...]:
    """Return the place in an experiment that a page names.

    Raises:
        InputError: It is none.
    """
    known = isinstance(given, list) and all(type(part) in (str, int) for part in given)
    if not known or len(given) > 32:
        msg = f"{given!r} is no place in an experiment"
        raise InputError(msg)
    return tuple(given)


def word(given: Any) -> str:
    """Return the text that a page gives.

    Raises:
        InputError: It is none.
    """
    if not isinstance(given, str):
        msg = f"{given!r} is no text"
        raise InputError(msg)
    return given
