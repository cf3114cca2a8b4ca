"""Tables, images and volumes in, batches out: reading, splitting, preparing, checking, loading."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfusion.data.batch import Batch as Batch
    from medfusion.data.checks import Check as Check
    from medfusion.data.cohort import Cases as Cases
    from medfusion.data.cohort import Cohort as Cohort
    from medfusion.data.cohort import Subject as Subject
    from medfusion.data.dicom.series import SeriesInfo as SeriesInfo
    from medfusion.data.dicom.series import find_series as find_series
    from medfusion.data.images import read_image as read_image
    from medfusion.data.loader import Loader as Loader
    from medfusion.data.nifti import write_nifti as write_nifti
    from medfusion.data.prefetch import Pictures as Pictures
    from medfusion.data.prefetch import PrefetchLoader as PrefetchLoader
    from medfusion.data.preprocessing import Preprocessing as Preprocessing
    from medfusion.data.reading import read_volume as read_volume
    from medfusion.data.table import Table as Table
    from medfusion.data.table import read_table as read_table
    from medfusion.data.volume import Source as Source
    from medfusion.data.volume import Volume as Volume

_HOMES = {
    "Batch": "batch",
    "Cases": "cohort",
    "Check": "checks",
    "Cohort": "cohort",
    "Loader": "loader",
    "Pictures": "prefetch",
    "PrefetchLoader": "prefetch",
    "Preprocessing": "preprocessing",
    "SeriesInfo": "dicom.series",
    "Source": "volume",
    "Subject": "cohort",
    "Table": "table",
    "Volume": "volume",
    "find_series": "dicom.series",
    "read_image": "images",
    "read_table": "table",
    "read_volume": "reading",
    "write_nifti": "nifti",
}

__all__ = [
    "Batch",
    "Cases",
    "Check",
    "Cohort",
    "Loader",
    "Pictures",
    "PrefetchLoader",
    "Preprocessing",
    "SeriesInfo",
    "Source",
    "Subject",
    "Table",
    "Volume",
    "find_series",
    "read_image",
    "read_table",
    "read_volume",
    "write_nifti",
]


def __getattr__(name: str) -> Any:
    # Names are found on first use, so that looking at a table does not wait for torch.
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
