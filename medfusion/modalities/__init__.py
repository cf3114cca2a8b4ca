"""Does fusion pay? One modality, every asked fusion and simple rivals on identical folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfusion.modalities.folder import ComparisonFolder as ComparisonFolder
from medfusion.modalities.folder import Settings as Settings

if TYPE_CHECKING:
    from medfusion.modalities.execution import execute as execute

__all__ = ["ComparisonFolder", "Settings", "execute"]


def __getattr__(name: str) -> object:
    # Reading a comparison needs no torch.
    if name == "execute":
        from medfusion.modalities.execution import execute

        return execute
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
