"""The no-code door: an experiment by forms, every click of which is YAML and Python as well."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from medfusion.errors import InputError, SpecError
from medfusion.runs import atomic
from medfusion.spec import Draft, Experiment, text
from medfusion.widgets.draft_file import DraftFile
from medfusion.widgets.panel import Panel, answers

NEW = "experiment"
"""Name of the draft of an experiment that has no name yet."""


class Builder(Panel):
    """Builds an experiment by forms; no code is needed, and all of it is shown.

    The panel's state is a draft of the experiment (`Draft`), kept on disk after every step: a
    kernel started anew or a page loaded again goes on where it was, steps back included.

    Args:
        experiment: Where to start: an Experiment, the path of its YAML, or nothing. A path is also
            where `save` writes.
        name: Name of the draft; by default that of the file or of the experiment. Whoever opens the
            same name in the same folder goes on with the same draft.
        folder: Folder from which relative paths start; by default that of the file, else the
            working directory.

    Raises:
        SpecError: The file is missing or not YAML, or the name cannot be a file's.
        TypeError: An argument that the builder does not have.

    Example:
        >>> builder = Builder("skin.yaml")  # doctest: +SKIP
        >>> builder.experiment.hash  # doctest: +SKIP
    """

    def __init__(
        self,
        experiment: Experiment | str | Path | None = None,
        *,
        name: str | None = None,
        folder: str | Path | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__("builder", ["experiment", "name", "folder"], **arguments)
        self._path: Path | None = None
        given: Draft | None = None
        if isinstance(experiment, Experiment):
            given, name = Draft.of(experiment), name or experiment.name
        elif experiment is not None:
            self._path = Path(experiment)
            content = text.read_file(self._path)
            given = Draft.from_yaml_text(content, folder=self._path.resolve().parent)
            name = name or self._path.stem
        if folder is not None and given is not None:
            given = Draft(given.document, folder=folder)
        self._file = DraftFile(
            name or NEW, folder or (Path.cwd() if given is None else given.folder)
        )
        self._draft = self._opened(given)
        self._show()

    @property
    def draft(self) -> Draft:
        """The experiment in the making."""
        return self._draft

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
        self._draft.set(_path(path), value, merge=merge is True)
        self._changed()

    @answers
    def remove(self, path: list[Any]) -> None:
        """Take back what is said at a place."""
        self._draft.remove(_path(path))
        self._changed()

    @answers
    def rename(self, path: list[Any], name: str) -> None:
        """Give an entry another name."""
        self._draft.rename(_path(path), _word(name))
        self._changed()

    @answers
    def choose(self, path: list[Any], kind: str) -> None:
        """Choose the kind of a part."""
        self._draft.choose(_path(path), _word(kind))
        self._changed()

    @answers
    def undo(self) -> None:
        """Take the last step back."""
        if self._draft.undo():
            self._changed()

    @answers
    def redo(self) -> None:
        """Take it again."""
        if self._draft.redo():
            self._changed()

    @answers
    def read(self, content: str) -> None:
        """Take over a whole experiment from YAML; one step, which can be taken back."""
        made = Draft.from_yaml_text(_word(content), folder=self._draft.folder)
        self._draft.set((), made.document)
        self._changed()

    @answers
    def save(self, path: str | None = None) -> dict[str, Any]:
        """Write the YAML to a file, by default the one it was read from."""
        target = self._path if path is None else self._draft.folder / _word(path)
        if target is None:
            msg = "say where to save: a name that ends in .yaml"
            raise InputError(msg)
        if target.suffix.lower() not in (".yaml", ".yml"):
            msg = f"{target.name}: an experiment is saved as a .yaml file"
            raise InputError(msg)
        if not target.resolve().is_relative_to(self._draft.folder) and path is not None:
            msg = f"{path}: leaves the folder {self._draft.folder}; save below it"
            raise InputError(msg)
        atomic.write_bytes(target, self.yaml.encode())
        self._path = target
        self._show()
        return {"path": str(target)}

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

    def _changed(self) -> None:
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
            name=self._file.path.stem,
            file=None if self._path is None else str(self._path),
            folder=str(draft.folder),
        )

    def __repr__(self) -> str:
        return (
            f"Builder({str(self._path)!r})"
            if self._path
            else f"Builder(name={self._file.path.stem!r})"
        )


@functools.cache
def _schema() -> dict[str, Any]:
    return Experiment.model_json_schema()


def _path(given: Any) -> tuple[str | int, ...]:
    known = isinstance(given, list) and all(type(part) in (str, int) for part in given)
    if not known or len(given) > 32:
        msg = f"{given!r} is no place in an experiment"
        raise InputError(msg)
    return tuple(given)


def _word(given: Any) -> str:
    if not isinstance(given, str):
        msg = f"{given!r} is no text"
        raise InputError(msg)
    return given
