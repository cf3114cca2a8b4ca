"""An experiment in the making: incomplete or wrong for a while, with a way back."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any, Self

from pydantic import ValidationError

from medfusion.errors import InputError, SpecError
from medfusion.spec import migration, problems, text
from medfusion.spec.experiment import SCHEMA_VERSION, Experiment
from medfusion.spec.problems import Path, Problem

MOST_STEPS = 500
"""Steps back that are kept."""

EMPTY: dict[str, Any] = {"medfusion": SCHEMA_VERSION, "data": {}}
"""What a new experiment starts from."""


class Draft:
    """The document of an experiment while it is being written, with what is wrong in it.

    Everything that a form, a graph or a text field changes goes through here, so that undo, the
    problems beside the fields, the YAML and the Python are the same everywhere. Only what was said
    is in the document: what is left out keeps following the defaults.

    Args:
        document: Where to start; by default an experiment without anything.
        folder: Folder from which relative paths start; by default the working directory.

    Example:
        >>> draft = Draft()
        >>> draft.set(("model", "fusion"), {"kind": "film"})
        >>> draft.set(("training", "epochs"), 0)
        >>> [(problem.path, problem.sentence) for problem in draft.problems][-1]
        (('training', 'epochs'), 'Input should be greater than or equal to 1 (got 0)')
        >>> draft.undo()
        True
        >>> print(draft.yaml, end="")
        medfusion: 1
        data: {}
        model:
          fusion:
            kind: film
    """

    def __init__(
        self, document: Mapping[str, Any] | None = None, *, folder: str | File | None = None
    ) -> None:
        self.folder = File.cwd() if folder is None else File(folder).resolve()
        self._document: dict[str, Any] = copy.deepcopy(
            dict(EMPTY if document is None else document)
        )
        self._before: list[tuple[dict[str, Any], Path]] = []
        self._after: list[tuple[dict[str, Any], Path]] = []
        self._checked: tuple[Experiment | None, tuple[Problem, ...]] | None = None

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """Return the draft of a finished experiment, holding what was said in it."""
        document = experiment.model_dump(mode="json", exclude_unset=True)
        return cls({"medfusion": SCHEMA_VERSION} | document, folder=experiment.folder)

    @classmethod
    def from_yaml_text(cls, content: str, *, folder: str | File | None = None) -> Self:
        """Return the draft that a text writes down, right or wrong.

        Raises:
            SpecError: It is not YAML, or of a newer version.
        """
        document, _ = text.parse(content, "experiment")
        return cls(migration.to_current(document, SCHEMA_VERSION, "experiment"), folder=folder)

    # What it says ---------------------------------------------------------------------------------

    @property
    def document(self) -> dict[str, Any]:
        """A copy of the document."""
        return copy.deepcopy(self._document)

    def get(self, path: Path, default: Any = None) -> Any:
        """Return a copy of what is said at a place."""
        here: Any = self._document
        for part in path:
            try:
                here = here[part]
            except (KeyError, IndexError, TypeError):
                return default
        return copy.deepcopy(here)

    @property
    def yaml(self) -> str:
        """What was said, as YAML."""
        return text.dump(self._document)

    @property
    def experiment(self) -> Experiment | None:
        """The experiment, None while anything is wrong."""
        return self._check()[0]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, with its place."""
        return self._check()[1]

    @property
    def code(self) -> str:
        """The experiment as Python; empty while anything is wrong."""
        return "" if self.experiment is None else self.experiment.code

    # Changes --------------------------------------------------------------------------------------

    def set(self, path: Path, value: Any, *, merge: bool = False) -> None:
        """Say something at a place; missing parts on the way are made.

        Args:
            path: Keys, and places in lists; one past the end of a list appends.
            value: Plain values, as in YAML.
            merge: Whether this goes on with the step before, where that was at the same place, as
                the letters of one word do.

        Raises:
            InputError: There is no such place.
        """
        document = copy.deepcopy(self._document)
        if not path:
            _require_mapping(value)
            document = copy.deepcopy(dict(value))
        else:
            _put(document, path, copy.deepcopy(value))
        self._step(document, path, merge=merge)

    def remove(self, path: Path) -> None:
        """Take back what is said at a place, so that the default holds again.

        Raises:
            InputError: Nothing is said there.
        """
        document = copy.deepcopy(self._document)
        holder = _holder(document, path)
        try:
            del holder[path[-1]]
        except (KeyError, IndexError, TypeError):
            raise _nowhere(path) from None
        _drop_empty(document, path[:-1])
        self._step(document, path)

    def rename(self, path: Path, name: str) -> None:
        """Give an entry of a mapping, such as a view, another name and leave it in its place.

        Raises:
            InputError: There is no such entry, or one of the new name already.
        """
        document = copy.deepcopy(self._document)
        holder = _holder(document, path)
        if not isinstance(holder, dict) or path[-1] not in holder:
            raise _nowhere(path)
        if name in holder and name != path[-1]:
            msg = f"there is a {name!r} already: choose another name"
            raise InputError(msg)
        entries = [(name if key == path[-1] else key, value) for key, value in holder.items()]
        holder.clear()
        holder.update(entries)
        self._step(document, (*path[:-1], name))

    def choose(self, path: Path, kind: str) -> None:
        """Choose the kind of a part, and keep what both kinds have in common.

        Args:
            path: The part, such as ("model", "fusion").
            kind: One of its kinds.

        Raises:
            InputError: The part has no such kind.
        """
        known = {problems.tag_of(model): model for model in problems.models_at(path, Experiment)}
        if kind not in known:
            msg = f"{'.'.join(map(str, path))}: unknown kind {kind!r}; known: {', '.join(map(str, known))}"
            raise InputError(msg)
        said = self.get(path)
        kept = said if isinstance(said, dict) else {}
        fields = set(known[kind].model_fields) - {"kind"}
        self.set(path, {"kind": kind} | {k: v for k, v in kept.items() if k in fields})

    def undo(self) -> bool:
        """Take the last step back; return whether there was one."""
        return self._move(self._before, self._after)

    def redo(self) -> bool:
        """Take a step that was taken back again; return whether there was one."""
        return self._move(self._after, self._before)

    @property
    def steps(self) -> tuple[int, int]:
        """How many steps can be taken back, and taken again."""
        return len(self._before), len(self._after)

    # In plain values ------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return the draft with its steps, for a file that outlives the process."""
        return {
            "document": self._document,
            "before": [[document, list(path)] for document, path in self._before],
            "after": [[document, list(path)] for document, path in self._after],
        }

    @classmethod
    def from_json(cls, values: Any, *, folder: str | File | None = None) -> Self:
        """Return the draft that `to_json` wrote.

        Raises:
            SpecError: It is none.
        """
        try:
            made = cls(values["document"], folder=folder)
            for name in ("before", "after"):
                steps = [(dict(document), tuple(path)) for document, path in values[name]]
                setattr(made, f"_{name}", steps[-MOST_STEPS:])
        except (KeyError, TypeError, ValueError):
            msg = "this is no draft of an experiment"
            raise SpecError(msg) from None
        return made

    def _check(self) -> tuple[Experiment | None, tuple[Problem, ...]]:
        if self._checked is None:
            try:
                made = Experiment.model_validate(self._document)
            except ValidationError as error:
                self._checked = None, tuple(problems.find(error, Experiment))
            else:
                made = Experiment.from_mapping(self._document, folder=self.folder)
                self._checked = made, ()
        return self._checked

    def _step(self, document: dict[str, Any], path: Path, *, merge: bool = False) -> None:
        if document == self._document:
            return
        if not (merge and self._before and self._before[-1][1] == path and not self._after):
            self._before.append((self._document, path))
            del self._before[:-MOST_STEPS]
        self._document, self._checked = document, None
        self._after.clear()

    def _move(
        self, source: list[tuple[dict[str, Any], Path]], target: list[tuple[dict[str, Any], Path]]
    ) -> bool:
        if not source:
            return False
        document, path = source.pop()
        target.append((self._document, path))
        self._document, self._checked = document, None
        return True


