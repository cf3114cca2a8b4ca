"""The data checks of a draft, in a thread of their own: they read every image."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medfusion.errors import InputError

if TYPE_CHECKING:
    from medfusion.data.cohort import Cohort


class Checking:
    """The data checks of one state of a draft, at work from the start.

    Args:
        key: What they are of; other data need other checks.
        experiment: The data to check, in an experiment.
        data: The data part of the draft.
        groups: Columns that could keep rows of one patient together.
    """

    def __init__(
        self, key: str, experiment: Any, data: Mapping[str, Any], groups: list[str]
    ) -> None:
        self.key = key
        self._found: dict[str, Any] | None = None
        self._data, self._groups = data, groups
        threading.Thread(target=self._work, args=(experiment,), daemon=True).start()

    def answer(self) -> dict[str, Any]:
        """Return what was found, or that they are at work still."""
        return {"working": True} if self._found is None else self._found

    def _work(self, experiment: Any) -> None:
        try:
            self._found = self._outcome(experiment)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to tell
            self._found = {"error": f"a fault of MedFusion: {type(error).__name__}: {error}"}

    def _outcome(self, experiment: Any) -> dict[str, Any]:
        from medfusion.data import remedies
        from medfusion.data.cohort import Cohort

        grouped = [_plain(one) for one in remedies.better_group(self._data, self._groups)]
        try:
            cohort = Cohort.load(experiment)
            checks = cohort.checks
        except InputError as error:
            mended = [_plain(one) for one in remedies.for_error(error)]
            return {"error": str(error), "remedies": mended, "grouping": grouped}
        return {
            "checks": [
                dataclasses.asdict(check)
                | {"remedies": [_plain(one) for one in remedies.remedies(check)]}
                for check in checks
            ],
            "splits": _sizes(cohort),
            "grouping": grouped,
        }


def _sizes(cohort: Cohort) -> dict[str, int]:
    return {name: len(cohort.rows(name)) for name in ("train", "val", "test")}


def _plain(remedy: Any) -> dict[str, Any]:
    return {"action": remedy.action, "columns": list(remedy.columns)}
