"""The errors a user can meet: each says what is wrong, where, and what to do.

`InputError` and its children mean that something the user gave is wrong (the command line exits
with 2 and prints the message without a traceback); any other exception is a fault of MedFusion
(exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MedFusionError(Exception):
    """Base of all errors that MedFusion raises on purpose."""


class InputError(MedFusionError):
    """Something the user gave is wrong: a file, a value, a name."""


class SpecError(InputError):
    """An experiment that does not follow the schema."""


class UnknownNameError(InputError):
    """A name that is not registered; the message lists the near and the known ones."""


class TableError(InputError):
    """A table that cannot be read or lacks what the experiment asks of it."""


class ImageReadError(InputError):
    """An image file that is missing, damaged or of an unsupported kind."""


class VolumeReadError(InputError):
    """A volume (NIfTI, DICOM) that is missing, damaged, ambiguous or of an unsupported kind."""


class GeometryWarning(UserWarning):
    """A volume whose array is not quite what the patient holds: slices missing, uneven, left out."""


class TransformError(InputError):
    """A transform that cannot be applied to this volume or image."""


class CorrectionsError(InputError):
    """A journal of corrected labels that is damaged, or was made for another table."""


class SplitError(InputError):
    """A split that is empty, unknown or would put one group on two sides."""


class DataRootError(InputError):
    """A path in a table that leaves the data root."""


class RunError(InputError):
    """A run folder that does not exist, is damaged or is in the wrong state."""


class DeviceError(InputError):
    """A device or a precision that this machine cannot serve."""


class WeightsError(InputError):
    """Pretrained weights that cannot be had or do not fit the model."""


class TrainingError(InputError):
    """Training that cannot go on, such as a loss that became infinite."""


class StorageError(InputError):
    """The disk is full, or a file cannot be written."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None when none is near.

    >>> nearest("gatd", ["gated", "bilinear"])
    'gated'
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name, with the near and the known ones.

    >>> unknown("fusion", "gatd", ["gated", "bilinear"])
    "unknown fusion 'gatd': did you mean 'gated'? Known: bilinear, gated"
    """
    names = sorted(known)
    near = nearest(name, names)
    hint = f": did you mean {near!r}?" if near else "."
    return f"unknown {what} {name!r}{hint} Known: {', '.join(names)}"