def _put(document: dict[str, Any], path: Path, value: Any) -> None:
    here: Any = document
    for part, following in itertools.pairwise(path):
        if isinstance(here, dict) and here.get(part) is None:
            here[part] = [] if isinstance(following, int) else {}
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            raise _nowhere(path) from None
    last = path[-1]
    if isinstance(here, list) and isinstance(last, int) and 0 <= last <= len(here):
        here[last : last + 1] = [value]
    elif isinstance(here, dict) and isinstance(last, str):
        here[last] = value
    else:
        raise _nowhere(path)


def _holder(document: dict[str, Any], path: Path) -> Any:
    here: Any = document
    if not path:
        raise _nowhere(path)
    for part in path[:-1]:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            raise _nowhere(path) from None
    return here


def _drop_empty(document: dict[str, Any], path: Path) -> None:
    """Take out mappings that hold nothing any more, but for the data, which must be there."""
    while len(path) > 1 or (path and path[0] != "data"):
        holder = _holder(document, path)
        if holder[path[-1]] != {}:
            return
        del holder[path[-1]]
        path = path[:-1]


def _require_mapping(value: Any) -> None:
    if not isinstance(value, Mapping):
        msg = "an experiment is a mapping, as in `medfusion: 1`"
        raise InputError(msg)


def _nowhere(path: Path) -> InputError:
    return InputError(f"there is no place {'.'.join(map(str, path)) or 'without a name'!r} here")
